"""What a record must be so that tables can be made of it, whoever wrote it: names, numbers, parts as runs leave them.

A record is one of `pbgraph.results.records`, decoded from its file, so that its fields have their types.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pbgraph.results.sources import KEY
from pbgraph.terminal import visible_cell

NAMES = ("task", "split", "model", "method", "metric", "preset")
VERSIONS = ("task", "split", "featuriser", "model", "method", "metric")
LONGEST_NAME = 200  # characters
LARGEST = 1e100  # of a score or loss, either sign: sums and squares of such stay finite
MOST = 2**53  # of a count
MOST_SECONDS = 1e10  # three centuries
LARGEST_SEED = 2**63 - 1


def problem(record: Any) -> str | None:
    """Why no table can be made of a record, or None if it can."""
    return next(_problems(record), None)


def name_problem(what: str, name: str) -> str | None:
    """Why something cannot be called so, or None if it can."""
    as_text = name.strip() and len(name) <= LONGEST_NAME and name.isprintable()
    if as_text and "/" not in name and name not in (".", ".."):
        return None
    said = f"{what} is called '{visible_cell(name[:40])}'"
    return f"{said}: a name has 1 to {LONGEST_NAME} printable characters and no slash, and is not blank"


def _problems(record: Any) -> Iterator[str]:
    spec = record.spec
    yield from filter(None, (name_problem(what, getattr(spec, what)) for what in NAMES))
    yield from filter(None, [name_problem("its featuriser", spec.featuriser.replace("/", ""))])  # which may name a file
    yield from (f"its spec has no version of the {what}" for what in VERSIONS if what not in spec.versions)
    yield from filter(None, (name_problem("a setting", name) for name in spec.changes))
    yield from filter(
        None,
        (
            name_problem("a setting's value", str(value)[:LONGEST_NAME].replace("/", "") or "''")
            for value in spec.changes.values()
        ),
    )
    yield from _outside("seed", [spec.seed, spec.split_seed], 0, most=LARGEST_SEED)
    numbers = [version for version in (*spec.versions.values(), *record.metrics.values()) if isinstance(version, int)]
    yield from _outside("versions", numbers, 0, most=MOST)
    yield from _outside("rows", [record.provenance.rows], 0, most=MOST)
    if record.cost is not None:
        counts = [record.cost.parameters, record.cost.epochs, record.cost.peak_memory_bytes, record.cost.sittings]
        yield from _outside("cost", counts, 0, most=MOST)
        yield from _outside("seconds", [record.cost.seconds], 0, most=MOST_SECONDS)
    for part, score in record.scores.items():
        yield from _of_scores(visible_cell(part), score)
    for of_task in record.thresholds.values():
        yield from _outside("thresholds", of_task.values(), 0, most=1)
    if record.provenance.mean_of:
        yield from _of_average(record)
    if record.status == "finished":
        yield from _of_finished(record)
    yield from _of_history(record)


def _of_finished(record: Any) -> Iterator[str]:
    for part in ("test", "valid"):
        if part not in record.scores:
            yield f"it is finished and has no {part} scores"
        elif record.spec.metric not in record.scores[part].metrics:
            yield f"its {part} scores lack the metric that selects, {record.spec.metric}"
    if record.cost is None and not record.spec.external:
        yield "it is finished and has no cost"
    elif record.spec.metric not in record.metrics:
        yield f"it does not say in which version {record.spec.metric} was measured"
    if record.spec.external != (record.provenance.scored_from is not None):
        yield "an external result says from which file it was scored, and no other record does"
    scored = sum(score.size for score in record.scores.values())
    accepted = record.provenance.rows - len(record.provenance.rejected)
    if scored >= accepted:
        yield f"it scored {scored} of {accepted} molecules, which leaves none for training"


def _of_average(record: Any) -> Iterator[str]:
    """A mean of itself would be proved by itself."""
    keys = record.provenance.mean_of
    if not record.spec.external:
        yield "it says of which runs it is the mean, as external results alone do"
    if record.key in keys or len(set(keys)) < 2 or not all(re.fullmatch(KEY, key) for key in keys):
        yield f"it is the mean of {visible_cell(' and '.join(keys)[:80])}; expected keys of two other runs at least"


def _of_scores(part: str, score: Any) -> Iterator[str]:
    yield from _outside(f"{part} size", [score.size], 0, most=MOST)
    yield from _of_metrics(part, score.metrics)
    for name, target in score.tasks.items():
        where = f"{part} {visible_cell(name[:40])}"
        yield from _of_metrics(where, target.metrics)
        yield from _outside(where, [target.labelled, target.positives], 0, most=MOST)
        yield from _outside(where, [target.sd], 0, most=LARGEST)


def _of_metrics(where: str, metrics: Mapping[str, float | None]) -> Iterator[str]:
    yield from filter(None, (name_problem(f"a metric of {where}", name) for name in metrics))
    yield from _outside(where, metrics.values(), -LARGEST, most=LARGEST)


def _of_history(record: Any) -> Iterator[str]:
    lines = record.history
    yield from _outside("epoch", (line.epoch for line in lines), 0, most=MOST)
    yield from _outside("dendrites", (line.dendrites for line in lines), 0, most=MOST)
    numbers = (value for line in lines for value in (line.train_loss, line.valid, line.learning_rate, line.score))
    yield from _outside("history", numbers, -LARGEST, most=LARGEST)
    if record.selection is not None:
        yield from _outside("selection", [record.selection.epoch, record.selection.score], -LARGEST, most=LARGEST)


def _outside(what: str, values: Iterable[float | None], least: float, *, most: float) -> Iterator[str]:
    """One sentence if a value is not within these bounds; None is no value."""
    numbers = [value for value in values if value is not None]
    if numbers and not (least <= min(numbers) and max(numbers) <= most and not any(map(math.isnan, numbers))):
        yield f"{what}: a value lies outside of {least:g} to {most:g}"
