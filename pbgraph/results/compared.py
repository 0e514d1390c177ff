"""Which arms are compared with which: by tables of what was run, and beforehand by what registers a plan."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pbgraph.methods.roles import GRAPHLESS, PLAIN
from pbgraph.results.arms import Arm
from pbgraph.results.records import RunSpec

Pair = tuple[Arm, Arm]


def pairs_among(specs: Sequence[RunSpec], arms: Sequence[Arm], named: Sequence[Pair] = ()) -> list[Pair]:
    """What a table of these arms compares; specs: of its runs, by one recipe.

    First the pairs that its plan names, the one that it is made for before all, each once and the way round that is
    usual. Then every arm with its model's plain one, a variant with the one that shares most of what was set otherwise;
    what is paired with a control, with that; a plain network with features of whole molecules, with these alone; and
    every variant with the preset's recipe, or where that was not run, plain variants with the first of them.
    """
    by_key = {spec.key: spec.arm for spec in specs}
    plain = [(arm, other) for arm in arms if (other := plain_of(arm, arms))]
    paired = {(by_key[key], spec.arm) for spec in specs if (key := spec.control_of) in by_key}
    controls = sorted(paired, key=lambda pair: [arms.index(arm) for arm in pair])
    usual = [*plain, *controls, *_graphless(specs, arms), *_variants(arms)]
    turned = {frozenset(pair): pair for pair in reversed(usual)}  # whichever way round a plan names it
    first = [turned.setdefault(frozenset(pair), pair) for pair in named if set(pair) <= set(arms)]
    return [(a, b) for a, b in dict.fromkeys([*first, *usual]) if a != b]


def plain_of(arm: Arm, arms: Iterable[Arm]) -> Arm | None:
    """The plain arm of its model that has no change that this one has not, and most of those; None if there is none.

    >>> wide = Arm("gin", PLAIN, (("hidden", "64"),))
    >>> plain_of(Arm("gin", "perforated", (("hidden", "64"), ("pool", "4"))), [Arm("gin", PLAIN), wide]) == wide
    True
    """
    mine = set(arm.changes)
    able = [
        other for other in arms if (other.model, other.method) == (arm.model, PLAIN) and mine.issuperset(other.changes)
    ]
    return max(able, key=lambda other: len(other.changes), default=None)


def _graphless(specs: Sequence[RunSpec], arms: Sequence[Arm]) -> list[Pair]:
    """Every plain network with the head alone on the same features, where that is run."""
    features = {spec.arm: spec.featuriser for spec in specs}
    alone = {features.get(arm): arm for arm in arms if arm.model == GRAPHLESS and arm in features}
    plain = [arm for arm in arms if arm.method == PLAIN and arm.model != GRAPHLESS and arm in features]
    return [(arm, alone[features[arm]]) for arm in plain if features[arm] in alone]


def _variants(arms: Sequence[Arm]) -> list[Pair]:
    first: dict[Arm, Arm] = {}
    for arm in sorted(arms, key=lambda variant: bool(variant.changes)):
        first.setdefault(arm.plain, arm)
    return [(arm, first[arm.plain]) for arm in arms if arm.method == PLAIN or not first[arm.plain].changes]
