"""What README and the pages of docs/ show of results/ is made from it, so that no number in them is typed by hand.

    python docs/making/shown.py            make all of it anew
    python docs/making/shown.py --check    say which pages differ, with exit code 1, and change nothing

A page shows what stands between two comments, the first of which says where it is from:

    <!-- shown: results/tox21.md; from ^Protocol -->
    <!-- shown: python -m pbgraph.bench compare tox21 trimnet/perforated trimnet/backprop; lines ^(mean|verdict) -->
    <!-- end -->

a file of the repository, or what a command prints. "from" begins with the first line that the pattern is found in, "to"
ends before the next one that its pattern is found in, and "lines" takes only those with a match. CSV is shown as a
table, what a command prints as text, or with "; as Markdown" as the Markdown that it is.
"""

from __future__ import annotations

import argparse
import csv
import io
import os
import re
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import chdir, redirect_stdout
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from links import DOCS, ROOT

BLOCK = re.compile(r"(?P<mark><!-- shown: (?P<source>.+?) -->\n)(?P<text>.*?)(?P<end><!-- end -->)", re.DOTALL)
COMMAND = "python -m pbgraph.bench "
MARKDOWN = "Markdown"
PARTS = re.compile(r"; (from|to|lines|as) ")


def pages() -> list[Path]:
    """README and what is in docs/."""
    return [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]


def sources(text: str) -> Iterator[str]:
    """What a page says its blocks are from."""
    return (found["source"] for found in BLOCK.finditer(text))


def made_anew(text: str, made: Callable[[str], str | None]) -> str:
    """A page with the text of every block as `made` gives it for its source; None leaves it as it is."""

    def new(found: re.Match[str]) -> str:
        return found[0] if (fresh := made(found["source"])) is None else f"{found['mark']}{fresh}{found['end']}"

    return BLOCK.sub(new, text)


def of_files(source: str) -> str | None:
    """The text of a block that is from a file; None for what a command prints."""
    return None if source.startswith(COMMAND) else block(source)


def block(source: str) -> str:
    """The text of a block, from what its first comment says. Raises ValueError if that gives nothing."""
    name, *parts = PARTS.split(source)
    command = name.removeprefix(COMMAND) if name.startswith(COMMAND) else None
    whole = _printed(shlex.split(command)) if command else (ROOT / name).read_text(encoding="utf-8")
    chosen = dict(zip(parts[::2], parts[1::2], strict=True))
    if (form := chosen.pop("as", MARKDOWN)) != MARKDOWN:
        raise ValueError(f"'{source}': as {form}, expected as {MARKDOWN}")
    lines = _chosen(whole.splitlines(), chosen)
    if not lines:
        raise ValueError(f"'{source}' gives no line")
    if command and "as" not in parts[::2]:
        return "\n".join(["```text", *lines, "```", ""])
    return "\n".join(["", *(_table(lines) if name.endswith(".csv") else lines), "", ""])


def _printed(words: Sequence[str]) -> str:
    """What a command prints, with the results of this repository."""
    from pbgraph import bench

    said = io.StringIO()
    with chdir(ROOT), redirect_stdout(said):
        code = bench.main(list(words))
    if code != 0:
        raise ValueError(f"'{COMMAND}{shlex.join(words)}' ended with {code}")
    return said.getvalue()


def _chosen(lines: Sequence[str], parts: dict[str, str]) -> list[str]:
    chosen = list(lines)
    if "from" in parts:
        chosen = chosen[next((i for i, line in enumerate(chosen) if re.search(parts["from"], line)), len(chosen)) :]
    if "to" in parts:
        chosen = chosen[: next((i for i, line in enumerate(chosen) if i and re.search(parts["to"], line)), len(chosen))]
    chosen = [line for line in chosen if re.search(parts.get("lines", ""), line)]
    while chosen and not chosen[-1]:
        chosen.pop()
    return chosen


def _table(lines: Sequence[str]) -> list[str]:
    header, *rows = csv.reader(lines)
    cells = [[cell.replace("|", r"\|") or "-" for cell in row] for row in (header, ["---"] * len(header), *rows)]
    return [f"| {' | '.join(row)} |" for row in cells]


def main() -> int:
    """Write the pages, or with --check compare them; 1 if that finds a difference."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--check", action="store_true", help="change nothing, and say which pages differ")
    check, differ = parser.parse_args().check, 0
    for page in pages():
        text = page.read_text(encoding="utf-8")
        if (new := made_anew(text, block)) == text:
            continue
        differ += 1
        print(f"{os.path.relpath(page)}: {'differs from results/; make shown writes it anew' if check else 'written'}")
        if not check:
            page.write_text(new, encoding="utf-8")
    return 1 if check and differ else 0


if __name__ == "__main__":
    sys.exit(main())
