"""What a plan declares before anything is run: presets, and studies of several.

A preset overrides only what differs from the defaults of a model's config and a method's settings; the
resolved values of every field are in each record.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pbgraph.files.hashing import Scalar
from pbgraph.results.arms import Arm

if TYPE_CHECKING:
    from pbgraph.metrics import Kind

Overrides = Mapping[str, Scalar]
ANY = "*"


@dataclass(frozen=True)
class Preset:
    """A declared plan.

    summary  what it is for, in one line
    arms     in the order of the table's rows
    seeds    of the split (where it takes one) and of initialisation; declared before running
    featurisers  model -> featuriser, where it is not the model's own
    models   model -> overrides of its config
    training model, or ANY for every other one -> overrides of the settings of every method that trains it
    methods  method -> overrides of its settings, stronger than `training`
    losses   kind of task -> model -> the loss it is trained with, where it is not the kind's usual one
    seconds  arm -> what a run took on one thread of an Intel Xeon (Tox21), for time estimates alone
    """

    name: str
    summary: str
    arms: tuple[Arm, ...]
    seeds: tuple[int, ...]
    featurisers: Mapping[str, str] = field(default_factory=dict)
    models: Mapping[str, Overrides] = field(default_factory=dict)
    training: Mapping[str, Overrides] = field(default_factory=dict)
    methods: Mapping[str, Overrides] = field(default_factory=dict)
    losses: Mapping[Kind, Mapping[str, str]] = field(default_factory=dict)
    seconds: Mapping[Arm, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Study:
    """A question that takes several presets, which are run and shown together, in this order."""

    name: str
    summary: str
    presets: tuple[Preset, ...]
