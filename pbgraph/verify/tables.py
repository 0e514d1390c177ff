"""Every cell of the tables and pages beside the records, made anew from the records."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence, Set
from difflib import SequenceMatcher
from itertools import pairwise, takewhile, zip_longest
from pathlib import Path

from pbgraph.errors import DataError
from pbgraph.files.reading import content_of
from pbgraph.report.published import PUBLISHED, read_published
from pbgraph.report.shown import FORMATS, PAGE, PICTURES, README, Shown, shown_beside
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.records import RunRecord
from pbgraph.results.registered import FOLDER as REGISTERED
from pbgraph.results.tuning import FOLDER as TUNING
from pbgraph.verify.findings import Findings, findings, guarded
from pbgraph.verify.folder import COMPANIONS, Held, by_task, entries

MOST_SAID = 10  # differences of one file
KNOWN = ("records", *COMPANIONS, "tasks", REGISTERED, TUNING, PUBLISHED, README)


def check_tables(results: ResultsFolder, held: Held) -> Findings:
    """Compare every file that shows the records, and the README beside or in the folder, with what the records give."""
    if not held.readable:
        return findings({}, (), ["tables and pages, which are made from all records: some cannot be read"])
    records = by_task((*held.finished, *_last_failures(held)))
    wrong: list[str] = []
    shown = list(shown_beside(results, records))
    for file in shown:
        wrong += guarded(file.path, _capped, file.path, _file_differences(file))
    counts = {"tables and pages": len(shown), "tables in README": 0}
    for readme in (results.root.resolve().parent / README, results.root / README):
        for file in (file for file in shown if file.path.suffix == ".md" and readme.is_file()):
            places: list[int] = []
            wrong += guarded(readme, _readme, readme, file, places)
            counts["tables in README"] += len(places)
    wrong += guarded(results.root / PUBLISHED, _published, results.root / PUBLISHED)
    unchecked = _strays(results, {file.path for file in shown}, wrong)
    return findings(counts, wrong, unchecked)


def _published(path: Path) -> list[str]:
    """Nothing, where values of papers are written as they should be; raises DataError as `read_published`."""
    read_published(path)
    return []


def _strays(results: ResultsFolder, shown: Set[Path], wrong: list[str]) -> list[str]:
    """What lies in the folder and is of none of the kinds it has: what could be taken for a table or page is wrong."""
    others = [f"tasks/{path.name}" for path in entries(results.root / "tasks", wrong) if path.suffix != ".json"]
    for path in entries(results.root, wrong):
        if path in shown or path.name in KNOWN or path.suffix.lower() in PICTURES:
            continue
        if path.suffix.lower().removeprefix(".") in FORMATS and not path.is_dir():
            wrong.append(
                f"{path} is no table or page of the records here: these are named TASK.FORMAT, TASK-PRESET.FORMAT, "
                f"TASK-STUDY.FORMAT or {PAGE}, of a task that has records; move it away"
            )
        else:
            others.append(path.name)
    more = f" and {len(others) - MOST_SAID} more" if len(others) > MOST_SAID else ""
    return [
        f"what is in {results.root} beside runs, tables and pictures: {', '.join(others[:MOST_SAID])}{more}"
    ] * bool(others)


def _last_failures(held: Held) -> list[RunRecord]:
    done = {(record.spec.task, record.key) for record in held.finished}
    last = {(record.spec.task, record.key): record for record in held.failed}
    return [record for run, record in last.items() if run not in done]


def _text(path: Path) -> str:
    try:
        return content_of(path).decode()
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not text in UTF-8: {error}") from error


def _capped(path: Path, lines: Iterator[str]) -> Iterator[str]:
    for number, line in enumerate(lines):
        if number == MOST_SAID:
            yield f"{path}: and more"
            return
        yield line


def _file_differences(file: Shown) -> Iterator[str]:
    """Line by line and cell by cell, what a file says and what its records give: nothing but "\\n" ends a line."""
    said, given = _text(file.path).split("\n"), file.text().split("\n")
    comma = file.path.suffix == ".csv"
    remedy = f"'python -m pbgraph.bench {file.command}' makes it anew"
    if len(said) != len(given):
        yield f"{file.path} has {len(said) - 1} lines, its records give {len(given) - 1}; {remedy}"
    for number, (mine, theirs) in enumerate(zip_longest(said, given, fillvalue=""), 1):
        header = _cells(given[0], comma) if comma else _header(given, number - 1)
        for line in _line_differences(mine, theirs, header, comma=comma):
            yield f"{file.path}, line {number}{line}; {remedy}"


def _line_differences(said: str, given: str, header: Sequence[str], *, comma: bool = False) -> Iterator[str]:
    """The cells in which two lines differ, or of what is no row of a table, the lines."""
    if said == given:
        return
    mine, theirs = _cells(said, comma), _cells(given, comma)
    if len(mine) != len(theirs) or len(mine) < 2 or mine == theirs:
        yield f": it says {said!r}, the records give {given!r}"
        return
    for place, (a, b) in enumerate(zip(mine, theirs, strict=True)):
        if a != b:
            name = header[place] if len(header) == len(theirs) else str(place + 1)
            yield f", column {name!r}: it says {a!r}, the records give {b!r}"


def _cells(line: str, comma: bool = False) -> list[str]:
    """The cells of a row of a table in Markdown or HTML, or if `comma` in CSV; of any other line none."""
    if line.startswith("|"):
        return [cell.strip() for cell in line.strip("|").split("|")]
    if line.startswith(("<tr", "<thead>")):
        return re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", line)
    try:
        return next(csv.reader([line]), []) if comma else []
    except csv.Error:
        return []


def _header(lines: Sequence[str], at: int) -> list[str]:
    """The cells of the header above a line of a table in Markdown or HTML, past those of tables within its rows."""
    count = len(_cells(lines[at])) if at < len(lines) else 0
    found: list[str] = []
    for place in range(min(at, len(lines)) - 1, 0, -1):
        if lines[place].startswith("<thead>") or re.match(r"\| *:?-", lines[place]):
            found = _cells(lines[place] if lines[place].startswith("<") else lines[place - 1])
            if len(found) == count or not lines[place].startswith("<"):
                return found
    return found


def _readme(path: Path, file: Shown, places: list[int]) -> Iterator[str]:
    """What README says otherwise than a table, wherever it shows it; the lines at which it does are put in `places`."""
    lines, text = _text(path).split("\n"), file.text().rstrip("\n").split("\n")
    start = next((number for number, line in enumerate(text) if line.startswith("Protocol")), None)
    if start is None:
        return
    table = text[start:]
    places += _places(lines, table)
    for place, following in pairwise([*places, len(lines)]):
        window = lines[place : min(following, place + len(table) + MOST_SAID)]
        yield from _capped(path, _block_differences(path, file, (place, window, table)))


def _places(lines: Sequence[str], table: Sequence[str]) -> Iterator[int]:
    """Where lines show a table: at its protocol with a table under it, or at one much like it with the same header.

    An example that is indented, a row that is quoted alone and another table with the same notes are none of these.
    """
    header = next((line for line in table if line.startswith("|")), "")
    for number, line in enumerate(lines):
        under = next(filter(None, lines[number + 1 :]), "")
        if under.startswith("|") and (line == table[0] or (under == header and _alike(line, table[0]))):
            yield number


def _alike(line: str, protocol: str) -> bool:
    """Whether a line is a protocol that was edited, or one of another version: by its digests, or all but these."""
    digest = re.compile(r"\b[0-9a-f]{12}\b")
    return bool({*digest.findall(line)} & {*digest.findall(protocol)}) or digest.sub("", line) == digest.sub(
        "", protocol
    )


def _block_differences(path: Path, file: Shown, block: tuple[int, Sequence[str], Sequence[str]]) -> Iterator[str]:
    """What differs between a table and the lines that show it; block: where these begin, they and more, the table."""
    place, window, table = block
    for kind, a, b, c, d in SequenceMatcher(None, window, table, autojunk=False).get_opcodes():
        if kind == "equal":
            continue
        said = window[a:b] if b < len(window) else list(takewhile(_goes_on, window[a:b]))
        for offset, (mine, theirs) in enumerate(zip_longest(said, table[c:d], fillvalue="")):
            for line in _line_differences(mine, theirs, _header(table, c + offset)):
                yield f"{path}, line {place + a + offset + 1}{line}; it shows {file.path}"


def _goes_on(line: str) -> bool:
    """Whether a line under those of a table still belongs to it."""
    return bool(line) and not line.startswith("```")
