"""What is left of a plan as SLURM job arrays: bundles of runs, one for each task, and the job file that does them.

    RESULTS/.work/slurm/<id>/plan.toml       the plan, as it was when it was submitted
    RESULTS/.work/slurm/<id>/bundle-<n>.txt  keys of the runs of task n
    RESULTS/.work/slurm/<id>/job.sh          what a task does: `work` on its bundle
    RESULTS/.work/slurm/<id>/logs/           what tasks said

They stay until all their runs are finished, and a week longer: `drop_over`.

A task is a worker as any other: it takes a lease on each run, saves what it does before its time is up, and gives it
back. So jobs may be submitted twice, cancelled, or joined by workers elsewhere.
"""

from __future__ import annotations

import heapq
import re
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pbgraph.errors import PbgraphError
from pbgraph.execution.engines.schedule import UNKNOWN_SECONDS, Work, chain_seconds
from pbgraph.files.hashing import canonical_json, sha256
from pbgraph.files.writing import replaced_file
from pbgraph.plans.plan import plan_declared
from pbgraph.plans.plan_file import read_plan
from pbgraph.plans.plan_text import plan_text
from pbgraph.results.described import dataset_of
from pbgraph.results.folder import WORK, ResultsFolder
from pbgraph.results.records import RunSpec
from pbgraph.terminal import visible_cell

SHORTEST = 1800.0  # seconds that a task has to do, where there are short runs enough
SPARE = 0.75  # share of a task's time that expected runs may fill: they may meet a slower processor
LONGEST_MARGIN = 600.0  # seconds before the end of a task in which it saves and gives back
KEPT_SECONDS = 7 * 86400.0  # that a job's folder stays as it is when its runs are finished: tasks may be queued still
LEAST_TIME = 120.0  # of a task


@dataclass(frozen=True)
class Wishes:
    """What is asked of SLURM.

    seconds      that a task may take
    array_limit  tasks that an array may have
    cpus         of a task, which does so many runs at a time
    partition    "": the usual one
    options      of `work`, beside those that a job needs
    """

    seconds: float
    array_limit: int
    cpus: int = 1
    partition: str = ""
    gpu: bool = False
    options: tuple[str, ...] = ()

    @property
    def margin(self) -> float:
        """Seconds before the end of a task, when it begins to save."""
        return min(LONGEST_MARGIN, self.seconds / 6)

    @property
    def budget(self) -> float:
        """Seconds of runs, one after another, that a task can do."""
        return (self.seconds - self.margin) * SPARE * self.cpus


@dataclass(frozen=True)
class Job:
    """What was written: the job file, the commands that submit it, and what each task will take.

    seconds   that each task is expected to take
    too_long  chains of runs that are expected to take longer than a task
    """

    script: Path
    commands: tuple[tuple[str, ...], ...]
    seconds: tuple[float, ...]
    too_long: int


def bundled(work: Work, wishes: Wishes) -> list[list[RunSpec]]:
    """The runs that are left, a control with the run it is paired with, in as many bundles as there will be tasks.

    The longest chains come first, each into the bundle that has the least to do; what is longer than a task is alone.
    """
    chains = sorted(_chains(work.todo), key=lambda chain: -_total(chain, work.seconds))
    whole = sum(_total(chain, work.seconds) for chain in chains)
    room = min(max(SHORTEST * wishes.cpus, whole / wishes.array_limit), wishes.budget)
    bundles: list[list[RunSpec]] = []
    least: list[tuple[float, int]] = []  # a heap: seconds of a bundle, and its place
    for chain in chains:
        seconds = _total(chain, work.seconds)
        if not least or least[0][0] + seconds > room:
            heapq.heappush(least, (seconds, len(bundles)))
            bundles.append(list(chain))
        else:
            taken, place = least[0]
            heapq.heapreplace(least, (taken + seconds, place))
            bundles[place].extend(chain)
    return bundles


def _chains(todo: Sequence[RunSpec]) -> list[list[RunSpec]]:
    """Each run with the controls that need it, in the order of a plan."""
    open_runs = {spec.key: spec for spec in todo}
    chains: dict[str, list[RunSpec]] = {}
    for spec in todo:
        head = spec
        while (pair := open_runs.get(head.control_of or "")) is not None:
            head = pair
        chains.setdefault(head.key, []).append(spec)
    return list(chains.values())


def _total(chain: Sequence[RunSpec], seconds: Mapping[str, float]) -> float:
    return sum(seconds.get(spec.key, UNKNOWN_SECONDS) for spec in chain)


def _wall(runs: Sequence[RunSpec], seconds: Mapping[str, float], cpus: int) -> float:
    """Seconds that runs take on so many cores: their share of all, but no less than the longest chain."""
    return max(_total(runs, seconds) / cpus, *chain_seconds(runs, seconds, unknown=UNKNOWN_SECONDS).values())


