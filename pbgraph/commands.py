"""What each command of `pbgraph.bench` does with its arguments; heavy imports are made here, when they are needed."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Callable, Iterable, Sequence
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

from pbgraph.errors import PbgraphError, UsageError, unknown_name
from pbgraph.presets import Study, preset, study
from pbgraph.records import ResultsFolder, RunRecord, sha256
from pbgraph.registry import Registry

if TYPE_CHECKING:
    from pbgraph.datasets.base import Dataset, Molecules
    from pbgraph.plan import Plan
    from pbgraph.splits import Split
    from pbgraph.stats import Interval
    from pbgraph.tables import Comparison, Table

log = logging.getLogger(__name__)

KINDS = {
    "tasks": "pbgraph.datasets.base:DATASETS",
    "models": "pbgraph.models.base:MODELS",
    "methods": "pbgraph.methods.base:METHODS",
    "splits": "pbgraph.splits:SPLITS",
    "metrics": "pbgraph.metrics:METRICS",
}
FORMATS = {
    "md": "pbgraph.formats:to_markdown",
    "tex": "pbgraph.latex:to_latex",
    "csv": "pbgraph.formats:to_csv",
    "html": "pbgraph.html:to_html",
    "json": "pbgraph.formats:to_json",
}
DENDRITE_FORMATS = ("md", "json")
DATA_ACTIONS = ("ls", "fetch", "audit")


def task_names() -> list[str]:
    """Names of the registered tasks; imports none of them. Raises PbgraphError if pbgraph is not installed."""
    tasks = Registry[Any]("task", "pbgraph.datasets", object)
    if not tasks.names():
        tasks.get("")
    return tasks.names()


def is_task(name: str) -> bool:
    """Whether a task is registered under this name, or a namespace that the name belongs to; imports nothing."""
    return name in Registry[Any]("task", "pbgraph.datasets", object)


def benchmark(args: argparse.Namespace) -> int:
    """Do what is missing of a plan on a registered task, then show its table; 1 if a run has failed."""
    from pbgraph.datasets.base import DATASETS
    from pbgraph.datasets.source import find

    dataset = DATASETS.get(args.task)
    return do_missing(args, dataset, lambda _: find(dataset, folder=args.data, offline=args.offline))


def do_missing(args: argparse.Namespace, dataset: Dataset, make_ready: Callable[[Plan], object]) -> int:
    """Do what is missing of a plan, then show its table; 1 if a run has failed. make_ready is called before any run."""
    from pbgraph.engines.local import cores, run_all
    from pbgraph.engines.progress import shown
    from pbgraph.engines.work import describe, survey
    from pbgraph.runner import Folders

    plan, results = _plan(args, dataset), ResultsFolder(args.results)
    work = survey(plan, results, retry_failed=args.retry_failed)
    device = _device(args.device)
    jobs = args.jobs or (cores() if device == "cpu" else 1)
    if args.dry_run:
        print(describe(work, jobs))
        return 0
    if work.todo:
        make_ready(plan)
        results.check_writable()
    print(describe(work, jobs), file=sys.stderr)
    if args.save_models:
        _warn_of_unsaved(work.finished.values(), results)
    if work.todo:
        folders = Folders(args.results, data=args.data, offline=args.offline, save_models=args.save_models)
        with shown(work, jobs) as progress:
            run_all(work, folders, jobs=jobs, device=device, progress=progress)
    return _show(plan, results, args.study and study(args.study))


def _warn_of_unsaved(finished: Iterable[RunRecord], results: ResultsFolder) -> None:
    unsaved = [record.key for record in finished if not results.model_path(record.spec).exists()]
    if unsaved:
        log.warning(
            "%d finished runs have no saved model, and a record holds no weights: %s. To have them trained again, move "
            "their records away, or give another --results",
            len(unsaved),
            ", ".join(unsaved[:5]) + (", ..." if len(unsaved) > 5 else ""),
        )


def _plan(args: argparse.Namespace, dataset: Dataset) -> Plan:
    from pbgraph.engines.shard import array_shard, part_of
    from pbgraph.plan import plan, plan_study

    make, name = (plan, args.preset) if args.study is None else (plan_study, args.study)
    chosen = make(
        dataset,
        name,
        models=args.models,
        methods=args.methods,
        seeds=_flat(args.seeds),
        split=args.split,
        controls=args.controls,
    )
    if args.shard is None and args.engine != "shard":
        return chosen
    return part_of(chosen, args.shard or array_shard())


def _flat(seeds: Sequence[Sequence[int]] | None) -> list[int] | None:
    return None if seeds is None else [seed for part in seeds for seed in part]


def _device(name: str) -> str:
    import torch

    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise UsageError("--device cuda: torch finds no usable GPU here; leave it out, or see 'GPU or not' in README")
    return "cuda" if available and name != "cpu" else "cpu"


def _show(plan: Plan, results: ResultsFolder, study: Study | None) -> int:
    """Print the table of the plan's own runs."""
    from pbgraph import studies
    from pbgraph.formats import to_markdown
    from pbgraph.tables import make_table

    found = {spec.key: results.find(spec) for spec in plan.specs}
    records = [record for record in found.values() if record is not None]
    failed = [record for record in records if record.status == "failed"]
    for record in failed:
        log.warning("%s seed %s failed: %s", record.spec.arm, record.spec.seed, record.error)
    if len(failed) < len(records) and study is not None:
        print(studies.to_markdown(studies.study_table(study, records, seeds=plan.seeds)), end="")
    elif len(failed) < len(records):
        print(to_markdown(make_table(records, arms=plan.arms, seeds=plan.seeds)), end="")
    return 1 if failed else 0


