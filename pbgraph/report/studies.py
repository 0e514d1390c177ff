"""A study's records -> one table and one picture. Works from records alone, as `pbgraph.report.tables` does.

Every preset of a study has a table and a protocol of its own; p-values are corrected over the comparisons of them all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from pbgraph.errors import UsageError
from pbgraph.metrics import label_of
from pbgraph.plans.declaration import Study
from pbgraph.report.columns import flush_right, narrowed
from pbgraph.report.families import declared_by_study, family_of, rows_and_seeds
from pbgraph.report.formats import json_text, to_csv, to_json
from pbgraph.report.latex import document, floats, in_bold, measured, note
from pbgraph.report.latex_grid import Grid
from pbgraph.report.markdown import bullets, markdown
from pbgraph.report.stats import mean_of_seeds
from pbgraph.report.styles import Style, agg, save_figure, styles_of
from pbgraph.report.tables import Table, make_table
from pbgraph.report.terms import Terms
from pbgraph.report.texts import COMPARED, direction, texts
from pbgraph.report.wording import how_compared
from pbgraph.results.arms import Arm
from pbgraph.results.background import NOTHING, Background
from pbgraph.results.protocol import choices
from pbgraph.results.records import RunRecord

if TYPE_CHECKING:
    from pbgraph.plans.plan import Plan

ASIDE = 1.03  # factor on the parameters from one method to the next, in the picture alone


@dataclass(frozen=True)
class StudyTable:
    """The tables of a study's presets, by name and in its order; one without any finished run is left out."""

    study: Study
    tables: Mapping[str, Table]

    @property
    def first(self) -> Table:
        """One of them, for what all have in common: task, metric, margin."""
        return next(iter(self.tables.values()))


@dataclass(frozen=True)
class Point:
    """Where one arm of one preset lies: mean parameters, score on the test rows of each seed, and their mean."""

    preset: str
    method: str
    parameters: float
    scores: tuple[float, ...]
    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, preset: str, method: str, parameters: float, scores: tuple[float, ...]) -> Point:
        """With the 95 % t interval of the mean over seeds, without width where there is none."""
        mean = mean_of_seeds(scores)
        low, high = (mean.mean, mean.mean) if mean.interval is None else (mean.interval.low, mean.interval.high)
        return cls(preset, method, parameters, scores, mean.mean, low, high)


def study_table(
    study: Study,
    records: Sequence[RunRecord],
    *,
    seeds: Sequence[int] | None = None,
    arms: Mapping[str, Sequence[Arm]] | None = None,
    plan: Plan | None = None,
    background: Background = NOTHING,
) -> StudyTable:
    """The study's table, from records of one task and split.

    seeds, arms  of the rows, instead of what `rows_and_seeds` gives; arms: by preset. Comparisons are of all rows that
                 there are records of, whichever of them are shown
    plan     of the study, where its task is known;  background  as of `make_table`
    Raises UsageError if no preset has a finished run among these.
    """
    tables, family = {}, family_of(declared_by_study(study), records, seeds, background.registered)
    for preset in study.presets:
        mine = [record for record in records if record.spec.preset == preset.recipe.name]
        rows, shown = rows_and_seeds(preset, mine, seeds)
        rows = rows if arms is None else list(dict.fromkeys(arms.get(preset.name, ())))
        if any(
            record.status == "finished" and record.spec.arm in rows and record.spec.seed in shown for record in mine
        ):
            tables[preset.name] = make_table(
                mine,
                arms=rows,
                seeds=shown,
                terms=Terms.of(preset, plan),
                background=background,
                family=family,
            )
    if not tables:
        there = choices((record.spec for record in records if record.status == "finished"), "preset", "arm")
        raise UsageError(
            f"none of the runs asked for of study {study.name} is finished; --study {study.name} runs it. "
            f"Finished here: {there or 'nothing'}"
        )
    return StudyTable(study, tables)


def to_markdown(outcome: StudyTable, columns: Sequence[str] | None = None) -> str:
    """For people: every arm, every comparison, the answers in words, and what is missing.

    columns  of the rows, of `pbgraph.report.columns.column_names`; None: all
    """
    said = {name: texts(table) for name, table in outcome.tables.items()}
    first = next(iter(said.values()))
    comparisons = [(name, *cells) for name, comparison in said.items() for cells in comparison.comparisons]
    split, selection = outcome.first.protocol.split, outcome.first.protocol.selection
    protocols = ", ".join(f"{name} {table.protocol.id}" for name, table in outcome.tables.items())
    header, _ = narrowed(outcome.first, first.header, (), columns)
    every = {name: narrowed(outcome.tables[name], text.header, text.rows, columns)[1] for name, text in said.items()}
    rows = [(name, *cells) for name, mine in every.items() for cells in mine]
    right = [1 + column for column in flush_right(outcome.first, columns)]
    parts = [
        f"## Study {outcome.study.name} of {first.title}",
        f"{outcome.study.summary}\n\nProtocols: {protocols}; split {split}; {selection}.",
        markdown(("preset", *header), rows, right=right),
    ]
    if comparisons:
        parts += [
            how_compared(outcome.first, [one for table in outcome.tables.values() for one in table.comparisons]),
            markdown(("preset", *COMPARED), comparisons, right=(3, 5)),
            bullets(f"{name}, {answer}" for name, comparison in said.items() for answer in comparison.answers),
        ]
    return (
        "\n\n".join(
            [*parts, bullets(f"{name}: {note}" for name, comparison in said.items() for note in comparison.notes)]
        )
        + "\n"
    )


