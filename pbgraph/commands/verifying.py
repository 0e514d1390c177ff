"""The command that checks what a results folder says."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from pbgraph.errors import UsageError
from pbgraph.records import ResultsFolder, formatted

if TYPE_CHECKING:
    from pbgraph.verify.receipt import Receipt
    from pbgraph.verify.reruns import Rerun

UNCHECKED = 3  # the exit code where nothing is wrong, but data were not to be had


def verify(args: argparse.Namespace) -> int:
    """Check a results folder; print what is wrong and return 1, or give the receipt; 3 if something was not checked."""
    import msgspec

    from pbgraph.files import replaced_file
    from pbgraph.verify.receipt import verify

    if args.seed is not None and not args.rerun:
        raise UsageError("--seed says which runs are drawn to be done again; give --rerun K with it")
    receipt, wrong = verify(
        ResultsFolder(args.folder), reruns=args.rerun, seed=args.seed, data=args.data, offline=args.offline, say=_say
    )
    for one in receipt.reruns:
        _say(_rerun_text(one))
    _say(_summary(receipt, wrong))
    if wrong:
        print("\n".join(wrong))
        return 1
    content = formatted(msgspec.to_builtins(receipt))
    if args.receipt is None:
        print(content.decode(), end="")
    else:
        with replaced_file(args.receipt) as part:
            part.write_bytes(content)
        _say(f"receipt written to {args.receipt}")
    return UNCHECKED if receipt.unchecked else 0


def _say(line: str) -> None:
    print(line, file=sys.stderr)


def _rerun_text(one: Rerun) -> str:
    """How the two were compared, and every score of both."""
    digests = "equal" if one.digest == one.again else f"{one.digest[:12]} and {one.again[:12] or 'none'}"
    lines = [f"{one.arm} seed {one.seed} ({one.key}), compared {one.rule}; digests: {digests}"]
    for name, (old, new, tolerance) in one.scores.items():
        most = f", at most {tolerance:.4f} apart" if tolerance else ""
        lines.append(f"  {name}: {_number(old)} in the record, {_number(new)} now{most}")
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4f}"


def _summary(receipt: Receipt, wrong: tuple[str, ...]) -> str:
    counts = ", ".join(f"{count} {name}" for name, count in receipt.checked.items() if count)
    unchecked = "".join(f"\nnot checked: {line}" for line in receipt.unchecked)
    verdict = f"{len(wrong)} thing{'' if len(wrong) == 1 else 's'} wrong" if wrong else "nothing wrong"
    return f"{receipt.results}: {counts}{unchecked}\n{verdict}"
