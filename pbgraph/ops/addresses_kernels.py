"""The array at an address, for compiled loops: ``carray(pointer(address, like), sizes)``."""

from __future__ import annotations

from typing import Any

from numba import types
from numba.extending import intrinsic


def _pointer(context: Any, address: Any, like: Any) -> Any:
    """(address, array) -> pointer to numbers of the type of those in the array."""
    kind = types.CPointer(like.dtype)  # type: ignore[no-untyped-call]

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], context.get_value_type(kind))

    return kind(address, like), code


pointer: Any = intrinsic(_pointer)
