"""What dendrites cost: seconds per epoch of each phase, as a ratio to the plain model's epoch, TrimNet and GIN.

    OMP_NUM_THREADS=1 python benchmarks/dendrite_cost.py [--repeats 5] [--batches 10]

The variants take turns in one process, and the plain model runs twice ("plain" and "plain again"): the ratio of its two
copies tells what difference is mere noise. Batches are those of trimnet_epoch.py: 128 synthetic molecules of Tox21's
average size; one thread, AdamW, binary cross-entropy. Prints one JSON object for each model.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from trimnet_epoch import DIMS, synthetic_batch

from pbgraph.dendrites import Growth, perforate
from pbgraph.graph import GraphBatch
from pbgraph.models.gin import GIN
from pbgraph.models.trimnet import TRIMNET

ONE_EPOCH = {"max_epochs": 1, "cycle_epochs": 1, "dendrite_max_epochs": 1, "priming_batches": 0}


def loss_fn(model: nn.Module, batch: GraphBatch) -> Tensor:
    return F.binary_cross_entropy_with_logits(model(batch), batch.y)


def growing(architecture, batches, *, phase: str, dendrites: int, pool: int = 1) -> Growth:
    """A growth at the start of the phase in question."""
    torch.manual_seed(0)
    model = perforate(architecture.build(DIMS, architecture.config()), architecture.dendrite_sites)
    settings = ONE_EPOCH | {"max_dendrites": dendrites + 1, "pool": pool}
    growth = Growth(model, lambda groups: torch.optim.AdamW(groups, lr=1e-3, fused=True), **settings)
    while (growth.phase, growth.dendrites) != (phase, dendrites):
        growth.step(loss_fn, batches[0])
        growth.epoch_end(float(growth.epoch))
    return growth


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--batches", type=int, default=10)
    options = parser.parse_args()
    generator = torch.Generator().manual_seed(0)
    batches = [synthetic_batch(generator) for _ in range(options.batches)]
    for architecture in (TRIMNET, GIN):
        variants = {
            "plain": growing(architecture, batches, phase="neuron", dendrites=0),
            "plain again": growing(architecture, batches, phase="neuron", dendrites=0),
            "neuron phase, 1 dendrite": growing(architecture, batches, phase="neuron", dendrites=1),
            "neuron phase, 2 dendrites": growing(architecture, batches, phase="neuron", dendrites=2),
            "dendrite phase, pool of 1": growing(architecture, batches, phase="dendrite", dendrites=0),
            "dendrite phase, pool of 4": growing(architecture, batches, phase="dendrite", dendrites=0, pool=4),
        }
        seconds: dict[str, list[float]] = {name: [] for name in variants}
        for _ in range(options.repeats + 1):
            for name, growth in variants.items():
                start = time.process_time()
                for batch in batches:
                    growth.step(loss_fn, batch)
                seconds[name].append(time.process_time() - start)
        medians = {name: statistics.median(values[1:]) for name, values in seconds.items()}
        ratios = {name: round(value / medians["plain"], 3) for name, value in medians.items()}
        plain = round(medians["plain"] / options.batches * 1e3, 2)
        print(json.dumps({"model": architecture.name, "plain_ms_per_batch": plain, "ratios": ratios}, indent=1))


if __name__ == "__main__":
    main()
