from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import made_records
from made_records import PROVENANCE, make_spec
from own_tables import write as write_table
from pbgraph import bench
from pbgraph.datasets.load import load
from pbgraph.datasets.user.table import describe
from pbgraph.errors import DataError, UsageError
from pbgraph.files.hashing import sha256
from pbgraph.results import merging
from pbgraph.results.described import dataset_of, keep
from pbgraph.results.folder import WORK, ResultsFolder
from pbgraph.results.merging import ASIDE, Candidate, adopt, merge
from pbgraph.results.record_file import read_record
from pbgraph.results.records import NumericPlatform, RunRecord
from pbgraph.results.registered import Registration, register, registrations
from pbgraph.results.tuning import trials_path

OTHER = replace(
    PROVENANCE,
    processor="another CPU",
    packages={"torch": "2.12.0"},
    numerics=NumericPlatform("arm64-neon", "OpenBLAS", "NEON", "none", 1, "2.12.0", "glibc", "0"),
)


def write(root: Path, seed: int, score: float, *, provenance=PROVENANCE, content: bytes = b"scores") -> RunRecord:
    """A finished run with predictions, as a run would leave it."""
    results = ResultsFolder(root)
    made = made_records.make_record("gin/backprop", seed, score, provenance=provenance)
    record = replace(made, predictions=f"{made.key}.parquet", predictions_sha256=sha256(content))
    path = results.predictions_path(record.spec)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    results.write(record)
    return record


def zipped(root: Path, target: Path, prefix: str = "") -> Path:
    with zipfile.ZipFile(target, "w") as archive:
        for path in sorted(root.rglob("*")):
            if path.is_file():
                archive.write(path, prefix + path.relative_to(root).as_posix())
    return target


def files(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.fixture
def into(tmp_path):
    return ResultsFolder(tmp_path / "into")


@pytest.fixture
def a(tmp_path):
    for seed in (68, 69):
        write(tmp_path / "a", seed, 0.8)
    return tmp_path / "a"


@pytest.mark.parametrize("form", ["folder", "zip", "zip of a folder"])
def test_runs_come_with_all_that_belongs_to_them_and_a_second_time_nothing_changes(a, into, tmp_path, form):
    prefix = {"zip": "", "zip of a folder": "up/results/"}.get(form)
    source = a if prefix is None else zipped(a, tmp_path / "a.zip", prefix)
    merged = merge([source], into)
    assert (sorted(record.spec.seed for record in merged.new), merged.known, merged.refused) == ([68, 69], 0, {})
    first = files(into.root)
    assert first == files(a)
    assert (merge([source], into).known, files(into.root)) == (2, first)


def test_what_differs_is_refused_with_how_and_both_are_kept_aside(a, into, tmp_path):
    merge([a], into)
    before = files(into.root)
    theirs = write(tmp_path / "b", 68, 0.9, provenance=OTHER, content=b"other scores")
    write(tmp_path / "b", 70, 0.7)
    merged = merge([tmp_path / "b"], into)
    assert [record.spec.seed for record in merged.new] == [70]
    ((key, reason),) = merged.refused.items()
    assert key == theirs.key
    for fact in ("test roc_auc 0.8 and 0.9", "processor  and another CPU", "torch none and 2.12.0", "arm64-neon"):
        assert fact in reason
    assert before.items() <= files(into.root).items()
    aside = sorted((into.root / ASIDE).iterdir())
    scores = [ResultsFolder(one).finished("tox21", key).scores["test"].metrics["roc_auc"] for one in aside]
    assert sorted(scores) == [0.8, 0.9]
    assert sorted(path.read_bytes() for one in aside for path in one.rglob("*.parquet")) == [b"other scores", b"scores"]


def test_of_two_sources_that_differ_neither_comes_in_whatever_their_order(a, into, tmp_path):
    write(tmp_path / "b", 68, 0.9, provenance=OTHER)
    for sources in ([a, tmp_path / "b"], [tmp_path / "b", a]):
        merged = merge(sources, into)
        assert len(merged.refused) == 1
        assert [record.spec.seed for record in into.records("tox21")] == [69]
    assert len(list((into.root / ASIDE).iterdir())) == 2


def test_the_same_result_from_another_machine_is_no_contradiction(a, into, tmp_path):
    merge([a], into)
    write(tmp_path / "b", 68, 0.8, provenance=OTHER)
    merged = merge([tmp_path / "b"], into)
    assert (merged.known, merged.refused) == (1, {})


@pytest.mark.parametrize("kind", ["records", "predictions"])
@given(cut=st.integers(0, 5))
@settings(max_examples=6)
def test_a_torn_file_costs_its_run_alone(tmp_path_factory, kind, cut):
    root = tmp_path_factory.mktemp("torn")
    for seed in (68, 69):
        write(root / "a", seed, 0.8)
    torn = sorted((root / "a" / kind).rglob("*.*"))[0]
    torn.write_bytes(torn.read_bytes()[:cut])
    merged = merge([zipped(root / "a", root / "a.zip")], into := ResultsFolder(root / "into"))
    assert len(merged.new) == 1
    assert list(merged.refused) == [torn.stem]
    assert len(into.records("tox21")) == 1
    assert not list((into.root / ".work").iterdir())


def test_a_run_that_is_torn_in_one_source_comes_from_another(a, into, tmp_path):
    shutil.copytree(a, tmp_path / "b")
    sorted((a / "predictions").rglob("*.parquet"))[0].write_bytes(b"torn")
    merged = merge([a, tmp_path / "b"], into)
    assert (len(merged.new), merged.refused) == (2, {})
    assert files(into.root) == files(tmp_path / "b")


@pytest.mark.parametrize(
    "name",
    ["../../evil.json", "/tmp/evil.json", "records/../../evil.json", "records/..\\evil/x.json", "records/tox21/x"],
)
def test_no_name_in_an_archive_becomes_a_path(a, into, tmp_path, name):
    path = zipped(a, tmp_path / "a.zip")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name, "evil")
    assert len(merge([path], into).new) == 2
    assert files(into.root) == files(a)
    assert not [path for path in tmp_path.parent.rglob("*evil*") if path.is_file()]


