"""Verdicts and answers in words: the only place where they are put so."""

from __future__ import annotations

from collections.abc import Sequence

from pbgraph.methods.roles import PERFORATED, PLAIN
from pbgraph.report.comparisons import Comparison
from pbgraph.report.stats import Outcome
from pbgraph.report.tables import Table
from pbgraph.results.arms import Arm


def verdict_words(one: Comparison) -> str:
    """What a comparison allows to say."""
    relevant, by_more = one.margin.relevant, f", by more than {one.margin.relevant}"
    match one.verdict.outcome:
        case Outcome.INCOMPLETE:
            return f"incomplete: {len(one.seeds)} of {one.declared} seeds"
        case Outcome.ONE_SEED:
            return "one seed: no interval, no verdict"
        case Outcome.NO_VARIATION:
            return "no variation between seeds: no interval, no verdict"
        case Outcome.EQUIVALENT:
            return f"equivalent: the difference is below {relevant}"
        case Outcome.NOT_DISTINGUISHABLE:
            return "not distinguishable"
        case Outcome.BETTER:
            return f"{one.a} is better{by_more if one.verdict.relevant else ''}"
        case Outcome.WORSE:
            return f"{one.b} is better{by_more if one.verdict.relevant else ''}"


def how_compared(comparisons: Sequence[Comparison], relevant: float) -> str:
    """In words, and what the intervals do not say; comparisons without a p-value are not counted."""
    count, how = sum(one.p is not None for one in comparisons), "corrected resampled t (Nadeau & Bengio 2003)"
    if not count:
        return f"Paired over seeds, none with an interval; {relevant} is the smallest difference that matters."
    if any(one.one_split for one in comparisons):
        how = "t over initialisations on one split, which says nothing about other molecules"
    return (
        f"Paired over seeds: {how}, p after Holm for {count} comparison{'' if count == 1 else 's'}; {relevant} is the "
        'smallest difference that matters. Intervals are not adjusted for the number of comparisons: "better" takes p '
        'after Holm as well, "equivalent" the interval alone.'
    )


def answers(table: Table) -> list[str]:
    """Does it help? One sentence per perforated arm, from its comparisons alone.

    A gain that a control has too is not a gain from dendrites, nor is one that no control was run for.
    """
    arms = dict.fromkeys(
        one.a for one in table.comparisons if one.a.method == PERFORATED and one.b.plain != one.a.plain
    )
    labels = {row.arm: row.label for row in table.rows}
    return [f"**{labels[arm]}**: {_answer(arm, table)}" for arm in arms]


def _answer(arm: Arm, table: Table) -> str:
    mine = [one for one in table.comparisons if one.a == arm and one.b.plain != arm.plain]
    if any(row.missing or row.failed for row in table.rows if row.arm.model == arm.model):
        return "runs are missing, so there is no answer yet."
    if any(len(one.seeds) == 1 for one in mine):
        return "one seed gives no answer."
    if any(one.interval is None for one in mine):
        return "a difference that is the same for all seeds gives no answer."
    better = [one.b for one in mine if one.verdict.outcome is Outcome.BETTER]
    worse = [one.b for one in mine if one.verdict.outcome is Outcome.WORSE]
    rest = [one.b for one in mine if one.b not in better]
    if worse:
        return f"dendrites made it worse than {_listed(worse)}."
    if not better:
        return f"no gain from dendrites was shown against {_listed(rest)}."
    if all(one.b.method == PLAIN for one in mine):
        return f"better than {_listed(better)}, but no control was run, so there is no answer yet."
    if rest:
        return f"better than {_listed(better)} but not than {_listed(rest)}: no gain from dendrites as such."
    return f"dendrites made it better than {_listed(better)}."


def _listed(arms: Sequence[Arm]) -> str:
    names = list(map(str, arms))
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
