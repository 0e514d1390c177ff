"""What must hold for every featuriser, tried on a few molecules, ordinary and unusual ones.

What it makes is a GraphStore, or has, as estimators take it, x (n, D), in which NaN stands for what is undefined.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from pbgraph.errors import DataError, UsageError
from pbgraph.features.base import FEATURISERS, Featuriser
from pbgraph.features.stored import packed, unpacked
from pbgraph.graph import GraphStore
from pbgraph.testing.base import Check, CheckFailed, checks_of, draw_at_random, require, require_described

SPELLINGS: Mapping[str, str] = {  # of one molecule each
    "CCO": "OCC",
    "Cc1ccccc1O": "Oc1c(C)cccc1",
    "CC(=O)Nc1ccc(O)cc1": "Oc1ccc(NC(C)=O)cc1",
    "N[C@@H](C)C(=O)O": "OC(=O)[C@H](C)N",
    "C/C=C/C(=O)O": "OC(=O)/C=C/C",
    "C[N+](C)(C)CC(=O)[O-]": "[O-]C(=O)C[N+](C)(C)C",
    "CC(=O)[O-].[Na+]": "[Na+].[O-]C(C)=O",
}
MOLECULES = tuple(SPELLINGS)
LARGE = 200  # atoms of the largest molecule tried
UNUSUAL: Mapping[str, str] = {
    "one atom": "C",
    "a metal ion": "[Zn+2]",
    "atoms without bonds": "[Na+].[Cl-]",
    "a radical": "[CH3]",
    "hydrogen": "[H][H]",
    "an isotope": "[13CH4]",
    "six bonds of one atom": "FS(F)(F)(F)(F)F",
    "a sandwich": "[Fe+2].[CH-]1C=CC=C1.[CH-]1C=CC=C1",
    f"{LARGE} atoms": "C" * LARGE,
}
UNPARSABLE: Mapping[str, str] = {
    "a ring left open": "C1CC",
    "five bonds of carbon": "C(C)(C)(C)(C)C",
    "no SMILES": "ethanol",
}
Features = tuple[np.ndarray, ...]


def featuriser_checks(featuriser: str | Featuriser) -> list[Check[Featuriser]]:
    """All checks of a featuriser, registered under this name or given itself.

    Raises UsageError for an unknown name, and for features that are known of some molecules alone.
    """
    tried = FEATURISERS.get(featuriser) if isinstance(featuriser, str) else featuriser
    if any(part.blank for part in tried.parts or (tried,)):
        raise UsageError(f"{tried.name} knows the molecules of its file alone, and these checks try others")
    return checks_of(tried, FEATURISER_CHECKS)


def labels(count: int) -> np.ndarray:
    """Labels (count, 2) float32, the last of every three blank."""
    y = np.arange(2 * count, dtype=np.float32).reshape(count, 2)
    y[2::3] = np.nan
    return y


def made(featuriser: Featuriser, smiles: Sequence[str]) -> Any:
    """The store of these structures."""
    return featuriser.featurise(smiles, labels(len(smiles)))


def features(store: Any) -> list[Features]:
    """What a model sees of every molecule: its row of x, or nodes, edges and their features."""
    if not isinstance(store, GraphStore):
        return [(row,) for row in np.asarray(store.x)]
    graphs = [store.batch(np.array([number])) for number in range(len(store))]
    return [(graph.x.numpy(), graph.edge_index.numpy(), graph.edge_attr.numpy()) for graph in graphs]


def columns(store: Any) -> tuple[int, ...]:
    """How many features there are: of a molecule, or of a node and an edge."""
    return (store.node_dim, store.edge_dim) if isinstance(store, GraphStore) else tuple(np.asarray(store.x).shape[1:])


def check_described(featuriser: Featuriser) -> None:
    """It has a name, a version and a source."""
    require_described(featuriser)


def check_shapes(featuriser: Featuriser) -> None:
    """Of many molecules, one or none there are as many rows as molecules, and always the same columns."""
    expected = columns(made(featuriser, MOLECULES))
    for count in (len(MOLECULES), 1, 0):
        store = made(featuriser, MOLECULES[:count])
        require(len(store) == count, f"the store of {count} molecules counts {len(store)}")
        rows = len(features(store))
        require(rows == count, f"{count} molecules: features of {rows}")
        found = columns(store)
        require(found == expected, f"{count} molecules have {found} columns, {len(MOLECULES)} have {expected}")


def check_labels(featuriser: Featuriser) -> None:
    """The store holds the labels as they were given, float32; features do not depend on them."""
    y = labels(len(MOLECULES))
    store = featuriser.featurise(MOLECULES, y.copy())
    kept = store.y.dtype == np.float32 and np.array_equal(store.y, y, equal_nan=True)
    require(kept, f"the store's labels are {store.y.dtype} {store.y.shape}, not the float32 {y.shape} that were given")
    for value in (0.0, 1.0, np.nan):
        other = featuriser.featurise(MOLECULES, np.full_like(y, value))
        _require_same(features(other), features(store), f"every label {value}")


def check_determinism(featuriser: Featuriser) -> None:
    """The same structures give the same features, bit for bit, whatever was drawn at random before."""
    first = features(made(featuriser, MOLECULES))
    draw_at_random()
    _require_same(features(made(featuriser, MOLECULES)), first, "made a second time")


def check_batch_independence(featuriser: Featuriser) -> None:
    """Features of a molecule depend neither on which others are featurised with it nor on their order."""
    together = features(made(featuriser, MOLECULES))
    alone = [features(made(featuriser, [smiles]))[0] for smiles in MOLECULES]
    _require_same(alone, together, "alone and together")
    _require_same(features(made(featuriser, MOLECULES[::-1])), together[::-1], "in the opposite order")


def check_finite(featuriser: Featuriser) -> None:
    """Salts, ions, radicals, one atom and 200 have finite features; in vectors NaN may stand for what is undefined."""
    structures = {**UNUSUAL, **{smiles: smiles for smiles in MOLECULES}}
    store = made(featuriser, list(structures.values()))
    for what, arrays in zip(structures, features(store), strict=True):
        infinite = any(np.isinf(array).any() for array in arrays)
        require(not infinite, f"{what}: features are infinite")
        undefined = [np.isnan(array) for array in arrays]
        if isinstance(store, GraphStore):
            require(not any(array.any() for array in undefined), f"{what}: features of atoms or bonds are NaN")
        else:
            require(not undefined[0].all(), f"{what}: every feature is NaN")


def check_spelling(featuriser: Featuriser) -> None:
    """A molecule written in another way has the same features, save for the order of its atoms and rounding."""
    pair = (features(made(featuriser, smiles)) for smiles in (list(SPELLINGS), list(SPELLINGS.values())))
    for (smiles, other), *both in zip(SPELLINGS.items(), *pair, strict=True):
        one, two = (_unordered(arrays) for arrays in both)
        same = one.shape == two.shape and np.allclose(one, two, rtol=1e-4, atol=1e-6, equal_nan=True)
        require(same, f"{smiles} and {other} are one molecule, but their features differ")


def _unordered(arrays: Features) -> np.ndarray:
    """Features of a molecule in an order that does not depend on the numbering of its atoms.

    Of a graph: sorted rows, for a node its features, for an edge those of the nodes at its ends and its own.
    """
    if len(arrays) == 1:
        return arrays[0].astype(np.float64)
    x, (sender, receiver), edges = arrays
    rows = np.zeros((len(x) + len(edges), 2 * x.shape[1] + edges.shape[1]))
    rows[: len(x), : x.shape[1]] = x
    rows[len(x) :] = np.concatenate([x[sender], x[receiver], edges], axis=1)
    return rows[np.lexsort(rows.T)]


def check_cache(featuriser: Featuriser) -> None:
    """What comes back from a file of the store's arrays has the same features and labels."""
    store = made(featuriser, MOLECULES)
    back = unpacked(packed(store), featuriser, labels(len(MOLECULES)))
    _require_same(features(back), features(store), "read from a file")
    require(np.array_equal(back.y, store.y, equal_nan=True), "read from a file: labels differ")


