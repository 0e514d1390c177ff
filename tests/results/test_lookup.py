"""Runs found by the beginning of their key, and by what they are."""

from __future__ import annotations

import pytest

from made_records import arms, make_failure, make_record
from pbgraph.errors import UsageError
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.lookup import Choice, find_run

KEYS = ("abcd000000000000", "abcd100000000000", "ef00000000000000")


@pytest.fixture
def results(tmp_path) -> ResultsFolder:
    for key in KEYS:
        path = tmp_path / "records" / "tox21" / f"{key}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("no record")  # the name alone counts
    return ResultsFolder(tmp_path)


@pytest.mark.parametrize(("beginning", "key"), [("abcd0", KEYS[0]), (KEYS[1], KEYS[1]), ("EF00", KEYS[2])])
def test_a_beginning_that_one_run_has_is_enough(results, beginning, key):
    assert find_run(results, beginning) == ("tox21", key)


@pytest.mark.parametrize(
    ("beginning", "words"),
    [
        ("abc", "expected at least 4 characters"),
        ("", "expected at least 4 characters"),
        ("abcd", f"not the beginning of one run, but of {KEYS[0]} (tox21), {KEYS[1]} (tox21); write more of it"),
        ("abcd2", f"holds no run 'abcd2'; near it: {KEYS[0]} (tox21), {KEYS[1]} (tox21). 'runs TASK'"),
        ("fe00", f"near it: {KEYS[2]} (tox21)"),
        ("99999999", "holds no run '99999999'. 'runs TASK' lists them, with the same --results"),
        ("../../x", "holds no run"),
    ],
)
def test_any_other_beginning_is_an_error_with_what_is_near(results, beginning, words):
    with pytest.raises(UsageError) as error:
        find_run(results, beginning)
    assert words in str(error.value)


def test_an_empty_folder_has_no_run(tmp_path):
    with pytest.raises(UsageError, match="holds no run 'abcd'"):
        find_run(ResultsFolder(tmp_path / "none"), "abcd")


def test_a_record_is_what_was_finished_or_failed_last(tmp_path):
    folder = ResultsFolder(tmp_path)
    failures = [make_failure("gin/backprop", 68, error) for error in ("first", "second")]
    for record in failures:
        folder.write(record)
    key = failures[0].key
    assert folder.record("tox21", key).error == "second"
    folder.write(make_record("gin/backprop", 68, 0.8))
    assert folder.record("tox21", key).status == "finished"
    assert [path.name for path in folder.record_files("tox21", key)] == [
        f"{key}.failed-1.json",
        f"{key}.failed-2.json",
        f"{key}.json",
    ]
    assert folder.runs() == [("tox21", key)]


RECORDS = [
    make_record("trimnet/backprop", 68, 0.8),
    make_record("trimnet/backprop", 68, 0.8, changes={"hidden": 64}),
    make_record("trimnet/perforated", 69, 0.8),
    make_record("gin/backprop", 68, 0.8, preset="smoke"),
    make_record("gin/backprop", 70, 0.8, split="scaffold"),
]


@pytest.mark.parametrize(
    ("choice", "places"),
    [
        (Choice(), {0, 1, 2, 3, 4}),
        (Choice(models=["gin"]), {3, 4}),
        (Choice(methods=["perforated"]), {2}),
        (Choice(arms=arms("trimnet/backprop")), {0}),
        (Choice(arms=arms("trimnet/backprop:hidden=64")), {1}),
        (Choice(seeds=[69, 70]), {2, 4}),
        (Choice(preset="smoke"), {3}),
        (Choice(split="scaffold"), {4}),
        (Choice(models=["gin"], seeds=[1]), set()),
    ],
)
def test_a_choice_takes_what_has_all_that_is_named(choice, places):
    chosen = choice.of(RECORDS)
    assert {RECORDS.index(record) for record in chosen} == places
    order = [(one.spec.preset, one.spec.split, one.spec.arm, one.spec.seed) for one in chosen]
    assert order == sorted(order)
