"""Finished runs done again, in a folder of their own, on the CPU: one per core at a time."""

from __future__ import annotations

from collections.abc import Sequence

from pbgraph.errors import PbgraphError
from pbgraph.execution.engines.local import run_all
from pbgraph.execution.engines.progress import shown
from pbgraph.execution.engines.schedule import Work
from pbgraph.execution.fitting import RunOptions
from pbgraph.files.reading import content_of
from pbgraph.files.writing import new_file
from pbgraph.plans.plan import Plan
from pbgraph.results.described import keep, user_table, user_table_names
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.records import RunRecord
from pbgraph.structures.parallel import cores


def do_again(results: ResultsFolder, records: Sequence[RunRecord], options: RunOptions) -> list[RunRecord]:
    """New records of these runs of one task, as they came; none of them may be a control of another.

    results  where they are finished;  options  with a folder in which they are not
    Raises Interrupted after Ctrl-C, PbgraphError if the data cannot be had or a control has no pair.
    """
    _lay_out(results, ResultsFolder(options.results), records)
    specs = tuple(record.spec for record in records)
    seconds = {record.key: record.cost.seconds for record in records if record.cost}
    plan = Plan(specs[0].task, "rerun", (), specs[0].split, specs)
    work = Work(plan, specs, finished={}, failed={}, seconds=seconds)
    jobs = min(cores(), len(specs))
    with shown(work, jobs) as progress:
        return run_all(work, options, jobs=jobs, device="cpu", progress=progress)


def _lay_out(results: ResultsFolder, scratch: ResultsFolder, records: Sequence[RunRecord]) -> None:
    """What the runs need: the description of a table of the user's, and records of the runs that controls are of."""
    task = records[0].spec.task
    if task in user_table_names(results):
        keep(user_table(task, results), scratch)
    for key in {record.spec.control_of for record in records} - {None}:
        pair = results.finished(task, str(key))
        if pair is None:
            raise PbgraphError(f"run {key}, which a control is to be compared with, has no finished record")
        with new_file(scratch.record_path(pair.spec)) as part:
            part.write_bytes(content_of(results.record_path(pair.spec)))
