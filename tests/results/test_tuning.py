"""What a search leaves behind, read again, and what tables say of it."""

from __future__ import annotations

import json
import os
import threading
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from made_records import arms, make_record
from pbgraph.files.reading import UnreadableError
from pbgraph.report.formats import to_json, to_markdown
from pbgraph.report.leaderboard import leaderboard
from pbgraph.report.tables import make_table
from pbgraph.report.tuning import trials_table
from pbgraph.results.background import background_of
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.tuning import Trial, append_trial, best_of, budgets, read_trials, trials_path, wrong_lines
from pbgraph.verify.trials import check_trials

TRIAL = Trial(
    task="tox21",
    model="gin",
    method="backprop",
    preset="default",
    split="random",
    metric="roc_auc",
    seeds=(0, 1, 2),
    recipe="0123456789abcdef",
    number=0,
    state="finished",
    config={"layers": 5},
    scores=(0.8, 0.7, 0.9),
    seconds=(1.0, 2.0, 3.0),
    mean=0.8,
    parameters=100,
    versions={"featuriser": 1},
)


def write(results: Path, count: int, **changes) -> Path:
    path = results
    for number in range(count):
        trial = replace(TRIAL, number=number, **changes)
        path = trials_path(results, trial.task, model=trial.model, method=trial.method)
        append_trial(path, trial)
    return path


def test_lines_come_back_as_they_were_written(tmp_path):
    path = write(tmp_path, 3)
    assert path == tmp_path / "tuning" / "tox21" / "gin-backprop.jsonl"
    assert read_trials(path) == [replace(TRIAL, number=number) for number in range(3)]
    assert os.listdir(path.parent) == [path.name]
    assert read_trials(tmp_path / "none.jsonl") == []


def test_many_writers_write_whole_lines(tmp_path):
    path = trials_path(tmp_path, "tox21", model="gin", method="backprop")
    writers = [
        threading.Thread(target=append_trial, args=(path, replace(TRIAL, number=number))) for number in range(20)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert sorted(trial.number for trial in read_trials(path)) == list(range(20))
    assert wrong_lines(path) == []


@pytest.mark.parametrize("lost", [1, 40, 300])
def test_a_line_that_breaks_off_is_dropped_by_the_next(tmp_path, lost, caplog):
    path = write(tmp_path, 2)
    path.write_bytes(path.read_bytes()[:-lost])
    assert [trial.number for trial in read_trials(path)] == [0]
    assert "line 2: it breaks off" in caplog.text
    append_trial(path, replace(TRIAL, number=1))
    assert [trial.number for trial in read_trials(path)] == [0, 1]
    assert wrong_lines(path) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"mean": 0.81}, "its mean is not that of its scores"),
        ({"seconds": (1.0,)}, "do not fit together"),
        ({"scores": (0.8,), "seconds": (1.0,), "mean": 0.8}, "it is finished with 1 scores on 3 seeds"),
        ({"state": "pruned"}, "it is pruned with 3 scores"),
        ({"number": -1}, "do not fit together"),
        ({"model": "gat"}, "belongs to another file"),
        ({"task": "esol"}, "belongs to another file"),
        ({"state": "done"}, "it is no trial"),
        ({"scores": (0.8, None, 0.8)}, "it is no trial"),
        ({"scores": "0.8"}, "it is no trial"),
        ({"config": {"layers": [1]}}, "it is no trial"),
    ],
)
def test_a_line_that_is_no_trial_is_named_and_left_out(tmp_path, changes, words, caplog):
    path = write(tmp_path, 1)
    said = {**msgspec.to_builtins(replace(TRIAL, number=1)), **changes}
    path.write_text(path.read_text() + json.dumps(said) + "\n" + json.dumps(msgspec.to_builtins(TRIAL)) + "\n")
    assert len(read_trials(path)) == 2
    assert "line 2" in caplog.text
    assert words in caplog.text
    (wrong,) = wrong_lines(path)
    assert words in wrong


@pytest.mark.parametrize("line", [b"\xff\xfe", b"null", b"[]", b"{}", b"[" * 100_000, b"1e999", b'{"task": 3}'])
def test_hostile_lines_are_no_trials(tmp_path, line):
    path = write(tmp_path, 1)
    path.write_bytes(path.read_bytes() + line + b"\n")
    assert len(read_trials(path)) == 1
    assert len(wrong_lines(path)) == 1


def test_what_is_no_file_is_not_read(tmp_path):
    path = trials_path(tmp_path, "tox21", model="gin", method="backprop")
    path.mkdir(parents=True)
    with pytest.raises(UnreadableError, match=r"(?i)is a directory"):
        read_trials(path)
    assert budgets(tmp_path) == []
    assert [line for line in check_trials(ResultsFolder(tmp_path)).wrong if "cannot be read" in line]


