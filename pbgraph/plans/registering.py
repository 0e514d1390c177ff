"""A plan as it is registered before it is run."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from pbgraph import __version__
from pbgraph.plans.plan import Plan
from pbgraph.plans.plan_text import plan_text
from pbgraph.results.compared import Pair, pairs_among
from pbgraph.results.registered import NONE_LEFT_OUT, Registration


def registration_of(plan: Plan, *, commit: str, dirty: bool) -> Registration:
    """What is to be written down of a plan, now; commit, dirty: of the source tree. Raises as `plan_text` does."""
    return Registration(
        name=re.sub(r"[^\w.-]+", "-", plan.name.partition(" ")[2]),
        task=plan.task,
        split=plan.split,
        seeds=plan.seeds,
        arms=tuple(map(str, plan.arms)),
        keys=tuple(sorted(spec.key for spec in plan.specs)),
        margin=plan.margin,
        plan=plan_text(plan),
        created=datetime.now(UTC).isoformat(timespec="milliseconds"),
        pbgraph=__version__,
        commit=commit,
        dirty=dirty,
        primary=tuple(map(str, plan.primary or ())),
        compared=tuple((str(a), str(b)) for a, b in compared_by(plan)),
        left_out=NONE_LEFT_OUT,
    )


def compared_by(plan: Plan) -> list[Pair]:
    """What a plan compares, in all of its presets the same pairs, since these have the same arms."""
    first = [spec for spec in plan.specs if spec.preset == plan.presets[0].recipe.name]
    return pairs_among(first, plan.arms, plan.named)
