"""What all tests share: one thread, a cache of their own, the data folder beside the repository, and drawn examples.

Kernels are compiled here as workers compile them: in a fresh clone that takes as long as some hundred tests, and once
is enough.

Hypothesis draws the same examples each time, and gives them the time that a busy machine needs.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import subprocess
from collections.abc import Iterator
from multiprocessing import active_children
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import torch

import forked
from isolated import PLUGIN, Here, Isolated, isolated
from pbgraph import bench
from pbgraph.datasets.load import load
from pbgraph.datasets.tox21 import TOX21
from pbgraph.execution import numerics
from pbgraph.execution.engines import local
from pbgraph.molecules import Molecules

# All that is imported and collected stays, and looking for garbage among it takes a fifth of a run: see
# pytest_collection_finish.
gc.disable()

hypothesis.settings.register_profile(
    "pbgraph", deadline=None, derandomize=True, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("pbgraph")

# before anything imports Numba, which reads them once
os.environ |= {name: value for name, value in numerics.environment().items() if name.startswith("NUMBA_")}

LENGTHY = {"shared", "tox21", "toy"}  # fixtures: whole data sets, and an environment whose commands are processes
SHARED = Path(__file__).parents[1].parent / "shared"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What uses whole data sets or processes is lengthy; files with such tests come first, lest one run on alone."""
    for item in items:
        if LENGTHY.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.lengthy)
    files = {item.path for item in items if item.get_closest_marker("lengthy")}
    items.sort(key=lambda item: item.path not in files)


def pytest_collection_finish() -> None:
    """Garbage is looked for among what tests make alone."""
    gc.freeze()
    gc.enable()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """The tests of one file run in one process, which makes what they share once; in the order above."""
    from xdist.scheduler import LoadFileScheduling

    if config.getoption("dist") != "load":
        return None
    config.option.loadscopereorder = False
    return LoadFileScheduling(config, log)


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test writes into the user's cache; processes that run tests beside each other read Tox21 once."""
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "cache"
    folder.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PBGRAPH_CACHE", str(folder))
        yield


@pytest.fixture(autouse=True)
def _no_log_of_another_test() -> Iterator[None]:
    """What a command of one test writes its log to is gone before the next test."""
    yield
    for handler in [one for one in logging.root.handlers if isinstance(one, bench._OnceToStderr)]:
        logging.root.removeHandler(handler)


@pytest.fixture(scope="session", autouse=True)
def _forked_workers() -> Iterator[None]:
    """Workers of commands that tests call in their own process start in no time; see `forked`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(local, "subprocess", forked.SUBPROCESS)
        yield
    for left in active_children():  # which Python would wait for
        left.kill()


@pytest.fixture(scope="module")
def real_workers() -> Iterator[None]:
    """For tests of what an interpreter of its own is: workers that are started as users' are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(local, "subprocess", subprocess)
        yield


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c_is_heard() -> None:
    """What tests start would ignore it, as they do where a script starts them in the background."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder ../shared beside the repository, with its data and golden values."""
    if not SHARED.is_dir():
        pytest.skip("../shared is absent: what compares with real Tox21 and the authors' golden values was skipped")
    return SHARED


@pytest.fixture(scope="session")
def tox21(shared: Path, _own_cache: None) -> Molecules:
    """The accepted rows of Tox21."""
    return load(TOX21, folder=shared / "data", offline=True)


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Isolated:
    """An environment with the third party's package of tests/plugin/."""
    return isolated(tmp_path_factory.mktemp("toy"), PLUGIN)


@pytest.fixture
def toy_here(
    toy: Isolated, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Here:
    """Commands with that package, in this process and in a folder of the test's own."""
    return toy.here(monkeypatch, capsys, tmp_path)
