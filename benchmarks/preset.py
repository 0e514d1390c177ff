"""Training time of the default preset's networks: with fused operations against their definitions, one thread.

    python benchmarks/preset.py [--repeats 7]

The definitions are the same code in plain PyTorch, as ``PBGRAPH_FUSED=0`` runs it. In each turn a few batches of every
kind of epoch are trained: GIN, TrimNet, dendrite phases with none and one accepted dendrite, and the neuron phases
after them. Each kind counts as often as a seed of the preset has epochs of it at most. Evaluation, the
baselines and features of whole molecules are left out. There is no target but 1.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from statistics import median

from workload import EPOCH, Training, stores, timing  # isort: skip (sets the number of threads)
from dendrites import Perforated
from timing import Result, Row

from pbgraph.files.hashing import Scalar
from pbgraph.models.gin import GIN, GINConfig
from pbgraph.models.trimnet import TRIMNET, TrimNetConfig
from pbgraph.ops.kernels import definitions_only
from pbgraph.plans.presets import preset

STEPS = 4
WHAT = "default preset: training steps of its networks / the same by definitions in plain PyTorch"


def _number(value: Scalar) -> int:
    assert isinstance(value, int)
    return value


def epochs() -> Mapping[str, int]:
    """Kind of epoch -> how many a seed of the preset has."""
    chosen = preset("default").recipe
    growth = chosen.methods["perforated"]
    dendrites, neurons = _number(growth["dendrite_epochs"]), _number(growth["cycle_epochs"])
    gin, trimnet = (_number(chosen.training[model]["epochs"]) for model in ("gin", "trimnet"))
    continued = trimnet + 2 * (dendrites + neurons)  # as long as the run with dendrites
    return {
        "gin": gin,
        "trimnet": 2 * trimnet + continued,  # backprop, the first neuron phase of perforated, continued
        "dendrite phase, first": dendrites,
        "neuron phase, one dendrite": neurons,
        "dendrite phase, second": dendrites,
        "neuron phase, two dendrites": neurons,
    }


def networks() -> Mapping[str, Callable[[int], None]]:
    """Kind of epoch -> a function that trains on so many batches."""
    models = preset("default").recipe.models
    config = TrimNetConfig(**models["trimnet"])  # type: ignore[arg-type]
    perforated = {
        name: Perforated(TRIMNET, 1, config).grown(phase, dendrites).steps
        for name, phase, dendrites in [
            ("dendrite phase, first", "dendrite", 0),
            ("neuron phase, one dendrite", "neuron", 1),
            ("dendrite phase, second", "dendrite", 1),
            ("neuron phase, two dendrites", "neuron", 2),
        ]
    }
    plain = {
        "gin": Training.of(GIN, GINConfig(**models["gin"])).steps,  # type: ignore[arg-type]
        "trimnet": Training.of(TRIMNET, config).steps,
    }
    return plain | perforated


def seconds(kinds: Mapping[str, Callable[[int], None]]) -> float:
    """CPU seconds that a seed of the preset takes, by a few batches of every kind."""
    total = 0.0
    for name, count in epochs().items():
        start = time.process_time()
        kinds[name](STEPS)
        total += count * (time.process_time() - start) * EPOCH / STEPS
    return total


def measure(repeats: int) -> Sequence[Result]:
    stores()
    kinds = networks()
    ours, copies, peers = [], [], []
    for number in range(-1, repeats):
        turn = [seconds(kinds), seconds(kinds)]
        with definitions_only():
            plain = seconds(kinds)
        if number >= 0:
            ours.append(turn[0])
            copies.append(turn[1])
            peers.append(plain)
    times = {"ours": ours, "copy": copies, "peer": peers}
    return [
        Row(
            WHAT,
            timing.ratio(times, "ours", "peer"),
            "×",
            1.0,
            ours=median(ours),
            peer=median(peers),
            control=timing.ratio(times, "copy", "ours"),
            note="per seed",
        )
    ]


if __name__ == "__main__":
    timing.main(measure, __doc__)
