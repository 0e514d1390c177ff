"""SMILES -> RDKit molecules, without RDKit's own lines on stderr.

RDKit reads more than is written: it drops what is not ASCII at either end, takes what follows a space for a name or an
extension (CXSMILES), and knows patterns. So the text is checked here, and RDKit is asked for what is left. Map numbers
such as the 1 of ``[CH3:1]`` are a chemist's notes: they are taken out before a structure is read, so that neither its
features, nor its scaffold, nor its identity depend on them. Isotopes are part of a structure.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from string import whitespace
from typing import Any

from pbgraph.errors import DataError, PbgraphError
from pbgraph.files.hashing import Scalar, canonical_json, sha256
from pbgraph.stages import each

READING = 2  # version of how a text becomes a molecule here; part of the key of whatever is cached of molecules
MAX_ATOMS = 500  # of a molecule of the user's, hydrogens aside that are part of another atom; MoleculeNet's have 492
MAX_CHARACTERS = 5_000  # of such a SMILES, checked before it is read; the longest of MoleculeNet has 1,340
MOST_BONDS, MOST_NEIGHBOURS = 2, 16  # bonds per atom of such a molecule, and of one atom; MoleculeNet: 1.76 and 10
PLAIN = re.compile(r"[A-Za-z0-9()\[\]@+\-=#%./\\:]*")  # a text of these alone has no bond or atom of a pattern
MAP_NUMBER = re.compile(r"(\[[^\[\]:]*):[0-9]+\]")


def rdkit_version() -> str:
    """Version of the installed RDKit; does not import it."""
    return version("rdkit")


def unmapped(smiles: str) -> str:
    """The same structure without map numbers.

    >>> unmapped("[CH3:1][c:2]1ccccc1")
    '[CH3][c]1ccccc1'
    """
    return MAP_NUMBER.sub(r"\1]", smiles) if ":" in smiles else smiles


def parsed(smiles: Sequence[str], first: int = 0) -> Iterator[Any]:
    """The sanitised molecule of each SMILES; RDKit keeps quiet until the last one is taken.

    first  position of the first one, where these are a part of more
    Raises DataError, naming the position (from 0) and the SMILES, for one that cannot be read.
    """
    from rdkit import rdBase

    with rdBase.BlockLogs():
        for position, text in enumerate(each(smiles), first):
            reason, molecule = _read(text)
            if reason is not None:
                raise DataError(f"molecule {position}: {text!r}: {reason}; leave it out or correct it")
            yield molecule


def reasons(smiles: Iterable[str]) -> list[str | None]:
    """Why each structure cannot be used, or None if it can; nothing is written to stderr.

    >>> reasons(["C1CC", "CCO"])
    ['not a valid SMILES', None]
    """
    with silence():
        return [_usable(text)[0] for text in smiles]


def refusals(smiles: Iterable[str]) -> list[str | None]:
    """Why a structure of anybody's is not even tried, or None if it is.

    Beside what `reasons` finds, that is what could take minutes or more: a text of more than MAX_CHARACTERS, unread, a
    molecule of more than MAX_ATOMS or of more than MOST_BONDS bonds per atom, and an atom of more than MOST_NEIGHBOURS.
    Nothing is written to stderr.

    >>> refusals(["OCC", "C ethane"])
    [None, "text after the SMILES: 'ethane'"]
    """
    with silence():
        return [_within_limits(text)[0] for text in smiles]


def examined(smiles: Iterable[str]) -> list[tuple[str | None, str]]:
    """(why a structure of anybody's cannot be used, or None; its `identity`, or "") of each.

    Beside what has `refusals`, that is a molecule whose fragments or whose identity RDKit cannot make. Nothing is
    written to stderr.

    >>> examined(["OCC", "[OH:7]CC", "C ethane"])
    [(None, 'CCO'), (None, 'CCO'), ("text after the SMILES: 'ethane'", '')]
    """
    with silence():
        return [_examined(text) for text in smiles]


def too_long(smiles: str) -> str | None:
    """Why a text of more than MAX_CHARACTERS is not read, or None for a shorter one."""
    if len(smiles) <= MAX_CHARACTERS:
        return None
    return f"{len(smiles)} characters, more than the {MAX_CHARACTERS} that a SMILES may have here"


def identity(molecule: Any) -> str:
    """A name that all ways of writing a molecule share: canonical SMILES, of a molecule that was read here."""
    from rdkit import Chem

    return str(Chem.MolToSmiles(molecule))


def _examined(smiles: str) -> tuple[str | None, str]:
    from rdkit import Chem

    reason, molecule = _within_limits(smiles)
    if reason is not None:
        return reason, ""
    try:
        Chem.GetMolFrags(molecule, asMols=True)  # which reads each fragment anew, as later steps do
        return None, identity(molecule)
    except Exception as error:  # whatever RDKit raises is about this one structure
        return failure(error), ""


def _within_limits(smiles: str) -> tuple[str | None, Any]:
    """(why a text is no structure, or too much of one, or None; its molecule)."""
    if (reason := too_long(smiles)) is not None:
        return reason, None
    reason, molecule = _usable(smiles)
    return reason or _too_large(molecule), molecule


def _usable(smiles: str) -> tuple[str | None, Any]:
    """(why a text is no structure of some atoms, or None; its molecule)."""
    if not smiles.strip(whitespace):
        return "blank SMILES", None
    reason, molecule = _read(smiles)
    return reason or (None if molecule.GetNumAtoms() else "no atoms"), molecule


def _read(smiles: str) -> tuple[str | None, Any]:
    """(why a text is no structure, or None; its molecule)."""
    from rdkit import Chem

    text = smiles.strip(whitespace)
    reason = _not_in_text(text)
    if reason is not None:
        return reason, None
    try:
        molecule = Chem.MolFromSmiles(unmapped(text))
        reason = _problem(unmapped(text)) if molecule is None else _pattern(text, molecule)
    except Exception as error:  # whatever RDKit raises is about this one structure
        return failure(error), None
    return reason, molecule


def _not_in_text(text: str) -> str | None:
    """Why no SMILES is written like this, or None: RDKit would read something else, without a word."""
    place = next((place for place, one in enumerate(text) if not "!" <= one <= "~"), None)
    if place is None:
        return None
    if text[place] in whitespace:
        return f"text after the SMILES: {shortened(text[place:].strip(whitespace))!r}"
    return f"character {place + 1} is {character(text[place])}, which no SMILES has"


def _pattern(text: str, molecule: Any) -> str | None:
    """Why a molecule that RDKit made of a text is a pattern, or None; of most texts it is not asked, atom by atom."""
    if PLAIN.fullmatch(text):
        return None
    if any(bond.HasQuery() for bond in molecule.GetBonds()):
        return "a pattern, not a SMILES: '~' is any bond; write the bond that is meant"
    return "a pattern, not a SMILES" if any(atom.HasQuery() for atom in molecule.GetAtoms()) else None


def _problem(text: str) -> str:
    """What RDKit says of a text that it does not take."""
    from rdkit import Chem

    raw = Chem.MolFromSmiles(text, sanitize=False)
    try:
        problems = [] if raw is None else Chem.DetectChemistryProblems(raw)
    except RuntimeError as error:  # of atoms that it has no element for
        return failure(error)
    more = f" (and {len(problems) - 1} problems more)" if len(problems) > 1 else ""
    return f"{problems[0].Message()}{more}" if problems else "not a valid SMILES"


def _too_large(molecule: Any) -> str | None:
    from rdkit import Chem

    atoms, bonds = molecule.GetNumAtoms(), molecule.GetNumBonds()
    if atoms > MAX_ATOMS:
        return f"{atoms} atoms, more than the {MAX_ATOMS} that a molecule may have here"
    if bonds > MOST_BONDS * atoms:
        return f"{bonds} bonds between {atoms} atoms, more than the {MOST_BONDS} per atom that a molecule may have here"
    most = Chem.GetAdjacencyMatrix(molecule).sum(axis=0).max()
    if most > MOST_NEIGHBOURS:
        return f"an atom with {most} bonds, more than the {MOST_NEIGHBOURS} that one may have here"
    return None


def character(one: str) -> str:
    """A character with its number and name, since many look alike or like nothing.

    >>> print(character("О"), character(chr(0)))
    'О' (U+041E CYRILLIC CAPITAL LETTER O) U+0000
    """
    number, name = f"U+{ord(one):04X}", unicodedata.name(one, "")
    return f"{one!r} ({number} {name})" if name else number


def shortened(text: str, most: int = 60) -> str:
    """The beginning of a text, for a message.

    >>> shortened("ethane", 3)
    'eth...'
    """
    return text if len(text) <= most else f"{text[:most]}..."


def failure(error: Exception) -> str:
    """What RDKit raised, in one line: of an invariant its second, which says what was violated; our own words as is."""
    if isinstance(error, PbgraphError):
        return str(error)
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = lines[1] if len(lines) > 1 and lines[0].endswith("Violation") else "".join(lines[:1])
    return f"RDKit cannot use it: {said or type(error).__name__}"


@contextmanager
def silence() -> Iterator[None]:
    """Neither RDKit's log nor what its libraries write to stderr themselves is seen meanwhile: for work on structures
    alone, since nothing else that this process writes there is seen either.
    """
    from rdkit import rdBase

    with ExitStack() as stack:
        stack.enter_context(rdBase.BlockLogs())
        try:
            stderr = os.dup(2)
        except OSError:  # there is none
            yield
            return
        stack.callback(os.close, stderr)
        stack.callback(os.dup2, stderr, 2)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        os.close(nowhere)
        yield


def structures_key(smiles: Sequence[str]) -> dict[str, Scalar]:
    """The part of a cache's key that says which structures went in, in which order, and how and by which RDKit they
    were read.

    The SMILES themselves are hashed: that covers the file, its column of structures and the accepted rows.
    """
    return {"smiles": sha256(canonical_json(smiles)), "rdkit": rdkit_version(), "reading": READING}
