"""Runs for people who keep theirs in MLflow: an experiment for each task, a run for each record, in one SQLite file.

    params   what the run was asked: split, seed, ..., and every setting as config.FIELD or settings.FIELD
    metrics  test_METRIC and valid_METRIC; test_METRIC/TARGET of each target; cost; by epoch epoch/train_loss, ...
    tags     key, arm, status, commit, and all else that says where the record comes from

MLflow is imported when it is needed: that takes seconds. It would tell its makers that it is used; here it does not.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pbgraph.errors import UsageError, not_installed
from pbgraph.history import Epoch
from pbgraph.report.runs import Cell, run_rows
from pbgraph.results.records import RunRecord
from pbgraph.results.registered import began

if TYPE_CHECKING:
    from mlflow import MlflowClient

DATABASE = "mlflow.db"
KEY, STATUS = "pbgraph_key", "pbgraph_status"
MOST_METRICS, MOST_OTHERS = 1000, 100  # that MLflow takes at once
LONGEST = 5000  # characters of a tag
COST = ("parameters", "epochs", "seconds", "peak_memory_bytes", "sittings")
ASKED = ("split", "preset", "model", "method", "seed", "metric", "featuriser", "control_of")
ENDED = {"finished": "FINISHED", "failed": "FAILED"}  # status of a record -> of a run there
SETTINGS = ("config.", "settings.")


def export_to_mlflow(records: Sequence[RunRecord], folder: Path) -> int:
    """Write the records that are not there yet; returns how many these are.

    folder  of the database, mlflow.db; made if it is not there
    A run that an earlier export did not finish is written anew. Raises UsageError if MLflow is not installed, and for a
    folder or database that cannot be written.
    """
    with _opened(folder) as client:
        written = 0
        for task in dict.fromkeys(record.spec.task for record in records):
            experiment = _experiment(client, task, folder)
            done = _done(client, experiment)
            for record in records:
                if record.spec.task == task and (record.key, record.status) not in done:
                    _write(client, experiment, record)
                    written += 1
    return written


@contextmanager
def _opened(folder: Path) -> Iterator[MlflowClient]:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    try:
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError
    except ImportError as error:
        raise UsageError(f"export --mlflow: {not_installed('mlflow', 'mlflow')}") from error
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    path = folder.absolute() / DATABASE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield MlflowClient(f"sqlite:///{path}")
    except (OSError, MlflowException, SQLAlchemyError) as error:
        words = " ".join(str(error).split())
        raise UsageError(f"{path} cannot be written by MLflow: {words:.300}; give another --mlflow DIR") from error


def _experiment(client: MlflowClient, task: str, folder: Path) -> str:
    """The id of a task's experiment, which is made if it is not there. Raises UsageError for one that was deleted."""
    found = client.get_experiment_by_name(task)
    if found is None:
        made: str = client.create_experiment(task, artifact_location=(folder.absolute() / "artifacts" / task).as_uri())
        return made
    if found.lifecycle_stage != "active":
        raise UsageError(f"{folder}: experiment {task} was deleted in MLflow; restore it, or give another --mlflow DIR")
    known: str = found.experiment_id
    return known


def _done(client: MlflowClient, experiment: str) -> set[tuple[str, str]]:
    """(key, status) of the runs that are there whole; what an export left that was stopped is deleted."""
    done: set[tuple[str, str]] = set()
    token = None
    while True:
        page = client.search_runs([experiment], max_results=MOST_METRICS, page_token=token)
        for run in page:
            if KEY not in run.data.tags:
                continue
            if run.info.status in ENDED.values():
                done.add((run.data.tags[KEY], run.data.tags.get(STATUS, "")))
            else:
                client.delete_run(run.info.run_id)
        token = page.token
        if not token:
            return done


