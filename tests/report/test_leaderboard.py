"""Web pages: well formed, self-contained, and never more than the records allow."""

from __future__ import annotations

import csv
from html.parser import HTMLParser
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from made_records import arms, make_record, make_regression_record
from pbgraph import bench
from pbgraph.errors import DataError, UsageError
from pbgraph.metrics import METRICS
from pbgraph.plans.presets import preset
from pbgraph.report.html import to_html
from pbgraph.report.leaderboard import leaderboard, ranks, read_published
from pbgraph.report.tables import make_table
from pbgraph.results.folder import ResultsFolder

ARMS = preset("default").arms
PUBLISHED = Path(__file__).parents[2] / "results" / "published.csv"
HEADER = "task,model,metric,value,sd,split,repeats,source"
VOID = {"meta", "br"}


class Page(HTMLParser):
    """Fails for a tag that is not closed; collects tables, ids, links and addresses of other resources."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tables: list[list[list[str]]] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        assert not {"src", "onclick"} & set(found)
        assert tag not in ("link", "img", "iframe")
        self.links += [found["href"]] if "href" in found else []
        self.ids += [found["id"]] if "id" in found else []
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            assert tag == "td" or found["scope"] == "col"
            self.tables[-1][-1].append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("td", "th"):
            self.tables[-1][-1][-1] += data


@pytest.fixture
def results(tmp_path) -> ResultsFolder:
    """Every run of the default preset on Tox21."""
    folder = ResultsFolder(tmp_path / "results")
    for i, arm in enumerate(ARMS):
        for seed in preset("default").seeds:
            folder.write(make_record(arm, seed, 0.8 + 0.01 * (i % 3) + 0.001 * seed / 68))
    return folder


def test_a_complete_grid_is_ranked_by_the_mean(results: ResultsFolder) -> None:
    page = Page(leaderboard(results))
    measured = page.tables[0]
    assert measured[0][:3] == ["rank", "model", "method"]
    assert [row[0] for row in measured[1:]] == ["5", "3", "1", "5", "3", "1"]
    assert [f"{row[1]}/{row[2]}" for row in measured[1:]] == list(map(str, ARMS))
    assert all({len(row) for row in table} == {len(table[0])} for table in page.tables)
    assert set(page.links) == {f"#{name}" for name in page.ids}


def test_where_smaller_is_better_the_smallest_is_first() -> None:
    records = [make_regression_record(ARMS[i], 68, 0.8 + i / 10) for i in range(2)]
    assert ranks(make_table(records, arms=ARMS[:2], seeds=(68,))) == ["1", "2"]


def test_an_incomplete_grid_is_not_ranked(results: ResultsFolder) -> None:
    gone = make_record(ARMS[0], 68, 0.8)
    results.record_path(gone.spec).unlink()
    text = leaderboard(results)
    assert {row[0] for row in Page(text).tables[0][1:]} == {"-"}
    assert "Not ranked: not every declared run of every row is there." in text
    assert f"missing: {ARMS[0]} seeds 68" in text


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
    assert len(Page(mixed).tables) == 1


def test_a_metric_that_cannot_be_loaded_costs_its_own_tables(results: ResultsFolder, monkeypatch) -> None:
    others = len(Page(leaderboard(results)).tables)
    results.write(make_regression_record(ARMS[1], 68, 0.7))
    monkeypatch.setattr(METRICS, "_loaded", {})
    monkeypatch.setitem(METRICS._entries, "rmse", [EntryPoint("rmse", "no_such_module:RMSE", "pbgraph.metrics")])
    page = leaderboard(results)
    assert "No table: metric &#x27;rmse&#x27; of package unknown (no_such_module:RMSE) cannot be imported" in page
    assert len(Page(page).tables) == others


def test_values_of_papers_stand_apart(results: ResultsFolder) -> None:
    content = PUBLISHED.read_text()
    (results.root / "published.csv").write_text(content)
    page = Page(leaderboard(results))
    *measured, literature = page.tables
    assert len(literature) == len(list(csv.reader(content.splitlines())))
    assert literature[0][0] == "task"
    assert not [row for table in measured for row in table if "Uni-Mol" in row]
    assert "published" in page.ids


def test_every_published_value_has_source_split_and_metric() -> None:
    rows = read_published(PUBLISHED)
    assert len(rows) == 21
    assert all(row.source and row.split in ("random", "scaffold") and row.metric == "roc_auc" for row in rows)
    assert all(0.5 < float(row.value) < 1 for row in rows)


@pytest.mark.parametrize(
    "text",
    [
        "task,model\ntox21,gin\n",
        PUBLISHED.read_text() + "tox21,gin,roc_auc,0.8,,random,3,\n",
        PUBLISHED.read_text() + "x,y\n",
    ],
)
def test_a_list_of_published_values_without_sources_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "published.csv").write_text(text)
    with pytest.raises(DataError, match=r"published.csv.*expected"):
        read_published(tmp_path / "published.csv")


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
