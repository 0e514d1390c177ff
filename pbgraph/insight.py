"""What the dendrites of a finished run learnt, as data: one JSON file beside its record, read without torch.

For neuron i of a site, over all rows p (every index but the neuron's, of every call) of the validation molecules, with
the reported network in evaluation mode, so that y' = y + Σ_k w_k a_k (`pbgraph.dendrites.sites`) and c_k = w_k a_k:

    variance share    Var_p(c_k) / Var_p(y')
    covariance share  Cov_p(c_k, y') / Var_p(y')

The variance share says how large a dendrite's contribution is beside what leaves the site. It is no part of a whole:
shares of a site need not sum to one, and one can be more than 1 where the contribution cancels something, since

    Var(y') = Var(y) + Σ_k Var(c_k) + 2 Σ_k Cov(y, c_k) + 2 Σ_{j<k} Cov(c_j, c_k).

The covariance share divides these mixed terms equally between the two that cause them. It sums to one, exactly, over
the parent (whose share is 1 − Σ_k of the dendrites') and all dendrites, but is negative for what others overrule. Both
are 0 for a neuron whose y' does not vary. Neither says that scores would be worse without the dendrite: the parent has
been trained beside it since.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import msgspec

from pbgraph.errors import DataError, UsageError, unknown_name
from pbgraph.files import new_file
from pbgraph.protocol import check_no_twins
from pbgraph.reading import MEBIBYTE, UnreadableError, decoded, read_bytes
from pbgraph.records import ResultsFolder, RunRecord, canonical_json, sha256
from pbgraph.words import ranges

DIGEST = "dendrites_sha256"  # among a record's details
LARGEST = 64 * MEBIBYTE  # of a file
Floats = tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class DendriteInsight:
    """One dendrite of each of a site's C neurons, or one that was tried there.

    number   k, from 1
    outcome  "kept": it is in the network; "dropped": with it the network did not become better, or the best one is from
             before; "failed": all its candidates became NaN or infinite
    epoch    the first in which it, or its candidates, took part; None if that is not known
    mean_correlation, max_correlation  for each epoch of its dendrite phase: mean and maximum over neurons of
             |corr(a, δ)| of the best candidate; empty without such a phase
    correlation  (C,): |corr(a, δ)| of the weights that were accepted, in the epoch they are from; empty without a phase
    w, variance_share, covariance_share  (C,), of a dendrite that was kept; empty for others
    """

    number: int
    outcome: Literal["kept", "dropped", "failed"] = "kept"
    epoch: int | None = None
    mean_correlation: Floats = ()
    max_correlation: Floats = ()
    correlation: Floats = ()
    w: Floats = ()
    variance_share: Floats = ()
    covariance_share: Floats = ()


@dataclass(frozen=True)
class SiteInsight:
    """One site: C neurons, the rows that shares were measured on, and its dendrites in the order they were tried."""

    neurons: int
    rows: int
    dendrites: tuple[DendriteInsight, ...] = ()


@dataclass(frozen=True)
class Insight:
    """All sites of a network by name."""

    sites: Mapping[str, SiteInsight]


def with_trials(found: Insight, trials: Mapping[str, list[DendriteInsight]]) -> Insight:
    """The dendrites of a network, and what is known of all that were tried at its sites.

    found   of the network alone
    trials  site -> every dendrite tried there, in order; the last one of a number is the one in the network
    """
    return Insight({name: _with_trials(site, trials.get(name, [])) for name, site in found.sites.items()})


def _with_trials(site: SiteInsight, trials: list[DendriteInsight]) -> SiteInsight:
    last = {one.number: place for place, one in enumerate(trials) if one.outcome != "failed"}
    merged = [one if one.outcome == "failed" else replace(one, outcome="dropped") for one in trials]
    for kept in site.dendrites:
        if (place := last.get(kept.number)) is None:
            merged.append(kept)
        else:
            known = trials[place]
            merged[place] = replace(
                kept,
                epoch=known.epoch,
                mean_correlation=known.mean_correlation,
                max_correlation=known.max_correlation,
                correlation=known.correlation,
            )
    return replace(site, dendrites=tuple(merged))


def write_insight(path: Path, found: Insight) -> str:
    """Write it as JSON, floats with 6 significant digits, and return the SHA-256 of the file's content.

    A file left by a run that ended before its record was written is replaced.
    """
    content = canonical_json(_rounded(msgspec.to_builtins(found)))
    path.unlink(missing_ok=True)
    with new_file(path) as part:
        part.write_bytes(content)
    return sha256(content)


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(item) for item in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


def finished_run(records: Sequence[RunRecord], arm: str, seed: int | None, *, command: str) -> RunRecord:
    """The finished run of an arm with this seed; None: with its lowest. The records are of one task, preset and split.

    command  that runs the task, to be named where a run is not there
    Raises UsageError, saying what there is and what to do, if there is no such run, if it failed, or if two of its
    runs have one seed.
    """
    of_arm = [record for record in records if record.spec.arm == arm]
    if not of_arm:
        raise unknown_name("arm", arm, {record.spec.arm for record in records})
    check_no_twins(record for record in of_arm if record.status == "finished")
    mine = {record.spec.seed: record for record in sorted(of_arm, key=lambda one: one.status == "finished")}
    finished = sorted(seed for seed, record in mine.items() if record.status == "finished")
    wanted = min(finished, default=min(mine)) if seed is None else seed
    if wanted in finished:
        return mine[wanted]
    there = f"finished seeds: {ranges(finished) or 'none'}"
    if wanted in mine:
        raise UsageError(f"{arm}, seed {wanted}, failed: {mine[wanted].error}; {there}")
    spec = mine[min(mine)].spec
    raise UsageError(
        f"there is no run of {arm} with seed {wanted}; {there}. '{command} --preset "
        f"{spec.preset} --split {spec.split} --models {spec.model} --methods {spec.method} --seeds {wanted}' makes it"
    )


def read_insight(results: ResultsFolder, record: RunRecord) -> Insight:
    """What the dendrites of a finished run learnt.

    Raises UsageError for a run without dendrites, DataError if the file is not there or not that of its record.
    """
    digest = record.details.get(DIGEST)
    run = f"{record.spec.arm}, seed {record.spec.seed}"
    if digest is None and "dendrites" not in record.details:
        raise UsageError(f"{run}, is a run without dendrites: name an arm that grows some, such as perforated")
    path = results.dendrites_path(record.spec)
    if digest is None:
        raise DataError(
            f"record {record.key} of {run}, does not say what its dendrites learnt: it was made by an earlier version; "
            f"move {results.record_path(record.spec)} away to have the run done again"
        )
    if not os.path.lexists(path):
        raise DataError(f"{path} is not there: copy it from where record {record.key} of {run}, was made")
    try:
        content = read_bytes(path, LARGEST)
        if sha256(content) != digest:
            raise DataError(f"{path} is not the file that record {record.key} was written with; restore it")
        return decoded(content, Insight)
    except UnreadableError as error:
        raise DataError(f"{path} does not say what dendrites learnt ({error}); restore it") from error
