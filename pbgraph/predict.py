"""Saved models + SMILES -> predictions."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pbgraph.datasets.own import MAX_ATOMS
from pbgraph.errors import DataError, UsageError
from pbgraph.features.base import FEATURISERS, Featuriser
from pbgraph.features.smiles import rdkit_version, refusal
from pbgraph.methods.restore import restored
from pbgraph.models.base import MODELS, Estimator
from pbgraph.molecule_files import Chunk
from pbgraph.saved import SavedModel, model_folders, read_model

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Predictions:
    """Of n molecules, in their order.

    mean    (n, T) float64: probability of class 1, or value in the targets' units; mean over models; NaN if none
    sd      (n, T) standard deviation over models, or None for a single one
    errors  n reasons why there is no prediction, "" where there is one
    """

    mean: np.ndarray
    sd: np.ndarray | None
    errors: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Predictor:
    """One trained model, or several of one arm whose predictions are averaged.

    models   what they are
    """

    models: tuple[SavedModel, ...]
    featuriser: Featuriser
    functions: tuple[Callable[[Any], np.ndarray], ...]

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of the T outputs."""
        return self.models[0].targets

    def __call__(self, smiles: Sequence[str], errors: Sequence[str] = ()) -> Predictions:
        """Predict for structures; errors: reasons already known why some of them cannot be used, else ""."""
        known = errors or [""] * len(smiles)
        reasons = tuple(
            error or refusal(text, most_atoms=MAX_ATOMS) or "" for text, error in zip(smiles, known, strict=True)
        )
        good = np.array([row for row, reason in enumerate(reasons) if not reason], dtype=np.int64)
        values = np.full((len(self.functions), len(smiles), len(self.targets)), np.nan)
        if len(good):
            unknown = np.full((len(good), len(self.targets)), np.nan, dtype=np.float32)
            store = self.featuriser.featurise([smiles[row] for row in good], unknown)
            for value, function in zip(values, self.functions, strict=True):
                value[good] = function(store)
        sd = values.std(axis=0, ddof=1) if len(values) > 1 else None
        return Predictions(values.mean(axis=0), sd, reasons)

    def stream(self, chunks: Iterable[Chunk]) -> Iterator[tuple[Chunk, Predictions]]:
        """Each chunk with its predictions, one at a time."""
        for chunk in chunks:
            yield chunk, self(chunk.smiles, chunk.errors)


def load_predictor(folder: Path, arm: str | None = None) -> Predictor:
    """The model in `folder`, or all models of one arm in the folders in it.

    arm  "model/method", where there are several
    Raises UsageError if there is no model or more than one arm; DataError if a model is damaged or was made by another
    version of its architecture or features.
    """
    read = [read_model(each) for each in model_folders(folder)]
    arms = sorted({facts.spec.arm for facts, _ in read})
    chosen = [(facts, state) for facts, state in read if arm is None or facts.spec.arm == arm]
    if len({facts.spec.arm for facts, _ in chosen}) != 1:
        raise UsageError(f"{folder} holds models of {', '.join(arms)}; choose one of them with --arm MODEL/METHOD")
    first = chosen[0][0]
    for facts, _ in chosen:
        _check_current(facts)
        if (facts.targets, facts.kind, facts.spec.featuriser) != (first.targets, first.kind, first.spec.featuriser):
            raise UsageError(f"{folder} holds models for different targets or features; name one of its folders")
    return Predictor(
        models=tuple(facts for facts, _ in chosen),
        featuriser=FEATURISERS.get(first.spec.featuriser),
        functions=tuple(restored(state, MODELS.get(facts.spec.model), facts.kind) for facts, state in chosen),
    )


def _check_current(facts: SavedModel) -> None:
    spec, model, featuriser = facts.spec, MODELS.get(facts.spec.model), FEATURISERS.get(facts.spec.featuriser)
    for what, now in (("model", model.version), ("featuriser", featuriser.version)):
        if spec.versions[what] != now:
            raise DataError(
                f"model {spec.key} was trained with version {spec.versions[what]} of {what} "
                f"{getattr(spec, what)!r}, and this is version {now}, which gives other numbers; train it again"
            )
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
