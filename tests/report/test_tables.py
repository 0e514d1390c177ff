from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pkgutil import resolve_name
from statistics import fmean, stdev

import numpy as np
import pytest

from made_records import PROVENANCE, arms, make_failure, make_record, make_regression_record
from pbgraph.errors import UsageError
from pbgraph.humanize import duration
from pbgraph.metrics import TaskScore
from pbgraph.report.comparisons import Spread, compare, further_differences, spread_of
from pbgraph.report.formats import comparison_lines, to_csv, to_json, to_markdown
from pbgraph.report.html import to_html
from pbgraph.report.kept import SameNetwork
from pbgraph.report.latex import to_latex
from pbgraph.report.markdown import markdown
from pbgraph.report.shown import FORMATS
from pbgraph.report.stats import EquivalenceMargin, paired_difference
from pbgraph.report.tables import make_table
from pbgraph.report.terms import Terms
from pbgraph.report.wording import answers, gains, verdict_words
from pbgraph.results.arms import Arm
from pbgraph.results.record_checks import VERSIONS

SEEDS = (1, 2, 3)
ARMS = arms("trimnet/backprop", "trimnet/perforated", "trimnet/continued")
GIN = Arm("gin", "backprop")
PLAIN = (0.80, 0.82, 0.84)


def grid(perforated=PLAIN, continued=PLAIN):
    """Three arms and three seeds; the control is paired with the perforated run of its seed."""
    records = []
    for seed, plain, grown, longer in zip(SEEDS, PLAIN, perforated, continued, strict=True):
        records += [make_record("trimnet/backprop", seed, plain), make_record("trimnet/perforated", seed, grown)]
        records.append(make_record("trimnet/continued", seed, longer, control_of=records[-1].key))
    return records


def table(records, arms=ARMS, seeds=SEEDS):
    return make_table(records, arms=arms, seeds=seeds)


def test_a_row_is_the_mean_over_seeds():
    row = table(grid()).rows[0]
    assert (row.arm, row.seeds, row.missing, row.failed) == (Arm("trimnet", "backprop"), SEEDS, (), {})
    assert (row.metrics["roc_auc"].mean, row.metrics["roc_auc"].sd) == pytest.approx((0.82, 0.02))
    assert row.metrics["average_precision"].mean == pytest.approx(0.41)
    assert (row.parameters, row.epochs, row.seconds) == pytest.approx((1002, 20, 60))


def test_arms_are_compared_with_the_plain_one_and_with_their_controls():
    pairs = [(str(one.a), str(one.b)) for one in table(grid()).comparisons]
    assert pairs == [
        ("trimnet/perforated", "trimnet/backprop"),
        ("trimnet/continued", "trimnet/backprop"),
        ("trimnet/perforated", "trimnet/continued"),
    ]


def test_differences_are_paired_and_corrected_for_overlap_and_number():
    comparisons = table(grid(perforated=(0.82, 0.83, 0.87))).comparisons
    first = comparisons[0]
    assert first.mean == pytest.approx(0.02)
    assert first.interval.high - first.mean == pytest.approx(4.302653 * 0.01 * (1 / 3 + 100 / 808) ** 0.5, rel=1e-5)
    assert first.p_holm == pytest.approx(first.p * 3)


def test_a_deterministic_split_has_no_overlap_to_correct_for():
    fixed = replace(PROVENANCE, split_sha256="the only one")
    records = [
        make_record(arm, seed, score + 0.01 * seed * (arm == ARMS[1]), provenance=fixed)
        for arm in ARMS[:2]
        for seed, score in zip(SEEDS, PLAIN, strict=True)
    ]
    made = table(records, ARMS[:2])
    one = made.comparisons[0]
    assert one.interval.high - one.mean == pytest.approx(4.302653 * 0.01 * (1 / 3) ** 0.5, rel=1e-5)
    assert "t over initialisations on one split, which says nothing about other molecules, p after" in to_markdown(made)
    said, usual = comparison_lines(one, {}, None, further={}, judged=("", 1)), table(grid())
    assert "95 % interval, plain t     [" in said
    assert "speak of initialisations, not of other molecules" in said
    assert "initialisations" not in to_markdown(usual) + comparison_lines(
        usual.comparisons[0], {}, None, further={}, judged=("", 1)
    )


