"""The scores of a table target by target: a row for each target of the data, a column for each arm; and as a heat map.

Works from records alone. People are shown the metric that selects; programs get every metric of every target.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from statistics import fmean
from typing import Any

import msgspec

from pbgraph.metrics import label_of, scale_of
from pbgraph.report.formats import csv_columns, csv_lines, csv_text, json_content, json_text
from pbgraph.report.html import bullets as html_bullets
from pbgraph.report.html import grid, page
from pbgraph.report.latex import document, floats, note
from pbgraph.report.latex_grid import Grid
from pbgraph.report.markdown import as_markdown, bullets, markdown
from pbgraph.report.styles import agg, save_figure
from pbgraph.report.tables import Row, Statistic, Table, scores_by, statistic
from pbgraph.report.texts import direction, larger_is_better, statistic_text, texts, title_of
from pbgraph.results.arms import Arm
from pbgraph.results.records import RunRecord
from pbgraph.terminal import visible_cell

FORMATS: Mapping[str, str] = {
    form: f"pbgraph.report.per_target:to_{name}"
    for form, name in {"md": "markdown", "tex": "latex", "csv": "csv", "html": "html", "json": "json"}.items()
}
MOST_NUMBERED = 30  # targets beside each other in whose cells a heat map writes the scores
ALL = "mean over targets"
BEST, WORST = "cividis", "cividis_r"  # colour maps that look alike to everybody; the second where smaller is better


@dataclass(frozen=True)
class Target:
    """One target of the test rows.

    labelled, positives  of a seed, means over the runs; positives is None of numbers
    scores               arm -> metric -> its statistic over the seeds where it is defined
    """

    name: str
    labelled: float
    positives: float | None
    scores: Mapping[Arm, Mapping[str, Statistic | None]]


@dataclass(frozen=True)
class PerTarget:
    """A table, and its scores by target, in the order of the data; metric: of these, what people are shown."""

    table: Table
    targets: tuple[Target, ...]
    metric: str


def per_target(table: Table, records: Sequence[RunRecord], metric: str | None = None) -> PerTarget:
    """The scores of a table by target; records: those that it is made of, and maybe others.

    metric  of the table, to be shown to people in the place of the one that selects
    """
    seeds = {row.arm: row.seeds for row in table.rows}
    runs: dict[Arm, list[RunRecord]] = {arm: [] for arm in seeds}
    for record in records:
        if record.status == "finished" and record.spec.seed in seeds.get(record.spec.arm, ()):
            runs[record.spec.arm].append(record)
    finished = [record for same in runs.values() for record in same]
    names = dict.fromkeys(name for record in finished for name in record.scores["test"].tasks)
    targets = tuple(_target(name, runs, table.metrics) for name in names)
    return PerTarget(table, targets, metric or table.metrics[0])


def _target(name: str, runs: Mapping[Arm, Sequence[RunRecord]], metrics: Sequence[str]) -> Target:
    tasks = {arm: [record.scores["test"].tasks.get(name) for record in same] for arm, same in runs.items()}
    there = [task for same in tasks.values() for task in same if task is not None]
    positives = [task.positives for task in there if task.positives is not None]
    return Target(
        name,
        labelled=fmean(task.labelled for task in there),
        positives=fmean(positives) if positives else None,
        scores={
            arm: {
                metric: statistic(same, scores_by(metric, same, lambda record: _of_target(record, name)))
                for metric in metrics
            }
            for arm, same in runs.items()
        },
    )


def _of_target(record: RunRecord, name: str) -> Mapping[str, float | None] | None:
    task = record.scores["test"].tasks.get(name)
    return None if task is None else task.metrics


def to_markdown(view: PerTarget) -> str:
    """For people."""
    title, header, rows = _said(view)
    said = texts(view.table)
    parts = [
        f"## {as_markdown(title)}",
        as_markdown(said.protocol),
        markdown(header, rows, right=range(1, len(header))),
    ]
    return "\n\n".join([*parts, bullets(said.notes)]) + "\n"


def to_latex(view: PerTarget) -> str:
    """The same as LaTeX, in as many tabulars as it needs to fit."""
    title, header, rows = _said(view)
    said, name = texts(view.table), f"{view.table.protocol.task.split()[0]}-targets"
    grid = Grid(header, rows, words=1, bold=_best_cells(view, len(header) - len(view.table.rows)))
    bold = "Bold: the best mean of each target; single targets were not tested."
    return document([floats([grid], f"{title}. {bold}", name), note([said.protocol, *said.notes])])


def _best_cells(view: PerTarget, before: int) -> frozenset[tuple[int, int]]:
    """(row, column) of the best mean of each target; before: columns left of the arms'."""
    sign = 1 if larger_is_better(view.table, view.metric) else -1
    cells = set()
    for number, target in enumerate(view.targets):
        scores = [target.scores[arm][view.metric] for arm in view.table.arms]
        there = [(sign * score.mean, before + place) for place, score in enumerate(scores) if score is not None]
        cells |= {(number, column) for mean, column in there if mean == max(there)[0]}
    return frozenset(cells)


