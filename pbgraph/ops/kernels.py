"""Fast CPU forms of the operations: loops compiled by Numba, each beside a definition in plain PyTorch.

A kernel is compiled when it is first needed for a float type; Numba keeps the machine code beside the source, or in
the user's cache folder. A file lock lets one process compile while the others wait for its result. Where Numba
cannot compile, or with ``PBGRAPH_FUSED=0`` in the environment, the definitions are used instead.

Compiled loops do not look at bounds, so every call is checked first: the shapes of all arrays against each other, and
what index arrays hold against the arrays that they point into (`pbgraph.ops.shapes`).
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pbgraph.files.locks import locked
from pbgraph.ops.shapes import Shapes
from pbgraph.stages import stage

log = logging.getLogger(__name__)
_enabled = ContextVar("fused", default=os.environ.get("PBGRAPH_FUSED", "1") != "0")

# Sums may be reordered, so that they vectorise; NaN and infinity keep their meaning. Not "arcp": by it, quotients by
# roots come from an instruction's estimate, rsqrtps, in which processors differ.
FASTMATH = {"reassoc", "contract", "nsz"}
FLOATS = {torch.float32: "float32", torch.float64: "float64"}


@contextmanager
def definitions_only() -> Iterator[None]:
    """Within the block every operation is computed by its definition in plain PyTorch."""
    token = _enabled.set(False)
    try:
        yield
    finally:
        _enabled.reset(token)


class Kernel:
    """A loop over arrays that writes its results into some of them.

    module, name  of the Python function, within pbgraph.ops; imported, and Numba with it, when first needed
    signature     kinds of the arguments: "f3" a float array of 3 dimensions, "d2" a float64 array of 2, "i1" an int64
                  array of 1, "s" a float, "b" a truth value; arrays are contiguous, and all "f" of the same type
    shapes        of the arguments, in the words of `pbgraph.ops.shapes`; without them it can be compiled, not called
    exact         whether every number is computed as it is written: no sum is reordered
    problem       why it could not be compiled, or None

    >>> Kernel("pooling_kernels", "pool", "f2 f2 i1 f1 f2").compile(torch.float32)
    True
    """

    def __init__(self, module: str, name: str, signature: str, shapes: str = "", *, exact: bool = False) -> None:
        self.module, self.name, self.signature, self.exact = module, name, signature, exact
        self.shapes = Shapes(shapes)
        self.problem: str | None = None
        self._compiled: dict[torch.dtype, Callable[..., None] | None] = {}

    def compile(self, dtype: torch.dtype) -> bool:
        """Make sure that the kernel is compiled for this float type; False, with one warning, if it cannot be."""
        if dtype not in self._compiled:
            with stage("compiling"):
                self._compiled[dtype] = self._compiled_or_none(dtype)
        return self._compiled[dtype] is not None

    def _compiled_or_none(self, dtype: torch.dtype) -> Callable[..., None] | None:
        try:
            return self._machine_code(FLOATS[dtype])
        except Exception as error:
            self.problem = str(error)
            log.warning("%s runs slowly in plain PyTorch: Numba cannot compile it (%s)", self.name, error)
            return None

    def __call__(self, *arguments: Tensor | np.ndarray | float) -> None:
        """Run on contiguous CPU tensors of a float type that it was compiled for; the first one is a float tensor.

        Tables of integers may be arrays of NumPy.

        Raises ValueError if shapes do not fit together, or an index points outside the array that it is for.
        """
        function = self._compiled[arguments[0].dtype]  # type: ignore[union-attr, index]
        assert function is not None
        arrays = [_array(a) if isinstance(a, Tensor) else a for a in arguments]
        self.shapes.check(self.name, arrays, *_index_checks())
        function(*arrays)

    def _machine_code(self, dtype: str) -> Callable[..., None]:
        return _machine_code(self.module, self.name, self.signature, dtype, exact=self.exact)


def fused(kernels: tuple[Kernel, ...], *tensors: Tensor) -> bool:
    """Whether kernels can compute with these tensors: on the CPU, all float32 or all float64, and compiled."""
    dtype = tensors[0].dtype
    if dtype not in FLOATS or not _enabled.get():
        return False
    for tensor in tensors:
        if tensor.dtype != dtype or not tensor.is_cpu:
            return False
    return all(kernel.compile(dtype) for kernel in kernels)


def slow_because() -> str | None:
    """Why the operations run slowly here, or None if they do not: compiles the smallest kernel, as a sign for all."""
    if not _enabled.get():
        return "switched off by PBGRAPH_FUSED=0"
    smallest = Kernel("pooling_kernels", "pool", "f2 f2 i1 f1 f2")
    return None if smallest.compile(torch.float32) else smallest.problem


def target() -> str:
    """By what the operations are computed: Numba's version and the processor it compiles for, or their definitions."""
    if not _enabled.get():
        return "definitions in PyTorch"
    import numba
    from llvmlite import binding

    config: Any = numba.config
    if config.DISABLE_JIT:
        return "Python"
    return f"Numba {numba.__version__} {config.CPU_NAME or binding.get_host_cpu_name()}"


def machine_code(function: Callable[..., Any], types: tuple[Any, ...], *, fastmath: Any) -> Callable[..., Any]:
    """The function compiled for arguments of these Numba types, from Numba's cache where there is one."""
    with locked("kernels"):
        try:
            return _compile(function, types, fastmath=fastmath, cache=True)
        except Exception as error:  # no cache folder, or what is damaged in one: unpickling raises anything
            log.info("kernel %s is compiled anew in every process: %s", function.__name__, error)
            return _compile(function, types, fastmath=fastmath, cache=False)


@cache
def _index_checks() -> tuple[Callable[..., bool], Callable[..., bool]]:
    """Compiled `indices_kernels.within` and `indices_kernels.partition`."""
    within, partition = (_machine_code("indices_kernels", name, "i1 n", "float64") for name in ("within", "partition"))
    return within, partition


def _machine_code(module: str, name: str, signature: str, dtype: str, *, exact: bool = False) -> Callable[..., Any]:
    function = getattr(import_module(f"pbgraph.ops.{module}"), name)
    types = tuple(_argument_type(kind, dtype) for kind in signature.split())
    return machine_code(function, types, fastmath=set() if exact else FASTMATH)


def _array(tensor: Tensor) -> Any:
    return (tensor.detach() if tensor.requires_grad else tensor).numpy()


def _argument_type(kind: str, dtype: str) -> Any:
    """A word of a signature -> the Numba type."""
    from numba import types

    if kind in ("s", "b", "n"):
        return {"s": types.float64, "b": types.boolean, "n": types.int64}[kind]
    element = {"f": getattr(types, dtype), "d": types.float64, "i": types.int64}[kind[0]]
    return types.Array(element, int(kind[1:]), "C")


def _compile(function: Callable[..., Any], types: tuple[Any, ...], *, fastmath: Any, cache: bool) -> Callable[..., Any]:
    import numba

    dispatcher = numba.njit(nogil=True, fastmath=fastmath, error_model="numpy", cache=cache)(function)
    dispatcher.compile(types)
    return dispatcher