def check_select(featuriser: Featuriser) -> None:
    """A selection of the store has the molecules that are asked for, with their labels, in that order, repeats too."""
    store, index = made(featuriser, MOLECULES), np.array([4, 0, 2, 0])
    part, whole = store.select(index), features(store)
    _require_same(features(part), [whole[number] for number in index], "selected")
    require(np.array_equal(part.y, store.y[index], equal_nan=True), "selected: labels are those of other molecules")


def check_unparsable(featuriser: Featuriser) -> None:
    """What RDKit cannot parse is a DataError that names it."""
    for what, smiles in UNPARSABLE.items():
        try:
            made(featuriser, ["CCO", smiles])
        except DataError as error:
            require(smiles in str(error), f"{what}: the DataError does not name {smiles!r}: {error}")
            continue
        raise CheckFailed(f"{what}: {smiles!r} is featurised; expected a DataError, see features.smiles.parsed")


def check_input_kept(featuriser: Featuriser) -> None:
    """Structures and labels are as they were before."""
    smiles, y = list(MOLECULES), labels(len(MOLECULES))
    featuriser.featurise(smiles, y)
    same = smiles == list(MOLECULES) and np.array_equal(y, labels(len(MOLECULES)), equal_nan=True)
    require(same, "featurising changes the list of SMILES or the labels")


FEATURISER_CHECKS: Mapping[str, Callable[[Featuriser], None]] = {
    "described": check_described,
    "shapes": check_shapes,
    "labels": check_labels,
    "determinism": check_determinism,
    "batch-independence": check_batch_independence,
    "finite": check_finite,
    "spelling": check_spelling,
    "cache": check_cache,
    "select": check_select,
    "unparsable": check_unparsable,
    "input-kept": check_input_kept,
}


def _require_same(found: list[Features], expected: list[Features], when: str) -> None:
    pairs = list(zip(found, expected, strict=True))
    differ = sum(not all(map(_same, *pair)) for pair in pairs)
    require(differ == 0, f"{when}: features of {differ} molecules of {len(pairs)} differ")


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    return one.dtype == other.dtype and np.array_equal(one, other, equal_nan=True)
