"""All of RDKit's two-dimensional descriptors of a molecule, with what several of them need computed once.

The values are those of `Descriptors.CalcMolDescriptors`, bit for bit, which computes each by itself: the
electrotopological state five times, logP three times, the characteristic polynomial twice, and surfaces once for every
bin. What a group here cannot compute is left to RDKit's own functions, one by one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from pbgraph.features.graph_indices import (
    Values,
    atom_counts,
    bond_complexity,
    distance_indices,
    information_contents,
    state_indices,
)
from pbgraph.structures.atoms import Parts, parts_of
from pbgraph.structures.screen import Screen


def descriptor_names() -> list[str]:
    """Names of the descriptors that the installed RDKit knows, in its order."""
    from rdkit.Chem import Descriptors

    return [name for name, _ in Descriptors.descList]


def descriptor_values(molecule: Any) -> list[float]:
    """A value for each of `descriptor_names`; NaN for what RDKit cannot compute."""
    from rdkit.Chem import Descriptors

    known: Values = {}
    parts = parts_of(molecule)
    for group in GROUPS:
        with suppress(Exception):  # whatever RDKit raises is raised again below, of the descriptors that it is about
            known |= group(molecule, parts)
    return [known[name] if name in known else _alone(function, molecule) for name, function in Descriptors.descList]


def _alone(function: Callable[[Any], float], molecule: Any) -> float:
    try:
        return function(molecule)
    except Exception:  # as CalcMolDescriptors does: the descriptor is undefined for this molecule
        return math.nan


def _states(molecule: Any, parts: Parts) -> Values:
    """Electrotopological states, also summed up by surface, and surface by state."""
    from rdkit.Chem import rdMolDescriptors
    from rdkit.Chem.EState.EState_VSA import estateBins, vsaBins

    states = state_indices(molecule, parts)
    surface, _ = rdMolDescriptors._CalcLabuteASAContribs(molecule, True)
    sizes, surface = np.abs(states), np.array(surface)
    return {
        "MaxEStateIndex": states.max(),
        "MinEStateIndex": states.min(),
        "MaxAbsEStateIndex": sizes.max(),
        "MinAbsEStateIndex": sizes.min(),
        **_numbered("VSA_EState", _by_bin(surface, vsaBins, states)),
        **_numbered("EState_VSA", _by_bin(states, estateBins, surface)),
    }


def _by_bin(values: np.ndarray, bins: list[float], amounts: np.ndarray) -> list[float]:
    """Amounts of the atoms whose values are below the first bin's bound, from there to the next, and so on."""
    places = np.searchsorted(bins, values, side="right")
    return np.bincount(places, weights=amounts, minlength=len(bins) + 1).tolist()  # type: ignore[no-any-return]


def _surfaces(molecule: Any, parts: Parts) -> Values:
    """Surface by charge, refractivity and logP, each from one pass over the atoms."""
    from rdkit.Chem import rdMolDescriptors

    return {
        **_numbered("PEOE_VSA", rdMolDescriptors.PEOE_VSA_(molecule, force=False)),
        **_numbered("SMR_VSA", rdMolDescriptors.SMR_VSA_(molecule, force=False)),
        **_numbered("SlogP_VSA", rdMolDescriptors.SlogP_VSA_(molecule, force=False)),
    }


def _numbered(name: str, values: Any) -> Values:
    return {f"{name}{number}": value for number, value in enumerate(values, 1)}


def _spacial(molecule: Any, parts: Parts) -> Values:
    """Spacial score per heavy atom (Krzyzanowski et al. 2023, doi:10.1021/acs.jmedchem.3c00689)."""
    from rdkit import Chem
    from rdkit.Chem.SpacialScore import _SpacialScore

    copy = Chem.Mol(molecule)
    Chem.FindPotentialStereoBonds(copy)
    centres = Chem.FindMolChiralCenters(copy, includeUnassigned=True, includeCIP=False, useLegacyImplementation=False)  # type: ignore[no-untyped-call]
    stereo = {number for number, _ in centres}
    doubles = [number for number, kind in enumerate(parts.bond_kinds) if kind[0] == Chem.BondType.DOUBLE]
    for number in doubles:
        if copy.GetBondWithIdx(number).GetStereo() != Chem.BondStereo.STEREONONE:
            stereo |= set(parts.ends[number])
    score = 0
    for number, atom in enumerate(parts.atoms):
        in_ring = 2 if parts.rings[number] and not parts.aromatic[number] else 1
        hybrid = _SpacialScore._hybridisations[atom.GetHybridization()]
        score += hybrid * (2 if number in stereo else 1) * in_ring * parts.degrees[number] ** 2
    return {"SPS": score / molecule.GetNumHeavyAtoms()}


