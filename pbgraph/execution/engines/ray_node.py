"""One run on a node of a Ray cluster: what a Ray task does, from an order to an outcome with all files of the run.

A run is done by a worker process as on one machine (`pbgraph.execution.engines.worker`), a child of Ray's, which keeps
it for its next runs. So the arithmetic is that of the local engine, and a crash of the run leaves Ray's process alone.
"""

from __future__ import annotations

import os
import platform
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any, Literal

import msgspec

import pbgraph
from pbgraph.errors import PbgraphError, of_the_system
from pbgraph.execution.checkouts import files_sha256
from pbgraph.execution.engines.base import Broken, Done, Message, Reported, Setup, Stop, Stopped, Warned
from pbgraph.execution.engines.checkpoints import Checkpoints
from pbgraph.execution.engines.local import STOP_SECONDS, TICK, Worker
from pbgraph.execution.engines.parcel import TABLE, machine_folder, unpacked
from pbgraph.execution.engines.ray_pairs import lend
from pbgraph.execution.options import RunOptions
from pbgraph.files.hashing import canonical_json, sha256
from pbgraph.history import Report
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.record_file import record_bytes
from pbgraph.results.records import RunRecord, RunSpec
from pbgraph.results.trash import files_of

SAVE_EVERY = 10.0  # seconds between two looks for a new state to be kept elsewhere
TELL_EVERY = 0.5  # seconds between two reports of a run
PACKAGES = ("torch", "torch-geometric", "rdkit", "numpy", "numba", "scikit-learn")

Kind = Literal["done", "died", "broken", "differs"]


@dataclass(frozen=True)
class Order:
    """A run to be done.

    versions     of the driver; a node with others does nothing
    paired       file of the record of the run it is paired with, its name below a results folder -> content
    parcel       digest of the data and features
    checkpoints  where saved states are kept; "": where the run is
    """

    spec: RunSpec
    runner: str
    device: str
    versions: Mapping[str, str]
    parcel: str
    offline: bool = False
    save_models: bool = False
    paired: Mapping[str, bytes] = field(default_factory=dict)
    checkpoints: str = ""


@dataclass(frozen=True)
class Outcome:
    """What came of an order.

    kind   done: `files` has all that the run has written, its record first; died: the worker process did; broken: the
           node cannot do runs, for `text`; differs: its versions do
    warnings  for the log
    """

    kind: Kind
    host: str
    node: str
    text: str = ""
    files: Mapping[str, bytes] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


class Board:
    """Where runs say how far they are, and the driver looks: an actor beside the driver."""

    def __init__(self) -> None:
        self._news: dict[str, Report] = {}

    def tell(self, key: str, report: Report) -> None:
        """A run is so far."""
        self._news[key] = report

    def drain(self) -> dict[str, Report]:
        """What was said since the last time."""
        news, self._news = self._news, {}
        return news


@lru_cache(maxsize=1)
def versions() -> dict[str, str]:
    """What must be the same on all machines for the numbers to be."""
    from importlib.metadata import PackageNotFoundError, version

    found = {"Python": ".".join(platform.python_version_tuple()[:2]), "pbgraph": pbgraph.__version__}
    found["code of pbgraph"] = files_sha256(Path(pbgraph.__file__).parent)[:12]
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def differing(driver: Mapping[str, str], node: Mapping[str, str]) -> str:
    """What differs between two machines, in words; "" if nothing does.

    >>> differing({"Python": "3.11", "torch": "2.13.0"}, {"Python": "3.12"})
    'Python 3.11 here and 3.12 there, torch 2.13.0 here and none there'
    """
    names = [name for name in dict.fromkeys([*driver, *node]) if driver.get(name) != node.get(name)]
    return ", ".join(f"{name} {driver.get(name, 'none')} here and {node.get(name, 'none')} there" for name in names)


def do_run(order: Order, parcel: list[Any], board: list[Any]) -> Outcome:
    """What a Ray task does; parcel and board are references, in lists, lest Ray fetch them for each task."""
    import ray

    where = socket.gethostname(), ray.get_runtime_context().get_node_id()
    if different := differing(order.versions, versions()):
        return Outcome("differs", *where, text=different)

    def tell(report: Report) -> None:
        if board:
            board[0].tell.remote(order.spec.key, report)

    try:
        folder = unpacked(order.parcel, lambda: ray.get(parcel[0]))
        return _Doing(order, folder, where).outcome(tell)
    except OSError as error:
        return Outcome("broken", *where, text=of_the_system(error))
    except PbgraphError as error:
        return Outcome("broken", *where, text=str(error))


