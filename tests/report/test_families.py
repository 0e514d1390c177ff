"""One pair has one p-value after Holm and one verdict, whatever shows it."""

from __future__ import annotations

import json
from dataclasses import replace
from html import escape
from pathlib import Path

import pytest

from made_records import arms, make_record
from pbgraph import bench
from pbgraph.plans.plan import plan
from pbgraph.plans.presets import PLANS, judged_alone, preset, study
from pbgraph.plans.registering import registration_of
from pbgraph.report.comparisons import adjusted, compare
from pbgraph.report.families import family_of_rows
from pbgraph.report.formats import to_json
from pbgraph.report.leaderboard import leaderboard
from pbgraph.report.selection import TaskRuns, chosen_comparison, chosen_table
from pbgraph.report.studies import study_table
from pbgraph.report.tables import make_table
from pbgraph.report.terms import Terms
from pbgraph.report.texts import texts
from pbgraph.results.arms import parse_arm
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.lookup import Choice

SCORES = {"backprop": 0.80, "perforated": 0.83, "widened": 0.815, "widened-continued": 0.801}
JITTER = {"backprop": 0.001, "perforated": 0.0018, "widened": 0.0006, "widened-continued": 0.0015}


@pytest.fixture
def runs(tmp_path) -> TaskRuns:
    """A study of which every part has all its rows, and one that a user added."""
    results = ResultsFolder(tmp_path / "results")
    for number, part in enumerate(study("compression").presets):
        for method, score in SCORES.items():
            for seed in part.seeds:
                test = score + 0.01 * number + JITTER[method] * (seed * (number + 2) % 7)
                results.write(make_record(f"trimnet/{method}", seed, test, preset=part.name))
    for seed in (68, 69, 70):
        results.write(make_record("trimnet/backprop:hidden=7", seed, 0.7 + 0.001 * seed, preset="compression-1k"))
    return TaskRuns.read(results, "tox21")


def said(comparisons) -> dict:
    return {(str(one.a), str(one.b)): (one.p_holm, one.verdict) for one in comparisons}


def test_a_table_names_the_margin_that_its_family_is_judged_by():
    """As of a preset that declares another than the metric does, of which the table itself knows nothing."""
    two = arms("trimnet/backprop", "trimnet/perforated")
    made = [
        make_record(arm, seed, 0.8 + 0.01 * n + 0.001 * seed * n) for n, arm in enumerate(two) for seed in (1, 2, 3)
    ]
    family = family_of_rows("preset strict", made, arms=two, seeds=(1, 2, 3), margin=0.003)
    table = make_table(made, arms=two, seeds=(1, 2, 3), family=family)
    assert {table.margin.relevant} == {one.margin.relevant for one in family.pairs.values()} == {0.003}
    assert "0.003 is the smallest difference that matters" in texts(table).note


@pytest.mark.parametrize(
    ("primary", "pairs", "said"),
    [
        (None, ["perforated - backprop", "widened - backprop"], []),
        (
            ("trimnet/backprop", "trimnet/perforated"),
            ["perforated - backprop", "widened - backprop"],
            ["**Primary comparison**: trimnet/perforated - trimnet/backprop is +0.0120 [+0.0091, +0.0149"],
        ),
        (
            ("trimnet/widened", "trimnet/perforated"),
            ["widened - perforated", "perforated - backprop", "widened - backprop"],
            ["**Primary comparison**: trimnet/widened - trimnet/perforated is +0.0120 [+0.0091, +0.0149"],
        ),
    ],
)
def test_what_a_plan_is_made_for_is_compared_first_and_said_in_a_sentence(primary, pairs, said):
    rows = arms("trimnet/backprop", "trimnet/perforated", "trimnet/widened")
    made = [
        make_record(arm, seed, 0.8 + 0.01 * n + 0.001 * seed * n) for n, arm in enumerate(rows) for seed in (1, 2, 3)
    ]
    first = arms(*primary) if primary else None
    terms = Terms(primary=first, named=(first,) if first else ())
    table = make_table(made, arms=rows, seeds=(1, 2, 3), terms=terms)
    assert [f"{one.a.method} - {one.b.method}" for one in table.comparisons] == pairs
    assert [line.partition("]; ")[0] for line in texts(table).answers if "Primary" in line] == said
    assert table.against_plain[rows[1]].a == rows[1], "whichever way round the plan names it"
    assert json.loads(to_json(table))["primary"] == list(primary or ())
    narrow = make_table(made, arms=rows[:1], seeds=(1, 2, 3), terms=terms)
    assert not any("Primary" in line for line in texts(narrow).answers)


