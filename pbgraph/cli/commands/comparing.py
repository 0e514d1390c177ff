"""``compare``: two arms seed by seed, or all arms at once."""

from __future__ import annotations

import argparse
import logging
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pbgraph.cli.commands.names import choice_of, flat, runs_of
from pbgraph.cli.options import add_preset_argument, add_selection_arguments
from pbgraph.errors import UsageError
from pbgraph.humanize import ranges
from pbgraph.results.arms import parse_arm
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.records import RunRecord
from pbgraph.terminal import show

if TYPE_CHECKING:
    from pbgraph.report.comparisons import Comparison
    from pbgraph.report.one_by_one import OneByOne
    from pbgraph.report.power import Power
    from pbgraph.report.stats import Interval
    from pbgraph.results.compared import Pair

log = logging.getLogger(__name__)


def add_compare_arguments(parser: argparse.ArgumentParser) -> None:
    """What ``compare`` takes."""
    parser.set_defaults(command=compare)
    parser.add_argument("task", metavar="TASK")
    parser.add_argument("a", metavar="A", nargs="?", help="MODEL/METHOD; without A and B, all arms at once")
    parser.add_argument("b", metavar="B", nargs="?", help="MODEL/METHOD")
    add_preset_argument(parser.add_argument)
    add_selection_arguments(parser)
    parser.add_argument(
        "--metric", metavar="NAME", help="of two arms, by this one instead of the one that selects; see 'ls metrics'"
    )
    parser.add_argument(
        "--power",
        action="store_true",
        help="also say how many seeds would tell the two apart, and how long they take; of all arms, how surely every "
        "comparison finds what matters, and what did not help",
    )


def compare(args: argparse.Namespace) -> int:
    """Show the paired difference of two arms, seed by seed, with its intervals and a verdict; or all arms at once."""
    if args.a is None:
        if args.metric is not None:
            raise UsageError(f"--metric {args.metric} is of two arms: name them, as in 'compare {args.task} A B'")
        return _compare_all(args)
    if args.b is None:
        raise UsageError(f"compare {args.task} {args.a}: expected a second arm to compare it with, or none at all")
    from pbgraph.report.comparisons import differences_of_splits, further_differences, scores_of, spread_of
    from pbgraph.report.formats import comparison_lines
    from pbgraph.report.kept import SameNetwork
    from pbgraph.report.selection import chosen_comparison
    from pbgraph.report.texts import scales

    arms = (parse_arm(args.a), parse_arm(args.b))
    records, shown, difference = chosen_comparison(runs_of(args), *arms, choice=choice_of(args), metric=args.metric)
    a, b = (next(row for row in shown.rows if row.arm == arm) for arm in (difference.a, difference.b))
    scores = dict(zip(difference.seeds, scores_of(difference, records), strict=True))
    scale = scales(shown)[difference.metric or shown.metrics[0]]
    lines = comparison_lines(
        difference,
        scores,
        _bootstrap(args, records, difference),
        further=further_differences(records, difference),
        judged=(shown.family, shown.tests),
        of_splits=differences_of_splits(difference, records),
        spread=spread_of(difference, records),
        same=SameNetwork.of(a, b),
        declared=shown.declared,
        called=(shown.called[difference.a], shown.called[difference.b]),
        scale=scale,
    )
    show(lines, end="")
    if args.power:
        from pbgraph.report.power import power_of

        power = power_of(difference, records, tests=shown.tests)
        none = "not to be told: it takes two seeds or more that differ by different amounts"
        show(f"power                      {none if power is None else power.words}")
    return 0


def _compare_all(args: argparse.Namespace) -> int:
    """Every arm that has all seeds, beside every other; and every comparison by itself."""
    from pbgraph.execution.engines.progress import counted
    from pbgraph.report import one_by_one
    from pbgraph.report.selection import awaited_pairs, chosen_table
    from pbgraph.report.stability import rank_stability
    from pbgraph.report.together import together
    from pbgraph.report.together_text import to_markdown

    runs, choice = runs_of(args), choice_of(args)
    records, shown = chosen_table(runs, choice)
    found = together(shown)
    if not found.arms:
        raise UsageError(f"no arm has all seeds of {', '.join(map(str, shown.arms))}; run what is missing first")
    stability = None
    try:
        with counted("seeds resampled", len(shown.protocol.seeds)) as done:
            seeds = shown.protocol.seeds
            stability = rank_stability(found.arms, seeds, records, ResultsFolder(args.results), done=done)
    except FileNotFoundError as error:
        log.warning("no stability of ranks: %s is not there", error.filename)
    show(to_markdown(shown, found, stability), end="")
    judged = one_by_one.one_by_one(shown, records, awaited_pairs(runs, choice, shown))
    powers = _powers(judged, records, shown.tests) if args.power else None
    said = one_by_one.to_markdown(shown, judged, powers, lambda a, b: _command(args, a, b))
    show(f"\n{said}" if said else "", end="")
    return 0


def _powers(judged: OneByOne, records: Sequence[RunRecord], tests: int) -> dict[Pair, Power | None]:
    from pbgraph.report.power import power_of

    return {one.pair: power_of(one.comparison, records, tests=tests) for one in judged.examined}


def _command(args: argparse.Namespace, a: str, b: str) -> str:
    """What shows two of the arms that these arguments choose from, with its power."""
    results = None if args.results == Path("results") else args.results
    chosen = {"--preset": args.preset, "--split": args.split, "--results": results}
    options = [word for option, value in chosen.items() if value is not None for word in (option, str(value))]
    seeds = flat(args.seeds)
    options += [] if seeds is None else ["--seeds", ranges(seeds).replace(" ", "")]
    return shlex.join(["python", "-m", "pbgraph.bench", "compare", args.task, a, b, *options, "--power"])


def _bootstrap(args: argparse.Namespace, records: Sequence[RunRecord], comparison: Comparison) -> Interval | None:
    """Seeds and molecules resampled; None, with a warning, if predictions are not there or leave nothing to score.

    None, too, by a metric that takes more than scores.
    """
    from pbgraph.execution.engines.progress import counted
    from pbgraph.metrics import METRICS
    from pbgraph.report.bootstrap import hierarchical_bootstrap
    from pbgraph.report.comparisons import pairs_of
    from pbgraph.results.predictions import paired_predictions

    pairs = pairs_of(comparison, records)
    metric = METRICS.get(comparison.metric or pairs[0][0].spec.metric)
    if metric.takes != "scores":
        return None
    try:
        predicted = [paired_predictions(ResultsFolder(args.results), *pair) for pair in pairs]
    except FileNotFoundError as error:
        log.warning("no bootstrap interval: %s is not there", error.filename)
        return None
    with counted("seeds resampled", len(predicted)) as done:
        interval = hierarchical_bootstrap(predicted, metric, done=done)
    if interval is None:
        log.warning("no bootstrap interval: %s is undefined for all resampled molecules", metric.name)
    return interval
