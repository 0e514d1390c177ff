"""Every comparison of a table by itself: it says what `compare` of the two says, and what the others lack."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace

import pytest

from made_records import PROVENANCE, arms, make_failure, make_record
from pbgraph import bench
from pbgraph.plans.presets import preset
from pbgraph.report.comparisons import compare, further_differences
from pbgraph.report.one_by_one import Awaited, one_by_one, to_markdown
from pbgraph.report.power import power_of
from pbgraph.report.tables import make_table
from pbgraph.results.folder import ResultsFolder

PLAIN, GROWN, LONGER = ARMS = arms("gin/backprop", "gin/perforated", "gin/continued")
SEEDS = (1, 2, 3, 4, 5, 6)


def records(grown=(0.0, 0.0, 0.004, -0.003, 0.002, 0.001), longer=0.0):
    made = []
    for seed, gain in zip(SEEDS, grown, strict=True):
        mine = make_record(GROWN, seed, 0.8 + gain)
        made += [make_record(PLAIN, seed, 0.8), mine]
        made.append(make_record(LONGER, seed, 0.8 + longer * (seed + 5), control_of=mine.key))
    return made


def said(made, awaited=(), *, power=False) -> str:
    table = make_table(made, arms=ARMS, seeds=SEEDS)
    found = one_by_one(table, made, awaited)
    powers = {one.pair: power_of(one.comparison, made, tests=table.tests) for one in found.examined}
    return to_markdown(table, found, powers if power else None, lambda a, b: f"show {a} {b}")


def cells(text: str, a, b) -> dict[str, str]:
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    return next(dict(zip(lines[0], line, strict=True)) for line in lines if line[:2] == [str(a), str(b)])


def test_a_pair_has_the_numbers_that_it_has_by_itself():
    made = records()
    one = compare(made, GROWN, PLAIN, seeds=SEEDS)
    power, plain = power_of(one, made, tests=3), further_differences(made, one)["plain t"].interval
    assert cells(said(made, power=True), GROWN, PLAIN) == {
        "A": "gin/perforated",
        "B": "gin/backprop",
        "A - B": "+0.0007",
        "95 % interval, corrected t": f"[{one.interval.low:+.4f}, {one.interval.high:+.4f}]",
        "plain t": f"[{plain.low:+.4f}, {plain.high:+.4f}]",
        "p": "1.000",
        "same network": "2 of 6",
        "verdict": "equivalent: the interval is within ±0.01",
        "power at 0.01": f"{power.power:.2f}",
        "after Holm": f"{power.adjusted:.2f}",
        "equal within ±0.01": f"{power.equivalent:.2f}",
    }
    assert power.adjusted < power.power
    assert "same network: pairs" in said(made)
    assert "power" not in said(made)
    assert "did not help" not in said(made)


def test_second_initialisations_have_the_mixed_model_and_runs_of_one_split_the_plain_t_alone():
    """And the mean of the former, where it is another."""
    made = records(grown=(0.0, 0.0, 0.01, 0.02, 0.002, 0.001))
    again = [replace(one, provenance=replace(PROVENANCE, split_sha256=f"{one.spec.seed % 4}")) for one in made]
    found = compare(again, GROWN, PLAIN, seeds=SEEDS)
    mixed = further_differences(again, found)["mixed model"]
    expected = f"[{mixed.interval.low:+.4f}, {mixed.interval.high:+.4f}] around {mixed.mean:+.4f}"
    assert cells(said(again), GROWN, PLAIN)["mixed model"] == expected
    assert "plain t and mixed model take splits" in said(again)
    fixed = [replace(one, provenance=replace(PROVENANCE, split_sha256="one")) for one in records()]
    assert "95 % interval, plain t" in cells(said(fixed), GROWN, PLAIN)
    assert "corrected" not in said(fixed)
    assert "mixed" not in said(records()) + said(fixed)


def test_what_lacks_runs_has_one_line_that_says_how_many():
    made = [one for one in records() if (one.spec.arm, one.spec.seed) not in {(GROWN, 2), (LONGER, 3), (LONGER, 4)}]
    made.append(make_failure(str(GROWN), 2, "the training loss became nan"))
    text = said(made)
    lines = text[text.index("Not judged yet:") :].splitlines()[2:]
    assert lines == [
        "- gin/perforated - gin/backprop: of 12 runs 1 failed",
        "- gin/continued - gin/backprop: of 12 runs 2 missing",
        "- gin/perforated - gin/continued: of 12 runs 2 missing, 1 failed",
    ]
    assert text.startswith("One by one: 0 of 3 comparisons, with all runs.\n\nNot judged yet:")


def test_pairs_that_no_seed_has_are_awaited_and_none_that_lacks_no_run():
    made = [one for one in records() if one.spec.arm != LONGER]
    table = make_table(made, arms=ARMS, seeds=SEEDS)
    found = one_by_one(table, made, [(LONGER, PLAIN), (PLAIN, GROWN)])
    assert found.awaited == (Awaited((LONGER, PLAIN), runs=12, missing=6, failed=0, unscored=0),)
    assert to_markdown(table, one_by_one(make_table(made, arms=[PLAIN], seeds=SEEDS), made), None, "".join) == ""


@pytest.mark.parametrize(
    ("gain", "helps"), [(0.03, True), (0.004, False), (-0.03, False)], ids=["gain", "too small to matter", "loss"]
)
def test_what_did_not_help_is_what_shows_no_gain_that_matters(gain, helps):
    made = records(grown=[gain + 0.0001 * (seed % 3) for seed in SEEDS])
    text = said(made, power=True)
    assert ("- gin/perforated over gin/backprop: " in text) != helps
    line = next(one for one in text.splitlines() if one.startswith("- gin/continued over gin/backprop"))
    assert line == (
        "- gin/continued over gin/backprop: +0.0000 [+0.0000, +0.0000], equal in all 6 pairs; power cannot be told; "
        "`show gin/continued gin/backprop`"
    )


@pytest.fixture
def folder(tmp_path):
    """The default preset, of which its first arm lacks a run, and its last, the control, all."""
    results = ResultsFolder(tmp_path / "results of mine")
    for i, arm in enumerate(preset("default").arms[:-1]):
        for seed in preset("default").seeds[i == 0 :]:
            results.write(make_record(arm, seed, 0.8 + 0.001 * i + 0.001 * (seed * (i + 2) % 5)))
    return results.root


def test_the_command_shows_every_comparison_and_the_commands_that_show_them_again(folder, capsys):
    everything = ["compare", "tox21", "--results", str(folder)]
    assert bench.main(everything) == 0
    text = capsys.readouterr().out
    assert "did not help" not in text
    assert "what the plan asks is judged below, one by one" in text
    assert bench.main([*everything, "--power"]) == 0
    at_once, text = capsys.readouterr().out.split("One by one: ")
    assert "All pairs at once" in at_once
    again = re.findall(r"^- (\S+) over (\S+): (\S+) .*; `python -m pbgraph.bench (.+)`$", text, re.MULTILINE)
    assert again
    for a, b, mean, command in again:
        assert bench.main(shlex.split(command)) == 0
        alone = capsys.readouterr().out
        assert f"mean difference            {mean}\n" in alone
        assert cells(text, a, b)["95 % interval, corrected t"] in alone
        assert "\npower " in alone


def test_what_a_plan_compares_and_nobody_ran_is_among_what_is_awaited(folder, capsys):
    assert bench.main(["compare", "tox21", "--results", str(folder)]) == 0
    assert capsys.readouterr().out.partition("Not judged yet:\n\n")[2].splitlines()[:2] == [
        "- trimnet/continued - trimnet/backprop: of 6 runs 3 missing",
        "- trimnet/perforated - trimnet/continued: of 6 runs 3 missing",
    ]