def test_missing_and_failed_runs_have_their_place():
    records = [r for r in grid() if (r.spec.method, r.spec.seed) not in {("perforated", 2), ("continued", 3)}]
    records.append(make_failure("trimnet/perforated", 2, "the training loss became nan"))
    made = table(records)
    assert made.rows[1].failed == {2: "the training loss became nan"}
    assert made.rows[2].missing == (3,)
    assert [verdict_words(one) for one in made.comparisons] == ["incomplete: 2 of 3 pairs"] * 2 + [
        "incomplete: 1 of 3 pairs"
    ]
    assert [one.p_holm for one in made.comparisons] == [None] * 3
    text = to_markdown(made)
    assert "failed: trimnet/perforated seed 2: the training loss became nan" in text
    assert "missing: trimnet/continued seeds 3" in text
    assert "2 of 3" in text
    assert "no answer yet" in text


def test_an_arm_without_any_run_is_shown_as_missing():
    made = table(grid(), (*ARMS, GIN))
    assert (made.rows[3].metrics["roc_auc"], made.rows[3].missing) == (None, SEEDS)
    assert "missing: gin/backprop seeds 1-3" in to_markdown(made)


def test_an_undefined_task_is_named():
    records = [*grid(), make_record("gin/backprop", 1, None)]
    assert table(records, (*ARMS, GIN)).rows[3].undefined == {"A": 1}
    assert "one class only, left out of the mean: gin/backprop, A in 1 of 1 run" in to_markdown(
        table(records, (*ARMS, GIN))
    )


def test_many_undefined_tasks_are_counted_in_one_line():
    nothing = TaskScore({"roc_auc": None, "average_precision": None}, labelled=100, positives=0)
    records = [make_record("gin/backprop", seed, 0.8) for seed in (1, 2)]
    for record, count in zip(records, (600, 17), strict=True):
        record.scores["test"].tasks.update({f"task {i}": nothing for i in range(count)})
    text = to_markdown(table(records, [GIN], seeds=(1, 2)))
    assert "one class only, left out of the mean: gin/backprop, 600 tasks in 1 to 2 of 2 runs" in text
    assert "task 5" not in text


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"provenance": replace(PROVENANCE, data_sha256="e" * 64)}, "data"),
        ({"provenance": replace(PROVENANCE, rows_sha256="e" * 64)}, "accepted rows"),
        ({"provenance": replace(PROVENANCE, split_sha256="e" * 64)}, "split"),
        ({"versions": dict.fromkeys(("task", "split", "featuriser", "model", "method", "metric"), 2)}, "versions"),
        ({"settings": {"epochs": 4}}, "epochs 3 / 4"),
        ({"model_config": {"hidden": 64}}, "hidden 32 / 64"),
        ({"preset": "paper"}, "preset"),
        ({"split": "scaffold"}, "split"),
    ],
)
def test_protocols_are_not_mixed(change, named):
    records = [record for record in grid() if (record.spec.method, record.spec.seed) != ("backprop", 1)]
    with pytest.raises(UsageError, match=named):
        table([*records, make_record("trimnet/backprop", 1, 0.8, **change)])


@pytest.mark.parametrize("what", [*VERSIONS, "model file weights"])
def test_runs_of_two_versions_of_anything_are_no_row(what):
    """Of what all arms share, and of what is the arm's own: its model, method, featuriser and files."""
    records = [record for record in grid() if (record.spec.method, record.spec.seed) != ("backprop", 1)]
    other = make_record("trimnet/backprop", 1, 0.8, versions={**records[0].spec.versions, what: 2})
    with pytest.raises(UsageError, match=f"versions: {what} "):
        table([*records, other])


def test_two_runs_of_one_arm_and_seed_are_no_row():
    other = make_record("trimnet/continued", 2, 0.9, control_of="another pair")
    keys = [record.key for record in (*grid(), other) if (record.spec.method, record.spec.seed) == ("continued", 2)]
    with pytest.raises(UsageError, match=f"{keys[0]} and {keys[1]} are both trimnet/continued, seed 2, paired with"):
        table([*grid(), other])
    failed = replace(other, status="failed", error="x", scores={})
    assert (table([*grid(), failed]).rows[2].seeds, table([*grid(), failed]).rows[2].failed) == (SEEDS, {})


