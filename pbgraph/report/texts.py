"""What a table says, put in words and figures once: Markdown, LaTeX and web pages show the same texts.

A column for people is a name in `_columns` and a cell in `_cells`; its value is a field of `pbgraph.report.tables.Row`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pbgraph.humanize import duration, figure, plural, ranges
from pbgraph.methods.roles import PLAIN
from pbgraph.metrics import METRICS, label_of, scale_of, stands_unasked
from pbgraph.report.comparisons import Comparison
from pbgraph.report.kept import kept_notes
from pbgraph.report.stats import Interval
from pbgraph.report.tables import Row, Statistic, Table
from pbgraph.report.wording import answers, how_compared, verdict_words
from pbgraph.results.arms import Arm, shortened
from pbgraph.results.compared import Pair
from pbgraph.terminal import visible_cell

MOST_NAMED = 5  # tasks that are listed one by one in a note
COMPARED = ("A", "B", "A - B", "95 % interval", "p", "verdict")


@dataclass(frozen=True)
class Texts:
    """What a table says, the same in Markdown, LaTeX and HTML.

    title, protocol  what is shown, and under which conditions it was measured
    header, rows     names in the first two columns, numbers after them
    note, comparisons  how arms were compared, and one row per pair under `COMPARED`
    answers          what came of the comparison that the plan is made for, and one sentence per arm with dendrites
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
    by_metric = scales(table)
    scale = by_metric[table.metrics[0]]
    # of arms as they are: by their models they are told to belong together
    labelled, said, against_plain = _labelled(table), answers(table), list(map(table.against_plain.get, table.arms))
    kept = kept_notes(table, scale, direction(table))
    table = _as_called(table)
    return Texts(
        title=title_of(table, table.metrics[0]),
        protocol=_protocol(table),
        header=_columns(table),
        rows=tuple(
            _cells(row, table.protocol.seeds, difference, by_metric=by_metric)
            for row, difference in zip(table.rows, against_plain, strict=True)
        ),
        note=how_compared(table, table.comparisons),
        comparisons=tuple(_comparison(comparison, scale) for comparison in table.comparisons),
        answers=(*_primary(table, scale), *said),
        notes=(
            *labelled,
            *_missing(table.rows),
            *_failures(table.rows),
            *_undefined(table),
            *_unscored(table),
            *kept,
            *_tried(table),
            *_origins(table),
        ),
    )


def _as_called(table: Table) -> Table:
    called = table.called
    return replace(
        table,
        rows=tuple(replace(row, arm=called[row.arm], label=called[row.arm].row) for row in table.rows),
        comparisons=tuple(replace(one, a=called[one.a], b=called[one.b]) for one in table.comparisons),
        primary=_both(table.primary, called),
        tried={called[arm]: searches for arm, searches in table.tried.items()},
    )


def _labelled(table: Table) -> list[str]:
    """One note for every row that is called by a label: the arm by its settings, as commands take it."""
    called, short = table.called, shortened(table.arms)
    return [f"{called[arm]}: {short[arm]}" for arm in table.arms if called[arm] != short[arm]]


def _both(primary: Pair | None, called: Mapping[Arm, Arm]) -> Pair | None:
    """What the two are called, where the table has both."""
    return (called[primary[0]], called[primary[1]]) if primary and set(primary) <= called.keys() else None


def scales(table: Table) -> dict[str, float]:
    """The magnitude of every metric's scores in a table, see `pbgraph.humanize.figure`."""
    means = {name: [row.metrics[name] for row in table.rows] for name in table.metrics}
    return {
        name: scale_of(name, [statistic.mean for statistic in statistics if statistic is not None])
        for name, statistics in means.items()
    }


def _columns(table: Table) -> tuple[str, ...]:
    metrics = [label_of(name) for name in table.metrics]
    return (
        "model",
        "method",
        "runs" if table.again else "seeds",
        *metrics,
        "parameters",
        "epochs",
        "time",
        f"difference to {PLAIN}",
    )


def title_of(table: Table, metric: str) -> str:
    """What a table is called that shows this metric of the test rows."""
    protocol = table.protocol
    return f"{protocol.task.split()[0]}: test {label_of(metric)}{direction(table, metric)}, {_over(table)}"


def _over(table: Table) -> str:
    """What the numbers are over: there is a mean where a row has two seeds or more, and no SD of one."""
    seeds = table.protocol.seeds
    if len(seeds) == 1:
        return f"seed {seeds[0]}"
    several = any(len(row.seeds) > 1 for row in table.rows)
    if several and table.again:
        once, again = (ranges([s for s in seeds if (s in table.again) is of]) for of in (False, True))
        return f"mean ± SD over the splits of seeds {once}, of which those with a second run, {again}, count once"
    return f"mean ± SD over seeds {ranges(seeds)}" if several else f"one of seeds {ranges(seeds)} in each row"


