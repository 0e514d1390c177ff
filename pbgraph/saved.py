"""Trained models on disk: a folder that is there whole or not at all, and holds data but never code.

model.json         what it is: the run's spec, targets, kind, versions, and the hash of the other file
model.safetensors  its state, see `pbgraph.methods.restore`
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from pbgraph.checkpoint import load_state, save_state
from pbgraph.errors import DataError, UsageError
from pbgraph.files import content_of
from pbgraph.metrics import Kind
from pbgraph.records import RunSpec, canonical_json, sha256

FORMAT = 1
FACTS, STATE = "model.json", "model.safetensors"


@dataclass(frozen=True)
class SavedModel:
    """What model.json says.

    targets        names of the T outputs, in order
    smiles_column  of the data it was trained on
    packages       versions with which it was trained
    state_sha256   of model.safetensors
    """

    spec: RunSpec
    targets: tuple[str, ...]
    kind: Kind
    smiles_column: str
    packages: Mapping[str, str]
    commit: str
    state_sha256: str = ""
    format: int = FORMAT


def write_model(folder: Path, facts: SavedModel, state: Any) -> None:
    """Write a model; one that is left there by a run that was killed is replaced."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        save_state(state, part / STATE)
        described = replace(facts, state_sha256=sha256((part / STATE).read_bytes()))
        (part / FACTS).write_bytes(msgspec.json.format(canonical_json(described), indent=1) + b"\n")
        part.chmod(0o755)
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(part, folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def read_model(folder: Path) -> tuple[SavedModel, Any]:
    """(what a model is, its state). Raises DataError if the folder holds no model, or a damaged one."""
    return read_facts(folder), load_state(folder / STATE)


def read_facts(folder: Path) -> SavedModel:
    """What a model is. Raises DataError if the folder holds no model, or a damaged one."""
    path = folder / FACTS
    try:
        facts = msgspec.json.decode(path.read_bytes(), type=SavedModel)
    except (OSError, msgspec.MsgspecError, RecursionError) as error:
        raise DataError(f"{path} does not describe a saved model ({error}); name a folder that 'train' made") from error
    if facts.format != FORMAT:
        raise DataError(f"{path} has format {facts.format}, this version reads {FORMAT}; train the model again")
    if sha256(content_of(folder / STATE)) != facts.state_sha256:
        raise DataError(f"{folder / STATE} is not the file that {FACTS} was written with; copy the whole folder again")
    return facts


def model_folders(folder: Path) -> list[Path]:
    """The folder itself if it holds a model, else those in it that do. Raises UsageError if there are none.

    A name that starts with a dot is that of a model whose writing was interrupted.
    """
    if (folder / FACTS).exists():
        return [folder]
    found = sorted(path.parent for path in folder.glob(f"[!.]*/{FACTS}"))
    if not found:
        raise UsageError(f"{folder} holds no saved model; {_what_to_do(folder)}")
    return found


def _what_to_do(folder: Path) -> str:
    """For a run that is finished without a saved model, that; else how models are made."""
    results, task = folder.absolute().parent.parent.parent, folder.absolute().parent.name
    record = results / "records" / task / f"{folder.name}.json"
    if record.exists():
        return (
            f"this run is finished, but its model was not saved: a record holds no weights. To have it trained again, "
            f"move {record} away, or give another --results, and run with --save-models"
        )
    return "models are saved by 'train', and by other runs with --save-models, as RESULTS/models/TASK/KEY"
