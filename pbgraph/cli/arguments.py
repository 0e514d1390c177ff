"""The words of the command line: what each command takes, and how it is read."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, NoReturn

from pbgraph import __version__
from pbgraph.cli import commands
from pbgraph.errors import UsageError, unknown_name
from pbgraph.humanize import whole
from pbgraph.plans.presets import PRESETS, STUDIES
from pbgraph.plans.shard import parse_shard

COMMANDS = {
    "ls": "list what is registered",
    "table": "show the results of a task, from its records alone",
    "leaderboard": "write one web page of all that a results folder holds",
    "compare": "show the paired difference of two arms, A - B",
    "dendrites": "show what the dendrites of a finished run learnt",
    "verify": "check that a results folder is whole, and that its scores and tables are what its runs give",
    "check": "put what is registered under a name through its conformance checks",
    "data": "list data sets, fetch or audit one",
    "train": "the same as TASK, on a table of your own",
    "predict": "apply a trained model to molecules",
}
MOST_SEEDS = 10_000
VALUE_OPTIONS = (
    "--smiles",
    "--targets",
    "--missing",
    "--id",
    "--split-column",
    "--time-column",
)  # whose values may be -x
EXAMPLES = """examples:
  python -m pbgraph.bench tox21                         what is missing of the default plan, then the table
  python -m pbgraph.bench tox21 --preset smoke          a minute's trial
  python -m pbgraph.bench tox21 --models gin --seeds 68-72 --split scaffold
  python -m pbgraph.bench compare tox21 trimnet/perforated trimnet/backprop
  python -m pbgraph.bench verify results --rerun 2      is all of it true? and do two runs come out again?
  python -m pbgraph.bench train my.csv --smiles SMILES --targets active --split scaffold
"""
TRAIN = """TABLE is CSV (separated by commas, semicolons or tabs; plain or gzip) or Parquet, with a header, of up to
256 MiB unpacked. Labels: 0/1, false/true, no/yes or inactive/active are classes, other numbers are measured quantities;
blank, NA, N/A, NaN, null and none, and what --missing names, mean not measured. Rows whose SMILES cannot be read are
left out and named in every record.

The task is called after the file, with a hash of its content and of the columns; 'table', 'compare' and 'data audit'
know it by that name, with the same --results."""

OUTPUTS = ".csv, .tsv (both also .gz), .parquet, or stdout, as CSV"
PREDICT = """One row out per row in, in order: name, SMILES, a column per target, and why there is no prediction, if so.
Classification gives the probability of class 1, regression values in the units of the data. For a folder of several
models that differ in their seed alone, the mean, with the standard deviation as TARGET_sd. Any number of rows; runs on
the CPU. An output file is there whole in the end, or not at all."""

VERIFY = """Checks the records and the files beside them (hashes, orphans, twins), every score against its predictions
and the labels of the data, every table and page against the records, and every key against today's plan. With --rerun,
runs drawn at random are done again: by the numeric platform and package versions of the record they must be equal bit
for bit, elsewhere within the spread between platforms.

Prints what is wrong, one line each, and exits with 1; else prints a receipt in JSON. With --receipt it is written to
FILE in either case, with what is wrong in it. Where nothing is wrong but something could not be checked, mostly for
want of the data, the receipt names that and the exit code is 3. Pictures are not compared, and a table that was made
with options of its own is taken for wrong."""
VERIFY_EXAMPLES = """examples:
  python -m pbgraph.bench verify
  python -m pbgraph.bench verify my-results --offline --receipt receipt.json
  python -m pbgraph.bench verify --rerun 2 --seed 7
"""


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The arguments of a command, with `command`, the function that takes them. Raises UsageError."""
    tasks = commands.task_names(COMMANDS)
    known = [*tasks, *COMMANDS]
    if not argv:
        raise UsageError(f"say what to do: one of {', '.join(known)}, or --help")
    if not argv[0].startswith("-") and argv[0] not in known:
        if not commands.is_task(argv[0]):
            raise unknown_name("task or command", argv[0], known)
        tasks.append(argv[0])  # of a namespace, of which not all names are known
    return _parser(tasks).parse_args(_with_dashed_values(argv) if argv[0] == "train" else argv)


