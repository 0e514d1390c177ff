"""What a run costs on disk, and what keeping fewer digits does to its scores.

    python benchmarks/record_sizes.py                                     of results/, Tox21
    python benchmarks/record_sizes.py RESULTS TASK --preset NAME --by-arm

Every finished run of a folder is measured as it is stored, and as today's code would store it: an earlier record is
brought to today's form in memory, from its own predictions, with all metrics, and so are earlier insights. Nothing in
the folder is changed. The last table is of earlier records, the mean over targets and runs: how far test scores move if
probabilities have so many bits.
"""

from __future__ import annotations

import argparse
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

import numpy as np
import pyarrow as pa

from pbgraph import probabilities
from pbgraph.errors import PbgraphError
from pbgraph.execution.scoring import Scored, scored_parts
from pbgraph.files.hashing import canonical_json
from pbgraph.metrics import METRICS, mean_over_tasks
from pbgraph.results.compact import compact
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.insight_file import insight_bytes
from pbgraph.results.insights import insight_path, read_insight
from pbgraph.results.predictions import GAVE_PROBABILITIES, is_earlier, of_part, write_predictions
from pbgraph.results.record_file import record_bytes, said_by
from pbgraph.results.records import FORMAT_VERSION, RunRecord
from pbgraph.verify.scores import read_predictions

BITS = (6, 8, 10, 12)
FIELDS = ("history", "scores", "provenance", "spec", "details", "thresholds")


@dataclass(frozen=True)
class Sizes:
    """Bytes of one run: as stored, and as today's code would store it; fields of the JSON, by name.

    arm     whose run it is
    packed  what both take in a repository, compressed by zlib as git does
    """

    arm: str
    stored: Mapping[str, int]
    today: Mapping[str, int]
    packed: tuple[int, int]
    fields: Mapping[str, int]

    @staticmethod
    def of(record: RunRecord, stored: Mapping[str, bytes], today: Mapping[str, bytes]) -> Sizes:
        """Of the content of its files; record: in today's form."""
        whole = [{name: len(content) for name, content in files.items()} for files in (stored, today)]
        packed = [sum(len(zlib.compress(content)) for content in files.values()) for files in (stored, today)]
        return Sizes(str(record.spec.arm), whole[0], whole[1], (packed[0], packed[1]), _fields(record))