def study_csv(outcome: StudyTable) -> str:
    """One line per preset and arm."""
    texts = [to_csv(table) for table in outcome.tables.values()]
    return texts[0] + "".join(text.split("\n", 1)[1] for text in texts[1:])


def study_json(outcome: StudyTable) -> str:
    """Everything the tables hold, by preset."""
    content = {name: msgspec.json.decode(to_json(table)) for name, table in outcome.tables.items()}
    return json_text({"study": outcome.study.name, "presets": content})


def study_latex(outcome: StudyTable, columns: Sequence[str] | None = None) -> str:
    """The same as for people as LaTeX: floats with the rows and the comparisons, and a note; columns: of the rows."""
    names, tables = list(outcome.tables), list(outcome.tables.values())
    said = [texts(table) for table in tables]
    label = f"{outcome.first.protocol.task.split()[0]}-{outcome.study.name}"
    title = f"Study {outcome.study.name} of {said[0].title}"
    rows = measured(list(zip(tables, said, strict=True)), columns, names)
    pieces = [floats([rows], f"{title}. {in_bold(tables)}", label)]
    compared = [cells for text in said for cells in text.comparisons]
    if compared:
        starts = accumulate([0, *(len(text.comparisons) for text in said)])
        how = how_compared(outcome.first, [one for table in tables for one in table.comparisons])
        groups = {start: name for start, name, text in zip(starts, names, said, strict=False) if text.comparisons}
        grid = Grid(COMPARED, compared, words=2, ends=1, groups=groups)
        pieces.append(floats([grid], f"Paired differences of study {outcome.study.name}. {how}", f"{label}-compared"))
    lines = [f"{name}, {line}" for name, text in zip(names, said, strict=True) for line in text.answers]
    lines += [
        f"{name}: {line}" for name, text in zip(names, said, strict=True) for line in (text.protocol, *text.notes)
    ]
    return document([*pieces, note([outcome.study.summary, *lines])])


STUDY_FORMATS: Mapping[str, Callable[..., str]] = {
    "md": to_markdown,
    "tex": study_latex,
    "csv": study_csv,
    "json": study_json,
}


def points(outcome: StudyTable) -> list[Point]:
    """Every arm that has parameters and scores, with the 95 % t interval of its mean over seeds."""
    return [
        Point.of(name, row.arm.method, row.parameters, row.splits)
        for name, table in outcome.tables.items()
        for row in table.rows
        if row.parameters and row.test
    ]


def frontier(of: Sequence[Point], *, larger_is_better: bool) -> list[Point]:
    """Those that no other with as few parameters beats, by parameters."""
    best: list[Point] = []
    sign = 1 if larger_is_better else -1
    for point in sorted(of, key=lambda point: (point.parameters, -sign * point.mean)):
        if not best or sign * point.mean > sign * best[-1].mean:
            best.append(point)
    return best


def draw_frontier(outcome: StudyTable, path: Path) -> None:
    """Scores against parameters (log axis), a line per method with 95 % intervals, and the frontier behind them.

    Small dots are single seeds; methods are moved aside by a few per cent, so that intervals do not hide each other.
    The suffix of `path` says which format: .png, .svg or .pdf.
    """
    every = points(outcome)
    figure, axis = agg().subplots(figsize=(8.0, 4.6), layout="constrained")
    best = frontier(every, larger_is_better=outcome.first.margin.larger_is_better)
    axis.step(
        [point.parameters for point in best],
        [point.mean for point in best],
        where="post",
        color="#bbbbbb",
        linewidth=6,
        alpha=0.5,
        label="frontier",
        zorder=0,
    )
    styles = styles_of(point.method for point in every)
    for number, (method, style) in enumerate(styles.items()):
        aside = ASIDE ** (number - (len(styles) - 1) / 2)
        mine = [replace(point, parameters=point.parameters * aside) for point in every if point.method == method]
        _draw_method(axis, mine, style)
    axis.scatter([], [], s=9, color="0.4", alpha=0.5, label="single seeds")
    axis.set_xscale("log")
    most = ASIDE ** ((len(styles) - 1) / 2) - 1
    axis.set_xlabel(f"parameters (points are moved sideways, by up to {most:.0%}, so that none hides another)")
    axis.set_ylabel(f"test {label_of(outcome.first.metrics[0])}{direction(outcome.first)}")
    axis.grid(alpha=0.25, linewidth=0.5, which="both")
    axis.legend(frameon=False, fontsize=9)
    save_figure(figure, path)


def _draw_method(axis: Any, mine: Sequence[Point], style: Style) -> None:
    x, y = [point.parameters for point in mine], [point.mean for point in mine]
    errors = [[point.mean - point.low for point in mine], [point.high - point.mean for point in mine]]
    label = f"{mine[0].method}, mean with 95 % interval"
    axis.errorbar(x, y, yerr=errors, **style.line, capsize=3, linewidth=1.2, label=label)
    dots = [(point.parameters, score) for point in mine for score in point.scores]
    axis.scatter(*zip(*dots, strict=True), s=9, color=style.colour, alpha=0.5)
