"""Runs that there are as plan files, by which anybody can do them again."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from itertools import groupby

from pbgraph.datasets.base import DATASETS
from pbgraph.errors import PbgraphError
from pbgraph.plans.plan import Plan
from pbgraph.plans.plan_text import plan_text
from pbgraph.plans.presets import preset_of
from pbgraph.results.records import RunSpec

log = logging.getLogger(__name__)


def plans_of(specs: Iterable[RunSpec]) -> dict[str, str]:
    """Name -> text of a plan file for each task, preset and split of these runs: their arms and their seeds.

    What no plan can say here is left out with a warning: runs of another tool, tables of a user's own, and what is
    registered no more.
    """

    def group(spec: RunSpec) -> tuple[str, str, str]:
        return spec.task, spec.preset, spec.split

    ours = sorted((spec for spec in specs if not spec.external), key=lambda spec: (group(spec), spec.arm, spec.seed))
    plans: dict[str, str] = {}
    for (dataset, name, split), same in groupby(ours, key=group):
        try:
            DATASETS.get(dataset)
            mine = tuple(same)
            plan = Plan(dataset, f"preset {name}", (preset_of(mine),), split, mine)
            plans[f"{dataset}-{name}-{split}"] = plan_text(plan)
        except PbgraphError as error:
            log.warning("no plan of %s, preset %s, split %s: %s", dataset, name, split, error)
    return plans
