"""A results folder that is right is found right; and for everything that can be wrong with it, a folder where it is."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from committed_runs import COMMITTED, call, of
from made_records import make_record
from pbgraph.execution.scoring import Rows, split_score
from pbgraph.files.hashing import sha256
from pbgraph.insight import Insight
from pbgraph.metrics import METRICS
from pbgraph.plans.plan import plan
from pbgraph.plans.registering import registration_of
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.insight_file import insight_bytes
from pbgraph.results.insights import DIGEST, insight_path
from pbgraph.results.predictions import write_predictions
from pbgraph.results.record_file import formatted, read_record, record_bytes
from pbgraph.results.records import RunRecord
from pbgraph.results.registered import register
from pbgraph.results.tuning import trials_path
from pbgraph.verify.folder import held_by
from pbgraph.verify.registrations import check_registrations
from pbgraph.verify.scores import check_scores

pytestmark = pytest.mark.lengthy


def test_a_folder_that_is_right_gets_a_receipt_and_each_time_the_same_one(copy, capsys, shared):
    path, argv = copy.root.parent / "receipt.json", ("verify", copy.root, "--offline", "--data", shared / "data")
    assert call(*argv, "--receipt", path) == 0
    assert capsys.readouterr().out == ""
    receipt = {**json.loads(path.read_text()), "created": None}
    assert call(*argv) == 0
    assert {**json.loads(capsys.readouterr().out), "created": None} == receipt
    counts = receipt["checked"]
    assert (counts["records"], counts["insights"], counts["keys as planned today"]) == (9, 1, 9)
    assert (counts["tables and pages"], counts["tables in README"]) == (6, 1)
    assert receipt["unchecked"] == []


def test_without_the_data_scores_are_checked_and_what_is_not_is_named(copy, capsys, monkeypatch):
    monkeypatch.setattr("pbgraph.verify.scores.load", lambda *_, **__: (_ for _ in ()).throw(OSError("no data")))
    assert call("verify", copy.root, "--offline") == 3
    said = capsys.readouterr()
    receipt = json.loads(said.out)
    assert "not checked: labels, rows and splits of 9 runs of tox21" in said.err
    assert receipt["unchecked"][0].startswith("labels, rows and splits of 9 runs of tox21")
    assert receipt["checked"]["scores"] == 9 * 8 * 13  # the metrics of the test rows, of twelve targets and their mean
    assert receipt["checked"]["tables in README"] == 1
    assert receipt["checked"]["failed"] == 0


def test_without_the_data_a_test_row_without_labels_is_no_mistake(tmp_path, monkeypatch):
    monkeypatch.setattr("pbgraph.verify.scores.load", lambda *_, **__: (_ for _ in ()).throw(OSError("no data")))
    y = np.array([[0, np.nan], [np.nan, np.nan], [1, 0], [1, 1]], dtype=np.float32)
    scores = np.array([[0.2, 0.5], [0.5, 0.5], [0.1, 0.3], [0.9, 0.8]], dtype=np.float32)
    results, record = ResultsFolder(tmp_path), make_record("gin/backprop", 68, 0.8)
    metrics = [METRICS.get(name) for name in record.metrics]
    test = split_score(Rows(y, scores, thresholds=record.thresholds), ("A", "B"), metrics)
    record = replace(record, scores={**record.scores, "test": test})
    path = results.predictions_path(record.spec)
    path.parent.mkdir(parents=True)
    write_predictions(path, y, scores, tasks=("A", "B"))
    found = check_scores(results, [record])
    assert found.wrong == ()
    assert found.counts["scores"] == 6
    spoilt = replace(record, scores={**record.scores, "test": replace(test, metrics={**test.metrics, "roc_auc": 0.9})})
    assert len(check_scores(results, [spoilt]).wrong) == 1


def git(results: ResultsFolder, *words: str) -> None:
    who = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
    subprocess.run(["git", "-C", str(results.root), *who, *words], check=True, capture_output=True)


@pytest.fixture
def committed(copy) -> ResultsFolder:
    """The copy as a checkout, and gin's record of seed 68 in it without a seal, as earlier versions wrote them."""
    path = copy.record_path(of(copy, "gin/backprop").spec)
    said = json.loads(path.read_bytes())
    del said["seal"], said["provenance"]["components"]
    path.write_bytes(formatted(said))
    git(copy, "init", "-q")
    git(copy, "add", ".")
    git(copy, "commit", "-qm", "results")
    return copy


