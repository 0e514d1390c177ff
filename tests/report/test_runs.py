"""Runs as rows, and one run as text: nothing is lost, rounded or taken for a command."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from made_records import make_failure, make_insight, make_record, make_regression_record
from pbgraph.metrics import SplitScore, TaskScore
from pbgraph.report import one_run, runs
from pbgraph.report.plot import MARK, plot
from pbgraph.results.records import Source

VALUES = st.one_of(st.none(), st.floats(-1e100, 1e100))


@given(st.lists(st.tuples(VALUES, st.sampled_from(["neuron", "dendrite"])), min_size=1, max_size=200))
def test_a_curve_fits_into_a_terminal_and_has_all_its_columns(points):
    values, labels = [value for value, _ in points], [label for _, label in points]
    lines = plot(values, labels).splitlines()
    assert all(len(line) <= 100 for line in lines)
    assert set(lines[-1].strip()) <= {"n", "d"}
    known = [value for value in values if value is not None]
    marks = "\n".join(lines[:-1]).count(MARK)
    assert (marks > 0) == bool(known)
    assert marks <= len(known)
    if known and len(values) <= 68 and max(known) > min(known):
        assert marks == len(known)
        field = [line.partition("|")[2] for line in lines[:-1]]
        assert field[0].count(MARK) >= 1
        assert field[0].index(MARK) in [place for place, value in enumerate(values) if value is not None]


def record_with_tasks():
    record = make_record("trimnet/perforated", 68, 0.8)
    tasks = {name: TaskScore({"roc_auc": 0.5, "average_precision": None}, 50, 5) for name in ("=A|B", "C")}
    scores = {part: replace(score, tasks=tasks) for part, score in record.scores.items()}
    return replace(record, scores=scores)


def test_rows_of_tasks_hold_both_parts_and_all_metrics():
    rows = runs.task_rows([record_with_tasks(), make_failure("gin/backprop", 1, "x")])
    assert {(row["part"], row["target"]) for row in rows} == {(p, t) for p in ("test", "valid") for t in ("=A|B", "C")}
    assert {(row["roc_auc"], row["average_precision"], row["labelled"], row["positives"]) for row in rows} == {
        (0.5, None, 50, 5)
    }


def test_csv_is_exact_and_holds_no_formula():
    record = make_record("gin/backprop", 3, 0.1 + 0.2)
    failure = make_failure("gin/backprop", 4, "=HYPERLINK(1)\nx")
    rows = list(csv.DictReader(io.StringIO(runs.as_csv(runs.run_rows([record, failure])))))
    assert float(rows[0]["test_roc_auc"]) == 0.1 + 0.2
    assert rows[1]["error"] == "'=HYPERLINK(1)\nx"
    assert runs.as_csv([]) == "\n"
    assert runs.to_csv([]).count("\n") == 1


def test_several_metrics_are_told_apart():
    shown = runs.to_markdown([make_record("gin/backprop", 1, 0.8), make_regression_record("gin/backprop", 1, 123.4)])
    assert "test RMSE / ROC-AUC" in shown
    assert "0.8000" in shown
    assert "123.4000" in shown


def test_one_run_shows_every_task_and_what_its_dendrites_learnt():
    said = one_run.to_text(record_with_tasks(), make_insight())
    assert said.count("| =A\\|B ") == 1
    assert "| conv |" in said.replace("conv  ", "conv ")
    assert "dropped" in said
    assert one_run.to_text(record_with_tasks(), None, "it is not there").count("dendrites: it is not there") == 1


def test_one_run_names_the_code_of_other_packages():
    record, code = record_with_tasks(), {name: Source(name, "1.0", "a" * 64, "c" * 40) for name in ("nets", "pbgraph")}
    said = one_run.to_text(replace(record, provenance=replace(record.provenance, sources=code)), None)
    assert "code of nets: nets 1.0, files aaaaaaaaaaaa, commit cccccccccccc\n" in said
    assert "code of pbgraph" not in said


def test_of_a_control_the_settings_of_its_pair_are_named_apart():
    record = make_record(
        "trimnet/continued", 68, 0.8, control_of="a" * 16, changes={"epochs": 3, "perforated.max_dendrites": 4}
    )
    said = one_run.to_text(record, None)
    assert f"a control of run {'a' * 16}" in said
    assert "  * epochs  3" in said
    assert "of the run it is paired with: perforated.max_dendrites 4" in said
    assert "    hidden  32" in said


def test_a_setting_is_shown_in_the_spelling_of_today():
    record = make_record("gin/continued", 1, 0.8)
    spec = replace(record.spec, settings={"epochs": 3, "loss": "plain"}, changes={"perforated.loss": "plain"})
    text = one_run.to_text(replace(record, spec=spec), None)
    assert "    loss    bce" in text
    assert "plain" not in text
    assert "of the run it is paired with: perforated.loss bce" in text
    assert runs.run_rows([replace(record, spec=spec)])[0]["settings.loss"] == "bce"


def test_a_run_without_scores_or_history_is_shown():
    bare = replace(make_record("gin/fit", 1, 0.5), history=(), selection=None)
    empty = SplitScore(0, {"roc_auc": None, "average_precision": None}, {})
    assert "| all " in one_run.to_text(replace(bare, scores={"test": empty, "valid": empty}), None)
    assert "failed: no\\nluck" in one_run.to_text(make_failure("gin/backprop", 1, "no\nluck"), None)
