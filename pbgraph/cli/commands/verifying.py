"""The commands that check what a results folder says, and pack what was checked."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pbgraph.cli.options import add_data_folder_arguments
from pbgraph.cli.values import file_to_write, reruns, seed
from pbgraph.errors import UsageError
from pbgraph.humanize import plural
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.record_file import indented

if TYPE_CHECKING:
    from pbgraph.verify.receipt import Receipt
    from pbgraph.verify.reruns import Rerun

UNCHECKED = 3  # the exit code where nothing is wrong, but data were not to be had


def add_verify_arguments(parser: argparse.ArgumentParser) -> None:
    """What ``verify`` takes."""
    parser.set_defaults(command=verify)
    add = parser.add_argument
    _add_folder(parser)
    add("--rerun", type=reruns, default=0, metavar="K", help="do K runs again, drawn at random")
    add("--seed", type=seed, metavar="N", help="draw those of an earlier --rerun (default: others each time)")
    to_write = "write the receipt there, outside of RESULTS (default: to stdout)"
    add("--receipt", type=file_to_write, metavar="FILE", help=to_write)
    add_data_folder_arguments(parser)


def _add_folder(parser: argparse.ArgumentParser) -> None:
    """The results folder that is checked."""
    parser.add_argument(
        "folder", nargs="?", type=Path, default=Path("results"), metavar="RESULTS", help="the folder (default: results)"
    )


def verify(args: argparse.Namespace) -> int:
    """Check a results folder; print what is wrong and return 1, or the receipt; return 3 if something was not checked.

    A file that is to hold the receipt gets it in each of these cases, so that no older one is taken for it.
    """
    import msgspec

    from pbgraph.files.writing import replaced_file
    from pbgraph.verify import verify_results

    if args.seed is not None and not args.rerun:
        raise UsageError("--seed says which runs are drawn to be done again; give --rerun K with it")
    if args.receipt is not None:
        _check_outside("--receipt", args.receipt, args.folder, example="receipt.json")
    receipt = verify_results(
        ResultsFolder(args.folder), reruns=args.rerun, seed=args.seed, data=args.data, offline=args.offline, say=_say
    )
    for rerun in receipt.reruns:
        _say(_rerun_text(rerun))
    _say(_summary(receipt))
    content = indented(msgspec.to_builtins(receipt))
    if args.receipt is not None:
        with replaced_file(args.receipt) as part:
            part.write_bytes(content)
        _say(f"receipt written to {args.receipt}")
    if receipt.wrong:
        print("\n".join(receipt.wrong))
        return 1
    if args.receipt is None:
        print(content.decode(), end="")
    return UNCHECKED if receipt.unchecked else 0


def _check_outside(option: str, path: Path, folder: Path, *, example: str) -> None:
    """Raises UsageError if a file about a folder would lie among what it is about."""
    if Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder)):
        raise UsageError(
            f"{option} {path} is in {folder}, which holds runs, tables and pages alone; name a file elsewhere, such as "
            f"{example}"
        )


def add_pack_arguments(parser: argparse.ArgumentParser) -> None:
    """What ``pack`` takes."""
    parser.set_defaults(command=pack)
    add = parser.add_argument
    _add_folder(parser)
    add("-o", "--output", type=file_to_write, required=True, metavar="FILE", help="the archive, outside of RESULTS")
    add("--with-models", action="store_true", help="and the trained models that were saved")
    add_data_folder_arguments(parser)


def pack(args: argparse.Namespace) -> int:
    """Check a results folder, and write it as an archive with the receipt; return 1, and write none, if it is wrong."""
    import msgspec

    from pbgraph.execution.origins import installed_packages
    from pbgraph.files.hashing import sha256
    from pbgraph.plans.of_records import plans_of
    from pbgraph.results.packing import pack
    from pbgraph.verify import checked

    results = ResultsFolder(args.folder)
    _check_outside("--output", args.output, args.folder, example="my-results.zip")
    held, receipt = checked(results, data=args.data, offline=args.offline, say=_say)
    _say(_summary(receipt))
    if receipt.wrong:
        print("\n".join(receipt.wrong))
        _say("nothing was packed; 'verify' checks again what is put right")
        return 1
    specs = {record.key: record.spec for record in (*held.failed, *held.finished)}.values()
    others = {
        "receipt.json": indented(msgspec.to_builtins(receipt)),
        "packages.txt": "".join(f"{line}\n" for line in installed_packages()).encode(),
        **{f"plans/{name}.toml": text.encode() for name, text in plans_of(specs).items()},
    }
    names = pack(results, args.output, others, models=args.with_models)
    runs = sum(name.startswith("records/") for name in names)
    size = args.output.stat().st_size / 2**20
    digest = sha256(args.output.read_bytes())
    counts = f"{plural(runs, 'record')} in {plural(len(names), 'file')}, {len(others)} beside them"
    print(f"{args.output}: {counts}, {size:.1f} MiB, sha256 {digest}")
    return 0


def _say(line: str) -> None:
    print(line, file=sys.stderr)


def _rerun_text(rerun: Rerun) -> str:
    """How the two were compared, and every score of both."""
    digests = "equal" if rerun.digest == rerun.again else f"{rerun.digest[:12]} and {rerun.again[:12] or 'none'}"
    lines = [f"{rerun.arm} seed {rerun.seed} ({rerun.key}), compared {rerun.rule}; digests: {digests}"]
    for name, (old, new, tolerance) in rerun.scores.items():
        most = f", at most {tolerance:.4f} apart" if tolerance else ""
        lines.append(f"  {name}: {_number(old)} in the record, {_number(new)} now{most}")
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4f}"


def _summary(receipt: Receipt) -> str:
    counts = ", ".join(f"{count} {name}" for name, count in receipt.checked.items() if count)
    unchecked = "".join(f"\nnot checked: {line}" for line in receipt.unchecked)
    verdict = f"{plural(len(receipt.wrong), 'thing')} wrong" if receipt.wrong else "nothing wrong"
    return f"{receipt.results}: {counts}{unchecked}\n{verdict}"
