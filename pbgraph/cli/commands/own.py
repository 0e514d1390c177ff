"""The commands on a user's own molecules: `train` and `predict`."""

from __future__ import annotations

import argparse
import logging
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pbgraph.cli.commands.running import do_missing
from pbgraph.cli.help_texts import OUTPUTS
from pbgraph.cli.options import add_plan_arguments
from pbgraph.errors import UsageError, unknown_name
from pbgraph.humanize import duration
from pbgraph.results.arms import parse_arm, shortened
from pbgraph.results.folder import ResultsFolder
from pbgraph.terminal import say

if TYPE_CHECKING:
    from pbgraph.plans.plan import Plan
    from pbgraph.prediction.molecule_files import Chunk
    from pbgraph.prediction.predict import Predictions, Predictor

log = logging.getLogger(__name__)


def add_train_arguments(parser: argparse.ArgumentParser) -> None:
    """What ``train`` takes."""
    parser.set_defaults(command=train, data=None, offline=True, save_models=True)
    add = parser.add_argument
    add("file", type=Path, metavar="TABLE")
    add("--smiles", required=True, metavar="COL", help="column of the structures")
    add("--targets", required=True, nargs="+", action="extend", metavar="COL", help="columns of the labels")
    add("--kind", metavar="KIND", help="classification or regression, instead of what the labels look like")
    add(
        "--missing",
        nargs="+",
        action="extend",
        default=[],
        metavar="WORD",
        help="labels that mean not measured as well, e.g. -1 or ND",
    )
    add(
        "--graph-columns",
        nargs="+",
        action="extend",
        default=[],
        metavar="COL",
        help="columns of numbers that models read beside the structures, e.g. pH dose",
    )
    add("--id", metavar="COL", help="column of unique names of the molecules (default: their lines)")
    add("--split-column", metavar="COL", help="column that says train, valid or test; for --split predefined")
    add("--time-column", metavar="COL", help="column of dates; for --split time")
    add_plan_arguments(parser)
    add("--no-save-models", dest="save_models", action="store_false", help="do not keep the trained models")


def train(args: argparse.Namespace) -> int:
    """Do what is missing of a plan on a table of the user's, then show its table of results; 1 if a run has failed."""
    from pbgraph.datasets.load import load
    from pbgraph.datasets.user.table import describe, to_dataset
    from pbgraph.execution.benchmark import check_splits
    from pbgraph.execution.engines.progress import stages_shown
    from pbgraph.results.described import earlier_versions, keep
    from pbgraph.stages import stage

    table = describe(
        args.file,
        smiles=args.smiles,
        targets=args.targets,
        kind=args.kind,
        id=args.id,
        split_column=args.split_column,
        date=args.time_column,
        missing=args.missing,
        graph_columns=args.graph_columns,
    )
    dataset, results = to_dataset(table), ResultsFolder(args.results)
    for name in earlier_versions(table, results):
        log.warning("%s has changed since it was task %s: this is a new task; those records stay", table.path, name)
    with stages_shown():
        molecules = load(dataset)
    usable = f"{len(molecules)} of {table.rows} rows can be used"
    if unlabelled := int(np.isnan(molecules.y).all(axis=1).sum()):
        usable += f", {unlabelled} of them without any label"
    say(f"{table.file}: task {table.name}, {table.kind} of {', '.join(table.targets)}; {usable}")

    def check(plan: Plan) -> None:
        with stages_shown(), stage("splitting"):
            check_splits(dataset, molecules, plan)
        if args.write_plan is not None:  # which others read as a plan of this task
            keep(table, results)

    def make_ready(plan: Plan) -> None:
        if args.write_plan is None:  # else it was checked before the plan was written
            check(plan)
        results.check_writable()
        keep(table, results)
        if blind := _blind(plan, table.graph_columns):
            log.warning("%s: not read by %s", ", ".join(table.graph_columns), ", ".join(blind))

    return do_missing(args, dataset, make_ready, check)


