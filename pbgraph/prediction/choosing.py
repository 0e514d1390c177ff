"""Which saved models of a folder are meant, and whether they go together and can be used by this version."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pbgraph.errors import DataError, UsageError
from pbgraph.features.base import FEATURISERS, Featuriser
from pbgraph.metrics import METRICS
from pbgraph.models.base import MODELS, Estimator, file_versions
from pbgraph.prediction.saved import SavedModel, model_folders, read_facts
from pbgraph.results.arms import Arm, meant_by
from pbgraph.results.protocol import arm_identity, choices, differences, twins
from pbgraph.structures.smiles import rdkit_version

log = logging.getLogger(__name__)


def chosen_models(
    folder: Path, arm: Arm | None, *, preset: str | None, split: str | None
) -> tuple[dict[Path, SavedModel], Featuriser]:
    """(What each folder that is meant holds, the featuriser of all).

    folder              of one model, or of folders of models
    arm, preset, split  of the models, where there are several
    Raises UsageError if there is no model, or if these leave models that differ in more than their seed; DataError if
    one is damaged or was made by another version of its architecture or features.
    """
    read = {path: read_facts(path) for path in model_folders(folder)}
    if arm is not None and len(meant := meant_by(arm, (facts.spec.arm for facts in read.values()))) == 1:
        arm = meant[0]
    asked = {name: value for name, value in (("arm", arm), ("preset", preset), ("split", split)) if value is not None}
    chosen = {
        path: facts
        for path, facts in read.items()
        if all(getattr(facts.spec, name) == value for name, value in asked.items())
    }
    models = tuple(chosen.values())
    _check_one_kind(folder, tuple(read.values()), models, asked=asked)
    _check_differ_in_seed(folder, models)
    for facts in models:
        _check_current(facts)
    return chosen, FEATURISERS.get(models[0].spec.featuriser)


def check_go_together(folder: Path, of_arms: Sequence[SavedModel]) -> None:
    """Raises UsageError unless arms, of each of which this is one model, predict the same and were made alike."""
    first = of_arms[0]
    for number, facts in enumerate(of_arms[1:], start=1):
        if any(facts.spec.arm == other.spec.arm for other in of_arms[:number]):
            raise UsageError(f"{facts.spec.arm} is named twice, and each arm counts once; leave one of them out")
        if details := differences(_predicted(first), _predicted(facts)):
            raise UsageError(
                f"{folder}: {first.spec.arm} and {facts.spec.arm} are not averaged: they differ in {details}"
            )
    if len({facts.graph_columns for facts in of_arms if facts.graph_columns}) > 1:
        named = "; ".join(f"{facts.spec.arm} {', '.join(facts.graph_columns)}" for facts in of_arms)
        raise UsageError(f"{folder}: these are not averaged, since they read different columns: {named}")


def _predicted(facts: SavedModel) -> dict[str, Any]:
    spec = facts.spec
    return {"task": spec.task, "targets": facts.targets, "kind": facts.kind, "preset": spec.preset, "split": spec.split}


def _check_one_kind(
    folder: Path, every: Sequence[SavedModel], chosen: Sequence[SavedModel], *, asked: Mapping[str, object]
) -> None:
    """Raises UsageError, saying what there is, unless the chosen models have one arm, preset and split."""
    kinds = {(facts.spec.arm, facts.spec.preset, facts.spec.split) for facts in chosen}
    if len(kinds) == 1:
        return
    what = "".join(f" with {name} {value}" for name, value in asked.items())
    there = choices((facts.spec for facts in chosen or every), "arm", "preset", "split")
    raise UsageError(
        f"{folder} holds {'several kinds of models' if chosen else 'no model'}{what}. There are: {there}. Choose with "
        "--arm, --preset and --split, or name the folder of one model"
    )


def _check_differ_in_seed(folder: Path, chosen: Sequence[SavedModel]) -> None:
    """Raises UsageError, naming two models, unless all are alike but for their seeds, which all differ."""
    for facts in chosen[1:]:
        if details := differences(_identity(chosen[0]), _identity(facts)):
            raise UsageError(
                f"{folder}: models {chosen[0].spec.key} and {facts.spec.key} of {facts.spec.arm} are not averaged: "
                f"they differ in {details}. Name the folder of one model"
            )
    if pair := twins(facts.spec for facts in chosen):
        raise UsageError(f"{folder}: {pair}. Name the folder of one model")


def _identity(facts: SavedModel) -> dict[str, Any]:
    told = {"targets": facts.targets, "kind": facts.kind, "graph_columns": facts.graph_columns}
    return {**arm_identity(facts.spec), **told}


def _check_current(facts: SavedModel) -> None:
    spec, model, featuriser = facts.spec, MODELS.get(facts.spec.model), FEATURISERS.get(facts.spec.featuriser)
    if METRICS.get(spec.metric).kind != facts.kind:
        raise DataError(
            f"model {spec.key} is said to be of {facts.kind}, but {spec.metric} selected it; train it again"
        )
    for what, now in (("model", model.version), ("featuriser", featuriser.version)):
        if spec.versions.get(what) != now:
            raise DataError(
                f"model {spec.key} was trained with version {spec.versions.get(what)} of {what} "
                f"{getattr(spec, what)!r}, and this is version {now}, which gives other numbers; train it again"
            )
    for name, digest in {**file_versions(model), **featuriser.file_versions()}.items():
        if spec.versions.get(name) != digest:
            raise DataError(f"model {spec.key} was built from another {name} than is there now; restore it")
    missing = model.unavailable() if isinstance(model, Estimator) else None
    if missing:
        raise UsageError(f"model {spec.model!r} cannot be used here: {missing}")
    trained_with = facts.packages.get("rdkit")
    if trained_with != rdkit_version():
        log.warning(
            "the model was trained with RDKit %s and this is %s: features of a few molecules may differ",
            trained_with,
            rdkit_version(),
        )