def test_another_featuriser_per_model_is_no_mixture():
    ours = replace(PROVENANCE, featuriser="ecfp4 v1")
    forest = [make_record("random-forest/fit", seed, 0.79, provenance=ours, featuriser="ecfp4") for seed in SEEDS]
    made = table([*grid(), *forest], (*ARMS, Arm("random-forest", "fit")))
    assert made.protocol.features == {"ecfp4 v1": ("random-forest",), "graph v1": ("trimnet",)}


def test_nothing_finished_is_an_error_that_says_what_to_do():
    with pytest.raises(UsageError, match="run the benchmark"):
        table([make_failure("trimnet/backprop", 1, "x")])


def test_the_protocol_id_depends_on_the_protocol_alone():
    assert table(grid()).protocol.id == table(grid(perforated=(0.9, 0.9, 0.9))).protocol.id
    assert table(grid()).protocol.id != table(grid(), seeds=(1, 2)).protocol.id


def test_compare_refuses_arms_without_a_common_seed():
    records = [make_record("trimnet/backprop", 1, 0.8), make_record("gin/backprop", 2, 0.8)]
    with pytest.raises(UsageError, match=r"share no finished seed among 1-2 \(finished seeds of trimnet/backprop: 1; "):
        compare(records, ARMS[0], GIN, seeds=(1, 2))


CLEAR, NEAR = (0.90, 0.921, 0.939), (0.81, 0.81, 0.85)  # than PLAIN


@pytest.mark.parametrize(
    ("perforated", "continued", "words"),
    [
        (
            CLEAR,
            PLAIN,
            "better than trimnet/backprop and trimnet/continued by more than 0.01, but no control of its size was run, "
            "so there is no answer yet.",
        ),
        (
            CLEAR,
            CLEAR,
            "no gain from dendrites as such: better than trimnet/backprop by more than 0.01; equal in all pairs "
            "to trimnet/continued.",
        ),
        (PLAIN, PLAIN, "no gain from dendrites was shown: equal in all pairs to trimnet/backprop and "),
        (NEAR, (0.78, 0.83, 0.84), "no gain from dendrites was shown against trimnet/backprop and trimnet/continued."),
        (
            (0.70, 0.721, 0.739),
            PLAIN,
            "dendrites made it worse than trimnet/backprop and trimnet/continued by more than 0.01",
        ),
    ],
)
def test_the_answer_is_said_in_words(perforated, continued, words):
    (answer,) = answers(table(grid(perforated, continued)))
    assert words in answer


@pytest.mark.parametrize(
    ("variant", "words"),
    [
        (CLEAR, "equal in all pairs to trimnet/gd-dendrites"),
        ((0.89, 0.93, 0.935), "not told apart from trimnet/gd-dendrites"),
        (PLAIN, "better than trimnet/gd-dendrites by more than 0.01"),
        ((0.97, 0.992, 1.011), "worse than trimnet/gd-dendrites by more than 0.01"),
    ],
)
def test_dendrites_that_are_grown_otherwise_do_not_deny_a_gain_from_dendrites(variant, words):
    gd = Arm("trimnet", "gd-dendrites")
    runs = [
        (arm, seed, score)
        for arm, row in ((ARMS[1], CLEAR), (gd, variant))
        for seed, score in zip(SEEDS, row, strict=True)
    ]
    paired = {seed: make_record(ARMS[1], seed, 0.9).key for seed in SEEDS}
    grown = [
        replace(make_record(arm, seed, score, control_of=paired[seed] if arm == gd else None), details={"dendrites": 1})
        for arm, seed, score in runs
    ]
    others = [record for record in grid() if record.spec.method != "perforated"]
    (answer,) = answers(table([*others, *grown], (*ARMS, gd)))
    assert "better than trimnet/backprop and trimnet/continued by more than 0.01" in answer
    assert "Beside dendrites" in answer
    assert answer.endswith(f"it is {words}.")


def test_where_only_other_dendrites_are_beside_it_there_is_no_answer():
    others = [record for record in grid() if record.spec.method == "perforated"]
    gd = Arm("trimnet", "gd-dendrites")
    grown = [
        replace(make_record(gd, one.spec.seed, 0.9, control_of=one.key), details={"dendrites": 1}) for one in others
    ]
    assert answers(table([*others, *grown], (ARMS[1], gd))) == []


