"""How many dendrites every run kept, and what the score that chose them says beside the test score.

A run that kept none is the plain run, weight for weight, and so is a control that was matched to it or found nothing
better either; in a mean over seeds that hides, and it narrows the interval of a difference. And what is accepted by
validation rows is better there by selection: the gain on test rows belongs beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from pbgraph.humanize import figure, plural, ranges
from pbgraph.report.tables import Row, Table


def kept_notes(table: Table, scale: float, smaller: str) -> list[str]:
    """One note for each row whose runs grow dendrites: how many are at each site, by seed, and what was gained.

    And one for each comparison whose rows came to the same network on some seeds, of which the former does not tell.
    scale    magnitude of the scores of the metric that selects
    smaller  " (smaller is better)" where it is, else ""
    """
    rows = {row.arm: replace(row, arm=table.called[row.arm]) for row in table.rows}
    plain = {arm: rows[one.b] for arm, one in table.against_plain.items() if one.b in rows}
    compared = [
        (rows[one.a], rows[one.b])
        for one in table.comparisons
        if not (rows[one.a].dendrites and table.against_plain.get(one.a) is one)
    ]
    return [
        *(_note(rows[row.arm], plain.get(row.arm), scale, smaller) for row in table.rows if row.dendrites),
        *filter(None, (_same(a, b, scale) for a, b in compared)),
    ]


@dataclass(frozen=True)
class SameNetwork:
    """The seeds on which two rows are one network, among those on which that can be told.

    It is told by validation and test score: what an external result predicted has none of the former.
    """

    seeds: tuple[int, ...]
    among: tuple[int, ...]

    @classmethod
    def of(cls, a: Row, b: Row) -> SameNetwork:
        """Of two rows of one table."""
        both = [seed for seed in a.test if seed in b.test and seed in a.chosen and seed in b.chosen]
        same = [seed for seed in both if (a.test[seed], a.chosen[seed]) == (b.test[seed], b.chosen[seed])]
        return cls(tuple(same), tuple(both))

    @property
    def pairs(self) -> str:
        """In how many pairs, for people."""
        return f"in {len(self.seeds)} of {plural(len(self.among), 'pair')}, whose difference is 0"


def _same(a: Row, b: Row, scale: float) -> str:
    """On how many seeds two rows are one network, and what the others differ by."""
    same = SameNetwork.of(a, b)
    if not same.seeds:
        return ""
    others = [seed for seed in same.among if seed not in same.seeds]
    rest = f"; the others differ by {_gain(others, a.test, b.test, scale)} on average" if others else ""
    return f"the same network: {a.arm} and {b.arm} {same.pairs} ({_seeds(same.seeds)}){rest}"


def _note(row: Row, plain: Row | None, scale: float, smaller: str) -> str:
    seeds_of: dict[int, list[int]] = {}
    for seed, count in row.dendrites.items():
        seeds_of.setdefault(count, []).append(seed)
    counts = ", ".join(f"{count} ({_seeds(seeds_of[count])})" for count in sorted(seeds_of))
    least, most = min(row.sizes.values(), default=0), max(row.sizes.values(), default=0)
    sizes = f"; {least:,} to {most:,} parameters" if least < most else ""
    return (
        f"dendrites kept at each site: {row.arm} {counts}{sizes}{_beside(row, plain, scale, smaller) if plain else ''}"
    )


def _beside(row: Row, plain: Row, scale: float, smaller: str) -> str:
    """What was gained over the plain runs of the same seeds where dendrites were kept, and where both are equal."""
    both = [seed for seed in row.dendrites if seed in row.test and seed in plain.test]
    none = [seed for seed in both if not row.dendrites[seed] and row.test[seed] == plain.test[seed]]
    some = [seed for seed in both if row.dendrites[seed] and seed in row.chosen and seed in plain.chosen]
    words = f"; {_seeds(none)}: equal to {plain.arm}" if none else ""
    if not some:
        return words
    chosen, test = (_gain(some, *pair, scale) for pair in ((row.chosen, plain.chosen), (row.test, plain.test)))
    gains = f"{chosen}{smaller} over {plain.arm} on validation rows, which chose them, and {test} on test rows"
    return f"{words}; {_seeds(some)}: {gains}"


def _gain(seeds: Sequence[int], ours: Mapping[int, float], plain: Mapping[int, float], scale: float) -> str:
    return figure(fmean(ours[seed] - plain[seed] for seed in seeds), scale, sign="+")


def _seeds(seeds: Sequence[int]) -> str:
    return f"{plural(len(seeds), 'seed').partition(' ')[2]} {ranges(seeds)}"