def grids(table: pa.Table, tasks: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Labels and scores (n, T) of the cells of an earlier file, molecules in their order."""
    names = table.column("mol_id").to_pylist()
    order = {name: place for place, name in enumerate(dict.fromkeys(names))}
    places = [order[name] for name in names], [tasks.index(name) for name in table.column("task").to_pylist()]
    y, scores = np.full((2, len(order), len(tasks)), np.nan)
    y[places], scores[places] = table.column("y"), table.column("score")
    return y, scores


def scored_today(record: RunRecord, table: pa.Table) -> tuple[Scored, np.ndarray, np.ndarray]:
    """Of an earlier run: its scores as they would be today, and the labels and exact probabilities of test rows."""
    kind, tasks = METRICS.get(record.spec.metric).kind, tuple(record.scores["test"].tasks)
    labels, raw = {}, {}
    for part in ("valid", "test"):
        labels[part], raw[part] = grids(of_part(table, part), tasks)
    logits = kind == "classification" and record.spec.method not in GAVE_PROBABILITIES
    values = {part: probabilities.of_logits(mine) if logits else mine for part, mine in raw.items()}
    scored = scored_parts(labels, values, tasks, kind=kind, selected_by=raw["valid"])
    return scored, labels["test"], values["test"]


def sizes_of(results: ResultsFolder, record: RunRecord, moved: dict[int, list[list[float]]]) -> Sizes:
    """Of a run; how far its test scores move is added to `moved`."""
    path, insight = results.predictions_path(record.spec), insight_path(results, record)
    table, json = read_predictions(path), results.record_path(record.spec).read_bytes()
    learnt = insight.read_bytes() if insight.exists() else b""
    stored = {"JSON": json, "predictions": path.read_bytes(), "dendrites": learnt}
    rest = {"dendrites": insight_bytes(read_insight(results, record)) if learnt else b""}
    if not is_earlier(table):
        return Sizes.of(record, stored, {**stored, **rest})
    scored, y, exact = scored_today(record, table)
    for bits, apart in moved.items():
        apart.append([_apart(name, y, exact, bits) for name in ("roc_auc", "average_precision")])
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / path.name
        digest = write_predictions(file, y, scored.kept, tasks=tuple(record.scores["test"].tasks))
        today = replace(
            record,
            schema=FORMAT_VERSION,
            scores=scored.scores,
            metrics=scored.metrics,
            thresholds=scored.thresholds,
            history=tuple(line.rounded for line in record.history),
            predictions_sha256=digest,
        )
        made = {"JSON": record_bytes(today), "predictions": file.read_bytes(), **rest}
    return Sizes.of(today, stored, made)


def _fields(record: RunRecord) -> dict[str, int]:
    said = compact(said_by(record))
    return {name: len(canonical_json(said.get(name))) for name in FIELDS}


def _apart(name: str, y: np.ndarray, exact: np.ndarray, bits: int) -> float:
    metric, before = METRICS.get(name), probabilities.BITS
    try:
        probabilities.BITS = bits
        kept = probabilities.kept(exact).astype(np.float64)
    finally:
        probabilities.BITS = before
    scores = [mean_over_tasks(metric, y, p) for p in (exact, kept)]
    return abs((scores[0] or 0.0) - (scores[1] or 0.0))


def lines(sizes: list[Sizes], moved: Mapping[int, list[list[float]]]) -> Iterator[str]:
    """The tables of all runs."""
    yield f"| {len(sizes)} runs, kB each | as stored | as today |\n|---|--:|--:|"
    for name in ("JSON", "predictions"):
        yield f"| {name} | {_kb(one.stored[name] for one in sizes)} | {_kb(one.today[name] for one in sizes)} |"
    grown = [(one.stored["dendrites"], one.today["dendrites"]) for one in sizes if one.stored["dendrites"]]
    if grown:
        both = " | ".join(_kb(column) for column in zip(*grown, strict=True))
        yield f"| dendrites, of the {len(grown)} runs with any | {both} |"
    both_sums = [(sum(one.stored.values()), sum(one.today.values())) for one in sizes]
    yield f"| together | {_kb(old for old, _ in both_sums)} | {_kb(new for _, new in both_sums)} |"
    packed = [_kb(one.packed[side] for one in sizes) for side in (0, 1)]
    yield f"| together, as git keeps it | {packed[0]} | {packed[1]} |"
    largest = [max(mine) / 1000 for mine in zip(*both_sums, strict=True)]
    yield f"| the largest run | {largest[0]:.1f} | {largest[1]:.1f} |"
    megabytes = [sum(mine) / 1e6 for mine in zip(*both_sums, strict=True)]
    yield f"| all of them, MB | {megabytes[0]:.1f} | {megabytes[1]:.1f} |"
    fields = ", ".join(f"{name} {_kb(one.fields[name] for one in sizes)}" for name in FIELDS)
    yield f"\nJSON as today, kB: {fields}"
    if not any(moved.values()):
        return
    yield "\n| bits of a probability | mean ROC-AUC moves by | average precision |\n|--:|--:|--:|"
    for bits, apart in moved.items():
        roc, precision = (fmean(column) for column in zip(*apart, strict=True))
        yield f"| {bits} | {roc:.6f} | {precision:.6f} |"


def arm_lines(sizes: list[Sizes]) -> Iterator[str]:
    """A line for each arm, as today's code would store its runs."""
    yield "\n| kB each, as today | runs | JSON | predictions | dendrites | together |\n|---|--:|--:|--:|--:|--:|"
    for arm in sorted({one.arm for one in sizes}):
        mine = [one.today for one in sizes if one.arm == arm]
        parts = " | ".join(_kb(one[name] for one in mine) for name in ("JSON", "predictions", "dendrites"))
        yield f"| {arm} | {len(mine)} | {parts} | {_kb(sum(one.values()) for one in mine)} |"


def _kb(sizes: Iterable[int]) -> str:
    return f"{fmean(sizes) / 1000:.1f}"


def main() -> None:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", nargs="?", type=Path, default=Path("results"), metavar="RESULTS")
    parser.add_argument("task", nargs="?", default="tox21", metavar="TASK")
    parser.add_argument("--preset", metavar="NAME", help="its runs alone; otherwise those of all presets")
    parser.add_argument("--by-arm", action="store_true", help="a table with a line for each arm, too")
    args = parser.parse_args()
    results, moved = ResultsFolder(args.results), {bits: list[list[float]]() for bits in BITS}
    finished = [
        record
        for record in results.records(args.task)
        if record.status == "finished" and args.preset in (None, record.spec.preset)
    ]
    if not finished:
        asked = f" of preset {args.preset}" if args.preset else ""
        parser.error(f"{args.results} holds no finished runs of {args.task}{asked}")
    try:
        sizes = [sizes_of(results, record, moved) for record in finished]
    except PbgraphError as error:
        parser.exit(1, f"{error}\n")
    print("\n".join([*lines(sizes, moved), *(arm_lines(sizes) if args.by_arm else ())]))


if __name__ == "__main__":
    main()
