"""What must hold for every estimator, tried on small molecules as its featuriser makes them.

It is fitted with the defaults of its config, to both kinds of tasks if it can be; `labels` says which tasks.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch

from pbgraph.errors import UsageError
from pbgraph.features.base import FEATURISERS
from pbgraph.files.state_file import load_state, save_state
from pbgraph.metrics import Kind, r2, roc_auc
from pbgraph.models.base import MODELS, Estimator, FittedEstimator
from pbgraph.testing.base import (
    Check,
    checks_of,
    draw_at_random,
    require,
    require_described,
    require_plain_fields,
    require_space,
)
from pbgraph.testing.splits import table

SEED = 68
TRAIN = 128  # of the 192 molecules; the others are scored
WHOLE, PARTLY, ALONE, NEVER = range(4)  # the tasks, by what is measured of them
LEAST = {"classification": ("ROC-AUC", roc_auc, 0.9), "regression": ("R²", r2, 0.3)}  # where chance is 0.5 and 0


@lru_cache(maxsize=1)
def _molecules() -> tuple[str, ...]:
    return table(np.random.default_rng(0).permutation(len(table())).tolist()).smiles


@lru_cache(maxsize=4)
def _features(featuriser: str) -> np.ndarray:
    smiles = _molecules()
    return np.asarray(FEATURISERS.get(featuriser).featurise(smiles, np.zeros((len(smiles), 1), dtype=np.float32)).x)


def labels(kind: Kind) -> np.ndarray:
    """Labels (192, 4) float32 of four tasks, NaN = not measured.

    WHOLE   whether the molecule is aromatic
    PARTLY  whether it has oxygen, in two rows of three
    ALONE   one value for every row
    NEVER   nothing
    Of regression they are 100 + 20 times that, the first two with noise of standard deviation 1.
    """
    noise = np.random.default_rng(1)
    y = np.array([["c1" in text, "O" in text, True, np.nan] for text in _molecules()], dtype=np.float32)
    y[noise.random(len(y)) < 1 / 3, PARTLY] = np.nan
    if kind == "regression":
        y = 100 + 20 * y
        y[:, [WHOLE, PARTLY]] += noise.normal(size=(len(y), 2))
    return y


@dataclass(frozen=True, eq=False)
class Trial:
    """An estimator on 128 molecules; fitted once to each kind of tasks, when it is needed."""

    estimator: Estimator

    @property
    def kinds(self) -> list[Kind]:
        """The kinds of tasks that it can be fitted to."""
        return [kind for kind in get_args(Kind) if self.estimator.refuses(kind) is None]

    @property
    def train(self) -> np.ndarray:
        """Features (128, D), for the caller alone."""
        return _features(self.estimator.featuriser)[:TRAIN].copy()

    @property
    def others(self) -> np.ndarray:
        """Features (64, D) of the molecules that are scored, for the caller alone."""
        return _features(self.estimator.featuriser)[TRAIN:].copy()

    def fit(self, kind: Kind, x: np.ndarray, y: np.ndarray) -> FittedEstimator:
        """It, fitted to these rows."""
        return self.estimator.fitter(kind)(x, y, self.estimator.config(), SEED)

    def taught(self, kind: Kind, y: np.ndarray) -> np.ndarray:
        """Scores of the others by what the training rows with these labels taught."""
        return self.fit(kind, self.train, y).predict(self.others)

    @cached_property
    def fitted(self) -> Mapping[Kind, FittedEstimator]:
        """It, fitted to all four tasks."""
        return {kind: self.fit(kind, self.train, labels(kind)[:TRAIN]) for kind in self.kinds}

    @cached_property
    def scores(self) -> Mapping[Kind, np.ndarray]:
        """What that gives the others (64, 4)."""
        return {kind: fitted.predict(self.others) for kind, fitted in self.fitted.items()}


def estimator_checks(estimator: str | Estimator) -> list[Check[Trial]]:
    """All checks of an estimator, registered under this name or given itself.

    Raises UsageError for an unknown name, an architecture, or an estimator whose package is not installed.
    """
    found = MODELS.get(estimator) if isinstance(estimator, str) else estimator
    if not isinstance(found, Estimator):
        raise UsageError(f"{estimator!r} is trained by gradients: these are checks of estimators, see 'ls models'")
    if (missing := found.unavailable()) is not None:
        raise UsageError(f"model {found.name!r} cannot be checked here: {missing}")
    return checks_of(Trial(found), ESTIMATOR_CHECKS)


def check_described(trial: Trial) -> None:
    """It has a name, a version, a source, a kind of task, a registered featuriser and a config that JSON can hold."""
    require_described(trial.estimator)
    require(bool(trial.kinds), "it has neither fit_classifier nor fit_regressor")
    FEATURISERS.get(trial.estimator.featuriser)
    require_plain_fields("config", trial.estimator.config)
    require_space(trial.estimator.space, trial.estimator.config)


def check_scores(trial: Trial) -> None:
    """Scores are finite floats (molecules, tasks), of classification in [0, 1]; one molecule can be scored alone."""
    for kind, fitted in trial.fitted.items():
        for scores, rows in ((trial.scores[kind], len(trial.others)), (fitted.predict(trial.others[:1]), 1)):
            expected = (rows, labels(kind).shape[1])
            require(scores.shape == expected, f"{kind}: scores are {scores.shape}, expected {expected}")
            finite = np.issubdtype(scores.dtype, np.floating) and bool(np.isfinite(scores).all())
            require(finite, f"{kind}: scores are {scores.dtype} and not all finite, expected finite floats")
            low, high = float(scores.min()), float(scores.max())
            right = kind == "regression" or (low >= 0 and high <= 1)
            require(right, f"{kind}: scores are from {low:.3g} to {high:.3g}, expected from 0 to 1")
        require(fitted.parameters > 0, f"{kind}: it counts {fitted.parameters} parameters")


def check_learns(trial: Trial) -> None:
    """It learns two tasks that show in the structure, one of them measured in part, well enough for new molecules."""
    for kind, scores in trial.scores.items():
        name, metric, least = LEAST[kind]
        for task in (WHOLE, PARTLY):
            found = metric(labels(kind)[TRAIN:, task], scores[:, task])
            good = found is not None and found >= least
            require(good, f"{kind}: {name} of new molecules is {found}, expected {least} at least for so easy a task")


def check_one_value(trial: Trial) -> None:
    """A task with one class or value alone gets that as every score, and a task never measured some constant."""
    for kind, scores in trial.scores.items():
        only, found = labels(kind)[0, ALONE], scores[:, ALONE]
        require(np.allclose(found, only), f"{kind}: every label is {only}, but scores are e.g. {found[:3].tolist()}")
        spread = float(np.ptp(scores[:, NEVER]))
        require(spread < 1e-9, f"{kind}: no label was measured, but scores of molecules differ by {spread:.1e}")


def check_blanks(trial: Trial) -> None:
    """A row without a label teaches nothing but what features look like: the scores are those of a fit without it."""
    blank = np.random.default_rng(2).random(TRAIN) < 0.5
    for kind in trial.kinds:
        y = labels(kind)[:TRAIN, [WHOLE]]
        without = trial.fit(kind, trial.train[~blank], y[~blank]).predict(trial.others)
        blanked, filled = (np.where(blank[:, None], value, y).astype(np.float32) for value in (np.nan, y.min()))
        apart, mistaken = (float(np.abs(trial.taught(kind, one) - without).mean()) for one in (blanked, filled))
        what = f"scores differ by {apart:.2g} on average from those of a fit without the blank rows"
        require(apart < mistaken / 4, f"{kind}: {what}, and by {mistaken:.2g} with the lowest label in every blank")


def check_few_rows(trial: Trial) -> None:
    """It can be fitted to two molecules, one of each class."""
    for kind in trial.kinds:
        y = labels(kind)[:TRAIN, [WHOLE]]
        two = np.array([y.argmin(), y.argmax()])
        scores = trial.fit(kind, trial.train[two], y[two]).predict(trial.others)
        require(bool(np.isfinite(scores).all()), f"{kind}: fitted to two molecules, its scores are not finite")


def check_batch_independence(trial: Trial) -> None:
    """Scores of a molecule depend neither on which others are scored beside it nor on their order."""
    order = np.random.default_rng(3).permutation(len(trial.others))
    for kind, fitted in trial.fitted.items():
        parts = [fitted.predict(trial.others[rows]) for rows in (order[:1], order[1:])]
        apart = float(np.abs(np.concatenate(parts) - trial.scores[kind][order]).max())
        scale = float(np.abs(trial.scores[kind]).max())
        require(apart <= 1e-6 * scale, f"{kind}: scores differ by {apart:.1e} when rows are scored in another company")


def check_determinism(trial: Trial) -> None:
    """The same seed gives the same scores, bit for bit, whatever was drawn at random before."""
    for kind, scores in trial.scores.items():
        draw_at_random()
        same = np.array_equal(trial.taught(kind, labels(kind)[:TRAIN]), scores)
        require(same, f"{kind}: two fits with the same seed differ; see pbgraph.streams")


def check_global_streams(trial: Trial) -> None:
    """Fitting and scoring leave the global random generators of Python, NumPy and torch where they were."""
    for kind in trial.kinds:
        draw_at_random()  # so that one who sets a generator does not find it as set before
        before = _global_streams()
        trial.taught(kind, labels(kind)[:TRAIN, [WHOLE]])
        moved = [name for name, state in _global_streams().items() if state != before[name]]
        require(not moved, f"{kind}: it draws from the global generator of {', '.join(moved)}, or sets it")


def _global_streams() -> dict[str, Any]:
    numpy: Any = np.random.get_state()  # noqa: NPY002
    return {
        "Python": random.getstate(),
        "NumPy": [numpy[1].tobytes(), *numpy[2:]],
        "torch": torch.get_rng_state().tolist(),
    }


def check_save_and_load(trial: Trial) -> None:
    """What was saved, which holds no pickles, gives the same scores bit for bit; or it says that it cannot be saved."""
    restore = trial.estimator.restore
    for kind, fitted in trial.fitted.items():
        both = (restore is None) == (fitted.state is None)
        require(both, f"{kind}: of restore and the fitted estimator's state, one is None; expected both or neither")
        if restore is None or fitted.state is None:
            continue
        with tempfile.TemporaryDirectory() as folder:
            save_state(fitted.state(), Path(folder) / "state")
            found = restore(load_state(Path(folder) / "state"))(trial.others)
        require(np.array_equal(found, trial.scores[kind]), f"{kind}: scores change when it is saved and loaded")


def check_input_kept(trial: Trial) -> None:
    """Features and labels are as they were before, blanks too."""
    for kind in trial.kinds:
        x, y, others = trial.train, labels(kind)[:TRAIN, [PARTLY]], trial.others
        before = x.copy(), y.copy(), others.copy()
        trial.fit(kind, x, y).predict(others)
        same = [np.array_equal(*pair, equal_nan=True) for pair in zip((x, y, others), before, strict=True)]
        changed = [name for name, kept in zip(("x", "y", "x of others"), same, strict=True) if not kept]
        require(not changed, f"{kind}: fitting and scoring change {', '.join(changed)}")


ESTIMATOR_CHECKS: Mapping[str, Callable[[Trial], None]] = {
    "described": check_described,
    "scores": check_scores,
    "learns": check_learns,
    "one-value": check_one_value,
    "blanks": check_blanks,
    "few-rows": check_few_rows,
    "batch-independence": check_batch_independence,
    "determinism": check_determinism,
    "global-streams": check_global_streams,
    "save-and-load": check_save_and_load,
    "input-kept": check_input_kept,
}
