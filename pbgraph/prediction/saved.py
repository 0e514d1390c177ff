"""Trained models on disk: a folder that is there whole or not at all, and holds data but never code.

model.json         what it is: the run's spec, targets, kind, versions, and the hash of the other file
model.safetensors  its state, see `pbgraph.methods.restore`
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from pbgraph.errors import DataError, UsageError
from pbgraph.files.hashing import canonical_json, sha256
from pbgraph.files.reading import MEBIBYTE, UnreadableError, check_file, decoded, read_bytes
from pbgraph.files.state_file import LARGEST, load_state, save_state
from pbgraph.files.writing import new_folder
from pbgraph.metrics import Kind
from pbgraph.results.record_checks import NAMES, name_problem
from pbgraph.results.records import RunSpec

log = logging.getLogger(__name__)

FORMAT_VERSION = 1
LARGEST_FACTS = 16 * MEBIBYTE
FACTS, STATE = "model.json", "model.safetensors"


@dataclass(frozen=True)
class SavedModel:
    """What model.json says.

    targets        names of the T outputs, in order
    smiles_column  of the data it was trained on
    packages       versions with which it was trained
    state_sha256   of model.safetensors
    digest         SHA-256 of all the other fields, and so of both files; "" of a model of an earlier version
    graph_columns  numbers that it takes beside the structures, by the names that they had in training
    """

    spec: RunSpec
    targets: tuple[str, ...]
    kind: Kind
    smiles_column: str
    packages: Mapping[str, str]
    commit: str
    state_sha256: str = ""
    format: int = FORMAT_VERSION
    digest: str = ""
    graph_columns: tuple[str, ...] = ()

    def digested(self) -> SavedModel:
        """The same with its digest."""
        told = msgspec.to_builtins(replace(self, digest=""))
        if not self.graph_columns:
            del told["graph_columns"]  # a later field, which is in no digest of an earlier model
        return replace(self, digest=sha256(canonical_json(told)))


def write_model(folder: Path, facts: SavedModel, state: Any) -> None:
    """Write a model; one that is left there by a run that was killed is replaced."""
    with new_folder(folder) as part:
        save_state(state, part / STATE)
        described = replace(facts, state_sha256=_sha256_of(part / STATE)).digested()
        (part / FACTS).write_bytes(msgspec.json.format(canonical_json(described), indent=1) + b"\n")


def read_model(folder: Path) -> tuple[SavedModel, Any]:
    """(what a model is, its state). Raises DataError if the folder holds no model, or a damaged one."""
    facts = read_facts(folder)
    return facts, read_state(folder, facts)


def read_facts(folder: Path) -> SavedModel:
    """What a model is. Raises DataError if the folder does not say so, or if that was edited."""
    path = folder / FACTS
    try:
        facts = decoded(read_bytes(path, LARGEST_FACTS), SavedModel)
    except (UnreadableError, RecursionError) as error:
        raise DataError(f"{path} does not describe a saved model ({error}); name a folder that 'train' made") from error
    if facts.format != FORMAT_VERSION:
        raise DataError(f"{path} has format {facts.format}, this version reads {FORMAT_VERSION}; train the model again")
    if not facts.digest:
        log.warning("%s has no digest, as earlier versions wrote it: if it was edited, nobody would notice", path)
    elif facts != facts.digested():
        raise DataError(f"{path} was edited; copy the whole folder again")
    spec = facts.spec
    names = [name_problem(what, getattr(spec, what)) for what in NAMES]
    if wrong := next(filter(None, names), None):
        raise DataError(f"{path} does not describe a saved model ({wrong}); name a folder that 'train' made")
    if not facts.targets or len(set(facts.targets)) < len(facts.targets):
        raise DataError(f"{path} does not describe a saved model: its targets are none, or one is named twice")
    return facts


def read_state(folder: Path, facts: SavedModel) -> Any:
    """The state of the model that the folder says it holds. Raises DataError if it is damaged."""
    path = folder / STATE
    try:
        check_file(path, LARGEST)
        digest = _sha256_of(path)
    except (UnreadableError, OSError) as error:
        words = getattr(error, "strerror", None) or error
        raise DataError(f"{path} cannot be read ({words}); copy the whole folder again") from error
    if digest != facts.state_sha256:
        raise DataError(f"{path} is not the file that {FACTS} was written with; copy the whole folder again")
    try:
        return load_state(path)
    except ValueError as error:
        raise DataError(f"{error}; train the model again") from error


def _sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def model_folders(folder: Path) -> list[Path]:
    """The folder itself if it holds a model, else those in it that do. Raises UsageError if there are none.

    A name that starts with a dot is that of a model whose writing was interrupted.
    """
    if os.path.lexists(folder / FACTS):
        return [folder]
    folders = sorted(path.parent for path in folder.glob(f"[!.]*/{FACTS}"))
    if not folders:
        raise UsageError(f"{folder} holds no saved model; {_what_to_do(folder)}")
    return folders


def _what_to_do(folder: Path) -> str:
    """For a run that is finished without a saved model, that; else how models are made."""
    results, dataset = folder.absolute().parent.parent.parent, folder.absolute().parent.name
    record = results / "records" / dataset / f"{folder.name}.json"
    if record.exists():
        return (
            f"this run is finished, but its model was not saved: a record holds no weights. To have it trained again, "
            f"move {record} away, or give another --results, and run with --save-models"
        )
    return "models are saved by 'train', and by other runs with --save-models, as RESULTS/models/TASK/KEY"
