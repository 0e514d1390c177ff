"""Structures in parts: all of them, in order, whatever the number of processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbgraph.errors import DataError, PbgraphError
from pbgraph.structures import parallel
from pbgraph.structures.parallel import in_parts

pytestmark = pytest.mark.lengthy

FEW = ["C", "CC", "CCC", "CCCC", "CCCCC"]


def numbered(smiles: list[str], first: int) -> list[tuple[int, str]]:
    return list(enumerate(smiles, first))


@given(st.lists(st.sampled_from(FEW)), st.integers(1, 4))
def test_parts_joined_are_the_whole_and_are_counted(smiles: list[str], size: int) -> None:
    told: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parallel, "PART", size)
        parts = list(in_parts(numbered, smiles, seconds_each=0.0, done=told.append))
    assert [one for part in parts for one in part] == list(enumerate(smiles))
    assert all(0 < len(part) <= size for part in parts) or not smiles
    assert sum(told) == len(smiles)


def test_several_processes_keep_the_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "PART", 2)
    parts = list(in_parts(numbered, FEW, seconds_each=0.0, processes=2))
    assert [one for part in parts for one in part] == list(enumerate(FEW))


def test_processes_are_started_only_where_they_pay() -> None:
    assert parallel._worthwhile(parallel.START) == 1
    assert parallel._worthwhile(1e6) >= 1


def slow(smiles: list[str], first: int) -> list[str]:
    """A part that is never done."""
    Path(os.environ["HERE"], f"{os.getpid()}.pid").touch()
    threading.Event().wait()
    return smiles


def broken(smiles: list[str], first: int) -> list[str]:
    raise DataError(f"part {first}")


def dying(smiles: list[str], first: int) -> list[str]:
    os._exit(3)


def test_what_a_part_raises_is_raised_and_a_death_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "PART", 2)
    with pytest.raises(DataError, match="part 0"):
        list(in_parts(broken, FEW, seconds_each=0.0, processes=2))
    with pytest.raises(PbgraphError, match="a process that read structures ended with status 3"):
        list(in_parts(dying, FEW, seconds_each=0.0, processes=2))


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and that nobody asked after does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked at in /proc, which is not here")
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT, None])
def test_no_process_outlives_the_one_that_wants_its_results(how: signal.Signals | None, tmp_path: Path) -> None:
    code = (
        "import sys; from pbgraph.structures import parallel; import test_parallel as t\n"
        "parallel.PART = 1\n"
        "made = parallel.in_parts(t.numbered if sys.argv[1] == 'end' else t.slow, t.FEW, seconds_each=0, processes=2)\n"
        "print(next(made), flush=True)"  # at the end, three parts are left that nobody wants
    )
    words = [sys.executable, "-c", code, "end" if how is None else "wait"]
    here = {**os.environ, "PYTHONPATH": str(Path(__file__).parent), "HERE": str(tmp_path)}
    with subprocess.Popen(words, env=here, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as parent:
        if how is not None:
            wait_until(lambda: len(list(tmp_path.glob("*.pid"))) == 2)
            parent.send_signal(how)
        # the pipes close once nobody has them any more: neither the process nor those that it started
        out, _ = parent.communicate(timeout=600)
    assert (out != b"") == (how is None)
    wait_until(lambda: not any(alive(int(path.stem)) for path in tmp_path.glob("*.pid")))


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 600
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)
