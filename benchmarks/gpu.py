"""TrimNet on a GPU: seconds per training epoch at batch 128, everything included.

python benchmarks/gpu.py [--repeats 7]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import median
from time import perf_counter

from workload import EPOCH, Training, endless_batches, stores, timing  # isort: skip (sets the number of threads)
import torch
from timing import Result, Row, Skipped, in_turn

from pbgraph.methods.training import build_model, make_loss, make_optimizer
from pbgraph.models.trimnet import TRIMNET

WHAT = "TrimNet training epoch on a GPU"


def measure(repeats: int) -> Sequence[Result]:
    if not torch.cuda.is_available():
        return [Skipped(WHAT, "torch finds no CUDA device")]
    task = replace(Training.of(TRIMNET).task, train=stores()[0].to("cuda"), device="cuda")
    model = build_model(task)
    optimizer = make_optimizer(task.settings)(model.parameters())
    training = Training(task, model, optimizer, make_loss(task), endless_batches(task.train))

    def epoch() -> None:
        training.steps(EPOCH)
        torch.cuda.synchronize()

    times = in_turn({"ours": epoch}, repeats, perf_counter)
    return [Row(WHAT, median(times["ours"]), "s", 0.25, note=torch.cuda.get_device_name())]


if __name__ == "__main__":
    timing.main(measure, __doc__)
