"""Commands for many machines: work on what others leave, submit to a cluster, merge what came out."""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pbgraph.cli.commands.names import dataset_of_task, is_task, is_task_in, task_names
from pbgraph.cli.commands.planning import declared_plan, task_of
from pbgraph.cli.commands.running import plan_of
from pbgraph.cli.options import (
    add_data_folder_arguments,
    add_planned_arguments,
    add_results_argument,
    add_worker_arguments,
)
from pbgraph.cli.values import DEVICES, OneOf, count, partition, seconds
from pbgraph.errors import DataError, PbgraphError, UsageError, unknown_name
from pbgraph.files.reading import MEBIBYTE, UnreadableError, read_bytes
from pbgraph.humanize import duration
from pbgraph.plans.presets import FILE, PLANS
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.leases import EVERY, LONGEST
from pbgraph.terminal import say, show

if TYPE_CHECKING:
    from pbgraph.datasets.base import Dataset
    from pbgraph.plans.plan import Plan
    from pbgraph.results.records import RunSpec

LARGEST_LIST = 16 * MEBIBYTE  # of a file of keys


def add_work_arguments(parser: argparse.ArgumentParser) -> None:
    """What ``work`` takes."""
    parser.set_defaults(command=work)
    _add_planned(parser)
    add_worker_arguments(parser)
    add_data_folder_arguments(parser)
    add = parser.add_argument
    add("--save-models", action="store_true", help="keep the trained models, for 'predict'")
    add("--runs", type=Path, metavar="FILE", help="only the runs whose keys are the lines of this file")
    add("--until", type=seconds("--until"), metavar="TIME", help="stop after so long, e.g. 3h50m (default: when done)")
    add("--no-wait", dest="stays", action="store_false", help="leave when all that is left is being done by others")
    add(
        "--heartbeat",
        type=seconds("--heartbeat"),
        default=EVERY,
        metavar="TIME",
        help="say so often that a run is going on; after six times that in silence it is taken over (default: 20s)",
    )


def work(args: argparse.Namespace) -> int:
    """Do runs of a plan that nobody else does; 1 if one of the plan has failed."""
    from pbgraph.datasets.load import make_ready
    from pbgraph.execution import benchmark
    from pbgraph.execution.engines.progress import shown
    from pbgraph.execution.engines.pulling import Pulling
    from pbgraph.execution.engines.schedule import describe
    from pbgraph.execution.fitting import RunOptions

    if args.heartbeat > LONGEST:
        raise UsageError(f"--heartbeat: expected at most {LONGEST:.0f} s")
    dataset, plan = planned(args)
    device = benchmark.device_of(args.device)
    jobs = args.jobs or benchmark.usual_jobs(device)
    left, records = benchmark.do_missing(
        plan,
        RunOptions(args.results, data=args.data, offline=args.offline, save_models=args.save_models),
        jobs=jobs,
        device=device,
        shown=shown,
        engine=Pulling(every=args.heartbeat, seconds=args.until, stays=args.stays),
        retry_failed=args.retry_failed,
        make_ready=lambda _: make_ready(dataset, folder=args.data, offline=args.offline),
        begin=lambda left: say(describe(left, jobs)),
    )
    failed = sum(record.status == "failed" for record in records.values())
    say(f"{len(records) - failed} of {len(plan.specs)} runs finished, {failed} failed; {_shows_table(args)}")
    results = ResultsFolder(args.results)
    torn = any(_is_torn(results, spec) for spec in plan.specs if spec.key not in records)  # as came in the meantime
    return 1 if failed or left.blocked or torn else 0


def _is_torn(results: ResultsFolder, spec: RunSpec) -> bool:
    """Whether what has the place of a run's record is none."""
    try:
        results.finished(spec.task, spec.key)
    except DataError:
        return True
    return False


