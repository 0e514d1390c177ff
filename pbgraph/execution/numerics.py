"""Which arithmetic a run's numbers come from, and how workers get the same one on every x86-64 processor with AVX2.

Numbers in the last place decide the next ones, and after some epochs the score. Libraries pick their loops by the
processor they find, and each adds in an order of its own. So workers tell each of them which to take:

    products of matrices     SciPy's OpenBLAS by its kernels for Haswell, see `pbgraph.ops.products`
    torch's own loops        those for AVX2
    MKL (exp, tanh, ...)     the branch that promises equal results on all processors; it is slow at products alone
    oneDNN                   at most AVX2
    NumPy                    no loops for AVX-512
    Numba                    compiles for Haswell, not for the processor at hand

Every processor with AVX2 and FMA has all of these: AMD's since 2015, Intel's since 2013. On others (arm64, a GPU) the
libraries do as they please; there, the same machine and versions give the same numbers. `numeric_platform` says which
it was, in every record. `benchmarks/numerics.py` measures what this costs; `tests/numeric_digests.py` prints digests.
"""

from __future__ import annotations

import hashlib
import os
import platform
from functools import lru_cache
from pathlib import Path

from pbgraph.results.records import NumericPlatform

# Its revision is raised where the same spec comes to other numbers than before. The first had no suffix; there TrimNet
# and GRIT took quotients by roots from an instruction's estimate, rsqrtss, in which AMD and Intel differ.
COMMON = "x86-64-avx2 r2"
# one thread for each library that would start its own: the number of threads decides in which order is added
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"
)
# cuBLAS adds in one order only with workspaces of fixed sizes; torch refuses to be deterministic on a GPU without
CUBLAS = {"CUBLAS_WORKSPACE_CONFIG": ":4096:8"}
# the same of torch's compiler, which reads it when it is imported
INDUCTOR = {"TORCHINDUCTOR_DETERMINISTIC": "1"}
LOOPS = {
    "OPENBLAS_CORETYPE": "Haswell",
    "ATEN_CPU_CAPABILITY": "avx2",
    "MKL_CBWR": "COMPATIBLE",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "NUMBA_CPU_NAME": "haswell",
    "NUMBA_CPU_FEATURES": "+fma,+avx2",  # a new order when FASTMATH changes: Numba's cache does not see that
    "NUMBA_DISABLE_INTEL_SVML": "1",
}


def environment() -> dict[str, str]:
    """What a process must find in its environment when it starts, to compute as all workers do."""
    return {**ONE_THREAD, **(_loops() if _has_avx2() else {})}


def _loops() -> dict[str, str]:
    """All variables that choose loops; NumPy is told by name which of its own it must leave, and objects to others."""
    from numpy._core import _multiarray_umath  # type: ignore[attr-defined]

    names: list[str] = getattr(_multiarray_umath, "__cpu_dispatch__", [])
    beyond = [name for name in names if name == "X86_V4" or name.startswith("AVX512")]
    return {**LOOPS, "NPY_DISABLE_CPU_FEATURES": " ".join(beyond)}


def settle() -> None:
    """In a process that was started in `environment`, the rest: products by OpenBLAS. Elsewhere nothing.

    Nor where SciPy was built with another library: then the record names what was used.
    """
    if not _in_environment(_loops()):
        return
    from pbgraph.ops.products import openblas, use_openblas

    if openblas().endswith(LOOPS["OPENBLAS_CORETYPE"]):
        use_openblas()


def deterministic(device: str = "cpu") -> None:
    """From now on this process computes the same from the same on this device, or says that it cannot.

    On a GPU it has to be called before the first product of matrices there.
    """
    import torch
    from torch.utils import deterministic as settings

    for name, value in (CUBLAS | INDUCTOR).items():
        os.environ.setdefault(name, value)
    # not use_deterministic_algorithms, which imports all of torch's compiler to tell it, and that takes seconds
    torch.set_deterministic_debug_mode("error")
    # NaN in all new memory would find what reads before it writes; tests/numeric_digests.py looks for that, runs do not
    settings.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def _in_environment(wanted: dict[str, str]) -> bool:
    return all(os.environ.get(name) == value for name, value in wanted.items())


@lru_cache(maxsize=1)
def _has_avx2() -> bool:
    """Whether this is Linux on an x86-64 processor with AVX2 and FMA, as far as the system says."""
    info = Path("/proc/cpuinfo")
    if platform.machine() != "x86_64" or not info.exists():
        return False
    try:
        lines = info.read_text().splitlines()
    except OSError:
        return False
    flags = next((line for line in lines if line.startswith("flags")), "").split()
    return "avx2" in flags and "fma" in flags


def numeric_platform(device: str = "cpu") -> NumericPlatform:
    """By what this process computes, as it is now."""
    import torch

    from pbgraph.ops import kernels, products

    common = products.in_use() and _in_environment({**_loops(), **ONE_THREAD}) and torch.get_num_threads() == 1
    own = f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}"
    return NumericPlatform(
        name=torch.cuda.get_device_name(device) if device.startswith("cuda") else COMMON if common else own,
        products=products.openblas() if products.in_use() else _torchs_blas(),
        loops=torch.backends.cpu.get_cpu_capability(),
        kernels=kernels.target(),
        threads=torch.get_num_threads(),
        torch=str(torch.__version__),
        libm=" ".join(platform.libc_ver()).strip() or platform.system(),
        probe=probe(),
    )


def _torchs_blas() -> str:
    """The library that torch says it was built with, by name and version, and the branch that was asked of it."""
    import torch

    lines = torch.__config__.show().splitlines()
    named = [line.strip(" -") for line in lines if "Math Kernel Library" in line and "DNN" not in line]
    words = named[0].split() if named else []
    version = next((word for word in words if word[:1].isdigit()), "")
    branch = os.environ.get("MKL_CBWR", "")
    return " ".join(filter(None, ["MKL", version, branch])) if named else "of torch"


def probe() -> str:
    """First 12 hex digits of a SHA-256 over results of the operations that training uses, computed here and now.

    Processes of equal digest have computed the same on these inputs; platforms that are said to be equal must agree.
    """
    return hashlib.sha256(b"".join(_results())).hexdigest()[:12]


def _results() -> list[bytes]:
    import torch
    from torch.nn import functional as F

    from pbgraph.ops.recurrent import gru, gru_norm

    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator)

    x, w, labels = draw(600, 32).requires_grad_(), draw(32, 96).requires_grad_(), draw(600, 96) > 0
    y = torch.addmm(draw(96), x, w)
    z = y.tanh() + y.exp().log1p() + F.celu(y) + torch.softmax(y, 1) + F.layer_norm(y, (96,)) + y.sigmoid()
    loss = F.binary_cross_entropy_with_logits(z, labels.float())
    loss.backward()  # type: ignore[no-untyped-call]
    with torch.no_grad():
        h = gru(draw(200, 96), draw(200, 96), draw(200, 32), draw(96), draw(96))
        normed, _ = gru_norm(y[:200].clone(), y[200:400].clone(), h, draw(96), draw(96), draw(32), draw(32), 1e-5)
        batched = torch.bmm(draw(8, 20, 30), draw(8, 30, 10))
        double = draw(50, 60).double() @ draw(60, 40).double()
    tensors = [z, loss, x.grad, w.grad, h, normed, batched, double, z.sum(0), z.std(0)]
    return [tensor.detach().numpy().tobytes() for tensor in tensors if tensor is not None]
