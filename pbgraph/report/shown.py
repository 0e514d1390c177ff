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
from typing import Any

from pbgraph.errors import UsageError
from pbgraph.plans.declaration import Study
from pbgraph.plans.presets import USUAL, known_presets, studies
from pbgraph.results.background import Background, background_of
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.protocol import choices, usual_or_only
from pbgraph.results.records import RunRecord

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
    background = cache(lambda: background_of(results))
    for dataset, mine in records.items():
        for name in FORMATS:
            text = _table(dataset, mine, results, name=name, background=background)
            yield from _there(results.root / f"{dataset}.{name}", f"table {dataset} --format {name}", text)
        for preset, name in product(known_presets(), FORMATS):
            text = partial(_of_preset, preset, results, mine, name=name)
            path = results.root / f"{dataset}-{preset}.{name}"
            yield from _there(path, f"table {dataset} --preset {preset} --format {name}", text)
        for study in studies().values():
            for name in _study_formats():
                text = _study(study, mine, name=name, background=background)
                path = results.root / f"{dataset}-{study.name}.{name}"
                yield from _there(path, f"table {dataset} --study {study.name} --format {name}", text)
    yield from _there(results.root / PAGE, "leaderboard", lambda: _page(results, records))


def _there(path: Path, command: str, text: Callable[[], str]) -> Iterator[Shown]:
    if path.exists():
        yield Shown(path, command, cache(text))


def _table(
    dataset: str,
    records: Sequence[RunRecord],
    results: ResultsFolder,
    *,
    name: str,
    background: Callable[[], Background],
) -> Callable[[], str]:
    def text() -> str:
        from pbgraph.report.selection import whole_table
        from pbgraph.results.described import dataset_of

        groups: dict[tuple[str, str], list[RunRecord]] = {}
        for record in records:
            groups.setdefault((record.spec.preset, record.spec.split), []).append(record)
        mine = usual_or_only(groups, (USUAL, dataset_of(dataset, results).split))
        if mine is None:
            there = choices((record.spec for record in records), "preset", "split")
            raise UsageError(f"there is no one table of {dataset}: its runs are of {there}")
        every = [one for one in records if one.spec.split == mine[0].spec.split]
        written: str = resolve_name(FORMATS[name])(whole_table(mine, every, background()))
        return written

    return text


def _of_preset(preset: str, results: ResultsFolder, records: Sequence[RunRecord], *, name: str) -> str:
    from pbgraph.report.selection import TaskRuns, chosen_table
    from pbgraph.results.lookup import Choice

    runs = TaskRuns(results, records[0].spec.task, tuple(records))
    written: str = resolve_name(FORMATS[name])(chosen_table(runs, Choice(preset=preset))[1])
    return written


def _study_formats() -> Mapping[str, Any]:
    from pbgraph.report.studies import STUDY_FORMATS

    return STUDY_FORMATS


def _study(
    study: Study, records: Sequence[RunRecord], *, name: str, background: Callable[[], Background]
) -> Callable[[], str]:
    def text() -> str:
        from pbgraph.datasets.base import DATASETS
        from pbgraph.report.studies import study_table

        presets = [part.name for part in study.presets]
        groups: dict[str, list[RunRecord]] = {}
        for record in records:
            if record.spec.preset in presets:
                groups.setdefault(record.spec.split, []).append(record)
        dataset = records[0].spec.task
        mine = usual_or_only(groups, DATASETS.get(dataset).split if dataset in DATASETS else "")
        written: str = _study_formats()[name](study_table(study, mine or (), background=background()))
        return written

    return text


def _page(results: ResultsFolder, records: Mapping[str, Sequence[RunRecord]]) -> str:
    from pbgraph.report.leaderboard import leaderboard

    return leaderboard(results, records)
