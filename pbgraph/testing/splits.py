"""What must hold for every split, tried on made-up tables of small molecules that have every optional column."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import product

import numpy as np

from pbgraph.errors import UsageError
from pbgraph.molecules import Molecules
from pbgraph.splits import SPLITS, Split, Splitter
from pbgraph.testing.base import Check, CheckFailed, checks_of, draw_at_random, require, require_described

CORES = ("c1ccccc1", "c1ccncc1", "C1CCCCC1", "C1CCNCC1", "c1ccc2ccccc2c1", "CC", "c1ccsc1", "C1CCOC1")
HEADS = ("C", "O", "N", "Cl", "OC(=O)", "CC", "FC", "N#C")
SALTS = ("", ".Cl", ".[Na+]")


def split_checks(split: str | Splitter) -> list[Check[Splitter]]:
    """All checks of a split, registered under this name or given itself. Raises UsageError for an unknown name."""
    return checks_of(SPLITS.get(split) if isinstance(split, str) else split, SPLIT_CHECKS)


def table(order: Sequence[int] | None = None) -> Molecules:
    """192 molecules of 8 scaffolds, 3 salt forms of each, with labels, parts and dates; in this order."""
    smiles = [head + core + salt for core, head, salt in product(CORES, HEADS, SALTS)]
    rows = np.arange(len(smiles)) if order is None else np.asarray(order, dtype=np.int64)
    random = np.random.default_rng(0)
    y = random.integers(0, 2, (len(smiles), 2)).astype(np.float32)
    part = random.permutation(["train", "valid", "test"] * (len(smiles) // 3))
    years = random.integers(1990, 2020, len(smiles))
    return Molecules(
        dataset="made-up",
        sha256="0" * 64,
        tasks=("a", "b"),
        mol_ids=tuple(f"M{i}" for i in rows),
        smiles=tuple(smiles[i] for i in rows),
        rows=rows,
        y=y[rows],
        rejected=(),
        subset=tuple(str(part[i]) for i in rows),
        date=tuple(str(years[i]) for i in rows),
    )


def seeds(splitter: Splitter) -> Sequence[int | None]:
    """Two seeds that the split takes, or None alone."""
    return list((splitter.seeds or range(68, 70))[:2]) if splitter.seeded else [None]


def parts(split: Split) -> dict[str, np.ndarray]:
    """The three parts by name."""
    return {"train": split.train, "valid": split.valid, "test": split.test}


def check_described(splitter: Splitter) -> None:
    """It has a name, a version and a source."""
    require_described(splitter)


def check_partition(splitter: Splitter) -> None:
    """Every molecule is in one part, as a 64-bit row number, and no part is empty."""
    molecules = table()
    for seed in seeds(splitter):
        found = parts(splitter.split(molecules, seed))
        for name, part in found.items():
            integers = isinstance(part, np.ndarray) and part.dtype == np.int64 and part.ndim == 1
            require(integers, f"{name} is not a one-dimensional array of int64: {part!r}")
            require(len(part) > 0, f"{name} is empty")
        rows = np.sort(np.concatenate(list(found.values())))
        whole = np.array_equal(rows, np.arange(len(molecules)))
        require(whole, f"the parts hold {len(rows)} rows, {len(np.unique(rows))} different, of {len(molecules)}")


def check_determinism(splitter: Splitter) -> None:
    """The same molecules and seed give the same split, whatever was drawn at random before."""
    molecules, seed = table(), seeds(splitter)[0]
    found = set()
    for _ in range(3):
        draw_at_random()
        found.add(splitter.split(molecules, seed).sha256)
    require(len(found) == 1, f"three calls with seed {seed} gave {len(found)} different splits; see pbgraph.streams")


def check_seed_rule(splitter: Splitter) -> None:
    """With a seed it needs one, and two differ; without, it refuses one."""
    molecules = table()
    for seed in [None, *_outside(splitter)] if splitter.seeded else [68]:
        try:
            splitter.split(molecules, seed)
        except UsageError:
            continue
        raise CheckFailed(f"seed {seed} is accepted; expected a UsageError, see Splitter.needed and Splitter.refuse")
    found = {splitter.split(molecules, seed).sha256 for seed in seeds(splitter)}
    require(len(found) == len(seeds(splitter)), "two seeds give the same split")


def _outside(splitter: Splitter) -> list[int]:
    """Seeds next to those that the split takes."""
    return [] if splitter.seeds is None else [splitter.seeds.start - 1, splitter.seeds.stop]


def check_groups(splitter: Splitter) -> None:
    """Molecules of one group, if it has groups, are in one part."""
    if splitter.groups is None:
        return
    molecules = table()
    keys = list(splitter.groups(molecules))
    require(len(keys) == len(molecules), f"groups gives {len(keys)} keys for {len(molecules)} molecules")
    for seed in seeds(splitter):
        found = {name: {keys[row] for row in part} for name, part in parts(splitter.split(molecules, seed)).items()}
        for one, other in (("train", "valid"), ("train", "test"), ("valid", "test")):
            shared = found[one] & found[other]
            require(not shared, f"{len(shared)} groups are in both {one} and {other}: {[*shared][:1]}")


def check_order(splitter: Splitter) -> None:
    """If it says so, the order of the molecules does not matter."""
    if not splitter.order_free:
        return
    order = np.random.default_rng(1).permutation(len(table()))
    for seed in seeds(splitter):
        plain, other = (parts(splitter.split(molecules, seed)) for molecules in (table(), table(order.tolist())))
        moved = sum(len(np.setdiff1d(order[other[name]], plain[name])) for name in plain)
        require(moved == 0, f"{moved} molecules are in another part when the rows are in another order")


def check_too_few(splitter: Splitter) -> None:
    """Two molecules are refused with a UsageError, since a part would be empty."""
    two = table([0, 100])
    two = replace(two, subset=("train", "test"))
    try:
        split = splitter.split(two, seeds(splitter)[0])
    except UsageError:
        return
    sizes = ", ".join(f"{name} {len(part)}" for name, part in parts(split).items())
    raise CheckFailed(f"two molecules are split into {sizes}; expected a UsageError, see Splitter.parts")


def check_input_kept(splitter: Splitter) -> None:
    """The molecules are as they were before."""
    molecules, before = table(), table()
    splitter.split(molecules, seeds(splitter)[0])
    same = np.array_equal(molecules.rows, before.rows) and np.array_equal(molecules.y, before.y)
    require(same, "splitting changed rows or y of the molecules")


SPLIT_CHECKS: Mapping[str, Callable[[Splitter], None]] = {
    "described": check_described,
    "partition": check_partition,
    "determinism": check_determinism,
    "seed-rule": check_seed_rule,
    "groups": check_groups,
    "order": check_order,
    "too-few": check_too_few,
    "input-kept": check_input_kept,
}