def test_another_model_is_no_control():
    forest = Arm("random-forest", "fit")
    ours = replace(PROVENANCE, featuriser="ecfp4 v1")
    better = [make_record(forest, seed, 0.99, provenance=ours, featuriser="ecfp4") for seed in SEEDS]
    made = make_table(
        [*grid(CLEAR), *better], arms=(*ARMS, forest), seeds=SEEDS, terms=Terms(named=((ARMS[1], forest),))
    )
    assert made.comparisons[0].b == forest
    (answer,) = answers(made)
    assert f"better than trimnet/backprop and trimnet/continued by more than 0.01, but {NO_CONTROL}" in answer


NO_CONTROL = "no control of its size was run, so there is no answer yet."


def against(perforated, **controls):
    """The answer, and whether a gain was shown, of scores of 8 seeds: by how much each arm is above 0.8."""
    mine, seeds = (
        {ARMS[1]: perforated, ARMS[0]: 0.0, ARMS[2]: 0.0}
        | {Arm("trimnet", name.replace("_", "-")): by for name, by in controls.items()},
        tuple(range(1, 9)),
    )
    records = []
    for number, (arm, by) in enumerate(mine.items()):
        for seed in seeds:
            pair = make_record(ARMS[1], seed, 0.8).key if arm.method not in ("backprop", "perforated") else None
            score = 0.8 + by + 0.0005 * ((seed * (2 * number + 3)) % 7 - 3)
            records.append(make_record(arm, seed, score, control_of=pair))
    made = table(records, tuple(mine), seeds)
    return answers(made)[0], gains(made)[0]


@pytest.mark.parametrize(
    ("perforated", "controls", "said", "gain"),
    [
        (0.02, {"widened_continued": 0.0}, "dendrites made it better than trimnet/backprop", True),
        (0.02, {"widened": 0.0}, "dendrites made it better than trimnet/backprop", True),
        (0.02, {}, NO_CONTROL, None),
        (0.004, {"widened_continued": 0.0}, "by less than 0.01, which does not matter.", False),
        (
            0.02,
            {"widened_continued": 0.0, "ensemble": 0.026},
            "no gain from dendrites as such: better than trimnet/backprop, trimnet/continued and "
            "trimnet/widened-continued by more than 0.01; worse than trimnet/ensemble by less than 0.01, which does "
            "not matter.",
            False,
        ),
        (
            0.0,
            {"ensemble": 0.006},
            "no gain from dendrites was shown: equivalent to trimnet/backprop and trimnet/continued; worse than "
            "trimnet/ensemble by less than 0.01, which does not matter.",
            False,
        ),
        (
            -0.02,
            {"widened": -0.0199},
            "dendrites made it worse than trimnet/backprop and trimnet/continued by more than 0.01; equivalent to "
            "trimnet/widened.",
            False,
        ),
    ],
)
def test_a_gain_is_one_over_controls_of_training_and_size_and_all_is_said(perforated, controls, said, gain):
    answer, shown = against(perforated, **controls)
    assert said in answer
    assert shown is gain


def test_without_a_control_there_is_no_answer():
    records = [record for record in grid(CLEAR) if record.spec.method != "continued"]
    (answer,) = answers(table(records, ARMS[:2]))
    assert "no control was run, so there is no answer yet" in answer
    (answer,) = answers(table(records))
    assert "runs are missing, so there is no answer yet" in answer
    failed = [make_failure("trimnet/continued", seed, "x") for seed in SEEDS]
    (answer,) = answers(table([*records, *failed]))
    assert "by more than 0.01, but runs of trimnet/continued failed, so there is no answer." in answer


def test_a_run_that_failed_takes_the_answer_from_its_own_comparison_alone():
    lacking = [record for record in grid(NEAR) if (record.spec.method, record.spec.seed) != ("continued", 3)]
    (answer,) = answers(table([*lacking, make_failure("trimnet/continued", 3, "x")]))
    shown = "no gain from dendrites was shown against trimnet/backprop"
    assert f"{shown}. Runs of trimnet/continued failed, so nothing is said of it." in answer
    lacking = [record for record in grid() if (record.spec.method, record.spec.seed) != ("perforated", 3)]
    (answer,) = answers(table([*lacking, make_failure("trimnet/perforated", 3, "x")]))
    assert "runs failed, so there is no answer." in answer


