"""The random split: molecules one by one, whatever their structure."""

from __future__ import annotations

from pbgraph.molecules import Molecules
from pbgraph.splits.base import TRAIN, VALID, Split, Splitter


def random(molecules: Molecules, seed: int | None) -> Split:
    """A seeded permutation, cut at int(0.8 n) and again int(0.1 n) further; the order is kept.

    The TrimNet authors' own split for the same seed. Raises UsageError without a seed.
    """
    import torch

    n = len(molecules)
    order = torch.randperm(n, generator=torch.Generator().manual_seed(RANDOM.needed(seed))).tolist()
    train, valid = int(TRAIN * n), int(VALID * n)
    return RANDOM.parts(order[:train], order[train : train + valid], order[train + valid :])


RANDOM = Splitter(
    name="random",
    version=1,
    seeded=True,
    split=random,
    source="Li et al. 2021, doi:10.1093/bib/bbaa266 (TrimNet), as coded in yvquanli/TrimNet@147ca4d",
)
