"""Matrix products that come out the same on every x86-64 processor with AVX2 and FMA.

torch computes products with Intel's MKL, which takes another path on each kind of processor. SciPy's wheels carry
OpenBLAS, whose kernels can be chosen by name: with ``OPENBLAS_CORETYPE=Haswell`` they run on every such processor and
add in one order there. `use_openblas` puts them behind torch's own operators, so that every layer of torch and of
PyTorch Geometric has them in both directions; `pbgraph.execution.numerics` has the rest of what makes numbers equal.

    aten::mm (a, b)                          a b                        float32 and float64 on the CPU
    aten::addmm (c, a, b, beta, alpha)       beta c + alpha a b
    aten::bmm, aten::baddbmm                 the same for each matrix of a batch

Other types, empty matrices, shapes that do not fit and forms with ``out=`` are left to torch.

BLAS sees a row-major matrix as its transpose. So C = A B is asked for as Cᵀ = Bᵀ Aᵀ, and nothing is copied: a matrix
whose rows are contiguous is handed on as it is, one whose columns are is said to be transposed.
"""

from __future__ import annotations

import ctypes
import warnings
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

_Gemm = Callable[[Tensor, Tensor, Tensor, float, float], None]  # (a, b, out, alpha, beta): fills `out`
_GEMM: dict[torch.dtype, _Gemm] = {}
_KEPT: list[torch.library.Library] = []  # an implementation lives as long as its library
_ARGUMENTS = [ctypes.c_char_p] * 2 + [ctypes.c_void_p] * 11
INTEGERS = 6  # of int32 among the arguments of a routine: m, n, k and three distances
_ROUTINES: dict[torch.dtype, tuple[str, type[ctypes.c_float] | type[ctypes.c_double]]] = {
    torch.float32: ("sgemm", ctypes.c_float),
    torch.float64: ("dgemm", ctypes.c_double),
}
_LARGEST = 2**31 - 1  # numbers of rows, columns and strides are int32 in BLAS
_FEW = 400  # multiplications of one matrix of a batch: below, torch's own loop is used, which calls no library


def openblas() -> str:
    """Version and kernels of the OpenBLAS that SciPy computes by in this process; "" where it has another library."""
    from scipy.linalg import cython_blas
    from threadpoolctl import threadpool_info

    found = [one for one in threadpool_info() if one["internal_api"] == "openblas"]
    own = [one for one in found if "scipy.libs" in one["filepath"]] or (found if len(found) == 1 else [])
    fits = all(_signature(cython_blas.__pyx_capi__[name]).count("int *") == INTEGERS for name, _ in _ROUTINES.values())
    return f"OpenBLAS {own[0]['version']} {own[0]['architecture']}" if own and fits else ""


def use_openblas() -> None:
    """From now on this process computes products with SciPy's OpenBLAS; a second call changes nothing.

    Its kernels are those that ``OPENBLAS_CORETYPE`` named when the library was loaded, its threads those of
    ``OPENBLAS_NUM_THREADS``. Raises RuntimeError where SciPy has another library.
    """
    if _KEPT:
        return
    if not openblas():
        raise RuntimeError("SciPy computes by another library than OpenBLAS here; install its wheel with pip")
    _load()
    library = torch.library.Library("aten", "IMPL")  # type: ignore[no-untyped-call]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="(?s).*Overriding a previously registered", category=UserWarning)
        for name, product in (("mm", _mm), ("addmm", _addmm), ("bmm", _bmm), ("baddbmm", _baddbmm)):
            library.impl(name, product, "CPU")  # type: ignore[no-untyped-call]
    _KEPT.append(library)


def in_use() -> bool:
    """Whether `use_openblas` was called in this process."""
    return bool(_KEPT)


def _load() -> None:
    """Find the routines."""
    _GEMM.update({dtype: _gemm(*routine) for dtype, routine in _ROUTINES.items()})


def _mm(a: Tensor, b: Tensor) -> Tensor:
    gemm = _gemm_for(a, b)
    if gemm is None:
        return torch.mm(a, b, out=a.new_empty(0))
    out = a.new_empty((a.shape[0], b.shape[1]))
    gemm(a, b, out, 1.0, 0.0)
    return out


