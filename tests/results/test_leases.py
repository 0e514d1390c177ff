from __future__ import annotations

import errno
import os
import random
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pbgraph.errors import PbgraphError
from pbgraph.results import leases as module
from pbgraph.results.leases import MISSED, Leases, beats, leased

KEY, OTHER = "0123456789abcdef", "fedcba9876543210"
SCRIPT = Path(__file__).parent / "lease_worker.py"


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@contextmanager
def silent(folder, clock, every=100.0):
    """A worker whose heart beats when the test says so."""
    with Leases(folder, every=every, now=clock) as worker:
        yield worker


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def two(tmp_path, clock):
    with silent(tmp_path, clock) as a, silent(tmp_path, clock) as b:
        yield a, b


def look(worker, clock, times):
    """Whether one of so many looks, a beat apart, gets the run."""
    for _ in range(times):
        if worker.take(KEY):
            return True
        clock.now += 101
    return False


def test_of_two_workers_one_has_a_run_until_it_gives_it_back(two):
    a, b = two
    assert a.take(KEY)
    assert a.take(KEY)
    assert not b.take(KEY)
    assert b.take(OTHER)
    a.release(KEY)
    assert b.take(KEY)
    assert not a.take(KEY)


def test_what_a_dead_worker_held_is_taken_over_after_so_many_looks(two, clock):
    a, b = two
    a.take(KEY)
    assert not look(b, clock, MISSED)
    assert look(b, clock, 1)
    assert leased(b.folder) == {KEY: b.worker}


def test_what_a_dead_worker_left_is_swept_and_what_a_living_one_has_is_not(tmp_path, clock, two):
    a, b = two
    dead = Leases(tmp_path, every=100.0, now=clock)
    dead._show_up()
    assert dead.take(KEY)
    assert a.take(OTHER)
    (tmp_path / f"{'0' * 16}.id").write_text("0" * 16)  # of one that was killed before its first beat
    for _ in range(MISSED + 1):
        assert leased(tmp_path) == {KEY: dead.worker, OTHER: a.worker}
        b.sweep()
        a.beat()
        clock.now += 101
    assert leased(tmp_path) == {OTHER: a.worker}
    assert sorted(path.stem for path in tmp_path.glob("*.id")) == sorted([a.worker, b.worker])
    assert not (tmp_path / f"{dead.worker}.beat").exists()
    assert not a.lost


def test_a_run_that_was_lost_is_not_given_back_by_a_sweep(two, clock):
    a, b = two
    a.take(KEY)
    assert look(b, clock, MISSED + 1)
    a.sweep()
    a.beat()
    assert a.lost == {KEY}
    assert leased(a.folder) == {KEY: b.worker}


def test_a_worker_whose_heart_beats_keeps_its_run_however_long_it_takes(two, clock):
    a, b = two
    a.take(KEY)
    for _ in range(5 * MISSED):
        a.beat()
        assert not b.take(KEY)
        clock.now += 1000
    assert not a.lost


def test_many_looks_at_once_are_one_and_a_long_pause_of_the_observer_is_no_silence_of_the_holder(two, clock):
    a, b = two
    a.take(KEY)
    assert not any(b.take(KEY) for _ in range(100))
    clock.now += 1e6
    assert not any(b.take(KEY) for _ in range(100))


def test_whoever_was_taken_for_dead_learns_at_the_next_beat_that_the_run_is_lost_and_takes_nothing_away(two, clock):
    a, b = two
    a.take(KEY)
    a.take(OTHER)
    assert look(b, clock, MISSED + 1)
    a.beat()
    assert a.lost == {KEY}
    a.release(KEY)
    assert leased(a.folder) == {KEY: b.worker, OTHER: a.worker}
    assert not a.take(KEY)
    b.release(KEY)
    assert a.take(KEY)
    assert not a.lost