def add_predict_arguments(parser: argparse.ArgumentParser) -> None:
    """What ``predict`` takes."""
    parser.set_defaults(command=predict)
    add = parser.add_argument
    add("model", type=Path, metavar="MODEL_DIR", help="RESULTS/models/TASK/KEY; or RESULTS/models/TASK for the mean")
    add("input", type=Path, metavar="INPUT", help=".csv, .smi (both also .gz), .parquet, or - for stdin")
    add("output", type=Path, metavar="OUTPUT", nargs="?", default=Path("-"), help=OUTPUTS)
    add("--smiles", metavar="COL", help="column of the structures (default: the name it had in training)")
    add("--id", metavar="COL", help="column of names to be copied to the output")
    arms = "which models of the folder, where it holds several arms; given twice or more, the mean of these arms"
    add("--arm", action="append", default=[], metavar="MODEL/METHOD", help=arms)
    add("--preset", metavar="NAME", help="which of them, where they were made with several presets")
    add("--split", metavar="NAME", help="which of them, where they were made on several splits")
    add("--embeddings", action="store_true", help="instead, the vector of each molecule that the network's head reads")
    add("--input-format", metavar="FORM", help="csv, smi or parquet (default: by the file's name; stdin: csv)")
    add(
        "--for-spreadsheets",
        action="store_true",
        help="put an apostrophe before names and structures that a spreadsheet would run as formulas",
    )


def predict(args: argparse.Namespace) -> int:
    """Apply a saved model, or several that are averaged, to the molecules of a file."""
    from pbgraph.prediction.molecule_files import FORMS, STANDARD, form_of, read_chunks, writer, written_form
    from pbgraph.prediction.predict import blank_cells, load_encoder, load_predictor

    form = args.input_format or form_of(args.input)
    if form not in FORMS:
        raise unknown_name("input format", form, FORMS)
    if args.input != STANDARD and args.input.exists() and args.output.exists() and args.output.samefile(args.input):
        raise UsageError(f"{args.input} would be overwritten by its predictions; name another OUTPUT")
    written_form(args.output)
    started = time.monotonic()
    load = load_encoder if args.embeddings else load_predictor
    predictor = load(args.model, [parse_arm(arm) for arm in args.arm], preset=args.preset, split=args.split)
    smiles = args.smiles or predictor.models[0].smiles_column
    chunks = read_chunks(args.input, form=form, smiles=smiles, name=args.id, others=predictor.graph_columns)
    begun = _begun(chunks, predictor)  # what is wrong with the file is said before anything is written
    total = failed = 0
    blank: Counter[str] = Counter()
    several = len(predictor.models) > 1
    names = [name for target in predictor.columns for name in ((target, f"{target}_sd") if several else (target,))]
    columns = ["name", "smiles", *names, "error"]
    with writer(args.output, columns, numbers=len(names), for_spreadsheets=args.for_spreadsheets) as write:
        for chunk, predictions in predictor.stream(chain(begun, chunks)):
            write([chunk.names, chunk.smiles, *_columns(predictions), predictions.errors])
            total, failed = total + len(predictions.errors), failed + sum(map(bool, predictions.errors))
            blank += blank_cells(chunk, predictor.graph_columns)
    noun = f"{len(predictor.models)} models" if several else "model"
    arms = [str(arm.models[0].spec.arm) for arm in predictor.arms]
    what = "vector" if args.embeddings else "prediction"
    say(f"{noun} {' and '.join(arms)}: {total} rows, {failed} without a {what}, {duration(time.monotonic() - started)}")
    for name, count in blank.items():
        log.warning("column %r is blank in %d rows, for which it counts as undefined", name, count)
    return 0


def _blind(plan: Plan, columns: Sequence[str]) -> list[str]:
    """The rows of a plan that read none of the columns beside the structures, if there are any."""
    from pbgraph.features.base import FEATURISERS
    from pbgraph.features.composed import reads_columns

    rows = {spec.arm: FEATURISERS.get(spec.featuriser) for spec in plan.specs} if columns else {}
    called = shortened(plan.arms, plan.labels)
    return [str(called[arm]) for arm, featuriser in rows.items() if not reads_columns(featuriser)]


def _begun(chunks: Iterator[Chunk], predictor: Predictor) -> list[Chunk]:
    """The first chunk, if there is one. Raises UsageError for a column that the file lacks."""
    try:
        return list(islice(chunks, 1))
    except UsageError as error:
        if not predictor.graph_columns:
            raise
        needs = ", ".join(predictor.graph_columns)
        raise UsageError(
            f"{error}; the model was trained with {needs} beside the structures, and needs them"
        ) from error


def _columns(predictions: Predictions) -> list[list[float | None]]:
    """The numbers of every target, each followed by its standard deviations if there are any; None for NaN."""
    parts = [predictions.mean] if predictions.sd is None else [predictions.mean, predictions.sd]
    columns = [part[:, target] for target in range(predictions.mean.shape[1]) for part in parts]
    return [[None if np.isnan(value) else value for value in column.tolist()] for column in columns]
