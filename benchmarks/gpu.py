"""A GPU against one core of the same machine: seconds of an epoch at batch 128, everything included.

    python benchmarks/gpu.py [--repeats 7]

Training, evaluation, and a dendrite phase with one candidate per site, of TrimNet and GIN, as runs compute them: with
deterministic algorithms, by the definitions in plain PyTorch on the GPU and by kernels on the CPU. Wall-clock seconds.
`gpu_steps.py` looks at where the time goes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import perf_counter

from workload import EPOCH, PART, Training, stores, timing  # isort: skip (sets the number of threads)
import torch
from dendrites import Perforated
from timing import Result, Row, Skipped, in_turn

from pbgraph.execution.numerics import deterministic
from pbgraph.models.base import Architecture
from pbgraph.models.gin import GIN
from pbgraph.models.trimnet import TRIMNET

WHAT = "TrimNet training epoch on a GPU"
SECONDS = 0.25  # the target of that


def measure(repeats: int) -> Sequence[Result]:
    if not torch.cuda.is_available():
        return [Skipped(WHAT, "torch finds no CUDA device")]
    deterministic("cuda")
    stores()
    rows = [row for architecture in (TRIMNET, GIN) for row in _rows(architecture, repeats)]
    return [Row(WHAT, rows[0].ours or 0.0, "s", SECONDS, note=torch.cuda.get_device_name()), *rows]


def waited_for(work: Callable[[], object]) -> Callable[[], None]:
    """The work, until the GPU is done with it."""

    def call() -> None:
        work()
        torch.cuda.synchronize()

    return call


def _rows(architecture: Architecture, repeats: int) -> list[Row]:
    gpu, cpu = (Training.of(architecture, device=device) for device in ("cuda", "cpu"))
    growing, on_cpu = (Perforated(architecture, 1, device=d).grown("dendrite", 0) for d in ("cuda", "cpu"))
    works = {
        "training epoch": (gpu.steps, cpu.steps, EPOCH / PART),
        "evaluation of valid + test": (gpu.evaluate, cpu.evaluate, 1.0),
        "dendrite phase, pool of 1": (growing.steps, on_cpu.steps, EPOCH / PART),
    }
    return [_row(f"{architecture.name}: {what}", *pair, repeats) for what, pair in works.items()]


def _row(what: str, ours: Callable[[], object], peer: Callable[[], object], scale: float, repeats: int) -> Row:
    times = in_turn(
        {"ours": waited_for(ours), "peer": waited_for(peer), "copy": waited_for(ours)}, repeats, perf_counter
    )
    return timing.row_of(f"{what}, GPU / one core", times, "ours", "peer", target=1.0, scale=scale)


if __name__ == "__main__":
    timing.main(measure, __doc__)
