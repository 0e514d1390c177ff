"""A results folder that is right is found right; and for everything that can be wrong with it, a folder where it is."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from pbgraph import bench
from pbgraph.insight import DIGEST
from pbgraph.models.gin import GIN
from pbgraph.predictions import write_predictions
from pbgraph.records import ResultsFolder, RunRecord, read_record, record_bytes, sha256
from pbgraph.registry import Registry
from pbgraph.splits import SPLITS
from pbgraph.verify.folder import held_by
from pbgraph.verify.plans import check_plans
from pbgraph.verify.scores import check_scores
from pbgraph.verify.tables import check_tables

COMMITTED = Path(__file__).parents[2] / "results"


def call(*argv: object) -> int:
    return bench.main([str(word) for word in argv])


def chosen(record: RunRecord) -> bool:
    spec = record.spec
    return spec.preset == "default" and (spec.model != "trimnet" or (spec.seed == 68 and spec.method != "widened"))


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """Nine of the committed runs, with the tables and the page that show them and a README that shows one."""
    folder = tmp_path_factory.mktemp("project")
    committed, mine = ResultsFolder(COMMITTED), ResultsFolder(folder / "results")
    for record in filter(chosen, committed.records("tox21")):
        for place in ("record_path", "predictions_path", "dendrites_path"):
            old, new = getattr(committed, place)(record.spec), getattr(mine, place)(record.spec)
            if old.exists():
                new.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(old, new)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name in ("md", "csv", "json", "tex", "html"):
            written("table", "tox21", "--format", name, to=folder / "results" / f"tox21.{name}")
        assert call("leaderboard", "-o", "results/leaderboard.html") == 0
    table = (folder / "results" / "tox21.md").read_text().split("\n", 2)[2]
    (folder / "README.md").write_text(f"# Project\n\nIt came out so:\n\n{table}\nand that is all. 0.8242\n")
    return folder


def written(*argv: object, to: Path) -> None:
    with to.open("w") as file, contextlib.redirect_stdout(file):
        assert call(*argv) == 0


@pytest.fixture
def copy(project, tmp_path) -> ResultsFolder:
    """The results of the project, to be spoilt."""
    shutil.copytree(project, tmp_path / "project")
    return ResultsFolder(tmp_path / "project" / "results")


def of(results: ResultsFolder, arm: str, seed: int = 68) -> RunRecord:
    (found,) = [one for one in results.records("tox21") if (one.spec.arm, one.spec.seed) == (arm, seed)]
    return found


def replaced(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


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
    assert receipt["checked"]["scores"] == 9 * 2 * 2 * 13


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
    for path in (results.record_path(spec), results.predictions_path(spec), results.dendrites_path(spec)):
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


def other_task(results: ResultsFolder) -> None:
    (results.root / "records" / "esol").mkdir()
    path = results.record_path(of(results, "gin/backprop").spec)
    path.rename(results.root / "records" / "esol" / path.name)


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
    "wrong folder": (other_task, "is a run of task tox21: move it to the folder records/tox21"),
    "half the scores": (lost_score, "it has scores of test, expected valid and test"),
}


@pytest.mark.parametrize("name", SPOILT)
def test_what_is_wrong_with_files_is_said(copy, name):
    spoil, words = SPOILT[name]
    assert not held_by(copy).found.wrong
    spoil(copy)
    found = held_by(copy).found.wrong
    assert any(words in line for line in found), found
    assert all("\n" not in line for line in found)


@pytest.mark.parametrize("kind", ["record_path", "predictions_path", "dendrites_path"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_one_flipped_bit_is_found(copy, kind, share):
    path = getattr(copy, kind)(of(copy, "trimnet/perforated").spec)
    flip(path, int(share * path.stat().st_size))
    assert any(path.stem in line for line in held_by(copy).found.wrong)


def test_a_sealed_record_shows_every_edit_time_and_machine_included(tmp_path):
    record = of(ResultsFolder(COMMITTED), "gin/backprop")
    path = ResultsFolder(tmp_path).write(record)
    content = path.read_bytes()
    assert read_record(path) == record
    for old, new in (
        ('"dirty": false', '"dirty": true'),
        ("2026-", "2027-"),
        ("Intel", "AMD"),
        ('"sittings": 1', '"sittings": 2'),
    ):
        assert old in content.decode()
        path.write_bytes(content.decode().replace(old, new, 1).encode())
        assert any("was edited" in line for line in held_by(ResultsFolder(tmp_path)).found.wrong), old


def test_committed_records_can_be_read_and_only_their_seal_would_be_new():
    for path in sorted((COMMITTED / "records" / "tox21").glob("*.json")):
        old, new = json.loads(path.read_bytes()), json.loads(record_bytes(read_record(path)))
        added = {"components": {}, "sources": {}, "libraries": {}}
        assert old["written_digest"] == new["written_digest"]
        assert {**old["provenance"], **{k: v for k, v in added.items() if k not in old["provenance"]}} == new[
            "provenance"
        ]


def test_an_edited_score_with_a_matching_digest_is_found_by_its_predictions(copy, tmp_path):
    record = of(copy, "gin/backprop")
    test = record.scores["test"]
    means = replace(test, metrics={**test.metrics, "roc_auc": 0.9})
    one = replace(test.tasks["NR-AR"], metrics={**test.tasks["NR-AR"].metrics, "average_precision": 0.9})
    of_task = replace(test, tasks={**test.tasks, "NR-AR": one})
    counted = replace(test, tasks={**test.tasks, "NR-AR": replace(test.tasks["NR-AR"], positives=1)})
    for scores, words in (
        (means, "test ROC-AUC: the record says 0.9"),
        (of_task, "NR-AR average precision"),
        (counted, "NR-AR labels"),
    ):
        edited = replace(record, scores={**record.scores, "test": scores})
        copy.record_path(record.spec).write_bytes(record_bytes(edited))
        held = held_by(copy)
        assert not held.found.wrong
        found = check_scores(copy, held.checkable, offline=True)
        assert len(found.wrong) == 1
        assert words in found.wrong[0]
    selected = replace(record, selection=replace(record.selection, score=0.99))
    copy.record_path(record.spec).write_bytes(record_bytes(selected))
    assert "validation score of 0.99" in check_scores(copy, held_by(copy).checkable, offline=True).wrong[0]


def test_predictions_of_other_labels_or_molecules_are_found(copy, tox21, shared):
    """With matching hashes, too: the data have the last word."""
    record = of(copy, "random-forest/fit")
    path = copy.predictions_path(record.spec)
    for change, words in (
        ("labels", "beside labels that the data do not have"),
        ("rows", "measured ones in their order"),
    ):
        molecules = replace(tox21, y=1 - tox21.y) if change == "labels" else tox21
        made = SPLITS.get("random").split(tox21, 68)
        valid, test = (made.valid, made.test) if change == "labels" else (made.valid[:-1], made.test)
        scored = {"valid": (valid, tox21.y[valid] * 0 + 0.5), "test": (test, tox21.y[test] * 0 + 0.5)}
        digest = write_predictions(path, molecules, tox21.tasks, scored)
        copy.record_path(record.spec).write_bytes(record_bytes(replace(record, predictions_sha256=digest)))
        held = held_by(copy)
        assert not held.found.wrong
        assert any(words in line for line in check_scores(copy, held.checkable, data=shared / "data").wrong)


def test_a_false_word_about_the_data_is_found(copy, shared):
    record = of(copy, "gin/backprop")
    for change in ({"rows_sha256": "0" * 64}, {"split_sha256": "0" * 64}, {"rejected": ()}, {"data_sha256": "0" * 64}):
        edited = replace(record, provenance=replace(record.provenance, **change))
        copy.record_path(record.spec).write_bytes(record_bytes(edited))
        found = check_scores(copy, [edited], data=shared / "data", offline=True).wrong
        assert len(found) == 1
        assert "what it says of its data is not what they are" in found[0]


@pytest.mark.parametrize(
    ("name", "old", "new", "words"),
    [
        ("tox21.md", "0.8414", "0.8415", "line 8, column 'ROC-AUC': it says '0.8415"),
        ("tox21.md", "| -  ", "| +  ", "column 'difference to backprop': it says '+'"),
        ("tox21.csv", "backprop,3,", "backprop,4,", "column 'seeds': it says '4', the records give '3'"),
        ("leaderboard.html", "46,040", "46,041", "column 'parameters': it says '46,041'"),
        ("tox21.json", '"parameters": 46040', '"parameters": 46041', "tox21.json, line"),
        ("tox21.tex", "46,040", "46,041", "tox21.tex, line"),
        ("tox21.html", "46,040", "46,041", "column 'parameters'"),
        ("../README.md", "0.8414", "0.8415", "README.md, line 10, column 'ROC-AUC': it says '0.8415"),
        ("../README.md", "- source commit: 6419", "- source commit: 6418", "README.md, line"),
        ("../README.md", "Protocol ", "protocol ", "README.md, line 5: it says 'protocol "),
    ],
)
def test_an_edited_cell_is_found(copy, name, old, new, words):
    held = held_by(copy)
    assert check_tables(copy, held).wrong == ()
    replaced(copy.root / name, old, new)
    found = check_tables(copy, held).wrong
    assert len(found) == 1
    assert words in found[0]


def test_a_table_that_lost_a_row_is_found(copy):
    path = copy.root / "tox21.md"
    path.write_text(
        "".join(line for line in path.read_text().splitlines(keepends=True) if not line.startswith("| gin "))
    )
    assert any(
        "has 22 lines, its records give 23" in line or "lines, its records give" in line
        for line in check_tables(copy, held_by(copy)).wrong
    )


def test_a_readme_that_shows_no_table_is_left_alone(copy):
    (copy.root.parent / "README.md").write_text("# Nothing to see here\n")
    found = check_tables(copy, held_by(copy))
    assert (found.wrong, found.counts["tables in README"]) == ((), 0)


def test_another_version_of_a_component_is_named(copy, monkeypatch):
    records = held_by(copy).checkable
    assert check_plans(copy, records)[1].wrong == ()
    get = Registry.get
    monkeypatch.setattr(
        Registry, "get", lambda self, name: replace(GIN, version=99) if name == "gin" else get(self, name)
    )
    planned, found = check_plans(copy, records)
    assert len(planned) == 6
    (line,) = found.wrong
    assert "gin/backprop of tox21, preset default, split random, seeds 68-70" in line
    assert f"versions: model {GIN.version} / 99" in line


def test_runs_of_an_unknown_preset_are_named_and_not_wrong(copy):
    record = of(copy, "gin/backprop")
    found = check_plans(copy, [replace(record, spec=replace(record.spec, preset="gone"))])[1]
    assert found.wrong == ()
    assert "unknown preset 'gone'" in found.unchecked[0]


def test_what_is_not_installed_here_is_named_and_not_wrong(copy):
    record = of(copy, "gin/backprop")
    strange = replace(record, spec=replace(record.spec, model="their-net", split="their-split"))
    shutil.copyfile(copy.predictions_path(record.spec), copy.predictions_path(strange.spec))
    plans, scores = check_plans(copy, [strange])[1], check_scores(copy, [strange], offline=True)
    assert plans.wrong == scores.wrong == ()
    assert "plan of their-net/backprop" in plans.unchecked[0]
    assert any("split their-split, which is not here" in line for line in scores.unchecked)


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
    assert record.details[DIGEST] == sha256(copy.dendrites_path(record.spec).read_bytes())