def _densities(molecule: Any, parts: Parts) -> Values:
    """Distinct circular neighbourhoods per heavy atom."""
    heavy = molecule.GetNumHeavyAtoms()
    counts = [len(generator.GetSparseCountFingerprint(molecule).GetNonzeroElements()) for generator in _generators()]
    return {f"FpDensityMorgan{radius}": float(n) / heavy if heavy else 0.0 for radius, n in enumerate(counts, 1)}


@cache
def _generators() -> list[Any]:
    from rdkit.Chem import rdFingerprintGenerator

    return [rdFingerprintGenerator.GetMorganGenerator(radius) for radius in (1, 2, 3)]


def _patterns(molecule: Any, parts: Parts) -> Values:
    """QED (Bickerton et al. 2012, doi:10.1038/nchem.1243), its properties, and how often the patterns fr_* occur."""
    from rdkit.Chem import QED, Descriptors, rdMolDescriptors

    logp, refractivity = rdMolDescriptors.CalcCrippenDescriptors(molecule)
    found = {
        "MolLogP": logp,
        "MolMR": refractivity,
        "MolWt": rdMolDescriptors._CalcMolWt(molecule),
        "NumHDonors": rdMolDescriptors.CalcNumHBD(molecule),
        "TPSA": rdMolDescriptors.CalcTPSA(molecule),
        "NumRotatableBonds": rdMolDescriptors.CalcNumRotatableBonds(molecule),
    }
    known = _patterns_known()
    passed = list(zip(known.patterns, known.screen.passed(parts), strict=True))
    alerts, acceptors, fragments = (passed[part] for part in known.parts)
    for name, (pattern, may_be) in zip(known.names, fragments, strict=True):
        found[name] = len(molecule.GetSubstructMatches(pattern)) if may_be else 0
    if molecule.GetNumAtoms() > molecule.GetNumHeavyAtoms():
        return {**found, "qed": Descriptors.qed(molecule)}  # type: ignore[no-untyped-call]
    properties = QED.QEDproperties(  # type: ignore[no-untyped-call]
        MW=found["MolWt"],
        ALOGP=logp,
        HBA=sum(len(molecule.GetSubstructMatches(pattern)) for pattern, may_be in acceptors if may_be),
        HBD=found["NumHDonors"],
        PSA=found["TPSA"],
        ROTB=found["NumRotatableBonds"],  # of which the strict definition is the usual one
        AROM=_aromatic_rings(molecule),
        ALERTS=sum(may_be and molecule.HasSubstructMatch(pattern) for pattern, may_be in alerts),
    )
    return {**found, "qed": QED.qed(molecule, qedProperties=properties)}  # type: ignore[no-untyped-call]


def _aromatic_rings(molecule: Any) -> int:
    """Rings that are left without the atoms of aliphatic ones, as QED counts them."""
    from rdkit import Chem
    from rdkit.Chem import QED

    if not molecule.HasSubstructMatch(QED.AliphaticRings):
        return len(Chem.GetSSSR(Chem.Mol(molecule)))  # of a copy: it replaces the rings that RDKit keeps
    return len(Chem.GetSSSR(Chem.DeleteSubstructs(Chem.Mol(molecule), QED.AliphaticRings)))


@dataclass(frozen=True)
class _Patterns:
    """QED's alerts, then its acceptors, then the patterns fr_* with their names; parts: where each of these is."""

    patterns: list[Any]
    parts: tuple[slice, slice, slice]
    names: list[str]
    screen: Screen


@cache
def _patterns_known() -> _Patterns:
    from rdkit.Chem import QED, Fragments

    alerts, acceptors = len(QED.StructuralAlerts), len(QED.Acceptors)
    fragments = [function.__defaults__[1] for _, function in Fragments.fns]
    patterns = [*QED.StructuralAlerts, *QED.Acceptors, *fragments]
    parts = (slice(alerts), slice(alerts, alerts + acceptors), slice(alerts + acceptors, None))
    return _Patterns(patterns, parts, [name for name, _ in Fragments.fns], Screen(patterns))


GROUPS: tuple[Callable[[Any, Parts], Values], ...] = (
    _states,
    _surfaces,
    information_contents,
    distance_indices,
    bond_complexity,
    atom_counts,
    _spacial,
    _densities,
    _patterns,
)
