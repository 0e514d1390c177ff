"""The leaderboard in a real browser: sorted, filtered, opened, printed; by keyboard, on small screens, in the dark."""

from __future__ import annotations

import re
import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from browser import Browser, browser, missing
from made_records import make_record, make_regression_record
from pbgraph.plans.plan import plan
from pbgraph.plans.presets import preset
from pbgraph.report.leaderboard import leaderboard
from pbgraph.results.folder import ResultsFolder

pytestmark = [
    pytest.mark.lengthy,
    pytest.mark.skipif(
        bool(missing()),
        reason=f"{missing()} not installed (Debian: apt install chromium chromium-driver): sorting, filtering, opening "
        "and printing the leaderboard, keyboard, narrow and dark screens were not tried",
    ),
]
PUBLISHED = Path(__file__).parents[2] / "results" / "published.csv"
ARMS = plan("tox21").arms
TAB, ENTER, SPACE = "\ue004", "\ue007", " "
FIRST = 'document.querySelector("section.board table.rows")'
CELLS = f"return [...{FIRST}.tBodies].filter(b => !b.hidden).map(b => b.rows[0].cells[arguments[0]].textContent)"


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Path:
    """Two tasks and two splits; one arm has a name that is long."""
    results = ResultsFolder(tmp_path_factory.mktemp("results"))
    long = "trimnet/backprop:features=graph+descriptors+neighbours,head=packed,hidden=123456"
    for i, arm in enumerate([*map(str, ARMS), long]):
        for seed in preset("default").seeds:
            results.write(make_record(arm, seed, 0.80 + 0.011 * ((5 * i) % 7) + 0.001 * ((seed * (i + 2)) % 5)))
    for seed in preset("default").seeds:
        results.write(make_record("gin/backprop", seed, 0.7, split="scaffold", split_seed=None))
        results.write(make_regression_record("gps/backprop", seed, 0.7))
    shutil.copyfile(PUBLISHED, results.root / "published.csv")
    path = results.root / "leaderboard.html"
    path.write_text(leaderboard(results))
    return path


@pytest.fixture(scope="module")
def window() -> Iterator[Browser]:
    with browser() as made:
        yield made


@pytest.fixture
def opened(window, page) -> Browser:
    window.look(width=1400)
    window.open(page)
    return window


def cells(window: Browser, column: int) -> list[str]:
    return window.run(CELLS, column)


def sort(window: Browser, name: str) -> None:
    window.run(f"[...{FIRST}.tHead.rows[0].cells].find(c => c.textContent === arguments[0]).firstChild.click()", name)


def test_columns_sort_by_their_numbers_and_back(opened):
    means = [float(text.split()[0]) for text in cells(opened, 4)]
    assert means == sorted(means, reverse=True)
    for name, column in (("ROC-AUC", 4), ("95 % interval", 4), ("parameters", 7)):
        for reverse in (False, True):
            sort(opened, name)
            found = [float(text.split()[0].replace(",", "")) for text in cells(opened, column)]
            assert found == sorted(found, reverse=reverse), name
    assert opened.run(f'return {FIRST}.querySelectorAll("[aria-sort]").length') == 1
    sort(opened, "model")
    assert cells(opened, 1) == sorted(cells(opened, 1))


def pick(window: Browser, name: str, value: str) -> None:
    window.run(
        "const f = document.getElementById('filters'); f[arguments[0]].value = arguments[1];"
        "f[arguments[0]].dispatchEvent(new Event('input', {bubbles: true}))",
        name,
        value,
    )


def boards(window: Browser) -> list[str]:
    return window.run("return [...document.querySelectorAll('section.board')].filter(s => !s.hidden).map(s => s.id)")


def test_filters_leave_what_is_asked_for_and_say_how_much(opened):
    every = boards(opened)
    assert every == ["tox21-random-default", "tox21-scaffold-default", "esol-random-default"]
    pick(opened, "task", "tox21")
    assert boards(opened) == every[:2]
    pick(opened, "split", "scaffold")
    assert boards(opened) == every[1:2]
    pick(opened, "split", "")
    pick(opened, "task", "")
    pick(opened, "model", "gps")
    assert boards(opened) == every[2:]
    pick(opened, "task", "tox21")
    assert boards(opened) == []
    pick(opened, "model", "trimnet")
    pick(opened, "split", "random")
    assert boards(opened) == every[:1]
    assert all(text.startswith("trimnet") for text in cells(opened, 1))
    pick(opened, "method", "perforated")
    assert cells(opened, 2) == ["perforated"]
    assert opened.run("return document.getElementById('found').value").startswith("1 of ")
    opened.run("document.querySelector('#filters [type=reset]').click()")
    opened.run("return new Promise(done => setTimeout(done))")  # the page's own answer to a reset comes after it
    assert boards(opened) == every


def test_search_finds_settings_and_runs(opened):
    pick(opened, "search", "NEIGHBOURS packed")
    assert len(cells(opened, 1)) == 1
    key = opened.run(f"return {FIRST}.querySelector('tbody:not([hidden]) .runs td:nth-child(2)').textContent")
    pick(opened, "search", key)
    assert len(cells(opened, 1)) == 1
    pick(opened, "search", "no such thing")
    assert boards(opened) == []


