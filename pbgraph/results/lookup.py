"""Runs found by what is known of them: a beginning of their key, or what their arm, seed, preset and split are."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import takewhile
from types import MappingProxyType

from pbgraph.errors import UsageError, check_several
from pbgraph.results.arms import Arm, named_arm
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.records import RunRecord

SHORTEST = 4  # characters of a beginning
MOST_NAMED = 8  # keys in a message


def find_run(results: ResultsFolder, beginning: str) -> tuple[str, str]:
    """(task, key) of the one run whose key begins so.

    Raises UsageError, with the nearest keys, if there is none, if there are several, or for less than four characters.
    """
    if len(beginning) < SHORTEST:
        raise UsageError(f"key {beginning!r}: expected at least {SHORTEST} characters of it; 'runs TASK' lists them")
    runs = results.runs()
    matching = [run for run in runs if run[1].startswith(beginning.lower())]
    if len(matching) == 1:
        return matching[0]
    if matching:
        raise UsageError(
            f"key {beginning!r} is not the beginning of one run, but of {_named(matching)}; write more of it"
        )
    near = _nearest(beginning.lower(), [key for _, key in runs])
    hint = f"; near it: {_named([run for run in runs if run[1] in near])}" if near else ""
    raise UsageError(
        f"{results.root} holds no run {beginning!r:.60}{hint}. 'runs TASK' lists them, with the same --results"
    )


def _nearest(beginning: str, keys: Collection[str]) -> list[str]:
    """The keys that share the most first characters with it, two at least; else those with beginnings like it."""
    shared = {key: _alike(beginning, key) for key in keys}
    most = max(shared.values(), default=0)
    if most >= 2:
        return [key for key in keys if shared[key] == most]
    starts = difflib.get_close_matches(beginning, {key[: len(beginning)] for key in keys}, n=3, cutoff=0.5)
    return [key for key in keys if key[: len(beginning)] in starts]


def _alike(a: str, b: str) -> int:
    """How many first characters two texts share."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(a, b, strict=False)))


def _named(runs: Iterable[tuple[str, str]]) -> str:
    named = [f"{key} ({dataset})" for dataset, key in runs]
    return ", ".join(named[:MOST_NAMED]) + (f" and {len(named) - MOST_NAMED} more" if len(named) > MOST_NAMED else "")


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Which runs of a task are meant; None: any."""

    models: Collection[str] | None = None
    methods: Collection[str] | None = None
    arms: Collection[Arm] | None = None
    seeds: Collection[int] | None = None
    preset: str | None = None
    split: str | None = None

    def __post_init__(self) -> None:
        """Raises UsageError for a text in the place of several."""
        check_several(models=self.models, methods=self.methods, arms=self.arms, seeds=self.seeds)

    def among(self, known: Iterable[Arm], labels: Mapping[Arm, str] = MappingProxyType({})) -> Choice:
        """The same choice of these arms, each of them by its whole name; labels, and errors, as of `named_arm`."""
        known = set(known)
        return self if self.arms is None else replace(self, arms=[named_arm(arm, known, labels) for arm in self.arms])

    def of(self, records: Iterable[RunRecord]) -> list[RunRecord]:
        """The records that are meant, by preset, split, arm and seed."""
        chosen = [record for record in records if self._takes(record)]
        return sorted(
            chosen,
            key=lambda record: (record.spec.preset, record.spec.split, record.spec.arm, record.spec.seed, record.key),
        )

    def _takes(self, record: RunRecord) -> bool:
        spec = record.spec
        return all(
            wanted is None or value in wanted
            for wanted, value in (
                (self.models, spec.model),
                (self.methods, spec.method),
                (self.arms, spec.arm),
                (self.seeds, spec.seed),
                (None if self.preset is None else [self.preset], spec.preset),
                (None if self.split is None else [self.split], spec.split),
            )
        )