def _protocol(table: Table) -> str:
    protocol = table.protocol
    features = ", ".join(f"{visible_cell(name)} ({', '.join(models)})" for name, models in protocol.features.items())
    return (
        f"Protocol {protocol.id}: {protocol.task}, {protocol.rows - protocol.rejected:,} of {protocol.rows:,} rows; "
        f"split {protocol.split}; metric {protocol.metric}, mean over tasks; features {features}; "
        f"preset {protocol.preset}; {protocol.selection}."
    )


def direction(table: Table, metric: str | None = None) -> str:
    """What a heading adds where smaller is better: of a metric, or of the one that selects."""
    return "" if larger_is_better(table, metric or table.metrics[0]) else " (smaller is better)"


def larger_is_better(table: Table, metric: str) -> bool:
    """Of a metric of a table; raises UsageError or PbgraphError if it is not the one that selects and cannot be had."""
    return table.margin.larger_is_better if metric == table.metrics[0] else METRICS.get(metric).larger_is_better


def _cells(
    row: Row, seeds: Sequence[int], difference: Comparison | None, *, by_metric: Mapping[str, float]
) -> tuple[str, ...]:
    count = str(len(row.seeds)) if len(row.seeds) == len(seeds) else f"{len(row.seeds)} of {len(seeds)}"
    return (
        row.label,
        row.arm.method,
        count,
        *(statistic_text(statistic, by_metric[name]) for name, statistic in row.metrics.items()),
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
        interval_text(comparison.interval, scale),
        p_text(comparison.p_holm),
        verdict_words(comparison),
    )


def _primary(table: Table, scale: float) -> list[str]:
    """What came of the comparison that the plan is made for."""
    if table.primary is None:
        return []
    for one in table.comparisons:
        if {one.a, one.b} == set(table.primary):
            return [f"**Primary comparison**: {one.a} - {one.b} is {_difference(one, scale)}; {verdict_words(one)}."]
    return ["**Primary comparison**: {} against {} has no run of both yet.".format(*table.primary)]


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


def _unscored(table: Table) -> list[str]:
    """One note per metric that somebody asked for: the arms that have no value of it."""
    return [
        f"{label_of(name)} is not known of every run, as of earlier ones, or undefined: "
        + ", ".join(str(row.arm) for row in lacking)
        for name in table.metrics[1:]
        if not stands_unasked(name)
        if (lacking := [row for row in table.rows if row.seeds and row.metrics[name] is None])
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
        return ", ".join(
            f"{visible_cell(target)} in {count} of {plural(runs, 'run')}" for target, count in undefined.items()
        )
    least, most = min(undefined.values()), max(undefined.values())
    times = str(most) if least == most else f"{least} to {most}"
    return f"{len(undefined)} tasks in {times} of {plural(runs, 'run')}"


def _origins(table: Table) -> list[str]:
    dirty = "; * = with uncommitted changes" if any(commit.endswith("*") for commit in table.commits) else ""
    others = [f"code of other packages: {_runs(table.others)}"] if table.others else []
    pretrained = [f"pretrained elsewhere: {_runs(table.pretrained)}"] if table.pretrained else []
    mixed = (
        "; between platforms numbers may differ, by one and equal versions of packages they are equal bit for bit"
        if len(table.numerics) > 1
        else ""
    )
    how = "external: predicted by other tools, of which is not known what they were trained on, and scored here"
    external = [f"{how}: {_names(table.external)}"] if table.external else []
    averages = [f"average, seed by seed, of what was predicted: {_runs(table.averages)}"] if table.averages else []
    ours = [
        table.declared,
        f"source commit: {_runs(table.commits)}{dirty}",
        *others,
        *pretrained,
        f"software: {_runs(table.software)}",
        f"processor: {_runs(table.processors)}",
        f"time: {duration(table.seconds)} in all, one run after the other; what several runs share counts in each",
        f"numeric platform: {_runs(table.numerics)}{mixed}",
    ]
    return [*(ours if table.commits else pretrained), *averages, *external]


def _runs(counts: Mapping[str, int]) -> str:
    return "; ".join(f"{_shown(name)} ({plural(runs, 'run')})" for name, runs in counts.items())


def _names(counts: Mapping[str, int]) -> str:
    return "; ".join(map(_shown, counts))


def _shown(name: str) -> str:
    return f"unknown{name}" if name in ("", "*") else visible_cell(name)


def statistic_text(value: Statistic | None, scale: float) -> str:
    """Mean ± SD at this magnitude; "-" where there is none."""
    if value is None:
        return "-"
    return " ± ".join(figure(number, scale) for number in (value.mean, value.sd) if number is not None)


def interval_text(interval: Interval | None, scale: float) -> str:
    """Both ends with their signs, at this magnitude; "-" where there is none."""
    if interval is None:
        return "-"
    return f"[{figure(interval.low, scale, sign='+')}, {figure(interval.high, scale, sign='+')}]"


def _difference(comparison: Comparison, scale: float) -> str:
    interval = "" if comparison.interval is None else f" {interval_text(comparison.interval, scale)}"
    return figure(comparison.mean, scale, sign="+") + interval


def p_text(p: float | None) -> str:
    """A p-value to three places; "-" where there is none."""
    if p is None:
        return "-"
    return "<0.001" if p < 0.001 else f"{p:.3f}"