def write_job(work: Work, results: ResultsFolder, wishes: Wishes) -> Job:
    """Write all that a job needs. Raises PbgraphError if it cannot be written."""
    bundles = bundled(work, wishes)
    keys = [[spec.key for spec in bundle] for bundle in bundles]
    folder = (results.root / WORK / "slurm" / sha256(canonical_json(keys))[:12]).absolute()
    try:
        (folder / "logs").mkdir(parents=True, exist_ok=True)
        _write_plan(folder / "plan.toml", work, results)
        for number, bundle in enumerate(keys, start=1):
            _write(folder / f"bundle-{number}.txt", "\n".join(bundle) + "\n")
        _write(folder / "job.sh", job_text(work, results, folder, wishes=wishes))
    except OSError as error:
        raise PbgraphError(
            f"{folder} cannot be written ({error.strerror}); give another folder with --results DIR"
        ) from error
    seconds = tuple(_wall(bundle, work.seconds, wishes.cpus) for bundle in bundles)
    longest = [_wall(chain, work.seconds, wishes.cpus) for chain in _chains(work.todo)]
    too_long = sum(one > wishes.seconds - wishes.margin for one in longest)
    return Job(folder / "job.sh", tuple(_commands(folder / "job.sh", len(bundles), wishes)), seconds, too_long)


def drop_over(results: ResultsFolder, *, now: float) -> None:
    """Delete the folders of earlier jobs that have finished all their runs, and in which nothing has changed for long.

    now  seconds since 1970
    """
    finished = results.finished_keys()
    for folder in (results.root / WORK / "slurm").glob("*"):
        with suppress(OSError, UnicodeDecodeError):  # it is no job's, or somebody else deletes it, too
            keys = {key for path in folder.glob("bundle-*.txt") for key in path.read_text(encoding="ascii").split()}
            changed = max(path.stat().st_mtime for path in (folder, *folder.rglob("*")))
            if keys and keys <= finished and now - changed > KEPT_SECONDS:
                shutil.rmtree(folder)


def _write(path: Path, text: str) -> None:
    with replaced_file(path) as part:
        part.write_text(text, encoding="utf-8")


def _write_plan(path: Path, work: Work, results: ResultsFolder) -> None:
    """The plan, as text. Raises PbgraphError if what is left is not in it when it is read."""
    _write(path, plan_text(work.plan))
    again = plan_declared(dataset_of(work.plan.task, results), read_plan(path))
    if missing := {spec.key for spec in work.todo} - {spec.key for spec in again.specs}:
        raise PbgraphError(f"{path} does not say the runs that were planned, {min(missing)} for one; give a plan file")


def _commands(script: Path, bundles: int, wishes: Wishes) -> list[tuple[str, ...]]:
    """One sbatch for each array; the job file is told how many bundles the arrays before it have."""
    limit = wishes.array_limit
    return [
        ("sbatch", f"--array=1-{min(limit, bundles - first)}", str(script), str(first))
        for first in range(0, bundles, limit)
    ]


def job_text(work: Work, results: ResultsFolder, folder: Path, *, wishes: Wishes) -> str:
    """The job file, in bash."""
    command = [
        *(sys.executable, "-m", "pbgraph.bench", "work", str(folder / "plan.toml")),
        *("--results", str(results.root.absolute()), "--jobs", str(wishes.cpus)),
        *("--until", f"{wishes.seconds - wishes.margin:.0f}s", "--no-wait", *wishes.options),
    ]
    log = str(folder / "logs").replace("%", "%%") + "/%A_%a.log"
    directives = {
        "job-name": f"pbgraph-{work.plan.task}"[:60],
        "time": _slurm_time(wishes.seconds),
        "ntasks": "1",
        "cpus-per-task": str(wishes.cpus),
        **({"partition": wishes.partition} if wishes.partition else {}),
        **({"gres": "gpu:1"} if wishes.gpu else {}),
        "signal": f"B:USR1@{max(round(wishes.margin / 2), 1)}",
        "output": _quoted(log),
        "open-mode": "append",
    }
    return "\n".join(
        [
            "#!/bin/bash",
            *(f"#SBATCH --{name}={value}" for name, value in directives.items()),
            "",
            f"# {visible_cell(f'{work.plan.task}, {work.plan.name}')}: {len(work.todo)} runs.",
            "# Task n does those that bundle-n.txt lists, where n counts on from the first argument; what its time",
            "# does not suffice for it saves and gives back.",
            "set -eu",
            "number=$((${1:-0} + SLURM_ARRAY_TASK_ID))",
            f"cd {_quoted(str(Path.cwd()))}",
            f'exec {" ".join(map(_quoted, command))} --runs "{_escaped(str(folder))}/bundle-$number.txt"',
            "",
        ]
    )


def _quoted(word: str) -> str:
    """A word of a shell command, whatever is in it; in double quotes, in which shellcheck suspects no mistake.

    >>> print(_quoted("results"), _quoted("it's $mine"))
    results "it's \\$mine"
    """
    return word if shlex.quote(word) == word else f'"{_escaped(word)}"'


def _escaped(text: str) -> str:
    return re.sub(r'([\\"$`])', r"\\\1", text)


def _slurm_time(seconds: float) -> str:
    """As SLURM writes it.

    >>> _slurm_time(14400), _slurm_time(90061)
    ('04:00:00', '1-01:01:01')
    """
    days, rest = divmod(round(seconds), 86400)
    return f"{days}-" * (days > 0) + f"{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}"
