"""What a structure is beside its SMILES: its parent compound, its identity, its parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from pbgraph.files.cache import cached
from pbgraph.molecules import Molecules
from pbgraph.structures.parallel import in_parts
from pbgraph.structures.smiles import identity, parsed, structures_key

VERSION = 3  # of `Structure`
SECONDS_EACH = 0.0007  # that InChI takes for a structure


@dataclass(frozen=True)
class Structure:
    """What a SMILES says of one row.

    parent     first block of the InChIKey of the largest fragment (most heavy atoms, the first of equals): the same for
               salts, stereoisomers and isotopes of one compound; the canonical SMILES where InChI fails
    key        InChIKey of the whole row, the same for tautomers that standard InChI knows; else as for the parent
    fragments  disconnected parts
    bonds      between heavy atoms
    """

    parent: str
    key: str
    fragments: int
    bonds: int


def describe(molecules: Molecules, *, done: Callable[[int], None] = lambda _: None) -> list[Structure]:
    """The structure facts of every accepted row, in order; kept in the cache, since InChI takes seconds."""
    key = {"version": VERSION, **structures_key(molecules.smiles)}
    content = cached(
        f"{molecules.dataset}-structures",
        key,
        lambda: msgspec.json.encode(
            [
                structure
                for part in in_parts(_structures, molecules.smiles, seconds_each=SECONDS_EACH, done=done)
                for structure in part
            ]
        ),
    )
    return msgspec.json.decode(content, type=list[Structure])


def parents(smiles: Sequence[str]) -> list[str]:
    """The parent compound of every structure, as `Structure` names it."""
    return [structure.parent for structure in _all_structures(smiles)]


def keys(smiles: Sequence[str]) -> list[str]:
    """The identity of every structure, as `Structure` names it in `key`."""
    return [structure.key for structure in _all_structures(smiles)]


def _all_structures(smiles: Sequence[str]) -> Iterator[Structure]:
    for part in in_parts(_structures, smiles, seconds_each=SECONDS_EACH):
        yield from part


def _structures(smiles: Sequence[str], first: int) -> list[Structure]:
    return list(map(_structure, parsed(smiles, first)))


def _structure(molecule: Any) -> Structure:
    from rdkit import Chem

    fragments = Chem.GetMolFrags(molecule, asMols=True, sanitizeFrags=False)
    largest = max(fragments, key=lambda fragment: fragment.GetNumHeavyAtoms())
    parent, key = map(_inchi_key, (largest, molecule))
    return Structure(
        parent=parent[:14] or identity(largest),
        key=key or identity(molecule),
        fragments=len(fragments),
        bonds=molecule.GetNumBonds(),
    )


def _inchi_key(molecule: Any) -> str:
    """ "" where InChI fails, which it says or raises."""
    from rdkit import Chem

    try:
        return str(Chem.MolToInchiKey(molecule))  # type: ignore[no-untyped-call]
    except (RuntimeError, ValueError):
        return ""
