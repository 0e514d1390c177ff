"""Presets: which arms and seeds to run, and with which settings. One table, nothing else.

A preset overrides only what differs from the defaults of a model's config and a method's settings; the
resolved values of every field are in each record.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pbgraph.errors import unknown_name
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


def preset(name: str) -> Preset:
    """The preset called `name`; raises UsageError with the nearest name if there is none.

    >>> preset("smoke").seeds
    (68,)
    """
    if name not in PRESETS:
        raise unknown_name("preset", name, PRESETS)
    return PRESETS[name]


def study(name: str) -> Study:
    """The study called `name`; raises UsageError with the nearest name if there is none.

    >>> [str(arm) for arm in study("compression").presets[0].arms][:2]
    ['trimnet/backprop', 'trimnet/perforated']
    """
    if name not in STUDIES:
        raise unknown_name("study", name, STUDIES)
    return STUDIES[name]


SMOKE = Preset(
    name="smoke",
    summary="does it work? a few epochs of TrimNet with and without a dendrite, one seed",
    arms=(Arm("trimnet", "backprop"), Arm("trimnet", "perforated")),
    seeds=(68,),
    training={ANY: {"epochs": 2, "patience": 2}},
    methods={"perforated": {"max_dendrites": 1, "max_tries": 1, "cycle_epochs": 2, "dendrite_epochs": 2}},
    seconds={Arm("trimnet", "backprop"): 5, Arm("trimnet", "perforated"): 20},
)

RECIPE: Overrides = {  # found on validation rows of seeds 0-2 alone; see benchmarks/recipes.md
    "batch_size": 128,
    "learning_rate": 2e-3,
    "weight_decay": 1e-2,
    "schedule": "cosine",
    "warmup_epochs": 1.0,
    "clip_norm": 1.0,
}
GROWTH: Overrides = {
    "max_dendrites": 2,
    "max_tries": 1,
    "cycle_epochs": 30,
    "dendrite_epochs": 12,
    "dendrite_patience": 4,
    "threshold": 0.05,
    "priming_batches": 10,
}

DEFAULT = Preset(
    name="default",
    summary="the question in half an hour: baselines, TrimNet, dendrites and the control, three paired seeds",
    arms=(
        Arm("random-forest", "fit"),
        Arm("gin", "backprop"),
        Arm("trimnet", "backprop"),
        Arm("trimnet", "perforated"),
        Arm("trimnet", "continued"),
    ),
    seeds=(68, 69, 70),
    models={"gin": {"readout": "mean"}, "trimnet": {"depth": 2, "logits_per_task": 1}},
    training={
        "gin": {**RECIPE, "epochs": 60, "patience": 60},
        "trimnet": {**RECIPE, "epochs": 40, "patience": 40},
        ANY: {**RECIPE, "epochs": 40, "patience": 40},
    },
    methods={"perforated": GROWTH},
    seconds={
        Arm("random-forest", "fit"): 75,
        Arm("gin", "backprop"): 65,
        Arm("trimnet", "backprop"): 90,
        Arm("trimnet", "perforated"): 450,
        Arm("trimnet", "continued"): 285,
    },
)

PAPER = Preset(
    name="paper",
    summary="the paper's protocol: seeds 68-117 and the authors' settings; days, resumable",
    arms=DEFAULT.arms,
    seeds=tuple(range(68, 118)),
    featurisers={"trimnet": "trimnet-paper"},
    training={"trimnet": {"epochs": 200, "patience": 100}},
    losses={"classification": {"trimnet": "class-weighted"}},
    seconds={
        Arm("random-forest", "fit"): 75,
        Arm("gin", "backprop"): 165,
        Arm("trimnet", "backprop"): 345,
        Arm("trimnet", "perforated"): 2200,
        Arm("trimnet", "continued"): 1400,
    },
)

SIZES: Mapping[str, Overrides] = {  # parameters of the plain model -> its shape
    "1k": {"hidden": 4, "depth": 1, "output_hidden": 16, "dropout": 0.0},
    "2k": {"hidden": 6, "depth": 1, "output_hidden": 32, "dropout": 0.0},
    "8k": {"hidden": 12, "depth": 1, "output_hidden": 64, "dropout": 0.0},
    "25k": {"hidden": 16, "depth": 2, "output_hidden": 256, "dropout": 0.1},
    "100k": {"hidden": 32, "depth": 3, "output_hidden": 512, "dropout": 0.2},
}


RATES = {"1k": 2e-2, "2k": 2e-2, "8k": 5e-3, "25k": 2e-3, "100k": 2e-3}  # found as RECIPE was, on seeds 0-1


def _compression(size: str) -> Preset:
    return Preset(
        name=f"compression-{size}",
        summary=f"TrimNet of about {size} parameters with up to five dendrites, and its controls of the same size",
        arms=tuple(Arm("trimnet", method) for method in ("backprop", "perforated", "widened", "widened-continued")),
        seeds=(68, 69, 70),
        models={"trimnet": {"logits_per_task": 1, **SIZES[size]}},
        training={"trimnet": {**RECIPE, "learning_rate": RATES[size], "epochs": 40, "patience": 40}},
        methods={"perforated": {**GROWTH, "max_dendrites": 5, "cycle_epochs": 20, "dendrite_epochs": 8}},
    )


COMPRESSION = Study(
    name="compression",
    summary="Can a small TrimNet with dendrites do what a large one does? Five sizes, each with controls of its size.",
    presets=tuple(_compression(size) for size in SIZES),
)

STUDIES: Mapping[str, Study] = {study.name: study for study in (COMPRESSION,)}
PRESETS: Mapping[str, Preset] = {
    preset.name: preset
    for preset in (SMOKE, DEFAULT, PAPER, *(preset for study in STUDIES.values() for preset in study.presets))
}