class _Doing:
    """One run, done by this process's worker."""

    def __init__(self, order: Order, folder: Path, where: tuple[str, str]) -> None:
        self.order, self.where, self.key = order, where, order.spec.key
        code = sha256(canonical_json(order.versions))[:12]  # what a run of other code has left is no run of this
        self.results = ResultsFolder(machine_folder() / "results" / code)
        data = folder / "data" if any((folder / "data").iterdir()) else None
        options = RunOptions(self.results.root, data=data, offline=order.offline, save_models=order.save_models)
        self.setup, self.cache = Setup(order.runner, options, order.device), folder / "cache"
        self.table = folder / TABLE
        self.warnings: list[str] = []
        self.give_back_pairs: Callable[[], None] = lambda: None
        self.checkpoints = Checkpoints(order.checkpoints) if order.checkpoints else None

    def outcome(self, tell: Callable[[Report], object]) -> Outcome:
        """Do it. A KeyboardInterrupt, by which Ray cancels, saves the run first."""
        self._bring_what_it_needs()
        try:
            with _worker(self.setup, str(self.cache)) as worker:
                worker.start(self.order.spec)
                try:
                    return self._hear(worker, tell)
                except KeyboardInterrupt:
                    self._stop(worker)
                    raise
        finally:
            self.give_back_pairs()

    def _bring_what_it_needs(self) -> None:
        self.results.root.mkdir(parents=True, exist_ok=True)
        self.give_back_pairs = lend(self.results.root, self.order.paired)
        if self.table.exists():
            from pbgraph.datasets.user.table import UserTable
            from pbgraph.results.described import keep

            table = msgspec.json.decode(self.table.read_bytes(), type=UserTable)
            keep(replace(table, path=str(self.table.parent / "data" / table.file)), self.results)
        self._with_states(lambda states: states.restore(self.key, self.results))

    def _hear(self, worker: Worker, tell: Callable[[Report], object]) -> Outcome:
        told = saved = time.monotonic()
        while True:
            wait([worker.connection], timeout=TICK)
            try:
                for message in worker.messages():
                    if isinstance(message, Reported):
                        if time.monotonic() - told > TELL_EVERY:
                            told = time.monotonic()
                            tell(message.report)
                    elif (outcome := self._heard(message)) is not None:
                        worker.spec = None
                        return outcome
            except EOFError:
                self._save()
                return Outcome("died", *self.where, text=worker.end(), warnings=tuple(self.warnings))
            if time.monotonic() - saved > SAVE_EVERY:
                self._save()
                saved = time.monotonic()

    def _heard(self, message: Message) -> Outcome | None:
        match message:
            case Warned(text):
                self.warnings.append(text)
            case Done(record):
                files = self._collected(record)
                self._with_states(lambda states: states.drop(self.key))
                return Outcome("done", *self.where, files=files, warnings=tuple(self.warnings))
            case Broken(error):
                return Outcome("broken", *self.where, text=str(error), warnings=tuple(self.warnings))
        return None

    def _collected(self, record: RunRecord) -> dict[str, bytes]:
        """All that the run has written, its record first; this machine keeps nothing of it."""
        root, spec = self.results.root, record.spec
        failed = record.status == "failed"
        path = self.results.failure_path(spec, 1) if failed else self.results.record_path(spec)
        files = {path.relative_to(root).as_posix(): record_bytes(record)}
        belonging = files_of(self.results, spec.task, spec.key)
        inside = [inner for one in belonging for inner in (sorted(one.iterdir()) if one.is_dir() else [one])]
        for one in inside:
            name = one.relative_to(root).as_posix()
            if not failed and not name.startswith(("records/", ".work/")):
                files[name] = one.read_bytes()
            one.unlink(missing_ok=True)
        return files

    def _stop(self, worker: Worker) -> None:
        """Have the run saved, for as long as that may take."""
        worker.send(Stop())
        deadline = time.monotonic() + STOP_SECONDS
        with suppress(EOFError):
            while time.monotonic() < deadline:
                wait([worker.connection], timeout=TICK)
                if any(isinstance(message, (Stopped, Done, Broken)) for message in worker.messages()):
                    break
        self._save()

    def _save(self) -> None:
        self._with_states(lambda states: states.save(self.key, self.results))

    def _with_states(self, use: Callable[[Checkpoints], object]) -> None:
        """A store that cannot be reached costs a warning: the run goes on without it."""
        try:
            if self.checkpoints is not None:
                use(self.checkpoints)
        except Exception as error:  # of any kind: each store has its own
            what = f"state of run {self.key} not kept: {type(error).__name__}: {error}"
            self.warnings.append(f"{self.order.checkpoints}: {what}")


_idle: list[tuple[Setup, str, Worker]] = []  # of this process; at most one


@contextmanager
def _worker(setup: Setup, cache: str) -> Iterator[Worker]:
    """This process's worker, kept for the next run of the same kind unless something went wrong with it."""
    found = [worker for its, its_cache, worker in _idle if (its, its_cache) == (setup, cache)]
    others = [worker for _, _, worker in _idle if worker not in found]
    _idle.clear()
    for worker in others:
        worker.end()
    os.environ["PBGRAPH_CACHE"] = cache
    worker = found[0] if found and found[0].process.poll() is None else Worker(0, setup)
    try:
        yield worker
    finally:
        if worker.spec is None and worker.process.poll() is None:
            _idle.append((setup, cache, worker))
        elif not worker.connection.closed:
            worker.process.kill()
            worker.end()
