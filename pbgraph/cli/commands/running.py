"""Commands that run a plan."""

from __future__ import annotations

import argparse
import logging
import shlex
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pbgraph.cli.commands.names import dataset_of_task, flat
from pbgraph.cli.options import add_data_folder_arguments, add_plan_arguments
from pbgraph.errors import unknown_name
from pbgraph.plans.declaration import Preset, Study
from pbgraph.plans.presets import USUAL, known_presets, preset, study
from pbgraph.terminal import say, show

if TYPE_CHECKING:
    from pbgraph.datasets.base import Dataset
    from pbgraph.execution.engines.chosen import Wanted
    from pbgraph.plans.plan import Plan
    from pbgraph.results.folder import ResultsFolder
    from pbgraph.results.records import RunRecord

log = logging.getLogger(__name__)


def add_task_arguments(parser: argparse.ArgumentParser) -> None:
    """What a task takes."""
    parser.set_defaults(command=benchmark)
    add_data_folder_arguments(parser)
    add_plan_arguments(parser)
    parser.add_argument("--save-models", action="store_true", help="keep the trained models, for 'predict'")


def benchmark(args: argparse.Namespace) -> int:
    """Do what is missing of a plan on a task, then show its table; 1 if a run has failed."""
    from pbgraph.execution.benchmark import make_data_ready

    dataset = dataset_of_task(args)
    return do_missing(
        args, dataset, lambda plan: make_data_ready(dataset, plan, folder=args.data, offline=args.offline)
    )


def do_missing(
    args: argparse.Namespace,
    dataset: Dataset,
    make_ready: Callable[[Plan], object],
    check: Callable[[Plan], object] = lambda _: None,
) -> int:
    """Do what is missing of a plan, then show its table; 1 if a run has failed.

    make_ready  is called before any run;  check  before a plan is shown or written
    """
    from pbgraph.execution import benchmark
    from pbgraph.execution.engines.chosen import RAY, made_ready
    from pbgraph.execution.engines.progress import shown
    from pbgraph.execution.engines.schedule import Work, describe, survey
    from pbgraph.execution.fitting import RunOptions
    from pbgraph.results.folder import ResultsFolder

    plan, results = plan_of(args, dataset), ResultsFolder(args.results)
    wanted = _engine_of(args)
    if args.dry_run or args.write_plan is not None:
        check(plan)
    if args.write_plan is not None:
        _write_plan(plan, args.write_plan)
    if args.dry_run:
        jobs = args.jobs or benchmark.usual_jobs("cpu" if args.engine == RAY else benchmark.device_of(args.device))
        show(describe(survey(plan, results, retry_failed=args.retry_failed), jobs))
        return 0

    def begin(work: Work) -> None:
        say(describe(work, ready.jobs))
        if args.save_models:
            _warn_of_unsaved(work.finished.values(), results)

    with made_ready(wanted) as ready:
        work, records = benchmark.do_missing(
            plan,
            RunOptions(args.results, data=args.data, offline=args.offline, save_models=args.save_models),
            jobs=ready.jobs,
            device=ready.device,
            shown=shown,
            engine=ready.engine,
            retry_failed=args.retry_failed,
            make_ready=make_ready,
            begin=begin,
        )
    shown_code = _show(plan, list(records.values()), results, others=work.others)
    return max(shown_code, 1 if work.blocked else 0)


def _engine_of(args: argparse.Namespace) -> Wanted:
    from pbgraph.execution.engines.chosen import Wanted

    return Wanted(
        args.engine,
        args.device,
        args.jobs,
        address=args.address,
        checkpoints=args.checkpoints,
        gpu_share=args.gpu_share,
    )


def _warn_of_unsaved(finished: Iterable[RunRecord], results: ResultsFolder) -> None:
    unsaved = [record.key for record in finished if not results.model_path(record.spec).exists()]
    if unsaved:
        log.warning(
            "%d finished runs have no saved model, and a record holds no weights: %s. To have them trained again, move "
            "their records away, or give another --results",
            len(unsaved),
            ", ".join(unsaved[:5]) + (", ..." if len(unsaved) > 5 else ""),
        )


