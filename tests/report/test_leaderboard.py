"""Web pages: well formed, self-contained, and never more than the records allow."""

from __future__ import annotations

import csv
import json
import os
import re
import shlex
from base64 import b64decode
from dataclasses import replace
from html.parser import HTMLParser
from importlib.metadata import EntryPoint
from pathlib import Path
from statistics import fmean, stdev

import pytest

from made_records import arms, history, make_record, make_regression_record
from own_tables import write
from pbgraph import bench
from pbgraph.datasets.user.table import describe
from pbgraph.errors import UsageError
from pbgraph.humanize import parse_seeds
from pbgraph.metrics import METRICS, TaskScore
from pbgraph.plans.plan import Plan, plan
from pbgraph.plans.presets import preset
from pbgraph.plans.registering import registration_of
from pbgraph.plans.settings import parse_assignments
from pbgraph.report.downloads import citations
from pbgraph.report.html import to_html
from pbgraph.report.leaderboard import leaderboard
from pbgraph.report.remade import command_to_remake
from pbgraph.report.tables import make_table
from pbgraph.results.arms import Arm
from pbgraph.results.described import command_of, keep
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.records import RunRecord, RunSpec
from pbgraph.results.registered import register

ARMS = plan("tox21").arms
PUBLISHED = Path(__file__).parents[2] / "results" / "published.csv"
OF_TOX21 = "".join(
    line for line in PUBLISHED.read_text().splitlines(keepends=True) if line.startswith(("task,", "tox21,"))
)
VOID = {"meta", "br", "input"}


