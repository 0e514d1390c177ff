"""Studies: questions that take several presets, and which settings those have."""

from __future__ import annotations

from collections.abc import Mapping

from pbgraph.errors import unknown_name
from pbgraph.plans.declaration import Overrides, Preset, Study
from pbgraph.plans.recipe import GROWTH, RECIPE
from pbgraph.results.arms import Arm

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


def study(name: str) -> Study:
    """The study called `name`; raises UsageError with the nearest name if there is none.

    >>> [str(arm) for arm in study("compression").presets[0].arms][:2]
    ['trimnet/backprop', 'trimnet/perforated']
    """
    if name not in STUDIES:
        raise unknown_name("study", name, STUDIES)
    return STUDIES[name]
