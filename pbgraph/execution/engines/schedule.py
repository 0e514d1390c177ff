"""What is left of a plan in a results folder: in which order, and how long it will take."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from pbgraph.execution.origins import changed_code
from pbgraph.humanize import duration, plural, ranges
from pbgraph.plans.plan import Plan
from pbgraph.results.arms import Arm, shortened
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.records import RunRecord, RunSpec

UNKNOWN_SECONDS = 600.0  # of a run nobody has timed, for the order alone
TIMED_ROWS = 7831  # of Tox21, whose runs a preset's seconds are of
SEEDS_TOGETHER = 10  # a plan of days works through its seeds in groups of so many, so that early rows are paired


@dataclass(frozen=True)
class Work:
    """What is left of a plan in one results folder.

    todo      runs to be done, in the order in which they should start
    finished  key -> record
    failed    key -> record of runs that failed and are not to be tried again
    seconds   key -> expected seconds; a run of unknown length is missing
    blocked   key -> why a run cannot be done: what is no record has its record's place, or that of its pair's
    others    records of the task that are not of the plan, as they were before
    changed   key of a finished run -> with which other code than is here now it was made, see `changed_code`
    """

    plan: Plan
    todo: tuple[RunSpec, ...]
    finished: Mapping[str, RunRecord]
    failed: Mapping[str, RunRecord]
    seconds: Mapping[str, float]
    blocked: Mapping[str, str] = field(default_factory=dict)
    others: Sequence[RunRecord] = ()
    changed: Mapping[str, str] = field(default_factory=dict)

    def seconds_left(self, jobs: int) -> float:
        """Expected wall time of `todo` on `jobs` workers: the sum shared out, but no less than the longest chain."""
        total = sum(self.seconds.get(spec.key, 0.0) for spec in self.todo)
        chains = chain_seconds(self.todo, self.seconds, unknown=0.0)
        return max([total / jobs, *chains.values()])

    def changed_rows(self) -> dict[tuple[str, Arm, str], list[RunSpec]]:
        """(preset, row, with which other code) -> the runs of `changed`."""
        rows: dict[tuple[str, Arm, str], list[RunSpec]] = {}
        for key, how in self.changed.items():
            spec = self.finished[key].spec
            rows.setdefault((spec.preset, spec.arm, how), []).append(spec)
        return rows


def survey(plan: Plan, results: ResultsFolder, *, retry_failed: bool = False) -> Work:
    """What is left of `plan` in `results`; failed runs only with `retry_failed`."""
    records = results.records(plan.task)
    by_key = {record.key: record for record in records}
    mine = {spec.key: by_key[spec.key] for spec in plan.specs if spec.key in by_key}
    finished = {key: record for key, record in mine.items() if record.status == "finished"}
    failed = {key: record for key, record in mine.items() if key not in finished and not retry_failed}
    seconds = _seconds(plan, records)
    blocked = _blocked(plan, results, finished)
    done = finished.keys() | failed.keys() | blocked.keys()
    todo = [spec for spec in plan.specs if spec.key not in done]
    others = [record for key, record in by_key.items() if key not in mine]
    changed = {key: how for key, record in finished.items() if (how := changed_code(record))}
    return Work(plan, _in_starting_order(todo, seconds), finished, failed, seconds, blocked, others, changed)


def _blocked(plan: Plan, results: ResultsFolder, finished: Mapping[str, RunRecord]) -> dict[str, str]:
    """Key -> why a run cannot be done; a control comes after its pair in a plan, and cannot be done without it."""
    reasons: dict[str, str] = {}
    folder = results.root / "records" / plan.task
    names = set(os.listdir(folder)) if folder.is_dir() else set()
    for spec in plan.specs:
        if spec.key not in finished and f"{spec.key}.json" in names:
            reasons[spec.key] = f"{results.record_path(spec)} is no record of it; move it away to have the run done"
        elif spec.control_of in reasons:
            reasons[spec.key] = f"the run it is paired with, {spec.control_of}, cannot be done"
    return reasons


def chain_seconds(specs: Sequence[RunSpec], seconds: Mapping[str, float], *, unknown: float) -> dict[str, float]:
    """Key -> seconds from a run's start until the last of its controls can be over."""
    controls: dict[str | None, list[RunSpec]] = {}
    for spec in specs:
        controls.setdefault(spec.control_of, []).append(spec)

    def chain(spec: RunSpec) -> float:
        return seconds.get(spec.key, unknown) + max(
            (chain(control) for control in controls.get(spec.key, ())), default=0.0
        )

    return {spec.key: chain(spec) for spec in specs}


