"""How many test rows of a split had a part in choices, as validation rows of the seeds that settings were chosen by.

No test row was read for a choice, but random splits of one data set share molecules: what is a test row of one seed is
a validation row of another. Choices that fit those rows favour the settings chosen there, in all arms alike if all were
searched alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pbgraph.molecules import Molecules
from pbgraph.splits.base import Splitter


@dataclass(frozen=True)
class Shared:
    """Of one seed: its test rows, and those among them that are validation rows of seeds that chose."""

    seed: int
    test: int
    shared: int


def chosen_by(splitter: Splitter, molecules: Molecules, *, seeds: Sequence[int], chose: Sequence[int]) -> list[Shared]:
    """For each of the seeds of a seeded split. chose: seeds on whose validation rows settings were chosen."""
    chosen = np.unique(np.concatenate([splitter.split(molecules, seed).valid for seed in chose]))
    tests = [(seed, splitter.split(molecules, seed).test) for seed in seeds]
    return [Shared(seed, len(test), int(np.isin(test, chosen).sum())) for seed, test in tests]