def add_submit_arguments(parser: argparse.ArgumentParser) -> None:
    """What ``submit`` takes."""
    parser.set_defaults(command=submit)
    _add_planned(parser)
    add = parser.add_argument
    add("--slurm", action="store_true", help="as SLURM job arrays")
    add("--time", type=seconds("--time"), default=4 * 3600.0, metavar="TIME", help="of each task (default: 4:00:00)")
    limit = "tasks that an array may have (default: 1000, which every SLURM takes)"
    add("--array-limit", type=count("--array-limit", "tasks"), default=1000, metavar="N", help=limit)
    cpus = "of each task, which does so many runs at a time (default: 1)"
    add("--cpus", type=count("--cpus", "processor cores"), default=1, metavar="N", help=cpus)
    add("--partition", type=partition, metavar="NAME", help="of the cluster (default: its usual one)")
    add("--print", action="store_true", help="write the job and print the sbatch line, but do not call it")
    add("--device", type=OneOf("device", DEVICES), default="auto", help="auto (default), cpu or cuda, with a GPU each")
    add("--save-models", action="store_true", help="keep the trained models, for 'predict'")
    add_data_folder_arguments(parser)


def submit(args: argparse.Namespace) -> int:
    """Write what is left of a plan as a SLURM job, and submit it, or print what would."""
    from pbgraph.execution.engines.schedule import describe, survey
    from pbgraph.execution.engines.slurm import LEAST_TIME, Wishes, drop_over, write_job

    if not args.slurm:
        raise UsageError("submit: say what to: --slurm writes a job for SLURM")
    if args.time < LEAST_TIME:
        raise UsageError(f"--time: expected at least {LEAST_TIME:.0f} s; a worker needs some to start and to save")
    _, plan = planned(args)
    results = ResultsFolder(args.results)
    drop_over(results, now=time.time())
    left = survey(plan, results, retry_failed=args.retry_failed)
    say(describe(left, args.cpus))
    if not left.todo:
        say("nothing to submit")
        return 0
    wishes = Wishes(
        args.time,
        args.array_limit,
        cpus=args.cpus,
        partition=args.partition or "",
        gpu=args.device == "cuda",
        options=tuple(_passed_on(args)),
    )
    job = write_job(left, results, wishes)
    tasks, longest = len(job.seconds), duration(max(job.seconds))
    say(f"{job.script}: {len(left.todo)} runs in {tasks} task{'s' * (tasks > 1)}, the longest about {longest}")
    if job.too_long:
        say(
            f"{job.too_long} run{'s' * (job.too_long > 1)}, with controls, will take longer than --time: what is saved "
            "then is gone on with when the same is submitted again"
        )
    for command in job.commands:
        show(shlex.join(command))
    return 0 if args.print else _submitted(job.commands)


def _passed_on(args: argparse.Namespace) -> Iterator[str]:
    """The options of `submit` that its workers get."""
    if args.device != "auto":
        yield from ("--device", args.device)
    if args.data is not None:
        yield from ("--data", str(args.data.absolute()))
    yield from ["--offline"] * args.offline + ["--save-models"] * args.save_models
    yield from ["--retry-failed"] * args.retry_failed


def _submitted(commands: Iterable[Sequence[str]]) -> int:
    """Have SLURM do it. Raises PbgraphError if there is none, or if it refuses."""
    for command in commands:
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        except FileNotFoundError as error:
            raise PbgraphError(
                "sbatch is not installed here: give the line above where it is, or add --print to be shown it alone"
            ) from error
        if done.returncode:
            reason = done.stderr.strip() or "it does not say why"
            raise PbgraphError(f"sbatch refused the job (status {done.returncode}): {reason}")
        say(done.stdout.strip())
    return 0


def add_merge_arguments(parser: argparse.ArgumentParser) -> None:
    """What ``merge`` takes."""
    parser.set_defaults(command=merge)
    parser.add_argument("sources", nargs="+", type=Path, metavar="DIR_OR_ZIP", help="results of other machines")
    add_results_argument(parser)


def merge(args: argparse.Namespace) -> int:
    """Take over runs of other machines; 1 if something was refused."""
    from pbgraph.results.merging import merge

    results = ResultsFolder(args.results)
    here = args.results.resolve()
    if any(source.resolve() == here for source in args.sources):
        raise UsageError(f"{args.results} is what the others are merged into; name only the others")
    results.root.mkdir(parents=True, exist_ok=True)
    results.check_writable()
    merged = merge(args.sources, results)
    for note in merged.notes:
        say(note)
    for name, reason in merged.refused.items():
        say(f"refused: {name}: {reason}")
    counts = f"{len(merged.new)} new, {merged.known} there already, {len(merged.refused)} refused"
    show(f"merged into {args.results}: {counts}")
    return 1 if merged.refused else 0


