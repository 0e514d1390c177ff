"""What all runs of one table must share: data, accepted rows, split, metric and preset, and per arm all settings.

Records that differ in one of these are refused, not averaged.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any, TypeVar

from pbgraph.errors import UsageError
from pbgraph.files.hashing import canonical_json, sha256
from pbgraph.humanize import ranges
from pbgraph.results.arms import Arm
from pbgraph.results.records import RunRecord, RunSpec

K = TypeVar("K")
V = TypeVar("V")
OF_AN_ARM = ("model", "method", "featuriser")  # components whose code all runs of an arm share


@dataclass(frozen=True)
class Protocol:
    """What all records of a table share; `id` is a hash of it. features: featuriser with version -> models."""

    task: str
    split: str
    metric: str
    preset: str
    seeds: tuple[int, ...]
    selection: str
    data_sha256: str
    rows: int
    rejected: int
    rows_sha256: str
    features: Mapping[str, tuple[str, ...]]

    @property
    def id(self) -> str:
        """First 12 hex digits of the SHA-256 of all fields."""
        return sha256(canonical_json(self))[:12]


def protocol_of(finished: Sequence[RunRecord], seeds: Sequence[int]) -> Protocol:
    """What these finished runs share; seeds: the declared ones."""
    spec, origin = finished[0].spec, finished[0].provenance
    by_featuriser = sorted({(record.provenance.featuriser, record.spec.model) for record in finished})
    return Protocol(
        task=f"{spec.task} v{spec.versions['task']}",
        split=f"{spec.split} v{spec.versions['split']}",
        metric=f"{spec.metric} v{spec.versions['metric']}",
        preset=spec.preset,
        seeds=tuple(seeds),
        selection="validation selects, test is scored once",
        data_sha256=origin.data_sha256,
        rows=origin.rows,
        rejected=len(origin.rejected),
        rows_sha256=origin.rows_sha256,
        features={
            name: tuple(model for _, model in group) for name, group in groupby(by_featuriser, key=lambda pair: pair[0])
        },
    )


def arm_identity(spec: RunSpec) -> dict[str, Any]:
    """What all runs of one arm must share: all of the spec but its seeds and its pair."""
    left_out = {"seed", "split_seed", "control_of"}
    return {name: getattr(spec, name) for name in spec.__dataclass_fields__ if name not in left_out}


def choices(specs: Iterable[RunSpec], *names: str) -> str:
    """Which runs there are to choose from: each combination of these fields of a spec, with its seeds."""
    seeds: dict[tuple[str, ...], list[int]] = {}
    for spec in specs:
        seeds.setdefault(tuple(getattr(spec, name) for name in names), []).append(spec.seed)
    return "; ".join(
        ", ".join(f"{name} {value}" for name, value in zip(names, values, strict=True))
        + f", seeds {ranges(with_seeds)}"
        for values, with_seeds in sorted(seeds.items())
    )


def usual_or_only(choices: Mapping[K, V], usual: K) -> V | None:
    """What is shown where nothing else is asked for: the usual of several things, or the only one there is."""
    return choices[usual] if usual in choices else next(iter(choices.values())) if len(choices) == 1 else None


def differences(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> str:
    """In words, the facts in which two runs differ; "" if there is none."""
    differing = [name for name in mine if mine[name] != theirs[name]]
    return "; ".join(f"{name}: {_difference(mine[name], theirs[name])}" for name in differing)


def twins(specs: Iterable[RunSpec]) -> str:
    """In words, two different runs of one arm and seed: their pairs differ. "" if there are none."""
    first: dict[tuple[Arm, int], RunSpec] = {}
    for spec in specs:
        other = first.setdefault((spec.arm, spec.seed), spec)
        if other.key != spec.key:
            pairs = f"{other.control_of} and {spec.control_of}"
            return f"{other.key} and {spec.key} are both {spec.arm}, seed {spec.seed}, paired with runs {pairs}"
    return ""


def check_one_protocol(records: Sequence[RunRecord], finished: Sequence[RunRecord]) -> None:
    """Raises UsageError if these runs, of which some are finished, must not stand in one table."""
    for arm in dict.fromkeys(record.spec.arm for record in records):
        same = [record for record in records if record.spec.arm == arm]
        _check_equal(f"runs of {arm}", same, lambda record: arm_identity(record.spec))
        for name in OF_AN_ARM:
            known = [record for record in same if record.status == "finished" and others_code(record, name)]
            _check_equal(f"runs of {arm}", known, partial(_code_of, name))
    _check_equal("these runs", finished, _common)
    check_same_split(finished)
    check_no_twins(finished)


def others_code(record: RunRecord, component: str) -> dict[str, str]:
    """Package -> its code, of the packages that a component of a run is in and that are not pbgraph's own.

    Of pbgraph the record has the commit, and whatever changes numbers there raises a version.
    """
    sources = record.provenance.sources
    packages = record.provenance.components.get(component, ())
    return {name: str(sources[name]) for name in packages if name in sources and name != "pbgraph"}


def _code_of(component: str, record: RunRecord) -> dict[str, Any]:
    """What of this code two runs must share: the content of the files, whatever commit they are from."""
    sources = record.provenance.sources
    code = {name: sources[name].sha256 for name in others_code(record, component)}
    return {f"code of {component} {getattr(record.spec, component)}": code}


def check_no_twins(finished: Iterable[RunRecord]) -> None:
    """Raises UsageError, naming both, if two of these runs have one arm and seed."""
    if pair := twins(record.spec for record in finished):
        raise UsageError(f"{pair}: one arm has one run of a seed. Move the one that is not wanted away with 'rm KEY'")


def _common(record: RunRecord) -> dict[str, Any]:
    spec, origin = record.spec, record.provenance
    versions = {name: spec.versions.get(name) for name in ("task", "split", "metric")}
    fields = {name: getattr(spec, name) for name in ("task", "split", "metric", "preset")}
    return {**fields, "versions": versions, "data": origin.data_sha256, "accepted rows": origin.rows_sha256}


def check_same_split(records: Sequence[RunRecord]) -> None:
    """Raises UsageError if runs of one seed had different splits."""
    by_seed = sorted(records, key=lambda record: record.spec.seed)
    for seed, same in groupby(by_seed, key=lambda record: record.spec.seed):
        _check_equal(f"runs of seed {seed}", list(same), lambda record: {"split": record.provenance.split_sha256})


def _check_equal(what: str, records: Sequence[RunRecord], facts: Callable[[RunRecord], dict[str, Any]]) -> None:
    """Raises UsageError, naming what differs and two records that do."""
    if not records:
        return
    first, mine = records[0], facts(records[0])
    for other in records[1:]:
        if details := differences(mine, facts(other)):
            raise UsageError(
                f"{what} do not share one protocol, so no table mixes them: records {first.key} and {other.key} differ "
                f"in {details}. Move those that are not wanted away with 'rm KEY...', or narrow the table with "
                "--preset, --split, --models, --methods or --seeds"
            )


def _difference(a: Any, b: Any) -> str:
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        pairs = {name: (a.get(name, "absent"), b.get(name, "absent")) for name in {**a, **b}}
        differing = {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
        return ", ".join(f"{name} {_shown(mine)} / {_shown(theirs)}" for name, (mine, theirs) in differing.items())
    return f"{_shown(a)} / {_shown(b)}"


def _shown(value: Any) -> str:
    """In a message; of a hash its beginning."""
    return re.sub(r"\b([0-9a-f]{12})[0-9a-f]{52}\b", r"\1", str(value))
