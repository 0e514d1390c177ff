"""LaTeX of a table: every environment closed, every special character escaped, every row of one width."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from made_records import arms, make_failure, make_record
from pbgraph.report.latex import escaped, to_latex
from pbgraph.report.tables import Table, make_table

ARMS = arms("trimnet/backprop", "trimnet/perforated", "my_net/100%&#$")
DOCUMENT = r"\documentclass{article}\usepackage{booktabs}\begin{document}%s\end{document}"


@pytest.fixture
def table() -> Table:
    records = [make_record(arm, seed, 0.8 + 0.01 * seed + 0.02 * i) for i, arm in enumerate(ARMS) for seed in (1, 2, 3)]
    failed = make_failure(ARMS[2], 3, r'C:\x {y} ~ ^ 5 < 6 | a_b "c"')
    return make_table([*records[:-1], failed], arms=ARMS, seeds=(1, 2, 3))


def test_environments_are_balanced_and_rows_are_of_one_width(table: Table) -> None:
    text, opened = to_latex(table), []
    for kind, name in re.findall(r"\\(begin|end)\{(\w+)\}", text):
        if kind == "begin":
            opened.append(name)
        else:
            assert opened.pop() == name
    assert not opened
    assert text.count("{") - text.count(r"\{") == text.count("}") - text.count(r"\}")
    for columns, body in re.findall(r"\\begin\{tabular\}\{(\w+)\}(.*?)\\end\{tabular\}", text, re.DOTALL):
        rows = [line for line in body.splitlines() if line.endswith(r" \\")]
        assert {len(re.findall(r"(?<!\\)&", row)) + 1 for row in rows} == {len(columns)}
        assert [body.count(rule) for rule in (r"\toprule", r"\midrule", r"\bottomrule")] == [1, 1, 1]


def test_protocol_comparisons_and_failures_are_said(table: Table) -> None:
    text = to_latex(table)
    assert rf"Protocol {table.protocol.id}" in re.search(r"\\caption\{(.*)\}\n", text)[1]
    assert r"my\_net & 100\%\&\#\$ &" in text
    assert r"\item \textbf{trimnet}: " in text
    assert r"failed: my\_net/100\%\&\#\$ seed 3: C:\textbackslash{}x \{y\} \textasciitilde{}" in text


@given(st.text())
def test_escaped_text_has_no_bare_special_character(text: str) -> None:
    bare = re.sub(r"\\(?:text\w+\{\}|ensuremath\{\\pm\}|[&%$#_{}])", "", escaped(text))
    assert not set(bare) & set("\\&%$#_{}~^")


def test_a_table_can_be_typeset(table: Table, tmp_path) -> None:
    if (
        shutil.which("pdflatex") is None
        or not subprocess.run(["kpsewhich", "booktabs.sty"], capture_output=True).stdout
    ):
        pytest.skip("pdflatex with booktabs is not installed: no table was typeset")
    (tmp_path / "t.tex").write_text(DOCUMENT % to_latex(table))
    words = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"]
    assert subprocess.run(words, cwd=tmp_path, capture_output=True, check=False).returncode == 0