@pytest.mark.parametrize(
    ("old", "new"),
    [('"processor":"Intel', '"processor":"AMD'), ('"sittings":1', '"sittings":2'), ("2026-", "2027-")],
)
def test_a_record_that_is_not_as_it_was_committed_is_found(committed, old, new):
    assert held_by(committed).findings.wrong == held_by(committed).findings.unchecked == ()
    path = committed.record_path(of(committed, "gin/backprop").spec)
    content = path.read_text()
    path.write_text(content.replace(old, new))
    assert path.read_text() != content
    assert held_by(committed).findings.wrong == (f"{path} is not as it was committed; restore it",)


def test_a_registered_plan_that_is_not_as_it_was_committed_is_found(copy):
    declared = plan("tox21", "smoke")
    path, made = register(copy, registration_of(declared, commit="c", dirty=False))
    git(copy, "init", "-q")
    git(copy, "add", ".")
    git(copy, "commit", "-qm", "results")
    path.write_bytes(formatted(msgspec.to_builtins(replace(made, created="2000-01-01T00:00:00+00:00").sealed())))
    assert check_registrations(copy).wrong == ()
    assert held_by(copy).findings.wrong == (f"{path} is not as it was committed; restore it",)


def test_a_registration_is_older_than_its_runs_where_it_was_committed_before_them(copy):
    """By its time it is, whenever it was committed; runs of commits that the checkout does not know say nothing."""
    declared = plan("tox21", "default")
    git(copy, "init", "-q")
    git(copy, "commit", "-q", "--allow-empty", "-m", "before")
    earlier = replace(registration_of(declared, commit="c", dirty=False), created="2020-01-01T00:00:00+00:00")
    register(copy, earlier)
    git(copy, "add", ".")
    git(copy, "commit", "-qm", "registered")
    git(copy, "commit", "-q", "--allow-empty", "-m", "after")
    runs = [record for record in copy.records("tox21") if record.key in earlier.keys][:2]

    def made_by(revision: str) -> list[RunRecord]:
        commit = subprocess.check_output(["git", "-C", copy.root, "rev-parse", revision], text=True).strip()
        return [replace(run, provenance=replace(run.provenance, commit=commit)) for run in runs]

    assert check_registrations(copy, runs).unchecked == ()
    assert check_registrations(copy, made_by("HEAD")).unchecked == ()
    (line,) = check_registrations(copy, made_by("HEAD~2")).unchecked
    assert "is older than 2 runs of its plan: the commit that added it" in line
    assert check_registrations(copy, made_by("HEAD~2")).wrong == ()


def test_trials_that_were_dropped_from_a_search_are_found(copy):
    path = trials_path(copy.root, "tox21", model="gin", method="backprop")
    path.parent.mkdir(parents=True)
    shutil.copyfile(trials_path(COMMITTED, "tox21", model="gin", method="backprop"), path)
    git(copy, "init", "-q")
    git(copy, "add", ".")
    git(copy, "commit", "-qm", "results")
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*lines, lines[-1]]))
    assert held_by(copy).findings.wrong == ()
    path.write_text("".join(lines[:-2]))
    assert held_by(copy).findings.wrong == (f"{path} lacks 2 of the lines that were committed; restore them",)


