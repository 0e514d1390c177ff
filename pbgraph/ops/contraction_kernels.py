"""A product and a sum in one, rounded once, for loops that are compiled by Numba: ``fma(a, b, c)`` is a · b + c."""

from __future__ import annotations

from typing import Any

from numba import types
from numba.extending import intrinsic


def _fma(context: Any, a: Any, b: Any, c: Any) -> Any:
    """(a, b, c) float64 -> float64."""
    signature = types.float64(types.float64, types.float64, types.float64)

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.fma(*arguments)

    return signature, code


fma: Any = intrinsic(_fma)