@pytest.mark.parametrize(("sign", "said"), [(1, "better than"), (-1, "dendrites made it worse than")])
def test_a_difference_that_is_shown_and_does_not_matter_is_both(sign, said):
    """Its interval is beside zero, and within the smallest difference that matters."""
    seeds = tuple(range(1, 21))
    records = []
    for seed in seeds:
        records.append(make_record(ARMS[0], seed, 0.8))
        records.append(make_record(ARMS[1], seed, 0.8 + sign * 0.004 + 0.0001 * (seed % 4)))
        records.append(make_record(ARMS[2], seed, 0.8 + 0.0002 * (seed % 3), control_of=records[-1].key))
    made = table(records, seeds=seeds)
    winner = ARMS[1] if sign > 0 else ARMS[0]
    assert verdict_words(made.comparisons[0]) == f"{winner} is better, by less than 0.01: no difference that matters"
    (answer,) = answers(made)
    assert f"{said} trimnet/backprop" in answer
    assert "by less than 0.01, which does not matter" in answer
    assert "not told apart" not in answer
    assert "no gain" not in answer


def test_a_split_counts_once_in_means_spreads_and_intervals():
    """Runs on one split by their mean: mean and SD of a row, its difference, and the interval of its plot."""
    scores = {(1, 1): 0.80, (2, 2): 0.82, (3, 3): 0.87, (1001, 1): 0.90, (1002, 2): 0.80}
    records = [
        make_record(
            arm, seed, score + 0.001 * (arm == ARMS[1]) * seed / 1000, split_seed=split, provenance=of_split(split)
        )
        for arm in ARMS[:2]
        for (seed, split), score in scores.items()
    ]
    made = table(records, ARMS[:2], seeds=(1, 2, 3, 1001, 1002))
    plain = made.rows[0]
    assert plain.splits == pytest.approx((0.85, 0.81, 0.87))
    assert plain.metrics["roc_auc"].mean == pytest.approx(fmean(plain.splits))
    assert plain.metrics["roc_auc"].sd == pytest.approx(stdev(plain.splits))
    assert made.comparisons[0].mean == pytest.approx(fmean(made.rows[1].splits) - fmean(plain.splits))
    assert made.again == {1001, 1002}
    text = to_markdown(made)
    assert "mean ± SD over the splits of seeds 1-3, of which those with a second run, 1001-1002, count once" in text
    assert "Paired over splits, each by the mean of its runs" in text
    assert "| runs |" in text


def of_split(split):
    return replace(PROVENANCE, split_sha256=f"split {split}")


def test_a_failure_without_facts_about_its_data_is_no_other_protocol():
    unknown = make_failure("trimnet/continued", 3, "x")
    unknown = replace(unknown, provenance=replace(PROVENANCE, data_sha256="", rows_sha256="", rows=0))
    records = [record for record in grid() if (record.spec.method, record.spec.seed) != ("continued", 3)]
    assert table([*records, unknown]).rows[2].failed == {3: "x"}


def test_one_seed_has_no_mean_and_no_spread():
    assert to_markdown(table(grid(), seeds=(1,))).startswith("## tox21: test ROC-AUC, seed 1\n")
    assert to_markdown(table(grid())).startswith("## tox21: test ROC-AUC, mean ± SD over seeds 1-3\n")


def test_kinds_of_processors_are_counted():
    records = grid()
    other = replace(records[0].provenance, processor="AMD EPYC, 2 cores")
    made = table([replace(records[0], provenance=other), *records[1:]])
    assert made.processors == {"AMD EPYC, 2 cores": 1, "": 8}
    assert "processor: AMD EPYC, 2 cores (1 run); unknown (8 runs)" in to_markdown(made)


def test_software_and_devices_are_counted():
    other = replace(PROVENANCE, device="a GPU", packages={"torch": "9.9"})
    records = [record for record in grid() if record.spec.seed != 3]
    made = table([*records, make_record(ARMS[0], 3, 0.8, provenance=other)])
    assert made.software == {"cpu": 6, "torch 9.9, a GPU": 1}
    assert "software: cpu (6 runs); torch 9.9, a GPU (1 run)" in to_markdown(made)


def test_the_seconds_of_all_runs_are_summed():
    made = table(grid())
    assert made.seconds == pytest.approx(sum(record.cost.seconds for record in grid()))
    assert f"- time: {duration(made.seconds)} in all" in to_markdown(made)


def test_one_seed_gives_no_answer():
    made = table([record for record in grid() if record.spec.seed == 1], seeds=(1,))
    assert "one seed gives no answer" in to_markdown(made)
    assert "Paired over seeds, none with an interval; 0.01 is the smallest" in to_markdown(made)
    assert "Holm" not in to_markdown(made)


