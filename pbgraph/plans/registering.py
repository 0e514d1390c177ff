"""A plan as it is registered before it is run."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from pbgraph import __version__
from pbgraph.plans.plan import Plan
from pbgraph.results.registered import Registration


def registration_of(plan: Plan, text: str, *, commit: str, dirty: bool) -> Registration:
    """What is to be written down of a plan, now; text: as a plan file; commit, dirty: of the source tree."""
    return Registration(
        name=re.sub(r"[^\w.-]+", "-", plan.name.partition(" ")[2]),
        task=plan.task,
        split=plan.split,
        seeds=plan.seeds,
        arms=tuple(map(str, plan.arms)),
        keys=tuple(sorted(spec.key for spec in plan.specs)),
        margin=plan.margin,
        plan=text,
        created=datetime.now(UTC).isoformat(timespec="milliseconds"),
        pbgraph=__version__,
        commit=commit,
        dirty=dirty,
    )