def _with_dashed_values(argv: Sequence[str]) -> list[str]:
    """The words of ``train`` with a value such as -logS joined to its option, as argparse needs it.

    A value is what follows an option of columns or labels, begins with one dash, and is no option itself.
    """
    words: list[str] = []
    option, several = "", False
    for word in argv:
        if word == "--" or word.startswith("--") or word == "-h":
            option, several = (word, word in ("--targets", "--missing")) if word in VALUE_OPTIONS else ("", False)
            words.append(word)
        elif option and word.startswith("-") and len(word) > 1:
            if words[-1] == option:
                words.pop()
            words.append(f"{option}={word}")
            option = option if several else ""
        else:
            if option and words[-1].startswith(f"{option}="):
                words.append(option)
            words.append(word)
            option = option if several else ""
    return words


def _parser(tasks: Sequence[str]) -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m pbgraph.bench",
        description="Do perforated dendrites make graph neural networks better?",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"pbgraph {__version__}")
    each = parser.add_subparsers(metavar="TASK | COMMAND", required=True)
    for task in tasks:
        _add_run_arguments(
            each.add_parser(task, help="run what is missing of a plan on this task, then show the table"), task
        )
    _add_ls_arguments(each.add_parser("ls", help=COMMANDS["ls"]))
    _add_table_arguments(each.add_parser("table", help=COMMANDS["table"]))
    _add_leaderboard_arguments(each.add_parser("leaderboard", help=COMMANDS["leaderboard"]))
    _add_compare_arguments(each.add_parser("compare", help=COMMANDS["compare"]))
    _add_dendrites_arguments(each.add_parser("dendrites", help=COMMANDS["dendrites"]))
    _add_verify_arguments(
        each.add_parser("verify", help=COMMANDS["verify"], description=VERIFY, epilog=VERIFY_EXAMPLES)
    )
    _add_check_arguments(each.add_parser("check", help=COMMANDS["check"]))
    _add_data_arguments(each.add_parser("data", help=COMMANDS["data"]))
    _add_predict_arguments(each.add_parser("predict", help=COMMANDS["predict"], description=PREDICT))
    _add_train_arguments(each.add_parser("train", help=COMMANDS["train"], description=TRAIN))
    return parser


def _add_run_arguments(parser: argparse.ArgumentParser, task: str) -> None:
    parser.set_defaults(command=commands.benchmark, task=task)
    _add_data_folder_arguments(parser)
    _add_plan_arguments(parser)
    parser.add_argument("--save-models", action="store_true", help="keep the trained models, for 'predict'")


def _add_train_arguments(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=commands.train, data=None, offline=True, save_models=True)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
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
    add("--id", metavar="COL", help="column of unique names of the molecules (default: their lines)")
    add("--split-column", metavar="COL", help="column that says train, valid or test; for --split predefined")
    add("--time-column", metavar="COL", help="column of dates; for --split time")
    _add_plan_arguments(parser)
    add("--no-save-models", dest="save_models", action="store_false", help="do not keep the trained models")


def _add_predict_arguments(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=commands.predict)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add = parser.add_argument
    add("model", type=Path, metavar="MODEL_DIR", help="RESULTS/models/TASK/KEY; or RESULTS/models/TASK for the mean")
    add("input", type=Path, metavar="INPUT", help=".csv, .smi (both also .gz), .parquet, or - for stdin")
    add("output", type=Path, metavar="OUTPUT", nargs="?", default=Path("-"), help=OUTPUTS)
    add("--smiles", metavar="COL", help="column of the structures (default: the name it had in training)")
    add("--id", metavar="COL", help="column of names to be copied to the output")
    add("--arm", metavar="MODEL/METHOD", help="which models of the folder, where it holds several arms")
    add("--preset", metavar="NAME", help="which of them, where they were made with several presets")
    add("--split", metavar="NAME", help="which of them, where they were made on several splits")
    add("--input-format", metavar="FORM", help="csv, smi or parquet (default: by the file's name; stdin: csv)")
    add(
        "--for-spreadsheets",
        action="store_true",
        help="put an apostrophe before names and structures that a spreadsheet would run as formulas",
    )


