from __future__ import annotations

import pytest

from fake_runner import PROVENANCE, make_record
from pbgraph.errors import UsageError
from pbgraph.execution.engines.schedule import SEEDS_TOGETHER, describe, survey
from pbgraph.plans.plan import plan
from pbgraph.plans.plan_file import read_plan
from pbgraph.plans.shard import parse_shard, part_of
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.records import RunRecord


@pytest.fixture(scope="module")
def made():
    return plan("tox21")


@pytest.fixture
def results(tmp_path):
    return ResultsFolder(tmp_path)


def failure(spec):
    return RunRecord(spec, "failed", PROVENANCE, error="x")


def test_what_is_finished_or_failed_is_not_done_again(made, results):
    results.write(make_record(made.specs[0]))
    results.write(failure(made.specs[1]))
    work = survey(made, results)
    assert list(work.finished) == [made.specs[0].key]
    assert list(work.failed) == [made.specs[1].key]
    assert {spec.key for spec in work.todo} == {spec.key for spec in made.specs[2:]}
    again = survey(made, results, retry_failed=True)
    assert {spec.key for spec in again.todo} == {spec.key for spec in made.specs[1:]}
    assert not again.failed


def test_a_run_that_failed_once_and_was_finished_later_is_finished(made, results):
    results.write(failure(made.specs[0]))
    results.write(make_record(made.specs[0]))
    work = survey(made, results)
    assert made.specs[0].key in work.finished
    assert not work.failed


def test_times_come_from_finished_runs_of_the_arm_else_from_the_table(made, results):
    first = made.specs[0]
    before = survey(made, results).seconds
    assert before[first.key] != 3.0
    results.write(make_record(first))  # took 3 s
    after = survey(made, results).seconds
    assert {after[spec.key] for spec in made.specs if spec.arm == first.arm} == {3.0}
    assert {key: seconds for key, seconds in before.items() if after[key] != 3.0} == {
        key: seconds for key, seconds in after.items() if seconds != 3.0
    }


def test_a_plan_by_a_presets_recipe_has_its_times_whatever_it_is_called(made, results, tmp_path):
    (path := tmp_path / "other.toml").write_text('seeds = "68"\n[[arms]]\nmodel = "gin"\nmethod = "backprop"\n')
    other = plan("tox21", read_plan(path))
    assert survey(other, results).seconds == {
        key: seconds for key, seconds in survey(made, results).seconds.items() if key == other.specs[0].key
    }


def test_a_quick_run_starts_first_and_then_the_longest_chains(made, results):
    work = survey(made, results)
    arms = [str(spec.arm) for spec in work.todo]
    assert arms[0] == str(min(made.specs, key=lambda spec: work.seconds[spec.key]).arm)
    assert arms[1:4] == ["trimnet/perforated"] * 3
    assert len(arms) == len(made.specs)


def test_a_plan_of_days_goes_through_its_seeds_in_groups(results):
    todo = survey(plan("tox21", "paper"), results).todo
    per_group = len(todo) * SEEDS_TOGETHER // 50
    assert {spec.seed for spec in todo[1:per_group]} == set(range(68, 68 + SEEDS_TOGETHER))


def test_the_wall_time_is_no_less_than_the_longest_chain(made, results):
    work = survey(made, results)
    total = sum(work.seconds[spec.key] for spec in made.specs)
    assert work.seconds_left(1) == pytest.approx(total)
    assert work.seconds_left(2) == pytest.approx(total / 2)
    chain = sum(
        work.seconds[spec.key] for spec in made.specs if spec.seed == 68 and spec.method in ("perforated", "continued")
    )
    assert work.seconds_left(1000) == pytest.approx(chain)


def test_the_description_names_every_arm_and_what_is_left(results):
    made = plan("tox21", models=["random-forest", "gin"], methods=["fit", "backprop"], seeds=[1, 2, 3, 7])
    results.write(make_record(made.specs[0]))
    results.write(failure(made.specs[1]))
    text = describe(survey(made, results), 2)
    assert "tox21, preset default, split random: 8 runs, 1 finished, 1 failed, 6 to do" in text
    assert "random-forest/fit" in text
    assert "seeds 1-3, 7: 2 of 4 to do, about 0:03 each" in text
    assert "not run: gin/fit" in text
    assert "--retry-failed" in text
    assert "with 2 workers" in text


def test_shards_are_disjoint_and_whole_and_keep_controls_with_their_pairs(made):
    for count in (1, 2, 3, 8, 20):
        parts = [part_of(made, parse_shard(f"{i}/{count}")) for i in range(1, count + 1)]
        keys = [[spec.key for spec in part.specs] for part in parts]
        assert sorted(key for part in keys for key in part) == sorted(spec.key for spec in made.specs)
        for part, mine in zip(parts, keys, strict=True):
            assert all(spec.control_of is None or spec.control_of in mine for spec in part.specs)


@pytest.mark.parametrize("text", ["0/3", "4/3", "1", "a/b", "1/0", "-1/3", ""])
def test_a_shard_must_be_one_of_its_parts(text):
    with pytest.raises(UsageError, match="--shard 2/8"):
        parse_shard(text)


def test_what_a_preset_expects_grows_with_the_data_set(tmp_path):
    tox21, hiv = (survey(plan(task, "smoke"), ResultsFolder(tmp_path)) for task in ("tox21", "hiv"))
    assert hiv.seconds_left(1) == pytest.approx(tox21.seconds_left(1) * 41127 / 7831)