@pytest.mark.parametrize("staged", [False, True])
def test_a_run_that_was_dropped_is_found(committed, staged):
    spec = of(committed, "gin/backprop", 69).spec
    paths = [committed.predictions_path(spec), committed.record_path(spec)]
    for path in paths:
        path.unlink()
    if staged:
        git(committed, "add", "-A")
    assert held_by(committed).findings.wrong == tuple(
        f"{path} is committed and not there; restore it" for path in paths
    )


def test_records_that_neither_a_seal_nor_a_checkout_vouches_for_are_counted(committed, capsys, shared):
    argv = ("verify", committed.root, "--offline", "--data", shared / "data")
    assert call(*argv) == 0
    assert json.loads(capsys.readouterr().out)["checked"]["records without a seal"] == 1
    git(committed, "rm", "-rq", "--cached", ".")
    git(committed, "commit", "-qm", "none of them")
    assert call(*argv) == 3
    (line,) = json.loads(capsys.readouterr().out)["unchecked"]
    assert line.startswith("time, machine, commit and cost of 1 record without a seal")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda one: replace(one, history=one.history[:-1]), "its history has 59 epochs, its cost 60"),
        (lambda one: replace(one, cost=replace(one.cost, epochs=61)), "its history has 60 epochs, its cost 61"),
        (lambda one: replace(one, selection=replace(one.selection, epoch=99)), "epoch 99, which it says was selected"),
        (lambda one: replace(one, selection=replace(one.selection, epoch=0)), "and its history has 0."),
    ],
)
def test_a_history_that_is_not_that_of_the_run_is_found(copy, change, words):
    record = of(copy, "gin/backprop")
    copy.record_path(record.spec).write_bytes(record_bytes(change(record)))
    assert words in "\n".join(held_by(copy).findings.wrong)


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def other_key(results: ResultsFolder) -> None:
    path = results.record_path(of(results, "gin/backprop").spec)
    path.rename(path.with_name("0123456789abcdef.json"))


def without_record(results: ResultsFolder) -> None:
    results.record_path(of(results, "gin/backprop").spec).unlink()


def without_predictions(results: ResultsFolder) -> None:
    results.predictions_path(of(results, "gin/backprop").spec).unlink()


def without_pair(results: ResultsFolder) -> None:
    spec = of(results, "trimnet/perforated").spec
    insight = insight_path(results, of(results, "trimnet/perforated"))
    for path in (results.record_path(spec), results.predictions_path(spec), insight):
        path.unlink()


def twin(results: ResultsFolder) -> None:
    record = of(results, "gin/backprop")
    spec = replace(record.spec, settings={**record.spec.settings, "patience": 59})
    copied = replace(record, spec=spec, predictions=f"{spec.key}.parquet")
    shutil.copyfile(results.predictions_path(record.spec), results.predictions_path(spec))
    results.write(copied)


def false_failure(results: ResultsFolder) -> None:
    path = results.record_path(of(results, "gin/backprop").spec)
    shutil.copyfile(path, path.with_name(f"{path.stem}.failed-1.json"))


def failure_without_words(results: ResultsFolder) -> None:
    record = of(results, "gin/backprop")
    path = results.write(RunRecord(record.spec, "failed", record.provenance, error=""))
    assert path.name.endswith(".failed-1.json")


def failure_number_zero(results: ResultsFolder) -> None:
    path = results.write(RunRecord(of(results, "gin/backprop").spec, "failed", of(results, "gin/backprop").provenance))
    path.rename(path.with_name(path.name.replace("failed-1", "failed-0")))


def unknown_insight(results: ResultsFolder) -> None:
    results.dendrites_path(of(results, "gin/backprop").spec).write_text("{}")


def insight_of_two_forms(results: ResultsFolder) -> None:
    first, last = results.dendrites_paths(of(results, "trimnet/perforated").spec)
    assert last.exists()
    first.write_bytes(insight_bytes(Insight({})))