class Page(HTMLParser):
    """Fails for a tag that is not closed; collects tables, ids, links, files, and addresses of other resources.

    Rows that hold the runs of another are no rows of their table; tables within them are tables.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tables: list[list[list[str]]] = []
        self.within: list[list[list[str]]] = []  # open tables
        self.ids: list[str] = []
        self.links: list[str] = []
        self.files: dict[str, bytes] = {}
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        assert not {"src", "onclick"} & set(found)
        assert tag not in ("link", "img", "iframe")
        if "download" in found:
            kind, _, content = found["href"].partition(";base64,")
            assert kind.startswith("data:")
            self.files[found["download"]] = b64decode(content)
        elif "href" in found:
            self.links.append(found["href"])
        self.ids += [found["id"]] if "id" in found else []
        if tag == "table":
            self.within.append([])
            self.tables.append(self.within[-1])
        elif tag == "tr" and found.get("class") != "runs":
            self.within[-1].append([])
        elif tag in ("td", "th") and "colspan" not in found:
            assert tag == "td" or found["scope"] == "col"
            self.within[-1][-1].append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag == "table":
            self.within.pop()
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("td", "th"):
            self.within[-1][-1][-1] += data if data.strip() else ""

    def measured(self) -> list[list[list[str]]]:
        return [table for table in self.tables if table[0][0] == "place"]


@pytest.fixture
def results(tmp_path) -> ResultsFolder:
    """Every run of the default preset on Tox21."""
    folder = ResultsFolder(tmp_path / "results")
    for i, arm in enumerate(ARMS):
        for seed in preset("default").seeds:
            folder.write(make_record(arm, seed, 0.8 + 0.01 * (i % 3) + 0.001 * seed / 68))
    return folder


def test_rows_of_a_complete_grid_are_in_order_with_shared_places(results: ResultsFolder) -> None:
    page = Page(leaderboard(results))
    (measured,) = page.measured()
    assert measured[0][:3] == ["place", "model", "method"]
    means = [float(row[4].split()[0]) for row in measured[1:]]
    assert means == sorted(means, reverse=True)
    assert [row[0] for row in measured[1:]] == ["-"] * len(ARMS)  # nothing varies but arms and seeds
    assert "nothing here tells rows apart" in leaderboard(results)
    assert all({len(row) for row in table} == {len(table[0])} for table in page.tables)
    assert {link for link in page.links if link.startswith("#")} <= {f"#{name}" for name in page.ids}
    assert set(page.links) == {link for link in page.links if link.startswith("#")}


def noisy(results: ResultsFolder) -> ResultsFolder:
    """With scores that vary by arm and seed: two groups of rows that are told apart."""
    for i, arm in enumerate(ARMS):
        for seed in preset("default").seeds:
            record = make_record(arm, seed, 0.8 + 0.03 * (i % 2) + 0.001 * ((seed * (i + 3)) % 4))
            results.record_path(record.spec).unlink()
            results.write(record)
    return results


def test_what_is_not_told_apart_shares_a_place(results: ResultsFolder) -> None:
    (measured,) = Page(leaderboard(noisy(results))).measured()
    assert [row[0] for row in measured[1:]] == ["1 ="] * 4 + ["5 ="] * 4


def test_where_smaller_is_better_the_smallest_is_first(tmp_path) -> None:
    results = ResultsFolder(tmp_path)
    for i in range(2):
        for seed in (68, 69, 70):
            results.write(make_regression_record(ARMS[i], seed, 0.9 - i / 10 + 0.001 * ((seed * (i + 1)) % 3)))
    (measured,) = Page(leaderboard(results)).measured()
    assert [(row[1], row[2], row[0]) for row in measured[1:3]] == [
        (ARMS[1].model, ARMS[1].method, "-"),
        (ARMS[0].model, ARMS[0].method, "-"),
    ]


def test_an_incomplete_grid_has_no_places(results: ResultsFolder) -> None:
    gone = make_record(ARMS[0], 68, 0.8)
    noisy(results).record_path(gone.spec).unlink()
    text = leaderboard(results)
    assert {row[0] for row in Page(text).measured()[0][1:]} == {"-"}
    assert "No places: not every declared run of every row is there." in text
    assert f"missing: {ARMS[0]} seeds 68" in text


def test_a_row_opens_its_runs(results: ResultsFolder) -> None:
    record = replace(make_record(ARMS[3], 68, 0.81), history=history(*["neuron"] * 500))
    results.record_path(record.spec).unlink()
    results.write(record)
    text = leaderboard(results)
    runs = [table for table in Page(text).tables if table[0][:2] == ["seed", "run"]]
    assert len(runs) == len(ARMS)
    assert sum(len(table) - 1 for table in runs) == len(results.records("tox21"))
    (line,) = [row for table in runs for row in table if row[1] == record.key]
    assert line[:3] == ["68", record.key, "0.8100"]
    assert "c0ffee000000" in line
    longest = max(re.findall(r'<polyline points="([^"]*)"', text), key=len)
    assert 40 <= len(longest.split()) <= 60
    assert f"3 runs of {ARMS[3].model}/{ARMS[3].method}" in text


def test_commands_make_the_runs_of_their_rows_again() -> None:
    """Every row of the committed results, its settings and seeds: what the command plans has the keys of its runs."""
    results = ResultsFolder(PUBLISHED.parent)
    rows: dict[tuple[str, str, str, Arm], list[RunRecord]] = {}
    every = [record for task in results.tasks() for record in results.records(task)]
    for spec, record in ((one.spec, one) for one in every if not one.spec.external):
        rows.setdefault((spec.task, spec.split, spec.preset, spec.arm), []).append(record)
    assert len(rows) >= 28
    assert {command_to_remake("", [one.spec]) for one in every if one.spec.external} == {""}
    for (task, *_), same in rows.items():
        command = command_to_remake(command_of(task, results), [one.spec for one in same])
        given = shlex.split(command)
        assert given[:4] == ["python", "-m", "pbgraph.bench", task]
        option = {words[0]: words[1:] for words in split_at(given[4:])}
        planned = plan(
            task,
            *option["--preset"],
            models=option["--models"],
            methods=option["--methods"],
            seeds=parse_seeds(*option["--seeds"]),
            split=option["--split"][0],
            settings=parse_assignments(option.get("--set", ())),
        )
        assert {one.key for one in same} <= {spec.key for spec in planned.specs}, command


def test_no_command_is_said_that_would_make_runs_on_other_splits() -> None:
    runs = [make_record("gin/backprop", 68, 0.8), make_record("gin/backprop", 1068, 0.8, split_seed=68)]
    assert "--seeds 68 " in command_to_remake("", [runs[0].spec])
    assert command_to_remake("", [one.spec for one in runs]) == ""


def split_at(words: list[str]) -> list[list[str]]:
    found: list[list[str]] = []
    for word in words:
        if word.startswith("--"):
            found.append([])
        found[-1].append(word)
    return found


def test_files_that_the_page_gives_away_are_those_that_commands_print(results: ResultsFolder, capsys) -> None:
    files = Page(leaderboard(results)).files
    name = "tox21-random-default"
    assert set(files) == {f"{name}.csv", f"{name}.json", f"{name}.tex", "citations.bib"}
    for form, more in (("csv", ["--per-target"]), ("tex", [])):
        assert bench.main(["table", "tox21", "--format", form, "--results", str(results.root), *more]) == 0
        assert capsys.readouterr().out == files[f"{name}.{form}"].decode()
    assert bench.main(["table", "tox21", "--format", "json", "--results", str(results.root)]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(files[f"{name}.json"])
    assert b"2501.18018" in files["citations.bib"]
    assert f"protocols {json.loads(files[f'{name}.json'])['protocol_id']}".encode() in files["citations.bib"]


def test_sources_with_a_doi_can_be_cited() -> None:
    table = make_table([make_record(ARMS[1], 68, 0.8)], arms=ARMS[1:2], seeds=(68,))
    text = b64decode(
        citations([table], ["Li et al. 2021, doi:10.1093/bib/bbaa266"] * 2).address.partition("base64,")[2]
    )
    assert text.count(b"@misc{10-1093-bib-bbaa266,") == 1
    assert b"note = {Li et al. 2021}" in text


def test_the_page_answers_before_it_shows(results: ResultsFolder) -> None:
    text = leaderboard(noisy(results))
    first = text.index("Do dendrites help on tox21, random split, preset default?")
    assert first < text.index("What is best on tox21") < text.index("<table")
    assert re.search(
        r"<strong>[^<]+</strong> has the best mean, ROC-AUC 0\.83\d\d; 3 of the 7 others are not told", text
    )


def test_the_usual_table_is_first(results: ResultsFolder) -> None:
    for seed in preset("default").seeds:
        results.write(make_record(ARMS[1], seed, 0.7, split="butina", split_seed=None))
        results.write(make_record(ARMS[1], seed, 0.7, preset="compression-8k"))
        results.write(make_record(ARMS[1], seed, 0.7, preset="compression-25k"))
        results.write(make_regression_record(ARMS[1], seed, 0.7))
    text = leaderboard(results)
    sections = re.findall(r'<section id="([^"]+)" class="board"', text)
    assert sections == [
        *("tox21-random-default", "tox21-random-compression-8k", "tox21-random-compression-25k"),
        *("tox21-butina-default", "esol-random-default"),
    ]


def registered(results: ResultsFolder, task: str, name: str) -> Plan:
    declared = plan(task, name)
    register(results, registration_of(declared, commit="c", dirty=False))
    return declared


def run_of(spec: RunSpec) -> RunRecord:
    return replace(make_record(spec.arm, spec.seed, 0.8 + spec.seed / 1e4), spec=spec)


def sections(results: ResultsFolder) -> list[str]:
    return re.findall(r'<section id="([^"]+)" class="board"', leaderboard(results))


def test_a_registered_plan_has_its_own_rows_and_stands_first_of_its_split(results: ResultsFolder) -> None:
    """Its runs have the recipe of another preset, which has more rows and seeds, and which nobody may have run."""
    declared, answer = registered(results, "bace", "registry-others"), registered(results, "tox21", "answer")
    registered(results, "tox21", "answer-cv5x5")
    results.write(run_of(answer.specs[0]))
    for spec in declared.specs:
        if str(spec.arm) == "gin/backprop":
            results.write(run_of(spec))
    assert sections(results) == ["tox21-random-answer", "tox21-random-default", "bace-scaffold-registry-others"]
    text = leaderboard(results)
    rows = Page(text).measured()[-1][1:]
    assert {(row[1], row[2]) for row in rows} == {(arm.model, arm.method) for arm in declared.arms}
    assert ["gin", "backprop", "5"] in [row[1:4] for row in rows]
    assert 'data-preset="registry-others"' in text


def test_runs_that_no_plan_was_registered_for_are_shown_by_their_preset(results: ResultsFolder) -> None:
    declared = registered(results, "bace", "registry-others")
    results.write(make_record("gin/widened", 68, 0.8, preset="registry", task="bace", split="scaffold"))
    assert sections(results)[1:] == ["bace-scaffold-registry"]
    results.write(run_of(declared.specs[0]))
    assert sections(results)[1:] == ["bace-scaffold-registry-others", "bace-scaffold-registry"]


def test_two_plans_of_one_preset_have_their_sum_below_them_unless_it_was_registered_itself(results) -> None:
    first, second = registered(results, "tox21", "paper-first"), registered(results, "tox21", "paper-second")
    results.write(run_of(first.specs[0]))
    assert sections(results)[0] == "tox21-random-paper-first"
    assert "tox21-random-paper" not in sections(results)
    results.write(run_of(second.specs[0]))
    assert sections(results)[:2] == ["tox21-random-paper-first", "tox21-random-paper-second"]
    assert sections(results)[-1] == "tox21-random-paper"
    registered(results, "tox21", "paper")
    assert sections(results) == ["tox21-random-paper", "tox21-random-default"]


def test_a_task_and_a_preset_that_are_not_known_here_are_shown(tmp_path) -> None:
    results = ResultsFolder(tmp_path)
    for seed in (68, 69, 70):
        results.write(make_record(ARMS[1], seed, 0.8, task="their<task>", preset="their-preset", split="their-split"))
    text = leaderboard(results)
    assert [row[1] for row in Page(text).measured()[0][1:]] == [ARMS[1].model]
    assert "python -m pbgraph.bench &#39;their&lt;task&gt;&#39; --preset their-preset" in text
    assert "<task>" not in text


def test_rows_of_a_plan_with_a_recipe_of_its_own_bear_its_labels_and_are_all_there(results: ResultsFolder) -> None:
    declared = plan("tox21", "answer")
    grown = [arm for arm in declared.arms if declared.labels.get(arm)]
    for seed in (68, 69):
        results.write(make_record(grown[0], seed, 0.86, preset="answer"))
    shown = Page(leaderboard(results)).measured()[-1][1:]
    assert sorted((row[1], row[2]) for row in shown) == sorted(
        (declared.labels.get(arm, arm.row), arm.method) for arm in declared.arms
    )


@pytest.mark.parametrize(("task", "split"), [("bace", "random"), ("tox21", "scaffold")])
def test_runs_that_a_plan_of_its_own_cannot_have_are_shown_all_the_same(tmp_path, task, split) -> None:
    """It is for Tox21 alone, and trains again on splits of seeds."""
    results, arm = ResultsFolder(tmp_path), "gin/backprop:hidden=8"
    split_seed = None if split == "scaffold" else 1068
    results.write(make_record(arm, 1068, 0.86, preset="answer", task=task, split=split, split_seed=split_seed))
    (shown,) = Page(leaderboard(results)).measured()
    assert ("gin · hidden 8", "1") in [(row[1], row[3][0]) for row in shown[1:]]


def test_the_weight_of_a_run_is_bounded(results: ResultsFolder) -> None:
    """A hundred runs more, each with twelve targets and a long history, weigh less than 150 kB."""
    before = len(leaderboard(results))
    tasks = {f"T{i}": TaskScore({"roc_auc": 0.8, "average_precision": 0.4}, labelled=9, positives=3) for i in range(12)}
    for seed in range(1000, 1100):
        record = make_record(ARMS[1], seed, 0.8 + seed / 1e5, preset="other")
        test = replace(record.scores["test"], tasks=tasks)
        lines = history(*(["neuron"] * 20 + ["dendrite"] * 20) * 5)
        results.write(replace(record, scores={**record.scores, "test": test}, history=lines))
    assert len(leaderboard(results)) - before < 150_000


def test_protocols_are_shown_and_never_mixed(results: ResultsFolder) -> None:
    for seed in preset("default").seeds:
        results.write(make_record(ARMS[1], seed, 0.7, split="scaffold", split_seed=None))
    page = leaderboard(results)
    assert 'id="tox21-random-default"' in page
    assert 'id="tox21-scaffold-default"' in page
    protocols = {words.split(":")[0] for words in page.split("<p>Protocol ")[1:]}
    assert len(protocols) == 2
    results.write(make_record(ARMS[1], 68, 0.7, preset="default", model_config={"hidden": 99}))
    mixed = leaderboard(results)
    assert f"No table: runs of {ARMS[1]} do not share one protocol" in mixed
    assert len(Page(mixed).measured()) == 1


def test_a_metric_that_cannot_be_loaded_costs_its_own_tables(results: ResultsFolder, monkeypatch) -> None:
    others = len(Page(leaderboard(results)).measured())
    results.write(make_regression_record(ARMS[1], 68, 0.7))
    monkeypatch.setattr(METRICS, "_loaded", {})
    monkeypatch.setitem(METRICS._entries, "rmse", [EntryPoint("rmse", "no_such_module:RMSE", "pbgraph.metrics")])
    page = leaderboard(results)
    assert "No table: metric &#39;rmse&#39; of package unknown (no_such_module:RMSE) cannot be imported" in page
    assert len(Page(page).measured()) == others


def test_values_of_papers_stand_apart_with_ours_beside_them(results: ResultsFolder) -> None:
    (results.root / "published.csv").write_text(OF_TOX21.replace(",answer,", ",,"))
    page = Page(leaderboard(results))
    reported = [table for table in page.tables if "nearest row here" in table[0]]
    assert sum(len(table) - 1 for table in reported) == len(list(csv.reader(OF_TOX21.splitlines()))) - 1
    assert [{row[2] for row in table[1:]} for table in reported] == [{"random"}, {"random"}, {"scaffold"}]
    assert not [row for table in page.measured() for row in table if "Uni-Mol" in row]
    order = [name for name in page.ids if name.startswith(("tox21", "reported"))]
    assert order == ["tox21-random-default", "reported-tox21-random-default", "reported-tox21"]
    means, bests, _ = reported
    assert not [row for row in means if any("best of" in cell for cell in row)]
    best = "0.885, best of 50"
    assert [row[4:6] for row in bests[1:3]] == [[best, "0 of 50 runs"], [best, "3 of 50 runs"]]  # the first: of "paper"
    assert {row[4] for row in bests[3:]} == {best}
    forest = next(row for row in means if row[0].startswith("random forest"))
    assert forest[1] == "random-forest/fit, preset default, features graph"
    scores = [one.scores["test"].metrics["roc_auc"] for one in results.records("tox21") if one.spec.arm == ARMS[0]]
    assert forest[6:9] == [f"{fmean(scores):.4f} ± {stdev(scores):.4f}", "3", f"{fmean(scores) - 0.838:+.4f}"]


def test_values_of_a_task_that_was_not_run_come_last(results: ResultsFolder) -> None:
    (results.root / "published.csv").write_text(
        OF_TOX21.replace("tox21,GCN", "my task,<b>GCN").replace("tox21,GAT", "hiv,GAT")
    )
    page = leaderboard(results)
    assert Page(page).ids[-2:] == ["reported-my-task", "reported-hiv"]
    assert "Reported by papers: my task, a task not run here" in page
    assert "<b>GCN" not in page


def test_text_of_records_is_escaped() -> None:
    records = [make_record("a<b>/x&y", seed, 0.8) for seed in (1, 2)]
    text = to_html(make_table(records, arms=arms("a<b>/x&y"), seeds=(1, 2)))
    assert Page(text).tables[0][1][:2] == ["a<b>", "x&y"]
    assert "a<b>" not in text
    assert "http" not in text


def test_the_command_writes_the_page(results: ResultsFolder, tmp_path: Path, capsys) -> None:
    assert bench.main(["leaderboard", "--results", str(results.root), "-o", str(tmp_path / "page.html")]) == 0
    assert bench.main(["leaderboard", "--results", str(results.root)]) == 0
    assert capsys.readouterr().out == (tmp_path / "page.html").read_text()
    assert bench.main(["leaderboard", "--results", str(tmp_path / "none")]) == 2
    with pytest.raises(UsageError, match="holds no record"):
        leaderboard(ResultsFolder(tmp_path / "none"))


@pytest.mark.parametrize("description", [None, "{}", ""])
def test_a_page_says_the_same_wherever_it_is_made(description, tmp_path, monkeypatch):
    """Of a table of the user's, and of one whose description is damaged or not there."""
    table = describe(write(tmp_path), smiles="SMILES", targets=["toxic"])
    results = ResultsFolder(tmp_path / "results")
    keep(table, results)
    results.write(make_record("gin/backprop", 68, 0.8, task=table.name, preset="smoke"))
    if description is not None:
        results.task_path(table.name).write_text(description)
    pages = [leaderboard(results)]
    for folder in (tmp_path, results.root):
        monkeypatch.chdir(folder)
        pages.append(leaderboard(ResultsFolder(Path(os.path.relpath(results.root)))))
    assert len(set(pages)) == 1
    assert "0.8000" in pages[0]
    assert ("pbgraph.bench train my.csv --smiles SMILES" in pages[0]) == (description is None)
