"""Verdicts and answers in words: the only place where they are put so."""

from __future__ import annotations

from collections.abc import Sequence

from pbgraph.humanize import plural
from pbgraph.methods.roles import CONTINUED, OF_ITS_SIZE, OF_ITS_TRAINING, PERFORATED, PLAIN
from pbgraph.report.comparisons import Comparison
from pbgraph.report.stats import LEAST_FOR_EQUIVALENCE, Outcome
from pbgraph.report.tables import Table
from pbgraph.results.arms import Arm

AMONG = {
    Outcome.BETTER: "better",
    Outcome.EQUAL: "equal in all pairs to",
    Outcome.EQUIVALENT: "equivalent to",
    Outcome.NOT_DISTINGUISHABLE: "not told apart from",
    Outcome.WORSE: "worse",
}


def verdict_words(comparison: Comparison) -> str:
    """What a comparison allows to say."""
    match comparison.verdict.outcome:
        case Outcome.INCOMPLETE:
            return f"incomplete: {len(comparison.seeds)} of {comparison.declared} pairs"
        case Outcome.ONE_SEED:
            return "one seed: no interval, no verdict"
        case Outcome.NO_VARIATION:
            return "no variation between seeds: no interval, no verdict"
        case Outcome.EQUAL:
            return f"equal in all {len(comparison.seeds)} pairs"
        case Outcome.EQUIVALENT:
            return f"equivalent: the interval is within ±{comparison.margin.relevant}"
        case Outcome.TOO_FEW:
            return f"not distinguishable; equivalence takes {LEAST_FOR_EQUIVALENCE} seeds"
        case Outcome.NOT_DISTINGUISHABLE:
            return "not distinguishable"
        case Outcome.BETTER:
            return f"{comparison.a} is better{_by(comparison)}"
        case Outcome.WORSE:
            return f"{comparison.b} is better{_by(comparison)}"


def _by(comparison: Comparison) -> str:
    """By how much, as far as that can be said."""
    match comparison.verdict.size:
        case "more":
            return f", by more than {comparison.margin.relevant}"
        case "less":
            return f", by less than {comparison.margin.relevant}: no difference that matters"
    return ""


def how_compared(table: Table, comparisons: Sequence[Comparison]) -> str:
    """In words, and what the intervals do not say; comparisons: that are shown, of this table and others like it."""
    relevant, how = table.margin.relevant, "corrected resampled t (Nadeau & Bengio 2003)"
    if not any(comparison.p is not None for comparison in comparisons):
        return f"Paired over seeds, none with an interval; {relevant} is the smallest difference that matters."
    judged = [one for one in comparisons if one.complete] or comparisons
    if any(comparison.one_split for comparison in judged):
        how = "t over initialisations on one split, which says nothing about other molecules"
    units = "splits, each by the mean of its runs" if table.again else "seeds"
    return (
        f"Paired over {units}: {how}, p after Holm for {_family(table, comparisons)}; {relevant} is the smallest "
        'difference that matters. Intervals are not adjusted for the number of comparisons: "better" takes p after '
        f'Holm as well; "equivalent", of at least {LEAST_FOR_EQUIVALENCE} seeds, and "by more" or "by less" go by the '
        "interval alone."
    )


def _family(table: Table, shown: Sequence[Comparison]) -> str:
    """How many comparisons are judged together, and where not all of them are shown, what they are of."""
    count = plural(table.tests, "comparison")
    return count if len(shown) == table.tests else f"the {count} of {table.family}"


def answers(table: Table) -> list[str]:
    """Does it help? One sentence per perforated arm, from its comparisons alone.

    A gain that a control without dendrites has too is not a gain from dendrites, nor is one without controls of its
    training and its size. Of controls with dendrites of their own a second sentence speaks: they ask what it is about
    dendrites.
    """
    return [
        f"**{table.called[arm].row}**: {' '.join(filter(None, (_answer(arm, table)[1], _among_dendrites(arm, table))))}"
        for arm in _asked(table)
    ]


def gains(table: Table) -> list[bool | None]:
    """Whether a gain from dendrites that matters was shown, for each sentence of `answers`; None without an answer."""
    return [_answer(arm, table)[0] for arm in _asked(table)]


def _asked(table: Table) -> list[Arm]:
    perforated = dict.fromkeys(one.a for one in table.comparisons if one.a.method == PERFORATED)
    return [arm for arm in perforated if _controls(arm, table)]


