"""Probabilities of class 1: of logits, as results keep them, and metrics that take them.

Results keep ten significant bits of p or 1 - p, whichever is smaller: a step of at most 0.2 % of it. As numbers are
float32, 1 - p has steps of 2⁻²⁴ where that is more, and is 0 below half of one. What is scored are these very numbers,
so that a file of predictions gives its record's scores exactly. Rounding never changes an order; it makes ties, which
on Tox21's test rows move the mean ROC-AUC by about 0.00001 (benchmarks/record_sizes.py).
"""

from __future__ import annotations

import numpy as np

from pbgraph.metrics import Metric, measured_rows

BITS = 10  # significant ones that are kept
BINS = 10  # of the expected calibration error


def of_logits(logits: np.ndarray) -> np.ndarray:
    """σ, in float64."""
    from scipy.special import expit  # takes a fifth of a second to import

    return np.asarray(expit(np.asarray(logits, np.float64)))


def kept(p: np.ndarray) -> np.ndarray:
    """The nearest probabilities that results keep, as float32 has them; NaN stays. Raises ValueError outside [0, 1].

    >>> kept(np.array([0.1, 0.9, 1.0])).tolist()
    [0.0999755859375, 0.9000244140625, 1.0]
    """
    p = np.asarray(p, np.float64)
    if ((p < 0) | (p > 1)).any():
        raise ValueError(f"probabilities lie in [0, 1], and these from {np.nanmin(p):g} to {np.nanmax(p):g}")
    near_one = p > 0.5
    far = np.where(near_one, 1 - p, p)
    mantissa, exponent = np.frexp(far)
    rounded = np.ldexp(np.round(np.ldexp(mantissa, BITS)), exponent - BITS)
    return np.asarray(np.where(near_one, 1 - rounded, rounded), np.float32)


def brier(y: np.ndarray, p: np.ndarray) -> float | None:
    """Mean squared difference of probability and label, (p - y)²; smaller is better.

    y  (n,) float, 0 or 1, NaN = not measured (row ignored)
    p  (n,) float in [0, 1]
    None if nothing is measured. Raises ValueError if shapes differ or a measured row's p is NaN.
    Source: Brier 1950, doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2
    """
    y, p = _measured(y, p)
    return float(np.square(p - y).mean()) if len(y) else None


def log_loss(y: np.ndarray, p: np.ndarray) -> float | None:
    """Mean of -log of the probability of the label, which counts as 2⁻⁵² at least; arguments as for `brier`."""
    y, p = _measured(y, p)
    if not len(y):
        return None
    of_label = np.where(y > 0.5, p, 1 - p)
    return float(-np.log(np.clip(of_label, np.finfo(np.float64).eps, 1)).mean())


def expected_calibration_error(y: np.ndarray, p: np.ndarray) -> float | None:
    """Σ_b n_b / n · |mean p - mean y| over ten bins of p, [0, 0.1), [0.1, 0.2), ..., [0.9, 1].

    Arguments and undefined cases as for `brier`.
    Source: Naeini et al. 2015, doi:10.1609/aaai.v29i1.9602, of the probability of class 1
    """
    y, p = _measured(y, p)
    if not len(y):
        return None
    bins = np.minimum((p * BINS).astype(np.int64), BINS - 1)
    return float(np.abs(np.bincount(bins, p - y, minlength=BINS)).sum() / len(y))


def _measured(y: np.ndarray, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    y, p = measured_rows(y, p)
    return y.astype(np.float64), p.astype(np.float64)


BRIER = Metric(
    name="brier",
    version=1,
    kind="classification",
    score=brier,
    larger_is_better=False,
    source="doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2",
    label="Brier score",
    relevant=0.005,
    takes="probabilities",
)
LOG_LOSS = Metric(
    name="log_loss",
    version=1,
    kind="classification",
    score=log_loss,
    larger_is_better=False,
    source="scikit-learn, log_loss",
    label="log loss",
    relevant=0.01,
    takes="probabilities",
)
ECE = Metric(
    name="ece",
    version=1,
    kind="classification",
    score=expected_calibration_error,
    larger_is_better=False,
    source="expected calibration error, ten bins of equal width; doi:10.1609/aaai.v29i1.9602",
    label="ECE",
    relevant=0.01,
    takes="probabilities",
)
