"""LaTeX as pdflatex sees it."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

DOCUMENT = r"""\documentclass{article}
\usepackage[%s]{fontenc}
\usepackage{booktabs,array}
\begin{document}
Some text before it.

%s
\end{document}
"""


def typeset(text: str, folder: Path, encoding: str) -> str:
    """The log of pdflatex, without what is said of fonts; a test that cannot have one is skipped."""
    if shutil.which("pdflatex") is None or not all(
        subprocess.run(["kpsewhich", name], capture_output=True, check=False).stdout
        for name in ("booktabs.sty", "array.sty", "article.cls")
    ):
        pytest.skip("pdflatex with booktabs and array is not installed: nothing was typeset")
    (folder / "t.tex").write_text(DOCUMENT % (encoding, text))
    words = ["pdflatex", "-draftmode", "-interaction=nonstopmode", "-halt-on-error", "t.tex"]
    done = subprocess.run(words, cwd=folder, capture_output=True, check=False, timeout=600)
    log = (folder / "t.log").read_text(errors="replace")
    assert done.returncode == 0, log[-3000:]
    return log


def troubles(log: str) -> list[str]:
    """Lines that say that something does not fit or is not there."""
    return re.findall(
        r"^(?:Overfull|! |Missing character|LaTeX Warning: (?:Float too large|Command)).*", log, re.MULTILINE
    )
