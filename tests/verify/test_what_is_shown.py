"""Edited scores, cells and plans: each is found by making it anew."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from committed_runs import COMMITTED, of
from pbgraph import bench
from pbgraph.files.hashing import sha256
from pbgraph.models.gin import GIN
from pbgraph.registry import Registry
from pbgraph.report.shown import FORMATS
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.predictions import write_predictions
from pbgraph.results.record_file import record_bytes
from pbgraph.results.records import RunRecord
from pbgraph.splits import SPLITS
from pbgraph.verify import Findings
from pbgraph.verify.folder import held_by
from pbgraph.verify.plans import check_plans
from pbgraph.verify.scores import check_scores, read_predictions
from pbgraph.verify.tables import check_tables

pytestmark = pytest.mark.lengthy


def replaced(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


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
        assert not held.findings.wrong
        found = check_scores(copy, held.checkable, offline=True)
        assert len(found.wrong) == 1
        assert words in found.wrong[0]
    at = record.selection.epoch
    history = [replace(line, valid=0.99) if line.epoch == at else line for line in record.history]
    selected = replace(record, selection=replace(record.selection, score=0.99), history=tuple(history))
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
        y = tox21.y[SPLITS.get("random").split(tox21, 68).test]
        said = 1 - y if change == "labels" else y[:-1]
        digest = write_predictions(path, said, said * 0 + 0.5, tasks=tox21.tasks)
        copy.record_path(record.spec).write_bytes(record_bytes(replace(record, predictions_sha256=digest)))
        held = held_by(copy)
        assert not held.findings.wrong
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
        ("tox21.md", "0.8369", "0.8370", "line 9, column 'ROC-AUC': it says '0.8370"),
        ("tox21.md", "| -  ", "| +  ", "column 'difference to backprop': it says '+'"),
        ("tox21.csv", "backprop,,3,", "backprop,,4,", "column 'seeds': it says '4', the records give '3'"),
        ("leaderboard.html", "46,040", "46,041", "column 'parameters': it says '46,041'"),
        ("tox21.json", '"parameters": 46040', '"parameters": 46041', "tox21.json, line"),
        ("tox21.tex", "46,040", "46,041", "tox21.tex, line"),
        ("tox21.html", "46,040", "46,041", "column 'parameters'"),
        ("../README.md", "0.8369", "0.8370", "README.md, line 11, column 'ROC-AUC': it says '0.8370"),
        ("../README.md", "- source commit: ", "- source commit: 0", "README.md, line"),
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


@pytest.mark.parametrize("preset", ["default", "compression-1k"])
def test_a_table_of_a_preset_by_name_is_made_anew_too(copy, capsys, preset):
    for path in (COMMITTED / "records/tox21").glob("*.json"):
        shutil.copy(path, copy.root / "records/tox21")
    for path in (copy.root / name for name in ("leaderboard.html", *(f"tox21.{format_}" for format_ in FORMATS))):
        path.unlink(missing_ok=True)
    assert bench.main(["table", "tox21", "--preset", preset, "--results", str(copy.root)]) == 0
    named = copy.root / f"tox21-{preset}.md"
    named.write_text(capsys.readouterr().out)
    assert f"preset {preset}; " in named.read_text()
    (copy.root.parent / "README.md").unlink(missing_ok=True)
    assert check_tables(copy, held_by(copy)).wrong == ()
    replaced(named, "0.8", "0.9")
    found = check_tables(copy, held_by(copy)).wrong
    assert any(f"table tox21 --preset {preset} --format md' makes it anew" in line for line in found)


def test_a_table_that_lost_a_row_is_found(copy):
    path = copy.root / "tox21.md"
    path.write_text(
        "".join(line for line in path.read_text().splitlines(keepends=True) if not line.startswith("| gin "))
    )
    assert any(
        "has 22 lines, its records give 23" in line or "lines, its records give" in line
        for line in check_tables(copy, held_by(copy)).wrong
    )


@pytest.mark.parametrize(("name", "end"), [("tox21.md", "\v"), ("tox21.csv", "\r"), ("tox21.tex", "\u2028")])
def test_a_line_that_ends_otherwise_is_found(copy, name, end):
    path = copy.root / name
    text = path.read_text()
    path.write_bytes(text.replace("\n", end).encode())
    assert check_tables(copy, held_by(copy)).wrong[0].startswith(f"{path} has 0 lines")
    path.write_bytes((text.removesuffix("\n") + end).encode())
    assert check_tables(copy, held_by(copy)).wrong


def test_a_readme_that_shows_no_table_is_left_alone(copy):
    (copy.root.parent / "README.md").write_text("# Nothing to see here\n")
    found = check_tables(copy, held_by(copy))
    assert (found.wrong, found.counts["tables in README"]) == ((), 0)


def readme(copy, *parts: str) -> Findings:
    (copy.root.parent / "README.md").write_text("\n\n".join(["# Project", *parts, "And that is all."]) + "\n")
    return check_tables(copy, held_by(copy))


def test_a_readme_that_quotes_a_row_or_has_the_notes_of_a_table_shows_none(copy):
    lines = (copy.root / "tox21.md").read_text().splitlines()
    row, note = (next(line for line in lines if line.startswith(start)) for start in ("| gin", "- software"))
    own = "| a | b |\n| - | - |\n| 1 | 2 |"
    other = "Protocol 0123456789ab: another task\n\n" + "\n".join(lines[4:7]).replace("0.8", "0.7")
    found = readme(copy, row, f"{own}\n\n{note}", lines[2], other, "\n".join(f"    {line}" for line in lines))
    assert (found.wrong, found.counts["tables in README"]) == ((), 0)


def test_a_readme_that_shows_a_table_twice_is_compared_at_each_place(copy):
    table = (copy.root / "tox21.md").read_text().split("\n", 2)[2].strip()
    found = readme(copy, table, "Again:", table)
    assert (found.wrong, found.counts["tables in README"]) == ((), 2)
    found = readme(copy, table, "Again:", table.replace("0.8369", "0.8370"))
    assert len(found.wrong) == 1
    assert "column 'ROC-AUC': it says '0.8370" in found.wrong[0]
    (wrong,) = readme(copy, table, table.replace("| gin ", "| gun ")).wrong
    assert "column 'model': it says 'gun'" in wrong


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda table: table.rsplit("\n", 1)[0], ["it says '', the records give '- "]),
        (lambda table: table + "\n- a note of one's own", ["it says \"- a note of one's own\", the records give ''"]),
        (lambda table: table.replace("seeds", "draws", 1), ["it says 'draws', the records give 'seeds'"]),
        (lambda table: re.sub(r"Protocol \w", "Protocol f", table), ["line 3: it says 'Protocol f"]),
        (lambda table: "\n".join(line for line in table.split("\n") if "| gin " not in line), ["it says '', the"]),
        (lambda table: re.sub(r"0\.", "1.", table), ["line ", "and more"]),
    ],
)
def test_what_a_readme_leaves_out_adds_or_edits_is_said_once(copy, spoil, words):
    table = (copy.root / "tox21.md").read_text().split("\n", 2)[2].strip()
    found = readme(copy, spoil(table)).wrong
    assert len(found) == (11 if len(words) > 1 else 1), found
    assert words[0] in found[0]
    assert words[-1] in found[-1]


def test_a_readme_in_the_folder_is_looked_at_too(copy):
    table = (copy.root / "tox21.md").read_text()
    (copy.root / "README.md").write_text(table.replace("0.8369", "0.8370"))
    found = check_tables(copy, held_by(copy))
    assert len(found.wrong) == 1
    assert "results/README.md, line 9, column 'ROC-AUC'" in found.wrong[0]


@pytest.mark.parametrize(
    "name", ["esol.md", "best.html", "tox21-scaffold.md", "tox21.MD", "numbers.json", "tox21 (1).csv"]
)
def test_a_table_or_page_of_no_records_is_wrong(copy, name):
    (copy.root / name).write_text("| gin | 0.99 |\n")
    (line,) = check_tables(copy, held_by(copy)).wrong
    assert line.startswith(f"{copy.root / name} is no table or page of the records here")


def test_a_study_that_a_readme_shows_is_compared(tmp_path):
    results = ResultsFolder(tmp_path / "results")
    for name in ("records", "tuning"):  # the table says how many settings were tried
        shutil.copytree(COMMITTED / name, results.root / name)
    text = (COMMITTED / "tox21-compression.md").read_text()
    (results.root / "tox21-compression.md").write_text(text)
    shown = text[text.index("Protocols") :]
    (tmp_path / "README.md").write_text(f"{shown}\nAnd again:\n\n{shown.replace('0.8120', '0.9120')}")
    found = check_tables(results, held_by(results))
    assert found.counts == {"tables and pages": 1, "tables in README": 2}
    (line,) = found.wrong
    assert "column 'ROC-AUC': it says '0.9120" in line


def test_what_else_lies_in_a_folder_is_named(copy):
    (copy.root / "junk").mkdir()
    (copy.root / "junk" / "x").write_text("0.99")
    (copy.root / "notes.txt").write_text("0.99")
    (copy.root / "tasks").mkdir()
    (copy.root / "tasks" / "esol.md").write_text("0.99")
    for name in ("tox21.png", ".gitignore"):
        (copy.root / name).write_text("")
    found = check_tables(copy, held_by(copy))
    assert found.wrong == ()
    assert found.unchecked == (
        f"what is in {copy.root} beside runs, tables and pictures: tasks/esol.md, junk, notes.txt",
    )


def test_values_of_papers_are_as_they_should_be(copy):
    path = copy.root / "published.csv"
    (copy.root / "leaderboard.html").unlink()
    shutil.copyfile(COMMITTED / "published.csv", path)
    assert check_tables(copy, held_by(copy)).wrong == ()
    path.write_text(path.read_text().replace("0.838", "much"))
    (wrong,) = check_tables(copy, held_by(copy)).wrong
    assert wrong.startswith(f"{path}, line 2, column value: 'much', expected a number")


def in_file(copy, record, columns) -> RunRecord:
    """Predictions with these columns, and the record that has their hash; garbage, if they are bytes."""
    path = copy.predictions_path(record.spec)
    if isinstance(columns, bytes):
        path.write_bytes(columns)
    else:
        parquet.write_table(columns, path)
    edited = replace(record, predictions_sha256=sha256(path.read_bytes()))
    copy.record_path(record.spec).write_bytes(record_bytes(edited))
    return edited


def changed(name: str, values):
    return lambda table: table.set_column(table.column_names.index(name), name, values(table.column(name)))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda _: b"garbage", "does not hold predictions"),
        (
            lambda table: table.drop_columns(["y"]),
            "it has the columns row (int32), task (string), score (float), expected",
        ),
        (changed("score", lambda column: column.cast(pa.string())), "score (string), expected row (int32)"),
        (changed("row", lambda column: pa.nulls(len(column), pa.int32())), "it has cells without a value"),
        (changed("score", lambda column: pa.array([float("nan")] * len(column))), "scores that are not finite"),
        (changed("task", lambda column: pa.array(["x"] * len(column))), "its predictions are of x, expected NR-AR"),
        (lambda table: pa.concat_tables([table, table]), "twice"),
    ],
)
def test_predictions_of_another_form_are_found_without_the_data_and_their_scores_not_counted(copy, spoil, words):
    record = of(copy, "gin/backprop")
    table = read_predictions(copy.predictions_path(record.spec))
    edited = in_file(copy, record, spoil(table))
    found = check_scores(copy, [edited], offline=True, data=copy.root)
    assert words in found.wrong[0]
    assert "restore" in found.wrong[0]
    assert not any(name in line for line in found.wrong for name in ("ValueError", "TypeError", "ArrowInvalid"))
    assert found.counts["scores"] == 0


def test_scores_of_an_unknown_metric_are_not_counted(copy):
    record = of(copy, "gin/backprop")
    found = check_scores(copy, [replace(record, metrics={**record.metrics, "roc_auc": 99})], offline=True)
    assert found.counts["scores"] == 7 * 13  # of the other metrics
    assert (Findings({"scores": 0}) + Findings({"scores": 0, "x": 1})).counts == {"scores": 0, "x": 1}


def test_a_setting_that_todays_plan_does_not_know_is_named_though_it_is_empty(copy):
    record = of(copy, "gin/backprop")
    more = replace(record, spec=replace(record.spec, settings={**record.spec.settings, "extra": None}))
    (line,) = check_plans(copy, [more])[1].wrong
    assert "record / plan: settings: extra None / absent." in line


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