def table(args: argparse.Namespace) -> int:
    """Show the table of what a results folder holds, from its records alone; draw its picture if asked to."""
    if args.study is not None:
        return _study_table(args)
    from pbgraph.figures import draw_learning_curves

    records, made = _table(args)
    print(resolve_name(FORMATS[args.format])(made), end="")
    if args.figure is not None:
        models = [arm.split("/")[0] for arm in made.arms if arm.endswith("/perforated")]
        model = models[0] if models else made.arms[0].split("/")[0]
        draw_learning_curves(
            [record for record in records if record.spec.model == model], args.figure, seeds=made.protocol.seeds
        )
    return 0


def _study_table(args: argparse.Namespace) -> int:
    from pbgraph import studies

    chosen = study(args.study)
    if args.format not in studies.STUDY_FORMATS:
        raise UsageError(f"--format {args.format}: the table of a study has {', '.join(studies.STUDY_FORMATS)}")
    made = studies.study_table(chosen, _records(args), seeds=_flat(args.seeds))
    print(studies.STUDY_FORMATS[args.format](made), end="")
    if args.figure is not None:
        studies.draw_frontier(made, args.figure)
    return 0


def leaderboard(args: argparse.Namespace) -> int:
    """Write one web page of all that a results folder holds."""
    from pbgraph.files import replaced_file
    from pbgraph.leaderboard import leaderboard

    text = leaderboard(ResultsFolder(args.results))
    if args.output is None:
        print(text, end="")
        return 0
    with replaced_file(args.output) as part:
        part.write_text(text, encoding="utf-8")
    print(f"written to {args.output}", file=sys.stderr)
    return 0


def _table(args: argparse.Namespace) -> tuple[list[RunRecord], Table]:
    """The records that the arguments choose, and their table."""
    from pbgraph.tables import make_table

    records, seeds = _records(args), _seeds(args)
    declared = ["/".join(arm) for arm in preset(args.preset).arms]
    arms = [
        arm
        for arm in dict.fromkeys([*declared, *(record.spec.arm for record in records if record.spec.seed in seeds)])
        for model, method in [arm.split("/")]
        if args.models is None or model in args.models
        if args.methods is None or method in args.methods
    ]
    others = sorted({record.spec.seed for record in records} - set(seeds))
    if others:
        log.warning("runs of seeds %s are not shown; --seeds shows them", ", ".join(map(str, others)))
    return records, make_table(records, arms=arms, seeds=seeds)


def _records(args: argparse.Namespace) -> list[RunRecord]:
    """The records of the task, preset and split that the arguments name."""
    dataset = _dataset(args)
    for kind in ("models", "methods"):
        _check_known(kind, getattr(args, kind, None) or ())
    _check_known("splits", [args.split] if args.split else ())
    found = ResultsFolder(args.results).records(args.task)
    split = args.split or dataset.split
    of_study = getattr(args, "study", None)
    presets = [args.preset] if of_study is None else [one.name for one in study(of_study).presets]
    mine = [record for record in found if record.spec.preset in presets and record.spec.split == split]
    if not mine:
        what = f"preset {args.preset}" if of_study is None else f"study {of_study}"
        raise UsageError(
            f"{args.results} holds no run of {args.task} with {what} and split {split}; "
            f"'python -m pbgraph.bench {_makes(args.task)} --{what} --split {split}' makes them"
        )
    return mine