def _shows_table(args: argparse.Namespace) -> str:
    """What shows the results."""
    command = "run" if hasattr(args, "declared") else "" if is_task(args.plan) else "table"
    words = [command, args.plan, "--results", str(args.results)]
    return f"'python -m pbgraph.bench {shlex.join(filter(None, words))}' with the same options shows the table"


def planned(args: argparse.Namespace) -> tuple[Dataset, Plan]:
    """The data set and the runs that a command is for, which takes a plan or a task. Raises UsageError."""
    from pbgraph.results.described import user_table_names

    if is_task_in(args.plan, args.results):
        if args.task is not None:
            raise UsageError(f"--task {args.task}: {args.plan} is a task itself; leave --task out")
        args.task = args.plan
    elif args.plan.endswith(FILE) or args.plan in PLANS or Path(args.plan).exists():
        if args.preset is not None or args.study is not None:
            raise UsageError(f"plan {args.plan} has a recipe of its own; leave --preset and --study out")
        args.declared = declared_plan(args.plan)
        args.task = task_of(args.declared, args)
    else:
        own = user_table_names(ResultsFolder(args.results))
        raise unknown_name("plan or task", args.plan, [*PLANS.names(), *task_names(), *own])
    dataset = dataset_of_task(args)
    plan = plan_of(args, dataset)
    listed: Path | None = getattr(args, "runs", None)
    if listed is None:
        return dataset, plan
    only = _only(plan, _keys_in(listed), listed)
    _check_pairs(only, ResultsFolder(args.results), listed)
    return dataset, only


def _keys_in(path: Path) -> list[str]:
    """The keys that are the lines of a file. Raises UsageError for anything else."""
    try:
        lines = read_bytes(path, LARGEST_LIST).decode("ascii", errors="replace").split("\n")
    except UnreadableError as error:
        raise UsageError(f"--runs {path} cannot be read: {error}") from error
    keys = [line.strip() for line in lines if line.strip()]
    wrong = [key for key in keys if not re.fullmatch("[0-9a-f]{16}", key)]
    if wrong or not keys:
        what = f"{wrong[0]!r:.60} is no key of a run" if wrong else "it is empty"
        raise UsageError(f"--runs {path}: {what}; a line of it is as 'runs TASK' lists them, e.g. 452325e8e07fba14")
    return keys


def _only(plan: Plan, keys: Collection[str], path: Path) -> Plan:
    """The plan with these runs alone."""
    wanted, there = set(keys), {spec.key for spec in plan.specs}
    if unknown := sorted(wanted - there):
        raise UsageError(
            f"--runs {path}: {unknown[0]} is no run of this plan ({len(unknown)} of {len(wanted)} are not)"
        )
    return replace(plan, specs=tuple(spec for spec in plan.specs if spec.key in wanted), part=f"listed in {path.name}")


def _check_pairs(plan: Plan, results: ResultsFolder, path: Path) -> None:
    """Raises UsageError for a control that could only fail, as what it is paired with is neither listed nor there."""
    there = {key for _, key in results.runs()} | {spec.key for spec in plan.specs}
    for spec in plan.specs:
        if spec.control_of is not None and spec.control_of not in there:
            raise UsageError(
                f"--runs {path}: {spec.key} is a control of {spec.control_of}, which has no record in {results.root}; "
                "list that, too"
            )


def _add_planned(parser: argparse.ArgumentParser) -> None:
    """A plan or a task, and which of its runs."""
    parser.set_defaults(engine="local", shard=None)
    add = parser.add_argument
    add("plan", metavar="PLAN|TASK", help="a plan file, or the name of a registered plan or of a task")
    add("--task", metavar="TASK", help="of a plan that names none")
    add_planned_arguments(parser)
    add("--retry-failed", action="store_true", help="try runs again that failed earlier")
