"""How kernels are compiled, cached and, where that fails, replaced by their definitions."""

from __future__ import annotations

import inspect
import logging
import os
import pickle
import pkgutil
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path

import pytest
import torch

from pbgraph import ops
from pbgraph.ops import kernels
from pbgraph.ops.kernels import Kernel, definitions_only, fused
from pbgraph.ops.recurrent import gru_norm, gru_norm_definition

pytestmark = pytest.mark.lengthy

ONE_STEP = """
import torch
from pbgraph.ops.recurrent import gru_norm
torch.manual_seed(0)
m, *others = (torch.randn(s) for s in [(5, 12), (5, 12), (5, 4), (12,), (12,), (4,), (4,)])
x, _ = gru_norm(m.requires_grad_(), *others, 1e-5)
x.sum().backward()
print(type(x.grad_fn).__name__, x.sum().item())
"""


def run(**environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", ONE_STEP],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.thorough
def test_two_processes_may_compile_at_once_into_an_empty_cache(tmp_path: Path) -> None:
    processes = [run(NUMBA_CACHE_DIR=str(tmp_path)) for _ in range(2)]
    outputs = [process.communicate(timeout=600) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert outputs[0][0] == outputs[1][0]
    assert "_GRUNorm" in outputs[0][0]
    assert list(tmp_path.rglob("*.nbc"))


def test_switched_off_by_the_environment() -> None:
    output, _ = run(PBGRAPH_FUSED="0").communicate(timeout=600)
    assert "_GRUNorm" not in output


def test_fused_needs_equal_float_types_on_the_cpu() -> None:
    single, double = torch.ones(1), torch.ones(1, dtype=torch.float64)
    assert fused((), single)
    assert fused((), double, double)
    assert not fused((), single, double)
    assert not fused((), single.half())
    assert not fused((), torch.empty(1, device="meta"))
    with definitions_only():
        assert not fused((), single)


def test_threads_may_use_a_kernel_at_once() -> None:
    inputs = [[torch.randn(s) for s in [(300, 96), (300, 96), (300, 32), (96,), (96,), (32,), (32,)]] for _ in range(8)]
    expected = [gru_norm(*tensors, 1e-5) for tensors in inputs]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            for one, other in zip(pool.map(lambda tensors: gru_norm(*tensors, 1e-5), inputs), expected, strict=True):
                torch.testing.assert_close(one, other, rtol=0, atol=0)


ESTIMATES = re.compile(r"\b(v?r(?:cp|sqrt)(?:14|28)?[ps][sd])\b")


def of_ops(kind: type) -> list:
    """Everything of this kind in the modules of pbgraph.ops."""
    modules = [import_module(f"{ops.__name__}.{found.name}") for found in pkgutil.iter_modules(ops.__path__)]
    return [value for module in modules for value in vars(module).values() if isinstance(value, kind)]


def assembly(function, types: tuple, *, fastmath: set[str]) -> str:
    import numba

    dispatcher = numba.njit(nogil=True, fastmath=fastmath, error_model="numpy", cache=False)(function)
    dispatcher.compile(types)
    return "\n".join(dispatcher.inspect_asm().values())


@pytest.mark.thorough
def test_no_kernel_computes_by_an_instruction_that_estimates() -> None:
    """What rcpps and rsqrtps answer differs between makers of processors: so would every number after it."""
    found, dividing = {}, 0
    for kernel in {(one.module, one.name): one for one in of_ops(Kernel)}.values():
        function = getattr(import_module(f"pbgraph.ops.{kernel.module}"), kernel.name)
        if not re.search(r"/|sqrt|tanh", inspect.getsource(function)):
            continue
        dividing += 1
        types = tuple(kernels._argument_type(kind, "float32") for kind in kernel.signature.split())
        text = assembly(function, types, fastmath=set() if kernel.exact else kernels.FASTMATH)
        if estimates := set(ESTIMATES.findall(text)):
            found[kernel.name] = estimates
    assert found == {}
    assert dividing >= 10


def test_such_instructions_would_be_seen() -> None:
    """With leave to take reciprocals, the step of TrimNet's GRU has one on x86-64."""
    if not kernels.target().startswith("Numba") or "x86_64" not in os.uname().machine:
        pytest.skip("not x86-64, or no compiler: these instructions are not to be had")
    from pbgraph.ops import recurrent, recurrent_kernels

    types = tuple(kernels._argument_type(kind, "float32") for kind in recurrent._step.signature.split())
    assert ESTIMATES.search(assembly(recurrent_kernels.step, types, fastmath={*kernels.FASTMATH, "arcp"}))


def test_it_is_said_why_operations_are_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    assert kernels.slow_because() is None
    with definitions_only():
        assert kernels.slow_because() == "switched off by PBGRAPH_FUSED=0"

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no LLVM here")

    monkeypatch.setattr(kernels, "_compile", fail)
    assert kernels.slow_because() == "no LLVM here"


def test_without_a_compiler_the_definition_is_used_and_one_warning_given(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no LLVM here")

    monkeypatch.setattr(kernels, "_compile", fail)
    broken = Kernel("recurrent_kernels", "step", "f3 f3 f2 f1 f1 s f2 f2 f2 f1 f1 f2 f2")
    monkeypatch.setattr("pbgraph.ops.recurrent._step", broken)
    inputs = [torch.randn(s) for s in [(5, 12), (5, 12), (5, 4), (12,), (12,), (4,), (4,)]]
    with caplog.at_level(logging.WARNING):
        results = [gru_norm(*inputs, 1e-5) for _ in range(2)]
    torch.testing.assert_close(results[0], gru_norm_definition(*inputs, 1e-5), rtol=0, atol=0)
    assert [record.message for record in caplog.records] == [
        "step runs slowly in plain PyTorch: Numba cannot compile it (no LLVM here)"
    ]


@pytest.mark.parametrize(
    "error", [RuntimeError("cannot cache function"), pickle.UnpicklingError("pickle data was truncated")]
)
def test_a_cache_that_cannot_be_used_is_done_without(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    compile_for_real, attempts = kernels._compile, []

    def refuse_cache(function, types, *, fastmath, cache: bool):  # type: ignore[no-untyped-def]
        attempts.append(cache)
        if cache:
            raise error
        return compile_for_real(function, types, fastmath=fastmath, cache=False)

    monkeypatch.setattr(kernels, "_compile", refuse_cache)
    assert Kernel("pooling_kernels", "pool", "f2 f2 i1 f1 f2").compile(torch.float32)
    assert attempts == [True, False]


def test_a_lock_that_cannot_be_had_is_done_without(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PBGRAPH_CACHE", "/dev/null/missing")
    assert Kernel("pooling_kernels", "pool", "f2 f2 i1 f1 f2").compile(torch.float32)