def _write(client: MlflowClient, experiment: str, record: RunRecord) -> None:
    from mlflow.entities import Metric, Param, RunTag

    start = began(record)
    first, last = (round(1000 * moment) for moment in (start, start + (record.cost.seconds if record.cost else 0.0)))
    name = f"{record.spec.arm} seed {record.spec.seed}"
    tags = {KEY: record.key, STATUS: record.status}
    run = client.create_run(experiment, start_time=first, tags=tags, run_name=name[:LONGEST]).info.run_id
    metrics = [Metric(name, value, last, step) for name, value, step in metrics_of(record)]
    for some in _pieces(metrics, MOST_METRICS):
        client.log_batch(run, metrics=some)
    for some in _pieces([Param(name, value) for name, value in params_of(record).items()], MOST_OTHERS):
        client.log_batch(run, params=some)
    for some in _pieces([RunTag(name, value) for name, value in tags_of(record).items()], MOST_OTHERS):
        client.log_batch(run, tags=some)
    client.set_terminated(run, ENDED[record.status], end_time=last)


def _pieces(values: Sequence[Any], most: int) -> Iterator[Sequence[Any]]:
    return (values[start : start + most] for start in range(0, len(values), most))


def metrics_of(record: RunRecord) -> Iterator[tuple[str, float, int]]:
    """(name, value, step) of all that was measured; what is undefined is left out. Names are those MLflow takes."""
    for part, score in record.scores.items():
        called = _called(score.tasks)
        named = {
            **{f"{part}_{metric}": value for metric, value in score.metrics.items()},
            **{
                f"{part}_{metric}/{called[target]}": value
                for target, task in score.tasks.items()
                for metric, value in task.metrics.items()
            },
        }
        yield from ((name, value, 0) for name, value in named.items() if value is not None)
    if record.cost is not None:
        yield from ((name, float(getattr(record.cost, name)), 0) for name in COST)
    for line in record.history:
        yield from _of_epoch(line, record.spec.metric)


def _of_epoch(line: Epoch, metric: str) -> Iterator[tuple[str, float, int]]:
    values = {
        "train_loss": line.train_loss,
        f"valid_{metric}": line.valid,
        "learning_rate": line.learning_rate,
        "dendrites": float(line.dendrites),
        "candidate_score": line.score,
    }
    yield from ((f"epoch/{name}", value, line.epoch) for name, value in values.items() if value is not None)


def _called(targets: Iterable[str]) -> dict[str, str]:
    """Target -> its name with characters that MLflow takes, each another one.

    >>> _called(["NR-AR", "log(S)", "log[S]"])
    {'NR-AR': 'NR-AR', 'log(S)': 'log_S_', 'log[S]': 'log_S_ 2'}
    """
    called: dict[str, str] = {}
    for target in targets:
        plain = re.sub(r"[^\w. :-]", "_", target, flags=re.ASCII).strip(". ") or "_"
        taken, number = set(called.values()), 2
        name = plain
        while name in taken:
            name, number = f"{plain} {number}", number + 1
        called[target] = name
    return called


def params_of(record: RunRecord) -> dict[str, str]:
    """What the run was asked."""
    row = _row(record)
    asked = {name: value for name, value in row.items() if name in ASKED or name.startswith(SETTINGS)}
    return {name: str(value) for name, value in asked.items() if value is not None}


def tags_of(record: RunRecord) -> dict[str, str]:
    """Where it comes from, as far as that is known."""
    row, origin = _row(record), record.provenance
    others = {name: value for name, value in row.items() if not _said_elsewhere(name)}
    facts: dict[str, Any] = {
        **others,
        "python": origin.python,
        "platform": origin.platform,
        "processor": origin.processor,
        "threads": origin.threads,
        "data_sha256": origin.data_sha256,
        "split_sha256": origin.split_sha256,
        "predictions_sha256": record.predictions_sha256,
        **{f"version.{name}": version for name, version in record.spec.versions.items()},
        **{f"package.{name}": version for name, version in origin.packages.items()},
        **{f"source.{name}": str(source) for name, source in origin.sources.items()},
    }
    tags = {f"pbgraph_{name}": str(value)[:LONGEST] for name, value in facts.items() if value not in (None, "")}
    return {**tags, **({"mlflow.source.git.commit": origin.commit} if origin.commit else {})}


def _said_elsewhere(name: str) -> bool:
    return name in (*ASKED, *COST, "task") or name.startswith((*SETTINGS, "test_", "valid_"))


def _row(record: RunRecord) -> Mapping[str, Cell]:
    return run_rows([record])[0]
