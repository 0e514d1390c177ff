"""One arithmetic on every x86-64 processor with AVX2: what is known of it, and the products that make it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import forked
from numeric_digests import KNOWN, RUNS, changed_unnoticed, complaints, known_of, other_packages, with_found
from pbgraph.execution import numerics
from pbgraph.execution.engines.local import _environment
from pbgraph.ops import products
from pbgraph.ops.kernels import definitions_only
from pbgraph.results.records import NumericPlatform

pytestmark = pytest.mark.lengthy

SCRIPT = Path(__file__).parents[1] / "numeric_digests.py"
sizes = st.integers(1, 40)


@pytest.fixture(scope="module")
def found() -> dict:
    """What the script finds in the environment of workers."""
    here = {**os.environ, **numerics.environment()}
    done = forked.run([sys.executable, "-m", SCRIPT.stem, "--here"], env=here, timeout=1800)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def known(found) -> dict:
    """What is known of this platform and these versions; where nothing is, tests skip."""
    if (mine := known_of(json.loads(KNOWN.read_text()), found)) is None:
        pytest.skip(f"no digests are known for {found['platform']}, {found['versions']}: nothing to compare with")
    return mine


def test_what_training_computes_is_what_is_known_of_this_platform(found, known):
    assert list(complaints(known, found)) == []
    assert found["platform"] == known["platform"]


def test_no_digest_is_left_out(found, known):
    """Apart from the test above, which compares all others where this skips."""
    other = other_packages(known, found)
    if reasons := [*found["left_out"].values(), *(f"{name}: its packages have other versions" for name in other)]:
        pytest.skip("; ".join(reasons))


def test_all_that_is_registered_has_its_digest(found):
    offered = tomllib.loads((SCRIPT.parents[1] / "pyproject.toml").read_text())["project"]["entry-points"]
    names = {f"{kind} {name}" for kind in ("model", "method") for name in offered[f"pbgraph.{kind}s"]}
    assert names | {f"run {arm}" for arm in RUNS} == {*found["digests"], *found["left_out"]}


def digest(value: str = "a", packages: dict | None = None, **of: int) -> dict:
    return {"digest": value, "of": {**of, "settings": "s"}, "packages": packages or {}}


@pytest.mark.parametrize(
    ("known", "found", "expected"),
    [
        (digest(gin=1), digest(gin=1), None),
        (
            digest(gin=1),
            digest("b", gin=1),
            "numbers of gin changed: raise the version of what changed them (gin 1), and",
        ),
        (digest(gin=1), digest("b", gin=2), "gin is asked something else (gin 1 -> 2)"),
        (digest(gin=1), digest(gin=2), "gin is asked something else (gin 1 -> 2)"),
        (digest(gin=1), digest(gin=1) | {"of": {"gin": 1, "settings": "t"}}, "something else (settings s -> t)"),
        (digest(gin=1), digest(gin=1, graph=1), "something else (graph absent -> 1)"),
        (None, digest(gin=1), "gin has no digest yet"),
        (digest(gin=1), None, "gin is no more"),
        (digest("a", {"xgboost": "3"}), digest("b", {"xgboost": "4"}), None),
        (digest("a", {"xgboost": "3"}), digest("b", {"xgboost": "3"}), "numbers of gin changed"),
    ],
)
def test_each_way_to_differ_has_its_sentence(known, found, expected):
    before, now = ({"digests": {} if one is None else {"gin": one}, "left_out": {}} for one in (known, found))
    said = list(complaints(before, now))
    assert len(said) == (expected is not None)
    assert all(expected in one and one.endswith("run 'python tests/numeric_digests.py --add'") for one in said)
    assert list(complaints(before, {"digests": {}, "left_out": {"gin": "its package is not installed"}})) == []


def of_platform(name: str, numpy: str, probe: str = "p", **digests: dict) -> dict:
    return {"platform": {"name": name, "probe": probe}, "versions": {"numpy": numpy}, "digests": digests}


def test_adding_replaces_one_platform_and_keeps_what_could_not_be_computed():
    theirs = of_platform("theirs", "1", gin=digest("c"))
    known = [of_platform("mine", "1", gin=digest("a"), gone=digest(), xgboost=digest()), theirs]
    found = of_platform("mine", "1", gin=digest("b")) | {"left_out": {"xgboost": "not installed"}}
    assert with_found(known, found) == [theirs, of_platform("mine", "1", xgboost=digest(), gin=digest("b"))]
    assert with_found([], found) == [of_platform("mine", "1", gin=digest("b"))]


def test_adding_refuses_numbers_that_changed_without_a_version():
    known = [of_platform("mine", "1", gin=digest("a", gin=1), gat=digest("a", gat=1))]
    found = of_platform("mine", "1", "q", gin=digest("b", gin=1), gat=digest("b", gat=2)) | {"left_out": {}}
    (said,) = changed_unnoticed(known, found)
    assert said.startswith("numbers of gin changed: raise the version")
    for other in ({"versions": {"numpy": "2"}}, {"platform": {"name": "theirs", "probe": "q"}}):
        assert changed_unnoticed(known, found | other) == []


def test_workers_have_the_common_platform_where_the_processor_has(found):
    expected = numerics.COMMON if numerics._has_avx2() else None
    assert expected is None or found["platform"]["name"] == expected
    assert found["platform"]["threads"] == 1


def test_the_users_environment_does_not_decide_for_workers(monkeypatch):
    for name in numerics.environment():
        monkeypatch.setenv(name, "4")
    assert _environment().items() >= numerics.environment().items()


def test_one_process_says_twice_what_it_computes_by():
    first = numerics.numeric_platform()
    assert first == numerics.numeric_platform()
    assert first.name != numerics.COMMON  # this process was not started for it
    assert len(first.probe) == 12
    assert {one.name for one in fields(NumericPlatform)} >= {"products", "loops", "kernels", "threads", "torch", "libm"}


def test_kernels_switched_off_and_the_number_of_threads_are_seen():
    with definitions_only():
        plain = numerics.numeric_platform()
    assert "PyTorch" in plain.kernels
    assert plain.probe != numerics.numeric_platform().probe
    assert _found_by_a_process(NUMBA_DISABLE_JIT="1", OMP_NUM_THREADS="1") == {
        "kernels": "Python",
        "threads": 1,
        "deterministic": True,
        "compiler": False,
    }


def _found_by_a_process(**env: str) -> dict:
    """What an interpreter with these variables says of itself, and whether determinism has cost it torch's compiler."""
    code = """
import json, sys
import torch
from pbgraph.execution import numerics

numerics.deterministic()
found = numerics.numeric_platform()
said = {"kernels": found.kernels, "threads": found.threads, "compiler": "torch._dynamo" in sys.modules}
print(json.dumps({**said, "deterministic": torch.are_deterministic_algorithms_enabled()}))
"""
    here = {**os.environ, **env}
    done = subprocess.run([sys.executable, "-c", code], env=here, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module", autouse=True)
def _routines() -> None:
    """Only the routines: torch's own operators stay as they are in this process."""
    products._load()


def operand(draw: st.DrawFn, rows: int, columns: int, dtype: torch.dtype) -> torch.Tensor:
    """A matrix of any layout: rows or columns contiguous, a part of a larger one, every second column, broadcast."""
    seed, layout = draw(st.integers(0, 9)), draw(st.integers(0, 4))
    generator = torch.Generator().manual_seed(seed)
    whole = torch.randn(2 * rows + 1, 2 * columns + 1, generator=generator, dtype=dtype)
    return (
        whole[:rows, :columns],
        whole[:rows, :columns].contiguous(),
        torch.randn(columns, rows, generator=generator, dtype=dtype).t(),
        whole[1 : 2 * rows : 2, 1 : 2 * columns : 2],
        whole[:1, :columns].expand(rows, columns),
    )[layout]


@given(st.data(), sizes, sizes, sizes, st.sampled_from([torch.float32, torch.float64]))
def test_products_are_those_of_numpy(data, rows, inner, columns, dtype):
    a, b = operand(data.draw, rows, inner, dtype), operand(data.draw, inner, columns, dtype)
    c = operand(data.draw, data.draw(st.sampled_from([1, rows])), columns, dtype)
    beta, alpha = data.draw(st.sampled_from([(1, 1), (0, 1), (0.5, -2)]))
    product = a.double().numpy() @ b.double().numpy()
    close = {"rtol": 1e-4, "atol": 1e-4}
    assert products._gemm_for(a, b) is not None
    assert torch.equal(products._addmm(c, a, b, alpha=0), torch.addmm(c, a, b, alpha=0))
    np.testing.assert_allclose(products._mm(a, b), product, **close)
    expected = beta * c.double().numpy() + alpha * product
    np.testing.assert_allclose(products._addmm(c, a, b, beta=beta, alpha=alpha), expected, **close)
    np.testing.assert_allclose(products._addmm(c[0], a, b, beta=0, alpha=alpha), alpha * product, **close)


@given(st.data(), st.integers(1, 4), sizes, sizes, sizes)
def test_batches_of_products_are_those_of_numpy(data, batch, rows, inner, columns):
    a = torch.stack([operand(data.draw, rows, inner, torch.float32) for _ in range(batch)])
    b = torch.stack([operand(data.draw, columns, inner, torch.float32) for _ in range(batch)]).transpose(1, 2)
    c = operand(data.draw, rows, columns, torch.float32)
    product = a.double().numpy() @ b.double().numpy()
    np.testing.assert_allclose(products._bmm(a, b), product, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(
        products._baddbmm(c, a, b, beta=2, alpha=3), 2 * c.numpy() + 3 * product, rtol=1e-4, atol=1e-3
    )


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (torch.zeros(0, 3), torch.ones(3, 2)),
        (torch.ones(2, 0), torch.ones(0, 3)),
        (torch.arange(6).view(2, 3), torch.arange(6).view(3, 2)),
        (torch.ones(2, 3, dtype=torch.bfloat16), torch.ones(3, 2, dtype=torch.bfloat16)),
        (torch.ones(2, 3, dtype=torch.complex64), torch.ones(3, 2, dtype=torch.complex64)),
    ],
)
def test_what_blas_is_not_asked_for_is_torchs(a, b):
    assert torch.equal(products._mm(a, b), torch.mm(a, b))
    c = torch.ones(len(a), b.shape[1], dtype=a.dtype)
    assert torch.equal(products._addmm(c, a, b), torch.addmm(c, a, b))
    assert torch.equal(products._bmm(a[None], b[None]), torch.bmm(a[None], b[None]))
    assert torch.equal(products._baddbmm(c, a[None], b[None]), torch.baddbmm(c, a[None], b[None]))


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (torch.ones(2, 3), torch.ones(2, 3)),
        (torch.ones(3), torch.ones(3, 2)),
        (torch.ones(1, 1), 1j * torch.ones(1, 1)),
    ],
)
def test_what_does_not_fit_is_refused_as_torch_refuses_it(a, b):
    with pytest.raises(RuntimeError) as theirs:
        torch.mm(a, b)
    with pytest.raises(RuntimeError) as ours:
        products._mm(a, b)
    assert str(ours.value) == str(theirs.value)