def test_the_best_is_the_best_in_the_metrics_direction():
    trials = [replace(TRIAL, number=n, mean=mean) for n, mean in enumerate((0.8, 0.9, 0.7, 0.9))]
    trials.append(replace(TRIAL, number=4, mean=0.99, state="pruned"))
    assert best_of(trials, larger_is_better=True).number == 1
    assert best_of(trials, larger_is_better=False).number == 2
    assert best_of([trials[-1]], larger_is_better=True) is None


ARMS = arms("gin/backprop", "trimnet/backprop", "random-forest/fit")


def records():
    return [make_record(arm, seed, 0.8 + 0.01 * seed) for arm in ARMS for seed in (1, 2)]


def table(results: Path):
    return make_table(records(), arms=ARMS, seeds=(1, 2), background=background_of(ResultsFolder(results)))


def test_a_table_says_how_many_settings_were_tried_equal_budgets_together(tmp_path):
    write(tmp_path, 20)
    write(tmp_path, 20, model="trimnet")
    text = to_markdown(table(tmp_path))
    assert "- settings tried: 20 on seeds 0-2 (gin/backprop, trimnet/backprop); 0 (random-forest/fit); the" in text
    tried = json.loads(to_json(table(tmp_path)))["settings_tried"]
    assert tried["gin/backprop"] == [{"trials": 20, "seeds": [0, 1, 2]}]
    assert tried["random-forest/fit"] == []


def test_equal_budgets_are_not_called_unequal(tmp_path):
    for arm in ARMS:
        write(tmp_path, 2, model=arm.model, method=arm.method)
    line = next(line for line in to_markdown(table(tmp_path)).splitlines() if "settings tried" in line)
    names = ", ".join(map(str, ARMS))
    assert line == f"- settings tried: 2 on seeds 0-2 ({names})"


def test_a_search_by_another_recipe_or_on_another_split_is_none_of_a_tables(tmp_path):
    write(tmp_path, 2, preset="paper")
    write(tmp_path, 2, split="scaffold")
    write(tmp_path, 2, task="esol")
    assert "settings tried" not in to_markdown(table(tmp_path))
    assert len(budgets(tmp_path)) == 3


def test_a_search_with_other_features_is_none_of_a_rows(tmp_path):
    write(tmp_path, 2)
    write(tmp_path, 3, versions={"featuriser": 1001}, changes={"features": "graph+descriptors"})
    assert "settings tried: 2 on seeds 0-2 (gin/backprop); 0 (" in to_markdown(table(tmp_path))
    assert [budget.trials for budget in budgets(tmp_path)] == [2, 3]


def test_searches_on_different_seeds_are_told_apart(tmp_path):
    write(tmp_path, 3)
    one = replace(TRIAL, seeds=(5,), scores=(0.8,), seconds=(1.0,))
    append_trial(trials_path(tmp_path, "tox21", model="gin", method="backprop"), one)
    assert "settings tried: 3 on seeds 0-2 and 1 on seeds 5 (gin/backprop)" in to_markdown(table(tmp_path))


def test_the_leaderboard_says_where_budgets_differ(tmp_path):
    results = ResultsFolder(tmp_path)
    for record in records():
        results.write(record)
    assert "Budgets of search differ" not in leaderboard(results)
    write(tmp_path, 4)
    page = leaderboard(results)
    assert "Budgets of search differ between rows" in page
    assert "settings tried: 4 on seeds 0-2 (gin/backprop)" in page


def test_verify_names_lines_that_are_wrong(tmp_path):
    assert check_trials(ResultsFolder(tmp_path)).counts == {}
    path = write(tmp_path, 2)
    sound = check_trials(ResultsFolder(tmp_path))
    assert (sound.counts, sound.wrong) == ({"trials": 2}, ())
    path.write_text(path.read_text().replace("0.8,0.7", "0.9,0.7", 1))
    (wrong,) = check_trials(ResultsFolder(tmp_path)).wrong
    assert f"{path}, line 1: its mean is not that of its scores" in wrong


def test_the_table_of_a_search_has_the_best_first_and_differences_on_shared_seeds():
    better = replace(TRIAL, number=1, scores=(0.9, 0.8, 1.0), mean=0.9, changes={"layers": 3})
    pruned = replace(
        TRIAL, number=2, state="pruned", scores=(0.5,), seconds=(1.0,), mean=0.5, changes={"dropout": 0.123456}
    )
    failed = replace(TRIAL, number=3, state="failed", scores=(), seconds=(), mean=None, reason="a|b", changes={"x": 1})
    text = trials_table([TRIAL, better, pruned, failed], larger_is_better=True)
    rows = [line for line in text.splitlines() if line.startswith("|")][2:]
    assert rows == [
        "| 1 | 0.9000 | +0.1000 | layers 3 | 100 | 6 |",
        "| 0 | 0.8000 | +0.0000 | the recipe | 100 | 6 |",
        "| 2 | 0.5000 (1 of 3 seeds) | -0.3000 | dropout 0.1235 | 100 | 1 |",
        "| 3 | – failed | – | x 1; a\\|b | 100 | 0 |",
    ]
    assert "Best: trial 1, 0.9000, layers 3." in text