def _addmm(c: Tensor, a: Tensor, b: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    gemm = _gemm_for(a, b)
    if gemm is None or not _can_be_added(c, a, (a.shape[0], b.shape[1]), beta, alpha):
        return torch.addmm(c, a, b, beta=beta, alpha=alpha, out=a.new_empty(0))
    out = _sum_begun(c, (a.shape[0], b.shape[1]), beta)
    gemm(a, b, out, float(alpha), float(beta))
    return out


def _bmm(a: Tensor, b: Tensor) -> Tensor:
    gemm = _gemm_for_each(a, b)
    if gemm is None:
        return torch.bmm(a, b, out=a.new_empty(0))
    out = a.new_empty((a.shape[0], a.shape[1], b.shape[2]))
    gemm(a, b, out, 1.0, 0.0)
    return out


def _baddbmm(c: Tensor, a: Tensor, b: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    gemm = _gemm_for_each(a, b)
    if gemm is None or not _can_be_added(c, a, (a.shape[0], a.shape[1], b.shape[2]), beta, alpha):
        return torch.baddbmm(c, a, b, beta=beta, alpha=alpha, out=a.new_empty(0))
    out = _sum_begun(c, (a.shape[0], a.shape[1], b.shape[2]), beta)
    gemm(a, b, out, float(alpha), float(beta))
    return out


def _gemm_for(a: Tensor, b: Tensor) -> _Gemm | None:
    """What computes this product, or None for what is left to torch, which also says what is wrong with it."""
    if a.dim() != 2 or b.dim() != 2 or a.shape[1] != b.shape[0] or a.dtype != b.dtype:
        return None
    if not a.numel() or not b.numel() or max(*a.shape, *b.shape, *a.stride(), *b.stride()) > _LARGEST:
        return None
    return _GEMM.get(a.dtype)


def _gemm_for_each(a: Tensor, b: Tensor) -> _Gemm | None:
    """The same for two batches of matrices."""
    if a.dim() != 3 or b.dim() != 3 or not len(a) or len(a) != len(b):
        return None
    return _gemm_for(a[0], b[0]) if a.shape[1] * a.shape[2] * b.shape[2] >= _FEW else None


def _can_be_added(c: Tensor, a: Tensor, shape: Sequence[int], beta: float, alpha: float) -> bool:
    """Whether c may be an addend of torch's: it can be read in this shape; and the factors are what BLAS takes."""
    fits = c.dim() <= len(shape) and all(n in (1, m) for n, m in zip(reversed(c.shape), reversed(shape), strict=False))
    return (
        fits and c.dtype == a.dtype and alpha != 0 and not isinstance(alpha, complex) and not isinstance(beta, complex)
    )


def _sum_begun(c: Tensor, shape: Sequence[int], beta: float) -> Tensor:
    """Where the product is to be added: c, unless it counts for nothing."""
    out = c.new_empty(shape)
    return out.copy_(c) if beta != 0 else out


def _gemm(name: str, scalar: type[ctypes.c_float] | type[ctypes.c_double]) -> _Gemm:
    """What fills `out` with alpha a b + beta out; a, b and out are matrices, or as many in a batch of each."""
    routine, to = _function(name), ctypes.byref

    def gemm(a: Tensor, b: Tensor, out: Tensor, alpha: float, beta: float) -> None:
        rows, inner = a.shape[-2:]
        columns, count = b.shape[-1], len(a) if a.dim() == 3 else 1
        a, flag_a, ld_a, step_a = _operand(a)
        b, flag_b, ld_b, step_b = _operand(b)
        m, n, k = to(ctypes.c_int(columns)), to(ctypes.c_int(rows)), to(ctypes.c_int(inner))
        first, second, lda, ldb = to(scalar(alpha)), to(scalar(beta)), to(ctypes.c_int(ld_a)), to(ctypes.c_int(ld_b))
        at_a, at_b, at_out = a.data_ptr(), b.data_ptr(), out.data_ptr()
        step = rows * columns * out.element_size()
        for i in range(count):
            routine(
                flag_b, flag_a, m, n, k, first, at_b + i * step_b, ldb,
                at_a + i * step_a, lda, second, at_out + i * step, m,
            )  # fmt: skip

    return gemm


def _operand(t: Tensor) -> tuple[Tensor, bytes, int, int]:
    """(matrix or batch, "N" if rows are contiguous or "T" if columns are, distance between them, bytes to the next)."""
    (rows, columns), (down, right) = t.shape[-2:], t.stride()[-2:]
    step = t.stride(0) * t.element_size() if t.dim() == 3 else 0
    if (right == 1 or columns == 1) and (down >= columns or rows == 1):
        return t, b"N", down if rows > 1 else columns, step
    if (down == 1 or rows == 1) and (right >= rows or columns == 1):
        return t, b"T", right if columns > 1 else rows, step
    return t.contiguous(), b"N", columns, rows * columns * t.element_size()


def _function(name: str) -> Callable[..., None]:
    """A routine of SciPy's BLAS, from the table of C functions that ``scipy.linalg.cython_blas`` offers for that."""
    from scipy.linalg import cython_blas

    capsule = cython_blas.__pyx_capi__[name]
    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype, get.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return ctypes.CFUNCTYPE(None, *_ARGUMENTS)(get(capsule, _signature(capsule).encode()))


def _signature(capsule: object) -> str:
    """The C declaration by which Cython names a function of that table."""
    get = ctypes.pythonapi.PyCapsule_GetName
    get.restype, get.argtypes = ctypes.c_char_p, [ctypes.py_object]
    return str(get(capsule).decode())
