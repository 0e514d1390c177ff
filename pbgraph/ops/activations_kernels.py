"""Loops of `pbgraph.ops.activations`. Compiled by Numba."""

from __future__ import annotations

import numpy as np

from pbgraph.ops.recurrent_kernels import tanh


def celu(x: np.ndarray, y: np.ndarray) -> None:
    """Forward: fills y (n,); exp(x) - 1 = 2 t / (1 - t) with t = tanh(x / 2), which vectorises."""
    half, one = x.dtype.type(0.5), x.dtype.type(1)
    for n in range(len(x)):
        t = tanh(half * min(x[n], x.dtype.type(0)))
        y[n] = x[n] if x[n] > 0 else (t + t) / (one - t)


def celu_backward(d_y: np.ndarray, y: np.ndarray, d_x: np.ndarray) -> None:
    """Backward: fills d_x (n,)."""
    one = y.dtype.type(1)
    for n in range(len(y)):
        d_x[n] = d_y[n] * (one if y[n] > 0 else one + y[n])
