"""Runs are moved away whole or not at all, and can be put back."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from made_records import make_failure, make_record, make_spec, write_grown
from pbgraph.errors import UsageError
from pbgraph.files.locks import exclusive
from pbgraph.report.leaderboard import leaderboard
from pbgraph.results import trash
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.progress import published
from pbgraph.results.records import ScoredFile
from pbgraph.results.trash import check_dependents, dependents, files_of, move_to_trash
from pbgraph.verify import verify_results


@pytest.fixture
def results(tmp_path) -> ResultsFolder:
    return ResultsFolder(tmp_path / "results")


@pytest.fixture
def run(results) -> tuple[str, str]:
    """A run with everything that can belong to one, beside another that shares the beginning of no name."""
    results.write(make_failure("trimnet/perforated", 68, "ValueError: once"))
    record = write_grown(results, "trimnet/perforated", 68)
    path = results.predictions_path(record.spec)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"scores")
    model = results.model_path(record.spec)
    model.mkdir(parents=True)
    (model / "model.json").write_text("{}")
    results.checkpoint_path(record.spec).parent.mkdir()
    results.checkpoint_path(record.spec).touch()
    results.checkpoint_path(record.spec).with_suffix(".member-1.safetensors").touch()
    results.progress_path(record.key).touch()
    results.write(make_record("gin/backprop", 68, 0.7))
    return "tox21", record.key


def files(root: Path) -> set[Path]:
    found = {path.relative_to(root) for path in root.rglob("*") if path.is_file()}
    return {path for path in found if path.parts[0] != ".trash"}


def test_all_that_belongs_to_a_run_moves_and_the_rest_stays(results, run):
    before = files(results.root)
    folder, moved = move_to_trash(results, [run], now=0.0)
    assert folder == results.root / ".trash" / "1970-01-01T000000Z"
    assert files(folder) == {path for path in before if path.name.startswith(run[1]) or run[1] in path.parts}
    assert len(files(folder)) == 8
    assert files(results.root) == before - files(folder)
    assert [path.name for path in moved[-2:]] == [f"{run[1]}.failed-1.json", f"{run[1]}.json"]


def test_what_was_moved_is_put_back_by_copying(results, run):
    before = files(results.root)
    folder, _ = move_to_trash(results, [run])
    subprocess.run(["cp", "-Rpn", f"{folder}/.", f"{results.root}/"], check=True, timeout=600)
    assert files(results.root) == before
    assert results.record(*run).status == "finished"


def test_of_two_sets_in_one_second_each_has_a_folder(results):
    keys = [make_record("gin/backprop", seed, 0.8) for seed in (1, 2)]
    for record in keys:
        results.write(record)
    folders = [move_to_trash(results, [("tox21", record.key)], now=5.0)[0].name for record in keys]
    assert folders == ["1970-01-01T000005Z", "1970-01-01T000005Z-2"]


def test_a_file_that_cannot_be_moved_leaves_all_in_place(results, run, monkeypatch):
    before, rename, calls = files(results.root), os.rename, []

    def refuse(source, target):
        calls.append(source)
        if len(calls) == 4:
            raise PermissionError(13, "Permission denied", str(source))
        rename(source, target)

    monkeypatch.setattr(trash.os, "rename", refuse)
    with pytest.raises(PermissionError):
        move_to_trash(results, [run])
    assert files(results.root) == before
    assert list((results.root / ".trash").iterdir()) == []


@pytest.mark.parametrize("moves", range(9))
def test_killed_between_two_moves_nothing_is_lost_and_the_same_again_moves_the_rest(results, run, monkeypatch, moves):
    class Killed(BaseException):
        pass

    before, rename, left = files(results.root), os.rename, iter(range(moves))

    def until_killed(source, target):
        if next(left, None) is None:
            os._exit(9)
        rename(source, target)

    if (child := os.fork()) == 0:
        monkeypatch.setattr(trash.os, "rename", until_killed)
        move_to_trash(results, [run], now=1.0)
        os._exit(0)
    os.waitpid(child, 0)
    folder = results.root / ".trash" / "1970-01-01T000001Z"
    there = {path for path in files(results.root) if path.suffix != ".lock"}
    assert there | files(folder) == before
    if moves < 8:
        again, _ = move_to_trash(results, [run], now=2.0)
        assert files(again) | files(folder) == {path for path in before if run[1] in str(path)}
    assert not [path for path in files(results.root) if run[1] in str(path)]


@pytest.fixture
def chain(results) -> list[tuple[str, str]]:
    """A run, its control, and the control of that."""
    plain = make_record("trimnet/perforated", 68, 0.8)
    widened = make_record("trimnet/widened", 68, 0.8, control_of=plain.key)
    continued = make_record("trimnet/widened-continued", 68, 0.8, control_of=widened.key)
    for record in (plain, widened, continued, make_record("gin/backprop", 68, 0.7)):
        results.write(record)
    return [("tox21", record.key) for record in (plain, widened, continued)]


def test_controls_depend_on_what_they_are_paired_with_and_theirs_on_them(results, chain):
    assert {one.key for one in dependents(results, chain[:1])} == {chain[1][1], chain[2][1]}
    assert [one.key for one in dependents(results, chain[:2])] == [chain[2][1]]
    assert dependents(results, chain) == dependents(results, chain[2:]) == []
    with pytest.raises(UsageError, match=r"trimnet/widened seed 68\), paired with .*--with-dependents"):
        check_dependents(dependents(results, chain[:1]))


def test_an_average_depends_on_the_runs_it_is_of(results, chain):
    plain, other = (results.finished(*run) for run in (chain[0], ("tox21", make_record("gin/backprop", 68, 0.7).key)))
    made = make_record("both/external", 68, 0.8)
    origin = replace(made.provenance, scored_from=ScoredFile("runs", "0" * 64), mean_of=(plain.key, other.key))
    results.write(replace(made, provenance=origin))
    [average] = dependents(results, [("tox21", other.key)])
    assert (average.key, average.needs) == (made.key, other.key)
    with pytest.raises(UsageError, match=rf"both/external seed 68\), an average of {other.key}"):
        check_dependents([average])
    _, moved = move_to_trash(results, [("tox21", other.key), ("tox21", made.key)])
    assert [path.stem for path in moved] == [made.key, other.key]


def test_a_control_goes_before_the_run_it_is_paired_with(results, chain):
    _, moved = move_to_trash(results, chain)
    assert [path.stem for path in moved] == [key for _, key in reversed(chain)]


def test_a_control_that_is_running_depends_too(results, chain):
    spec = make_spec("trimnet/continued", 68, control_of=chain[0][1])
    with published(results, spec, lambda _: None):
        assert spec.key not in {one.key for one in dependents(results, chain[:1])}  # it was killed
        with exclusive(results.lock_path(spec)):
            found = {one.key: one.running for one in dependents(results, chain[:1])}
    assert found[spec.key]


def test_a_run_in_progress_is_not_moved_nor_any_other_with_it(results, run, monkeypatch):
    other = ("tox21", next(key for _, key in results.runs() if key != run[1]))
    before = files(results.root)
    monkeypatch.setattr("pbgraph.files.locks.LOOK", 0.0)
    with exclusive(results.root / ".work" / f"{run[1]}.lock"), pytest.raises(UsageError, match="is running"):
        move_to_trash(results, [other, run])
    assert files(results.root) == before


def test_a_run_whose_record_cannot_be_read_can_be_moved(results, run):
    (path,) = [one for one in results.record_files(*run) if "failed" not in one.name]
    path.write_text("{")
    move_to_trash(results, [run])
    assert files_of(results, *run) == []


def test_nothing_else_looks_into_the_trash(results, run):
    shown = leaderboard(results)
    move_to_trash(results, [run])
    shutil.copytree(next((results.root / ".trash").iterdir()), results.root / ".trash" / "other")
    part = results.root / ".trash" / "other" / f".{run[1]}.json.12345678.part"
    part.touch()
    results.sweep()
    assert part.exists()
    assert results.tasks() == ["tox21"]
    assert len(results.records("tox21")) == 1
    assert run[1] not in leaderboard(results)
    assert run[1] in shown
    assert not [line for line in verify_results(results, offline=True).wrong if ".trash" in line or run[1] in line]
