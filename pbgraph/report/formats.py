"""Tables and comparisons as text: Markdown for people, CSV and JSON for programs."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec

from pbgraph.humanize import duration, figure, ranges
from pbgraph.methods.roles import PLAIN
from pbgraph.metrics import METRICS, label_of, scale_of
from pbgraph.report.comparisons import Comparison
from pbgraph.report.stats import Interval
from pbgraph.report.tables import Row, Statistic, Table
from pbgraph.report.wording import answers, how_compared, verdict_words
from pbgraph.results.arms import shortened
from pbgraph.terminal import no_formula, visible_cell

MOST_TASKS, MOST_NAMED = 30, 5  # tasks that are listed one by one, in a table and in a note
COMPARED = ("A", "B", "A - B", "95 % interval", "p", "verdict")


@dataclass(frozen=True)
class Texts:
    """What a table says, the same in Markdown, LaTeX and HTML.

    title, protocol  what is shown, and under which conditions it was measured
    header, rows     names in the first two columns, numbers after them
    note, comparisons  how arms were compared, and one row per pair under `COMPARED`
    answers          one sentence per arm with dendrites, the model in **bold**
    notes            what is missing, failed or undefined, and where the runs come from
    """

    title: str
    protocol: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str
    comparisons: tuple[tuple[str, ...], ...]
    answers: tuple[str, ...]
    notes: tuple[str, ...]


def texts(table: Table) -> Texts:
    """A table as text, its rows called by names that are no longer than it takes to tell them apart."""
    table = _as_called(table)
    against_plain = {comparison.a: comparison for comparison in table.comparisons if comparison.b.method == PLAIN}
    by_metric = scales(table)
    scale = by_metric[table.metrics[0]]
    return Texts(
        title=_title(table),
        protocol=_protocol(table),
        header=_columns(table),
        rows=tuple(
            _cells(row, table.protocol.seeds, against_plain.get(row.arm), by_metric=by_metric) for row in table.rows
        ),
        note=how_compared(table.comparisons, table.margin.relevant),
        comparisons=tuple(_comparison(comparison, scale) for comparison in table.comparisons),
        answers=tuple(answers(table)),
        notes=(
            *_missing(table.rows),
            *_failures(table.rows),
            *_undefined(table),
            *_tried(table),
            *_origins(table),
        ),
    )


def _as_called(table: Table) -> Table:
    called = shortened(table.arms)
    return replace(
        table,
        rows=tuple(
            replace(row, arm=called[row.arm], label=called[row.arm].row if row.label == row.arm.row else row.label)
            for row in table.rows
        ),
        comparisons=tuple(replace(one, a=called[one.a], b=called[one.b]) for one in table.comparisons),
    )


def scales(table: Table) -> dict[str, float]:
    """The magnitude of every metric's scores in a table, see `pbgraph.humanize.figure`."""
    means = {name: [row.metrics[name] for row in table.rows] for name in table.metrics}
    return {
        name: scale_of(name, [statistic.mean for statistic in statistics if statistic is not None])
        for name, statistics in means.items()
    }


def to_markdown(table: Table) -> str:
    """The table for people, with its protocol, its comparisons, an answer in words, and what is missing or failed."""
    said = texts(table)
    parts = [f"## {as_markdown(said.title)}\n\n{as_markdown(said.protocol)}"]
    parts.append(markdown(said.header, said.rows, right=range(2, len(said.header) - 1)))
    if said.comparisons:
        parts += [said.note + "\n\n" + markdown(COMPARED, said.comparisons, right=(2, 4)), bullets(said.answers)]
    return "\n\n".join(filter(None, [*parts, bullets(said.notes)])) + "\n"


def bullets(lines: Iterable[str]) -> str:
    """A list in Markdown."""
    return "\n".join(f"- {as_markdown(line)}" for line in lines)


def as_markdown(text: str) -> str:
    """Text in which no HTML and no link is left, however it came into a record.

    >>> as_markdown("<b> <0.001 [a](b)")
    '&lt;b> <0.001 [a]\\\\(b)'
    """
    return re.sub(r"\]([(\[:])", r"]\\\1", re.sub(r"<(?=[A-Za-z/!?])", "&lt;", visible_cell(text)))


