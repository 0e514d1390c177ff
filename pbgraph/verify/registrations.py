"""Plans that were registered: each file whole, called after what it declares, and of one mind with the plan in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pbgraph.plans.declaration import Study
from pbgraph.plans.plan_file import parsed_plan
from pbgraph.results.arms import parse_arm
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.registered import FOLDER, Registration, read_registration
from pbgraph.verify.findings import Findings, findings, guarded
from pbgraph.verify.folder import entries


def check_registrations(results: ResultsFolder) -> Findings:
    """What is registered in a results folder; a folder without any is not spoken of."""
    wrong: list[str] = []
    paths = entries(results.root / FOLDER, wrong)
    for path in paths:
        wrong += guarded(path, _wrong, path)
    return findings({"registered plans": len(paths)} if paths else {}, wrong)


def _wrong(path: Path) -> Iterator[str]:
    registration = read_registration(path)
    for name, (said, declared) in _facts(registration, path).items():
        if said != declared:
            yield f"{path}: its {name} is {said}, and in the plan that it holds {declared}; restore it"


def _facts(registration: Registration, path: Path) -> dict[str, tuple[object, object]]:
    """Name -> what a registration says, and what the plan in it does; of arms, without what is set otherwise."""
    plan = parsed_plan(registration.plan, path)
    presets = plan.presets if isinstance(plan, Study) else (plan,)
    first = presets[0]
    named = {(str(a), str(b)) for a, b in first.named}
    arms = {str(parse_arm(text).plain) for text in registration.arms}
    return {
        "task": (registration.task, first.task),
        "split": (registration.split, first.split),
        "seeds": (sorted(registration.seeds), sorted(first.seeds)),
        "margin": (registration.margin, first.margin),
        "primary comparison": (registration.primary, tuple(map(str, first.primary or ()))),
        "comparisons by name": (sorted(named.intersection(registration.compared)), sorted(named)),
        "arms": (sorted(arms), sorted({str(arm) for preset in presets for arm in preset.arms})),
    }
