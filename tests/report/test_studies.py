"""A study's table and picture, from records that nothing was run for."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import pytest

from made_records import arms, make_record
from pbgraph.errors import UsageError
from pbgraph.plans.declaration import Preset, Recipe, Row, Study
from pbgraph.report.studies import (
    Point,
    draw_frontier,
    frontier,
    points,
    study_csv,
    study_json,
    study_table,
    to_markdown,
)

pytestmark = pytest.mark.lengthy

ARMS = arms("trimnet/backprop", "trimnet/perforated", "trimnet/widened")
ROWS = tuple(Row(arm.model, (arm.method,)) for arm in ARMS)
PARTS = tuple(Preset(name, "", ROWS, (1, 2, 3), Recipe(name)) for name in ("small", "large"))
STUDY = Study("sizes", "does size matter?", PARTS)
SCORES = {"small": (0.70, 0.78, 0.72), "large": (0.84, 0.841, 0.85)}
JITTER = {"backprop": 0.001, "perforated": 0.0011, "widened": 0.00105}
PARAMETERS = {"small": (1000, 2000, 2010), "large": (100_000, 200_000, 201_000)}


def records(presets=("small", "large")):
    found = []
    for preset in presets:
        for seed in (1, 2, 3):
            by_method = {}
            for arm, score, size in zip(ARMS, SCORES[preset], PARAMETERS[preset], strict=True):
                pair = by_method["perforated"].key if arm.method == "widened" else None
                jitter = JITTER[arm.method] * seed
                record = make_record(arm, seed, score + jitter, preset=preset, control_of=pair)
                by_method[arm.method] = replace(record, cost=replace(record.cost, parameters=size))
            found += by_method.values()
    return found


def test_every_preset_has_its_rows_and_p_is_corrected_over_all_of_them():
    made = study_table(STUDY, records())
    text = to_markdown(made)
    assert list(made.tables) == ["small", "large"]
    assert text.count("| trimnet | perforated |") == 2
    assert "p after Holm for 6 comparisons" in text
    alone = study_table(STUDY, records(["small"])).tables["small"].comparisons
    together = made.tables["small"].comparisons
    assert [one.a for one in alone] == [one.a for one in together]
    assert all(many.p == few.p and many.p_holm >= few.p_holm for many, few in zip(together, alone, strict=True))
    assert any(many.p_holm > few.p_holm for many, few in zip(together, alone, strict=True))
    than = "better than trimnet/backprop and trimnet/widened by more than 0.01"
    assert f"- small, **trimnet**: {than}, but no control of its training was run, so there is no answer yet." in text


def test_a_preset_without_a_run_is_left_out_and_a_study_without_one_is_an_error():
    assert list(study_table(STUDY, records(["large"])).tables) == ["large"]
    with pytest.raises(UsageError, match="--study sizes runs it"):
        study_table(STUDY, [])


def test_other_rows_can_be_asked_for():
    rows = {"small": arms("trimnet/backprop", "trimnet/widened"), "large": arms("gin/backprop")}
    made = study_table(STUDY, records(), arms=rows)
    assert {name: table.arms for name, table in made.tables.items()} == {"small": rows["small"]}
    with pytest.raises(
        UsageError, match="Finished here: preset large, arm trimnet/backprop, seeds 1-3; preset large, "
    ):
        study_table(STUDY, records(), seeds=(7,))


def test_other_seeds_than_the_declared_ones_are_shown_where_they_alone_were_run():
    mine = [replace(r, spec=replace(r.spec, seed=r.spec.seed + 10, control_of=None)) for r in records(["small"])]
    (table,) = study_table(STUDY, mine[:3]).tables.values()
    assert (table.protocol.seeds, len(table.rows)) == ((11,), 3)


def test_a_missing_seed_is_named_with_its_preset():
    text = to_markdown(study_table(STUDY, records()[:-1]))
    assert "- large: missing: trimnet/widened seeds 3" in text
    assert "- large, **trimnet**: runs are missing, so there is no answer yet." in text


def test_programs_get_a_line_for_every_preset_and_arm():
    made = study_table(STUDY, records())
    lines = list(csv.DictReader(io.StringIO(study_csv(made))))
    assert [(line["preset"], line["method"]) for line in lines] == [
        (p, m) for p in SCORES for m in (arm.method for arm in ARMS)
    ]
    assert list(json.loads(study_json(made))["presets"]) == ["small", "large"]


def test_points_are_means_over_seeds_with_an_interval_around_them():
    found = points(study_table(STUDY, records()))
    assert len(found) == 6
    first = found[0]
    assert (first.preset, first.method, first.parameters) == ("small", "backprop", 1000)
    assert first.mean == pytest.approx(0.702)
    assert first.high - first.mean == pytest.approx(4.302653 * 0.001 / 3**0.5, rel=1e-5)


def test_the_frontier_is_what_nothing_as_small_beats():
    def point(parameters, mean):
        return Point("p", "m", parameters, (mean,), mean, mean, mean)

    every = [point(1, 0.7), point(2, 0.6), point(2, 0.8), point(3, 0.8), point(9, 0.9)]
    assert [one.parameters for one in frontier(every, larger_is_better=True)] == [1, 2, 9]
    assert [one.parameters for one in frontier(every, larger_is_better=False)] == [1, 2]


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_the_frontier_is_drawn(tmp_path, suffix):
    path = tmp_path / f"frontier{suffix}"
    draw_frontier(study_table(STUDY, records()), path)
    assert path.stat().st_size > 1000
    with pytest.raises(UsageError, match=r"\.png, \.svg or \.pdf"):
        draw_frontier(study_table(STUDY, records()), tmp_path / "frontier.doc")