def test_a_worker_that_was_buried_can_take_runs_again(two, clock):
    a, b = two
    a.take(KEY)
    assert look(b, clock, MISSED + 1)
    assert not list(a.folder.glob(f"{a.worker}.*"))
    a.beat()
    assert a.take(OTHER)
    assert not b.take(OTHER)


@given(skews=st.lists(st.floats(-1e9, 1e9), min_size=2, max_size=2))
@settings(max_examples=20)
def test_times_of_files_do_not_matter(tmp_path_factory, skews):
    folder, clock = tmp_path_factory.mktemp("leases"), Clock()
    with silent(folder, clock) as a, silent(folder, clock) as b:
        a.take(KEY)
        for path in folder.iterdir():
            when = max(time.time() + random.choice(skews), 0)
            os.utime(path, (when, when))
        assert not b.take(KEY)
        a.beat()
        assert not b.take(KEY)


def test_all_is_clean_when_workers_end(tmp_path, clock):
    with silent(tmp_path, clock) as a:
        a.take(KEY)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", ["", "../../../etc/passwd", "x" * 100, "0123456789abcdef"])
def test_a_lease_that_names_nobody_is_stale_in_time_too(two, clock, content):
    a, _ = two
    (a.folder / f"{KEY}.3").write_text(content)
    assert not look(a, clock, MISSED)
    assert look(a, clock, 1)
    assert leased(a.folder) == {KEY: a.worker}


def test_where_there_are_no_links_leases_are_created(two, monkeypatch):
    def refused(*_):
        raise OSError(errno.EPERM, "no links")

    monkeypatch.setattr(module.os, "link", refused)
    a, b = two
    assert a.take(KEY)
    assert not b.take(KEY)


def test_a_link_that_a_server_makes_and_denies_is_held(two, monkeypatch):
    link = os.link

    def denied(source, target):
        link(source, target)
        raise FileExistsError(errno.EEXIST, "a request that was sent twice")

    monkeypatch.setattr(module.os, "link", denied)
    assert two[0].take(KEY)


def test_a_full_disk_is_said(two, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module.os, "link", full)
    with pytest.raises(OSError, match="No space left"):
        two[0].take(KEY)


def test_a_folder_that_cannot_be_written_is_said_in_one_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(PbgraphError, match=r"cannot be written .*--results DIR"), Leases(tmp_path / "file" / "leases"):
        pass


def test_whoever_looks_once_sees_by_times_of_files_who_seems_alive(two):
    a, _ = two
    assert beats(a.folder, a.worker, now=time.time())
    assert not beats(a.folder, a.worker, now=time.time() + 1e5)
    assert not beats(a.folder, "0" * 16, now=time.time())


@pytest.mark.lengthy
def test_ten_workers_with_clocks_apart_of_which_many_are_killed_do_every_run_and_none_is_torn(tmp_path):
    """kill -9 at random, and a new worker for each that was killed; a run that nobody left half done is done once."""
    runs, dice = 60, random.Random(5)
    (tmp_path / "done").mkdir()

    def start():
        words = [sys.executable, SCRIPT, tmp_path, runs, dice.choice([-1e6, -30, 0, 40, 1e6])]
        return subprocess.Popen([str(word) for word in words])

    workers, killed = [start() for _ in range(10)], 0
    deadline = time.monotonic() + 600
    while any(worker.poll() is None for worker in workers):
        assert time.monotonic() < deadline, "not done"
        time.sleep(0.1)
        victim = dice.randrange(len(workers))
        if killed < 8 and list((tmp_path / "done").iterdir()) and workers[victim].poll() is None:
            workers[victim].kill()
            workers[victim].wait()
            workers[victim], killed = start(), killed + 1
    assert all(worker.returncode == 0 for worker in workers)
    assert killed
    assert {path.read_text() for path in tmp_path.glob("*.json")} == {"whole " * 2000}
    assert len(list(tmp_path.glob("*.json"))) == runs
    said = [path.name.split(".")[0] for path in (tmp_path / "done").glob("*") if ".late." not in path.name]
    assert len(said) == len(set(said))
