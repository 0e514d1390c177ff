"""Splits by Bemis-Murcko scaffold: rings and the chains between them; molecules without a ring share the empty one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from pbgraph.files.cache import cached
from pbgraph.molecules import Molecules
from pbgraph.splits.base import TRAIN, VALID, Split, Splitter
from pbgraph.splits.groups import filled, grouped, shuffled
from pbgraph.structures.parallel import in_parts
from pbgraph.structures.smiles import identity, parsed, structures_key

SECONDS_EACH = 0.0003  # that the scaffold of a molecule takes


def scaffold(molecules: Molecules, seed: int | None = None) -> Split:
    """Largest scaffold first, each whole group into the first of train, valid, test it fits in.

    Groups of one size go by their first row, the later one first, as in DeepChem 2.8.0's ScaffoldSplitter: the order of
    the rows matters. The three parts are sorted. Raises UsageError if given a seed.
    """
    SCAFFOLD.refuse(seed)
    n = len(molecules)
    groups = sorted(grouped(scaffolds(molecules)), key=lambda group: (len(group), group[0]), reverse=True)
    return SCAFFOLD.parts(*filled(groups, TRAIN * n, (TRAIN + VALID) * n))


def scaffold_balanced(molecules: Molecules, seed: int | None) -> Split:
    """Scaffolds in random order, each whole group into the first of train, valid, test it fits in; large groups first.

    A group is large if it has more than half the rows of a validation or test part, that is, 5 % of all: these go to
    train while they fit, so that the two small parts hold many scaffolds and every seed gives others.
    The three parts are sorted; the order of the molecules does not matter. Raises UsageError without a seed.
    """
    seed, n = SCAFFOLD_BALANCED.needed(seed), len(molecules)
    groups = shuffled(grouped(scaffolds(molecules)), seed, "split/scaffold-balanced")
    large_first = sorted(groups, key=lambda group: len(group) <= VALID * n / 2)
    return SCAFFOLD_BALANCED.parts(*filled(large_first, TRAIN * n, (TRAIN + VALID) * n))


def scaffolds(molecules: Molecules) -> list[str]:
    """The scaffold of each molecule as SMILES without chirality, "" without rings; kept in the cache.

    A molecule of which RDKit cannot make one, as of some complexes of metals, is its own.
    """
    key = {"version": SCAFFOLD.version, **structures_key(molecules.smiles)}
    content = cached(f"{molecules.dataset}-scaffolds", key, lambda: _all(molecules.smiles))
    return msgspec.json.decode(content, type=list[str])


def _all(smiles: Sequence[str]) -> bytes:
    parts = in_parts(_murcko, smiles, seconds_each=SECONDS_EACH)
    return msgspec.json.encode([scaffold for part in parts for scaffold in part])


def _murcko(smiles: Sequence[str], first: int) -> list[str]:
    return list(map(_scaffold, parsed(smiles, first)))


def _scaffold(molecule: Any) -> str:
    from rdkit.Chem.Scaffolds.MurckoScaffold import MurckoScaffoldSmiles

    try:
        return str(MurckoScaffoldSmiles(mol=molecule, includeChirality=False))  # type: ignore[no-untyped-call]
    except (RuntimeError, ValueError):
        return identity(molecule)


SCAFFOLD = Splitter(
    name="scaffold",
    version=1,
    seeded=False,
    split=scaffold,
    source="Bemis & Murcko 1996, doi:10.1021/jm9602928; DeepChem 2.8.0 ScaffoldSplitter",
    groups=scaffolds,
)

SCAFFOLD_BALANCED = Splitter(
    name="scaffold-balanced",
    version=1,
    seeded=True,
    split=scaffold_balanced,
    source="Yang et al. 2019, doi:10.1021/acs.jcim.9b00237 (chemprop's scaffold_balanced)",
    groups=scaffolds,
    order_free=True,
)