def _check_known(kind: str, names: Sequence[str]) -> None:
    """Raises UsageError with the nearest valid name for one that is not registered; imports no model."""
    known = Registry[Any](kind, f"pbgraph.{kind}", object)
    for name in names:
        if name not in known:
            raise unknown_name(kind.removesuffix("s"), name, known)


def _dataset(args: argparse.Namespace) -> Dataset:
    """The data set of the task that the arguments name: a registered one, or one described in the results folder."""
    from pbgraph.datasets.lookup import dataset_of

    return dataset_of(args.task, ResultsFolder(args.results))


def _makes(task: str) -> str:
    return task if is_task(task) else "train"


def _seeds(args: argparse.Namespace) -> list[int]:
    chosen = _flat(args.seeds)
    return list(preset(args.preset).seeds) if chosen is None else list(dict.fromkeys(chosen))


def compare(args: argparse.Namespace) -> int:
    """Show the paired difference of two arms, seed by seed, with both intervals and a verdict."""
    from pbgraph import tables
    from pbgraph.formats import comparison_lines

    records, seeds = _records(args), _seeds(args)
    known = sorted({record.spec.arm for record in records})
    for arm in (args.a, args.b):
        if arm not in known:
            raise unknown_name("arm", arm, known)
    made = tables.make_table(records, arms=[args.a, args.b], seeds=seeds)
    found = tables.compare(records, args.a, args.b, seeds=seeds)
    a, b = (next(row for row in made.rows if row.arm == arm) for arm in (args.a, args.b))
    scores = {seed: (a.test[seed], b.test[seed]) for seed in found.seeds}
    print(comparison_lines(found, scores, _bootstrap(args, records, found)), end="")
    return 0


def _bootstrap(args: argparse.Namespace, records: Sequence[RunRecord], found: Comparison) -> Interval | None:
    """Seeds and molecules resampled; None, with a warning, if a file of predictions is not there."""
    from pbgraph.metrics import METRICS
    from pbgraph.predictions import paired_predictions
    from pbgraph.stats import hierarchical_bootstrap

    by_run = {(record.spec.arm, record.spec.seed): record for record in records if record.status == "finished"}
    pairs = [(by_run[found.a, seed], by_run[found.b, seed]) for seed in found.seeds]
    try:
        predicted = [paired_predictions(ResultsFolder(args.results), *pair) for pair in pairs]
    except FileNotFoundError as error:
        log.warning("no bootstrap interval: %s is not there", error.filename)
        return None
    return hierarchical_bootstrap(predicted, METRICS.get(pairs[0][0].spec.metric))


def dendrites(args: argparse.Namespace) -> int:
    """Show what the dendrites of one finished run learnt, from its files alone; draw it if asked to."""
    from pbgraph.insight import finished_run, read_insight
    from pbgraph.insight_views import FORMATS, draw_dendrites

    record = finished_run(_records(args), args.arm, args.seed)
    found = read_insight(ResultsFolder(args.results), record)
    print(FORMATS[args.format](record.spec, found), end="")
    if args.figure is not None:
        draw_dendrites(record.spec, found, args.figure)
    return 0


def ls(args: argparse.Namespace) -> int:
    """List registered names with version and source; one that cannot be imported is shown with the reason."""
    kinds = [args.kind] if args.kind else list(KINDS)
    listed = {kind: _entries(resolve_name(KINDS[kind])) for kind in kinds}
    if args.json:
        print(json.dumps(listed, indent=1))
        return 0
    for kind, entries in listed.items():
        print(kind)
        for entry in entries:
            version = "" if entry["version"] is None else f"v{entry['version']}"
            others = [package for package in entry["packages"] if package != "pbgraph"]
            owner = f"  [package {' and '.join(others)}]" if others else ""
            print(f"  {entry['name']:<20} {version:<4} {entry['source']}{owner}")
    _warn_of_slow_operations()
    return 0


def _warn_of_slow_operations() -> None:
    from pbgraph.ops.kernels import slow_because

    reason = slow_because()
    if reason is not None:
        log.warning("operations run slowly, in plain PyTorch: %s", reason)


