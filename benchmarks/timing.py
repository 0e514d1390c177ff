"""Timing in turn: what every benchmark shares.

On a shared machine speed drifts by tens of per cent within minutes. So variants take turns, each round gives one ratio,
and the median over rounds is what counts. An identical copy of the first variant takes its turn too: how far its
ratio lies from 1 tells what difference is noise.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
for variable in THREADS:  # before the libraries that read it are imported
    os.environ.setdefault(variable, "1")

Clock = Callable[[], float]
REPEATS = 7


@dataclass(frozen=True)
class Row:
    """One line of the table of targets.

    what     what was measured
    value    the number that the target limits: a ratio, or seconds or bytes
    unit     "×" for a ratio, else of the value
    target   largest (or, with at_least, smallest) value that meets it
    ours, peer  medians of both sides of a ratio, with `figures` as their unit; None for a plain value
    control  the same ratio for an identical copy of our side; None where there is none
    note     what has to be known to read the row
    """

    what: str
    value: float
    unit: str
    target: float
    at_least: bool = False
    ours: float | None = None
    peer: float | None = None
    figures: str = "s"
    control: float | None = None
    note: str = ""

    @property
    def met(self) -> bool:
        """Whether the target is met."""
        return self.value >= self.target if self.at_least else self.value <= self.target


@dataclass(frozen=True)
class Skipped:
    """A row that cannot be measured here, and why."""

    what: str
    reason: str


Result = Row | Skipped


def in_turn(
    variants: Mapping[str, Callable[[], object]], repeats: int, clock: Clock = time.process_time
) -> dict[str, list[float]]:
    """Seconds of every variant in each of `repeats` rounds, after one round that is not counted.

    clock  CPU seconds of this process unless another is given. Every round begins with the next variant.
    """
    names = list(variants)
    times: dict[str, list[float]] = {name: [] for name in names}
    for number in range(-1, repeats):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            start = clock()
            variants[name]()
            if number >= 0:
                times[name].append(clock() - start)
    return times


def ratio(times: Mapping[str, Sequence[float]], above: str, below: str) -> float:
    """Median over rounds of one variant's seconds by another's."""
    return median(a / b for a, b in zip(times[above], times[below], strict=True))


def row_of(
    what: str,
    times: Mapping[str, Sequence[float]],
    ours: str,
    peer: str,
    *,
    target: float,
    scale: float = 1.0,
    note: str = "",
) -> Row:
    """The row of two variants of `in_turn`; the control is the variant "copy" by what it copies, "ours" or the peer."""
    control = ratio(times, "copy", "ours" if "ours" in times else peer) if "copy" in times else None
    return Row(
        what,
        ratio(times, ours, peer),
        "×",
        target,
        ours=median(times[ours]) * scale,
        peer=median(times[peer]) * scale,
        control=control,
        note=note,
    )


def wall_seconds(command: Sequence[str]) -> float:
    """Wall-clock seconds of a program that has to succeed."""
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def table(results: Sequence[Result]) -> str:
    """Markdown, ratio first."""
    lines = ["| value | target | met | what | ours | peer | control |", "|---:|---:|---|---|---:|---:|---:|"]
    for result in results:
        if isinstance(result, Skipped):
            lines.append(f"| – | – | not measured: {result.reason} | {result.what} | | | |")
            continue
        sides = [f"{side:.3g} {result.figures}" if side is not None else "" for side in (result.ours, result.peer)]
        control = f"{result.control:.2f}" if result.control is not None else ""
        limit = f"{'≥' if result.at_least else '≤'} {result.target:g}"
        cells = [
            f"{result.value:.3g} {result.unit}",
            f"{limit} {result.unit}",
            "yes" if result.met else "no",
            f"{result.what}{f' ({result.note})' if result.note else ''}",
            *sides,
            control,
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def machine() -> dict[str, str]:
    """What the figures were measured on, and from which commit; load: processes that wanted a core, 5-minute mean."""
    import torch

    from pbgraph.execution.provenance import processor, source_tree

    commit, dirty = source_tree()
    return {
        "processor": processor(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "commit": f"{commit[:12]}{' and changes' if dirty else ''}",
        "load": f"{os.getloadavg()[1]:.1f}",
    }


def as_json(results: Sequence[Result], repeats: int) -> str:
    """All rows and the machine."""
    rows = [asdict(result) | ({"met": result.met} if isinstance(result, Row) else {}) for result in results]
    return json.dumps({"machine": machine(), "repeats": repeats, "rows": rows}, indent=1, ensure_ascii=False) + "\n"


def result_from(row: Mapping[str, Any]) -> Result:
    """A row as `as_json` wrote it."""
    values = {name: value for name, value in row.items() if name != "met"}
    return Skipped(**values) if "reason" in values else Row(**values)


def main(measure: Callable[[int], Sequence[Result]], description: str | None) -> None:
    """The command line of one script: prints its rows as a table, or as JSON."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=REPEATS, help="rounds; at least 5 for figures to be quoted")
    parser.add_argument("--json", action="store_true", help="JSON, not Markdown")
    arguments = parser.parse_args()
    if arguments.repeats < 1:
        parser.error(f"--repeats {arguments.repeats}: expected at least 1")
    from pbgraph.errors import PbgraphError

    logging.disable(logging.WARNING)  # that rows of the data set were left out
    try:
        results = measure(arguments.repeats)
    except PbgraphError as error:
        sys.exit(f"not measured: {error}")
    print(as_json(results, arguments.repeats) if arguments.json else table(results))