def _write_plan(plan: Plan, path: Path) -> None:
    from pbgraph.files.writing import replaced_file
    from pbgraph.plans.plan_file import parsed_plan
    from pbgraph.plans.plan_text import plan_text

    text = plan_text(plan)
    parsed_plan(text, path)  # nothing is written that cannot be run
    with replaced_file(path) as part:
        part.write_text(text, encoding="utf-8")
    say(f"written to {path}: 'python -m pbgraph.bench run {shlex.quote(str(path))}' runs it")


def _declared(args: argparse.Namespace) -> Preset | Study:
    """The plan that the arguments name."""
    named: Preset | Study | None = getattr(args, "declared", None)
    if named is not None:
        return named
    return preset(args.preset or USUAL) if args.study is None else study(args.study)


def plan_of(args: argparse.Namespace, dataset: Dataset) -> Plan:
    """The plan that the arguments ask for, or the part of it."""
    from pbgraph.plans.plan import plan, plan_study
    from pbgraph.plans.settings import parse_assignments
    from pbgraph.plans.shard import array_shard, part_of

    declared = _declared(args)
    for part in declared.presets if isinstance(declared, Study) else (declared,):
        _check_searched(part, args.results)
    make: Callable[..., Plan] = plan_study if isinstance(declared, Study) else plan
    chosen = make(
        dataset,
        declared,
        models=args.models,
        methods=args.methods,
        seeds=flat(args.seeds),
        split=args.split,
        controls=args.controls,
        settings=parse_assignments(args.set),
    )
    if args.shard is None and args.engine != "shard":
        return chosen
    return part_of(chosen, args.shard or array_shard())


def _check_searched(declared: Preset, results: Path) -> None:
    """Raises UsageError for a plan that goes by searches of a preset which is not known and was never searched."""
    from pbgraph.results.tuning import budgets

    name = declared.searched_as
    if not name or name in (known := known_presets()):
        return
    if name not in (names := {*known, *(one.preset for one in budgets(results))}):
        raise declared.at("searched_as", unknown_name("preset", name, names))


def _show(plan: Plan, records: Sequence[RunRecord], results: ResultsFolder, *, others: Sequence[RunRecord] = ()) -> int:
    """Print the table of the plan's runs, or for a part of a plan, what shows the table of them all; 1 if one failed.

    records  of the plan's runs, in its order; those without a record are shown as missing
    others   of the same task, which are judged with them where their preset or study has them too
    """
    from pbgraph.plans.presets import judged_alone
    from pbgraph.report import studies
    from pbgraph.report.formats import to_markdown
    from pbgraph.report.selection import family_in
    from pbgraph.report.tables import make_table
    from pbgraph.report.terms import Terms
    from pbgraph.results.background import background_of

    failed = [record for record in records if record.status == "failed"]
    for record in failed:
        log.warning("%s seed %s failed: %s", record.spec.arm, record.spec.seed, record.error)
    every = [*records, *(record for record in others if record.spec.split == plan.split)]
    if plan.part:
        say(f"part {plan.part}: {_shows_all_of(plan)}")
    elif len(failed) < len(records) and plan.study is not None:
        arms = {
            preset.name: [spec.arm for spec in plan.specs if spec.preset == preset.recipe.name]
            for preset in plan.presets
        }
        shown = studies.study_table(
            plan.study,
            every,
            seeds=plan.seeds,
            arms=arms,
            plan=plan,
            background=background_of(results),
        )
        show(studies.to_markdown(shown), end="")
    elif len(failed) < len(records):
        declared = plan.presets[0]
        recipe = None if judged_alone(declared) else declared.recipe.name
        background = background_of(results)
        table = make_table(
            records,
            arms=plan.arms,
            seeds=plan.seeds,
            terms=Terms.of(declared, plan),
            background=background,
            family=family_in(every, recipe, plan.seeds, background.registered) if recipe else None,
        )
        show(to_markdown(table), end="")
    return 1 if failed else 0


def _shows_all_of(plan: Plan) -> str:
    """What shows the table of all parts of a plan."""
    if plan.name.startswith("plan "):
        return "the same command without --shard and --engine shows the table of all parts, once these are done"
    return (
        f"'python -m pbgraph.bench table {plan.task} --{plan.name} --split {plan.split}' shows the table of all parts, "
        "given the same --results, --seeds, --models and --methods"
    )