def test_an_archive_whose_results_lie_beside_it_is_refused(a, into, tmp_path):
    with pytest.raises(UsageError, match="no plain name"):
        merge([zipped(a, tmp_path / "a.zip", "../")], into)


def test_links_are_not_followed(a, into, tmp_path):
    path = min((a / "records").rglob("*.json"))
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    merged = merge([a], into)
    assert (len(merged.new), list(merged.refused)) == (1, [path.stem])


KILLED = """
import os, signal, sys
from pathlib import Path
from pbgraph.results import merging
from pbgraph.results.folder import ResultsFolder
merging.adopt = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
merging.merge([Path(sys.argv[1])], ResultsFolder(Path(sys.argv[2])))
"""


@pytest.mark.lengthy
def test_what_a_killed_merge_left_is_swept(a, into):
    subprocess.run([sys.executable, "-c", KILLED, str(a), str(into.root)], check=False, timeout=600)
    assert len(files(into.root)) == 2  # a record and its predictions, not taken over
    into.sweep()
    assert not files(into.root)
    assert list((into.root / WORK).iterdir()) == []


def test_failures_get_the_next_number_once(a, into, tmp_path):
    failed = RunRecord(make_spec("gin/backprop", 71), "failed", PROVENANCE, error="x")
    for root, error in ((a, "one"), (tmp_path / "b", "another")):
        ResultsFolder(root).write(replace(failed, error=error))
    for _ in range(2):
        assert not merge([a, tmp_path / "b"], into).refused
    assert len(into.record_files("tox21", failed.key)) == 2


def test_a_failure_whose_number_is_taken_in_that_instant_gets_the_next_one(into, tmp_path, monkeypatch):
    failure = made_records.make_failure("gin/backprop", 90, "theirs")
    ResultsFolder(tmp_path / "b").write(failure)
    ResultsFolder(tmp_path / "b").write(made_records.make_record("gin/backprop", 91, 0.8))
    place, others = merging._place, [replace(failure, error="of another process")]

    def after_another(source, target):
        while others and ".failed-" in target.name:
            into.write(others.pop())
        return place(source, target)

    monkeypatch.setattr(merging, "_place", after_another)
    assert "theirs" in [record.error for record in merge([tmp_path / "b"], into).new]
    found = [read_record(path).error for path in into.record_files("tox21", failure.key)]
    assert found == ["of another process", "theirs"]


@pytest.mark.parametrize("theirs", [0.7, 0.8])
def test_what_stands_is_what_adopting_returns(into, tmp_path, theirs):
    own, ours = write(into.root, 68, theirs), write(tmp_path / "staged", 68, 0.8, provenance=OTHER)
    into.predictions_path(own.spec).unlink()
    staged = ResultsFolder(tmp_path / "staged")
    stands = adopt(Candidate("b", staged, ours, staged.record_path(ours.spec)), into)
    assert stands.scores == own.scores
    assert into.finished("tox21", own.key).provenance == own.provenance
    assert into.predictions_path(own.spec).exists() == (theirs == 0.8)


