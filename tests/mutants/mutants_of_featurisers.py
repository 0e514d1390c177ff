"""For each check of featurisers one that it must reject; the built-in ones are sound."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from pbgraph.errors import DataError
from pbgraph.features.base import Featuriser
from pbgraph.features.fingerprints import BITS, ECFP4
from pbgraph.features.vectors import VectorStore


def featurise(smiles: Sequence[str], y: np.ndarray) -> VectorStore:
    store: VectorStore = ECFP4.featurise(smiles, y)
    return store


def with_bits(change: Callable[[np.ndarray], np.ndarray]) -> Featuriser:
    """ECFP4 with its bits (n, 2048) changed."""

    def changed(smiles: Sequence[str], y: np.ndarray) -> VectorStore:
        store = featurise(smiles, y)
        return replace(store, x=change(store.x))

    return replace(ECFP4, featurise=changed)


def flips_a_bit(x: np.ndarray) -> np.ndarray:
    x[:, np.random.randint(x.shape[1])] ^= 1  # noqa: NPY002
    return x


def drops_bits_that_nobody_has(x: np.ndarray) -> np.ndarray:
    return x[:, x.any(0)]


def keeps_bits_that_are_shared(x: np.ndarray) -> np.ndarray:
    return x * (x.sum(0) > 1)


def reads_labels(smiles: Sequence[str], y: np.ndarray) -> VectorStore:
    store = featurise(smiles, y)
    store.x[:, 0] = y[:, 0] == 1
    return store


def reads_the_first_letter(smiles: Sequence[str], y: np.ndarray) -> VectorStore:
    store = featurise(smiles, y)
    store.x[:, 0] = [text.startswith("C") for text in smiles]
    return store


def overflows(smiles: Sequence[str], y: np.ndarray) -> VectorStore:
    store = featurise(smiles, y)
    carbons = np.array([text.upper().count("C") for text in smiles], dtype=np.float32).reshape(-1, 1)
    with np.errstate(over="ignore"):
        return VectorStore(np.concatenate([store.x, np.exp(carbons)], axis=1), store.y, store.x.shape[1])


def counts_what_is_kept_as_bits(smiles: Sequence[str], y: np.ndarray) -> VectorStore:
    store = featurise(smiles, y)
    return VectorStore(2 * store.x.astype(np.float32), store.y, BITS)


class SortedStore(VectorStore):
    def select(self, index: np.ndarray) -> VectorStore:
        return super().select(np.sort(index))


def sorts_selections(smiles: Sequence[str], y: np.ndarray) -> VectorStore:
    return SortedStore(**vars(featurise(smiles, y)))


def takes_methane_instead(smiles: Sequence[str], y: np.ndarray) -> VectorStore:
    stores = []
    for row, text in enumerate(smiles):
        try:
            stores.append(featurise([text], y[[row]]))
        except DataError:
            stores.append(featurise(["C"], y[[row]]))
    return VectorStore(np.concatenate([np.zeros((0, 2048), np.uint8), *(store.x for store in stores)]), y)


def fills_blanks_in_place(smiles: Sequence[str], y: np.ndarray) -> VectorStore:
    store = featurise(smiles, y)
    np.nan_to_num(y, copy=False)
    return store


def of(made: Callable[[Sequence[str], np.ndarray], VectorStore]) -> Featuriser:
    return replace(ECFP4, featurise=made)


def with_descriptors(made: Callable[[Sequence[str], np.ndarray], VectorStore]) -> Featuriser:
    return replace(ECFP4, featurise=made, from_arrays=VectorStore.from_arrays)


MUTANTS: Mapping[str, Featuriser] = {
    "described": replace(ECFP4, source=" "),
    "shapes": with_bits(drops_bits_that_nobody_has),
    "labels": of(reads_labels),
    "determinism": with_bits(flips_a_bit),
    "batch-independence": with_bits(keeps_bits_that_are_shared),
    "finite": with_descriptors(overflows),
    "spelling": of(reads_the_first_letter),
    "cache": with_descriptors(counts_what_is_kept_as_bits),
    "select": of(sorts_selections),
    "unparsable": of(takes_methane_instead),
    "input-kept": of(fills_blanks_in_place),
}
