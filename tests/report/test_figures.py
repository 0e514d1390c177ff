from __future__ import annotations

from dataclasses import replace

import pytest

from made_records import history, make_failure, make_record, make_regression_record
from pbgraph.errors import UsageError
from pbgraph.report.figures import arrivals, axis_limits, dendrite_phases, draw_learning_curves

GROWN = history(
    *"nnddnddn".replace("n", "neuron ").replace("d", "dendrite ").split(), dendrites=(0, 0, 0, 0, 1, 1, 1, 2)
)


def test_phases_and_arrivals_are_read_from_the_history():
    assert dendrite_phases(GROWN) == [(2, 4), (5, 7)]
    assert arrivals(GROWN) == [4, 7]
    assert dendrite_phases(history("neuron")) == []


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_a_picture_is_drawn_for_each_format(tmp_path, suffix):
    records = [
        make_record("trimnet/backprop", 1, 0.8),
        replace(make_record("trimnet/perforated", 1, 0.8), history=GROWN),
        make_record("trimnet/backprop", 2, 0.8),
    ]
    path = tmp_path / f"curves{suffix}"
    draw_learning_curves(records, path, seeds=(1, 2, 3))
    assert path.stat().st_size > 1000


def test_without_a_history_there_is_nothing_to_draw(tmp_path):
    with pytest.raises(UsageError, match="no learning curve"):
        draw_learning_curves([make_failure("trimnet/backprop", 1, "x")], tmp_path / "a.png", seeds=(1,))


def test_an_unknown_format_is_refused_and_leaves_no_file(tmp_path):
    with pytest.raises(UsageError, match=r"\.png, \.svg or \.pdf"):
        draw_learning_curves([make_record("trimnet/backprop", 1, 0.8)], tmp_path / "a.doc", seeds=(1,))
    assert list(tmp_path.iterdir()) == []


def test_the_axis_shows_the_side_of_the_best_score_on_which_curves_come_in():
    assert axis_limits([make_record("trimnet/backprop", 1, 0.8)]) == pytest.approx((0.71 - 0.1, 0.71 + 0.01))
    assert axis_limits([make_regression_record("trimnet/backprop", 1, 0.8)]) == pytest.approx((0.7 - 0.1, 0.7 + 1.0))
