"""What is missing of a plan, done: what the command line and `pbgraph.api` have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np

from pbgraph.datasets.base import Dataset
from pbgraph.datasets.load import load, make_ready
from pbgraph.errors import DataError, UsageError
from pbgraph.execution.engines.base import Engine, Progress
from pbgraph.execution.engines.local import run_all
from pbgraph.execution.engines.schedule import Work, survey
from pbgraph.execution.fitting import RunOptions
from pbgraph.humanize import ranges
from pbgraph.molecules import Molecules
from pbgraph.plans.plan import Plan
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.records import RunRecord
from pbgraph.splits import SPLITS
from pbgraph.structures.parallel import cores

Shown = Callable[[Work, int], AbstractContextManager[Progress]]


def device_of(name: str) -> str:
    """Where networks are trained: "auto", "cpu" or "cuda" as torch finds it here. Raises UsageError without a GPU."""
    import torch

    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise UsageError(
            "--device cuda: torch finds no usable GPU here; leave it out, or see docs/guide/installation.md"
        )
    return "cuda" if available and name != "cpu" else "cpu"


def usual_jobs(device: str) -> int:
    """How many worker processes there are where nobody says so."""
    return cores() if device == "cpu" else 1


def do_missing(
    plan: Plan,
    options: RunOptions,
    *,
    jobs: int,
    device: str,
    shown: Shown,
    engine: Engine = run_all,
    retry_failed: bool = False,
    make_ready: Callable[[Plan], object] = lambda _: None,
    begin: Callable[[Work], object] = lambda _: None,
) -> tuple[Work, Mapping[str, RunRecord]]:
    """Do what is missing of a plan; returns what was to be done, and key -> record of all its runs that have one.

    engine      where and when runs are done
    make_ready  called before any run, if there is one to be done
    begin       called with what is to be done, right before it is
    Errors as of the engine; PbgraphError, before any run, if nothing can be written.
    """
    results = ResultsFolder(options.results)
    work = survey(plan, results, retry_failed=retry_failed)
    if work.todo:
        _check_code(work)
        make_ready(plan)
        results.check_writable()
    begin(work)
    records = {**work.finished, **work.failed}
    if work.todo:
        with shown(work, jobs) as progress:
            done = engine(work, options, jobs=jobs, device=device, progress=progress)
        records |= {record.key: record for record in done}
    return work, {spec.key: records[spec.key] for spec in plan.specs if spec.key in records}


def _check_code(work: Work) -> None:
    """Raises UsageError if a row has runs to be done that no table would show beside its finished ones."""
    for (preset, arm, how), specs in work.changed_rows().items():
        if todo := [spec.seed for spec in work.todo if (spec.preset, spec.arm) == (preset, arm)]:
            raise UsageError(
                f"{arm}: seeds {ranges([spec.seed for spec in specs])} were run with {how}, and no table has them "
                f"beside seeds {ranges(todo)}, which are to be run now. Raise the version of what was changed, or move "
                f"those away: rm {' '.join(spec.key for spec in specs)}"
            )


def make_data_ready(dataset: Dataset, plan: Plan, *, folder: Path | None, offline: bool) -> None:
    """Have the data of a plan at hand before any run; of what is read in a way of its own, the splits are checked.

    Such a data set, as a table of the user's, can be so small that a split leaves nothing to score. Errors as of
    `load` and of `check_splits`.
    """
    if dataset.load is None:
        make_ready(dataset, folder=folder, offline=offline)
    else:
        check_splits(dataset, load(dataset, folder=folder, offline=offline), plan)


def check_splits(dataset: Dataset, molecules: Molecules, plan: Plan) -> None:
    """Raises UsageError if a planned split leaves a part empty, DataError if nothing in a part can be scored."""
    for seed in dict.fromkeys(spec.split_seed for spec in plan.specs):
        split = SPLITS.get(plan.split).split(molecules, seed)
        which = plan.split if seed is None else f"{plan.split}, seed {seed},"
        for name in ("train", "valid", "test"):
            rows = getattr(split, name)
            if not _can_be_scored(molecules.y[rows]):
                raise DataError(
                    f"{dataset.file}: split {which} leaves {len(rows)} molecules for {name}, and no target has two "
                    "different labels among them, so nothing can be learnt or scored there; add molecules, or choose "
                    "another --split or --seeds"
                )


def _can_be_scored(y: np.ndarray) -> bool:
    return any(len(np.unique(column[~np.isnan(column)])) > 1 for column in y.T)