def to_csv(table: Table) -> str:
    """One line per arm; numbers unrounded, a cell that has no value is blank."""
    text = io.StringIO()
    writer = csv.DictWriter(text, _csv_columns(table), lineterminator="\n")
    writer.writeheader()
    against_plain = {comparison.a: comparison for comparison in table.comparisons if comparison.b.method == PLAIN}
    writer.writerows(
        {name: no_formula(value) for name, value in _csv_line(table, row, against_plain.get(row.arm)).items()}
        for row in table.rows
    )
    return text.getvalue()


def _columns(table: Table) -> tuple[str, ...]:
    metrics = [label_of(name) for name in table.metrics]
    return ("model", "method", "seeds", *metrics, "parameters", "epochs", "time", f"difference to {PLAIN}")


def _csv_columns(table: Table) -> tuple[str, ...]:
    metrics = [column for name in table.metrics for column in (name, f"{name}_sd")]
    return (
        *("protocol", "task", "split", "preset", "model", "method", "variant", "seeds", "missing", "failed"),
        *(*metrics, f"valid_{table.metrics[0]}"),
        *("parameters", "epochs", "seconds"),
        *("difference", "low", "high", "p", "p_holm", "verdict"),
    )


def to_json(table: Table) -> str:
    """Everything the table holds."""
    content = {
        "protocol_id": table.protocol.id,
        "protocol": table.protocol,
        "rows": [_row_content(row) for row in table.rows],
        "comparisons": [_comparison_content(comparison) for comparison in table.comparisons],
        "metrics": table.metrics,
        "yardstick": table.margin,
        "commits": table.commits,
        "software": table.software,
        "numerics": table.numerics,
        "others": table.others,
        "pretrained": table.pretrained,
        "declared": table.declared,
        "settings_tried": {
            str(arm): [{"trials": budget.trials, "seeds": budget.seeds} for budget in searches]
            for arm, searches in table.tried.items()
        },
    }
    return json_text(content)


def _row_content(row: Row) -> dict[str, object]:
    content = msgspec.to_builtins(row, str_keys=True)
    return {**content.pop("arm"), "changes": dict(row.arm.changes), **content}


def _comparison_content(comparison: Comparison) -> dict[str, object]:
    return {
        "a": str(comparison.a),
        "b": str(comparison.b),
        "seeds": comparison.seeds,
        "mean": comparison.mean,
        "interval": comparison.interval,
        "p": comparison.p,
        "p_holm": comparison.p_holm,
        "complete": comparison.complete,
        "verdict": verdict_words(comparison),
        "one_split": comparison.one_split,
    }


def json_text(content: object) -> str:
    """JSON for programs, in which what would command a terminal stands as its number."""
    text = msgspec.json.format(msgspec.json.encode(content), indent=1).decode() + "\n"
    if text.replace("\n", "").isprintable():
        return text
    return re.sub(r"[^\n]", lambda match: match[0] if match[0].isprintable() else json.dumps(match[0])[1:-1], text)


