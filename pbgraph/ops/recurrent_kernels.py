"""Loops of `pbgraph.ops.recurrent`: one pass over the nodes in each direction. Compiled by Numba.

Letters as there; m, g (N, 3, C) and b, c (3, C) with rows r, z, n. Each inner loop writes one array and reads few
others, and no array is both written and read at two places: so the compiler can prove that its vector form is right.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
from numba.extending import overload

from pbgraph.ops.kernels import FASTMATH


def tanh(x: Any) -> Any:
    """Hyperbolic tangent: in float32 a rational function that vectorises, else the C library's."""
    return math.tanh(x)


@overload(tanh, jit_options={"fastmath": FASTMATH, "error_model": "numpy"})
def _tanh(x: Any) -> Any:
    return _rational_tanh if x == numba.types.float32 else _libm_tanh


def _libm_tanh(x: Any) -> Any:
    return math.tanh(x)


def _rational_tanh(x: Any) -> Any:
    """x · P(x²) / Q(x²) on [-7.9, 7.9], beyond which tanh is ±1 in float32; NaN stays NaN.

    Source: Eigen, MathFunctionsImpl.h, generic_fast_tanh_float.
    """
    limit = np.float32(7.90531110763549805)
    x = limit if x > limit else x
    x = -limit if x < -limit else x
    y = x * x
    p = np.float32(-2.76076847742355e-16)
    p = p * y + np.float32(2.00018790482477e-13)
    p = p * y + np.float32(-8.60467152213735e-11)
    p = p * y + np.float32(5.12229709037114e-08)
    p = p * y + np.float32(1.48572235717979e-05)
    p = p * y + np.float32(6.37261928875436e-04)
    p = p * y + np.float32(4.89352455891786e-03)
    q = np.float32(1.19825839466702e-06)
    q = q * y + np.float32(1.18534705686654e-04)
    q = q * y + np.float32(2.26843463243900e-03)
    q = q * y + np.float32(4.89352518554385e-03)
    return x * p / q


def gru(
    m: np.ndarray,
    g: np.ndarray,
    h: np.ndarray,
    b: np.ndarray,
    c: np.ndarray,
    r: np.ndarray,
    z: np.ndarray,
    n: np.ndarray,
    h_new: np.ndarray,
) -> None:
    """Forward without LayerNorm: fills r, z, n, h_new (N, C)."""
    nodes, channels = h.shape
    half, bias = h.dtype.type(0.5), b + c
    for i in range(nodes):
        for k in range(channels):
            r[i, k] = half + half * tanh(half * (m[i, 0, k] + g[i, 0, k] + bias[0, k]))  # = σ
        for k in range(channels):
            z[i, k] = half + half * tanh(half * (m[i, 1, k] + g[i, 1, k] + bias[1, k]))
        for k in range(channels):
            n[i, k] = tanh(m[i, 2, k] + b[2, k] + r[i, k] * (g[i, 2, k] + c[2, k]))
        for k in range(channels):
            h_new[i, k] = n[i, k] + z[i, k] * (h[i, k] - n[i, k])


def gru_backward(
    d_h_new: np.ndarray,
    g: np.ndarray,
    h: np.ndarray,
    c: np.ndarray,
    r: np.ndarray,
    z: np.ndarray,
    n: np.ndarray,
    d_m: np.ndarray,
    d_g: np.ndarray,
    d_h: np.ndarray,
    d_b: np.ndarray,
    d_c: np.ndarray,
) -> None:
    """Backward without LayerNorm: fills d_m, d_g (N, 3, C) and d_h (N, C), adds to d_b and d_c (3, C), which are 0."""
    nodes, channels = h.shape
    one = h.dtype.type(1)
    for i in range(nodes):
        for k in range(channels):
            d_h[i, k] = d_h_new[i, k] * z[i, k]
        for k in range(channels):
            d_m[i, 1, k] = d_h_new[i, k] * (h[i, k] - n[i, k]) * z[i, k] * (one - z[i, k])
        for k in range(channels):
            d_m[i, 2, k] = d_h_new[i, k] * (one - z[i, k]) * (one - n[i, k] * n[i, k])
        for k in range(channels):
            d_m[i, 0, k] = d_m[i, 2, k] * (g[i, 2, k] + c[2, k]) * r[i, k] * (one - r[i, k])
        for k in range(channels):
            d_g[i, 0, k] = d_m[i, 0, k]
        for k in range(channels):
            d_g[i, 1, k] = d_m[i, 1, k]
        for k in range(channels):
            d_g[i, 2, k] = d_m[i, 2, k] * r[i, k]
        for k in range(channels):
            d_b[0, k] += d_m[i, 0, k]
        for k in range(channels):
            d_b[1, k] += d_m[i, 1, k]
        for k in range(channels):
            d_b[2, k] += d_m[i, 2, k]
        for k in range(channels):
            d_c[2, k] += d_g[i, 2, k]
    for k in range(channels):
        d_c[0, k], d_c[1, k] = d_b[0, k], d_b[1, k]


