"""Which networks of other people are safe with dendrites: the checks of `pbgraph.dendrites.testing` on each.

python benchmarks/foreign_models.py                          the table, on standard output
python benchmarks/foreign_models.py --write docs/foreign-models.md   the table in that page
python benchmarks/foreign_models.py --only LSTM GPSConv      those whose names hold one of these words
"""

from __future__ import annotations

import argparse
import importlib
import sys
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from foreign_cases import Case, Make

from pbgraph.dendrites import SiteError, TrainingError, perforate, sites_of
from pbgraph.dendrites.copies import copy_of
from pbgraph.dendrites.testing import PERFORATION_CHECKS, CheckFailed, perforation_checks

SOURCES = {
    "torch": "foreign_torch",
    "torch_geometric": "foreign_pyg",
    "transformers": "foreign_transformers",
    "timm": "foreign_timm",
}
START, END = "<!-- table of benchmarks/foreign_models.py -->", "<!-- end of the table -->"


@dataclass(frozen=True)
class Row:
    """What came out for one network.

    passed   names of checks
    failed   check -> why
    """

    library: str
    name: str
    sites: int
    passed: tuple[str, ...]
    failed: dict[str, str]
    said: str

    @property
    def outcome(self) -> str:
        """In a word or a line: all that fails with the same line was refused."""
        if not self.failed:
            return "passes" + (f", with {self.said}" if self.said else "")
        reasons = list(dict.fromkeys(self.failed.values()))
        verb = "refused" if all(map(refused, reasons)) else "FAILS"
        return f"{verb}: {reasons[0]}"


def refused(reason: str) -> bool:
    """Whether it is an error of the library that says so, rather than a check that found a difference."""
    return reason.startswith((SiteError.__name__, TrainingError.__name__))


def cases(words: Sequence[str]) -> Iterator[tuple[str, str, Make]]:
    """(Library, name, how it is made) of every network whose name holds a word; libraries that are there alone."""
    for library, module in SOURCES.items():
        try:
            found = importlib.import_module(module).CASES
        except ImportError as error:
            print(f"{library}: left out, {error}", file=sys.stderr)
            continue
        for name, make in found.items():
            if not words or any(word.lower() in name.lower() for word in words):
                yield library, name, make


def row(library: str, name: str, make: Make) -> Row:
    """Check one network."""
    torch.manual_seed(0)
    case = make()
    passed, failed = [], {}
    for check in perforation_checks(case.model, case.example, case.loss, **case.options):
        try:
            check()
        except CheckFailed as error:
            failed[check.name] = " ".join(str(error).split())
        else:
            passed.append(check.name)
    return Row(library, name, _sites(case), tuple(passed), failed, case.said)


def _sites(case: Case) -> int:
    options = {key: value for key, value in case.options.items() if key in ("sites", "reset")}
    try:
        return len(sites_of(perforate(copy_of(case.model), example=case.example, **options)))
    except SiteError:
        return 0


def table(rows: Sequence[Row]) -> str:
    """Markdown."""
    checks = list(PERFORATION_CHECKS)
    lines = [
        "| library | network | sites | " + " | ".join(checks) + " | outcome |",
        "| --- | --- | ---: | " + " | ".join(":-:" for _ in checks) + " | --- |",
    ]
    for one in rows:
        marks = " | ".join("yes" if check in one.passed else "-" for check in checks)
        outcome = one.outcome.replace("|", "\\|")
        lines.append(f"| {one.library} | {one.name} | {one.sites or '-'} | {marks} | {outcome} |")
    passing = sum(not one.failed for one in rows)
    wrong = sum(one.outcome.startswith("FAILS") for one in rows)
    lines += [
        "",
        f"{len(rows)} networks: {passing} pass, {len(rows) - passing - wrong} are refused, {wrong} are wrong.",
    ]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="+", default=[], metavar="WORD")
    parser.add_argument("--write", type=Path, metavar="PAGE")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    rows = []
    for library, name, make in cases(options.only):
        rows.append(row(library, name, make))
        print(f"{library}: {name}: {rows[-1].outcome}", file=sys.stderr)
    made = table(rows)
    if options.write is None:
        print(made)
    else:
        page = options.write.read_text()
        before, after = page.partition(START)[0], page.partition(END)[2]
        options.write.write_text(f"{before}{START}\n{made}\n{END}{after}")
    return int(any(one.outcome.startswith("FAILS") for one in rows))


if __name__ == "__main__":
    sys.exit(main())
