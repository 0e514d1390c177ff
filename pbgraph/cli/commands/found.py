"""What searches have found by now: shown together, and written as one plan, without searching."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from pbgraph.cli.commands.names import dataset_of_task, flat
from pbgraph.errors import UsageError
from pbgraph.files.reading import UnreadableError
from pbgraph.humanize import ranges
from pbgraph.plans.presets import USUAL, preset
from pbgraph.results.arms import Arm
from pbgraph.results.tuning import Trial, read_trials, searches_in, trials_files
from pbgraph.terminal import say, show


def show_found(args: argparse.Namespace) -> int:
    """Show a row for each search of a task, and do nothing; write the best of each as a row of one plan."""
    from pbgraph.metrics import METRICS
    from pbgraph.report.tuning import searches_table

    dataset, chosen = dataset_of_task(args), preset(args.preset or USUAL)
    recipe, split = chosen.recipe.name, chosen.split_on(dataset, args.split)
    every = _searches(args.results, dataset.name)
    searches = [
        trials
        for trials in every
        if (trials[0].preset, trials[0].split) == (recipe, split)
        and (args.models is None or trials[0].model in args.models)
        and (args.methods is None or trials[0].method in args.methods)
        and (args.seeds is None or list(trials[0].seeds) == flat(args.seeds))
    ]
    if not searches:
        there = f"; those it holds are {'; '.join(dict.fromkeys(map(_told, every)))}" if every else ""
        raise UsageError(
            f"{args.results} holds no such search of {dataset.name}, preset {recipe}, split {split}{there}; "
            f"'python -m pbgraph.bench tune {dataset.name} --models ...' makes one"
        )
    show(searches_table(searches, larger_is_better=METRICS.get(dataset.metric).larger_is_better), end="")
    if args.write_plan is not None:
        _write_plan(args, searches)
    return 0


def _told(trials: Sequence[Trial]) -> str:
    """Which search it is."""
    first = trials[0]
    of = f"{first.model}/{first.method} on seeds {ranges(list(first.seeds))}"
    return f"{of}, preset {first.preset}, split {first.split}"


def _searches(results: Path, dataset: str) -> list[list[Trial]]:
    """The trials of every search of a data set; raises UsageError for a file that cannot be read."""
    trials: list[Trial] = []
    for path in trials_files(results):
        if path.parent.name == dataset:
            try:
                trials += read_trials(path)
            except UnreadableError as error:
                raise UsageError(f"{path} cannot be read ({error}); move it away") from error
    return searches_in(trials)


def _write_plan(args: argparse.Namespace, searches: Sequence[Sequence[Trial]]) -> None:
    """Write the best of each search that starts from today's recipe, with what ``--set`` fixes; of others it is said
    that they are left out. Raises UsageError if none is left, or if an arm was searched on several sets of seeds.
    """
    from pbgraph.plans.search.found import check_plan_can_be_run, write_plan
    from pbgraph.plans.search.ledger import Ledger
    from pbgraph.plans.search.search import search_of
    from pbgraph.plans.settings import parse_assignments

    dataset, chosen = dataset_of_task(args), preset(args.preset or USUAL)
    fixed = parse_assignments(args.set)
    ledgers: dict[Arm, Ledger] = {}
    for trials in searches:
        arm, seeds, split = Arm(trials[0].model, trials[0].method), trials[0].seeds, trials[0].split
        search = search_of(dataset, chosen, arm, seeds=seeds, trials=len(trials), split=split, fixed=fixed)
        if (why := _unfit(trials, search.recipe.key)) is not None:
            say(f"left out of the plan: {arm} on seeds {ranges(seeds)}: {why}")
        elif arm in ledgers:
            both = f"{ranges(ledgers[arm].search.seeds)} and on {ranges(seeds)}"
            raise UsageError(f"{arm} was searched on seeds {both}; choose with --seeds")
        else:
            ledgers[arm] = Ledger(search, args.results)
    if not ledgers:
        raise UsageError("no search is left to write a plan of; give the same --set as for the search")
    check_plan_can_be_run([ledger.search for ledger in ledgers.values()])
    write_plan(args.write_plan, list(ledgers.values()))
    say(f"wrote {args.write_plan}")


def _unfit(trials: Sequence[Trial], recipe: str) -> str | None:
    """Why a search gives no row of a plan, or None; recipe: key of today's."""
    if trials[0].recipe != recipe:
        return "it started from another recipe than today's, or with other settings fixed"
    return None if any(trial.state == "finished" for trial in trials) else "none of its trials was finished"