def step(
    m: np.ndarray,
    g: np.ndarray,
    h: np.ndarray,
    b: np.ndarray,
    c: np.ndarray,
    gamma: np.ndarray,
    beta: np.ndarray,
    eps: float,
    r: np.ndarray,
    z: np.ndarray,
    n: np.ndarray,
    mean: np.ndarray,
    scale: np.ndarray,
    x: np.ndarray,
    h_new: np.ndarray,
) -> None:
    """Forward: fills r, z, n, x, h_new (N, C), and of each row of h_new the mean and scale 1 / √(var + ε), (N,)."""
    nodes, channels = h.shape
    half, one, epsilon = h.dtype.type(0.5), h.dtype.type(1), h.dtype.type(eps)
    share, bias = one / h.dtype.type(channels), b + c
    for i in range(nodes):
        for k in range(channels):
            r[i, k] = half + half * tanh(half * (m[i, 0, k] + g[i, 0, k] + bias[0, k]))  # = σ
        for k in range(channels):
            z[i, k] = half + half * tanh(half * (m[i, 1, k] + g[i, 1, k] + bias[1, k]))
        for k in range(channels):
            n[i, k] = tanh(m[i, 2, k] + b[2, k] + r[i, k] * (g[i, 2, k] + c[2, k]))
        for k in range(channels):
            h_new[i, k] = n[i, k] + z[i, k] * (h[i, k] - n[i, k])
        average = h.dtype.type(0)
        for k in range(channels):
            average += h_new[i, k] * share
        variance = h.dtype.type(0)
        for k in range(channels):
            variance += (h_new[i, k] - average) * (h_new[i, k] - average) * share
        inverse = one / math.sqrt(variance + epsilon)
        for k in range(channels):
            x[i, k] = gamma[k] * ((h_new[i, k] - average) * inverse) + beta[k]
        mean[i], scale[i] = average, inverse


def step_backward(
    d_x: np.ndarray,
    d_h_new: np.ndarray,
    g: np.ndarray,
    h: np.ndarray,
    c: np.ndarray,
    gamma: np.ndarray,
    r: np.ndarray,
    z: np.ndarray,
    n: np.ndarray,
    mean: np.ndarray,
    scale: np.ndarray,
    h_new: np.ndarray,
    d_m: np.ndarray,
    d_g: np.ndarray,
    d_h: np.ndarray,
    d_b: np.ndarray,
    d_c: np.ndarray,
    d_gamma: np.ndarray,
    d_beta: np.ndarray,
) -> None:
    """Backward: fills d_m, d_g (N, 3, C) and d_h (N, C), adds to d_b, d_c (3, C), d_gamma and d_beta (C,), which are 0.

    With x̂ = (h' - mean) · scale and u = γ ⊙ ∂x, LayerNorm gives  d = ∂h' + scale · (u - mean(u) - x̂ mean(u ⊙ x̂)).
    """
    nodes, channels = h.shape
    one = h.dtype.type(1)
    share = one / h.dtype.type(channels)
    d, normal = np.empty(channels, h.dtype), np.empty(channels, h.dtype)
    for i in range(nodes):
        average, inverse = mean[i], scale[i]
        for k in range(channels):
            normal[k] = (h_new[i, k] - average) * inverse
        mean_u, mean_ux = h.dtype.type(0), h.dtype.type(0)
        for k in range(channels):
            u = gamma[k] * d_x[i, k] * share
            mean_u += u
            mean_ux += u * normal[k]
        for k in range(channels):
            d[k] = d_h_new[i, k] + inverse * (gamma[k] * d_x[i, k] - mean_u - normal[k] * mean_ux)
        for k in range(channels):
            d_gamma[k] += d_x[i, k] * normal[k]
        for k in range(channels):
            d_beta[k] += d_x[i, k]
        for k in range(channels):
            d_h[i, k] = d[k] * z[i, k]
        for k in range(channels):
            d_m[i, 1, k] = d[k] * (h[i, k] - n[i, k]) * z[i, k] * (one - z[i, k])
        for k in range(channels):
            d[k] = d[k] * (one - z[i, k]) * (one - n[i, k] * n[i, k])
        for k in range(channels):
            d_m[i, 2, k] = d[k]
        for k in range(channels):
            d_m[i, 0, k] = d[k] * (g[i, 2, k] + c[2, k]) * r[i, k] * (one - r[i, k])
        for k in range(channels):
            d_g[i, 0, k] = d_m[i, 0, k]
        for k in range(channels):
            d_g[i, 1, k] = d_m[i, 1, k]
        for k in range(channels):
            d_g[i, 2, k] = d[k] * r[i, k]
        for k in range(channels):
            d_b[0, k] += d_m[i, 0, k]
        for k in range(channels):
            d_b[1, k] += d_m[i, 1, k]
        for k in range(channels):
            d_b[2, k] += d_m[i, 2, k]
        for k in range(channels):
            d_c[2, k] += d_g[i, 2, k]
    for k in range(channels):
        d_c[0, k], d_c[1, k] = d_b[0, k], d_b[1, k]
