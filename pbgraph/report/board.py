"""One table of the leaderboard, as its template shows it: rows in order of score, plots, targets, statistics, files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from pbgraph.humanize import figure
from pbgraph.metrics import label_of
from pbgraph.report.downloads import Download, of_table
from pbgraph.report.inline_plots import Axis, difference, interval
from pbgraph.report.opened import MOST_TARGETS, Opened, opened
from pbgraph.report.per_target import PerTarget, per_target
from pbgraph.report.stats import mean_of_seeds
from pbgraph.report.tables import Row, Table
from pbgraph.report.texts import COMPARED, Texts, scales, texts
from pbgraph.report.together import Together, together
from pbgraph.report.together_text import PAIRED, notes_of, pair_rows, place_of
from pbgraph.results.arms import Arm
from pbgraph.results.records import RunRecord
from pbgraph.terminal import visible_cell

PLOT = "95 % interval"


@dataclass(frozen=True)
class BoardRow:
    """A row: its cells as text, but for the plot; and what the page filters and opens it by."""

    model: str
    method: str
    cells: tuple[str | Markup, ...]
    opened: Opened | None


@dataclass(frozen=True)
class HeatCell:
    """A mean score of one arm for one target, its place between the worst and the best of all in per cent."""

    text: str
    heat: int | None
    best: bool


@dataclass(frozen=True)
class Heat:
    """The scores of all arms by target."""

    targets: tuple[str, ...]
    rows: tuple[tuple[str, tuple[HeatCell, ...]], ...]


@dataclass(frozen=True)
class Board:
    """A table of the leaderboard with all that belongs to it.

    plots    number of the column in which a plot is
    best     which row is, in a sentence; "" where no places are given
    scale    the ends of the plots' axis, in words
    pairs    rows of the simultaneous intervals, under `paired`; block: what their blocks are
    """

    anchor: str
    title: str
    task: str
    split: str
    preset: str
    said: Texts
    table: Table
    header: tuple[str, ...]
    plots: int
    scale: str
    rows: tuple[BoardRow, ...]
    compared: tuple[str, ...]
    comparisons: tuple[tuple[str | Markup, ...], ...]
    notes: tuple[str, ...]
    best: str
    heat: Heat | None
    statistics: tuple[str, ...]
    paired: tuple[str, ...]
    pairs: tuple[tuple[str, ...], ...]
    block: str
    downloads: tuple[Download, ...]


def board(
    table: Table,
    records: Sequence[RunRecord],
    *,
    anchor: str,
    title: str,
    preset: str,
    command: str,
    notes: Sequence[str],
) -> Board:
    """All of one table.

    records  of its preset and split;  preset  by which it is shown, as commands have it
    command  that runs its task;  notes  about the table, of the page's own
    """
    said, found, view = texts(table), together(table), per_target(table, records)
    protocol = table.protocol
    plots = 5  # beside the first metric, after place, model, method, seeds and that metric
    axis = _axis(table)
    places = places_of(table, found)
    rows = [
        BoardRow(
            row.arm.model,
            row.arm.method,
            _with_plot((places[row.arm], *cells), _plot(row, axis), plots),
            opened(row.arm, table, records, command),
        )
        for row, cells in _in_order(table, said)
    ]
    scale = scales(table)[table.metrics[0]]
    return Board(
        anchor=anchor,
        title=title,
        task=protocol.task.split()[0],
        split=protocol.split.split()[0],
        preset=preset,
        said=said,
        table=table,
        header=("place", *said.header[: plots - 1], PLOT, *said.header[plots - 1 :]),
        plots=plots,
        scale=f"{figure(axis.low, scale)} to {figure(axis.high, scale)}",
        rows=tuple(rows),
        compared=(*COMPARED[:3], "difference", *COMPARED[3:]),
        comparisons=_comparisons(table, said),
        notes=(*_unplaced(table, places), *notes),
        best=_best(table, found) if "-" not in places.values() else "",
        heat=_heat(view),
        statistics=tuple(notes_of(table, found, None)),
        paired=PAIRED,
        pairs=tuple(pair_rows(table, found)),
        block=found.block,
        downloads=tuple(of_table(table, view, anchor)),
    )


def places_of(table: Table, found: Together) -> dict[Arm, str]:
    """The place of every row, "-" for all unless every declared run is there and there are several splits to go by."""
    if not found.pairs or any(row.missing or row.failed for row in table.rows) or found.left_out:
        return dict.fromkeys(table.arms, "-")
    return {arm: place_of(arm, found.places) for arm in found.arms}


def _unplaced(table: Table, places: Mapping[Arm, str]) -> list[str]:
    if "-" not in places.values():
        return []
    if any(row.missing or row.failed for row in table.rows):
        return ["No places: not every declared run of every row is there."]
    return ["No places: nothing here tells rows apart, for want of rows, seeds or differences between them."]


def _in_order(table: Table, said: Texts) -> list[tuple[Row, tuple[str, ...]]]:
    """Rows with their cells, the best mean first; those without any come last."""

    def key(pair: tuple[Row, tuple[str, ...]]) -> tuple[bool, float]:
        score = pair[0].metrics[table.metrics[0]]
        return (score is None, 0.0 if score is None else -table.margin.sign * score.mean)

    return sorted(zip(table.rows, said.rows, strict=True), key=key)


def _with_plot(cells: Sequence[str], plot: Markup, at: int) -> tuple[str | Markup, ...]:
    return (*cells[:at], plot, *cells[at:])


def _interval(row: Row) -> tuple[float, tuple[float, float] | None]:
    """The mean over splits with its plain 95 % t interval."""
    mean = mean_of_seeds(row.splits)
    return mean.mean, (mean.interval.low, mean.interval.high) if mean.interval else None


def _axis(table: Table) -> Axis:
    rows = [row for row in table.rows if row.test]
    ends = [end for row in rows for end in (_interval(row)[1] or ())]
    return Axis.around([*ends, *(score for row in rows for score in row.test.values())])


def _plot(row: Row, axis: Axis) -> Markup:
    if not row.test:
        return Markup("-")
    return interval(axis, *_interval(row), list(row.test.values()))


def _comparisons(table: Table, said: Texts) -> tuple[tuple[str | Markup, ...], ...]:
    relevant = table.margin.relevant
    ends = [(one.interval.low, one.interval.high) if one.interval else None for one in table.comparisons]
    values = [end for pair in ends for end in pair or ()] + [one.mean for one in table.comparisons]
    axis = Axis.around([*values, -1.5 * relevant, 1.5 * relevant])
    return tuple(
        _with_plot(cells, difference(axis, one.mean, pair, relevant), 3)
        for cells, one, pair in zip(said.comparisons, table.comparisons, ends, strict=True)
    )


def _heat(view: PerTarget) -> Heat | None:
    """None where there is one target, whose scores are those of the table, or too many to be beside each other."""
    if not 1 < len(view.targets) <= MOST_TARGETS:
        return None
    table, called = view.table, view.table.called
    metric, sign = table.metrics[0], table.margin.sign
    scale = scales(table)[metric]
    means = {
        row.arm: [None if (score := target.scores[row.arm][metric]) is None else score.mean for target in view.targets]
        for row, _ in _in_order(table, texts(table))
    }
    known = [mean for row in means.values() for mean in row if mean is not None] or [0.0]
    best = [
        max((sign * mean for mean in column if mean is not None), default=None)
        for column in zip(*means.values(), strict=True)
    ]
    worst, span = min(sign * mean for mean in known), max(known) - min(known) or 1.0
    cells = {
        arm: tuple(
            HeatCell("-", None, False)
            if mean is None
            else HeatCell(figure(mean, scale), round(100 * (sign * mean - worst) / span), sign * mean == top)
            for mean, top in zip(row, best, strict=True)
        )
        for arm, row in means.items()
    }
    targets = tuple(visible_cell(target.name) for target in view.targets)
    return Heat(targets, tuple((str(called[arm]), row) for arm, row in cells.items()))


def _best(table: Table, found: Together) -> str:
    called, scale = table.called, scales(table)[table.metrics[0]]
    label, mean = label_of(table.metrics[0]), figure(float(found.scores.mean(axis=0)[0]), scale)
    words = f"**{called[found.arms[0]]}** has the best mean, {label} {mean}"
    untold, others = len(found.first) - 1, len(found.arms) - 1
    if not untold:
        return f"{words}, and is told apart from all others."
    return f"{words}; {untold} of the {others} others {'is' if untold == 1 else 'are'} not told apart from it."
