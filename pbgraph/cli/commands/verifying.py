"""The command that checks what a results folder says."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pbgraph.cli.options import add_data_folder_arguments
from pbgraph.cli.values import file_to_write, reruns, seed
from pbgraph.errors import UsageError
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.record_file import formatted

if TYPE_CHECKING:
    from pbgraph.verify.receipt import Receipt
    from pbgraph.verify.reruns import Rerun

UNCHECKED = 3  # the exit code where nothing is wrong, but data were not to be had


def add_verify_arguments(parser: argparse.ArgumentParser) -> None:
    """What ``verify`` takes."""
    parser.set_defaults(command=verify)
    add = parser.add_argument
    add(
        "folder", nargs="?", type=Path, default=Path("results"), metavar="RESULTS", help="the folder (default: results)"
    )
    add("--rerun", type=reruns, default=0, metavar="K", help="do K runs again, drawn at random")
    add("--seed", type=seed, metavar="N", help="draw those of an earlier --rerun (default: others each time)")
    to_write = "write the receipt there, outside of RESULTS (default: to stdout)"
    add("--receipt", type=file_to_write, metavar="FILE", help=to_write)
    add_data_folder_arguments(parser)


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
        _check_receipt(args.receipt, args.folder)
    receipt = verify_results(
        ResultsFolder(args.folder), reruns=args.rerun, seed=args.seed, data=args.data, offline=args.offline, say=_say
    )
    for rerun in receipt.reruns:
        _say(_rerun_text(rerun))
    _say(_summary(receipt))
    content = formatted(msgspec.to_builtins(receipt))
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


def _check_receipt(path: Path, folder: Path) -> None:
    """Raises UsageError if the receipt would lie among what it is about."""
    if Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder)):
        raise UsageError(
            f"--receipt {path} is in {folder}, which holds runs, tables and pages alone; name a file elsewhere, "
            "such as receipt.json"
        )


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
    wrong = len(receipt.wrong)
    verdict = f"{wrong} thing{'' if wrong == 1 else 's'} wrong" if wrong else "nothing wrong"
    return f"{receipt.results}: {counts}{unchecked}\n{verdict}"
