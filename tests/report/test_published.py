"""Values of papers: read with care, and beside each the runs of ours that it can stand beside, and no others."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path
from statistics import fmean, stdev

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from made_records import make_failure, make_record, make_regression_record
from pbgraph import bench
from pbgraph.errors import DataError
from pbgraph.methods.base import METHODS
from pbgraph.methods.roles import EXTERNAL
from pbgraph.metrics import METRICS
from pbgraph.models.base import MODELS
from pbgraph.plans.declaration import SECOND
from pbgraph.plans.presets import preset
from pbgraph.report.leaderboard import leaderboard
from pbgraph.report.published import Published, Reported, beside, expected_best, read_published
from pbgraph.report.published_formats import BESTS, MEANS, said, to_csv, to_latex, to_markdown
from pbgraph.results.arms import parse_arm
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.records import RunRecord
from pbgraph.results.registered import Registration, register
from typesetting import troubles, typeset

COMMITTED = Path(__file__).parents[2] / "results" / "published.csv"
VALUE = Published(
    task="tox21",
    model="GCN",
    metric="roc_auc",
    statistic="mean",
    value="0.840",
    sd="",
    split="random",
    repeats="50",
    arm="gcn/backprop",
    preset="",
    differs="other seeds",
    source="Somebody 2021",
)
SEEDS = preset("default").seeds
RUNS = [make_record("gcn/backprop", seed, 0.80 + 0.01 * (seed % 3)) for seed in SEEDS]
FIFTY = preset("paper").seeds
PAPER = [make_record("gcn/backprop", seed, 0.7 + 0.001 * (seed * 7 % 50), preset="paper") for seed in FIFTY]
BEST = replace(VALUE, statistic="best of 50")


def written(folder: Path, *values: Published) -> Path:
    """A results folder's file with these values."""
    names = list(Published.__dataclass_fields__)
    with (folder / "published.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows({name: getattr(value, name) for name in names} for value in values)
    return folder / "published.csv"


def test_what_is_written_is_read(tmp_path):
    values = [VALUE, replace(BEST, sd="0.01", repeats="", source='A "B", 2021\nC'), replace(VALUE, arm="", differs="")]
    assert read_published(written(tmp_path, *values)) == values
    assert [value.best_of for value in values] == [None, 50, None]
    assert read_published(tmp_path / "none.csv") == []


@pytest.mark.parametrize(
    ("column", "cell", "expected"),
    [
        ("task", "", "the name of a task"),
        ("model", "", "what the paper calls its model"),
        ("metric", "roc-auc", "a metric of 'ls metrics'"),
        ("statistic", "median", '"mean", or "best of N", N a whole number of runs from 2 to 1,000,000'),
        ("statistic", "best of 1", '"best of N"'),
        ("statistic", "best of 050", '"best of N"'),
        ("statistic", "best of 9999999", '"best of N"'),
        ("statistic", "50", '"best of N"'),
        ("value", "0,838", "a number, such as 0.885"),
        ("value", "", "a number"),
        ("value", "nan", "a number"),
        ("value", "1e999", "a number"),
        ("sd", "-0.01", "a number that is not negative, or nothing"),
        ("split", "", "the name of a split"),
        ("repeats", "0", "a number of runs, or nothing"),
        ("repeats", "many", "a number of runs, or nothing"),
        ("arm", "gcn", "a row as MODEL/METHOD, or nothing where none is near"),
        ("differs", "", 'why ours may be another number, or "unexplained"'),
        ("source", "", "where the value is from"),
        ("source", " ", "where the value is from"),
        ("split", "random ", "without blanks around it"),
    ],
)
def test_a_cell_that_is_wrong_is_named_with_its_line_and_what_is_expected(column, cell, expected, tmp_path):
    path = written(tmp_path, VALUE, replace(VALUE, **{column: cell}))
    with pytest.raises(DataError) as refused:
        read_published(path)
    assert str(refused.value).startswith(f"{path}, line 3, column {column}: {cell!r}, expected ")
    assert expected in str(refused.value)


def test_a_preset_without_an_arm_chooses_nothing(tmp_path):
    path = written(tmp_path, replace(VALUE, arm="", preset="paper"))
    with pytest.raises(DataError, match="line 2, column preset: 'paper', expected nothing where there is no arm"):
        read_published(path)


def test_a_line_is_counted_as_an_editor_does(tmp_path):
    path = written(tmp_path, replace(VALUE, source="two\nlines"), replace(VALUE, value="x"))
    with pytest.raises(DataError, match="line 4, column value: 'x'"):
        read_published(path)
    path.write_text(f"{path.read_text().splitlines()[0]}\ntox21,GCN\n")
    with pytest.raises(DataError, match="line 2 has 2 cells, expected 12: task,model,metric,statistic,"):
        read_published(path)


def test_a_metric_that_cannot_be_loaded_here_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(METRICS, "_loaded", {})
    monkeypatch.setitem(METRICS._entries, "rmse", [EntryPoint("rmse", "no_such_module:RMSE", "pbgraph.metrics")])
    path = written(tmp_path, VALUE, replace(VALUE, metric="rmse"))
    with pytest.raises(DataError, match="line 3, column metric: 'rmse', expected a metric of 'ls metrics'"):
        read_published(path)


@pytest.mark.parametrize("text", ["", "task,model\n", "task,model,metric,value,sd,split,repeats,source\n"])
def test_other_columns_are_refused(text, tmp_path):
    (tmp_path / "published.csv").write_text(text)
    with pytest.raises(DataError, match=r"has the columns .*, expected task,model,metric,statistic,value,sd,split"):
        read_published(tmp_path / "published.csv")


def test_a_mean_stands_beside_the_mean_of_ours():
    scores = [record.scores["test"].metrics["roc_auc"] for record in RUNS]
    one = beside(VALUE, RUNS)
    assert (one.preset, one.features, one.declared, one.scores) == ("default", "graph", 3, tuple(scores))
    assert (one.mean.mean, one.mean.sd) == pytest.approx((fmean(scores), stdev(scores)))
    assert one.difference == pytest.approx(fmean(scores) - 0.84)
    assert one.by_chance is None


@pytest.mark.parametrize(
    "changes",
    [
        {"split": "scaffold"},
        {"task": "esol"},
        {"arm": "gcn/perforated"},
        {"arm": "gcn/backprop:hidden=64"},
        {"arm": "", "differs": ""},
    ],
)
def test_runs_of_another_split_task_or_row_never_stand_beside(changes):
    assert beside(replace(VALUE, **changes), RUNS).scores == ()


def test_a_split_is_compared_with_its_own_runs_alone():
    others = [make_record("gcn/backprop", seed, 0.6, split="scaffold", split_seed=None) for seed in SEEDS]
    assert beside(VALUE, [*others, *RUNS]).mean == beside(VALUE, RUNS).mean
    assert beside(replace(VALUE, split="scaffold"), [*others, *RUNS]).mean.mean == pytest.approx(0.6)


def test_a_value_is_compared_in_its_own_metric():
    one = beside(replace(VALUE, metric="average_precision", value="0.42"), RUNS)
    assert one.mean.mean == pytest.approx(fmean([0.40, 0.405, 0.41]))
    unscored = beside(replace(VALUE, metric="brier"), RUNS)
    assert unscored.mean is None
    assert said(Reported("tox21", (unscored,))).means[0][1] == "gcn/backprop: no score by this metric"


def test_the_best_of_fifty_takes_fifty_runs():
    few = beside(BEST, RUNS)
    assert (few.ours, few.difference, len(few.scores)) == (None, None, 3)
    assert few.by_chance == pytest.approx(2.2491 * few.mean.sd, rel=1e-4)
    assert beside(BEST, PAPER[:-1]).ours is None
    scores = [record.scores["test"].metrics["roc_auc"] for record in PAPER]
    assert beside(BEST, PAPER).ours == max(scores)
    assert beside(BEST, PAPER).difference == pytest.approx(max(scores) - 0.84)


def test_of_more_runs_the_first_ones_are_taken():
    assert beside(replace(BEST, statistic="best of 2"), list(reversed(RUNS))).ours == max(
        record.scores["test"].metrics["roc_auc"] for record in RUNS[:2]
    )


def test_where_smaller_is_better_the_best_is_the_smallest():
    runs = [make_regression_record("gcn/backprop", seed, 0.7 + 0.01 * (seed - 67)) for seed in (*SEEDS, 71)]
    value = replace(VALUE, task="esol", metric="rmse", value="0.65", statistic="best of 3")
    one = beside(value, runs)
    assert one.ours == pytest.approx(0.71)
    assert one.by_chance == pytest.approx(-1.5 / np.pi**0.5 * one.mean.sd)
    assert "RMSE (smaller is better)" in said(Reported("esol", (one,))).bests[0]
    assert beside(replace(value, metric="r2", value="0.9"), runs).ours == pytest.approx(1 - 0.71**2 / 4)


def test_which_preset_s_runs_stand_there():
    both, other = [*RUNS, *PAPER], [*PAPER, make_record("gcn/backprop", 1, 0.5, preset="mine")]
    assert beside(VALUE, both).preset == "default"
    assert beside(replace(VALUE, preset="paper"), both).preset == "paper"
    assert beside(replace(VALUE, preset="paper"), RUNS).preset == ""
    assert beside(VALUE, other).preset == "paper"
    assert beside(VALUE, other, preset="mine").scores == (0.5,)
    assert beside(VALUE, other, preset="default").scores == ()


def test_seeds_are_those_that_were_declared_or_those_that_are_asked_for():
    more = [*RUNS, make_record("gcn/backprop", 0, 0.99), make_failure("gcn/backprop", 1, "out of memory")]
    assert beside(VALUE, more).scores == beside(VALUE, RUNS).scores
    assert beside(VALUE, more, seeds=[0, 1]).scores == (0.99,)
    assert beside(VALUE, RUNS[1:]).declared == 3


def plan_of(*records: RunRecord, name: str = "mine") -> Registration:
    """A plan of these runs that was registered."""
    seeds, keys = tuple(one.spec.seed for one in records), tuple(sorted(one.key for one in records))
    return Registration(name, "tox21", "random", seeds, (), keys, None, "", "2026-01-01T00:00:00+00:00", "0", "", False)


def test_runs_of_a_registered_plan_are_to_be_as_many_as_it_declared():
    first, other = RUNS[:2], make_record("gin/backprop", 68, 0.7)
    small, large = plan_of(*first), plan_of(*RUNS, name="large")
    assert beside(VALUE, first).declared == 3
    assert beside(VALUE, first[:1], registered=[small]).declared == 2
    assert beside(VALUE, first, registered=[plan_of(other), large, small]).declared == 2
    assert beside(VALUE, RUNS, registered=[small, large]).declared == 3
    assert beside(VALUE, RUNS, registered=[small, large], plan="mine").scores == beside(VALUE, first).scores
    assert beside(VALUE, first, registered=[small], seeds=SEEDS).declared == 3


def test_second_runs_on_a_split_are_none_that_a_plan_lacks():
    again = [replace(one, spec=replace(one.spec, seed=one.spec.seed + SECOND)) for one in RUNS[:2]]
    one = beside(VALUE, [*RUNS, *again], registered=[plan_of(*RUNS, *again)])
    assert (len(one.scores), one.declared) == (3, 3)


def test_runs_that_no_table_would_mix_have_no_place():
    mixed = [*RUNS[1:], make_record("gcn/backprop", SEEDS[0], 0.7, model_config={"hidden": 99})]
    one = beside(VALUE, mixed)
    assert one.scores == ()
    assert re.match("gcn/backprop has no place beside GCN: runs of gcn/backprop do not share one protocol", one.problem)
    words = said(Reported("tox21", (one,)))
    assert words.notes == (one.problem,)
    assert words.means[0][1] == "gcn/backprop: see below"
    twins = [*RUNS, make_record("gcn/backprop", SEEDS[0], 0.7, control_of="0" * 16)]
    assert "one arm has one run of a seed" in beside(VALUE, twins).problem


def test_a_score_that_is_undefined_is_no_run():
    one = beside(VALUE, [*RUNS[:2], make_record("gcn/backprop", SEEDS[2], None)])
    assert len(one.scores) == 2
    assert said(Reported("tox21", (one,))).means[0][MEANS.index("our runs")] == "2 of 3"


def test_the_best_by_chance_is_that_of_normal_draws():
    draws = np.random.default_rng(0).normal(size=(20_000, 50)).max(axis=1)
    assert expected_best(50) == pytest.approx(draws.mean(), abs=0.02)
    assert expected_best(50) * 0.01 == pytest.approx(0.0225, abs=1e-4)


@given(st.integers(2, 100_000))
def test_the_best_of_more_is_better(count):
    assert 0 < expected_best(count) < expected_best(2 * count) < (2 * np.log(2 * count)) ** 0.5


REPORTED = Reported("tox21", tuple(beside(value, RUNS) for value in (VALUE, BEST, replace(VALUE, arm="", differs=""))))


def test_what_is_no_result_stands_apart_and_says_so():
    words = said(REPORTED)
    assert [len(words.means), len(words.bests)] == [2, 1]
    assert "No result" in words.no_result
    assert "the best of 50 is expected 2.25 SD from their mean" in words.no_result
    cells = dict(zip(BESTS, words.bests[0], strict=True))
    assert (cells["reported"], cells["ours"], cells["ours - theirs"]) == ("0.840, best of 50", "3 of 50 runs", "-")
    assert (cells["our mean"], cells["by chance"]) == ("0.8100 ± 0.0100", "+0.0225")
    text = to_markdown(REPORTED)
    above, below = text.split("No result")
    assert "best of" not in above
    assert "0.840, best of 50" in below
    assert "No result" not in to_markdown(Reported("tox21", REPORTED.means))
    assert "Each value" not in to_markdown(Reported("tox21", REPORTED.bests))


def test_programs_get_what_the_file_has_and_ours_unrounded():
    rows = list(csv.DictReader(io.StringIO(to_csv(REPORTED))))
    assert [row["value"] for row in rows] == ["0.840"] * 3
    assert float(rows[0]["ours_mean"]) == REPORTED.values[0].mean.mean
    assert float(rows[0]["difference"]) == REPORTED.values[0].difference
    assert (rows[1]["ours_best"], rows[1]["difference"], rows[1]["ours_runs"]) == ("", "", "3")
    assert float(rows[1]["by_chance"]) == REPORTED.values[1].by_chance
    assert (rows[2]["ours_preset"], rows[2]["ours_mean"]) == ("", "")


def test_latex_has_a_note_on_each_row_and_lines_between_splits():
    elsewhere = replace(VALUE, split="scaffold", model="A_B")
    text = to_latex(Reported("tox21", tuple(beside(one, RUNS) for one in (elsewhere, VALUE, elsewhere, BEST))))
    numbers = re.findall(r"^[A-Z\\_]+ \[(\d)\] &", text, re.MULTILINE)
    assert numbers == ["1", "2", "3", "4"]
    assert re.findall(r"textit\{(split \w+)", text) == ["split scaffold", "split random", "split random"]
    assert [text.count(f"[{number}] nearest row here: gcn") for number in numbers] == [1] * 4


@pytest.mark.lengthy
@pytest.mark.parametrize("encoding", ["T1", "OT1"])
def test_latex_is_typeset_and_fits(encoding, tmp_path):
    values = [beside(value, RUNS) for value in read_published(COMMITTED)]
    assert not troubles(typeset(to_latex(Reported("tox21", tuple(values))), tmp_path, encoding))


def test_the_committed_values_name_rows_that_can_be_run():
    values = [value for value in read_published(COMMITTED) if value.arm]
    assert len(values) > 10
    for arm in (parse_arm(value.arm) for value in values):
        assert arm.method == EXTERNAL or (arm.model in MODELS and arm.method in METHODS)
    assert all(preset(value.preset) for value in values if value.preset)
    vendor = [value.statistic for value in read_published(COMMITTED) if "with perforated" in value.model]
    assert sorted(vendor) == ["best of 50"] * 5 + ["mean"] * 2


@pytest.fixture
def results(tmp_path) -> ResultsFolder:
    """Runs of two presets, and values of two splits and tasks."""
    folder = ResultsFolder(tmp_path / "results")
    for record in (*RUNS, make_record("gcn/backprop", 1, 0.5, preset="mine")):
        folder.write(record)
    values = [VALUE, BEST, replace(VALUE, model="GAT", arm="gat/backprop", split="scaffold")]
    written(folder.root, *values, replace(VALUE, task="hiv"))
    return folder


def called(results: ResultsFolder, *words: str, task: str = "tox21") -> int:
    return bench.main(["table", task, "--published", "--results", str(results.root), *words])


@pytest.mark.parametrize(
    ("words", "models", "runs"),
    [
        ([], ["GCN", "GCN", "GAT"], ["3", "3", "0"]),
        (["--split", "random"], ["GCN", "GCN"], ["3", "3"]),
        (["--models", "gat"], ["GAT"], ["0"]),
        (["--methods", "backprop", "--seeds", "68-69"], ["GCN", "GCN", "GAT"], ["2", "2", "0"]),
        (["--arms", "gcn/backprop", "--preset", "mine"], ["GCN", "GCN"], ["1", "1"]),
    ],
)
def test_from_the_command_line(words, models, runs, results, capsys):
    assert called(results, "--format", "csv", *words) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["model"] for row in rows] == models
    assert [row["ours_runs"] for row in rows] == runs


