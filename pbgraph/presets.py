"""Presets: which arms and seeds to run, and with which settings. One table, nothing else.

A preset overrides only what differs from the defaults of a model's config and a method's settings; the
resolved values of every field are in each record.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pbgraph.errors import unknown_name
from pbgraph.records import Scalar

if TYPE_CHECKING:
    from pbgraph.metrics import Kind

Overrides = Mapping[str, Scalar]
ANY = "*"


@dataclass(frozen=True)
class Preset:
    """A declared plan.

    summary  what it is for, in one line
    arms     (model, method) in the order of the table's rows
    seeds    of the split (where it takes one) and of initialisation; declared before running
    featurisers  model -> featuriser, where it is not the model's own
    models   model -> overrides of its config
    training model, or ANY for every other one -> overrides of the settings of every method that trains it
    methods  method -> overrides of its settings, stronger than `training`
    losses   kind of task -> model -> the loss it is trained with, where it is not the kind's usual one
    epochs   "model/method" -> epochs a run is expected to take, for time estimates alone
    """

    name: str
    summary: str
    arms: tuple[tuple[str, str], ...]
    seeds: tuple[int, ...]
    featurisers: Mapping[str, str] = field(default_factory=dict)
    models: Mapping[str, Overrides] = field(default_factory=dict)
    training: Mapping[str, Overrides] = field(default_factory=dict)
    methods: Mapping[str, Overrides] = field(default_factory=dict)
    losses: Mapping[Kind, Mapping[str, str]] = field(default_factory=dict)
    epochs: Mapping[str, int] = field(default_factory=dict)


def preset(name: str) -> Preset:
    """The preset called `name`; raises UsageError with the nearest name if there is none.

    >>> preset("smoke").seeds
    (68,)
    """
    if name not in PRESETS:
        raise unknown_name("preset", name, PRESETS)
    return PRESETS[name]


SMOKE = Preset(
    name="smoke",
    summary="does it work? a few epochs of TrimNet with and without a dendrite, one seed",
    arms=(("trimnet", "backprop"), ("trimnet", "perforated")),
    seeds=(68,),
    training={ANY: {"epochs": 2, "patience": 2}},
    methods={"perforated": {"max_dendrites": 1, "max_tries": 1, "cycle_epochs": 2, "dendrite_epochs": 2}},
    epochs={"trimnet/backprop": 2, "trimnet/perforated": 6},
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
        ("random-forest", "fit"),
        ("gin", "backprop"),
        ("trimnet", "backprop"),
        ("trimnet", "perforated"),
        ("trimnet", "continued"),
    ),
    seeds=(68, 69, 70),
    models={"gin": {"readout": "mean"}, "trimnet": {"depth": 2, "logits_per_task": 1}},
    training={
        "gin": {**RECIPE, "epochs": 60, "patience": 60},
        "trimnet": {**RECIPE, "epochs": 40, "patience": 40},
        ANY: {**RECIPE, "epochs": 40, "patience": 40},
    },
    methods={"perforated": GROWTH},
    epochs={
        "random-forest/fit": 1,
        "gin/backprop": 60,
        "trimnet/backprop": 40,
        "trimnet/perforated": 124,
        "trimnet/continued": 124,
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
    epochs={
        "random-forest/fit": 1,
        "gin/backprop": 150,
        "trimnet/backprop": 150,
        "trimnet/perforated": 600,
        "trimnet/continued": 600,
    },
)

PRESETS: Mapping[str, Preset] = {preset.name: preset for preset in (SMOKE, DEFAULT, PAPER)}
