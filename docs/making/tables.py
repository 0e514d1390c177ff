"""Tables, pictures and the page in results/, made anew from its records, and then what pages of docs/ show of them.

    python docs/making/tables.py

Files that are not there are not made: `table TASK --preset PRESET --format md` makes a new one, and from then on it is
among them. A picture that is called as a table is that table's, as `table ... --figure` draws it.
"""

from __future__ import annotations

import os
import shlex
import sys
from contextlib import redirect_stdout
from pathlib import Path

from links import ROOT
from shown import COMMAND
from shown import main as write_pages

from pbgraph import bench
from pbgraph.files.writing import replaced_file
from pbgraph.report.shown import Shown, shown_beside
from pbgraph.results.folder import ResultsFolder

RESULTS = ROOT / "results"


def main() -> int:
    """Write what differs, and say so; 1 if a picture could not be drawn."""
    folder = ResultsFolder(RESULTS)
    files = list(shown_beside(folder, {task: folder.records(task) for task in folder.tasks()}))
    for file in files:
        text = file.text()
        if file.path.read_text(encoding="utf-8") != text:
            with replaced_file(file.path) as part:
                part.write_text(text, encoding="utf-8")
            print(f"{os.path.relpath(file.path)}: written")
    codes = [_draw(file, picture) for file in files if (picture := file.path.with_suffix(".png")).exists()]
    return max([write_pages(), *codes])


def _draw(file: Shown, picture: Path) -> int:
    """Draw the picture of a table in Markdown; of the same table in another format nothing is to be done."""
    if file.path.suffix != ".md":
        return 0
    before, (command, _, _) = picture.read_bytes(), file.command.partition(" --format ")
    with open(os.devnull, "w", encoding="utf-8") as nowhere, redirect_stdout(nowhere):
        code = bench.main([*shlex.split(command), "--offline", "--results", str(RESULTS), "--figure", str(picture)])
    if code != 0:
        print(f"'{COMMAND}{command} --figure {picture}' ended with {code}", file=sys.stderr)
    elif picture.read_bytes() != before:
        print(f"{os.path.relpath(picture)}: written")
    return code


if __name__ == "__main__":
    sys.exit(main())