def test_columns_can_be_hidden_and_shown(opened):
    box = "document.querySelector('[name=\"column parameters\"]')"
    width = f"return [...{FIRST}.rows].filter(r => r.cells.length > 1).map(r => r.cells[7].offsetWidth)"
    opened.run(f"{box}.click()")
    assert set(opened.run(width)) == {0}
    opened.run(f"{box}.click()")
    assert min(opened.run(width)) > 0


def test_a_row_opens_its_runs_by_mouse_and_by_keyboard(opened):
    shown = f"return {FIRST}.tBodies[0].rows[1].offsetHeight"
    assert opened.run(shown) == 0
    opened.run(f"{FIRST}.tBodies[0].rows[0].cells[3].click()")
    assert opened.run(shown) > 100
    assert "python -m pbgraph.bench tox21" in opened.run(f"return {FIRST}.tBodies[0].rows[1].innerText")
    opened.run(f"{FIRST}.tBodies[0].rows[0].cells[3].click()")
    assert opened.run(shown) == 0
    opened.run(f"{FIRST}.tHead.querySelector('th:last-child button').focus()")
    opened.press(TAB, ENTER)
    assert opened.run("return document.activeElement.className") == "open"
    assert opened.run(shown) > 100
    assert opened.run("return document.activeElement.getAttribute('aria-expanded')") == "true"
    opened.press(SPACE)
    assert opened.run(shown) == 0


def test_the_keyboard_comes_to_everything_and_is_seen(opened):
    opened.press(TAB)
    assert opened.run("return document.activeElement.className") == "skip"
    seen = set()
    for _ in range(60):
        opened.press(TAB)
        seen.add(opened.run("const e = document.activeElement; return e.tagName + (e.name ? ' ' + e.name : '')"))
        assert opened.run("return getComputedStyle(document.activeElement).outlineStyle") != "none"
    assert {"A", "INPUT search", "SELECT task", "SELECT method", "BUTTON", "SUMMARY", "DIV"} <= seen


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [400, 1400])
def test_the_page_is_no_wider_than_the_screen_and_text_stands_out(opened, page, width, dark):
    opened.look(width=width, dark=dark)
    opened.open(page)
    assert opened.run("return document.documentElement.scrollWidth") <= width
    opened.run("document.querySelectorAll('details').forEach(d => { d.open = true })")
    assert opened.run("return document.documentElement.scrollWidth") <= width
    assert opened.run(CONTRAST) >= 4.5


CONTRAST = """
const linear = v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
const light = c => { const [r, g, b] = c.match(/[\\d.]+/g).slice(0, 3).map(v => linear(v / 255));
  return .2126 * r + .7152 * g + .0722 * b; };
const ground = light(getComputedStyle(document.body).backgroundColor);
return Math.min(...[document.body, ...document.querySelectorAll("a, .what, .legend, summary, th, .settings")].map(e => {
  const ink = light(getComputedStyle(e).color);
  return (Math.max(ink, ground) + .05) / (Math.min(ink, ground) + .05); }));
"""


def test_no_column_is_clipped_on_paper(opened):
    opened.look(width=1047, media="print")  # A4 across, less its margins, at 96 dots per inch
    wide = "return [...document.querySelectorAll('.wide')].map(e => e.scrollWidth - e.clientWidth)"
    assert max(opened.run(wide)) <= 1
    assert opened.run("return document.documentElement.scrollWidth") <= 1047
    opened.look(width=1400, media="")
    pdf = opened.pdf()
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) >= 1
    boxes = {tuple(map(float, box.split())) for box in re.findall(rb"/MediaBox \[([^]]*)\]", pdf)}
    assert all(box[2] > box[3] for box in boxes)  # across
    streams = [part.split(b"endstream")[0].strip(b"\r\n") for part in pdf.split(b"stream\n")[1:]]
    assert any(len(zlib.decompress(stream)) > 1000 for stream in streams if stream[:1] == b"x")


def test_without_its_script_everything_can_be_read(window, page):
    window.look(width=1400)
    window.devtools("Emulation.setScriptExecutionDisabled", value=True)
    try:
        window.open(page)
        shown = window.devtools("Accessibility.getFullAXTree")["nodes"]
        names = [node.get("name", {}).get("value", "") for node in shown if not node.get("ignored")]
        assert any(name.startswith("3 runs of trimnet") for name in names)
        assert not any(node.get("role", {}).get("value") == "searchbox" for node in shown)
    finally:
        window.devtools("Emulation.setScriptExecutionDisabled", value=False)


def test_nothing_is_fetched_and_nothing_fails(opened, page):
    fetched = "return performance.getEntriesByType('resource').map(e => e.name).filter(n => !n.startsWith('data:'))"
    assert opened.run(fetched) == []
    log = opened.call("POST", f"{opened.session}/se/log", {"type": "browser"})
    assert [line for line in log if line["level"] == "SEVERE"] == []
