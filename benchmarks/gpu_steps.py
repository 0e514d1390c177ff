"""Where a training step's time goes on a GPU, and what recorded or compiled steps and several seeds at once bring.

    python benchmarks/gpu_steps.py [--epochs 3] [--seeds 1 4 8] [--only profile steps seeds]

Three tables, of TrimNet at batch 128 with deterministic algorithms, wall-clock seconds:

    profile   kernels of a step, and the share of its time in which the GPU computes
    steps     an epoch of plain, recorded (`captured.py`) and compiled steps, and the losses they come to
    seeds     epochs per minute of several trainings at once, each a process, on the GPU and on the CPU cores
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from workload import BATCH, EPOCH, Training, endless_batches, stores, timing  # isort: skip
import torch
from captured import CapturedTraining, steps_of

from pbgraph.execution.numerics import deterministic, environment, settle
from pbgraph.methods.training import graphs_of, train_step
from pbgraph.models.gin import GIN
from pbgraph.models.trimnet import TRIMNET, TrimNetConfig

Steps = Callable[[int], float]
PROFILED = 10
WITHOUT_DROPOUT = TrimNetConfig(dropout=0.0)


def plain(config: TrimNetConfig | None = None, *, device: str = "cuda") -> Steps:
    """Count -> mean loss of so many more steps, as runs do them."""
    training = Training.of(TRIMNET, config, device=device)
    return partial(_mean_loss, training, training.model)


def compiled() -> Steps:
    """The same, with the network compiled for batches of any size."""
    training = Training.of(TRIMNET, WITHOUT_DROPOUT, device="cuda")
    return partial(_mean_loss, training, torch.compile(training.model, dynamic=True))


def recorded(config: TrimNetConfig | None = None) -> Steps:
    """The same, replayed from CUDA graphs."""
    training = Training.of(TRIMNET, config, device="cuda")
    return steps_of(CapturedTraining(training.model, training.loss_fn, BATCH), lambda: next(training.batches))


def _mean_loss(training: Training, model: Any, count: int) -> float:
    total = 0.0
    for _ in range(count):
        batch = next(training.batches)
        total += float(
            train_step(model, training.optimizer, training.loss_fn, batch=batch, settings=training.job.settings)
        )
    return total / count


KINDS: dict[str, Callable[[], Steps]] = {
    "plain": plain,
    "recorded": recorded,
    "cpu": partial(plain, device="cpu"),
}


def seconds(work: Callable[[], object]) -> float:
    torch.cuda.synchronize()
    start = time.perf_counter()
    work()
    torch.cuda.synchronize()
    return time.perf_counter() - start


def profile() -> Iterator[str]:
    yield "| network | kernels of a step | step | GPU busy | making a batch |\n|---|---:|---:|---:|---:|"
    for architecture in (TRIMNET, GIN):
        training = Training.of(architecture, device="cuda")
        training.steps(PROFILED)
        step = seconds(lambda t=training: t.steps(PROFILED)) / PROFILED  # type: ignore[misc]
        batches = endless_batches(graphs_of(training.job.train))
        making = seconds(lambda b=batches: [next(b) for _ in range(PROFILED)]) / PROFILED  # type: ignore[misc]
        kernels, busy = _kernels(training)
        times = f"{step * 1e3:.1f} ms | {busy / step:.0%} | {making * 1e3:.2f} ms"
        yield f"| {architecture.name} | {kernels:.0f} | {times} |"


def _kernels(training: Training) -> tuple[float, float]:
    """Per step: number of kernels and copies on the GPU, and the seconds that they take."""
    from torch.autograd import DeviceType  # type: ignore[attr-defined]
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as profiled

    with profiled(activities=[ProfilerActivity.CUDA]) as found:
        training.steps(PROFILED)
        torch.cuda.synchronize()
    events = [event for event in found.events() or () if event.device_type == DeviceType.CUDA]
    return len(events) / PROFILED, sum(event.time_range.elapsed_us() for event in events) / 1e6 / PROFILED


def steps(kinds: Sequence[str], epochs: int) -> Iterator[str]:
    yield "| steps of TrimNet without dropout | first epoch | an epoch | mean loss of the first 20 steps |"
    yield "|---|---:|---:|---:|"
    makers: dict[str, Callable[[], Steps]] = {
        "plain": partial(plain, WITHOUT_DROPOUT),
        "recorded": partial(recorded, WITHOUT_DROPOUT),
        "compiled": compiled,
    }
    for name in kinds:
        yield f"| {name} | {_timed(makers[name](), epochs)} |"


def _timed(work: Steps, epochs: int) -> str:
    losses: list[float] = []
    first = seconds(lambda: losses.append(work(20))) + seconds(lambda: work(EPOCH - 20))
    later = seconds(lambda: work(epochs * EPOCH)) / epochs
    return f"{first:.2f} s | {later:.3f} s | {losses[0]:.6f}"


def seeds(counts: Sequence[int], epochs: int) -> Iterator[str]:
    yield "| trainings at once | on | epochs per minute, all together | an epoch of one |"
    yield "|---:|---|---:|---:|"
    for count in counts:
        yield _at_once("GPU, plain steps", "plain", count, epochs)
        yield _at_once("GPU, recorded steps", "recorded", count, epochs)
    yield _at_once("CPU, a core each", "cpu", _cores(), 1)


def _at_once(name: str, kind: str, count: int, epochs: int) -> str:
    took = processes(kind, count, epochs)
    return f"| {count} | {name} | {count * epochs * 60 / took:.0f} | {took / epochs:.2f} s |"


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def processes(kind: str, count: int, epochs: int) -> float:
    """Seconds of so many epochs in each of so many processes, which start together once all are warm."""
    command = [sys.executable, __file__, "--worker", kind, str(epochs)]
    env = {**os.environ, **environment()}
    running = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)
        for _ in range(count)
    ]
    pipes = [(process.stdin, process.stdout) for process in running]
    for _, out in pipes:
        assert out is not None
        out.readline()
    start = time.perf_counter()
    for given, _ in pipes:
        assert given is not None
        given.write("go\n")
        given.flush()
    if any(process.wait() for process in running):
        raise RuntimeError("a process failed")
    return time.perf_counter() - start


def worker(kind: str, epochs: int) -> None:
    """Train when told to, after an epoch that warms up: a few steps on the CPU."""
    settle()
    work = KINDS[kind]()
    work(4 if kind == "cpu" else EPOCH)
    print("ready", flush=True)
    sys.stdin.readline()
    work(epochs * EPOCH)
    sys.stdout.flush()
    os._exit(0)  # tearing CUDA down is no part of an epoch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=3, help="that are timed, after one that warms up")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 4, 8], help="trainings at once")
    kinds = ("plain", "recorded", "compiled")
    parser.add_argument("--steps", nargs="+", choices=kinds, default=kinds[:2], help="compiling takes minutes")
    tables = ("profile", "steps", "seeds")
    parser.add_argument("--only", nargs="+", choices=tables, default=list(tables))
    parser.add_argument("--worker", nargs=2, metavar=("KIND", "EPOCHS"), help="train in this process when told to")
    arguments = parser.parse_args()
    deterministic("cpu" if arguments.worker and arguments.worker[0] == "cpu" else "cuda")
    if arguments.worker:
        worker(arguments.worker[0], int(arguments.worker[1]))
    if not torch.cuda.is_available():
        sys.exit("not measured: torch finds no CUDA device")
    stores()
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, {timing.machine()['processor']}\n")
    chosen: dict[str, Callable[[], Iterator[str]]] = {
        "profile": profile,
        "steps": partial(steps, arguments.steps, arguments.epochs),
        "seeds": partial(seeds, arguments.seeds, arguments.epochs),
    }
    for name in arguments.only:
        for line in chosen[name]():
            print(line, flush=True)
        print()


if __name__ == "__main__":
    main()
