from __future__ import annotations

import csv
import io
from dataclasses import replace

import pytest

from made_records import arms, make_record
from pbgraph.report.formats import to_csv
from pbgraph.report.kept import kept_notes
from pbgraph.report.tables import make_table
from pbgraph.report.texts import texts
from pbgraph.results.records import RunRecord

ARMS = arms("gin/backprop", "gin/perforated")


def scored(record: RunRecord, valid: float, dendrites: int | None = None, parameters: int = 1000) -> RunRecord:
    scores = {**record.scores, "valid": replace(record.scores["valid"], metrics={"roc_auc": valid})}
    details = {} if dendrites is None else {"dendrites": dendrites}
    return replace(record, scores=scores, details=details, cost=replace(record.cost, parameters=parameters))


def plain(seed: int, test: float, valid: float) -> RunRecord:
    return scored(make_record("gin/backprop", seed, test), valid)


def grown(seed: int, test: float, valid: float, dendrites: int, parameters: int = 1000) -> RunRecord:
    return scored(make_record("gin/perforated", seed, test), valid, dendrites, parameters)


def notes(records: list[RunRecord], rows=ARMS) -> list[str]:
    seeds = sorted({record.spec.seed for record in records})
    return kept_notes(make_table(records, arms=rows, seeds=seeds), 1.0, "")


def test_it_says_what_every_seed_kept_and_what_was_gained_where_it_chose_and_where_not():
    records = [
        *(plain(seed, 0.80, 0.82) for seed in (68, 69, 70, 71)),
        grown(68, 0.80, 0.82, 0),
        grown(69, 0.81, 0.84, 1, 2000),
        grown(70, 0.79, 0.83, 2, 3000),
        grown(71, 0.80, 0.83, 1, 2000),
    ]
    assert notes(records) == [
        "dendrites kept at each site: gin/perforated 0 (seed 68), 1 (seeds 69, 71), 2 (seed 70); 1,000 to 3,000 "
        "parameters; seed 68: equal to gin/backprop; seeds 69-71: +0.0133 over gin/backprop on validation rows, which "
        "chose them, and +0.0000 on test rows"
    ]
    table = make_table(records, arms=ARMS, seeds=[68, 69, 70, 71])
    assert notes(records)[0] in texts(table).notes
    lines = list(csv.DictReader(io.StringIO(to_csv(table))))
    assert [(line["dendrites"], line["runs_with_dendrites"]) for line in lines] == [("", ""), ("1.0", "3")]


@pytest.mark.parametrize("test", [0.80, 0.81])
def test_runs_without_dendrites_are_called_equal_only_if_they_are(test):
    [note] = notes([plain(68, 0.80, 0.82), grown(68, test, 0.82, 0)])
    assert ("equal to gin/backprop" in note) == (test == 0.80)
    assert "parameters" not in note
    assert "gained" not in note


def test_without_the_plain_row_only_the_numbers_are_said():
    assert notes([grown(68, 0.8, 0.82, 1)], ARMS[1:]) == ["dendrites kept at each site: gin/perforated 1 (seed 68)"]


def test_rows_that_grow_none_have_no_note():
    assert notes([plain(68, 0.8, 0.82)], ARMS[:1]) == []


def test_where_both_arms_of_a_comparison_are_one_network_it_is_said():
    """As of a control that found nothing better than the plain network, where no dendrite was kept."""
    rows = (*ARMS, *arms("gin/continued"))
    scores = {68: (0.80, 0.82), 69: (0.80, 0.82), 70: (0.81, 0.83)}
    records = []
    for seed, (test, valid) in scores.items():
        pair = grown(seed, 0.80, 0.82, 0)
        records += [plain(seed, 0.80, 0.82), pair, scored(make_record(rows[2], seed, test, control_of=pair.key), valid)]
    rest = "in 2 of 3 pairs, whose difference is 0 (seeds 68-69); the others differ by"
    assert notes(records, rows)[1:] == [
        f"the same network: gin/continued and gin/backprop {rest} +0.0100 on average",
        f"the same network: gin/perforated and gin/continued {rest} -0.0100 on average",
    ]
    assert len(notes([one for one in records if one.spec.seed == 70], rows)) == 1


def test_so_it_is_of_a_control_without_dendrites_and_its_plain_row():
    """But not of a row with dendrites and its plain one, which the note on dendrites tells of already."""
    rows = (*ARMS, *arms("gin/continued"))
    records = []
    for seed, (test, valid) in {68: (0.80, 0.82), 69: (0.81, 0.83)}.items():
        records += [plain(seed, 0.80, 0.82), grown(seed, 0.80, 0.82, 0)]
        records.append(scored(make_record(rows[2], seed, test), valid))
    dendrites, *same = notes(records, rows)
    assert "seeds 68-69: equal to gin/backprop" in dendrites
    assert same == [
        "the same network: gin/continued and gin/backprop in 1 of 2 pairs, whose difference is 0 (seed 68); the others "
        "differ by +0.0100 on average"
    ]


def test_equal_test_scores_of_other_validation_scores_are_another_network():
    rows = arms("gin/backprop", "gin/continued")
    assert notes([plain(68, 0.8, 0.82), scored(make_record(rows[1], 68, 0.8), 0.83)], rows) == []
