"""The engine that a command line asks for, ready to work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pbgraph.errors import UsageError
from pbgraph.execution.benchmark import device_of, usual_jobs
from pbgraph.execution.engines.base import Engine
from pbgraph.execution.engines.local import run_all

RAY = "ray"


@dataclass(frozen=True)
class Wanted:
    """What is asked for.

    engine   local, ray, or shard, which is local with a part of the plan
    jobs     runs at a time; None: as many as there are cores
    address, checkpoints, gpu_share  of Ray, see `pbgraph.execution.engines.on_ray`
    """

    engine: str
    device: str
    jobs: int | None = None
    address: str | None = None
    checkpoints: str = ""
    gpu_share: float = 1.0


@dataclass(frozen=True)
class Ready:
    """An engine, how many runs it does at a time, and on which device."""

    engine: Engine
    jobs: int
    device: str


@contextmanager
def made_ready(wanted: Wanted) -> Iterator[Ready]:
    """The engine, as long as the block lasts.

    Raises UsageError for options of another engine, for a device that is not there, and for a cluster that is not.
    """
    if wanted.engine != RAY:
        if wanted.address is not None or wanted.checkpoints or wanted.gpu_share != 1.0:
            raise UsageError("--address, --checkpoints and --gpu-share are for --engine ray; add it, or leave them out")
        device = device_of(wanted.device)
        yield Ready(run_all, wanted.jobs or usual_jobs(device), device)
        return
    from pbgraph.execution.engines.on_ray import OnRay, connected, slots

    device = "cuda" if wanted.device == "cuda" else "cpu"
    with connected(wanted.address) as ray:
        engine = OnRay(ray, wanted.checkpoints, wanted.gpu_share)
        there = slots(ray, device, wanted.gpu_share)
        yield Ready(engine, min(wanted.jobs or there, there), device)
