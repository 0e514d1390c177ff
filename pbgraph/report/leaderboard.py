"""All that a results folder holds -> one static HTML page.

Every task, split and preset has a table of its own, from its records alone: protocols are never mixed. Rows are ranked
only where every declared run is there. What papers report stands apart, in a block of its own: other splits, seeds and
selection rules make other numbers.
"""

from __future__ import annotations

import csv
import io
import logging
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from html import escape
from itertools import groupby
from pathlib import Path

from pbgraph.errors import DataError, PbgraphError, UsageError
from pbgraph.files.reading import MEBIBYTE, UnreadableError, read_bytes
from pbgraph.humanize import ranges
from pbgraph.plans.presets import preset_or_none
from pbgraph.report.families import declared_by, family_of, rows_and_seeds
from pbgraph.report.html import bullets, grid, page, section
from pbgraph.report.tables import Table, make_table
from pbgraph.results.background import Background, background_of
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.records import RunRecord

PUBLISHED = "published.csv"
LARGEST = 16 * MEBIBYTE  # of that file
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Published:
    """One value of a paper: repeats is the number of runs, blank where the paper does not say."""

    task: str
    model: str
    metric: str
    value: str
    sd: str
    split: str
    repeats: str
    source: str


def leaderboard(results: ResultsFolder, records: Mapping[str, Sequence[RunRecord]] | None = None) -> str:
    """The page; what cannot be read costs a warning and is left out. Raises UsageError if there is no record.

    records  of every task, where they were read before
    """
    try:
        published = read_published(results.root / PUBLISHED)
    except DataError as error:
        log.warning("left out: %s", error)
        published = []
    parts, links = [], []
    background = background_of(results)
    for dataset in results.tasks():
        mine = results.records(dataset) if records is None else records.get(dataset, ())
        for anchor, title, text in _sections(dataset, mine, background=background):
            links.append(f'<li><a href="#{anchor}">{escape(title)}</a></li>')
            parts.append(text)
    if not parts:
        raise UsageError(
            f"{results.root} holds no record; run a benchmark first, or name another folder with --results"
        )
    if published:
        links.append('<li><a href="#published">Values from the literature</a></li>')
        parts.append(_literature(published))
    title = "pbgraph: do perforated dendrites make graph neural networks better?"
    contents = f'<nav aria-label="Tables"><ul>{"".join(links)}</ul></nav>'
    return page(title, [contents, *parts])


def read_published(path: Path) -> list[Published]:
    """Values from papers; none if there is no such file. Raises DataError if it is not as it should be."""
    if not os.path.lexists(path):
        return []
    names = [field.name for field in fields(Published)]
    try:
        text = read_bytes(path, LARGEST).decode("utf-8")
        reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        if reader.fieldnames != names:
            raise DataError(f"{path} has the columns {reader.fieldnames}, expected {', '.join(names)}")
        rows = list(reader)
    except (UnreadableError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is no CSV in UTF-8: {error}") from error
    for line in rows:
        if None in line or None in line.values() or not line["source"] or not line["split"]:
            raise DataError(f"{path}: {line}: expected {len(names)} cells, with a source and a split")
    return [Published(**line) for line in rows]


def ranks(table: Table) -> list[str]:
    """The place of every row by the mean of its selection metric, "-" for all unless every declared run is there."""
    means = [
        None if statistic is None else statistic.mean
        for statistic in (row.metrics[table.metrics[0]] for row in table.rows)
    ]
    if any(row.missing or row.failed for row in table.rows) or None in means:
        return ["-"] * len(table.rows)
    sign = table.margin.sign
    return [str(1 + sum(sign * (other or 0.0) > sign * (mean or 0.0) for other in means)) for mean in means]


def _sections(dataset: str, records: Sequence[RunRecord], *, background: Background) -> Iterable[tuple[str, str, str]]:
    """Anchor, title and HTML of every split and preset of a task."""

    def group(record: RunRecord) -> tuple[str, str]:
        return record.spec.split, record.spec.preset

    for (split, preset), same in groupby(sorted(records, key=group), key=group):
        every = [record for record in records if record.spec.split == split]
        anchor = re.sub("[^a-z0-9]+", "-", f"{dataset}-{split}-{preset}".lower())
        title = f"{dataset}, split {split}, preset {preset}"
        yield (
            anchor,
            title,
            _section(anchor, title, list(same), preset=preset, background=background, every=every),
        )


def _section(
    anchor: str,
    title: str,
    records: Sequence[RunRecord],
    *,
    preset: str,
    background: Background,
    every: Sequence[RunRecord],
) -> str:
    arms, seeds = rows_and_seeds(preset_or_none(preset), records)
    try:
        family = family_of(declared_by(preset), every)
        table = make_table(records, arms=arms, seeds=seeds, background=background, family=family)
        places = ranks(table)
    except PbgraphError as error:
        return f'<section id="{anchor}"><h2>{escape(title)}</h2><p>No table: {escape(str(error))}</p></section>'
    notes = []
    if "-" in places:
        notes.append("Not ranked: not every declared run of every row is there.")
    if len({tuple((budget.trials, budget.seeds) for budget in searches) for searches in table.tried.values()}) > 1:
        notes.append("Budgets of search differ between rows: part of a difference can be what was spent on settings.")
    if others := sorted({record.spec.seed for record in records} - set(seeds)):
        notes.append(f"Runs of seeds {ranges(others)}, which the preset does not declare, are not shown.")
    return section(table, anchor=anchor, ranks=places) + ("\n" + bullets(notes) if notes else "")


def _literature(published: Sequence[Published]) -> str:
    header = [field.name for field in fields(Published)]
    rows = [[getattr(value, name) or "-" for name in header] for value in published]
    return "\n".join(
        [
            '<section id="published">',
            "<h2>Values from the literature</h2>",
            "<p>As reported, each under the protocol of its source. They were not measured here, are not ranked, and "
            "must not be compared with the tables above or across splits.</p>",
            grid("Reported elsewhere", header, rows),
            "</section>",
        ]
    )