def _answer(arm: Arm, table: Table) -> tuple[bool | None, str]:
    if any(row.missing for row in table.rows if row.arm.model == arm.model):
        return None, "runs are missing, so there is no answer yet."
    every = _controls(arm, table)
    mine, failed = [one for one in every if one.complete], [one.b for one in every if not one.complete]
    failed += [row.arm for row in table.rows if row.arm.model == arm.model and row.failed and not row.seeds]
    if not mine:
        return None, "runs failed, so there is no answer."
    if any(len(comparison.seeds) == 1 for comparison in mine):
        return None, "one seed gives no answer."
    if any(comparison.interval is None for comparison in mine):
        return None, "a difference that is the same for all seeds gives no answer."
    said, but = _by_outcome(table, mine), ""
    if failed:
        but = f" Runs of {_listed(table, failed)} failed, so nothing is said of it."
    if any(one.verdict.outcome is Outcome.WORSE and one.b.method in (PLAIN, CONTINUED) for one in mine):
        return False, f"dendrites made it {'; '.join(reversed(said.values()))}.{but}"
    if said.keys() == {Outcome.BETTER}:
        return _gain(table, mine, failed, said[Outcome.BETTER])
    if said.keys() == {Outcome.NOT_DISTINGUISHABLE}:
        return False, f"no gain from dendrites was shown against {_listed(table, [one.b for one in mine])}.{but}"
    shown = "as such" if Outcome.BETTER in said else "was shown"
    return False, f"no gain from dendrites {shown}: {'; '.join(said.values())}.{but}"


def _gain(table: Table, mine: Sequence[Comparison], failed: Sequence[Arm], than: str) -> tuple[bool | None, str]:
    """The answer where it is better than all of its controls that have runs; than: these, in words."""
    if failed:
        return None, f"{than}, but runs of {_listed(table, failed)} failed, so there is no answer."
    methods = {one.b.method for one in mine}
    if not methods.intersection(OF_ITS_TRAINING | OF_ITS_SIZE):
        return None, f"{than}, but no control was run, so there is no answer yet."
    for of, controls in {"training": OF_ITS_TRAINING, "size": OF_ITS_SIZE}.items():
        if methods.isdisjoint(controls):
            return None, f"{than}, but no control of its {of} was run, so there is no answer yet."
    return all(one.verdict.size != "less" for one in mine), f"dendrites made it {than}."


def _by_outcome(table: Table, comparisons: Sequence[Comparison]) -> dict[Outcome, str]:
    """How an arm stands to others, by verdicts: in words, the best first."""
    said = {}
    for outcome in AMONG:
        those = [one for one in comparisons if _of_words(one.verdict.outcome) is outcome]
        if those:
            sized = outcome in (Outcome.BETTER, Outcome.WORSE)
            others = _than(table, those) if sized else _listed(table, [one.b for one in those])
            said[outcome] = f"{AMONG[outcome]} {others}"
    return said


def _of_words(outcome: Outcome) -> Outcome:
    """Of what has words in `AMONG`."""
    return outcome if outcome in AMONG else Outcome.NOT_DISTINGUISHABLE


def _than(table: Table, comparisons: Sequence[Comparison]) -> str:
    """Than what, and by how much, as far as that can be said."""
    relevant, said = comparisons[0].margin.relevant, []
    by = {"more": f" by more than {relevant}", "": "", "less": f" by less than {relevant}, which does not matter"}
    for size, words in by.items():
        if arms := [one.b for one in comparisons if one.verdict.size == size]:
            said.append(f"than {_listed(table, arms)}{words}")
    return ", and ".join(said)


def _among_dendrites(arm: Arm, table: Table) -> str:
    """How it stands to controls that have dendrites; "" where there are none with a verdict."""
    grown = _grown(table)
    said = _by_outcome(table, [one for one in _of(arm, table) if one.b in grown and one.p is not None and one.complete])
    return f"Beside dendrites that are grown otherwise, it is {'; '.join(said.values())}." if said else ""


def _of(arm: Arm, table: Table) -> list[Comparison]:
    """What an arm with dendrites is compared with of its model, but for variants of itself."""
    mine = [one for one in table.comparisons if one.a == arm and one.b.model == arm.model]
    return [one for one in mine if one.b.plain != arm.plain]


def _controls(arm: Arm, table: Table) -> list[Comparison]:
    """Of these, what has no dendrites."""
    grown = _grown(table)
    return [one for one in _of(arm, table) if one.b not in grown]


def _grown(table: Table) -> set[Arm]:
    """The arms whose runs grow dendrites."""
    return {row.arm for row in table.rows if row.dendrites}


def _listed(table: Table, arms: Sequence[Arm]) -> str:
    names = [str(table.called[arm]) for arm in arms]
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
