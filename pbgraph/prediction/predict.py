"""Saved models + SMILES -> predictions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pbgraph.datasets.user.graph_columns import is_blank, value_of
from pbgraph.errors import DataError, PbgraphError, UsageError, check_several
from pbgraph.features.base import Featuriser
from pbgraph.features.composed import featurise_to_predict, trial
from pbgraph.methods.restore import NoEncoderError, encoder, restored
from pbgraph.models.base import MODELS, Model
from pbgraph.prediction.choosing import check_go_together, chosen_models
from pbgraph.prediction.molecule_files import Chunk
from pbgraph.prediction.saved import SavedModel, read_state
from pbgraph.results.arms import Arm
from pbgraph.structures.smiles import failure, refusals, silence

Function = Callable[[Any], np.ndarray]


@dataclass(frozen=True, eq=False)
class Predictions:
    """Of n molecules, in their order.

    mean    (n, T) float64: probability of class 1, or value in the targets' units; mean over models, of several arms
            the mean of theirs; NaN if none. Of an encoder (n, C), the vector of each graph
    sd      (n, T) standard deviation over all models, or None for a single one
    errors  n reasons why there is no prediction, "" where there is one
    """

    mean: np.ndarray
    sd: np.ndarray | None
    errors: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class OfOneArm:
    """Trained models that differ in their seed alone: what they are, what they read, and store -> numbers of each."""

    models: tuple[SavedModel, ...]
    featuriser: Featuriser
    functions: tuple[Function, ...]

    @property
    def reads(self) -> tuple[str, bool]:
        """Its features, and whether columns beside the structures are among them: arms may have them in common."""
        return self.featuriser.name, bool(self.models[0].graph_columns)

    def values(self, store: Any, good: np.ndarray, rows: int, width: int) -> np.ndarray:
        """(M, rows, width) numbers of every model; store: of the good rows, others have NaN."""
        made = np.full((len(self.functions), rows, width), np.nan)
        if len(good):
            for value, function in zip(made, self.functions, strict=True):
                value[good] = function(store)
        return made

    def featurised(
        self, smiles: Sequence[str], reasons: list[str], columns: np.ndarray | None
    ) -> tuple[np.ndarray, Any]:
        """Rows without a reason against them and their features; one that cannot be featurised is given a reason.

        columns  (n, D) beside the structures, which an arm that reads none does without
        """
        columns = columns if self.models[0].graph_columns else None
        good = [row for row, reason in enumerate(reasons) if not reason]
        try:
            return np.array(good, dtype=np.int64), self._features(smiles, good, columns)
        except Exception as all_together:  # of the featuriser, or of RDKit: it costs the rows that raise it alone
            for row in good:
                try:
                    self._features(smiles, [row], columns)
                except Exception as error:
                    reasons[row] = failure(error)
            left = [row for row in good if not reasons[row]]
            if len(left) == len(good):
                raise all_together
            return np.array(left, dtype=np.int64), self._features(smiles, left, columns)

    def _features(self, smiles: Sequence[str], rows: Sequence[int], columns: np.ndarray | None) -> Any:
        if not rows:
            return None
        unknown = np.full((len(rows), len(self.models[0].targets)), np.nan, dtype=np.float32)
        mine = None if columns is None else columns[np.asarray(rows)]
        with silence():
            return featurise_to_predict(self.featuriser, [smiles[row] for row in rows], unknown, mine)


@dataclass(frozen=True, eq=False)
class Predictor:
    """Trained models whose predictions are averaged, each arm counting alike; or an encoder.

    arms      one at least
    channels  C of an encoder's vectors; None of what predicts
    """

    arms: tuple[OfOneArm, ...]
    channels: int | None = None

    @property
    def models(self) -> tuple[SavedModel, ...]:
        """What they are, arm by arm."""
        return tuple(facts for arm in self.arms for facts in arm.models)

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of the T outputs."""
        return self.models[0].targets

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the numbers that a molecule gets: the targets; of an encoder e0, e1, and so on."""
        return self.targets if self.channels is None else tuple(f"e{number}" for number in range(self.channels))

    @property
    def graph_columns(self) -> tuple[str, ...]:
        """Names of the D numbers that it takes beside the structures; an arm may read none of them."""
        return next((facts.graph_columns for facts in self.models if facts.graph_columns), ())

    def __call__(
        self, smiles: Sequence[str], errors: Sequence[str] = (), *, columns: np.ndarray | None = None
    ) -> Predictions:
        """Predict for structures.

        errors   reasons already known why some of them cannot be used, else ""
        columns  (n, D) numbers of a model that takes some beside the structures, NaN = blank
        Raises UsageError for a single text, and for columns that are not those of the model.
        """
        check_several(smiles=smiles)
        smiles = list(smiles)
        self._check_columns(columns, len(smiles))
        known = errors or [""] * len(smiles)
        reasons = [error or (reason or "") for error, reason in zip(known, refusals(smiles), strict=True)]
        stores: dict[tuple[str, bool], tuple[np.ndarray, Any]] = {}
        for arm in self.arms:
            if arm.reads not in stores:
                stores[arm.reads] = arm.featurised(smiles, reasons, columns)
        shared = [(arm, *stores[arm.reads]) for arm in self.arms]
        by_arm = [arm.values(store, good, len(smiles), len(self.columns)) for arm, good, store in shared]
        mean = np.stack([values.mean(axis=0) for values in by_arm]).mean(axis=0)
        every = np.concatenate(by_arm)
        return Predictions(mean, every.std(axis=0, ddof=1) if len(every) > 1 else None, tuple(reasons))

    def _check_columns(self, columns: np.ndarray | None, rows: int) -> None:
        names, shape = self.graph_columns, (0, 0) if columns is None else columns.shape
        if columns is None and not names:
            return
        if columns is None or shape != (rows, len(names)):
            takes = f"takes the columns {', '.join(names)}" if names else "takes no columns"
            raise UsageError(
                f"the model {takes} beside the structures, and is given numbers of shape {shape}; expected "
                f"{(rows, len(names)) if names else 'none'}"
            )

    def stream(self, chunks: Iterable[Chunk]) -> Iterator[tuple[Chunk, Predictions]]:
        """Each chunk with its predictions, one at a time; its cells are the model's columns."""
        for chunk in chunks:
            columns, errors = columns_of(chunk, self.graph_columns)
            yield chunk, self(chunk.smiles, errors, columns=columns)