@pytest.mark.parametrize("here", [1, 2, 3])
def test_a_search_that_went_on_elsewhere_comes_in(a, into, here):
    def trials(root, *lines):
        path = trials_path(root, "tox21", model="gin", method="backprop")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"".join(b"%d\n" % line for line in lines))
        return path

    trials(a, 1, 2)
    path = trials(into.root, *range(1, here + 1))
    notes = merge([a], into).notes
    assert path.read_bytes() == (b"1\n2\n3\n" if here == 3 else b"1\n2\n")
    assert len([note for note in notes if "search" in note]) == (here == 1)
    trials(into.root, 7)
    assert any("it has other trials" in note for note in merge([a], into).notes)
    assert path.read_bytes() == b"7\n"


def test_a_finished_run_is_not_joined_by_failures_of_others(a, into, tmp_path):
    merge([a], into)
    ResultsFolder(tmp_path / "b").write(RunRecord(make_spec("gin/backprop", 68), "failed", PROVENANCE, error="x"))
    merge([tmp_path / "b"], into)
    assert files(into.root) == files(a)


def test_registered_plans_come_along(a, into):
    declared = Registration(
        "p", "tox21", "random", (68,), (), (), None, "", "2026-01-01T00:00:00+00:00", "0", "", False
    )
    register(ResultsFolder(a), declared)
    merge([a], into)
    assert registrations(into) == registrations(ResultsFolder(a))


def test_the_table_of_an_archive_is_looked_for_in_the_folder(tmp_path, into):
    source = ResultsFolder(tmp_path / "theirs" / "results")
    source.root.mkdir(parents=True)
    table = describe(write_table(tmp_path / "theirs"), smiles="SMILES", targets=["toxic"])
    keep(table, source)
    write(source.root, 68, 0.8)
    (note,) = merge([zipped(source.root, tmp_path / "theirs.zip")], into).notes
    assert f"its table is not here; put it at {into.root / 'my.csv'}" in note
    with pytest.raises(DataError, match="put it there, name with --data DIR"):
        load(dataset_of(table.name, into))
    (tmp_path / "theirs" / "my.csv").rename(into.root / "my.csv")
    assert len(load(dataset_of(table.name, into))) == 120


def test_a_plan_that_was_registered_later_here_is_said_to_count(a, into):
    early, late = (
        Registration("p", "tox21", "random", (68,), (), (), None, "", f"2026-01-0{day}T00:00:00+00:00", "0", "", False)
        for day in (1, 2)
    )
    register(ResultsFolder(a), early)
    register(into, late)
    (note,) = merge([a], into).notes
    assert "plan p was registered there 2026-01-01" in note
    assert [one.when for one in registrations(into)] == [late.when]


def test_a_plan_that_was_registered_before_its_runs_still_is_where_both_come_along(tmp_path, into):
    """The runs are there when the registration comes, and had not been begun when it was written."""
    source, run = ResultsFolder(tmp_path / "source"), made_records.make_record("gin/backprop", 68, 0.8)
    declared = Registration(
        "p", "tox21", "random", (68,), (), (run.key,), None, "", "2020-01-01T00:00:00+00:00", "0", "", False
    )
    register(source, declared)
    write(source.root, 68, 0.8)
    merge([source.root], into)
    assert into.finished("tox21", run.key) is not None
    assert registrations(into) == registrations(source)
    assert registrations(into)[0].begun == ()


def test_the_command_says_what_came_and_what_did_not(a, tmp_path, capsys):
    write(tmp_path / "into", 68, 0.9, provenance=OTHER)
    code = bench.main(["merge", str(a), "--results", str(tmp_path / "into")])
    said = capsys.readouterr()
    assert code == 1
    assert said.out == f"merged into {tmp_path / 'into'}: 1 new, 0 there already, 1 refused\n"
    assert said.err.startswith("refused: ")
    assert said.err.count("\n") == 1


@pytest.mark.parametrize("what", ["nothing", "no archive", "an empty folder", "itself", "a torn archive"])
def test_what_is_no_source_is_wrong_usage_in_one_line(a, tmp_path, capsys, what):
    source = tmp_path / "source"
    if what == "an empty folder":
        source.mkdir()
    elif what == "no archive":
        source.write_text("no zip")
    elif what == "a torn archive":
        path = zipped(a, tmp_path / "a.zip")
        source.write_bytes(path.read_bytes()[:-100])
    elif what == "itself":
        source = tmp_path / "into"
    assert bench.main(["merge", str(source), "--results", str(tmp_path / "into")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