def test_a_difference_that_does_not_vary_gives_no_answer():
    made = table(grid(perforated=[score + 0.1 for score in PLAIN], continued=(0.81, 0.85, 0.83)))
    assert verdict_words(made.comparisons[0]) == "no variation between seeds: no interval, no verdict"
    assert made.comparisons[0].mean == pytest.approx(0.1)
    assert made.comparisons[2].p_holm == pytest.approx(3 * made.comparisons[2].p)
    assert "p after Holm for 3 comparisons" in to_markdown(made)
    assert answers(made) == ["**trimnet**: a difference that is the same for all seeds gives no answer."]


def test_a_dirty_tree_is_marked():
    dirty = make_record("trimnet/backprop", 1, 0.8, provenance=replace(PROVENANCE, dirty=True))
    assert table([dirty], ARMS[:1], (1,)).commits == {"c0ffee000000*": 1}


def test_csv_has_a_line_per_arm_and_unrounded_numbers():
    lines = list(csv.DictReader(io.StringIO(to_csv(table(grid(perforated=CLEAR))))))
    assert [line["method"] for line in lines] == ["backprop", "perforated", "continued"]
    assert float(lines[1]["roc_auc"]) == pytest.approx(0.92)
    assert float(lines[1]["difference"]) == pytest.approx(0.1)
    assert lines[0]["difference"] == ""
    assert float(lines[1]["low"]) < 0.1 < float(lines[1]["high"])


def test_json_has_everything():
    made = table(grid())
    content = json.loads(to_json(made))
    assert content["protocol_id"] == made.protocol.id
    assert content["rows"][0]["test"] == {"1": 0.8, "2": 0.82, "3": 0.84}
    assert len(content["comparisons"]) == 3


def test_formats_need_records_alone():
    assert set(FORMATS) == {"md", "tex", "csv", "html", "json"}
    for form in FORMATS.values():
        assert "perforated" in resolve_name(form)(table(grid()))


def test_markdown_columns_line_up():
    lines = markdown(("a", "number"), [("long cell", "1"), ("x", "12345678")], right=(1,)).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert lines[1] == "| --------- | -------: |"
    assert lines[2] == "| long cell |        1 |"


ERRORS = (0.90, 0.93, 0.91)


def errors(perforated=(0.70, 0.72, 0.715)):
    """The same three arms by RMSE; the control does as the plain model."""
    records = []
    for seed, plain, grown in zip(SEEDS, ERRORS, perforated, strict=True):
        records += [make_regression_record(ARMS[0], seed, plain), make_regression_record(ARMS[1], seed, grown)]
        records.append(make_regression_record(ARMS[2], seed, plain, control_of=records[-1].key))
    return records


def test_of_errors_the_smaller_is_better():
    made = table(errors())
    assert made.margin == EquivalenceMargin(0.1, larger_is_better=False)  # 0.05 standard deviations of 2
    assert made.comparisons[0].mean == pytest.approx(-0.20166667)
    assert verdict_words(made.comparisons[0]) == "trimnet/perforated is better, by more than 0.1"
    than = "better than trimnet/backprop and trimnet/continued by more than 0.1"
    assert answers(made) == [f"**trimnet**: {than}, but {NO_CONTROL}"]
    worse = table(errors(perforated=(1.1, 1.13, 1.115)))
    assert "dendrites made it worse" in answers(worse)[0]


def test_columns_are_the_metrics_of_the_task():
    made = table(errors())
    assert made.metrics == ("rmse", "mae", "r2")
    text = to_markdown(made)
    assert text.startswith("## esol: test RMSE (smaller is better), mean ± SD over seeds 1-3")
    assert "RMSE |             MAE |              R² |" in text
    assert "0.1 is the smallest difference that matters" in text
    line = next(csv.DictReader(io.StringIO(to_csv(made))))
    assert float(line["rmse"]) == pytest.approx(0.91333333)
    assert {"mae_sd", "r2", "valid_rmse"} <= set(line)


def test_a_metric_that_some_runs_were_not_scored_by_is_left_out():
    records = errors()
    records[4] = replace(records[4], metrics={"rmse": 1, "mae": 2, "r2": 1})
    assert table(records).metrics == ("rmse", "r2")


