"""Runs on a Ray cluster: one Ray task for each run, whose record comes back as bytes and is written here.

Nodes need no shared disk. The data and features are shared once per node (`pbgraph.execution.engines.parcel`); a run on
a node is `pbgraph.execution.engines.ray_node`. As many runs are asked for as are done at a time, so what waits, waits
here. A run whose node is lost is started again elsewhere, from its saved state if one was kept away from the node. A
node that cannot do runs, as one with a full disk, gets no more.
"""

from __future__ import annotations

import logging
import socket
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from pbgraph.errors import Interrupted, PbgraphError, UsageError, lines_of, not_installed
from pbgraph.execution.engines.arrivals import Arrivals
from pbgraph.execution.engines.base import Progress, Schedule, names_of_failed
from pbgraph.execution.engines.checkpoints import Checkpoints
from pbgraph.execution.engines.local import ATTEMPTS, STOP_SECONDS, TICK, interrupted_message, signals_counted
from pbgraph.execution.engines.parcel import Parcel, digest_of, packed
from pbgraph.execution.engines.ray_node import Board, Order, Outcome, do_run, versions
from pbgraph.execution.engines.ray_pairs import needed
from pbgraph.files.writing import scratch_folder
from pbgraph.results.folder import WORK, ResultsFolder
from pbgraph.results.records import RunRecord, RunSpec

if TYPE_CHECKING:
    from collections.abc import Callable

    from pbgraph.execution.engines.schedule import Work
    from pbgraph.execution.options import RunOptions

LOSSES = 5  # nodes that a run may lose before it is recorded as failed
LOOK = 0.5  # seconds between two looks at what runs say of themselves
PROBE_SECONDS = 10.0  # in which an address must answer
ADDRESS = "start a cluster with 'ray start --head', and name its address, as it says"
log = logging.getLogger(__name__)


@contextmanager
def connected(address: str | None) -> Iterator[Any]:
    """Ray, connected to a cluster, as long as the block lasts; nothing of ours is left running after it.

    address  HOST:PORT or "auto"; None: that of $RAY_ADDRESS, or a cluster on this machine, or else one is started here
    Raises UsageError if Ray is not installed, or if the address does not answer.
    """
    try:
        import ray
    except ImportError as error:
        raise UsageError(f"--engine ray: {not_installed('ray', 'ray')}") from error
    _probe(address)
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, configure_logging=False)
    except (ConnectionError, RuntimeError, ValueError, TimeoutError, AssertionError) as error:
        where, reason = address or "this machine", lines_of(error)[0][:400]
        raise UsageError(f"--engine ray: no cluster at {where}: {reason}; {ADDRESS}") from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _probe(address: str | None) -> None:
    """Raises UsageError if nothing listens at an address: Ray itself would try for minutes."""
    host, colon, port = (address or "auto").removeprefix("ray://").rpartition(":")
    if not colon:
        if address not in (None, "auto", "local"):
            raise UsageError(f"--address {address:.200}: expected HOST:PORT, auto or local; {ADDRESS}")
        return
    try:
        socket.create_connection((host, int(port)), PROBE_SECONDS).close()
    except (OSError, ValueError, OverflowError) as error:
        raise UsageError(f"--address {address:.200} does not answer ({error}); {ADDRESS}") from error


def slots(ray: Any, device: str, gpu_share: float) -> int:
    """How many runs the cluster can do at a time. Raises UsageError if it is none."""
    resources = ray.cluster_resources()
    found = int(resources.get("CPU", 0))
    if device == "cuda":
        found = min(found, int(resources.get("GPU", 0) / gpu_share))
    if not found:
        what = f"GPUs, of which a run takes {gpu_share}" if device == "cuda" else "processor cores"
        raise UsageError(f"--engine ray: the cluster has no {what}; add nodes with 'ray start --address'")
    return found


