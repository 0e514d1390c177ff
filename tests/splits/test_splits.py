"""Splits: partitions, reproducible, and the same as the protocols they claim to be."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from few_molecules import SMILES, assert_partition, molecules, parts, reordered, some
from pbgraph.errors import UsageError
from pbgraph.molecules import Molecules
from pbgraph.splits import RANDOM, SCAFFOLD, SCAFFOLD_BALANCED, SPLITS, Split, Splitter
from pbgraph.splits.scaffold import scaffolds

GOLDEN = {"butina": "995b12814267", "cv5x5": "771548d68c8a", "scaffold-balanced": "aac62a81a378"}
YEARS = [str(year) for year in range(2000, 2040)]
SEEDS = {name: 3 if SPLITS.get(name).seeded else None for name in SPLITS}


@given(some, st.data())
@settings(max_examples=100)
def test_every_split_partitions_and_keeps_its_groups_whatever_the_order(smiles: list[str], data: st.DataObject) -> None:
    """A split that would leave a part empty says so; what it says of groups and of order in its `Splitter` is so."""
    name = data.draw(st.sampled_from(list(SEEDS)))
    splitter, n = SPLITS.get(name), len(smiles)
    table = molecules(
        smiles,
        subset=tuple(data.draw(st.lists(st.sampled_from(("train", "valid", "test")), min_size=n, max_size=n))),
        date=tuple(data.draw(st.lists(st.sampled_from(YEARS), min_size=n, max_size=n))),
    )
    try:
        split = splitter.split(table, SEEDS[name])
    except UsageError as error:
        assert f"split {name!r} leaves no molecule for" in str(error)  # noqa: PT017
        return
    assert_partition(split, n)
    assert all(len(part) for part in parts(split))
    if splitter.groups is not None:
        train, valid, test = (set(np.array(splitter.groups(table))[part]) for part in parts(split))
        assert not train & valid
        assert not (train | valid) & test
    if splitter.order_free:
        order = data.draw(st.permutations(range(n)))
        other = splitter.split(reordered(table, order), SEEDS[name])
        for ours, theirs in zip(parts(split), parts(other), strict=True):
            assert {int(table.rows[row]) for row in ours} == {order[row] for row in theirs}


@given(st.integers(10, 300), st.integers(0, 2**31))
def test_random_is_the_protocols_permutation(n: int, seed: int) -> None:
    split = RANDOM.split(molecules(("C",) * n), seed)
    assert_partition(split, n)
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed)).tolist()
    assert [*split.train, *split.valid, *split.test] == order
    assert (len(split.train), len(split.valid)) == (int(0.8 * n), int(0.1 * n))


def test_scaffold_of_thirty_molecules_is_deepchems() -> None:
    """The index sets that DeepChem 2.8.0's ScaffoldSplitter gave for these molecules."""
    split = SCAFFOLD.split(molecules(SMILES), None)
    assert split.test.tolist() == [10, 11, 16]
    assert split.valid.tolist() == [17, 18, 24]
    assert_partition(split, 30)


def test_splits_of_tox21_are_the_verified_ones(tox21: Molecules) -> None:
    """Hashes of index arrays: scaffold as found equal to DeepChem 2.8.0's, random as the protocol defines it."""
    scaffold, random = SCAFFOLD.split(tox21, None), RANDOM.split(tox21, 68)
    assert scaffold.sha256 == "66fe5d2975c2f78d4a18c7e0fe3ce6ad5e99bc5a861a0a4f9308c35a41880b50"
    assert random.sha256 == "d5129c3077352efc272e652d0c102efe04a80e9cc49ebe146c2b5ee0343d750e"
    for split in (scaffold, random):
        assert (len(split.train), len(split.valid), len(split.test)) == (6258, 782, 783)


def test_balanced_scaffolds_put_large_groups_into_training_and_differ_from_seed_to_seed(tox21: Molecules) -> None:
    first, again, other = (SCAFFOLD_BALANCED.split(tox21, seed) for seed in (0, 0, 1))
    assert first.sha256 == again.sha256 != other.sha256
    assert SCAFFOLD_BALANCED.groups is not None
    scaffolds = np.array(SCAFFOLD_BALANCED.groups(tox21))
    names, counts = np.unique(scaffolds, return_counts=True)
    large = set(names[counts > len(tox21) / 20])
    assert large == {"", "c1ccccc1"}
    for split in (first, other):
        assert large <= set(scaffolds[split.train])
        assert [len(part) / len(tox21) for part in parts(split)] == pytest.approx([0.8, 0.1, 0.1], abs=0.01)


def test_splits_of_tox21_do_not_change_unnoticed(tox21: Molecules) -> None:
    """Who means to change one raises its version, and then these hashes."""
    hashes = {name: SPLITS.get(name).split(tox21, seed).sha256[:12] for name, seed in SEEDS.items() if name in GOLDEN}
    assert hashes == GOLDEN


@pytest.mark.parametrize("splitter", [SPLITS.get(name) for name in SPLITS], ids=lambda splitter: splitter.name)
def test_seeds_are_for_seeded_splits_alone(splitter: Splitter) -> None:
    n = len(SMILES)
    table = molecules(SMILES, subset=("train", "valid", "test") * (n // 3), date=tuple(map(str, range(1000, 1000 + n))))
    words = "needs a seed" if splitter.seeded else "is deterministic and takes no seed, but got 24"
    with pytest.raises(UsageError, match=f"'{splitter.name}' {words}"):
        splitter.split(table, None if splitter.seeded else 24)
    assert_partition(splitter.split(table, 24 if splitter.seeded else None), n)


@pytest.mark.parametrize("name", ["random", "scaffold", "scaffold-balanced", "cv5x5", "butina"])
def test_too_few_molecules_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match=f"'{name}' leaves no molecule for .*of 2 molecules .*give more molecules"):
        SPLITS.get(name).split(molecules(("CCO", "c1ccccc1")), SEEDS[name])


def test_the_hash_tells_parts_and_order_apart() -> None:
    one, two, three = (np.array(part, dtype=np.int64) for part in ([0, 1], [2], [3]))
    same = Split(one.copy(), two, three)
    assert Split(one, two, three).sha256 == same.sha256
    assert (
        len(
            {
                s.sha256
                for s in (same, Split(one[::-1], two, three), Split(one, three, two), Split(one[:1], one[1:], two))
            }
        )
        == 4
    )


def test_splits_are_registered_under_their_names() -> None:
    names = ["butina", "cv5x5", "predefined", "random", "scaffold", "scaffold-balanced", "time"]
    assert [SPLITS.get(name).name for name in names] == names


MAPPED = ("[CH3:1][c:2]1ccccc1", "[cH:5]1cccc[c:9]1[CH3:3]", "[*:1]c1ccccc1", "c1ccccc1[*:2]")


@pytest.mark.parametrize("name", ["scaffold", "scaffold-balanced", "cv5x5", "butina"])
def test_map_numbers_do_not_part_one_compound(name: str) -> None:
    groups = SPLITS.get(name).groups
    assert groups is not None
    found = groups(molecules((*MAPPED, *SMILES)))
    assert found[0] == found[1] == found[4 + SMILES.index("Cc1ccccc1")]
    assert found[2] == found[3]


def test_what_rdkit_makes_no_scaffold_of_is_its_own() -> None:
    odd = "COc1ccc2sc(C(=O)Nc3nnn[n-]3[Fe+2])c(OC(C)C)c2c1"
    found = scaffolds(molecules((odd, "CCO", "c1ccccc1")))
    assert found[1:] == ["", "c1ccccc1"]
    assert "Fe" in found[0]
    assert len(found[0]) > 20