def test_a_metric_of_a_third_party_has_its_column():
    records = [
        replace(
            record,
            metrics={**record.metrics, "kappa": 1},
            scores={
                name: replace(score, metrics={**score.metrics, "kappa": 0.25}) for name, score in record.scores.items()
            },
        )
        for record in grid()
    ]
    made = table(records)
    assert made.metrics == ("roc_auc", "average_precision", "kappa")
    assert "| average precision |           kappa |" in to_markdown(made)
    assert next(csv.DictReader(io.StringIO(to_csv(made))))["kappa"] == "0.25"


def test_overlap_is_that_of_all_folds_together():
    """Test and training rows of both runs count, so that no fold stands for the others."""
    sizes = {1: (200, 100), 2: (202, 98)}
    records = []
    for seed, (test, valid) in sizes.items():
        for arm, score in ((ARMS[0], 0.8), (ARMS[1], 0.8 + 0.01 * seed)):
            record = make_record(arm, seed, score)
            scores = {name: replace(record.scores[name], size=n) for name, n in (("test", test), ("valid", valid))}
            records.append(replace(record, scores=scores))
    found = compare(records, ARMS[1], ARMS[0], seeds=(1, 2))
    share = (200 + 202) / (708 + 708)
    error = (0.01**2 / 2 * (1 / 2 + share)) ** 0.5
    assert found.interval.high - found.mean == pytest.approx(12.706205 * error, rel=1e-5)


def test_a_split_counts_once_however_many_initialisations_it_has():
    """As the means of each split would say, with the overlap of two splits and not of four runs."""
    scores = {1: (0.80, 0.82), 2: (0.81, 0.85), 1001: (0.80, 0.80), 1002: (0.79, 0.80)}
    records = []
    for seed, pair in scores.items():
        on_split = replace(PROVENANCE, split_sha256=f"split {seed % 1000}")
        records += [
            make_record(arm, seed, score, provenance=on_split) for arm, score in zip(ARMS[:2], pair, strict=True)
        ]
    found = compare(records, ARMS[1], ARMS[0], seeds=tuple(scores))
    means = [
        make_record(arm, seed, fmean(scores[s][place] for s in (seed, 1000 + seed)))
        for seed in (1, 2)
        for place, arm in enumerate(ARMS[:2])
    ]
    expected = compare(means, ARMS[1], ARMS[0], seeds=(1, 2))
    assert (found.seeds, found.mean) == (tuple(scores), pytest.approx(expected.mean))
    assert found.interval.low == pytest.approx(expected.interval.low)
    assert found.p == pytest.approx(expected.p)
    further = further_differences(records, found)
    assert list(further) == ["plain t", "mixed model"]
    assert list(further_differences(means, expected)) == ["plain t"]
    said = comparison_lines(found, {}, None, further=further, judged=("", 1))
    assert "interval, mixed model" in said
    between, within = further["mixed model"].between, further["mixed model"].within
    assert f"SDs by the mixed model     {between:.4f} between splits, {within:.4f} within one" in said
    assert "mean is another" not in said


def twice(*differences: tuple[float, ...]):
    """Two arms, with as many initialisations of each split as it has differences."""
    records = []
    for split, mine in enumerate(differences, 1):
        for again, gain in enumerate(mine):
            on_split = replace(PROVENANCE, split_sha256=f"split {split}")
            for arm, score in zip(ARMS[:2], (0.8, 0.8 + gain), strict=True):
                records.append(make_record(arm, 1000 * again + split, score, provenance=on_split))
    found = compare(records, ARMS[1], ARMS[0], seeds=sorted({record.spec.seed for record in records}))
    return records, found


@pytest.mark.parametrize(("last", "another"), [((0.04,), True), ((0.04, 0.05), False)])
def test_where_the_mixed_model_has_another_mean_it_is_said_why(last, another):
    """Splits count by their initialisations there, which makes a difference where not all have as many."""
    records, found = twice((0.00, 0.01), (0.01, 0.03), last)
    further = further_differences(records, found)
    said = comparison_lines(found, {}, None, further=further, judged=("", 1))
    assert (" around +" in said) == another
    assert ("the mixed model's mean is another: in the mean a split counts once" in said) == another
    assert (further["mixed model"].mean < found.mean - 1e-4) == another


