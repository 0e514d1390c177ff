"""Some runs, drawn at random, done again and compared with their records.

By the numeric platform of the record and equal versions of packages and libraries the two are equal bit for bit: every
score, every prediction, the history, what dendrites learnt. Other loops and libraries round otherwise, and training
carries that on until it is another draw of the same experiment. So elsewhere, and where a record does not say by what
its numbers were computed, the means over tasks have to agree within

    tolerance = max(PLATFORM_SPREAD x standard error, relevant)

where the standard error is that of the record's score over its molecules (bootstrap), and `relevant` is what the metric
declares as the smallest difference that matters. What was measured, between committed records (an Intel Xeon, its
libraries' own loops) and reruns on an AMD EPYC, is how many standard errors validation and test scores were apart: by
the libraries' own, at most one for gin and trimnet by backprop; with those of x86-64-avx2, for gin and eight small
TrimNets, mostly below one, and at most 2.1 (validation ROC-AUC 0.8439 and 0.8159; test 0.8511 and 0.8266), by a network
of 2,496 parameters. So two were seen, and three are allowed.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from pbgraph.execution.again import do_again
from pbgraph.execution.fitting import RunOptions
from pbgraph.execution.scoring import Rows
from pbgraph.files.hashing import canonical_json, sha256
from pbgraph.metrics import METRICS, Metric, label_of
from pbgraph.report.bootstrap import standard_error
from pbgraph.report.comparisons import margin_of
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.predictions import is_earlier
from pbgraph.results.protocol import differences
from pbgraph.results.records import Provenance, RunRecord
from pbgraph.streams import seed_of
from pbgraph.verify.comparable import comparable
from pbgraph.verify.scores import cells_said, read_predictions

PLATFORM_SPREAD = 3.0  # standard errors of a score over molecules that two platforms may be apart
EXACT, CLOSE = "bit for bit", "within the spread between platforms"
NOTHING = "with nothing: the rerun failed"


@dataclass(frozen=True)
class Rerun:
    """A run that was done again.

    rule    by which the two were compared, EXACT or CLOSE, and why; NOTHING if the rerun failed
    digest  of the record, and again, of the new one; "" if there is none
    scores  "test ROC-AUC" and the like -> (record, rerun, tolerance); the tolerance is 0 under EXACT
    wrong   what differs more than it may
    """

    key: str
    arm: str
    seed: int
    rule: str
    digest: str
    again: str
    scores: Mapping[str, tuple[float | None, float | None, float]]
    wrong: tuple[str, ...]


def drawn(records: Sequence[RunRecord], count: int, seed: int) -> list[RunRecord]:
    """`count` of these records, or all if there are fewer; the same seed draws the same of the same records."""
    ordered = sorted(records, key=lambda record: (record.spec.task, record.key))
    chosen = random.Random(seed_of(seed, "verify/rerun")).sample(ordered, min(count, len(ordered)))
    return sorted(chosen, key=lambda record: (record.spec.task, record.key))


def rerun(
    results: ResultsFolder, records: Sequence[RunRecord], *, data: Path | None = None, offline: bool = False
) -> list[Rerun]:
    """Do these finished runs again, in a folder of their own, and compare.

    Raises Interrupted after Ctrl-C, PbgraphError if the data cannot be had. Runs on the CPU, one per core at a time.
    """
    compared: dict[str, Rerun] = {}
    for mine in _rounds(records):
        with tempfile.TemporaryDirectory(prefix="pbgraph-rerun-") as scratch:
            options = RunOptions(Path(scratch), data=data, offline=offline)
            new = {record.key: record for record in do_again(results, mine, options)}
            for record in mine:
                compared[record.key] = _compared(results, record, ResultsFolder(options.results), new=new[record.key])
    return [compared[record.key] for record in records]


def _rounds(records: Sequence[RunRecord]) -> list[list[RunRecord]]:
    """The runs of one task that can be done beside each other.

    A control is matched to the record of its pair that is there, never to a rerun of it, so it comes in a later round.
    """
    drawn = {record.key: record for record in records}

    def depth(record: RunRecord) -> int:
        pair = drawn.get(record.spec.control_of or "")
        return 0 if pair is None else 1 + depth(pair)

    rounds: dict[tuple[str, int], list[RunRecord]] = {}
    for record in records:
        rounds.setdefault((record.spec.task, depth(record)), []).append(record)
    return [rounds[which] for which in sorted(rounds)]


def _compared(results: ResultsFolder, record: RunRecord, scratch: ResultsFolder, *, new: RunRecord) -> Rerun:
    same, why = one_platform(record.provenance, new.provenance)
    digests = record.digest(), "" if new.status == "failed" else new.digest()
    record, new = comparable(results, record, scratch, new=new)
    scores: dict[str, tuple[float | None, float | None, float]] = {}
    if new.status == "failed":
        rule, lines = NOTHING, [f"the run failed: {new.error}"]
    elif record.digest() == new.digest():
        rule, lines, scores = f"{EXACT}: {'' if same else 'equal, although '}{why}", [], _scores(record, new, {})
    elif same:
        rule, scores = f"{EXACT}: {why}", _scores(record, new, {})
        lines = list(_not_exact(results, record, scratch, new=new))
    else:
        rule, scores = f"{CLOSE}: {why}", _scores(record, new, _tolerances(results, record))
        lines = [*_other_experiment(record, new), *_too_far(scores)]
    run = f"rerun of {record.key}, {record.spec.arm}, seed {record.spec.seed}"
    wrong = tuple(f"{run}: {line} ({rule})" for line in lines)
    return Rerun(record.key, str(record.spec.arm), record.spec.seed, rule, *digests, scores, wrong)


def one_platform(mine: Provenance, theirs: Provenance) -> tuple[bool, str]:
    """Whether a record and a rerun must be equal bit for bit, and why, or why not.

    They must be if both were made on a CPU, by one numeric platform and by equal versions of packages and libraries.
    """
    if mine.device != "cpu" or theirs.device != "cpu":
        return False, f"they were made on {mine.device} and {theirs.device}, and only runs on a CPU must be equal"
    for who, origin in (("record", mine), ("rerun", theirs)):
        if origin.numerics is None:
            return False, f"the {who} does not say by what its numbers were computed"
    if said := differences(_platform(mine), _platform(theirs)):
        return False, f"the record is from another platform, {said}"
    return True, "the same platform"


def _platform(origin: Provenance) -> dict[str, Any]:
    return {
        "numeric platform": msgspec.to_builtins(origin.numerics),
        "packages": dict(origin.packages),
        "libraries": dict(origin.libraries),
    }


def _not_exact(results: ResultsFolder, record: RunRecord, scratch: ResultsFolder, *, new: RunRecord) -> Iterator[str]:
    """In which of its parts a run is not the same, bit for bit.

    Parquet files name the library that wrote them: where that is another one, the cells are compared.
    """
    names = ["spec", "status", "selection", "scores", "metrics", "thresholds", "history", "details"]
    parts = [name for name in names if canonical_json(getattr(record, name)) != canonical_json(getattr(new, name))]
    sizes = [run.cost and (run.cost.parameters, run.cost.epochs) for run in (record, new)]
    parts += ["parameters or epochs"] if sizes[0] != sizes[1] else []
    if record.predictions_sha256 != new.predictions_sha256:
        files = [read_predictions(place.predictions_path(record.spec)) for place in (results, scratch)]
        if not files[0].equals(files[1]):
            parts.append("predictions")
        elif not parts and _writer(results, record) == _writer(scratch, record):
            parts.append("the file of the predictions")
    if parts:
        yield f"it is not the same in {', '.join(parts)}"


def _writer(results: ResultsFolder, record: RunRecord) -> str:
    from pyarrow import parquet

    return str(parquet.read_metadata(results.predictions_path(record.spec)).created_by)


def _other_experiment(record: RunRecord, new: RunRecord) -> Iterator[str]:
    """What no platform changes: data, rows, split, labels, and by what was scored."""

    def facts(run: RunRecord) -> dict[str, Any]:
        origin = run.provenance
        labels = {
            part: (
                score.size,
                {name: (target.labelled, target.positives, target.sd) for name, target in score.tasks.items()},
            )
            for part, score in run.scores.items()
        }
        return {
            "metrics": dict(run.metrics),
            "data": origin.data_sha256,
            "accepted rows": origin.rows_sha256,
            "split": origin.split_sha256,
            "labels": sha256(canonical_json(labels)),
        }

    if said := differences(facts(record), facts(new)):
        yield f"it was another experiment, record / rerun: {said}"


def _scores(
    record: RunRecord, new: RunRecord, tolerances: Mapping[str, float]
) -> dict[str, tuple[float | None, float | None, float]]:
    return {
        name: (value, new.scores[part].metrics.get(metric), tolerances.get(name, 0.0))
        for part in ("valid", "test")
        for metric, value in record.scores[part].metrics.items()
        for name in [f"{part} {label_of(metric)}"]
    }


def _too_far(scores: Mapping[str, tuple[float | None, float | None, float]]) -> Iterator[str]:
    for name, (old, new, tolerance) in scores.items():
        apart = None if old is None or new is None else abs(old - new)
        if (apart is None and old != new) or (apart is not None and apart > tolerance):
            yield f"{name} {old} and {new} are further apart than {tolerance:.4f}"


def _tolerances(results: ResultsFolder, record: RunRecord) -> dict[str, float]:
    """Of every mean score of a record, how far from it another platform's may be.

    Where no predictions of validation rows are kept, those of the test rows, which are as many or so, stand for them.
    """
    table = read_predictions(results.predictions_path(record.spec))
    spreads = {}
    for part, said in record.scores.items():
        cells, score = cells_said(table, part if is_earlier(table) else "test", tuple(said.tasks))
        for name in said.metrics:
            metric = METRICS.get(name)
            taken = Rows(cells.y, score, thresholds=record.thresholds).taken(metric, cells.tasks)
            error = standard_error(np.where(np.isnan(taken), np.nan, cells.y), taken, metric)
            spreads[f"{part} {label_of(name)}"] = max(PLATFORM_SPREAD * error, _relevant(record, metric))
    return spreads


def _relevant(record: RunRecord, metric: Metric) -> float:
    spec = replace(record.spec, metric=metric.name)
    return margin_of([replace(record, spec=spec)]).relevant
