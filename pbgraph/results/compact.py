"""What a record's file says, without what is said twice: histories and scores as columns, nothing that is empty.

    history  a column for each field of an epoch: lists of train_loss, valid and learning_rate; of the others runs of
             equal values, [value, count], and of epochs that follow each other, [first, count]
    scores   part -> its size, its tasks, their labelled, positives and sd, and metric -> the mean, then each task's
    thresholds  metric -> that of each task of the test rows

The whole form, which `RunRecord` has and programs are shown, is made of it again without loss.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, groupby
from typing import Any

import msgspec

from pbgraph.files.reading import UnreadableError

Said = Mapping[str, Any]
Runs = tuple[tuple[Any, int], ...]
Numbers = tuple[float | None, ...]


@dataclass(frozen=True)
class _History:
    epoch: Runs
    phase: Runs
    dendrites: Runs
    score: Runs
    train_loss: Numbers
    valid: Numbers
    learning_rate: Numbers


@dataclass(frozen=True)
class _Part:
    size: int
    metrics: Mapping[str, Numbers]
    tasks: tuple[str, ...] = ()
    labelled: tuple[int, ...] = ()
    positives: tuple[int | None, ...] | None = None
    sd: Numbers | None = None


@dataclass(frozen=True)
class _Columns:
    """The fields of a record that have columns."""

    history: _History | None = None
    scores: Mapping[str, _Part] = field(default_factory=dict)
    thresholds: Mapping[str, Numbers] = field(default_factory=dict)


def compact(said: Said) -> dict[str, Any]:
    """What a record says in its whole form, as JSON has it, in the compact one."""
    made = {**said, "history": _columns_of(said["history"])}
    made["scores"] = {part: _part_of(score) for part, score in said["scores"].items()}
    tasks = said["scores"]["test"]["tasks"] if "test" in said["scores"] else ()
    made["thresholds"] = {
        metric: [known.get(task) for task in tasks] for metric, known in said.get("thresholds", {}).items()
    }
    return {name: value for name, value in made.items() if value not in (None, {}, [], ())}


def whole(said: Said) -> dict[str, Any]:
    """The whole form of what a compact record says. Raises UnreadableError if its columns are none."""
    try:
        names = _Columns.__dataclass_fields__
        columns = msgspec.convert({name: said[name] for name in names if name in said}, _Columns)
        history = list(_lines(columns.history)) if columns.history else []
        scores = {part: _score(mine) for part, mine in columns.scores.items()}
        tasks = columns.scores["test"].tasks if "test" in columns.scores else ()
        thresholds = {metric: _of_tasks(tasks, values) for metric, values in columns.thresholds.items()}
    except (msgspec.ValidationError, ValueError, TypeError) as error:
        raise UnreadableError(f"its columns are none: {error!s:.300}") from error
    return {**said, "history": history, "scores": scores, "thresholds": thresholds}


def _of_tasks(tasks: Sequence[str], values: Numbers) -> dict[str, float]:
    return {task: value for task, value in zip(tasks, values, strict=True) if value is not None}


def _columns_of(lines: Sequence[Said]) -> dict[str, Any]:
    if not lines:
        return {}
    columns = {name: [line[name] for line in lines] for name in _History.__dataclass_fields__}
    after = [value - place for place, value in enumerate(columns["epoch"])]  # equal where epochs follow each other
    counts = [count for _, count in _runs(after)]
    starts = [0, *accumulate(counts[:-1])]
    return {
        **columns,
        "epoch": [(columns["epoch"][start], count) for start, count in zip(starts, counts, strict=True)],
        **{name: _runs(columns[name]) for name in ("phase", "dendrites", "score")},
    }


def _runs(values: Sequence[Any]) -> list[tuple[Any, int]]:
    return [(value, len(list(same))) for value, same in groupby(values)]


def _lines(columns: _History) -> Iterator[dict[str, Any]]:
    rows = len(columns.valid)
    follow = [first + place for first, count in _checked(columns.epoch, rows) for place in range(count)]
    spread = {
        name: [value for value, count in _checked(getattr(columns, name), rows) for _ in range(count)]
        for name in ("phase", "dendrites", "score")
    }
    rest = {name: getattr(columns, name) for name in ("train_loss", "valid", "learning_rate")}
    whole_columns = {"epoch": follow, **spread, **rest}
    for values in zip(*whole_columns.values(), strict=True):
        yield dict(zip(whole_columns, values, strict=True))


def _checked(runs: Runs, rows: int) -> Runs:
    """These runs. Raises ValueError if they are not of so many rows in all, as a hostile file may have it."""
    if sum(count for _, count in runs) != rows or any(count < 1 for _, count in runs):
        raise ValueError(f"runs of equal values are not of {rows} epochs")
    return runs


def _part_of(score: Said) -> dict[str, Any]:
    tasks: Mapping[str, Said] = score["tasks"]
    columns = {name: [task.get(name) for task in tasks.values()] for name in ("labelled", "positives", "sd")}
    there = {name: values for name, values in columns.items() if any(value is not None for value in values)}
    metrics = {
        name: [mean, *(task["metrics"].get(name) for task in tasks.values())] for name, mean in score["metrics"].items()
    }
    return {"size": score["size"], "metrics": metrics, **({"tasks": list(tasks), **there} if tasks else {})}


def _score(part: _Part) -> dict[str, Any]:
    count = len(part.tasks)
    lists = [part.labelled, part.positives, part.sd]
    if any(mine is not None and len(mine) != count for mine in lists) or len(set(part.tasks)) != count:
        raise ValueError(f"there are {count} tasks, and not as many numbers, or one task is there twice")
    if any(len(values) != count + 1 for values in part.metrics.values()):
        raise ValueError(f"a metric has not a mean and a value of each of {count} tasks")
    tasks = {
        name: {
            "metrics": {metric: values[place + 1] for metric, values in part.metrics.items()},
            "labelled": part.labelled[place],
            "positives": part.positives[place] if part.positives else None,
            "sd": part.sd[place] if part.sd else None,
        }
        for place, name in enumerate(part.tasks)
    }
    return {"size": part.size, "metrics": {name: values[0] for name, values in part.metrics.items()}, "tasks": tasks}
