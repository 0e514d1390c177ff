"""Five times repeated five-fold cross-validation in which all forms of one compound stay together."""

from __future__ import annotations

from collections.abc import Iterable

from pbgraph.molecules import Molecules
from pbgraph.splits.base import VALID, Split, Splitter
from pbgraph.splits.groups import Group, filled, grouped, shuffled
from pbgraph.structures.facts import describe

REPEATS, FOLDS = 5, 5


def cv5x5(molecules: Molecules, seed: int | None) -> Split:
    """Test fold `seed % 5` of repeat `seed // 5`: seeds 0 to 24, each one fold; all 25 are the whole protocol.

    In each repeat the parents (`structures.facts.Structure`), in random order, go one by one to the fold with the
    fewest molecules so far. The test fold has a fifth of the molecules. Of the others, parents drawn at random with a
    tenth of all molecules are for validation, which stops training, and the rest, 70 %, are for training. Over the five
    folds of a repeat every molecule is tested once. The parts are sorted; the order of the molecules does not matter.
    Raises UsageError without a seed or for one that is not in 0 to 24.
    """
    seed = CV5X5.needed(seed)
    repeat, fold = divmod(seed, FOLDS)
    folds = _balanced(shuffled(grouped(parents(molecules)), repeat, "split/cv5x5"))
    others = [group for number, groups in enumerate(folds) if number != fold for group in groups]
    drawn = shuffled(others, seed, "split/cv5x5/validation")
    valid, train = filled(drawn, VALID * len(molecules))
    return CV5X5.parts(train, valid, sorted(row for group in folds[fold] for row in group))


def _balanced(groups: Iterable[Group]) -> list[list[Group]]:
    """Folds of whole groups: each in turn goes to the fold with the fewest rows, the first of equals."""
    folds: list[list[Group]] = [[] for _ in range(FOLDS)]
    rows = [0] * FOLDS
    for group in groups:
        fewest = rows.index(min(rows))
        folds[fewest].append(group)
        rows[fewest] += len(group)
    return folds


def parents(molecules: Molecules) -> list[str]:
    """The parent of each molecule: first InChIKey block of its largest fragment."""
    return [structure.parent for structure in describe(molecules)]


CV5X5 = Splitter(
    name="cv5x5",
    version=2,
    seeded=True,
    split=cv5x5,
    source="repeated k-fold cross-validation, Bouckaert & Frank 2004, doi:10.1007/978-3-540-24775-3_3",
    seeds=range(REPEATS * FOLDS),
    groups=parents,
    order_free=True,
)
