"""Runs of one model and method with other settings: rows of their own, paired like any arms, never averaged."""

from __future__ import annotations

import csv
import json

import pytest

from made_records import arms, make_record
from pbgraph.errors import UsageError
from pbgraph.report.comparisons import comparable
from pbgraph.report.families import rows_and_seeds
from pbgraph.report.figures import draw_learning_curves
from pbgraph.report.formats import to_csv, to_json, to_markdown
from pbgraph.report.tables import make_table
from pbgraph.report.terms import Terms

PLAIN, WIDE, GROWN, WIDE_GROWN = (
    "trimnet/backprop",
    "trimnet/backprop:hidden=64",
    "trimnet/perforated",
    "trimnet/perforated:hidden=64,pool=4",
)
SCORES = {PLAIN: 0.80, WIDE: 0.82, GROWN: 0.81, WIDE_GROWN: 0.83}
SEEDS = (1, 2, 3)


@pytest.fixture
def records():
    return [make_record(arm, seed, score + seed / 1000) for arm, score in SCORES.items() for seed in SEEDS]


@pytest.fixture
def table(records):
    rows, seeds = rows_and_seeds(None, records)
    return make_table(records, arms=rows, seeds=seeds)


def test_every_variant_is_a_row_that_says_what_was_set(table):
    assert [(row.label, row.arm.method, round(row.metrics["roc_auc"].mean, 3)) for row in table.rows] == [
        ("trimnet", "backprop", 0.802),
        ("trimnet · hidden 64", "backprop", 0.822),
        ("trimnet", "perforated", 0.812),
        ("trimnet · hidden 64, pool 4", "perforated", 0.832),
    ]
    assert "| trimnet · hidden 64         | backprop" in to_markdown(table)


def test_variants_are_compared_with_the_plain_one_of_their_settings_and_with_the_recipe(records):
    assert comparable(records, arms(*SCORES)) == [
        arms(GROWN, PLAIN),
        arms(WIDE_GROWN, WIDE),
        arms(WIDE, PLAIN),
        arms(WIDE_GROWN, GROWN),
    ]


def test_where_the_recipe_was_not_run_plain_variants_are_compared_with_the_first(records):
    deep = [make_record("trimnet/backprop:depth=5", seed, 0.8) for seed in SEEDS]
    assert comparable([*deep, *records], arms("trimnet/backprop:depth=5", WIDE)) == [
        arms(WIDE, "trimnet/backprop:depth=5")
    ]


def test_the_answer_for_dendrites_speaks_of_those_alone(table):
    (answer,) = [
        line for line in to_markdown(table).splitlines() if line.startswith("- **trimnet · hidden 64, pool 4**")
    ]
    assert "trimnet/perforated" not in answer


def test_programs_are_told_what_was_set(table):
    rows = list(csv.DictReader(to_csv(table).splitlines()))
    assert [row["variant"] for row in rows] == ["", "hidden 64", "", "hidden 64, pool 4"]
    told = json.loads(to_json(table))["rows"]
    assert [row["changes"] for row in told] == [{}, {"hidden": "64"}, {}, {"hidden": "64", "pool": "4"}]
    assert {row["model"] for row in told} == {"trimnet"}


def test_rows_of_a_plan_are_called_as_it_calls_them(records):
    wide = arms(WIDE)[0]
    made = make_table(
        records, arms=arms(PLAIN, WIDE), seeds=SEEDS, terms=Terms(labels={wide: "trimnet · wide"}, margin=0.5)
    )
    assert [row.label for row in made.rows] == ["trimnet", "trimnet · wide"]
    assert made.margin.relevant == 0.5
    assert "0.5 is the smallest difference that matters" in to_markdown(made)


def test_runs_with_other_settings_and_no_word_of_them_are_still_refused():
    mixed = [make_record(PLAIN, 1, 0.8), make_record(PLAIN, 2, 0.8, model_config={"hidden": 64})]
    with pytest.raises(UsageError, match="hidden 32 / 64"):
        make_table(mixed, arms=arms(PLAIN), seeds=(1, 2))


def test_variants_are_drawn_beside_each_other(records, tmp_path):
    draw_learning_curves(records, tmp_path / "curves.svg", seeds=SEEDS)
    text = (tmp_path / "curves.svg").read_text()
    assert "backprop · hidden 64" in text


def test_numbers_of_variants_have_the_digits_that_tell_them_apart_and_programs_get_them_all():
    exact = ("gin/fit:rate=0.0036343931073551878", "gin/fit:rate=0.0036343231073551878", "gin/fit")
    made = make_table(
        [make_record(arm, seed, 0.8 + seed / 1000) for arm in exact for seed in SEEDS], arms=arms(*exact), seeds=SEEDS
    )
    text = to_markdown(made)
    assert "| gin · rate 0.0036344 | fit" in text
    assert "| gin · rate 0.0036343 | fit" in text
    assert "| gin/fit:rate=0.0036344 | gin/fit " in text
    assert "73551878" not in text
    assert next(csv.DictReader(to_csv(made).splitlines()))["variant"] == "rate 0.0036343931073551878"
    assert json.loads(to_json(made))["rows"][0]["changes"] == {"rate": "0.0036343931073551878"}