def columns_of(chunk: Chunk, names: Sequence[str]) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """(The numbers (n, D) in a chunk's cells, NaN = blank, or None without names; errors with those of the cells)."""
    if not names:
        return None, chunk.errors
    read = [[value_of(cell, name) for cell, name in zip(cells, names, strict=True)] for cells in chunk.cells]
    wrong = (next((why for _, why in row if why), "") for row in read)
    errors = tuple(known or why for known, why in zip(chunk.errors, wrong, strict=True))
    return np.array([[value for value, _ in row] for row in read]).reshape(len(read), len(names)), errors


def blank_cells(chunk: Chunk, names: Sequence[str]) -> Counter[str]:
    """How many rows of a chunk that can be used have nothing in each of these columns, those that have at all."""
    rows = [cells for cells, error in zip(chunk.cells, chunk.errors, strict=True) if not error]
    return Counter(name for cells in rows for name, cell in zip(names, cells, strict=True) if is_blank(cell))


def load_predictor(
    folder: Path, arms: Sequence[Arm] = (), *, preset: str | None = None, split: str | None = None
) -> Predictor:
    """The model in `folder`, or all models of each arm in the folders in it, which must differ in their seed alone.

    arms           whose models are meant, where there are several; the mean of what each of them predicts
    preset, split  of the models, where there are several
    Raises UsageError if there is no model, if these leave models of an arm that differ in more than their seed, and for
    arms that do not predict the same; DataError if a model is damaged or was made by another version of its
    architecture or features.
    """
    named: Sequence[Arm | None] = arms or [None]
    groups = [chosen_models(folder, arm, preset=preset, split=split) for arm in named]
    check_go_together(folder, [next(iter(chosen.values())) for chosen, _ in groups])
    return Predictor(
        tuple(
            OfOneArm(
                tuple(chosen.values()),
                featuriser,
                tuple(_predicting(path, facts, featuriser) for path, facts in chosen.items()),
            )
            for chosen, featuriser in groups
        )
    )


def load_encoder(
    folder: Path, arms: Sequence[Arm] = (), *, preset: str | None = None, split: str | None = None
) -> Predictor:
    """The encoder of a network, whose numbers are the vectors that its head reads; arguments and errors as above.

    Raises UsageError for several models, whose vectors have nothing in common, and for what is not one network.
    """
    if len(arms) > 1:
        raise UsageError(f"{' and '.join(map(str, arms))}: --embeddings are of one network; name one of them")
    chosen, featuriser = chosen_models(folder, arms[0] if arms else None, preset=preset, split=split)
    if len(chosen) > 1:
        raise UsageError(
            f"{folder} holds {len(chosen)} such models, and --embeddings are of one network: name the folder of one"
        )
    [(path, facts)] = chosen.items()
    function, vectors = _tried(path, facts, featuriser=featuriser, make=encoder)
    if vectors.ndim != 2 or not vectors.shape[1] or len(vectors) != 1 or not np.isfinite(vectors).all():
        raise DataError(f"{path} gives no vector of finite numbers, but shape {vectors.shape}; train it again")
    return Predictor((OfOneArm((facts,), featuriser, (function,)),), vectors.shape[1])


def _tried(
    folder: Path, facts: SavedModel, *, featuriser: Featuriser, make: Callable[[Any, Model], Function]
) -> tuple[Function, np.ndarray]:
    """(What `make` makes of a saved state and its model, what that gives for one molecule).

    Raises DataError if it cannot be made of the folder; NoEncoderError if the model has none and was asked for one.
    """
    state = read_state(folder, facts)
    try:
        store = trial(featuriser, len(facts.targets), len(facts.graph_columns))
        function = make(state, MODELS.get(facts.spec.model))
        return function, function(store)
    except NoEncoderError:
        raise
    except Exception as error:  # whatever the code of a model makes of a state that is not its own
        words = str(error) if isinstance(error, PbgraphError) else f"{type(error).__name__}: {error}"
        raise DataError(f"{folder} holds no model that can predict: {words}; train it again") from error


def _predicting(folder: Path, facts: SavedModel, featuriser: Featuriser) -> Function:
    """A model's prediction function, tried on one molecule. Raises DataError if it cannot be made of the folder."""
    function, numbers = _tried(
        folder, facts, featuriser=featuriser, make=lambda state, model: restored(state, model, facts.kind)
    )
    if numbers.shape != (1, len(facts.targets)) or not np.isfinite(numbers).all():
        raise DataError(
            f"{folder} holds no model that can predict: of one molecule it gives numbers of shape {numbers.shape[1:]}, "
            f"or not finite ones, for {len(facts.targets)} targets; train it again"
        )
    return function
