"""Commands for results that no run made: of other tools, with the splits that they train on, and averages of arms."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pbgraph.cli.commands.names import check_known, choice_of, dataset_of_task, flat
from pbgraph.cli.options import (
    add_data_folder_arguments,
    add_preset_argument,
    add_selection_arguments,
    add_split_arguments,
)
from pbgraph.errors import UsageError
from pbgraph.humanize import figure, parse_seeds, ranges
from pbgraph.plans.presets import USUAL, preset
from pbgraph.terminal import say, show

if TYPE_CHECKING:
    from pbgraph.results.records import RunRecord
    from pbgraph.splits import Splitter


def add_score_arguments(parser: argparse.ArgumentParser) -> None:
    """What ``score`` takes."""
    parser.set_defaults(command=score)
    add = parser.add_argument
    add("task", metavar="TASK")
    add("files", nargs="+", type=Path, metavar="FILE", help="predictions, a file for each seed: CSV or Parquet")
    add("--name", required=True, metavar="TEXT", help="of the tool, with its version: the name of its row")
    _add_seeds(parser, required=True)
    add_split_arguments(parser)
    add_preset_argument(add)
    add("--id", metavar="COL", help="column of the molecules' names (default: the task's own, mol_id or id)")
    add("--smiles", metavar="COL", help="column of structures, where there are no names (default: the task's, smiles)")
    add("--pretrained-on", default="", metavar="TEXT", help="what else the tool was trained on, to be said in tables")
    add_data_folder_arguments(parser)


def score(args: argparse.Namespace) -> int:
    """Score what another tool predicts for the test rows of a split, and write a record of it."""
    from pbgraph.execution.external import Told, score_file
    from pbgraph.execution.options import RunOptions
    from pbgraph.results.folder import ResultsFolder

    dataset = dataset_of_task(args)
    split, seeds = _split(args, dataset.split)
    if len(args.files) != len(seeds):
        raise UsageError(
            f"--seeds has {len(seeds)} and there are {len(args.files)} files; give a file for each seed, in this order"
        )
    for seed in seeds if split.seeded else ():
        split.needed(seed)
    ResultsFolder(args.results).check_writable()
    told = Told(
        name=args.name,
        preset=preset(args.preset or USUAL).recipe.name,
        pretrained_on=args.pretrained_on,
        id=args.id,
        smiles=args.smiles,
    )
    options = RunOptions(args.results, data=args.data, offline=args.offline)
    for path, seed in zip(args.files, seeds, strict=True):
        record, new = score_file(path, dataset, options, told, split=split.name, seed=seed)
        show(_line(record) + ("" if new else ", which was there already"))
    say(f"'python -m pbgraph.bench compare {args.task} \"{record.spec.arm}\" MODEL/METHOD' pairs it with a row of ours")
    return 0


def add_average_arguments(parser: argparse.ArgumentParser) -> None:
    """What ``average`` takes."""
    parser.set_defaults(command=average)
    parser.add_argument("task", metavar="TASK")
    parser.add_argument("arms", nargs="+", metavar="ARM", help="MODEL/METHOD, two at least")
    parser.add_argument("--name", metavar="TEXT", help="of the row (default: its arms)")
    add_preset_argument(parser.add_argument)
    add_selection_arguments(parser)
    add_data_folder_arguments(parser)


def average(args: argparse.Namespace) -> int:
    """Average what arms predict, seed by seed, and write a record of each seed that all of them have."""
    from pbgraph.execution.averaging import average_by_seed
    from pbgraph.execution.options import RunOptions
    from pbgraph.report.selection import TaskRuns, runs_by_seed
    from pbgraph.results.folder import ResultsFolder

    by_seed = runs_by_seed(TaskRuns.read(ResultsFolder(args.results), args.task), choice_of(args))
    options = RunOptions(args.results, data=args.data, offline=args.offline)
    for record, new in average_by_seed(by_seed, dataset_of_task(args), options, name=args.name):
        show(_line(record) + ("" if new else ", which was there already"))
    return 0


def _line(record: RunRecord) -> str:
    """The scores that tables show unasked; the record has others beside them."""
    from pbgraph.metrics import label_of, stands_unasked

    names = [record.spec.metric, *sorted(filter(stands_unasked, record.metrics.keys() - {record.spec.metric}))]
    scores = ", ".join(
        f"{label_of(name)} {'undefined' if (value := record.scores['test'].metrics[name]) is None else figure(value)}"
        for name in names
    )
    return f"{record.spec.arm} seed {record.spec.seed}: test {scores}; record {record.key}"


def add_splits_arguments(parser: argparse.ArgumentParser) -> None:
    """What ``splits`` takes."""
    parser.set_defaults(command=splits)
    parser.add_argument("task", metavar="TASK")
    _add_seeds(parser, required=False)
    add_split_arguments(parser)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--write", type=Path, metavar="DIR", help="folder of the files")
    words = "instead, how many test rows were validation rows of these seeds, by which settings were chosen, e.g. 0-9"
    what.add_argument("--chosen-by", nargs="+", metavar="N", type=parse_seeds, help=words)
    add_data_folder_arguments(parser)


def splits(args: argparse.Namespace) -> int:
    """Write splits as files that other tools train on, or show what of their tests had a part in choices."""
    from pbgraph.datasets.load import load
    from pbgraph.splits.files import write_molecules, write_split

    dataset = dataset_of_task(args)
    split, seeds = _split(args, dataset.split)
    if args.chosen_by:
        return _show_chosen_by(args, split, seeds)
    molecules = load(dataset, folder=args.data, offline=args.offline)
    columns = (dataset.id_column or "mol_id", dataset.smiles_column, *dataset.graph_columns)
    whole = args.write / f"{dataset.name.replace(':', '-')}.csv"
    try:
        write_molecules(whole, molecules, columns)
        show(f"{whole}: {len(molecules)} molecules")
        for seed, name in _folders(split, seeds, whole.stem):
            parts = split.split(molecules, seed)
            write_split(args.write / name, molecules, parts, columns)
            sizes = ", ".join(f"{part}.csv {len(getattr(parts, part))}" for part in ("train", "valid", "test"))
            show(f"{args.write / name}: {sizes}, splits.json; split {parts.sha256[:12]}")
    except OSError as error:
        raise UsageError(f"--write {args.write} cannot be written ({error.strerror}); name another folder") from error
    return 0


def _show_chosen_by(args: argparse.Namespace, split: Splitter, seeds: list[int]) -> int:
    """A row for each seed: the share of its test rows that are validation rows of the seeds that chose."""
    from pbgraph.datasets.load import load
    from pbgraph.report.markdown import markdown
    from pbgraph.splits.overlap import chosen_by

    chose, seeds = flat(args.chosen_by) or [], list(dict.fromkeys(seeds))
    if not split.seeded:
        raise UsageError(
            f"split {split.name!r} takes no seed: its validation rows are those of every run, and no test row"
        )
    if not seeds:
        split.needed(None)
    for seed in (*chose, *seeds):
        split.needed(seed)
    molecules = load(dataset_of_task(args), folder=args.data, offline=args.offline)
    counts = chosen_by(split, molecules, seeds=seeds, chose=chose)
    shares = [count.shared / count.test for count in counts]
    rows = [
        [str(count.seed), f"{count.test:,}", f"{count.shared:,}", f"{share:.1%}"]
        for count, share in zip(counts, shares, strict=True)
    ]
    named = f"validation rows of seeds {ranges(chose)} among them"
    show(markdown(["seed", "test rows", named, "share"], rows, right=range(4)))
    show(f"\nOn average {sum(shares) / len(shares):.1%}, from {min(shares):.1%} to {max(shares):.1%}.")
    return 0


def _folders(split: Splitter, seeds: list[int], task: str) -> Iterator[tuple[int | None, str]]:
    """Each seed with its folder; None for a split without any."""
    stem = f"{task}-{split.name.replace(':', '-')}"
    if not split.seeded:
        if seeds:
            split.refuse(seeds[0])
        yield None, stem
        return
    if not seeds:
        split.needed(None)
    yield from ((seed, f"{stem}-{seed}") for seed in seeds)


def _add_seeds(parser: argparse.ArgumentParser, *, required: bool) -> None:
    words = "of the split, e.g. 68-72 or 68,70; of one without seeds, numbers for several runs of the tool"
    parser.add_argument("--seeds", nargs="+", required=required, metavar="N", type=parse_seeds, help=words)


def _split(args: argparse.Namespace, usual: str) -> tuple[Splitter, list[int]]:
    from pbgraph.splits import SPLITS

    check_known("splits", [args.split] if args.split else ())
    return SPLITS.get(args.split or usual), flat(args.seeds) or []
