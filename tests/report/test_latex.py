"""LaTeX of tables: every kind of it is typeset in T1 and OT1, and no box is overfull."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from made_records import PROVENANCE, arms, make_failure, make_record
from pbgraph import bench
from pbgraph.errors import UsageError
from pbgraph.plans.presets import study
from pbgraph.report.formats import to_markdown
from pbgraph.report.latex import document, floats, note, to_latex
from pbgraph.report.latex_grid import TEXT_WIDTH, Grid
from pbgraph.report.latex_text import escaped, lines_of, set_text, width
from pbgraph.report.per_target import per_target
from pbgraph.report.per_target import to_latex as per_target_latex
from pbgraph.report.selection import TaskRuns
from pbgraph.report.studies import STUDY_FORMATS, study_table
from pbgraph.report.tables import Table, make_table
from pbgraph.report.together import together
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.records import Provenance
from typesetting import troubles, typeset

ROOT = Path(__file__).parents[2]
SCORES = {"gin/backprop": (0.70, 0.72, 0.71), "gat/backprop": (0.80, 0.81, 0.83)}
ARMS = arms("trimnet/backprop", "trimnet/perforated", "my_net/100%&#$")
LONG = "trimnet:" + ",".join(f"some_setting_{i}=graph+descriptors" for i in range(12))


def table_of(scores: dict[str, tuple[float, ...]], *, provenance: Provenance = PROVENANCE, **other) -> Table:
    by_arm = dict(zip(arms(*scores), scores.values(), strict=True))
    records = [
        make_record(arm, seed, score, provenance=provenance)
        for arm, mine in by_arm.items()
        for seed, score in enumerate(mine, 1)
    ]
    seeds = range(1, 1 + max(map(len, scores.values())))
    return make_table(records, arms=list(by_arm), seeds=tuple(seeds), **other)


@pytest.fixture
def table() -> Table:
    records = [make_record(arm, seed, 0.8 + 0.01 * seed + 0.02 * i) for i, arm in enumerate(ARMS) for seed in (1, 2, 3)]
    failed = make_failure(ARMS[2], 3, r'C:\x {y} ~ ^ 5 < 6 | a_b "c"')
    return make_table([*records[:-1], failed], arms=ARMS, seeds=(1, 2, 3))


@pytest.fixture(scope="module")
def committed() -> TaskRuns:
    return TaskRuns.read(ResultsFolder(ROOT / "results"), "tox21")


def the_table(committed: TaskRuns) -> Table:
    from pbgraph.report.selection import chosen_table
    from pbgraph.results.lookup import Choice

    return chosen_table(committed, Choice())[1]


def many(committed: TaskRuns) -> str:
    """More rows than a page has room for, and names that are longer than a line."""
    names = [f"a target with a name {i} {'x' * (i % 90)}" for i in range(130)]
    rows = [(name, *(f"0.8{i:03d} ± 0.0{i:03d}" for _ in range(6))) for i, name in enumerate(names)]
    header = ("target", *(f"{LONG}, arm {i}" for i in range(6)))
    grid = Grid(header, rows, words=1, bold=frozenset((i, 2) for i in range(130)))
    return document([floats([grid], f"Many. {LONG}", "many"), note([LONG, "y" * 300, "中" * 60])])


KINDS: dict[str, Callable[[TaskRuns], str]] = {
    "table": lambda runs: to_latex(the_table(runs)),
    "all columns": lambda runs: to_latex(the_table(runs), every(the_table(runs))),
    "targets": lambda runs: per_target_latex(per_target(the_table(runs), runs.records)),
    "study": lambda runs: STUDY_FORMATS["tex"](study_table(study("compression"), runs.records)),
    "regression": lambda _: to_latex(table_of({"gin/backprop": (123.4, 150.1), "gin/perforated": (99.25, 88.0)})),
    "one seed": lambda _: to_latex(table_of({"gin/backprop": (0.8,), "gin/perforated": (0.81,)})),
    "many": many,
}


def every(table: Table) -> tuple[str, ...]:
    from pbgraph.report.columns import column_names

    return column_names(table)


@pytest.mark.lengthy
@pytest.mark.parametrize("encoding", ["T1", "OT1"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_table_is_typeset_and_fits(kind, encoding, committed, tmp_path):
    assert not troubles(typeset(KINDS[kind](committed), tmp_path, encoding))


@pytest.mark.lengthy
@pytest.mark.parametrize("encoding", ["T1", "OT1"])
def test_special_characters_are_typeset(table, encoding, tmp_path):
    characters = "".join(
        map(chr, [*range(32, 127), *range(0xA0, 0x250), *range(0x384, 0x3D0), 0x4E2D, 0x1F600, 0x2212])
    )
    text = to_latex(table) + note([characters, *characters.split("ÿ")])
    assert not troubles(typeset(text, tmp_path, encoding))


@pytest.mark.lengthy
def test_what_does_not_fit_is_noticed(tmp_path):
    wide = r"\begin{table}\begin{tabular}{l}%s\end{tabular}\end{table}" % ("0.8577 " * 60)
    assert troubles(typeset(wide, tmp_path, "OT1"))


def test_environments_are_balanced_and_rows_are_of_one_width(table: Table) -> None:
    text, opened = to_latex(table), []
    for kind, name in re.findall(r"\\(begin|end)\{(\w+)\}", text):
        if kind == "begin":
            opened.append(name)
        else:
            assert opened.pop() == name
    assert not opened
    assert text.count("{") - text.count(r"\{") == text.count("}") - text.count(r"\}")
    counts = [
        {len(re.findall(r"(?<!\\)&", row)) + 1 for row in body.splitlines() if row.endswith(r" \\")}
        for body in re.findall(r"\\toprule(.*?)\\bottomrule", text, re.DOTALL)
    ]
    assert counts == [{7}, {6}]


def test_protocol_and_failures_are_said_outside_of_floats(table: Table) -> None:
    text = to_latex(table)
    inside = "".join(re.findall(r"\\begin\{table\}.*?\\end\{table\}", text, re.DOTALL))
    assert r"my\_net & 100\%\&\#\$ &" in inside
    for said in (f"Protocol {table.protocol.id}", r"\textbf{trimnet}: ", r"C:\textbackslash{}x"):
        assert said in text
        assert said not in inside


def cells_in_bold(table: Table) -> list[str]:
    return re.findall(r"\\textbf\{([^{]*?)(?: \\ensuremath|\})", to_latex(table).partition(r"\end{table}")[0])


def test_the_best_and_what_is_not_told_from_it_are_bold():
    table = table_of(
        {
            "gin/backprop": (0.70, 0.72, 0.71, 0.73, 0.74),
            "gat/backprop": (0.80, 0.81, 0.82, 0.83, 0.84),
            "gcn/backprop": (0.81, 0.80, 0.83, 0.82, 0.84),
            "pna/backprop": (0.90,),
        }
    )
    assert set(map(str, together(table).first)) == {"gat/backprop", "gcn/backprop"}
    assert cells_in_bold(table) == ["0.8200", "0.8200"]
    assert "of the 3 rows that have all their runs" in to_latex(table)


def test_one_seed_tells_nothing_apart():
    table = table_of({"gin/backprop": (0.8,), "gat/backprop": (0.9,)})
    assert cells_in_bold(table) == ["0.9000"]
    assert "which too few seeds tell from no other" in to_latex(table)


def test_a_single_row_has_no_other_however_many_its_seeds():
    assert "which nothing here tells from another." in to_latex(table_of({"gin/backprop": (0.8, 0.9, 0.7)}))


def test_the_caption_says_what_the_intervals_are_of():
    assert "which allow for overlapping training sets." in to_latex(table_of(SCORES))
    one_split = replace(PROVENANCE, split_sha256="one")
    assert "which speak of initialisations on one split alone." in to_latex(table_of(SCORES, provenance=one_split))


def test_where_no_row_is_whole_none_is_bold(table: Table):
    lacking = make_table([make_record(ARMS[0], 1, 0.8)], arms=ARMS[:1], seeds=(1, 2))
    assert cells_in_bold(lacking) == []
    assert "none is in bold" in to_latex(lacking)


def test_columns_are_chosen(table: Table):
    text = to_latex(table, ["model", "time", "roc_auc"])
    assert "{model} & {ROC-AUC} & {time}" in text
    assert to_markdown(table, ["method", "model"]).splitlines()[4].split() == ["|", "model", "|", "method", "|"]
    for form in (to_latex, to_markdown):
        with pytest.raises(UsageError, match="unknown column 'tiem'; did you mean 'time'"):
            form(table, ["tiem"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--format", "csv"], "--columns is of --format md and tex; csv has all of them"),
        (["--per-target"], "--per-target has columns of its own"),
        (["--by-similarity"], "--by-similarity has columns of its own"),
    ],
)
def test_columns_of_what_has_none_to_choose_are_refused(words, said, capsys):
    assert bench.main(["table", "tox21", "--results", str(ROOT / "results"), "--columns", "model", *words]) == 2
    assert said in capsys.readouterr().err


def test_columns_of_a_study_are_chosen(capsys):
    words = [
        "table",
        "tox21",
        "--results",
        str(ROOT / "results"),
        "--study",
        "compression",
        "--columns",
        "method",
        "roc_auc",
    ]
    assert bench.main(words) == 0
    assert re.search(r"^\| preset +\| method +\| +ROC-AUC \|$", capsys.readouterr().out, re.MULTILINE)
    assert bench.main([*words, "--format", "tex"]) == 0
    assert "{method} & {ROC-AUC}" in capsys.readouterr().out


@given(st.text())
def test_escaped_text_has_no_bare_special_character(text: str) -> None:
    plain = re.sub(
        r"\\ensuremath\{(?:\\?[A-Za-z]+|-|\^\d|\^\\circ)\}|\\[A-Za-z]+\{\}|\\[\"'`^~=.urHvc]\{\\?\w\}",
        "",
        escaped(text),
    )
    bare = re.sub(r"\\[&%$#_{}]", "", plain)
    assert not set(bare) & set("\\&%$#_{}^")
    assert escaped(text).isascii()


@given(st.text("abcXYZ019 -_=+,/:", max_size=80), st.floats(60, 300), st.sampled_from([10.0, 9.0, 8.0]))
def test_lines_are_as_wide_as_they_may_be_and_lose_nothing(text: str, room: float, size: float) -> None:
    lines = lines_of(text, max(room, 62.0), size)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert all(width(line, size) <= max(room, 90.0) for line in lines)


def test_signs_are_what_they_mean() -> None:
    assert set_text("-0.5 [-1.0, +2.0] a-b A - B seeds 68-70") == (
        r"\ensuremath{-}0.5 [\ensuremath{-}1.0, +2.0] a-b A \ensuremath{-} B seeds 68--70"
    )
    assert set_text('"better" takes') == "``better'' takes"
    assert TEXT_WIDTH == 345.0
