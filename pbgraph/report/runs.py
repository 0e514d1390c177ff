"""Runs one by one, as rows for people and programs: a list, and all that was measured, with every setting.

Works from records alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from pbgraph.fields import shown
from pbgraph.history import Epoch
from pbgraph.humanize import duration, figure
from pbgraph.metrics import label_of, scale_of
from pbgraph.report.formats import csv_text, json_text
from pbgraph.report.markdown import markdown
from pbgraph.results.arms import shortened
from pbgraph.results.records import RunRecord
from pbgraph.terminal import visible_cell

Cell = str | int | float | bool | None
Row = dict[str, Cell]

LISTED = ("key", "arm", "seed", "preset", "split", "metric", "test", "valid", "seconds", "commit", "status")


def listed(record: RunRecord) -> Row:
    """What `runs` shows of a run; test and valid: the metric that selects."""
    spec, origin = record.spec, record.provenance
    return {
        "key": record.key,
        "arm": str(spec.arm),
        "seed": spec.seed,
        "preset": spec.preset,
        "split": spec.split,
        "metric": spec.metric,
        "test": _score(record, "test"),
        "valid": _score(record, "valid"),
        "seconds": record.cost.seconds if record.cost else None,
        "commit": _commit(record),
        "status": record.status,
        "error": record.error,
        "created": origin.created,
    }


def _score(record: RunRecord, part: str) -> float | None:
    return record.scores[part].metrics.get(record.spec.metric) if part in record.scores else None


def _commit(record: RunRecord) -> str:
    """The beginning of the commit, with a star where there were changes; "" outside of a checkout."""
    origin = record.provenance
    return origin.commit[:12] + ("*" if origin.dirty else "")


def to_markdown(records: Sequence[RunRecord]) -> str:
    """A line for each run; what failed says why, below."""
    rows, called = [listed(record) for record in records], shortened(record.spec.arm for record in records)
    scale = {metric: scale_of(metric, _tests(rows, metric)) for metric in {str(row["metric"]) for row in rows}}
    metrics = {label_of(str(row["metric"])) for row in rows}
    scores = [f"{part} {' / '.join(sorted(metrics))}" for part in ("test", "valid")]
    header = ("key", "arm", "seed", "preset", "split", *scores, "time", "commit", "status")
    lines = [
        (
            record.key,
            str(called[record.spec.arm]),
            *(str(row[name]) for name in ("seed", "preset", "split")),
            *(_figure(row[part], scale[str(row["metric"])]) for part in ("test", "valid")),
            duration(record.cost.seconds if record.cost else None),
            str(row["commit"]) or "-",
            record.status,
        )
        for row, record in zip(rows, records, strict=True)
    ]
    failed = [f"{row['key']} failed: {visible_cell(str(row['error']))}" for row in rows if row["error"]]
    return "\n".join([markdown(header, lines, right=(2, 5, 6, 7)), *failed]) + "\n"


def _tests(rows: Iterable[Row], metric: str) -> list[float | None]:
    return [value for row in rows if row["metric"] == metric and isinstance(value := row["test"], float)]


def _figure(value: Cell, scale: float) -> str:
    return figure(value, scale) if isinstance(value, float | int) else "-"


def to_csv(records: Sequence[RunRecord]) -> str:
    """The same for programs."""
    return as_csv([listed(record) for record in records], [*LISTED, "error", "created"])


def to_json(records: Sequence[RunRecord]) -> str:
    """The same for programs."""
    return json_text([listed(record) for record in records])


def as_csv(rows: Sequence[Mapping[str, Cell]], columns: Sequence[str] | None = None) -> str:
    """Rows as CSV; columns: in this order, else as rows bring them along. What a row lacks is blank."""
    names = columns if columns is not None else list(dict.fromkeys(name for row in rows for name in row))
    return csv_text(names, rows)


def run_rows(records: Iterable[RunRecord]) -> list[Row]:
    """A row for each run: what it is, its scores by every metric, what it cost, where it comes from, its settings.

    Columns test_METRIC and valid_METRIC; config.FIELD of the model and settings.FIELD of the method.
    """
    return [
        {
            **_identity(record),
            "status": record.status,
            "error": record.error,
            **_scores(record),
            **_cost(record),
            **_origin(record),
            **{f"config.{name}": value for name, value in record.spec.model_config.items()},
            **{f"settings.{name}": shown(name, value) for name, value in record.spec.settings.items()},
        }
        for record in records
    ]


def task_rows(records: Iterable[RunRecord]) -> list[Row]:
    """A row for each run, part ("valid", "test") and task of a finished run, with its scores and counts."""
    return [
        {
            **_identity(record),
            "part": part,
            "target": target,
            **{name: of_target.metrics.get(name) for name in record.metrics},
            "labelled": of_target.labelled,
            "positives": of_target.positives,
        }
        for record in records
        for part, score in record.scores.items()
        for target, of_target in score.tasks.items()
    ]


def history_rows(records: Iterable[RunRecord]) -> list[Row]:
    """A row for each epoch of each run; valid: the metric that selects."""
    names = Epoch.__dataclass_fields__
    return [
        {**_identity(record), **{name: getattr(line, name) for name in names}}
        for record in records
        for line in record.history
    ]


def _identity(record: RunRecord) -> Row:
    spec = record.spec
    return {
        "key": record.key,
        "task": spec.task,
        "split": spec.split,
        "preset": spec.preset,
        "model": spec.model,
        "method": spec.method,
        "variant": spec.arm.variant,
        "arm": str(spec.arm),
        "seed": spec.seed,
    }


def _scores(record: RunRecord) -> Row:
    return dict(_named_scores(record))


def _named_scores(record: RunRecord) -> Iterator[tuple[str, Cell]]:
    for part in ("test", "valid"):
        for name, value in sorted(record.scores[part].metrics.items()) if part in record.scores else ():
            yield f"{part}_{name}", value


def _cost(record: RunRecord) -> Row:
    names = ("parameters", "epochs", "seconds", "peak_memory_bytes", "sittings")
    return {name: getattr(record.cost, name) if record.cost else None for name in names}


def _origin(record: RunRecord) -> Row:
    spec, origin = record.spec, record.provenance
    return {
        "selected_epoch": record.selection.epoch if record.selection else None,
        "metric": spec.metric,
        "featuriser": spec.featuriser,
        "pretrained_on": origin.pretrained_on,
        "scored_from": str(origin.scored_from) if origin.scored_from else None,
        "control_of": spec.control_of,
        "created": origin.created,
        "commit": origin.commit,
        "dirty": origin.dirty,
        "device": origin.device,
        "numeric_platform": origin.numerics.name if origin.numerics else None,
    }
