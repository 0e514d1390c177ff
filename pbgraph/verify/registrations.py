"""Plans that were registered: each file whole, called after what it declares, and of one mind with the plan in it.

Whether one is older than its runs is its own word, unless it was committed before them: then the commit that added it
is among the ancestors of those that the runs were made by. Nothing is said of registrations that are not committed, nor
of runs by commits that the checkout does not know.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

from pbgraph.execution.checkouts import git
from pbgraph.humanize import plural
from pbgraph.plans.declaration import Study
from pbgraph.plans.plan_file import parsed_plan
from pbgraph.results.arms import parse_arm
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.records import RunRecord
from pbgraph.results.registered import FOLDER, Registration, began, read_registration
from pbgraph.verify.findings import Findings, findings, guarded
from pbgraph.verify.folder import entries


def check_registrations(results: ResultsFolder, finished: Sequence[RunRecord] = ()) -> Findings:
    """What is registered in a results folder, and finished there; a folder without any is not spoken of."""
    wrong: list[str] = []
    paths, unchecked = entries(results.root / FOLDER, wrong), list[str]()
    for path in paths:
        found = guarded(path, _wrong, path)
        unchecked += () if found else guarded(path, _on_its_own_word, path, finished)
        wrong += found
    return findings({"registered plans": len(paths)} if paths else {}, wrong, unchecked)


def _wrong(path: Path) -> Iterator[str]:
    registration = read_registration(path)
    for name, (said, declared) in _facts(registration, path).items():
        if said != declared:
            yield f"{path}: its {name} is {said}, and in the plan that it holds {declared}; restore it"


def _on_its_own_word(path: Path, finished: Sequence[RunRecord]) -> Iterator[str]:
    """Runs that a registration is older than by its time, and not by the history of the checkout that it is in."""
    registration, folder = read_registration(path), path.parent
    added = git(folder, "log", "--diff-filter=A", "--format=%H", "-1", "--", path.name)
    if not added:
        return
    declared, keys = datetime.fromisoformat(registration.created).timestamp(), set(registration.keys)
    after = [record.provenance.commit for record in finished if record.key in keys and declared <= began(record)]
    commits = [commit for commit in dict.fromkeys(after) if git(folder, "cat-file", "-e", f"{commit}^{{commit}}") == ""]
    late = [commit for commit in commits if git(folder, "merge-base", "--is-ancestor", added, commit) is None]
    if late:
        yield (
            f"whether {path} is older than {plural(sum(map(after.count, late)), 'run')} of its plan: the commit that "
            f"added it, {added[:12]}, is not among the ancestors of {late[0][:12]}, by whose code they were made; "
            "commit what is registered before its first run"
        )


def _facts(registration: Registration, path: Path) -> dict[str, tuple[object, object]]:
    """Name -> what a registration says, and what the plan in it does; of arms, without what is set otherwise."""
    plan = parsed_plan(registration.plan, path)
    presets = plan.presets if isinstance(plan, Study) else (plan,)
    first = presets[0]
    named = {(str(a), str(b)) for a, b in first.named}
    compared = {*registration.compared, *((b, a) for a, b in registration.compared)}
    arms = {str(parse_arm(text).plain) for text in registration.arms}
    return {
        "task": (registration.task, first.task),
        "split": (registration.split, first.split),
        "seeds": (sorted(registration.seeds), sorted(first.seeds)),
        "margin": (registration.margin, first.margin),
        "primary comparison": (registration.primary, tuple(map(str, first.primary or ()))),
        "comparisons by name": (sorted(named.intersection(compared)), sorted(named)),
        "arms": (sorted(arms), sorted({str(arm) for preset in presets for arm in preset.arms})),
    }