@dataclass(frozen=True)
class OnRay:
    """The engine.

    ray          what `connected` gives
    checkpoints  where saved states are kept, see `pbgraph.execution.engines.checkpoints`; "": on the node of the run
    gpu_share    of a GPU that a run takes with --device cuda
    pack         makes what nodes need beside specs
    """

    ray: Any
    checkpoints: str = ""
    gpu_share: float = 1.0
    pack: Callable[[Work, RunOptions], Parcel] = packed

    def __call__(
        self,
        work: Work,
        options: RunOptions,
        *,
        jobs: int,
        device: str,
        progress: Progress,
        runner: str = "pbgraph.execution.runner",
    ) -> list[RunRecord]:
        """Do what is left of a plan, at most `jobs` runs at a time; returns the new records as they came.

        Arguments and errors as of `pbgraph.execution.engines.local.run_all`; PbgraphError, too, if a node has other
        versions of what numbers depend on, or if no node can do runs.
        """
        if self.checkpoints:
            Checkpoints(self.checkpoints)
        ResultsFolder(options.results).sweep()
        with scratch_folder(options.results / WORK / "ray") as arrivals, signals_counted() as signals:
            driver = _Driver(
                self, work, options, Arrivals(arrivals), runner=runner, device=device, jobs=jobs, progress=progress
            )
            try:
                while not signals and driver.advance():
                    pass
            finally:
                driver.cancel()
            if signals:
                raise Interrupted(interrupted_message(signals[0], len(driver.records), len(work.todo)))
        return driver.records


@dataclass(frozen=True)
class _Flight:
    """A run that is asked for; slot: its line in the progress display."""

    slot: int
    spec: RunSpec


