"""All the checks of a results folder, one after the other."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path

from pbgraph.errors import Interrupted, PbgraphError, UsageError
from pbgraph.execution.engines.progress import counted
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.records import RunRecord
from pbgraph.terminal import visible_cell
from pbgraph.verify.averages import check_averages
from pbgraph.verify.findings import Findings
from pbgraph.verify.folder import Held, held_by
from pbgraph.verify.plans import check_plans
from pbgraph.verify.receipt import Receipt, receipt_of
from pbgraph.verify.registrations import check_registrations
from pbgraph.verify.reruns import Rerun, drawn, rerun
from pbgraph.verify.scores import check_scores
from pbgraph.verify.tables import check_tables
from pbgraph.verify.trials import check_trials


def verify_results(
    results: ResultsFolder,
    *,
    reruns: int = 0,
    seed: int | None = None,
    data: Path | None = None,
    offline: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> Receipt:
    """The receipt of a results folder; see `checked`."""
    return checked(results, reruns=reruns, seed=seed, data=data, offline=offline, say=say)[1]


def checked(
    results: ResultsFolder,
    *,
    reruns: int = 0,
    seed: int | None = None,
    data: Path | None = None,
    offline: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> tuple[Held, Receipt]:
    """What a results folder holds, and its receipt, with what is wrong with it.

    reruns  how many runs to do again; seed: that they are drawn with, anew each time if it is None
    data, offline  as for `pbgraph.datasets.load.load`
    say     called with each line about how it goes
    Raises UsageError if there is no record. Runs are done again only where nothing is wrong with their files, and where
    today's code plans them.
    """
    with counted("records", sum(1 for _ in (results.root / "records").glob("*/*"))) as done:
        held = held_by(results, done)
    if not held.findings.counts.get("records"):
        raise UsageError(
            f"{results.root} holds no record; name another folder, or run a benchmark first"
            + "".join(f". {line}" for line in held.findings.wrong)
        )
    whole = held.checkable
    with counted("plans and scores", 2 * len(whole)) as done:
        planned, findings = check_plans(results, whole, done)
        findings += check_scores(results, whole, data=data, offline=offline, done=done)
    findings += check_averages(results, whole)
    findings = (
        held.findings
        + findings
        + check_trials(results)
        + check_registrations(results, whole)
        + check_tables(results, held)
    )
    draw, again = None, tuple[Rerun, ...]()
    if reruns:
        draw = random.SystemRandom().randrange(2**31) if seed is None else seed
        chosen = drawn([record for record in whole if record.key in planned], reruns, draw)
        keys = ", ".join(record.key for record in chosen)
        say(f"running again {len(chosen)} of {len(whole)} runs, drawn with --seed {draw}: {keys or 'none can be'}")
        again, more = _again(results, chosen, data, offline=offline)
        findings += more
    return held, receipt_of(results, held, findings, draw=draw, reruns=again)


def _again(
    results: ResultsFolder, chosen: Sequence[RunRecord], data: Path | None, *, offline: bool
) -> tuple[tuple[Rerun, ...], Findings]:
    """What came of doing these runs again; that they cannot be done is none of the folder's faults."""
    if not chosen:
        return (), Findings(unchecked=("reruns: no run here is whole and one that today's code plans",))
    try:
        reruns = tuple(rerun(results, chosen, data=data, offline=offline))
    except Interrupted:
        raise
    except PbgraphError as error:
        return (), Findings(unchecked=(visible_cell(f"reruns: {error}"),))
    wrong = tuple(visible_cell(line) for again in reruns for line in again.wrong)
    return reruns, Findings({"reruns": len(reruns)}, wrong)
