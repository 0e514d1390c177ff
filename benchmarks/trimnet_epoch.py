"""Seconds per TrimNet epoch on Tox21-sized batches: plain PyTorch definitions against the fused kernels.

    OMP_NUM_THREADS=1 python benchmarks/trimnet_epoch.py [--repeats 5] [--batches 49]

The variants take turns in one process, and the fused one runs twice ("fused" and "fused again"): the ratio of
its two copies tells what difference is mere noise. One epoch is 49 batches of 128 synthetic molecules with
about 2,380 atoms, 4,945 directed bonds and 15 distinct bond vectors; one thread, Adam, binary cross-entropy.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from contextlib import nullcontext

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from torch.nn import functional as F

from pbgraph.graph import GraphBatch
from pbgraph.models.base import Dims
from pbgraph.models.trimnet import TRIMNET
from pbgraph.ops.kernels import definitions_only

DIMS = Dims(node=40, edge=10, tasks=12)
NODES, BONDS, GRAPHS, BOND_TYPES = 2380, 2472, 128, 15


def synthetic_batch(generator: torch.Generator) -> GraphBatch:
    """A batch of Tox21's average size: each graph is a random tree of its nodes and a few more bonds."""
    batch = torch.arange(NODES) * GRAPHS // NODES
    first = torch.searchsorted(batch, batch)
    rank = torch.arange(NODES) - first
    parent = first + (torch.rand(NODES, generator=generator) * rank).long()
    tree = torch.stack([parent, torch.arange(NODES)])[:, rank > 0]
    bonds = torch.cat([tree, tree[:, : BONDS - tree.shape[1]].roll(1, 1)], dim=1)[:, :BONDS]
    table = torch.randn(BOND_TYPES, DIMS.edge, generator=generator)
    types = torch.randint(BOND_TYPES, (bonds.shape[1],), generator=generator).repeat(2)
    return GraphBatch.from_dense(
        torch.randn(NODES, DIMS.node, generator=generator),
        torch.cat([bonds, bonds.flip(0)], dim=1),
        table[types],
        batch=batch,
        num_graphs=GRAPHS,
        y=torch.randint(2, (GRAPHS, DIMS.tasks), generator=generator).float(),
    )


def train(model: torch.nn.Module, optimizer: torch.optim.Optimizer, batches: list[GraphBatch]) -> None:
    model.train()
    for batch in batches:
        optimizer.zero_grad()
        F.binary_cross_entropy_with_logits(model(batch), batch.y).backward()
        optimizer.step()


@torch.no_grad()
def evaluate(model: torch.nn.Module, batches: list[GraphBatch]) -> None:
    model.eval()
    for batch in batches:
        model(batch)


def seconds(function: Callable[[], None]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def measure(batches: list[GraphBatch], repeats: int) -> dict[str, dict[str, float]]:
    """Median seconds of training on all batches, and of evaluating a quarter of them, for every variant."""
    torch.manual_seed(0)
    model = TRIMNET.build(DIMS, TRIMNET.config())
    optimizer = torch.optim.Adam(model.parameters())
    variants = {"plain": definitions_only, "fused": nullcontext, "fused again": nullcontext}
    times: dict[str, dict[str, list[float]]] = {name: {"train": [], "evaluate": []} for name in variants}
    for repeat in range(-1, repeats):
        for name, context in variants.items():
            with context():
                part = batches if repeat >= 0 else batches[:3]
                training = seconds(lambda part=part: train(model, optimizer, part))
                evaluation = seconds(lambda: evaluate(model, batches[: len(batches) // 4 + 1]))
            if repeat >= 0:
                times[name]["train"].append(training)
                times[name]["evaluate"].append(evaluation)
    return {name: {what: statistics.median(t) for what, t in of.items()} for name, of in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--batches", type=int, default=49)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    result = measure([synthetic_batch(generator) for _ in range(arguments.batches)], arguments.repeats)
    fused = result["fused"]
    print("| variant | train, ratio to fused | evaluate, ratio to fused | train, s | evaluate, s |")
    print("|---|---:|---:|---:|---:|")
    for name, of in result.items():
        ratios = [of[what] / fused[what] for what in ("train", "evaluate")]
        print(f"| {name} | {ratios[0]:.2f} | {ratios[1]:.2f} | {of['train']:.2f} | {of['evaluate']:.3f} |")
    print(json.dumps({"repeats": arguments.repeats, "batches": arguments.batches, "median_seconds": result}))


if __name__ == "__main__":
    main()