class _Driver:
    """Asks for runs until none is left, and writes what comes back."""

    def __init__(
        self,
        engine: OnRay,
        work: Work,
        options: RunOptions,
        arrivals: Arrivals,
        *,
        runner: str,
        device: str,
        jobs: int,
        progress: Progress,
    ) -> None:
        ray = self.ray = engine.ray
        self.engine, self.options, self.arrivals, self.progress = engine, options, arrivals, progress
        self.runner, self.device, self.jobs = runner, device, jobs
        self.results, self.schedule = ResultsFolder(options.results), Schedule(work.todo, names_of_failed(work))
        parcel = engine.pack(work, options)
        self.digest, self.parcel = digest_of(parcel), [ray.put(dict(parcel))]
        self.records: list[RunRecord] = []
        self.flights: dict[Any, _Flight] = {}
        self.barred: dict[str, str] = {}  # node -> why it gets no more runs
        self._losses: Counter[str] = Counter()
        self._deaths: Counter[str] = Counter()
        here = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
            ray.get_runtime_context().get_node_id(), soft=True
        )
        self.board = ray.remote(Board).options(num_cpus=0, scheduling_strategy=here, max_restarts=-1).remote()
        self.task = ray.remote(do_run)
        self._news: Any = None
        self._looked = time.monotonic()

    def advance(self) -> bool:
        """Ask for what can be started and take what has come, for a moment; False once all is done."""
        while (unpaired := self.schedule.take_without_pair()) is not None:
            self._close(None, self._failed(unpaired[0], f"the run it is paired with, {unpaired[1]}, failed"))
        while len(self.flights) < self.jobs and (spec := self.schedule.take()) is not None:
            self._ask(spec)
        if self.flights:
            refs = list(self.flights)
            self.ray.wait(refs, num_returns=1, timeout=TICK)
            for ref in self.ray.wait(refs, num_returns=len(refs), timeout=0)[0]:
                self._hear(ref)
        self._look()
        self.progress.passed()
        return bool(self.flights or self.schedule.waiting)

    def cancel(self) -> None:
        """Have all runs in progress saved and left; what does not listen is killed."""
        if not self.flights:
            return
        self.progress.note("stopping: runs in progress are being saved")
        refs = list(self.flights)
        for force, seconds in ((False, 2 * STOP_SECONDS), (True, STOP_SECONDS)):
            for ref in refs:
                with suppress(Exception):  # it may be over, or its node gone
                    self.ray.cancel(ref, force=force)
            refs = self.ray.wait(refs, num_returns=len(refs), timeout=seconds)[1]
            if not refs:
                break
        for flight in self.flights.values():
            self.progress.left(flight.slot, "left")
        self.flights.clear()

    def _ask(self, spec: RunSpec) -> None:
        slot = min(set(range(self.jobs)) - {flight.slot for flight in self.flights.values()})
        order = Order(
            spec,
            self.runner,
            self.device,
            versions(),
            self.digest,
            offline=self.options.offline,
            save_models=self.options.save_models,
            paired=needed(spec, self.results),
            checkpoints=self.engine.checkpoints,
        )
        wishes: dict[str, Any] = {"num_cpus": 1, "max_retries": 0}
        if self.device == "cuda":
            wishes["num_gpus"] = self.engine.gpu_share
        if self.barred:
            wishes["label_selector"] = {"ray.io/node-id": f"!in({','.join(self.barred)})"}
        ref = self.task.options(**wishes).remote(order, self.parcel, [self.board])
        self.flights[ref] = _Flight(slot, spec)
        self.progress.started(slot, spec)

    def _hear(self, ref: Any) -> None:
        flight = self.flights[ref]
        try:
            outcome: Outcome = self.ray.get(ref)
        except self.ray.exceptions.RayTaskError as error:
            raise PbgraphError(
                f"a node cannot do runs: {lines_of(error)[-1]:.400}; install the same pbgraph there"
            ) from error
        except self.ray.exceptions.RayError as error:
            del self.flights[ref]
            self._lost(flight, lines_of(error)[0][:200])
            return
        del self.flights[ref]
        for text in outcome.warnings:
            log.warning("%s", text)
        match outcome.kind:
            case "done":
                self._close(flight.slot, self.arrivals.written(outcome, self.results))
            case "died":
                self._died(flight, outcome.text)
            case "broken":
                self._bar(flight, outcome)
            case "differs":
                self.progress.left(flight.slot, "not started")
                raise PbgraphError(
                    f"node {outcome.host} would give other numbers: {outcome.text}; install the same there, e.g. with "
                    "constraints.txt"
                )

    def _lost(self, flight: _Flight, how: str) -> None:
        """A node is gone, or Ray's process there: start the run again, or record that it failed."""
        self._losses[flight.spec.key] += 1
        if self._losses[flight.spec.key] < LOSSES:
            self.progress.left(flight.slot, f"lost ({how}); trying once more")
            self.schedule.put_back(flight.spec)
        else:
            self._close(flight.slot, self._failed(flight.spec, f"lost {LOSSES} times: {how}"))

    def _died(self, flight: _Flight, how: str) -> None:
        """The run has killed its worker."""
        self._deaths[flight.spec.key] += 1
        if self._deaths[flight.spec.key] < ATTEMPTS:
            self.progress.left(flight.slot, f"{how}; trying once more")
            self.schedule.put_back(flight.spec)
        else:
            self._close(flight.slot, self._failed(flight.spec, f"{how} ({ATTEMPTS} attempts)"))

    def _bar(self, flight: _Flight, outcome: Outcome) -> None:
        """A node cannot do runs: it gets no more. Raises PbgraphError if no other is left."""
        self.barred[outcome.node] = outcome.text
        self.progress.left(flight.slot, f"node {outcome.host} gets no more runs: {outcome.text}")
        alive = {node["NodeID"] for node in self.ray.nodes() if node["Alive"] and node["Resources"].get("CPU")}
        if not alive - self.barred.keys():
            raise PbgraphError(f"no node can do runs; the last said: {outcome.text}")
        self.schedule.put_back(flight.spec)

    def _failed(self, spec: RunSpec, error: str) -> RunRecord:
        record: RunRecord = import_module(self.runner).failed(spec, self.options, error, device=self.device)
        return record

    def _close(self, slot: int | None, record: RunRecord) -> None:
        self.records.append(record)
        self.schedule.close(record)
        self.progress.ended(slot, record)

    def _look(self) -> None:
        """Show what runs have said of themselves."""
        if self._news is not None:
            if not self.ray.wait([self._news], timeout=0)[0]:
                return
            with suppress(self.ray.exceptions.RayError):  # a board that is being started again
                news = self.ray.get(self._news)
                for flight in self.flights.values():
                    if flight.spec.key in news:
                        self.progress.reported(flight.slot, news[flight.spec.key])
            self._news = None
        if time.monotonic() - self._looked > LOOK:
            self._looked, self._news = time.monotonic(), self.board.drain.remote()