def test_the_spread_is_that_of_splits_and_what_the_half_width_comes_to_with_many():
    records, found = twice((0.00, 0.02), (0.02, 0.04), (0.05,))
    spread = spread_of(found, records)
    assert spread.sd == pytest.approx(0.02)
    assert spread.floor == pytest.approx(1.959964 * 0.02 * (100 / 808) ** 0.5, rel=1e-4)
    many = np.resize([-0.02, 0.02], 100_000)
    limit = paired_difference(many, np.zeros(many.size), test_share=100 / 808).interval
    assert limit.high == pytest.approx(spread.floor, rel=1e-3)
    assert limit.high > spread.floor
    said = comparison_lines(found, {}, None, further={}, judged=("", 1), spread=spread)
    assert "SD of differences          0.0200 between splits: no number of seeds takes the corrected t's " in said
    assert "half-width below 1.96 × 0.0200 × √(n_test / n_train) = 0.0138\n" in said


def test_on_one_split_the_spread_is_of_seeds_and_has_no_floor_and_equal_differences_have_none():
    records, found = twice((0.00, 0.02, 0.04))
    assert found.one_split
    assert spread_of(found, records) == Spread(pytest.approx(0.02), None)
    said = comparison_lines(found, {}, None, further={}, judged=("", 1), spread=spread_of(found, records))
    assert "SD of differences          0.0200 between seeds\n" in said
    for equal in ((0.01,), (0.01,)), ((0.0,), (0.0,)), ((0.01,),):
        records, found = twice(*equal)
        assert spread_of(found, records) is None


@pytest.mark.parametrize("valid", [0.8, 0.79])
def test_pairs_of_one_network_are_counted_beside_the_verdict(valid):
    records, found = twice((0.00,), (0.00,), (0.02,))
    a, b = make_table(records, arms=ARMS[:2], seeds=found.seeds).rows
    a, b = (replace(row, chosen=dict.fromkeys(found.seeds, one)) for row, one in ((a, 0.8), (b, valid)))
    said = comparison_lines(found, {}, None, further={}, judged=("", 1), same=SameNetwork.of(b, a))
    assert ("the same network in 2 of 3 pairs, whose difference is 0\n" in said) == (valid == 0.8)
    assert ("the same network" in said) == (valid == 0.8)


def test_what_a_record_says_is_text_in_every_format():
    hostile = replace(PROVENANCE, commit="<script>=1", packages={"torch": "[a](http://b)\x1b[31m"})
    made = make_table([make_record("gin/backprop", 1, 0.8, provenance=hostile)], arms=[GIN], seeds=[1])
    for text in (to_markdown(made), to_html(made), to_latex(made), to_json(made), to_csv(made)):
        assert "\x1b" not in text
    assert "&lt;script>" in to_markdown(made)
    assert r"[a]\(http" in to_markdown(made)
    assert "&lt;script&gt;" in to_html(made)
    assert r"\textless{}script" in to_latex(made)


def test_no_cell_of_a_csv_is_a_formula():
    made = make_table([make_record("=1+1/backprop", 1, 0.8)], arms=arms("=1+1/backprop"), seeds=[1])
    assert ",'=1+1,backprop," in to_csv(made)


def test_a_label_changes_no_more_than_names():
    """What belongs together by its model still does: differences to the plain row, answers, dendrites kept."""
    wide = [Arm(arm.model, arm.method, (("hidden", "64"),)) for arm in ARMS]
    records = []
    for seed, plain, grown in zip(SEEDS, PLAIN, CLEAR, strict=True):
        records.append(make_record(ARMS[0], seed, plain))
        record = replace(make_record(wide[1], seed, grown), details={"dendrites": 1})
        records += [record, make_record(wide[2], seed, plain, control_of=record.key)]
    shown = [ARMS[0], *wide[1:]]
    named = dict.fromkeys(wide, "trimnet · wide")
    bare, labelled = (
        to_markdown(make_table(records, arms=shown, seeds=SEEDS, terms=Terms(labels))) for labels in ({}, named)
    )
    for method in ("perforated", "continued"):
        bare = bare.replace(f"trimnet/{method}:hidden=64", f"trimnet · wide/{method}")
    words = " ".join(bare.replace("trimnet · hidden 64", "trimnet · wide").replace("-", " ").split())
    lines = [line for line in labelled.splitlines() if ": trimnet/" not in line or "**" in line]
    assert " ".join("\n".join(lines).replace("-", " ").split()) == words
    assert "**: better than trimnet/backprop and trimnet · wide/continued by more than 0.01, but no control" in labelled
