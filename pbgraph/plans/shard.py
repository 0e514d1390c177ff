"""One part of a plan, for arrays of batch jobs: task i of n takes every n-th group of runs.

A group is a run with its controls, which need its record. The parts depend on the plan alone, not on what is
finished, so that tasks started at different times never do the same run.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pbgraph.errors import UsageError
from pbgraph.humanize import whole

if TYPE_CHECKING:
    from pbgraph.plans.plan import Plan


@dataclass(frozen=True)
class Shard:
    """Part `index` (from 1) of `count` parts."""

    index: int
    count: int


def parse_shard(text: str) -> Shard:
    """Read "i/n"; raises UsageError unless 1 <= i <= n.

    >>> parse_shard("2/8")
    Shard(index=2, count=8)
    """
    index, count = (whole(part) for part in text.partition("/")[::2])
    if index is None or count is None or not 1 <= index <= count:
        raise UsageError(f"shard {text!r:.200} is not i/n with 1 <= i <= n; the second of eight parts is --shard 2/8")
    return Shard(index, count)


def array_shard() -> Shard:
    """The part that belongs to this task of a SLURM job array; raises UsageError outside of one."""
    names = ("SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_MAX", "SLURM_ARRAY_TASK_COUNT")
    try:
        number, first, last, count = (int(os.environ[name]) for name in names)
    except (KeyError, ValueError) as error:
        raise UsageError(
            f"--engine shard needs --shard I/N, or a SLURM job array, which sets {', '.join(names)}; here: {error}"
        ) from error
    if last - first + 1 != count:
        raise UsageError(
            f"the SLURM array {first}-{last} has {count} tasks, so its numbers leave gaps; give --shard I/N, "
            "or an array without gaps"
        )
    return parse_shard(f"{number - first + 1}/{count}")


def part_of(plan: Plan, shard: Shard) -> Plan:
    """The plan with this part's runs alone, in the same order."""
    parent = {spec.key: spec.control_of for spec in plan.specs}

    def head(key: str) -> str:
        while (pair := parent[key]) is not None:
            key = pair
        return key

    heads = [spec.key for spec in plan.specs if spec.control_of is None]
    mine = set(heads[shard.index - 1 :: shard.count])
    specs = tuple(spec for spec in plan.specs if head(spec.key) in mine)
    return replace(plan, specs=specs, part=f"{shard.index}/{shard.count}")
