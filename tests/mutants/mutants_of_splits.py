"""For each check of splits one that it must reject; the built-in ones are sound."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pbgraph.molecules import Molecules
from pbgraph.splits import RANDOM, SCAFFOLD, SCAFFOLD_BALANCED, Split, Splitter


def loses_a_row(molecules: Molecules, seed: int | None) -> Split:
    split = RANDOM.split(molecules, seed)
    return Split(split.train[1:], split.valid, split.test)


def draws_from_the_global_stream(molecules: Molecules, seed: int | None) -> Split:
    RANDOM.needed(seed)
    return RANDOM.split(molecules, int(np.random.randint(2**31)))  # noqa: NPY002


def goes_without_a_seed(molecules: Molecules, seed: int | None) -> Split:
    return RANDOM.split(molecules, 68 if seed is None else seed)


def leaves_validation_empty(molecules: Molecules, seed: int | None) -> Split:
    n = len(molecules)
    if n > 2:
        return RANDOM.split(molecules, seed)
    return Split(np.arange(n - 1), np.arange(0), np.arange(n - 1, n))


def sorts_in_place(molecules: Molecules, seed: int | None) -> Split:
    split = RANDOM.split(molecules, seed)
    molecules.rows[:] = molecules.rows[::-1].copy()
    return split


MUTANTS: dict[str, Splitter] = {
    "described": replace(RANDOM, source=" "),
    "partition": replace(RANDOM, split=loses_a_row),
    "determinism": replace(RANDOM, split=draws_from_the_global_stream),
    "seed-rule": replace(RANDOM, split=goes_without_a_seed),
    "groups": replace(RANDOM, groups=SCAFFOLD.groups),
    "order": replace(SCAFFOLD_BALANCED, split=RANDOM.split),
    "too-few": replace(RANDOM, split=leaves_validation_empty),
    "input-kept": replace(RANDOM, split=sorts_in_place),
}
