"""Everything about a results folder, checked; and the receipt: what was checked, by which code, where and when."""

from __future__ import annotations

import platform
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pbgraph import __version__
from pbgraph.engines.progress import counted
from pbgraph.errors import Interrupted, PbgraphError, UsageError
from pbgraph.provenance import package_versions, processor, source_tree
from pbgraph.records import ResultsFolder, RunRecord
from pbgraph.terminal import visible_cell
from pbgraph.verify.folder import held_by
from pbgraph.verify.found import Found
from pbgraph.verify.plans import check_plans
from pbgraph.verify.reruns import Rerun, drawn, rerun
from pbgraph.verify.scores import check_scores
from pbgraph.verify.tables import check_tables

FORMAT = 1


@dataclass(frozen=True)
class Receipt:
    """What was checked. It is complete unless something is named in `unchecked`.

    results, content  the folder, and a SHA-256 over the paths and contents of its records
    checked           what was looked at -> how many
    draw, reruns      the seed that runs were drawn with, and those that were done again; None and empty without any
    commit, dirty     of pbgraph, as in a record's provenance, and so are the others
    """

    results: str
    content: str
    checked: Mapping[str, int]
    unchecked: tuple[str, ...]
    draw: int | None
    reruns: tuple[Rerun, ...]
    created: str
    pbgraph: str
    commit: str
    dirty: bool
    python: str
    packages: Mapping[str, str]
    platform: str
    processor: str
    format: int = FORMAT


def verify(
    results: ResultsFolder,
    *,
    reruns: int = 0,
    seed: int | None = None,
    data: Path | None = None,
    offline: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> tuple[Receipt, tuple[str, ...]]:
    """The receipt of a results folder, and what is wrong with it, in one line each.

    reruns  how many runs to do again; seed: that they are drawn with, anew each time if it is None
    say     called with each line about how it goes
    Raises UsageError if there is no record. Runs are done again only where nothing is wrong with their files, and where
    today's code plans them.
    """
    commit, dirty = source_tree()
    with counted("records", sum(1 for _ in (results.root / "records").glob("*/*"))) as done:
        held = held_by(results, done)
    if not held.found.counts.get("records"):
        raise UsageError(
            f"{results.root} holds no record; name another folder, or run a benchmark first"
            + "".join(f". {line}" for line in held.found.wrong)
        )
    whole = held.checkable
    with counted("plans and scores", 2 * len(whole)) as done:
        planned, found = check_plans(results, whole, done)
        found += check_scores(results, whole, data=data, offline=offline, done=done)
    found = held.found + found + check_tables(results, held)
    draw, again = None, tuple[Rerun, ...]()
    if reruns:
        draw = random.SystemRandom().randrange(2**31) if seed is None else seed
        chosen = drawn([record for record in whole if record.key in planned], reruns, draw)
        keys = ", ".join(record.key for record in chosen)
        say(f"running again {len(chosen)} of {len(whole)} runs, drawn with --seed {draw}: {keys or 'none can be'}")
        again, more = _again(results, chosen, data, offline)
        found += more
    receipt = Receipt(
        results=str(results.root),
        content=held.content,
        checked=found.counts,
        unchecked=found.unchecked,
        draw=draw,
        reruns=again,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        pbgraph=__version__,
        commit=commit,
        dirty=dirty,
        python=platform.python_version(),
        packages=package_versions(),
        platform=platform.platform(),
        processor=processor(),
    )
    return receipt, found.wrong


def _again(
    results: ResultsFolder, chosen: Sequence[RunRecord], data: Path | None, offline: bool
) -> tuple[tuple[Rerun, ...], Found]:
    """What came of doing these runs again; that they cannot be done is none of the folder's faults."""
    if not chosen:
        return (), Found(unchecked=("reruns: no run here is whole and one that today's code plans",))
    try:
        made = tuple(rerun(results, chosen, data=data, offline=offline))
    except Interrupted:
        raise
    except PbgraphError as error:
        return (), Found(unchecked=(visible_cell(f"reruns: {error}"),))
    return made, Found({"reruns": len(made)}, tuple(visible_cell(line) for one in made for line in one.wrong))
