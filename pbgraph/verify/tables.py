"""Every cell of the tables and pages beside the records, made anew from the records."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import zip_longest
from pathlib import Path

from pbgraph.errors import DataError
from pbgraph.reading import content_of
from pbgraph.records import ResultsFolder, RunRecord
from pbgraph.shown import Shown, shown_beside
from pbgraph.verify.folder import Held, by_task
from pbgraph.verify.found import Found, found, guarded

MOST_SAID = 10  # differences of one file


def check_tables(results: ResultsFolder, held: Held) -> Found:
    """Compare every file that shows the records, and the README beside the folder, with what the records give."""
    if not held.readable:
        return found({}, (), ["tables and pages, which are made from all records: some cannot be read"])
    records = by_task((*held.finished, *_last_failures(held)))
    wrong: list[str] = []
    shown = list(shown_beside(results, records))
    for one in shown:
        wrong += guarded(one.path, _capped, one.path, _file_differences(one))
    readme, tables = results.root.resolve().parent / "README.md", [one for one in shown if one.path.suffix == ".md"]
    counts = {"tables and pages": len(shown), "tables in README": 0}
    for one in tables if readme.is_file() else ():
        lines: list[str] = []
        wrong += guarded(readme, _readme, readme, one, lines)
        counts["tables in README"] += bool(lines)
    return found(counts, wrong)


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


def _file_differences(one: Shown) -> Iterator[str]:
    """Line by line and cell by cell, what a file says and what its records give."""
    said, given = _text(one.path).splitlines(), one.text().splitlines()
    comma = one.path.suffix == ".csv"
    remedy = f"'python -m pbgraph.bench {one.command}' makes it anew"
    if len(said) != len(given):
        yield f"{one.path} has {len(said)} lines, its records give {len(given)}; {remedy}"
    for number, (mine, theirs) in enumerate(zip_longest(said, given, fillvalue=""), 1):
        header = _cells(given[0], comma) if comma else _header(given, number - 1)
        for line in _line_differences(mine, theirs, header, comma=comma):
            yield f"{one.path}, line {number}{line}; {remedy}"


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
    if line.startswith(("<tr>", "<thead>")):
        return re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", line)
    return next(csv.reader([line]), []) if comma else []


def _header(lines: Sequence[str], at: int) -> list[str]:
    """The cells of the header above a line of a table in Markdown or HTML."""
    above = range(min(at, len(lines)) - 1, 0, -1)
    start = next((i for i in above if lines[i].startswith("<thead>") or re.match(r"\| *:?-", lines[i])), None)
    if start is None:
        return []
    return _cells(lines[start] if lines[start].startswith("<") else lines[start - 1])


def _readme(path: Path, one: Shown, shown: list[str]) -> Iterator[str]:
    """What of a table README says otherwise, if it shows the table; the lines it shares with it are put in `shown`.

    It shows a table if it has one of its rows, protocol or notes as a line of its own, not indented as an example is.
    """
    lines = _text(path).splitlines()
    table = "\n".join(one.text().split("\n")[2:]).strip().splitlines()
    telling = {line for line in table if re.search(r"\d", line) or line.startswith("- ")}
    shown += [line for line in lines if line in telling]
    if not shown:
        return
    places = [place for place, line in enumerate(lines) if line in telling]
    first, last = places[0] - table.index(lines[places[0]]), places[-1] + len(table) - table.index(lines[places[-1]])
    window = lines[max(first, 0) : last]
    for kind, a, b, c, d in SequenceMatcher(None, window, table, autojunk=False).get_opcodes():
        if kind == "equal":
            continue
        for offset, (mine, theirs) in enumerate(zip_longest(window[a:b], table[c:d], fillvalue="")):
            for line in _line_differences(mine, theirs, _header(table, c + offset)):
                yield f"{path}, line {max(first, 0) + a + offset + 1}{line}; it shows {one.path}"