def _entries(registry: Registry[Any]) -> list[dict[str, Any]]:
    """What `ls` shows of every name, and of every namespace."""
    names = [(name, registry.get) for name in registry] + [(name, registry.namespace) for name in registry.namespaces()]
    return [_entry(name, get) | {"packages": registry.packages(name)} for name, get in names]


def _entry(name: str, get: Callable[[str], Any]) -> dict[str, Any]:
    try:
        value = get(name)
    except PbgraphError as error:
        return {"name": name, "version": None, "source": f"broken: {error}"}
    return {"name": name, "version": value.version, "source": value.source}


def check(args: argparse.Namespace) -> int:
    """Put whatever is registered under a name through its conformance checks, one line each; 1 if one fails."""
    from pbgraph.testing import CheckFailed, checks

    failed = 0
    for one in checks(args.name, args.data):
        try:
            one()
            print(f"ok      {one!s:<20} {one.summary}")
        except CheckFailed as error:
            failed += 1
            print(f"FAILED  {one!s:<20} {error}")
    return 1 if failed else 0


def data(args: argparse.Namespace) -> int:
    """List the data sets and where they are; fetch one; or count what is in it."""
    from pbgraph.datasets.base import DATASETS
    from pbgraph.datasets.lookup import dataset_of, own_names

    results = ResultsFolder(args.results)
    if args.action == "ls":
        own = [dataset_of(name, results) for name in own_names(results)]
        listed = [*DATASETS.working(), *own] if args.task is None else [dataset_of(args.task, results)]
        for dataset in listed:
            _print_dataset(dataset, args)
        return 0
    if args.task is None:
        raise UsageError(f"data {args.action}: say of which task, e.g. data {args.action} {task_names()[0]}")
    act = _fetch if args.action == "fetch" else _audit
    act(_dataset(args), args)
    return 0


def _print_dataset(dataset: Dataset, args: argparse.Namespace) -> None:
    from pbgraph.datasets.source import locate

    if dataset.make is not None or dataset.load is not None:
        rows = f"{dataset.rows} rows, " if dataset.rows else ""
        print(f"{dataset.name}: {rows}{len(dataset.tasks)} tasks, read by {dataset.source}")
        return
    where = locate(dataset, args.data) or "not on this machine yet"
    tasks = f"{len(dataset.tasks)} task{'' if len(dataset.tasks) == 1 else 's'}"
    print(f"{dataset.name:<14} {dataset.rows:>6} rows {tasks:>9}  {dataset.file} at {where}; {dataset.source}")


def _fetch(dataset: Dataset, args: argparse.Namespace) -> None:
    from pbgraph.datasets.source import find, locate

    if dataset.load is not None:
        raise UsageError(f"{dataset.name} is a table of your own, {dataset.source}; there is nothing to fetch")
    content = find(dataset, folder=args.data, offline=args.offline)
    if dataset.make is not None:
        print(f"{dataset.name}: read by {dataset.source}, sha256 {sha256(content)}")
    else:
        print(f"{dataset.name}: verified, sha256 {dataset.sha256}, at {locate(dataset, args.data)}")


def _audit(dataset: Dataset, args: argparse.Namespace) -> None:
    from pbgraph.datasets.audit import audit
    from pbgraph.datasets.load import load
    from pbgraph.engines.progress import counted
    from pbgraph.formats import audit_text
    from pbgraph.splits import SPLITS

    molecules = load(dataset, folder=args.data, offline=args.offline)
    with counted("splits", len(SPLITS.names())) as done:
        splits, refused = _splits(molecules, done)
    with counted("structures", len(molecules)) as done:
        facts = audit(dataset, molecules, splits, done=done)
    print(audit_text(facts, refused), end="")


def _splits(molecules: Molecules, done: Callable[[int], None]) -> tuple[dict[str, Split], dict[str, str]]:
    """Every split of the molecules, by the first seed there is; and why one does not apply."""
    from pbgraph.splits import SPLITS

    splits: dict[str, Split] = {}
    refused: dict[str, str] = {}
    for splitter in map(SPLITS.get, SPLITS):
        seed = (splitter.seeds or preset("default").seeds)[0] if splitter.seeded else None
        name = splitter.name if seed is None else f"{splitter.name}, seed {seed}"
        try:
            splits[name] = splitter.split(molecules, seed)
        except UsageError as error:
            refused[name] = str(error).split(";")[0]
        done(1)
    return splits, refused