def to_html(view: PerTarget) -> str:
    """A page with it alone."""
    title, header, rows = _said(view)
    said = texts(view.table)
    parts = [f"<p>{escape(said.protocol)}</p>", grid("Measured, by target", header, rows), html_bullets(said.notes)]
    return page(f"pbgraph: {title}", parts)


def to_csv(view: PerTarget) -> str:
    """A line for each arm, as of the table, with the columns TARGET:METRIC and TARGET:METRIC_sd of all of them."""
    columns = [
        f"{target.name}:{metric}{end}"
        for target in view.targets
        for metric in view.table.metrics
        for end in ("", "_sd")
    ]
    lines = [
        {**line, **_csv_cells(view, row)} for line, row in zip(csv_lines(view.table), view.table.rows, strict=True)
    ]
    return csv_text([*csv_columns(view.table), *columns], lines)


def _csv_cells(view: PerTarget, row: Row) -> dict[str, object]:
    cells: dict[str, object] = {}
    for target in view.targets:
        for metric, score in target.scores[row.arm].items():
            if score is not None:
                cells |= {f"{target.name}:{metric}": score.mean, f"{target.name}:{metric}_sd": score.sd}
    return cells


def to_json(view: PerTarget) -> str:
    """All that the table holds, and a list of targets."""
    targets = [
        {
            **{name: getattr(target, name) for name in ("name", "labelled", "positives")},
            "scores": [{**msgspec.to_builtins(arm), "metrics": scores} for arm, scores in target.scores.items()],
        }
        for target in view.targets
    ]
    return json_text({**json_content(view.table), "targets": targets})


def _said(view: PerTarget) -> tuple[str, tuple[str, ...], list[tuple[str, ...]]]:
    """What it is called, and its header and rows: the last one is what the table itself has."""
    table, metric = view.table, view.metric
    scale = _scale(view)
    labels = _labels(table)
    classes = any(target.positives is not None for target in view.targets)
    header = ("target", "labelled", *(("positives",) if classes else ()), *labels.values())
    rows = [
        (
            visible_cell(target.name),
            f"{target.labelled:.1f}",
            *((f"{target.positives or 0:.1f}",) if classes else ()),
            *(statistic_text(target.scores[row.arm][metric], scale) for row in table.rows),
        )
        for target in view.targets
    ]
    blank = ("",) * (2 if classes else 1)
    rows.append((ALL, *blank, *(statistic_text(row.metrics[metric], scale) for row in table.rows)))
    return f"{title_of(table, metric)}, by target", header, rows


def _labels(table: Table) -> dict[Arm, str]:
    return {arm: f"{name.row}, {name.method}" for arm, name in table.called.items()}


def _scale(view: PerTarget) -> float:
    metric = view.metric
    scores = [score for target in view.targets for of_arm in target.scores.values() if (score := of_arm[metric])]
    return scale_of(metric, [score.mean for score in scores])


def draw_heat_map(view: PerTarget, path: Path) -> None:
    """A cell for each arm and target, the better the brighter, with its score where there is room.

    path  its suffix says which format: .png, .svg or .pdf. Raises UsageError for another one.
    """
    pyplot, table = agg(), view.table
    metric, labels = view.metric, _labels(view.table)
    scores = [[target.scores[arm][metric] for target in view.targets] for arm in labels]
    means = [[float("nan") if score is None else score.mean for score in row] for row in scores]
    wide = max(0.62 * min(len(view.targets), MOST_NUMBERED) + 4.0, 6.0)
    drawn, axis = pyplot.subplots(figsize=(wide, 0.45 * len(labels) + 2.2), layout="constrained")
    image = axis.imshow(means, aspect="auto", cmap=BEST if larger_is_better(table, metric) else WORST)
    axis.set_yticks(range(len(labels)), list(map(visible_cell, labels.values())), fontsize=9)
    if len(view.targets) <= MOST_NUMBERED:
        names = [visible_cell(target.name) for target in view.targets]
        axis.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor", fontsize=9)
        _write_scores(axis, image, means)
    else:
        axis.set_xlabel(f"{len(view.targets)} targets, in the order of the data")
    drawn.colorbar(image, ax=axis, label=f"test {label_of(metric)}{direction(table, metric)}")
    axis.set_title(f"{table.protocol.task.split()[0]}, split {table.protocol.split.split()[0]}", fontsize=10)
    save_figure(drawn, path)


def _write_scores(axis: Any, image: Any, means: Sequence[Sequence[float]]) -> None:
    """Each score in its cell, dark on what is bright and bright on what is dark; "-" where there is none."""
    for y, row in enumerate(means):
        for x, mean in enumerate(row):
            red, green, blue, _ = image.cmap(image.norm(mean))
            bright = 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 or mean != mean
            text = "-" if mean != mean else f"{mean:#.3g}".removeprefix("0").removesuffix(".")
            axis.text(x, y, text, ha="center", va="center", fontsize=7, color="black" if bright else "white")