def test_a_registered_plan_says_how_many_runs_there_are_to_be(tmp_path, capsys):
    folder = ResultsFolder(tmp_path)
    for record in RUNS[:2]:
        folder.write(record)
    written(folder.root, VALUE)

    def said_of_two() -> list[bool]:
        """In the command's answer and on the page."""
        assert called(folder) == 0
        page = leaderboard(folder).partition('id="reported')[2]
        return ["2 of 3" in text for text in (capsys.readouterr().out, page)]

    assert said_of_two() == [True, True]
    register(folder, plan_of(*RUNS[:2]))
    assert said_of_two() == [False, False]


def test_people_are_shown_markdown_or_latex(results, capsys):
    assert called(results) == 0
    assert capsys.readouterr().out.startswith("## tox21: what papers report, and the nearest rows here\n\n")
    assert called(results, "--format", "tex") == 0
    assert "\\begin{tabular}" in capsys.readouterr().out


def test_a_task_without_runs_has_its_values_all_the_same(results, capsys):
    assert called(results, task="hiv") == 0
    assert "gcn/backprop: no run on this split" in capsys.readouterr().out


def test_a_preset_without_runs_is_named(results, capsys):
    assert called(results, "--preset", "paper") == 0
    assert capsys.readouterr().out.count("gcn/backprop: no run of preset paper on this split") == 2


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--format", "json"], "values of papers have md, tex, csv"),
        (["--metric", "mcc"], "--metric is of the table itself"),
        (["--figure", "a.png"], "--figure is of the table itself"),
        (["--columns", "model"], "--published has columns of its own"),
        (["--study", "compression"], "--published is of one preset's table"),
        (["--per-target"], "not allowed with argument"),
        (["--models", "gin"], "3 of tox21, none of what is asked for"),
        (["--preset", "papper"], "did you mean 'paper'"),
    ],
)
def test_what_has_no_place_is_refused(words, told, results, capsys):
    assert called(results, *words) == 2
    assert told in capsys.readouterr().err


def test_a_file_that_is_not_there_or_wrong_is_named(results, capsys):
    path = results.root / "published.csv"
    assert called(results, task="esol") == 2
    assert f"{path} has the values of papers, none of esol" in capsys.readouterr().err
    path.write_text(path.read_text().replace("0.840", "much", 1))
    assert called(results) == 3
    assert f"{path}, line 2, column value: 'much', expected a number" in capsys.readouterr().err
    path.unlink()
    assert called(results) == 2
    assert "none of tox21" in capsys.readouterr().err