def test_a_pair_has_one_verdict_in_study_table_narrowed_table_and_by_itself(runs):
    whole = study_table(study("compression"), runs.records)
    assert {table.tests for table in whole.tables.values()} == {16}
    for name, table in whole.tables.items():
        expected = said(table.comparisons)
        assert said(chosen_table(runs, Choice(preset=name))[1].comparisons) == expected
        few = chosen_table(runs, Choice(preset=name, methods=["perforated", "backprop"]))[1]
        assert few.tests == 16
        assert few.comparisons
        assert said(few.comparisons).items() <= expected.items()
        for one in table.comparisons:
            _, of, alone = chosen_comparison(runs, one.a, one.b, choice=Choice(preset=name))
            assert (alone.p_holm, alone.verdict, of.family) == (one.p_holm, one.verdict, "study compression")
            back = chosen_comparison(runs, one.b, one.a, choice=Choice(preset=name))[2]
            assert (back.p_holm, back.mean) == (one.p_holm, -one.mean)
    assert any(one.p_holm > 5 * one.p for table in whole.tables.values() for one in table.comparisons)


def test_the_leaderboard_says_what_the_study_says(runs):
    page = leaderboard(runs.results)
    assert page.count("p after Holm for the 16 comparisons of study compression") == 5
    for table in study_table(study("compression"), runs.records).tables.values():
        for cells in texts(table).comparisons:
            *numbers, verdict = (escape(cell) for cell in cells[3:])
            assert "".join(f"<td>{cell}</td>" for cell in numbers) + f'<td class="words">{verdict}</td>' in page


def test_a_pair_of_no_plan_is_judged_by_itself_and_says_so(runs, capsys):
    a, b = arms("trimnet/widened", "trimnet/backprop:hidden=7")
    _, table, alone = chosen_comparison(runs, a, b, choice=Choice(preset="compression-1k"))
    assert (table.family, alone.p_holm) == ("", alone.p)
    words = ["compare", "tox21", "trimnet/widened", str(b), "--preset", "compression-1k"]
    assert bench.main([*words, "--results", str(runs.results.root)]) == 0
    assert "no plan has this comparison" in capsys.readouterr().out


def test_a_row_that_was_run_as_well_counts_wherever_it_is_left_out(tmp_path, capsys):
    results = ResultsFolder(tmp_path / "results")
    for i, arm in enumerate(preset("default").arms):
        for seed in preset("default").seeds:
            results.write(make_record(arm, seed, 0.8 + 0.01 * i + 0.001 * (seed * (i + 2) % 5)))
    command = ["table", "tox21", "--format", "json", "--results", str(results.root)]
    assert bench.main(command) == 0
    whole = json.loads(capsys.readouterr().out)
    assert bench.main([*command, "--models", "trimnet"]) == 0
    some = json.loads(capsys.readouterr().out)
    assert some["family"] == whole["family"] == {"name": "preset default", "tests": len(whole["comparisons"])}
    for one in some["comparisons"]:
        assert one in whole["comparisons"]


def test_committed_tables_say_the_same_as_the_study():
    """The pair that once was better on the page and not distinguishable in the study."""
    runs = TaskRuns.read(ResultsFolder(Path(__file__).parents[2] / "results"), "tox21")
    a, b = arms("trimnet/widened-continued", "trimnet/backprop")
    _, table, one = chosen_comparison(runs, a, b, choice=Choice(preset="compression-1k"))
    assert (table.tests, round(one.p, 3), round(one.p_holm, 3)) == (25, 0.003, 0.075)
    assert one.verdict.outcome.value == "not distinguishable"