def test_addends_that_do_not_fit_are_refused():
    with pytest.raises(RuntimeError, match="must match"):
        products._addmm(torch.ones(3), torch.ones(2, 2), torch.ones(2, 2))


@pytest.mark.parametrize(
    "library", [[], [("mkl", "/lib/libmkl_rt.so", "")], [("openblas", "/lib/libopenblas.so", "Zen")]]
)
def test_where_scipy_has_no_such_kernels_torch_keeps_its_own(monkeypatch, library):
    names = ("internal_api", "filepath", "architecture")
    infos = [{**dict(zip(names, one, strict=True)), "version": "0.3.1"} for one in library]
    monkeypatch.setattr("threadpoolctl.threadpool_info", lambda: infos)
    for name, value in numerics.environment().items():
        monkeypatch.setenv(name, value)
    numerics.settle()
    assert not products.in_use()
    assert numerics.numeric_platform().name != numerics.COMMON


def test_a_processor_that_cannot_be_asked_has_no_avx2(monkeypatch):
    def refuse(_: Path) -> str:
        raise PermissionError

    numerics._has_avx2.cache_clear()
    monkeypatch.setattr(Path, "read_text", refuse)
    assert numerics.environment() == numerics.ONE_THREAD
    numerics._has_avx2.cache_clear()


THROUGH = """
import warnings
import torch
from pbgraph.ops import products
from pbgraph.ops.kernels import definitions_only

warnings.simplefilter("error")
products.use_openblas()
products.use_openblas()
calls = []
for dtype, gemm in list(products._GEMM.items()):
    products._GEMM[dtype] = lambda *operands, gemm=gemm: (calls.append(gemm), gemm(*operands))
torch.manual_seed(0)
x = torch.randn(5, 7, dtype=torch.float64, requires_grad=True)
for layer in (torch.nn.Linear(7, 6), torch.nn.GRUCell(7, 6), torch.nn.LSTMCell(7, 6), torch.nn.RNNCell(7, 6)):
    calls.clear()
    assert torch.autograd.gradcheck(layer.double(), x)
    print(type(layer).__name__, bool(calls))
"""


def test_layers_of_torch_go_through_openblas_in_both_directions():
    done = forked.run([sys.executable, "-c", THROUGH], timeout=600)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["Linear", "True", "GRUCell", "True", "LSTMCell", "True", "RNNCell", "True"]
