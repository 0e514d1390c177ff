from __future__ import annotations

from fake_runner import PROVENANCE, make_record, make_spec
from pbgraph.execution.engines.base import Schedule
from pbgraph.results.records import RunRecord


def test_a_control_waits_for_its_pair():
    pair = make_spec()
    control, other = make_spec(control_of=pair.key), make_spec(seed=1)
    schedule = Schedule([control, pair, other], {})
    assert [schedule.take(), schedule.take(), schedule.take()] == [pair, other, None]
    schedule.close(make_record(other))
    assert schedule.take() is None
    schedule.close(make_record(pair))
    assert schedule.take() == control
    assert not schedule.waiting


def test_a_control_of_a_run_that_is_no_longer_to_do_starts_at_once():
    control = make_spec(control_of="0123456789abcdef")
    assert Schedule([control], {}).take() == control


def test_a_failed_pair_dooms_its_controls():
    pair = make_spec()
    control = make_spec(control_of=pair.key)
    schedule = Schedule([pair, control], {})
    assert schedule.take() == pair
    assert schedule.take_without_pair() is None
    schedule.close(RunRecord(pair, "failed", PROVENANCE, error="x"))
    assert schedule.take() is None
    assert schedule.take_without_pair() == (control, "trimnet/backprop seed 0")
    assert not schedule.waiting


def test_a_pair_that_failed_earlier_dooms_its_controls_too():
    control = make_spec(control_of="0123456789abcdef")
    schedule = Schedule([control], {"0123456789abcdef": "trimnet/perforated seed 0"})
    assert schedule.take() is None
    assert schedule.take_without_pair() == (control, "trimnet/perforated seed 0")


def test_a_run_that_is_put_back_comes_first():
    first, second = make_spec(), make_spec(seed=1)
    schedule = Schedule([first, second], {})
    schedule.put_back(schedule.take())
    assert schedule.take() == first