def _add_plan_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    _add_preset_or_study_arguments(parser)
    _add_selection_arguments(parser)
    _add_arm_arguments(parser)
    add("--controls", action="store_true", help="every control of the planned methods as well")
    add("--jobs", type=_positive, metavar="N", help="worker processes (default: the cores)")
    add("--engine", type=_one_of("engine", ("local", "shard")), default="local", help="local (default) or shard")
    add("--shard", type=parse_shard, metavar="I/N", help="do part I of N parts (default: as the SLURM array says)")
    add("--device", type=_one_of("device", ("auto", "cpu", "cuda")), default="auto", help="auto (default), cpu or cuda")
    add("--dry-run", action="store_true", help="print the plan and stop")
    add("--retry-failed", action="store_true", help="try runs again that failed earlier")


def _add_selection_arguments(parser: argparse.ArgumentParser) -> None:
    _add_split_arguments(parser)
    parser.add_argument(
        "--seeds", nargs="+", metavar="N", type=_seeds, help="e.g. 68-72 or 68,70, instead of the preset's"
    )


def _add_preset_or_study_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_mutually_exclusive_group().add_argument
    _add_preset_argument(add)
    studies = "; ".join(f"{name}: {one.summary}" for name, one in STUDIES.items())
    add("--study", type=_one_of("study", STUDIES), help=f"instead of a preset: {studies}")


def _add_preset_argument(add: Callable[..., Any]) -> None:
    add("--preset", type=_one_of("preset", PRESETS), help=_presets())


def _add_split_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--split", metavar="NAME", help="instead of the task's usual split; see 'ls splits'")
    _add_results_argument(parser)


def _add_results_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--results", type=Path, default=Path("results"), metavar="DIR", help="folder of the records (default: results)"
    )


def _add_arm_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--models", nargs="+", metavar="NAME", help="only these models, or all; see 'ls models'")
    parser.add_argument(
        "--methods", nargs="+", metavar="NAME", help="only these training methods, or all; see 'ls methods'"
    )


def _add_data_folder_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, metavar="DIR", help="look for data here first")
    parser.add_argument("--offline", action="store_true", help="fetch nothing")


def _add_ls_arguments(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=commands.ls)
    parser.add_argument(
        "kind", nargs="?", type=_one_of("kind", commands.KINDS), help=f"one of {', '.join(commands.KINDS)}"
    )
    parser.add_argument("--json", action="store_true", help="for programs")


def _add_table_arguments(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=commands.table)
    parser.add_argument("task", metavar="TASK")
    _add_preset_or_study_arguments(parser)
    _add_selection_arguments(parser)
    _add_arm_arguments(parser)
    formats = ", ".join(commands.FORMATS)
    parser.add_argument(
        "--format", type=_one_of("format", commands.FORMATS), default="md", help=f"{formats} (default: md)"
    )
    parser.add_argument(
        "--figure",
        type=_file_to_write,
        metavar="FILE",
        help="also draw learning curves (of a study: the frontier): .png, .svg or .pdf",
    )


def _add_leaderboard_arguments(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=commands.leaderboard)
    _add_results_argument(parser)
    parser.add_argument(
        "-o", "--output", type=_file_to_write, metavar="FILE", help="write it there (default: to stdout)"
    )


def _add_compare_arguments(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=commands.compare)
    parser.add_argument("task", metavar="TASK")
    parser.add_argument("a", metavar="A", help="MODEL/METHOD")
    parser.add_argument("b", metavar="B", help="MODEL/METHOD")
    _add_preset_argument(parser.add_argument)
    _add_selection_arguments(parser)


