"""The files beside the records that show them: which ones a results folder may have, and what each has to say.

<task>.md, .tex, .csv, .html, .json    as ``table TASK --format ...`` prints
<task>-<preset>.md, .tex, ...          as ``table TASK --preset PRESET --format ...`` prints
<task>-<study>.md, .tex, .csv, .json   as ``table TASK --study STUDY --format ...`` prints
leaderboard.html                       as ``leaderboard`` writes
README.md, ../README.md                show some of these tables, from their protocol on, word for word
published.csv                          is written by hand, and checked for that alone which `read_published` asks of it
pictures                               are not made from the records alone, and not compared
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import product
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

from pbgraph.plans.declaration import Study
from pbgraph.plans.presets import known_presets, studies
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.records import RunRecord

if TYPE_CHECKING:
    from pbgraph.report.selection import TaskRuns

FORMATS: Mapping[str, str] = {
    "md": "pbgraph.report.formats:to_markdown",
    "tex": "pbgraph.report.latex:to_latex",
    "csv": "pbgraph.report.formats:to_csv",
    "html": "pbgraph.report.html:to_html",
    "json": "pbgraph.report.formats:to_json",
}
WITH_COLUMNS = ("md", "tex")  # of which some columns can be asked for
PAGE = "leaderboard.html"
README = "README.md"
PICTURES = (".png", ".svg", ".pdf")


@dataclass(frozen=True)
class Shown:
    """A file that is there, the command that writes it, and () -> what it has to say."""

    path: Path
    command: str
    text: Callable[[], str]


def shown_beside(results: ResultsFolder, records: Mapping[str, Sequence[RunRecord]]) -> Iterator[Shown]:
    """The files of a results folder that show its records; records: of every task, as `ResultsFolder.records`."""
    from pbgraph.report.selection import TaskRuns

    for dataset, mine in records.items():
        runs = TaskRuns(results, dataset, tuple(mine))
        for name in FORMATS:
            text = partial(_of_preset, None, runs, name=name)
            yield from _there(results.root / f"{dataset}.{name}", f"table {dataset} --format {name}", text)
        for preset, name in product(known_presets(), FORMATS):
            text = partial(_of_preset, preset, runs, name=name)
            path = results.root / f"{dataset}-{preset}.{name}"
            yield from _there(path, f"table {dataset} --preset {preset} --format {name}", text)
        for study in studies().values():
            for name in _study_formats():
                text = partial(_of_study, study, runs, name=name)
                path = results.root / f"{dataset}-{study.name}.{name}"
                yield from _there(path, f"table {dataset} --study {study.name} --format {name}", text)
    yield from _there(results.root / PAGE, "leaderboard", lambda: _page(results, records))


def _there(path: Path, command: str, text: Callable[[], str]) -> Iterator[Shown]:
    if path.exists():
        yield Shown(path, command, cache(text))


def _of_preset(preset: str | None, runs: TaskRuns, *, name: str) -> str:
    from pbgraph.report.selection import table_of
    from pbgraph.results.lookup import Choice

    written: str = resolve_name(FORMATS[name])(table_of(runs, Choice(preset=preset))[1])
    return written


def _study_formats() -> Mapping[str, Any]:
    from pbgraph.report.studies import STUDY_FORMATS

    return STUDY_FORMATS


def _of_study(study: Study, runs: TaskRuns, *, name: str) -> str:
    from pbgraph.report.studies import study_table

    records = runs.of_study(study, None)
    table = study_table(study, records, plan=runs.plan_of(study, records), background=runs.background)
    written: str = _study_formats()[name](table)
    return written


def _page(results: ResultsFolder, records: Mapping[str, Sequence[RunRecord]]) -> str:
    from pbgraph.report.leaderboard import leaderboard

    return leaderboard(results, records)
