"""What must hold for every metric, tried on random labels of its kind, some of them blank."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import get_args

import numpy as np

from pbgraph.metrics import METRICS, Kind, Metric, Takes
from pbgraph.testing.base import Check, CheckFailed, checks_of, require, require_described

ROWS, DRAWS = 60, 20


def metric_checks(metric: str | Metric) -> list[Check[Metric]]:
    """All checks of a metric, registered under this name or given itself. Raises UsageError for an unknown name."""
    return checks_of(METRICS.get(metric) if isinstance(metric, str) else metric, METRIC_CHECKS)


def labels(metric: Metric, random: np.random.Generator, blank: float = 0.2) -> np.ndarray:
    """60 labels of the metric's kind, both classes among them, this share of them blank (NaN)."""
    numbers = random.normal(3.0, 2.0, ROWS)
    y = numbers if metric.kind == "regression" else (numbers > 4).astype(float)
    y[:4] = 0, 1, 0, 1
    y[4:][random.random(ROWS - 4) < blank] = np.nan
    return y


def noise(metric: Metric, random: np.random.Generator) -> np.ndarray:
    """60 predictions that know nothing, of the kind that the metric takes."""
    numbers = random.normal(3.0, 2.0, ROWS)
    if metric.takes == "scores":
        return numbers
    probabilities: np.ndarray = 1 / (1 + np.exp(3.0 - numbers))
    return probabilities if metric.takes == "probabilities" else (probabilities >= 0.5).astype(float)


def spoilt(metric: Metric, y: np.ndarray, share: float, random: np.random.Generator) -> np.ndarray:
    """The labels with this share of noise in each, or of decisions in so many of them."""
    perfect, other = np.nan_to_num(y), noise(metric, random)
    if metric.takes == "decisions":
        return np.asarray(np.where(random.random(ROWS) < share, other, perfect))
    return np.asarray((1 - share) * perfect + share * other)


def value(metric: Metric, y: np.ndarray, score: np.ndarray) -> float:
    """A score that must be defined: its value, with the sign turned if smaller is better."""
    found = metric.score(y, score)
    if not isinstance(found, float) or not math.isfinite(found):
        raise CheckFailed(f"the score of {len(y)} rows is {found!r}, expected a finite float")
    return found if metric.larger_is_better else -found


def check_described(metric: Metric) -> None:
    """It has a name, a version, a source and a kind of task, and says which difference matters."""
    require_described(metric)
    require(metric.takes in get_args(Takes), f"takes is {metric.takes!r}, expected one of {', '.join(get_args(Takes))}")
    require(metric.kind in get_args(Kind), f"kind is {metric.kind!r}, expected one of {', '.join(get_args(Kind))}")
    require(metric.relevant > 0, f"relevant is {metric.relevant}, expected the smallest difference that matters")


def check_perfect(metric: Metric) -> None:
    """No prediction scores better than the labels themselves."""
    random = np.random.default_rng(0)
    for _ in range(DRAWS):
        y = labels(metric, random)
        perfect, other = value(metric, y, np.nan_to_num(y)), value(metric, y, noise(metric, random))
        require(perfect >= other, f"the labels themselves score {perfect}, and noise {other}")


def check_direction(metric: Metric) -> None:
    """The more noise in the predictions, the worse the score, in the direction of larger_is_better."""
    random, shares = np.random.default_rng(0), (0.0, 0.5, 1.0)
    tried = []
    for _ in range(DRAWS):
        y = labels(metric, random)
        tried.append([value(metric, y, spoilt(metric, y, share, random)) for share in shares])
    means = np.mean(tried, axis=0)
    require(bool(np.all(np.diff(means) < 0)), f"with noise {shares} the scores, larger better, are {means.tolist()}")


def check_undefined(metric: Metric) -> None:
    """Without a measured label it is None; with one class, too, unless it takes probabilities."""
    score = noise(metric, np.random.default_rng(0))
    cases = {"no label": np.full(ROWS, np.nan)}
    if metric.kind == "classification" and metric.takes != "probabilities":
        cases |= {"negatives alone": np.zeros(ROWS), "positives alone": np.ones(ROWS)}
    for what, y in cases.items():
        found = metric.score(y, score)
        require(found is None, f"{what}: the score is {found}, expected None")


def check_permutation(metric: Metric) -> None:
    """The order of the rows does not matter."""
    random = np.random.default_rng(0)
    y, score, order = labels(metric, random), noise(metric, random), random.permutation(ROWS)
    _require_same(metric, (y[order], score[order]), (y, score), what="rows in another order")


def check_blanks(metric: Metric) -> None:
    """Rows without a label count nowhere, whatever was predicted for them."""
    random = np.random.default_rng(0)
    y, score = labels(metric, random), noise(metric, random)
    measured = ~np.isnan(y)
    for other in (score, np.where(measured, score, 1e6), np.where(measured, score, np.nan)):
        _require_same(metric, (y, other), (y[measured], score[measured]), what="blank rows left in and left out")


def check_scale(metric: Metric) -> None:
    """Of classification, any increasing scale of the scores that it takes gives the same."""
    if metric.kind == "regression" or metric.takes != "scores":
        return
    random = np.random.default_rng(0)
    y, score = labels(metric, random), noise(metric, random)
    for other in (1 / (1 + np.exp(-score)), 10 * score - 100, score**3):
        _require_same(metric, (y, other), (y, score), what="another increasing scale")


def check_bad_input(metric: Metric) -> None:
    """A measured row without a prediction, or arrays of different lengths, are a ValueError."""
    random = np.random.default_rng(0)
    y, score = labels(metric, random), noise(metric, random)
    missing = score.copy()
    missing[0] = np.nan
    for what, bad in {"a measured row predicted as NaN": missing, "one prediction too few": score[1:]}.items():
        try:
            found = metric.score(y, bad)
        except ValueError:
            continue
        raise CheckFailed(f"{what}: the score is {found}, expected a ValueError")


def check_weighted(metric: Metric) -> None:
    """Its fast form for the bootstrap, if it has one, is the score of rows repeated so many times, NaN if undefined."""
    if metric.weighted is None:
        return
    random = np.random.default_rng(0)
    y, score = labels(metric, random, blank=0.0), noise(metric, random)
    weights = random.integers(0, 4, (DRAWS, ROWS)).astype(float)
    for found, counts in zip(metric.weighted(y, score, weights), weights.astype(int), strict=True):
        expected = metric.score(np.repeat(y, counts), np.repeat(score, counts))
        same = expected is not None and math.isclose(found, expected, rel_tol=1e-9)
        require(same, f"weighted rows score {found}, rows repeated {expected}")
    nothing = metric.weighted(y, score, np.zeros((1, ROWS)))
    require(bool(np.isnan(nothing).all()), f"without any weight the score is {nothing}, expected NaN")


def _require_same(
    metric: Metric, one: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray], *, what: str
) -> None:
    found, expected = value(metric, *one), value(metric, *other)
    require(math.isclose(found, expected, rel_tol=1e-9), f"{what}: {found} and {expected}")


METRIC_CHECKS: Mapping[str, Callable[[Metric], None]] = {
    "described": check_described,
    "perfect": check_perfect,
    "direction": check_direction,
    "undefined": check_undefined,
    "permutation": check_permutation,
    "blanks": check_blanks,
    "scale": check_scale,
    "bad-input": check_bad_input,
    "weighted": check_weighted,
}