def other_task(results: ResultsFolder) -> None:
    (results.root / "records" / "esol").mkdir()
    path = results.record_path(of(results, "gin/backprop").spec)
    path.rename(results.root / "records" / "esol" / path.name)


def without_digest(results: ResultsFolder) -> None:
    path = results.record_path(of(results, "gin/backprop").spec)
    path.write_bytes(formatted({**json.loads(path.read_bytes()), "written_digest": None, "seal": None}))


def without_seal(results: ResultsFolder) -> None:
    record = of(results, "gin/backprop")
    origin = replace(record.provenance, components={"model": ("pbgraph",)}, dirty=True)
    said = json.loads(record_bytes(replace(record, provenance=origin)))
    results.record_path(record.spec).write_bytes(formatted({**said, "seal": None}))


def lost_score(results: ResultsFolder) -> None:
    record = of(results, "gin/backprop")
    path = results.record_path(record.spec)
    path.write_bytes(record_bytes(replace(record, scores={"test": record.scores["test"]})))


SPOILT = {
    "renamed": (other_key, "0123456789abcdef.json was edited or renamed"),
    "orphan predictions": (without_record, "is of no finished run: its record is gone"),
    "lost predictions": (without_predictions, "is not there: copy it from where record"),
    "control alone": (without_pair, "is a control of run"),
    "twin": (twin, "are both gin/backprop, seed 68, of tox21, split random, preset default, and differ in settings"),
    "finished failure": (false_failure, "says of itself that it is 'finished', and by its name it is failed"),
    "wordless failure": (failure_without_words, "a failed run says what went wrong"),
    "failure 0": (failure_number_zero, "is not named as a record is"),
    "unknown insight": (unknown_insight, "does not know of it"),
    "insight of two forms": (insight_of_two_forms, ".zst: record"),
    "wrong folder": (other_task, "is a run of task tox21: move it to the folder records/tox21"),
    "no digest": (without_digest, "has lost its digest or its seal"),
    "no seal": (without_seal, "has lost its digest or its seal"),
    "half the scores": (lost_score, "it is finished and has no valid scores"),
}


@pytest.mark.parametrize("name", SPOILT)
def test_what_is_wrong_with_files_is_said(copy, name):
    spoil, words = SPOILT[name]
    assert not held_by(copy).findings.wrong
    spoil(copy)
    found = held_by(copy).findings.wrong
    assert any(words in line for line in found), found
    assert all("\n" not in line for line in found)


