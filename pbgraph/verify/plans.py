"""Would today's code make the same runs? The key of each record beside that of today's plan for its preset and arm."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import Any

import msgspec

from pbgraph.errors import PbgraphError
from pbgraph.execution.origins import changed_code
from pbgraph.humanize import ranges
from pbgraph.plans.plan import plan
from pbgraph.plans.presets import preset_of
from pbgraph.plans.resolve import assignments_of
from pbgraph.results.arms import Arm
from pbgraph.results.described import dataset_of
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.protocol import differences
from pbgraph.results.records import RunRecord, RunSpec
from pbgraph.verify.findings import Findings, findings, guarded


def check_plans(
    results: ResultsFolder, records: Sequence[RunRecord], done: Callable[[int], None] = lambda _: None
) -> tuple[frozenset[str], Findings]:
    """The keys that today's code plans too, and what is otherwise about the others, one line per arm and difference.

    External results are in no plan.
    done  called with the number of records of each arm
    """
    planned: set[str] = set()
    wrong: list[str] = []
    unchecked: list[str] = []

    def row(record: RunRecord) -> tuple[str, str, str, Arm]:
        return record.spec.task, record.spec.preset, record.spec.split, record.spec.arm

    ours = [record for record in records if not record.spec.external]
    done(len(records) - len(ours))
    for (dataset, called, split, arm), same in groupby(sorted(ours, key=row), key=row):
        mine = list(same)
        where = f"{arm} of {dataset}, preset {called}, split {split}"
        try:
            specs = _todays(results, mine)
        except PbgraphError as error:  # of a component, preset or library that is not here
            unchecked.append(f"plan of {where}, seeds {ranges([record.spec.seed for record in mine])}: {error}")
        else:
            wrong += guarded(where, _drifted, specs, mine, where, planned)
            unchecked += _other_code(where, mine)
        done(len(mine))
    return frozenset(planned), findings({"keys as planned today": len(planned)}, wrong, unchecked)


def _drifted(specs: Mapping[int, RunSpec], records: Sequence[RunRecord], where: str, planned: set[str]) -> list[str]:
    """What differs between these runs of one arm and today's (by seed); the keys that do not go into `planned`."""
    seeds: dict[str, list[int]] = {}
    for record in records:
        if record.key == specs[record.spec.seed].key:
            planned.add(record.key)
        else:
            seeds.setdefault(_difference(record.spec, specs[record.spec.seed]), []).append(record.spec.seed)
    return [
        f"{where}, seeds {ranges(of)}: run with other things than today's plan has, record / plan: {what}. Its "
        "records are of an earlier version: today's code would do these runs again"
        for what, of in seeds.items()
    ]


def _other_code(where: str, records: Sequence[RunRecord]) -> list[str]:
    """Which of these runs of one arm were made with other code of somebody else's than is here."""
    seeds: dict[str, list[int]] = {}
    for record in records:
        if how := changed_code(record):
            seeds.setdefault(how, []).append(record.spec.seed)
    return [
        f"{where}, seeds {ranges(of)}: run with {how}; whether these give the same numbers, --rerun says"
        for how, of in seeds.items()
    ]


def _todays(results: ResultsFolder, records: Sequence[RunRecord]) -> dict[int, RunSpec]:
    """Seed -> what today's code plans for the arm of these records. Raises PbgraphError if it cannot be planned."""
    spec = records[0].spec
    todays = plan(
        dataset_of(spec.task, results),
        preset_of([record.spec for record in records]),
        models=[spec.model],
        methods=[spec.method],
        seeds=[record.spec.seed for record in records],
        split=spec.split,
        settings=assignments_of(spec),
    )
    return {planned.seed: planned for planned in todays.specs if planned.arm == spec.arm}


def _difference(mine: RunSpec, todays: RunSpec) -> str:
    facts: list[dict[str, Any]] = [msgspec.to_builtins(spec) for spec in (mine, todays)]
    if pair := facts[0]["control_of"] != facts[1]["control_of"]:
        for spec in facts:
            del spec["control_of"]
    said = differences(*facts)
    return said or ("the run it is paired with" if pair else "nothing that can be named")
