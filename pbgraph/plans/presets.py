"""Presets: which arms and seeds to run, and with which settings. One table, nothing else."""

from __future__ import annotations

from collections.abc import Mapping

from pbgraph.errors import unknown_name
from pbgraph.plans.declaration import ANY, Preset
from pbgraph.plans.recipe import GROWTH, RECIPE
from pbgraph.plans.studies import STUDIES
from pbgraph.results.arms import Arm

SMOKE = Preset(
    name="smoke",
    summary="does it work? a few epochs of TrimNet with and without a dendrite, one seed",
    arms=(Arm("trimnet", "backprop"), Arm("trimnet", "perforated")),
    seeds=(68,),
    training={ANY: {"epochs": 2, "patience": 2}},
    methods={"perforated": {"max_dendrites": 1, "max_tries": 1, "cycle_epochs": 2, "dendrite_epochs": 2}},
    seconds={Arm("trimnet", "backprop"): 5, Arm("trimnet", "perforated"): 20},
)

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

PRESETS: Mapping[str, Preset] = {
    preset.name: preset
    for preset in (SMOKE, DEFAULT, PAPER, *(preset for study in STUDIES.values() for preset in study.presets))
}


def preset(name: str) -> Preset:
    """The preset called `name`; raises UsageError with the nearest name if there is none.

    >>> preset("smoke").seeds
    (68,)
    """
    if name not in PRESETS:
        raise unknown_name("preset", name, PRESETS)
    return PRESETS[name]