def test_rows_of_a_preset_bear_the_labels_that_it_gives_them_and_stay_in_its_family(tmp_path, monkeypatch):
    usual = preset("default")
    labelled = replace(usual, rows=(*usual.rows[:-1], replace(usual.rows[-1], label="graphs alone")))
    monkeypatch.setitem(PLANS._loaded, "default", labelled)
    assert not judged_alone(labelled)
    assert preset("default") == labelled
    results, declared = ResultsFolder(tmp_path), plan("tox21")
    for arm in (*declared.arms[:-1], parse_arm("gcn/backprop")):
        for seed in declared.seeds:
            results.write(make_record(arm, seed, 0.8 + seed / 1e3))
    _, table = chosen_table(TaskRuns.read(results, "tox21"), Choice())
    assert [row.label for row in table.rows if row.arm.changes] == ["trimnet · graphs alone", declared.arms[-1].row]
    assert [row.arm for row in table.rows if row.missing] == [declared.arms[-1]]
    assert table.arms[-1].model == "gcn"
    assert table.family == "preset default"


def test_a_preset_of_a_split_of_its_own_is_shown_on_that_split(tmp_path):
    results, (a, b) = ResultsFolder(tmp_path), arms("trimnet/perforated", "trimnet/continued")
    for n, arm in enumerate((a, b)):
        for seed in (10, 11, 12):
            on_folds = {"preset": "answer", "split": "cv5x5", "split_seed": seed}
            results.write(make_record(arm, seed, 0.8 + 0.01 * n + 0.001 * seed * n, **on_folds))
        results.write(make_record(arm, 68, 0.5, preset="answer"))
    runs = TaskRuns.read(results, "tox21")
    _, table = chosen_table(runs, Choice(preset="answer-cv5x5", arms=(a, b)))
    assert (table.protocol.split, [len(row.seeds) for row in table.rows]) == ("cv5x5 v1", [3, 3])
    assert (table.primary, table.tests, len(table.protocol.seeds)) == ((a, b), 1, 25)
    _, usual = chosen_table(runs, Choice(preset="answer", arms=(a, b)))
    assert usual.protocol.split == "random v1"
    _, _, one = chosen_comparison(runs, a, b, choice=Choice(preset="answer-cv5x5"))
    assert (one.seeds, one.declared) == ((10, 11, 12), 25)


def test_what_is_registered_and_not_complete_counts_among_those_that_p_is_corrected_for():
    """So a "better" that is there early is one that nothing takes back."""
    declared = plan("tox21", "smoke", methods=["backprop", "perforated", "continued"])
    grown, plain = arms("trimnet/perforated", "trimnet/backprop")
    made = registration_of(declared, commit="c", dirty=False)
    runs = {spec.arm: spec for spec in declared.specs}
    scored = [replace(make_record(arm, 68, score), spec=runs[arm]) for arm, score in ((grown, 0.8), (plain, 0.8))]
    alone = family_of_rows("these", scored, arms=(grown, plain), seeds=(68,), margin=None)
    registered = family_of_rows("these", scored, arms=(grown, plain), seeds=(68,), margin=None, registered=[made])
    assert (alone.tests, registered.tests) == (1, len(made.compared)) == (1, 3)
    others = family_of_rows(
        "these", [make_record(grown, 1, 0.8)], arms=(grown,), seeds=(1,), margin=None, registered=[made]
    )
    assert others.tests == 0


def test_what_is_incomplete_or_absent_is_corrected_for_as_if_it_showed_nothing():
    seeds, (a, b, c) = tuple(range(1, 9)), arms("gin/perforated", "gin/backprop", "gin/widened")
    scores = {a: 0.803, b: 0.8, c: 0.7}
    made = [
        make_record(arm, seed, scores[arm] + 0.001 * (seed * (n + 2) % 5))
        for n, arm in enumerate(scores)
        for seed in seeds
    ]
    first, other = compare(made, a, b, seeds=seeds), compare(made, a, c, seeds=(*seeds, 9))
    assert (first.complete, other.complete) == (True, False)
    assert other.p < first.p / 1000
    (alone,) = adjusted([first], first.margin)
    one, interim = adjusted([first, other], first.margin, absent=3)
    assert (one.p_holm, interim.p_holm) == (pytest.approx(5 * alone.p), None)
