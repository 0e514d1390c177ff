"""What papers report beside ours as text: Markdown, CSV and LaTeX; the leaderboard shows the same words and cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import accumulate

from pbgraph.humanize import figure, plural
from pbgraph.metrics import label_of, scale_of
from pbgraph.report.formats import csv_text
from pbgraph.report.latex import document, floats, note
from pbgraph.report.latex_grid import Grid
from pbgraph.report.markdown import bullets, markdown
from pbgraph.report.published import Beside, Published, Reported, expected_best
from pbgraph.report.texts import statistic_text

FORMATS: Mapping[str, str] = {
    "md": "pbgraph.report.published_formats:to_markdown",
    "tex": "pbgraph.report.published_formats:to_latex",
    "csv": "pbgraph.report.published_formats:to_csv",
}
BETWEEN = ("split", "metric")  # columns that LaTeX has as lines between rows
IN_NOTE = ("nearest row here", "what may differ", "source")  # and those that it has in a note
MEANS = (
    *("model", "nearest row here", *BETWEEN, "reported", "their runs", "ours", "our runs", "ours - theirs"),
    *("what may differ", "source"),
)
BESTS = (
    *("model", "nearest row here", *BETWEEN, "reported", "ours", "ours - theirs", "our mean", "our runs", "by chance"),
    *("what may differ", "source"),
)
OURS = (  # columns of CSV beside those of the file
    *("ours_preset", "ours_features", "ours_runs", "ours_mean", "ours_sd", "ours_best"),
    *("difference", "by_chance"),
)
APART = (
    "Each value is as its source has it, under a protocol of its own, and ranks nowhere. Ours are means ± SD over the "
    "runs that there are; differences are of unpaired numbers, and nothing tests them."
)


@dataclass(frozen=True)
class Said:
    """The values of a task in words and figures.

    means  rows under `MEANS`;  bests: rows under `BESTS`
    no_result  why the latter are none
    notes      what is missing beside them
    """

    means: tuple[tuple[str, ...], ...]
    bests: tuple[tuple[str, ...], ...]
    no_result: str
    notes: tuple[str, ...]


def said(reported: Reported) -> Said:
    """What people are shown."""
    counts = sorted({count for one in reported.bests if (count := one.published.best_of) is not None})
    return Said(
        tuple(map(_mean_cells, reported.means)),
        tuple(map(_best_cells, reported.bests)),
        _no_result(counts) if counts else "",
        tuple(one.problem for one in reported.values if one.problem),
    )


def _no_result(counts: Sequence[int]) -> str:
    """Why the best of so many runs is none, and what it is worth."""
    worth = " and ".join(f"the best of {n:,} is expected {expected_best(n):.2f} SD from their mean" for n in counts)
    return (
        "No result, whoever reports it: the more runs, the better the best of their test scores, whatever the model, "
        f'and the test rows themselves choose it. Of runs that differ by chance alone {worth}; "by chance" is that '
        "with the SD of ours. Ours is the best of as many runs, the first ones; where there are fewer, there is none."
    )


def _mean_cells(one: Beside) -> tuple[str, ...]:
    value, scale = one.published, _scale(one)
    return (
        *_names(one),
        " ± ".join(filter(None, (value.value, value.sd))),
        value.repeats or "-",
        statistic_text(one.mean, scale),
        _runs(one),
        _signed(one.difference, scale),
        value.differs or "-",
        value.source,
    )


def _best_cells(one: Beside) -> tuple[str, ...]:
    value, scale = one.published, _scale(one)
    mean = (statistic_text(one.mean, scale), _runs(one))
    few = f"{len(one.scores)} of {plural(value.best_of or 0, 'run')}" if value.arm else "-"
    return (
        *_names(one),
        f"{value.value}, {value.statistic}",
        few if one.ours is None else figure(one.ours, scale),
        _signed(one.difference, scale),
        *mean,
        _signed(one.by_chance, scale),
        value.differs or "-",
        value.source,
    )


def _names(one: Beside) -> tuple[str, ...]:
    value = one.published
    metric = label_of(value.metric) + ("" if one.sign > 0 else " (smaller is better)")
    return (value.model, _nearest(one), value.split, metric)


def _nearest(one: Beside) -> str:
    """Which runs of ours: their row, preset and features."""
    arm = one.published.arm
    if not arm:
        return "-"
    if one.scores:
        return f"{arm}, preset {one.preset}, features {one.features}"
    if one.problem:
        return f"{arm}: see below"
    if one.preset:
        return f"{arm}: no score by this metric"
    return f"{arm}: no run" + (f" of preset {one.wanted}" if one.wanted else "") + " on this split"


def _runs(one: Beside) -> str:
    count = len(one.scores)
    return "-" if not count else str(count) if count == one.declared else f"{count} of {one.declared}"


def _signed(number: float | None, scale: float) -> str:
    return "-" if number is None else figure(number, scale, sign="+")


def _scale(one: Beside) -> float:
    return scale_of(one.published.metric, [one.published.number, *one.scores])


def title_of(reported: Reported) -> str:
    """What it is called."""
    return f"{reported.task}: what papers report, and the nearest rows here"


def to_markdown(reported: Reported) -> str:
    """For people: the means, and in a table of its own what is no result."""
    words = said(reported)
    parts = [f"## {title_of(reported)}"]
    if words.means:
        parts += [APART, markdown(MEANS, words.means, right=range(4, 9))]
    if words.bests:
        parts += [words.no_result, markdown(BESTS, words.bests, right=range(4, 10))]
    return "\n\n".join(filter(None, [*parts, bullets(words.notes)])) + "\n"


def to_latex(reported: Reported) -> str:
    """The same as LaTeX: the scores in tabulars that fit; what may differ, and sources, in a note on each row."""
    words = said(reported)
    means, of_means = _grid(MEANS, words.means, first=1)
    bests, of_bests = _grid(BESTS, words.bests, first=1 + len(of_means))
    pieces = []
    if words.means:
        pieces.append(floats([means], f"{title_of(reported)}. {APART}", f"{reported.task}-published"))
    if words.bests:
        caption = f"{reported.task}: the best of several runs. {words.no_result}"
        pieces.append(floats([bests], caption, f"{reported.task}-published-best"))
    return document([*pieces, note([*of_means, *of_bests, *words.notes])])


def _grid(header: Sequence[str], rows: Sequence[tuple[str, ...]], *, first: int) -> tuple[Grid, list[str]]:
    """The scores, those of one split and metric under a line that says which; and a note on each row.

    first  number of the first note
    """
    groups: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        cells = dict(zip(header, row, strict=True))
        groups.setdefault(f"split {cells['split']}, {cells['metric']}", []).append(cells)
    every = [cells for same in groups.values() for cells in same]
    shown = [name for name in header if name not in IN_NOTE and name not in BETWEEN]
    notes = []
    for number, cells in enumerate(every, first):
        notes.append(f"[{number}] " + "; ".join(f"{name}: {cells[name]}" for name in IN_NOTE if cells[name] != "-"))
        cells["model"] += f" [{number}]"
    starts = accumulate(map(len, groups.values()), initial=0)
    lines = [[cells[name] for name in shown] for cells in every]
    return Grid(shown, lines, words=1, groups=dict(zip(starts, groups, strict=False))), notes


def to_csv(reported: Reported) -> str:
    """A line for each value: what the file has, and ours unrounded; a cell that has no value is blank.

    ours_best  of the first N runs, beside a "best of N";  by_chance: how far that is expected from ours_mean
    """
    lines = [{**asdict(one.published), **dict(zip(OURS, _csv_cells(one), strict=True))} for one in reported.values]
    return csv_text([*(field.name for field in fields(Published)), *OURS], lines)


def _csv_cells(one: Beside) -> tuple[object, ...]:
    mean, best = one.mean, one.published.best_of is not None
    statistics = (mean and mean.mean, mean and mean.sd, one.ours if best else None)
    return (one.preset, one.features, len(one.scores), *statistics, one.difference, one.by_chance)