@pytest.mark.parametrize("kind", ["records", "predictions", "dendrites"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_one_flipped_bit_is_found(copy, kind, share):
    record = of(copy, "trimnet/perforated")
    (path,) = (copy.root / kind / record.spec.task).glob(f"{record.key}.*")
    flip(path, int(share * path.stat().st_size))
    assert any(path.stem in line for line in held_by(copy).findings.wrong)


def test_a_sealed_record_shows_every_edit_time_and_machine_included(tmp_path):
    record = of(ResultsFolder(COMMITTED), "gin/backprop")
    path = ResultsFolder(tmp_path).write(record)
    content = path.read_bytes()
    assert read_record(path) == record
    for old, new in (
        ('"dirty":false', '"dirty":true'),
        ("2026-", "2027-"),
        ("Intel", "AMD"),
        ('"sittings":1', '"sittings":2'),
    ):
        assert old in content.decode()
        path.write_bytes(content.decode().replace(old, new, 1).encode())
        assert any("was edited" in line for line in held_by(ResultsFolder(tmp_path)).findings.wrong), old


def test_committed_records_can_be_read_and_only_their_seal_would_be_new():
    for path in sorted((COMMITTED / "records" / "tox21").glob("*.json")):
        old, new = json.loads(path.read_bytes()), json.loads(record_bytes(read_record(path)))
        added = {"components": {}, "sources": {}, "libraries": {}, "numerics": None}
        assert old["written_digest"] == new["written_digest"]
        assert {**added, **old["provenance"]} == {**added, **new["provenance"]}


HOSTILE = {
    "garbage": lambda path: path.write_bytes(os.urandom(1000)),
    "deep": lambda path: path.write_bytes(b"[" * 100_000),
    "huge number": lambda path: path.write_text(f'{{"schema": 2, "spec": {"9" * 400}}}'),
    "empty": lambda path: path.write_bytes(b""),
    "pipe": os.mkfifo,
    "folder": lambda path: (path / "within").mkdir(parents=True),
    "loop": lambda path: path.symlink_to(path),
    "dangling": lambda path: path.symlink_to("/no/such/file"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_folder_costs_one_line_each_and_no_traceback(copy, kind, capsys):
    record = of(copy, "gin/backprop")
    damaged = [copy.record_path(record.spec), copy.predictions_path(of(copy, "gin/backprop", 69).spec)]
    damaged += [copy.root / "records" / "stray.json", copy.root / "records" / "tox21" / "a\nb\udcff.json"]
    for path in damaged:
        path.unlink(missing_ok=True)
        HOSTILE[kind](path)
    assert call("verify", copy.root, "--offline") == 1
    said = capsys.readouterr()
    lines = said.out.splitlines()
    assert "Traceback" not in said.err
    for path in damaged[:3]:
        assert len([line for line in lines if str(path) in line]) == 1, (path, lines)
    assert len([line for line in lines if "a\\nb" in line]) == 1


def test_records_that_no_run_writes_are_wrong_and_no_traceback(copy, capsys):
    record = of(copy, "gin/backprop")
    path = copy.record_path(record.spec)
    for odd in (
        replace(record, scores={}),
        replace(record, metrics={}),
        replace(record, spec=replace(record.spec, versions={})),
        replace(record, spec=replace(record.spec, task="../../etc")),
        replace(record, provenance=replace(record.provenance, rows=-5)),
    ):
        path.unlink(missing_ok=True)
        path = copy.record_path(record.spec).with_name(f"{odd.key}.json")
        path.write_bytes(record_bytes(odd))
        assert call("verify", copy.root, "--offline") == 1
        said = capsys.readouterr()
        assert odd.key in said.out
        assert "Traceback" not in said.err


@pytest.mark.parametrize("words", ["verify nowhere", "verify --rerun two", "verify --seed 3"])
def test_wrong_usage(words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert call(*words.split()) == 2
    assert capsys.readouterr().out == ""


def test_the_digest_of_an_insight_is_part_of_its_record(copy):
    record = of(copy, "trimnet/perforated")
    assert record.details[DIGEST] == sha256(insight_path(copy, record).read_bytes())


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("results", "is a folder; name the file to be written"),
        (".", "is a folder; name the file to be written"),
        ("/proc/x.json", "cannot be written"),
        ("README.md/receipt.json", "cannot be written (Not a directory); name another file"),
        ("results/records/tox21/receipt.json", "is in results, which holds runs, tables and pages alone"),
        ("link/receipt.json", "is in results, which holds runs, tables and pages alone"),
    ],
)
def test_a_receipt_that_cannot_be_kept_is_refused_before_any_work(copy, name, words, capsys, monkeypatch):
    monkeypatch.chdir(copy.root.parent)
    Path("link").symlink_to("results")
    folder = "elsewhere" if name == "results" else "results"
    assert call("verify", folder, "--receipt", name) == 2
    said = capsys.readouterr()
    assert f"{name} {words}" in said.err
    assert said.out == ""


def test_a_receipt_says_what_is_wrong_and_takes_the_place_of_an_older_one(copy, capsys):
    path = copy.root.parent / "receipt.json"
    path.write_text("{}")
    without_predictions(copy)
    assert call("verify", copy.root, "--offline", "--receipt", path) == 1
    assert json.loads(path.read_text())["wrong"] == capsys.readouterr().out.splitlines()