def comparison_lines(
    comparison: Comparison, scores: Mapping[int, tuple[float, float]], bootstrap: Interval | None, *, scale: float = 1.0
) -> str:
    """One comparison for people, seed by seed; scores: seed -> (a, b), of this magnitude."""
    called = shortened([comparison.a, comparison.b])
    comparison = replace(comparison, a=called[comparison.a], b=called[comparison.b])
    seeds = [
        (str(seed), figure(a, scale), figure(b, scale), figure(a - b, scale, sign="+"))
        for seed, (a, b) in scores.items()
    ]
    lines = [
        f"mean difference            {figure(comparison.mean, scale, sign='+')}",
        f"95 % interval, {'plain' if comparison.one_split else 'corrected'} t".ljust(27)
        + interval_of(comparison.interval, scale),
        f"95 % interval, bootstrap   {interval_of(bootstrap, scale)}",
        f"p                          {_p(comparison.p)}",
        f"verdict                    {verdict_words(comparison)}",
    ]
    if comparison.one_split:
        lines.append("all seeds share one split: the t interval and p speak of initialisations, not of other molecules")
    return (
        markdown(("seed", str(comparison.a), str(comparison.b), "difference"), seeds, right=range(4))
        + "\n\n"
        + "\n".join(lines)
        + "\n"
    )


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]], *, right: Iterable[int] = ()) -> str:
    """A Markdown table whose columns also line up in a terminal; right: columns that are flush right."""
    escaped = [[as_markdown(cell).replace("|", "\\|") for cell in row] for row in (header, *rows)]
    lines, flush = list(map(tuple, escaped)), set(right)
    widths = [max(3, *(len(line[c]) for line in lines)) for c in range(len(header))]
    rule = [("-" * (width - 1) + ":") if c in flush else "-" * width for c, width in enumerate(widths)]
    padded = [
        [
            cell.rjust(width) if c in flush else cell.ljust(width)
            for c, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        for line in lines
    ]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [padded[0], rule, *padded[1:]])


def _title(table: Table) -> str:
    protocol = table.protocol
    seeds = f"seed{'' if len(protocol.seeds) == 1 else 's'} {ranges(protocol.seeds)}"
    return f"{protocol.task.split()[0]}: test {label_of(table.metrics[0])}{direction(table)}, mean ± SD over {seeds}"


def _protocol(table: Table) -> str:
    protocol = table.protocol
    features = ", ".join(f"{visible_cell(name)} ({', '.join(models)})" for name, models in protocol.features.items())
    return (
        f"Protocol {protocol.id}: {protocol.task}, {protocol.rows - protocol.rejected:,} of {protocol.rows:,} rows; "
        f"split {protocol.split}; metric {protocol.metric}, mean over tasks; features {features}; "
        f"preset {protocol.preset}; {protocol.selection}."
    )


def direction(table: Table) -> str:
    """What a heading adds where smaller is better."""
    return "" if table.margin.larger_is_better else " (smaller is better)"


def _cells(
    row: Row, seeds: Sequence[int], difference: Comparison | None, *, by_metric: Mapping[str, float]
) -> tuple[str, ...]:
    count = str(len(row.seeds)) if len(row.seeds) == len(seeds) else f"{len(row.seeds)} of {len(seeds)}"
    return (
        row.label,
        row.arm.method,
        count,
        *(figure_of(statistic, by_metric[name]) for name, statistic in row.metrics.items()),
        "-" if row.parameters is None else f"{row.parameters:,.0f}",
        "-" if row.epochs is None else f"{row.epochs:.0f}",
        duration(row.seconds),
        "-" if difference is None else _difference(difference, next(iter(by_metric.values()))),
    )


def _comparison(comparison: Comparison, scale: float) -> tuple[str, ...]:
    mean = figure(comparison.mean, scale, sign="+")
    return (
        str(comparison.a),
        str(comparison.b),
        mean,
        interval_of(comparison.interval, scale),
        _p(comparison.p_holm),
        verdict_words(comparison),
    )


def _missing(rows: Sequence[Row]) -> list[str]:
    return [f"missing: {row.arm} seeds {ranges(row.missing)}" for row in rows if row.missing]


def _failures(rows: Sequence[Row]) -> list[str]:
    return [
        f"failed: {row.arm} seed {seed}: {visible_cell(error)}" for row in rows for seed, error in row.failed.items()
    ]


def _undefined(table: Table) -> list[str]:
    """One note per arm: its undefined tasks by name, or where they are many, their number."""
    classes = METRICS.get(table.metrics[0]).kind == "classification"
    reason = "one class only" if classes else f"{label_of(table.metrics[0])} undefined"
    return [
        f"{reason}, left out of the mean: {row.arm}, {_tasks_in_runs(row.undefined, len(row.seeds))}"
        for row in table.rows
        if row.undefined
    ]


