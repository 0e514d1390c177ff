"""The command that searches settings."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from pbgraph.cli.commands.found import show_found
from pbgraph.cli.commands.names import dataset_of_task, flat
from pbgraph.cli.options import (
    add_data_folder_arguments,
    add_preset_argument,
    add_set_argument,
    add_split_arguments,
    add_worker_arguments,
)
from pbgraph.cli.values import file_to_write, trials
from pbgraph.errors import PbgraphError, UsageError, of_the_system
from pbgraph.files.writing import check_replaceable
from pbgraph.humanize import parse_seeds
from pbgraph.plans.presets import USUAL, preset
from pbgraph.results.arms import Arm
from pbgraph.results.folder import ResultsFolder
from pbgraph.terminal import say, show

if TYPE_CHECKING:
    from pbgraph.plans.search.ledger import Ledger
    from pbgraph.plans.search.search import Search

SEEDS = (0, 1, 2)  # of a search that names none


def add_tune_arguments(parser: argparse.ArgumentParser) -> None:
    """What ``tune`` takes."""
    parser.set_defaults(command=tune)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add = parser.add_argument
    add("task", metavar="TASK")
    add("--models", nargs="+", metavar="NAME", help="whose settings to search; see 'ls models'")
    add("--methods", nargs="+", metavar="NAME", help="how they are trained (default: backprop, or fit)")
    add("--trials", type=trials, default=20, metavar="N", help="settings to be tried for each, in all (default: 20)")
    add("--seeds", nargs="+", type=parse_seeds, metavar="N", help="below 68 (default: 0-2)")
    add("--found", action="store_true", help="search nothing: show what all searches of the task have found by now")
    add_preset_argument(add)
    add_split_arguments(parser)
    add_set_argument(parser, "fix settings in all trials, e.g. training.epochs=20")
    add_worker_arguments(parser)
    add("--write-plan", type=file_to_write, metavar="FILE", help="write the best settings there as a plan, in TOML")
    add_data_folder_arguments(parser)


def tune(args: argparse.Namespace) -> int:
    """Do the trials that are missing, then show them all; 1 if a search has no trial that was finished."""
    if args.found:
        return show_found(args)
    if args.models is None:
        raise UsageError("tune: say whose settings to search, with --models; or --found, for what searches have found")
    from pbgraph.datasets.load import make_ready
    from pbgraph.execution.benchmark import device_of, usual_jobs
    from pbgraph.plans.search.ledger import Ledger

    searches = _searches(args)
    if args.write_plan is not None:
        from pbgraph.plans.search.found import check_plan_can_be_run

        check_plan_can_be_run(searches)
    device = device_of(args.device)
    jobs = args.jobs or usual_jobs(device)
    ledgers = [Ledger(search, args.results) for search in searches]
    if any(ledger.missing for ledger in ledgers):
        _check_writable(ResultsFolder(args.results), ledgers)
        make_ready(searches[0].dataset, folder=args.data, offline=args.offline)
        _search(args, ledgers, device=device, jobs=jobs)
    return _show(args, ledgers)


def _searches(args: argparse.Namespace) -> list[Search]:
    from pbgraph.methods.base import METHODS, chain
    from pbgraph.models.base import MODELS
    from pbgraph.plans.search.search import search_of
    from pbgraph.plans.settings import check_all_used, parse_assignments

    dataset, chosen = dataset_of_task(args), preset(args.preset or USUAL)
    fixed = parse_assignments(args.set)
    arms = _arms(args.models, args.methods)
    seeds = flat(args.seeds) or SEEDS
    searches = [
        search_of(dataset, chosen, arm, seeds=seeds, trials=args.trials, split=args.split, fixed=fixed) for arm in arms
    ]
    methods = [link for arm in arms for link in chain(METHODS.get(arm.method))]
    check_all_used(fixed, [MODELS.get(arm.model) for arm in arms], methods)
    return searches


def _arms(models: Sequence[str], methods: Sequence[str] | None) -> list[Arm]:
    from pbgraph.methods.base import METHODS
    from pbgraph.methods.roles import PLAIN
    from pbgraph.models.base import MODELS

    for name in methods or ():
        METHODS.get(name)
    if methods is not None:
        return [Arm(model, method) for model in dict.fromkeys(models) for method in dict.fromkeys(methods)]
    plain = METHODS.get(PLAIN)
    return [Arm(model, PLAIN if plain.refuses(MODELS.get(model)) is None else "fit") for model in dict.fromkeys(models)]


def _check_writable(results: ResultsFolder, ledgers: Sequence[Ledger]) -> None:
    """Raises UsageError now rather than after the first trial."""
    try:
        results.check_writable()
        for ledger in ledgers:
            check_replaceable(ledger.path)
    except PbgraphError as error:
        raise UsageError(str(error)) from error
    except OSError as error:
        raise UsageError(of_the_system(error)) from error
    results.sweep()


def _search(args: argparse.Namespace, ledgers: Sequence[Ledger], *, device: str, jobs: int) -> None:
    from pbgraph.execution.engines.base import Setup
    from pbgraph.execution.engines.local import run_schedule
    from pbgraph.execution.engines.search_progress import search_shown
    from pbgraph.execution.engines.searching import SearchSource
    from pbgraph.execution.fitting import RunOptions

    planned = sum(ledger.missing * len(ledger.search.seeds) for ledger in ledgers)
    options = RunOptions(args.results, data=args.data, offline=args.offline)
    for ledger in ledgers:
        search = ledger.search
        say(f"{search.arm} on {search.dataset.name}: {ledger.missing} of {search.trials} trials to do")
    with ExitStack() as stack:
        for ledger in ledgers:
            stack.callback(ledger.close)
        progress = stack.enter_context(search_shown(ledgers, jobs))
        progress.source = source = SearchSource(ledgers, jobs, progress.trial_over)
        setup = Setup("pbgraph.execution.validation", options, device)
        run_schedule(source, setup, jobs, progress=progress, planned=planned)
    for ledger in ledgers:
        if ledger.exhausted:
            say(
                f"{ledger.search.arm}: there are no further settings in its space than the {len(ledger.trials())} tried"
            )


def _show(args: argparse.Namespace, ledgers: Sequence[Ledger]) -> int:
    from pbgraph.report.tuning import trials_table

    tables = [
        trials_table(trials, larger_is_better=ledger.search.larger_is_better)
        for ledger in ledgers
        if (trials := ledger.trials())
    ]
    show("\n".join(tables), end="")
    if args.write_plan is not None:
        from pbgraph.plans.search.found import write_plan

        write_plan(args.write_plan, ledgers)
        say(f"wrote {args.write_plan}")
    finished = [any(trial.state == "finished" for trial in ledger.trials()) for ledger in ledgers]
    return 0 if all(finished) else 1
