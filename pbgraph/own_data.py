"""The command on a user's own table: `train`."""

from __future__ import annotations

import argparse
import logging
import sys
from typing import TYPE_CHECKING

import numpy as np

from pbgraph.commands import do_missing
from pbgraph.errors import DataError
from pbgraph.records import ResultsFolder

if TYPE_CHECKING:
    from pbgraph.datasets.base import Dataset, Molecules
    from pbgraph.plan import Plan

log = logging.getLogger(__name__)


def train(args: argparse.Namespace) -> int:
    """Do what is missing of a plan on a table of the user's, then show its table of results; 1 if a run has failed."""
    from pbgraph.datasets.load import load
    from pbgraph.datasets.lookup import earlier_versions, keep
    from pbgraph.datasets.own import describe, to_dataset

    task = describe(
        args.file,
        smiles=args.smiles,
        targets=args.targets,
        kind=args.kind,
        id=args.id,
        part=args.split_column,
        date=args.time_column,
    )
    dataset, results = to_dataset(task), ResultsFolder(args.results)
    for name in earlier_versions(task, results):
        log.warning("%s has changed since it was task %s: this is a new task; those records stay", task.path, name)
    molecules = load(dataset)
    usable = f"{len(molecules)} of {task.rows} rows can be used"
    print(f"{task.file}: task {task.name}, {task.kind} of {', '.join(task.targets)}; {usable}", file=sys.stderr)

    def make_ready(plan: Plan) -> None:
        check_splits(dataset, molecules, plan)
        results.check_writable()
        keep(task, results)

    return do_missing(args, dataset, make_ready)


def check_splits(dataset: Dataset, molecules: Molecules, plan: Plan) -> None:
    """Raises UsageError if a planned split leaves a part empty, DataError if nothing in a part can be scored."""
    from pbgraph.splits import SPLITS

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
