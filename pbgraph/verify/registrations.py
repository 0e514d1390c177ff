"""Plans that were registered: each file whole, called after what it declares, and of one mind with the plan in it.

The plan is planned again. Versions of components and the recipe of a preset go into keys, so that all those of a row
may be others today, and not every row can be planned everywhere: that is said, and is nothing wrong. Wrong are another
number of keys, a row that has some of today's keys and not the others, and other comparisons than the plan has.

Whether one is older than its runs is its own word, unless it was committed before them: then the commit that added it
is among the ancestors of those that the runs were made by. Nothing is said of registrations that are not committed, nor
of runs by commits that the checkout does not know.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import chain
from pathlib import Path

from pbgraph.errors import PbgraphError
from pbgraph.execution.checkouts import git
from pbgraph.humanize import plural
from pbgraph.plans.declaration import Study
from pbgraph.plans.plan import Plan, plan_declared
from pbgraph.plans.plan_file import parsed_plan
from pbgraph.plans.registering import compared_by
from pbgraph.results.arms import Arm, parse_arm
from pbgraph.results.described import dataset_of
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.records import RunRecord
from pbgraph.results.registered import FOLDER, NONE_LEFT_OUT, Registration, began, read_registration
from pbgraph.verify.findings import Findings, findings, guarded
from pbgraph.verify.folder import entries


def check_registrations(results: ResultsFolder, finished: Sequence[RunRecord] = ()) -> Findings:
    """What is registered in a results folder, and finished there; a folder without any is not spoken of."""
    wrong: list[str] = []
    paths, unchecked = entries(results.root / FOLDER, wrong), list[str]()
    for path in paths:
        if found := guarded(path, _wrong, path):
            wrong += found
            continue
        registration = read_registration(path)
        unchecked += guarded(path, _on_its_own_word, path, registration, finished)
        try:
            today = plan_declared(dataset_of(registration.task, results), parsed_plan(registration.plan, path))
        except PbgraphError as error:  # of a component or data set that is not here
            unchecked.append(f"keys and comparisons of {path}: {error}")
        else:
            wrong += guarded(path, _not_of_the_plan, path, registration, today)
            unchecked += guarded(path, _planned_otherwise, path, registration, today)
    return findings({"registered plans": len(paths)} if paths else {}, wrong, unchecked)


def _wrong(path: Path) -> Iterator[str]:
    registration = read_registration(path)
    for name, (said, declared) in _facts(registration, path).items():
        if said != declared:
            yield f"{path}: its {name} is {said}, and in the plan that it holds {declared}; restore it"


def _runs(registration: Registration, today: Plan) -> list[tuple[Arm, list[bool]]]:
    """Each arm, of each preset, and of each of its runs as they are planned today whether it is declared."""
    runs, keys = dict[tuple[str, Arm], list[bool]](), set(registration.keys)
    for spec in today.specs:
        runs.setdefault((spec.preset, spec.arm), []).append(spec.key in keys)
    return [(arm, declared) for (_, arm), declared in runs.items()]


def _not_of_the_plan(path: Path, registration: Registration, today: Plan) -> Iterator[str]:
    """Runs and comparisons that the plan in a registration has and the registration not, and the other way round."""
    arms = set(map(parse_arm, registration.arms))
    for arm, declared in _runs(registration, today):
        if any(declared) and not all(declared):
            yield f"{path}: it lacks {declared.count(False)} of {plural(len(declared), 'run')} of {arm}; restore it"
        elif all(declared) and arm not in arms:
            yield f"{path}: it has the runs of {arm}, and not the arm; restore it"
    if not _compared_unknown(registration, today):
        said = {(parse_arm(a), parse_arm(b)) for a, b in registration.compared}
        planned = set(compared_by(today))
        for a, b in sorted(planned - said):
            yield f"{path}: it lacks the comparison {a} - {b}, which its plan has; restore it"
        for a, b in sorted(said - planned):
            yield f"{path}: it has the comparison {a} - {b}, which its plan lacks; restore it"


def _planned_otherwise(path: Path, registration: Registration, today: Plan) -> Iterator[str]:
    """What of a registration cannot be held against the plan in it, since today's code plans that otherwise."""
    if others := {str(arm): None for arm, declared in _runs(registration, today) if not any(declared)}:
        yield f"keys of {', '.join(others)} in {path}: today's code plans other runs, as by other versions or recipes"
    if why := _compared_unknown(registration, today):
        yield f"comparisons of {path}: {why}"


def _compared_unknown(registration: Registration, today: Plan) -> str:
    """Why it cannot be told whether its comparisons are those of its plan; "" if it can."""
    if not (registration.compared or registration.left_out):
        return "it is of an earlier version, which did not say them"
    arms = set(map(parse_arm, registration.arms))
    lacking = ", ".join(str(arm) for arm in sorted(arms.difference(today.arms)))
    reasons = "; ".join(refused.reason for refused in today.refused)
    return f"today's code does not plan {lacking}{f' ({reasons})' if reasons else ''}" if lacking else ""


def _on_its_own_word(path: Path, registration: Registration, finished: Sequence[RunRecord]) -> Iterator[str]:
    """Runs that a registration is older than by its time, and not by the history of the checkout that it is in."""
    folder = path.parent
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
    arms = [parse_arm(text) for text in registration.arms]
    runs = len(arms) * len(registration.seeds) * len(presets)
    said = registration.compared or registration.left_out  # which earlier versions did not say
    return {
        "task": (registration.task, first.task),
        "split": (registration.split, first.split),
        "seeds": (sorted(registration.seeds), sorted(first.seeds)),
        "margin": (registration.margin, first.margin),
        "primary comparison": (registration.primary, tuple(map(str, first.primary or ()))),
        "comparisons by name": (sorted(named.intersection(compared)), sorted(named)),
        "arms": (sorted(str(arm.plain) for arm in arms), sorted(str(arm) for row in first.rows for arm in row.arms)),
        "number of keys": (len(set(registration.keys)), runs),
        "comparisons of other arms": (sorted({*chain(*registration.compared)}.difference(registration.arms)), []),
        "word on what is left out": (registration.left_out, NONE_LEFT_OUT if said else ""),
    }