def _add_dendrites_arguments(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=commands.dendrites)
    parser.add_argument("task", metavar="TASK")
    parser.add_argument("arm", metavar="ARM", help="MODEL/METHOD")
    parser.add_argument("--seed", type=_seed, metavar="N", help="of the run (default: the first that is finished)")
    _add_preset_argument(parser.add_argument)
    _add_split_arguments(parser)
    formats = ", ".join(commands.DENDRITE_FORMATS)
    parser.add_argument(
        "--format", type=_one_of("format", commands.DENDRITE_FORMATS), default="md", help=f"{formats} (default: md)"
    )
    parser.add_argument(
        "--figure", type=_file_to_write, metavar="FILE", help="also draw shares and correlations: .png, .svg or .pdf"
    )


def _add_verify_arguments(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=commands.verify)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add = parser.add_argument
    add(
        "folder", nargs="?", type=Path, default=Path("results"), metavar="RESULTS", help="the folder (default: results)"
    )
    add("--rerun", type=_number, default=0, metavar="K", help="do K runs again, drawn at random")
    add("--seed", type=_seed, metavar="N", help="draw those of an earlier --rerun (default: others each time)")
    to_write = "write the receipt there, outside of RESULTS (default: to stdout)"
    add("--receipt", type=Path, metavar="FILE", help=to_write)
    _add_data_folder_arguments(parser)


def _add_check_arguments(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=commands.check)
    parser.add_argument("name", metavar="NAME", help="as registered, or KIND:NAME, e.g. split:random; see 'ls'")
    parser.add_argument("--data", type=Path, metavar="DIR", help="look for data here first")


def _add_data_arguments(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=commands.data)
    parser.add_argument("action", type=_one_of("action", commands.DATA_ACTIONS), help=", ".join(commands.DATA_ACTIONS))
    parser.add_argument("task", nargs="?", metavar="TASK", help="all of them, if left out of 'data ls'")
    _add_results_argument(parser)
    _add_data_folder_arguments(parser)


def _presets() -> str:
    of_studies = {one.name for study in STUDIES.values() for one in study.presets}
    shown = (f"{name}: {one.summary}" for name, one in PRESETS.items() if name not in of_studies)
    return "; ".join(shown) + "; or a part of a study (default: default)"


def _seeds(text: str) -> list[int]:
    """One word of ``--seeds``: numbers and ranges, joined by commas."""
    return [seed for part in text.split(",") for seed in _range(part)]


def _seed(text: str) -> int:
    if len(found := _seeds(text)) != 1:
        raise UsageError(f"--seed {text}: expected one number")
    return found[0]


def _range(text: str) -> range:
    first, dash, last = text.partition("-")
    start, stop = whole(first), whole(last) if dash else whole(first)
    if start is None or stop is None:
        raise UsageError(f"seed {text!r:.200} is neither a number nor a range such as 68-72")
    if stop < start:
        raise UsageError(f"seeds {text} run backwards; did you mean {stop}-{start}?")
    if stop >= 2**63 or stop - start >= MOST_SEEDS:
        raise UsageError(f"seeds {text}: expected numbers below 2^63, and {MOST_SEEDS} of them at the most")
    return range(start, stop + 1)


def _positive(text: str) -> int:
    if not (number := whole(text)):
        raise UsageError(f"--jobs {text:.200}: expected the number of worker processes, at least 1")
    return number


def _number(text: str) -> int:
    if (number := whole(text)) is None:
        raise UsageError(f"--rerun {text:.200}: expected how many runs are to be done again")
    return number


def _file_to_write(text: str) -> Path:
    if os.path.isdir(text or "."):
        raise UsageError(f"{text or '.'} is a folder; name the file to be written")
    return Path(text)


def _one_of(kind: str, known: Collection[str]) -> Callable[[str], str]:
    def check(name: str) -> str:
        if name not in known:
            raise unknown_name(kind, name, known)
        return name

    return check


class _Parser(argparse.ArgumentParser):
    """Says what is wrong as the rest of pbgraph does: in one line."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        if without := re.match(r"argument (--[a-z-]+)\S*: expected .*argument", message):
            message += f"; a value that begins with dashes is written {without[1]}=VALUE"
        raise UsageError(f"{message}; see {self.prog} --help")