def _seconds(plan: Plan, records: Sequence[RunRecord]) -> dict[str, float]:
    """Key -> expected seconds: the median of finished runs of the same arm and preset, else what the preset expects,
    in proportion to the rows of the data set; of a variant nobody has timed, what is known of its arm.
    """
    measured: dict[tuple[str, Arm], list[float]] = {}
    for record in records:
        if record.cost is not None:
            measured.setdefault((record.spec.preset, record.spec.arm), []).append(record.cost.seconds)
    size = (plan.rows or TIMED_ROWS) / TIMED_ROWS
    expected = {
        (preset.recipe.name, arm): size * seconds for preset in plan.presets for arm, seconds in preset.seconds.items()
    }
    known = expected | {row: median(seconds) for row, seconds in measured.items()}
    rows = {spec.key: (spec.preset, spec.arm) for spec in plan.specs}
    likely = {(preset, arm.plain): seconds for (preset, arm), seconds in known.items()} | known
    return {
        key: likely.get((preset, arm), likely.get((preset, arm.plain), 0.0))
        for key, (preset, arm) in rows.items()
        if (preset, arm.plain) in likely
    }


def _in_starting_order(todo: Sequence[RunSpec], seconds: Mapping[str, float]) -> tuple[RunSpec, ...]:
    """One quick run first, as a sign of life; then groups of seeds, the longest chain of runs first."""
    chains = chain_seconds(todo, seconds, unknown=UNKNOWN_SECONDS)
    seeds = {seed: place for place, seed in enumerate(dict.fromkeys(spec.seed for spec in todo))}
    ordered = sorted(todo, key=lambda spec: (seeds[spec.seed] // SEEDS_TOGETHER, -chains[spec.key]))
    pending = {spec.key for spec in todo}
    free = [spec for spec in ordered if spec.control_of not in pending]
    quick = min(free, key=lambda spec: seconds.get(spec.key, UNKNOWN_SECONDS), default=None)
    return tuple(sorted(ordered, key=lambda spec: spec is not quick))


def describe(work: Work, jobs: int) -> str:
    """The plan for people: one line per arm, what cannot be run and why, and how long it will take."""
    plan, todo = work.plan, len(work.todo)
    counts = f"{plural(len(plan.specs), 'run')}, {len(work.finished)} finished, {len(work.failed)} failed, {todo} to do"
    lines = [f"{plan.task}, {plan.name}, split {plan.split}: {counts}"]
    rows: dict[tuple[str, Arm], list[RunSpec]] = {}
    for spec in plan.specs:
        rows.setdefault((spec.preset, spec.arm), []).append(spec)
    left = Counter((spec.preset, spec.arm) for spec in work.todo)
    called = shortened(plan.arms, plan.labels)
    for (preset, arm), specs in rows.items():
        name = str(called[arm]) if len(plan.presets) == 1 else f"{preset} {called[arm]}"
        lines.append(_describe_row(work, name, specs, todo=left[preset, arm]))
    lines += [
        f"  {called[arm]}: seeds {ranges([spec.seed for spec in specs])} were run with {how}: a change of numbers "
        "needs another version"
        for (_, arm, how), specs in work.changed_rows().items()
    ]
    lines += [f"  not run: {key}: {reason}" for key, reason in work.blocked.items()]
    lines += [f"  not run: {refusal.arm}: {refusal.reason}" for refusal in plan.refused]
    if work.failed:
        lines.append("  --retry-failed tries the failed runs again")
    if todo:
        unknown = any(spec.key not in work.seconds for spec in work.todo)
        lines.append(f"  {about(work.seconds_left(jobs), unknown=unknown)} with {jobs} worker{'s' if jobs > 1 else ''}")
    return "\n".join(lines)


def about(seconds: float, *, unknown: bool) -> str:
    """How long runs will take, in words; unknown: of some of them nobody knows.

    >>> about(90.0, unknown=True), about(0.0, unknown=True)
    ('about 1:30 and runs of unknown length', 'runs of unknown length')
    """
    known = [f"about {duration(seconds)}"] if seconds > 0 or not unknown else []
    return " and ".join([*known, *(["runs of unknown length"] if unknown else [])])


def _describe_row(work: Work, name: str, specs: Sequence[RunSpec], *, todo: int) -> str:
    seeds = ranges([spec.seed for spec in specs])
    seconds = work.seconds.get(specs[0].key)
    each = f", about {duration(seconds)} each" if todo and seconds is not None else ""
    return f"  {name:<26} seeds {seeds}: {todo} of {len(specs)} to do{each}"
