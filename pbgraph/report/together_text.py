"""All arms of a table at once, for people: places, ranks, how sure they are, and pairs with simultaneous intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pbgraph.humanize import figure, plural, ranges
from pbgraph.metrics import label_of
from pbgraph.report.markdown import as_markdown, bullets, markdown
from pbgraph.report.stability import RESAMPLES, Stability
from pbgraph.report.tables import Table
from pbgraph.report.texts import direction, interval_text, p_text, scales
from pbgraph.report.together import Pair, Together
from pbgraph.results.arms import Arm

MOST_PAIRS = 66  # that are listed; of more arms than these are of, those with the best arm alone
PAIRED = ("A", "B", "A - B", "simultaneous 95 % interval", "p", "p, Tukey")


def to_markdown(table: Table, found: Together, stability: Mapping[Arm, Stability] | None) -> str:
    """Arms, how they were compared, and pairs; stability: None where predictions are not there."""
    protocol, label = table.protocol, label_of(table.metrics[0])
    header = ("place", "arm", f"{label}{direction(table)}", "mean rank", "first in", "95 % of ranks")
    parts = [
        f"## {as_markdown(protocol.task.split()[0])}: {plural(len(found.arms), 'arm')} at once, "
        f"{_seeds(protocol.seeds)}",
        markdown(header, _rows(table, found, stability), right=(0, 2, 3, 4, 5)),
        bullets(notes_of(table, found, stability)),
    ]
    if found.pairs:
        pairs = pair_rows(table, found)
        parts += [_pairs_note(table, found, len(pairs)), markdown(PAIRED, pairs, right=(2, 4, 5))]
    return "\n\n".join(filter(None, parts)) + "\n"


def place_of(arm: Arm, places: Mapping[Arm, int]) -> str:
    """A place, marked where others share it.

    >>> place_of("b", {"a": 1, "b": 1, "c": 3}), place_of("c", {"a": 1, "b": 1, "c": 3})
    ('1 =', '3')
    """
    place = places[arm]
    return f"{place} =" if list(places.values()).count(place) > 1 else str(place)


def _seeds(seeds: Sequence[int]) -> str:
    return f"seed{'' if len(seeds) == 1 else 's'} {ranges(seeds)}"


def _rows(table: Table, found: Together, stability: Mapping[Arm, Stability] | None) -> list[tuple[str, ...]]:
    scale, called = scales(table)[table.metrics[0]], table.called
    ranks = found.ranks.mean if found.ranks else ()
    by_rank = dict(zip(found.arms, ranks, strict=False))
    return [
        (
            place_of(arm, found.places) if found.pairs else "-",
            str(called[arm]),
            figure(float(mean), scale),
            f"{by_rank[arm]:.2f}" if arm in by_rank else "-",
            f"{stability[arm].first:.1%}" if stability else "-",
            f"{stability[arm].low} to {stability[arm].high}" if stability else "-",
        )
        for arm, mean in zip(found.arms, found.scores.mean(axis=0), strict=True)
    ]


def notes_of(table: Table, found: Together, stability: Mapping[Arm, Stability] | None) -> list[str]:
    """How places and ranks came about, and who has none."""
    lines = []
    if found.pairs:
        lines.append('places: 1 and the number of arms that are better by the intervals below; "=": shared')
    if found.anova:
        tested, (arms, rest) = found.anova, found.anova.df
        corrected = "" if found.one_split else ", corrected for overlapping training sets"
        lines.append(
            f"repeated-measures ANOVA{corrected}: F({arms}, {rest}) {tested.f:.2f}, p {p_text(tested.p)} with degrees "
            f"of freedom × {tested.epsilon:.2f} (Greenhouse-Geisser); if all differences varied alike, which is × 1, "
            f"means {figure(tested.apart, scales(table)[table.metrics[0]])} or more apart would differ (Tukey's HSD)"
        )
    if found.ranks:
        blocks = plural(found.ranks.blocks, found.block)
        taken = "they speak of initialisations on one split" if found.one_split else "splits are taken for independent"
        lines.append(
            f"ranks over {blocks}: Friedman's test (F of Iman & Davenport) p {p_text(found.ranks.p)}; mean ranks "
            f"{found.ranks.critical:.2f} or more apart differ (Nemenyi, 95 %); {taken}"
        )
    if stability:
        lines.append(
            f"first in: share of {RESAMPLES:,} draws of seeds and test molecules in which an arm is the best; draws "
            "take splits for independent"
        )
    if found.left_out:
        lines.append(f"left out for want of runs: {', '.join(str(table.called[arm]) for arm in found.left_out)}")
    if len(found.scores) < 2:
        lines.append("one block of runs tells no arms apart")
    elif len(found.arms) > 1 and not found.pairs:
        lines.append("no variation between runs of an arm but that of all arms alike: no interval, no place, no rank")
    return lines


def _pairs_note(table: Table, found: Together, shown: int) -> str:
    of = "" if shown == len(found.pairs) else f" (those with the first arm, of {len(found.pairs)})"
    splits = "between initialisations on one split" if found.one_split else "corrected for overlapping training sets"
    planned = "; what the plan asks is judged below, one by one" if table.comparisons else ""
    tukey = ""
    if found.anova:
        alike = f"ε is 1, and here {found.anova.epsilon:.2f}"
        tukey = f" Tukey's p is right where all differences vary alike ({alike}), and decides nothing."
    return (
        f"All pairs at once{of}: paired t over {found.block}s, {splits}, with Bonferroni's correction over all pairs. "
        f"These intervals hold together for pairs that nobody chose beforehand{planned}.{tukey}"
    )


def pair_rows(table: Table, found: Together) -> list[tuple[str, ...]]:
    """The cells under `PAIRED` of all pairs, or where these are too many, of those with the best arm."""
    scale, called = scales(table)[table.metrics[0]], table.called
    shown = found.pairs if len(found.pairs) <= MOST_PAIRS else found.pairs[: len(found.arms) - 1]
    return [
        (*_pair_cells(pair, called, scale), p_text(found.anova.tukey(pair.mean) if found.anova else None))
        for pair in shown
    ]


def _pair_cells(pair: Pair, called: Mapping[Arm, Arm], scale: float) -> tuple[str, ...]:
    return (
        str(called[pair.a]),
        str(called[pair.b]),
        figure(pair.mean, scale, sign="+"),
        interval_text(pair.interval, scale),
        p_text(pair.p),
    )
