"""Plans that were registered: which runs were declared, and when, so that it can be seen whether that was beforehand.

RESULTS/registered/NAME-HASH.json holds the plan as a plan file, the keys of its runs, the margin, the time and the
commit. It is written once; its name has the hash of what was declared, and `id` in it that of all that it says.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import msgspec

from pbgraph.errors import DataError, UsageError
from pbgraph.files.hashing import canonical_json, sha256
from pbgraph.files.reading import MEBIBYTE, UnreadableError, read_bytes
from pbgraph.files.writing import new_file
from pbgraph.humanize import plural, ranges
from pbgraph.results.folder import ASIDE, TRASH, ResultsFolder
from pbgraph.results.record_file import indented
from pbgraph.results.records import RunRecord

FOLDER = "registered"
LARGEST = 64 * MEBIBYTE
FORMAT_VERSION = 1
ADDED = ("primary", "compared", "left_out", "begun")
SAME = ("keys", "margin", "primary", "compared")  # of two registrations of one plan
JUDGED_BY = ("seeds", "margin", "primary", "compared")
NONE_LEFT_OUT = (  # to which `verify` holds all files that are written
    "none: a comparison has a verdict if all its runs finished, and tables name those that did not"
)
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Registration:
    """A plan that was declared.

    plan     its text, as a plan file
    primary  the two arms of the comparison that it is made for, as `arms` has them; () where it names none
    compared  the pairs that are judged, all by one correction (Holm) and the same margin, the primary one first; () in
             files of earlier versions, which did not say so and have no `left_out` either
    left_out  which runs are left out of these: none, whatever they come to
    begun    keys of runs that had finished, failed, or been begun and saved when it was registered, or been moved away
    arms     its rows, as `Arm` writes them, in order
    keys     of all its runs, sorted
    margin   the smallest difference that matters; None: what the metric declares
    created  when, in UTC
    commit, dirty  of the source tree; "" outside of a checkout
    id       hash of all of this; "" before it is written
    """

    name: str
    task: str
    split: str
    seeds: tuple[int, ...]
    arms: tuple[str, ...]
    keys: tuple[str, ...]
    margin: float | None
    plan: str
    created: str
    pbgraph: str
    commit: str
    dirty: bool
    primary: tuple[str, ...] = ()
    compared: tuple[tuple[str, str], ...] = ()
    left_out: str = ""
    begun: tuple[str, ...] = ()
    format_version: int = FORMAT_VERSION
    id: str = ""

    @property
    def declared(self) -> str:
        """Hash of what is declared, whatever it is called and whenever that was."""
        facts = (self.task, self.split, self.seeds, self.arms, self.keys, self.margin)
        return sha256(canonical_json((*facts, self.primary, self.compared) if self.compared else facts))[:12]

    @property
    def when(self) -> str:
        """The second in which it was declared, for people."""
        return datetime.fromisoformat(self.created).isoformat(timespec="seconds")

    def sealed(self) -> Registration:
        """With the hash of all that it says."""
        said: dict[str, object] = msgspec.to_builtins(replace(self, id=""))
        lacking = [name for name in ADDED if not said[name]]  # which earlier versions did not have
        return replace(self, id=sha256(canonical_json({name: said[name] for name in said if name not in lacking})))


def register(results: ResultsFolder, registration: Registration) -> tuple[Path, Registration]:
    """Write down a plan that is declared now, with what of it had been begun; as `take_over`."""
    over = {key for task, key in results.runs() if task == registration.task}
    hidden = [folder for name in (TRASH, ASIDE) for folder in (results.root / name).glob("*")]
    over |= {key for folder in hidden for task, key in ResultsFolder(folder).runs() if task == registration.task}
    begun = [key for key in registration.keys if key in over or results.saved_state(key)]
    return take_over(results, replace(registration, begun=tuple(begun)))


def take_over(results: ResultsFolder, registration: Registration) -> tuple[Path, Registration]:
    """Write it down as it is, unless the same was declared before: the file, and what is in it.

    Nothing is ever overwritten.
    """
    for path, earlier in _there(results):
        if all(getattr(earlier, name) == getattr(registration, name) for name in SAME):
            return path, earlier
    sealed = registration.sealed()
    path = results.root / FOLDER / f"{registration.name}-{registration.declared}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    with new_file(path) as part:
        part.write_bytes(indented(msgspec.to_builtins(sealed)))
    return path, sealed


def registrations(results: ResultsFolder) -> list[Registration]:
    """All that is registered, the earliest first; a file that is none, or was edited, costs a warning."""
    return sorted((registration for _, registration in _there(results)), key=lambda registration: registration.created)


def _there(results: ResultsFolder) -> Iterator[tuple[Path, Registration]]:
    folder = results.root / FOLDER
    for path in sorted(folder.glob("*.json")) if folder.is_dir() else ():
        try:
            yield path, read_registration(path)
        except DataError as error:
            log.warning("left out: %s", error)


def read_registration(path: Path) -> Registration:
    """Raises DataError if the file is no registration, or was edited."""
    try:
        registration = msgspec.json.decode(read_bytes(path, LARGEST), type=Registration)
        datetime.fromisoformat(registration.created)
    except (UnreadableError, msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise DataError(f"{path} is no registered plan: {error}; restore it, or move it away") from error
    if registration != registration.sealed() or path.stem != f"{registration.name}-{registration.declared}":
        raise DataError(f"{path} was edited or renamed; restore it, or move it away")
    return registration


@dataclass(frozen=True)
class Judged:
    """How runs are judged where they are shown, to be held against what was declared.

    seeds     that should be there
    margin    the smallest difference that matters;  usual: what the metric declares, where a plan says nothing
    primary   the comparison that it is made for, if for one
    compared  the pairs that one correction is over
    complete  those of them that have all their runs
    """

    seeds: Sequence[int]
    margin: float
    usual: float
    primary: Sequence[str]
    compared: Collection[tuple[str, str]]
    complete: Collection[tuple[str, str]]

    def other_than(self, plan: Registration) -> str:
        """What the plan declares otherwise, in words; "" where nothing is otherwise."""
        if set(self.seeds) != set(plan.seeds):
            return f"seeds {ranges(plan.seeds)}"
        if self.margin != (margin := self.usual if plan.margin is None else plan.margin):
            return f"a margin of {margin}"
        if tuple(self.primary) != plan.primary:
            return f"the primary comparison {' - '.join(plan.primary)}" if plan.primary else "no primary comparison"
        if plan.left_out and not plan.compared and self.compared:
            return "no comparison"
        if lacking := len(set(plan.compared).difference(self.compared)):
            return f"{plural(len(plan.compared), 'comparison')} at once, of which {lacking} are not judged here"
        return ""


def how_declared(finished: Sequence[RunRecord], registered: Iterable[Registration], judged: Judged) -> str:
    """In words, whether a registered plan that is older than each of these runs has them, judged like this.

    "" of no run.
    """
    if not finished:
        return ""
    keys, first = {record.key for record in finished}, min(began(record) for record in finished)
    plans = list(registered)
    holding = [plan for plan in plans if keys.issubset(plan.keys)]
    early = [
        plan
        for plan in holding
        if datetime.fromisoformat(plan.created).timestamp() <= first and keys.isdisjoint(plan.begun)
    ]
    for plan in early:
        if not judged.other_than(plan):
            more = len(set(judged.compared).difference(plan.compared)) if plan.left_out or plan.compared else 0
            others = f"; exploratory: {plural(more, 'comparison')} beside those of that plan" if more else ""
            return (
                f"{_confirmatory(plan, judged)}: {_registered(plan)}, before the first run{others}"
                f"{_also(plan, [one for one in plans if keys.intersection(one.keys)])}"
            )
    if early:
        return f"exploratory: {_registered(early[0])}, before the first run, for {judged.other_than(early[0])}"
    if holding:
        return f"exploratory: {_registered(holding[0])}, after the first of these runs had begun"
    return "exploratory: no registered plan has these runs"


def _confirmatory(plan: Registration, judged: Judged) -> str:
    """Of how many of the plan's comparisons that can be said by now."""
    pairs = set(plan.compared or judged.compared)
    done = len(pairs.intersection(judged.complete))
    if done == len(pairs):
        return "confirmatory"
    if not done:
        return f"not confirmatory yet, since none of the {plural(len(pairs), 'comparison')} has all its runs"
    return f"confirmatory for {done} of {plural(len(pairs), 'comparison')}, as many as have all their runs"


def _also(plan: Registration, others: Iterable[Registration]) -> str:
    """Which other plans declare some of the same runs, to be judged otherwise."""
    otherwise = [one for one in others if any(getattr(one, name) != getattr(plan, name) for name in JUDGED_BY)]
    named = ", ".join(f"{one.name} ({one.declared}), registered {one.when}" for one in otherwise)
    return f"; some of these runs are declared otherwise as well, by plan {named}" if named else ""


def _registered(plan: Registration) -> str:
    return f"plan {plan.name} ({plan.declared}) was registered {plan.when}"


def began(record: RunRecord) -> float:
    """When a run began, in seconds: when its record was written, less what it took; pauses are not seen.

    Raises UsageError if the record has no time.
    """
    try:
        written = datetime.fromisoformat(record.provenance.created).timestamp()
    except ValueError as error:
        raise UsageError(f"record {record.key} says no time: {record.provenance.created!r:.50}") from error
    return written - (record.cost.seconds if record.cost else 0.0)
