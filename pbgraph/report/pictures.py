"""Pictures of a table: differences with their intervals, scores against what they cost, ranks with what tells apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pbgraph.errors import UsageError
from pbgraph.humanize import plural
from pbgraph.metrics import label_of
from pbgraph.report.comparisons import Comparison
from pbgraph.report.stats import Outcome
from pbgraph.report.studies import Point, frontier
from pbgraph.report.styles import Style, agg, place_legend, save_figure, styles_of
from pbgraph.report.tables import Row, Table
from pbgraph.report.texts import direction, p_text
from pbgraph.report.together import Together, cliques
from pbgraph.results.arms import Arm
from pbgraph.terminal import visible_cell

GREY = "#9e9e9e"
TOLD = {
    Outcome.BETTER: ("D", "better"),
    Outcome.WORSE: ("X", "worse"),
    Outcome.EQUAL: ("d", "equal in all pairs"),
    Outcome.EQUIVALENT: ("s", "equivalent"),
    Outcome.NOT_DISTINGUISHABLE: ("o", "not distinguishable"),
    Outcome.TOO_FEW: ("o", "not distinguishable"),
}
UNTOLD = (".", "no verdict")
COSTS = {"parameters": "parameters", "seconds": "seconds of a run"}


def draw_forest(tables: Mapping[str, Table], path: Path) -> None:
    """The paired differences of tables with their 95 % intervals, in rows, and the margin shaded.

    tables  by what their rows are to be called besides, "" for a single one
    path    its suffix says which format: .png, .svg or .pdf. Raises UsageError if nothing is compared
    """
    rows = [(name, one) for name, table in tables.items() for one in table.comparisons]
    if not rows:
        raise UsageError("no two of these arms are compared: there is no difference to draw")
    table = next(iter(tables.values()))
    called = {arm: name for table in tables.values() for arm, name in table.called.items()}
    figure, axis = agg().subplots(figsize=(9.5, 0.42 * len(rows) + 1.9), layout="constrained")
    relevant = table.margin.relevant
    axis.axvspan(-relevant, relevant, color="#e8e8e8", linewidth=0, label=f"differences below {relevant}", zorder=0)
    axis.axvline(0.0, color=GREY, linewidth=1)
    for place, (_, one) in enumerate(rows):
        _draw_difference(axis, place, one)
    labels = [" ".join(filter(None, (name, f"{called[one.a]} - {called[one.b]}"))) for name, one in rows]
    axis.set_yticks(range(len(rows)), list(map(visible_cell, labels)), fontsize=8)
    axis.set_ylim(len(rows) - 0.4, -0.6)
    axis.set_xlabel(f"difference in test {label_of(table.metrics[0])}{direction(table)}, 95 % interval")
    axis.grid(alpha=0.25, linewidth=0.5, axis="x")
    _legend(figure, [axis])
    save_figure(figure, path)


def _draw_difference(axis: Any, place: int, one: Comparison) -> None:
    mark, label = TOLD.get(one.verdict.outcome, UNTOLD)
    colour = {"better": "#0072b2", "worse": "#d55e00"}.get(label, "#222222")
    if one.interval is not None:
        axis.hlines(place, one.interval.low, one.interval.high, color=colour, linewidth=1.4)
    filled = "white" if mark == "o" else colour
    axis.plot([one.mean], [place], mark, color=colour, markerfacecolor=filled, markersize=7, label=label)


def draw_pareto(table: Table, path: Path) -> None:
    """Mean scores with 95 % intervals against parameters and against seconds, on log axes; the best for their cost.

    path  as of `draw_forest`. Raises UsageError where nothing has a cost
    """
    rows = [row for row in table.rows if row.test]
    axes_of = [name for name in COSTS if any(getattr(row, name) for row in rows)]
    if not axes_of:
        raise UsageError("none of these runs says what it took: there is nothing to draw scores against")
    called, styles = table.called, styles_of(_curve(row.arm, table) for row in rows)
    figure, axes = agg().subplots(
        1, len(axes_of), figsize=(5.4 * len(axes_of), 4.8), sharey=True, squeeze=False, layout="constrained"
    )
    for axis, cost in zip(axes[0], axes_of, strict=True):
        _draw_costs(axis, [row for row in rows if getattr(row, cost)], cost, table, (called, styles))
    axes[0][0].set_ylabel(f"test {label_of(table.metrics[0])}{direction(table)}")
    _legend(figure, axes[0])
    save_figure(figure, path)


def _draw_costs(
    axis: Any, rows: Sequence[Row], cost: str, table: Table, how: tuple[Mapping[Arm, Arm], Mapping[str, Style]]
) -> None:
    called, styles = how
    points = {row.arm: Point.of("", row.arm.method, getattr(row, cost), row.splits) for row in rows}
    best = frontier(list(points.values()), larger_is_better=table.margin.larger_is_better)
    costs = [point.parameters for point in best] + [max(point.parameters for point in points.values())]
    means = [point.mean for point in best] + [best[-1].mean]
    axis.step(
        costs, means, where="post", color="#bbbbbb", linewidth=5, alpha=0.6, zorder=0, label="best for their cost"
    )
    for arm, point in points.items():
        colour, mark = styles[_curve(arm, table)].colour, styles[_curve(arm, table)].mark
        axis.vlines(point.parameters, point.low, point.high, color=colour, linewidth=1)
        label = visible_cell(str(called[arm]))
        axis.plot([point.parameters], [point.mean], mark, color=colour, markersize=8, label=label)
    axis.set_xscale("log")
    axis.set_xlabel(COSTS[cost])
    axis.grid(alpha=0.25, linewidth=0.5, which="both")


def _curve(arm: Arm, table: Table) -> str:
    """What has a style of its own: the arm, or of a single model its method."""
    one_model = len({row.arm.model for row in table.rows}) == 1
    return arm.method if one_model and not arm.changes else str(arm)


def draw_critical_difference(table: Table, found: Together, path: Path) -> None:
    """Mean ranks, the best above; bars join arms whose ranks the Nemenyi test does not tell apart.

    path  as of `draw_forest`. Raises UsageError where there are no ranks
    """
    if found.ranks is None:
        raise UsageError(
            "ranks take two arms or more that have all their seeds, two splits or more, and differences that vary"
        )
    ranks, k, called = found.ranks, len(found.arms), table.called
    order = sorted(range(k), key=lambda place: ranks.mean[place])
    bars = cliques(ranks)
    figure, axis = agg().subplots(figsize=(9.5, 0.34 * k + 2.1), layout="constrained")
    mean = [ranks.mean[place] for place in order]
    axis.plot(mean, range(k), "o", color="#222222", label="mean rank")
    axis.hlines(range(k), 0.5, mean, color=GREY, linewidth=0.6)
    for number, (first, last) in enumerate(bars):
        at, label = k + 0.5 + 0.25 * number, "not told apart (Nemenyi, 95 %)" if number == 0 else None
        axis.plot([at, at], [first - 0.15, last + 0.15], "-", color="#0072b2", linewidth=4, label=label)
    span = [1, 1 + ranks.critical]
    label = f"critical difference, {ranks.critical:.2f}"
    axis.plot(span, [-0.8, -0.8], "|-", color="#d55e00", linewidth=2, markersize=9, label=label)
    axis.set_yticks(range(k), [visible_cell(str(called[found.arms[place]])) for place in order], fontsize=8)
    axis.set_ylim(k - 0.5, -1.3)
    axis.set_xlim(0.5, max(k + 0.8 + 0.25 * len(bars), span[1] + 0.3))
    axis.set_xticks(range(1, k + 1))
    blocks = plural(ranks.blocks, found.block)
    axis.set_xlabel(f"mean rank over {blocks} by test {label_of(table.metrics[0])}; Friedman p {p_text(ranks.p)}")
    axis.set_title(f"{table.protocol.task.split()[0]}, split {table.protocol.split.split()[0]}", fontsize=10)
    _legend(figure, [axis])
    save_figure(figure, path)


def _legend(figure: Any, axes: Sequence[Any]) -> None:
    """Every mark once, below the axes."""
    found = [pair for axis in axes for pair in zip(*axis.get_legend_handles_labels(), strict=True)]
    named = {label: handle for handle, label in reversed(found)}
    named = dict(reversed(named.items()))
    place_legend(figure, named)
