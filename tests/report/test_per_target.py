"""Scores by target: the same numbers in every format, those of the records."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from pkgutil import resolve_name
from statistics import fmean, stdev

import pytest

from made_records import arms, make_failure, make_record
from pbgraph import bench
from pbgraph.metrics import SplitScore, TaskScore
from pbgraph.report.per_target import FORMATS, MOST_NUMBERED, draw_heat_map, per_target, to_latex
from pbgraph.report.shown import FORMATS as OF_TABLES
from pbgraph.report.tables import make_table
from pbgraph.results.folder import ResultsFolder

SEEDS = (1, 2)
ARMS = arms("trimnet/backprop", "gin/backprop")


def scored(arm, seed, targets):
    """A run with these scores of targets; None where one is undefined."""
    record = make_record(arm, seed, 0.8)
    tasks = {
        name: TaskScore(
            {"roc_auc": auc, "average_precision": None if auc is None else auc / 2}, 100 + seed, positives=10
        )
        for name, auc in targets.items()
    }
    test = SplitScore(100, record.scores["test"].metrics, tasks)
    return replace(record, scores={**record.scores, "test": test})


RECORDS = [
    scored("trimnet/backprop", 1, {"NR-AR": 0.7, "a|b_%": 0.9}),
    scored("trimnet/backprop", 2, {"NR-AR": 0.8, "a|b_%": None}),
    scored("gin/backprop", 1, {"NR-AR": 0.6, "a|b_%": 0.5}),
    make_failure("gin/backprop", 2, "out of memory"),
]


def view(records=RECORDS):
    return per_target(make_table(records, arms=ARMS, seeds=SEEDS), records)


def written(form):
    return resolve_name(FORMATS[form])(view())


def test_a_score_is_the_mean_over_the_seeds_that_have_it():
    of_ar, of_other = view().targets
    assert (of_ar.name, of_ar.labelled, of_ar.positives) == ("NR-AR", fmean([101, 102, 101]), 10)
    score = of_ar.scores[ARMS[0]]["roc_auc"]
    assert (score.mean, score.sd) == pytest.approx((0.75, stdev([0.7, 0.8])))
    assert of_other.scores[ARMS[0]]["roc_auc"].mean == 0.9
    assert of_other.scores[ARMS[0]]["average_precision"].mean == 0.45
    assert of_other.scores[ARMS[1]]["roc_auc"].sd is None


def test_people_see_a_row_for_each_target_and_the_mean():
    lines = [line for line in written("md").splitlines() if line.startswith("| ")]
    assert [line.split(" | ")[0].strip("| ") for line in lines] == [
        "target",
        "-----------------",
        "NR-AR",
        r"a\|b_%",
        "mean over targets",
    ]
    assert "0.7500 ± 0.0707" in lines[2]
    assert lines[4].count("0.8000") == 2
    assert "failed: gin/backprop seed 2: out of memory" in written("md")


def test_programs_get_every_metric_of_every_target():
    plain, other = csv.DictReader(io.StringIO(written("csv")))
    assert float(plain["NR-AR:roc_auc"]) == pytest.approx(0.75)
    assert float(plain["NR-AR:average_precision_sd"]) == pytest.approx(stdev([0.35, 0.4]))
    assert (other["a|b_%:roc_auc"], other["a|b_%:roc_auc_sd"]) == ("0.5", "")
    assert (plain["model"], plain["seeds"]) == ("trimnet", "2")
    said = json.loads(written("json"))
    assert said["protocol_id"]
    assert said["targets"][1]["scores"][0]["metrics"]["roc_auc"] == {"mean": 0.9, "sd": None}


def test_no_name_of_a_target_is_a_formula_in_csv():
    record = scored("trimnet/backprop", 1, {"=1+1": 0.7})
    header, line, *_ = csv.reader(io.StringIO(resolve_name(FORMATS["csv"])(view([record]))))
    assert dict(zip(header, line, strict=True))["'=1+1:roc_auc"] == "0.7"
    assert not any(cell.startswith("=") for cell in header)


def test_there_is_one_for_each_format_of_tables():
    assert set(FORMATS) == set(OF_TABLES)
    assert r"a|b\_\%".replace("|", r"\textbar{}") in written("tex")
    assert "<td>a|b_%</td>" in written("html")


def test_in_latex_the_best_of_the_metric_that_is_shown_is_bold():
    """Of a metric where smaller is better, too, whatever the one that selects says of the same targets."""
    by_arm = {ARMS[0]: (0.9, 0.3), ARMS[1]: (0.8, 0.2)}  # test ROC-AUC, and a Brier score that orders them otherwise
    records = []
    for arm, (auc, brier) in by_arm.items():
        record = make_record(arm, 1, auc)
        metrics = {**record.scores["test"].metrics, "roc_auc": auc, "brier": brier}
        test = SplitScore(100, metrics, {"NR-AR": TaskScore(metrics, 100, 10)})
        versions = {**record.metrics, "brier": 1}
        records.append(replace(record, scores={**record.scores, "test": test}, metrics=versions))
    table = make_table(records, arms=ARMS, seeds=(1,), metrics=["brier"])
    for metric, best in (("roc_auc", "0.9000"), ("brier", "0.2000")):
        assert re.findall(r"\\textbf\{(.*?)\}", to_latex(per_target(table, records, metric))) == [best]


@pytest.mark.parametrize("targets", [2, MOST_NUMBERED + 1])
@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_a_heat_map_is_drawn(tmp_path, targets, suffix):
    records = [
        scored(arm, 1, {f"T{n}": 0.5 + n / 100 for n in range(targets)}) for arm in ("trimnet/backprop", "gin/backprop")
    ]
    draw_heat_map(per_target(make_table(records, arms=ARMS, seeds=(1,)), records), path := tmp_path / f"map{suffix}")
    assert path.stat().st_size > 1000


def test_the_command_shows_and_draws(tmp_path, capsys):
    for record in RECORDS[:3]:
        ResultsFolder(tmp_path).write(record)
    words = ["table", "tox21", "--results", str(tmp_path), "--seeds", "1-2"]
    drawn = ["--figure", str(tmp_path / "a.png"), "--kind", "heatmap"]
    assert bench.main([*words, "--per-target", "--format", "csv", *drawn]) == 0
    assert "NR-AR:roc_auc" in capsys.readouterr().out
    assert (tmp_path / "a.png").exists()
    for wrong, message in (
        (["--kind", "heatmap"], "--kind heatmap is of a picture; name its file with --figure"),
        (["--kind", "heatmpa", *drawn[:2]], "did you mean 'heatmap'?"),
        (["--per-target", "--by-similarity"], "not allowed with argument"),
        (["--per-target", "--study", "compression"], "--per-target is of one preset's table"),
    ):
        assert bench.main([*words, *wrong]) == 2
        assert message in capsys.readouterr().err