def _tried(table: Table) -> list[str]:
    """How many settings of the arms were tried, arms with equal budgets together; [] where nothing was searched."""
    if not any(table.tried.values()):
        return []
    arms: dict[str, list[str]] = {}
    for arm, searches in table.tried.items():
        words = " and ".join(f"{budget.trials} on seeds {ranges(budget.seeds)}" for budget in searches)
        arms.setdefault(words or "0", []).append(str(arm))
    same = "" if len(arms) == 1 else "; the arms were not searched alike"
    return ["settings tried: " + "; ".join(f"{words} ({', '.join(names)})" for words, names in arms.items()) + same]


def _tasks_in_runs(undefined: Mapping[str, int], runs: int) -> str:
    if len(undefined) <= MOST_NAMED:
        return ", ".join(f"{visible_cell(target)} in {count} of {runs} runs" for target, count in undefined.items())
    least, most = min(undefined.values()), max(undefined.values())
    times = str(most) if least == most else f"{least} to {most}"
    return f"{len(undefined)} tasks in {times} of {runs} runs"


def _origins(table: Table) -> list[str]:
    dirty = "; * = with uncommitted changes" if any(commit.endswith("*") for commit in table.commits) else ""
    others = [f"code of other packages: {_runs(table.others)}"] if table.others else []
    pretrained = [f"pretrained elsewhere: {_runs(table.pretrained)}"] if table.pretrained else []
    mixed = (
        "; between platforms numbers may differ, by one and equal versions of packages they are equal bit for bit"
        if len(table.numerics) > 1
        else ""
    )
    return [
        table.declared,
        f"source commit: {_runs(table.commits)}{dirty}",
        *others,
        *pretrained,
        f"software: {_runs(table.software)}",
        f"numeric platform: {_runs(table.numerics)}{mixed}",
    ]


def _runs(counts: Mapping[str, int]) -> str:
    return "; ".join(f"{_shown(name)} ({runs} run{'' if runs == 1 else 's'})" for name, runs in counts.items())


def _shown(name: str) -> str:
    return f"unknown{name}" if name in ("", "*") else visible_cell(name)


def _csv_line(table: Table, row: Row, difference: Comparison | None) -> dict[str, object]:
    protocol = table.protocol
    line: dict[str, object] = {
        "protocol": protocol.id,
        "task": protocol.task,
        "split": protocol.split,
        "preset": protocol.preset,
        "model": row.arm.model,
        "method": row.arm.method,
        "variant": row.arm.variant,
        "seeds": len(row.seeds),
        "missing": len(row.missing),
        "failed": len(row.failed),
        "parameters": row.parameters,
        "epochs": row.epochs,
        "seconds": row.seconds,
        f"valid_{table.metrics[0]}": row.valid and row.valid.mean,
    }
    for name, statistic in row.metrics.items():
        if statistic is not None:
            line |= {name: statistic.mean, f"{name}_sd": statistic.sd}
    if difference is not None:
        interval = difference.interval
        line |= {"difference": difference.mean, "p": difference.p, "p_holm": difference.p_holm}
        line |= {
            "low": interval and interval.low,
            "high": interval and interval.high,
            "verdict": verdict_words(difference),
        }
    return line


def figure_of(value: Statistic | None, scale: float) -> str:
    """Mean ± SD among others of a magnitude."""
    if value is None:
        return "-"
    return " ± ".join(figure(number, scale) for number in (value.mean, value.sd) if number is not None)


def interval_of(interval: Interval | None, scale: float) -> str:
    """An interval among others of a magnitude."""
    if interval is None:
        return "-"
    return f"[{figure(interval.low, scale, sign='+')}, {figure(interval.high, scale, sign='+')}]"


def _difference(comparison: Comparison, scale: float) -> str:
    interval = "" if comparison.interval is None else f" {interval_of(comparison.interval, scale)}"
    return figure(comparison.mean, scale, sign="+") + interval


def _p(p: float | None) -> str:
    if p is None:
        return "-"
    return "<0.001" if p < 0.001 else f"{p:.3f}"
