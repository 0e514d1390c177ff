"""How all runs of a task stand: done, running, failed or still to do, as seen from outside while others do them.

Nothing is held and nothing written: what is running is told by the locks of runs and the leases on them, how far it is
by what they say of themselves (`pbgraph.results.progress`), the rest by the records and by a plan.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Literal

from pbgraph.errors import PbgraphError, UsageError
from pbgraph.execution.engines.progress import line_of
from pbgraph.execution.engines.schedule import Work, about, survey
from pbgraph.execution.engines.time_left import TimeLeft
from pbgraph.humanize import duration, plural, ranges
from pbgraph.methods.base import Report
from pbgraph.plans.plan import Plan, plan_declared
from pbgraph.plans.presets import PLANS, command_to_run
from pbgraph.results.arms import Arm, parse_arm, shortened
from pbgraph.results.described import dataset_of
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.progress import SAID, STARTING, RunProgress, in_progress, read_progress
from pbgraph.results.records import RunRecord, RunSpec
from pbgraph.results.registered import Registration, registrations
from pbgraph.terminal import visible_cell

State = Literal["done", "running", "failed", "blocked", "to do"]
UNKNOWN = "unknown"  # of a run that says nothing of itself


@dataclass(frozen=True)
class RunState:
    """How one run stands.

    planned   whether it is one of the plan that was asked for
    progress  of a run that is running, or left with a saved state: what it last said of itself
    seconds   that it took; of one that is to be done, that it is expected to take; None if nobody knows
    seconds_left  of a running one, by what it last said
    reason    why it failed, or cannot be done
    """

    key: str
    arm: str
    seed: int | None
    preset: str
    split: str
    state: State
    planned: bool
    seconds: float | None = None
    seconds_left: float | None = None
    reason: str = ""
    progress: RunProgress | None = None


@dataclass(frozen=True)
class RegisteredStanding:
    """How many runs of a registered plan are done.

    declared, when  the hash of what it declares, and when it was registered
    makes  the command that does the rest; "" where its name does not stand for these runs here
    """

    name: str
    declared: str
    when: str
    split: str
    runs: int
    done: int
    makes: str


@dataclass(frozen=True)
class Standing:
    """How the runs of one task stand, those of a plan first, if there is one.

    plan     "preset NAME" or "study NAME"; "" where there is none
    seconds_left  expected wall time until the plan is done, with so many `jobs`
    registered  plans of the task that were registered, the earliest first
    """

    task: str
    plan: str
    runs: tuple[RunState, ...]
    jobs: int
    seconds_left: float
    registered: tuple[RegisteredStanding, ...] = ()


def standing(
    dataset: str, plan: Plan | None, results: ResultsFolder, *, jobs: int, now: float | None = None
) -> Standing:
    """How the runs of a task stand in a results folder, whoever does them.

    plan  what is asked for; None: what there is
    now   seconds since 1970, if it is not now
    """
    now = time.time() if now is None else now
    said = {key: read_progress(results, key) for key in in_progress(results, now=now)}
    work = None if plan is None else survey(plan, results)
    planned = {spec.key: spec for spec in plan.specs} if plan else {}
    records = {record.key: record for record in results.records(dataset)}
    finished = {key for key, record in records.items() if record.status == "finished"}
    running = {
        key: _running(key, news, planned.get(key) or _spec_of(records, key), work=work, now=now)
        for key, news in said.items()
        if key not in finished and ((news is not None and news.task == dataset) or key in planned or key in records)
    }
    others = {key: _of_record(record, planned=key in planned) for key, record in records.items()}
    todo = {key: _waiting(results, spec, work) for key, spec in planned.items() if work and key not in others}
    states = {**todo, **others, **running}
    order = dict.fromkeys([*planned, *sorted(states.keys() - planned.keys(), key=lambda key: _place(states[key]))])
    runs = tuple(states[key] for key in order)
    registered = tuple(_registered(one, records, results) for one in registrations(results) if one.task == dataset)
    return Standing(dataset, plan.name if plan else "", runs, jobs, _seconds_left(work, runs, jobs), registered)


def _registered(one: Registration, records: Mapping[str, RunRecord], results: ResultsFolder) -> RegisteredStanding:
    there = Counter(records[key].status for key in one.keys if key in records)
    makes = _making(one, results) if there["finished"] < len(one.keys) else ""
    makes += " --retry-failed" if makes and there["failed"] else ""
    return RegisteredStanding(one.name, one.declared, one.when, one.split, len(one.keys), there["finished"], makes)


def _making(one: Registration, results: ResultsFolder) -> str:
    """The command for the runs of a registered plan; "" if the plan that is called so here has others, or none is."""
    if one.name not in PLANS:
        return ""
    try:
        known, dataset = PLANS.get(one.name), dataset_of(one.task, results)
        planned = plan_declared(dataset, known, split=one.split)
        same = tuple(sorted(spec.key for spec in planned.specs)) == one.keys
        return command_to_run(one.name, known, dataset, one.split) if same else ""
    except PbgraphError:
        return ""


def _spec_of(records: Mapping[str, RunRecord], key: str) -> RunSpec | None:
    return records[key].spec if key in records else None


def _place(run: RunState) -> tuple[str, str, str, int]:
    return run.preset, run.split, run.arm, run.seed or 0


def _of_record(record: RunRecord, *, planned: bool) -> RunState:
    spec = record.spec
    return RunState(
        record.key,
        str(spec.arm),
        spec.seed,
        spec.preset,
        spec.split,
        state="done" if record.status == "finished" else "failed",
        planned=planned,
        seconds=record.cost.seconds if record.cost else None,
        reason=record.error or "",
    )


def _running(key: str, said: RunProgress | None, spec: RunSpec | None, *, work: Work | None, now: float) -> RunState:
    expected = work.seconds.get(key) if work else None
    named = said or spec
    return RunState(
        key,
        str(named.arm) if named else UNKNOWN,
        named.seed if named else None,
        named.preset if named else UNKNOWN,
        named.split if named else UNKNOWN,
        state="running",
        planned=work is not None and any(spec.key == key for spec in work.plan.specs),
        seconds=expected,
        seconds_left=_left(said, expected, now),
        progress=said,
    )


def _left(said: RunProgress | None, expected: float | None, now: float) -> float | None:
    """Seconds left of a run, as its own display would say."""
    if said is None or said.began is None:
        return expected
    clock = [said.began]
    left = TimeLeft(expected, now=lambda: clock[-1])
    for when, fraction in ((said.began, said.first), (said.reported, said.fraction)):
        clock.append(when)
        left.update(fraction)
    clock.append(max(now, said.reported))
    return left.seconds()


def _waiting(results: ResultsFolder, spec: RunSpec, work: Work) -> RunState:
    blocked = work.blocked.get(spec.key, "")
    return RunState(
        spec.key,
        str(spec.arm),
        spec.seed,
        spec.preset,
        spec.split,
        state="blocked" if blocked else "to do",
        planned=True,
        seconds=work.seconds.get(spec.key),
        reason=blocked,
        progress=read_progress(results, spec.key) if results.saved_state(spec.key) else None,
    )


def _seconds_left(work: Work | None, runs: Iterable[RunState], jobs: int) -> float:
    """Expected wall time of what is running and to do: shared out, but no less than the longest run or chain."""
    if work is None:
        return 0.0
    mine = [run for run in runs if run.planned]
    waiting = {run.key for run in mine if run.state == "to do"}
    rest = replace(work, todo=tuple(spec for spec in work.todo if spec.key in waiting))
    running = [run.seconds_left or 0.0 for run in mine if run.state == "running"]
    return max([rest.seconds_left(jobs), sum(running) / jobs + rest.seconds_left(1) / jobs, *running])


def describe_standing(standing: Standing, now: float | None = None) -> str:
    """For people: a line for each preset and split, then what is running, failed and to do."""
    now = time.time() if now is None else now
    called = _called({run.arm for run in standing.runs})
    groups: dict[tuple[bool, str, str], list[RunState]] = {}
    for run in (replace(run, arm=called.get(run.arm, run.arm)) for run in standing.runs):
        groups.setdefault((not run.planned, run.preset, run.split), []).append(run)
    lines: dict[bool, list[str]] = {False: [], True: []}
    for (other, preset, split), runs in groups.items():
        in_study = standing.plan.startswith("study")
        name = f"preset {preset}" if other else f"{standing.plan}, preset {preset}" if in_study else standing.plan
        lines[other] += [
            f"{standing.task}, {name}, split {split}: {_counted(runs)}",
            *(f"  running  {run.arm} seed {run.seed}: {_how_far(run, now)}" for run in _in(runs, "running")),
            *(f"  failed   {_reason(run)}" for run in _in(runs, "failed")),
            *(f"  blocked  {_reason(run)}" for run in _in(runs, "blocked")),
            *_to_do(_in(runs, "to do")),
        ]
    return "\n".join([*lines[False], *_time_left(standing), *lines[True], *_of_registered(standing)])


def _of_registered(standing: Standing) -> Iterator[str]:
    for one in standing.registered:
        rest = f"; '{one.makes}' does the rest" if one.makes else ""
        done = f"{one.done:,} of {plural(one.runs, 'run')} done"
        yield (
            f"{standing.task}, plan {one.name} ({one.declared}), registered {one.when}, split {one.split}: {done}{rest}"
        )


def _called(names: Iterable[str]) -> dict[str, str]:
    """Name of an arm -> the short one by which it is shown; what runs in progress say may be no name of an arm."""
    arms: dict[str, Arm] = {}
    for name in names:
        with suppress(UsageError):
            arms[name] = parse_arm(name)
    short = shortened(arms.values())
    return {name: str(short[arm]) for name, arm in arms.items()}


def _time_left(standing: Standing) -> Iterator[str]:
    """How long the plan will take, unless all of it is over."""
    open_runs = [run for run in standing.runs if run.planned and run.state in ("running", "to do")]
    if open_runs:
        unknown = any(run.seconds is None and run.seconds_left is None for run in open_runs)
        workers = f"{standing.jobs} worker{'s' if standing.jobs > 1 else ''}"
        yield f"  {about(standing.seconds_left, unknown=unknown)} with {workers}"


def _in(runs: Iterable[RunState], state: State) -> list[RunState]:
    return [run for run in runs if run.state == state]


def _counted(runs: Sequence[RunState]) -> str:
    counts: Counter[str] = Counter(run.state for run in runs)
    shown = [state for state in ("done", "running", "failed", "blocked", "to do") if counts[state] or state == "done"]
    return f"{plural(len(runs), 'run')}, " + ", ".join(f"{counts[state]} {state}" for state in shown)


def _how_far(run: RunState, now: float) -> str:
    said = run.progress
    if said is None:
        return "it does not say how far it is"
    if said.phase == STARTING:
        return STARTING
    line = line_of(Report(**{name: getattr(said, name) for name in SAID}), said.metric)
    left = "" if run.seconds_left is None else f"{duration(run.seconds_left)} left"
    ago = f"as of {duration(max(now - said.reported, 0.0))} ago"
    return visible_cell(", ".join(filter(None, (line.phase, line.epoch, line.best, line.dendrites, left, ago))))


def _reason(run: RunState) -> str:
    return f"{run.arm} seed {run.seed} ({run.key}): {visible_cell(run.reason)}"


def _to_do(runs: Sequence[RunState]) -> Iterator[str]:
    by_arm: dict[str, list[RunState]] = {}
    for run in runs:
        by_arm.setdefault(run.arm, []).append(run)
    for arm, mine in by_arm.items():
        seeds = [run.seed for run in mine if run.seed is not None]
        noun = "seeds" if len(seeds) > 1 else "seed"
        each = " each" if len(seeds) > 1 else ""
        time_each = "" if mine[0].seconds is None else f", about {duration(mine[0].seconds)}{each}"
        left = [(run.seed, run.progress.epoch + 1) for run in mine if run.progress]
        saved = "".join(f"; seed {seed} goes on from epoch {epoch}" for seed, epoch in left)
        yield f"  to do    {arm} {noun} {ranges(seeds)}{time_each}{saved}"
