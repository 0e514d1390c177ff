"""What dendrites learnt, shown: from made records, without a run."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from made_records import make_failure, make_insight, make_record, make_spec, write_grown
from pbgraph import bench
from pbgraph.errors import UsageError
from pbgraph.insight import Insight, SiteInsight
from pbgraph.report.dendrites import draw_dendrites, to_markdown
from pbgraph.report.dendrites_over_runs import over_runs
from pbgraph.report.dendrites_over_runs import to_markdown as all_runs
from pbgraph.results.folder import ResultsFolder

ARM = "trimnet/perforated"
SPEC = make_spec(ARM, 68)


@pytest.fixture
def results(tmp_path):
    folder = ResultsFolder(tmp_path / "results")
    write_grown(folder, ARM, 69)
    write_grown(folder, ARM, 70)
    folder.write(make_failure(ARM, 68, "it went wrong"))
    folder.write(make_record("trimnet/backprop", 68, 0.8))
    return folder.root


def call(results, *argv):
    return bench.main(["dendrites", "tox21", *map(str, argv), "--results", str(results)])


def test_the_table_has_a_line_for_every_dendrite_that_was_tried():
    shown = to_markdown(SPEC, make_insight(), {"conv": (0.21, -0.03), "out": (None,)})
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in shown.split("\n")]
    assert [line for line in lines if line and line[0] in ("conv", "out")] == [
        ["conv", "2", "1", "kept", "3", "0.3000", "0.5000", "0.2100", "0.6173", "0.1562", "0.2500"],
        ["conv", "2", "2", "dropped", "2", "0.1000", "0.2000", "-0.0300", "-", "-", "-"],
        ["out", "1", "1", "kept", "3", "0.7500", "0.7500", "-", "2.0000", "0.5000", "0.5000"],
        ["out", "1", "2", "failed", "-", "-", "-", "-", "-", "-", "-"],
    ]


def test_the_command_shows_the_first_finished_seed_or_the_one_asked_for(capsys, results, tmp_path):
    assert call(results, ARM) == 0
    assert capsys.readouterr().out.startswith(f"## tox21: dendrites of {ARM}, seed 69\n")
    assert call(results, ARM, "--seed", 70, "--format", "json", "--figure", tmp_path / "d.svg") == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["arm"], shown["seed"], list(shown["sites"])) == (ARM, 70, ["conv", "out"])
    assert shown["sites"]["conv"]["dendrites"][0]["covariance_share"] == [0.5, -0.125]
    assert shown["validation_correlations"] == {}
    assert (tmp_path / "d.svg").stat().st_size > 1000


@pytest.mark.parametrize(
    ("argv", "code", "words"),
    [
        (["trimnet/perforatd"], 2, "unknown arm 'trimnet/perforatd'; did you mean 'trimnet/perforated'?"),
        (["trimnet/backprop"], 2, "is a run without dendrites: name an arm that grows some"),
        ([ARM, "--seed", 68], 2, "seed 68, failed: it went wrong; finished seeds: 69-70"),
        ([ARM, "--seed", 5], 2, "--models trimnet --methods perforated --seeds 5' makes it"),
        ([ARM, "--seed", "5-7"], 2, "--seed 5-7: expected one number"),
        ([ARM, "--format", "csv"], 2, "unknown format 'csv'"),
        ([ARM, "--preset", "paper"], 2, "holds no run of tox21 with preset paper"),
        ([ARM, "--all-seeds", "--headroom"], 2, "--headroom is of one run, and --all-seeds of all: give --seed"),
        ([ARM, "--all-seeds", "--seed", 69], 2, "not allowed with argument"),
        (["trimnet/backprop", "--all-seeds"], 2, "is a run without dendrites: name an arm that grows some"),
    ],
)
def test_what_cannot_be_shown_says_what_to_do(argv, code, words, capsys, results):
    assert call(results, *argv) == code
    said = capsys.readouterr()
    assert words in said.err
    assert said.out == ""


def test_all_seeds_are_shown_site_by_site(capsys, results):
    """Of what each run tried, by outcome; the failed run of seed 68 has no part in it."""
    assert call(results, ARM, "--all-seeds") == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"## tox21: dendrites of {ARM}, 2 runs, seeds 69-70\n")
    found = {(line[0], line[2]): line for line in cells_of(shown) if line[0] in ("conv", "out", "all sites")}
    for site, neurons, outcome, count, figures in (  # files have sixteen bits of each number
        ("conv", "2", "kept", "2", [0.3, 0.6173, 0.1562, 0.25]),
        ("conv", "2", "dropped", "2", [0.1, None, None, None]),
        ("out", "1", "kept", "2", [0.75, 2.0, 0.5, 0.5]),
        ("out", "1", "failed", "2", [None] * 4),
        ("all sites", "3", "kept", "4", [0.45, 1.0782, 0.2708, 0.5]),
    ):
        line = found[site, outcome]
        assert (line[1], line[3], line[5:8]) == (neurons, count, ["-", "-", "-"])
        told = [None if cell == "-" else float(cell) for cell in [line[4], *line[8:]]]
        assert told == [None if one is None else pytest.approx(one, rel=5e-3) for one in figures]


def test_all_seeds_as_json_have_every_dendrite(capsys, results):
    assert call(results, ARM, "--all-seeds", "--format", "json") == 0
    told = json.loads(capsys.readouterr().out)
    assert [run["seed"] for run in told["runs"]] == [69, 70]
    conv = told["sites"]["conv"]["dendrites"]
    assert [(one["seed"], one["number"], one["outcome"]) for one in conv] == [
        *((69, 1, "kept"), (69, 2, "dropped")),
        *((70, 1, "kept"), (70, 2, "dropped")),
    ]
    assert (conv[1]["mean_abs_w"], conv[1]["on_validation"]) == (None, None)


def test_over_runs_correlations_on_validation_rows_keep_their_signs_and_dendrites():
    runs = [
        (replace(make_record(ARM, seed, 0.8), correlations={"conv": conv, "out": (None,)}), make_insight())
        for seed, conv in ((68, (0.2, -0.1)), (69, (-0.1,)), (71, ()))
    ]
    conv = over_runs(runs)["conv"].dendrites
    assert [(one.seed, one.outcome, one.on_validation) for one in conv] == [
        *((68, "kept", 0.2), (68, "dropped", -0.1)),
        *((69, "kept", -0.1), (69, "dropped", None)),
        *((71, "kept", None), (71, "dropped", None)),
    ]
    [kept, dropped] = [line for line in cells_of(all_runs(runs)) if line[0] == "conv"]
    assert kept[3:8] == ["3", "0.3000", "0.0500", "0.2121", "1 of 2"]
    assert dropped[3:8] == ["3", "0.1000", "-0.1000", "-", "0 of 1"]


@pytest.mark.parametrize(
    ("kept", "said"),
    [
        ((0, 1), "No dendrite was kept in 1 run (seed 68)."),
        ((0, 0), "No dendrite was kept in 2 runs (seeds 68-69)."),
        ((2, 1), "Some were kept in every run."),
    ],
)
def test_it_is_said_in_how_many_runs_none_was_kept(kept, said):
    runs = [
        (replace(make_record(ARM, seed, 0.8), details={"dendrites": count}), make_insight())
        for seed, count in zip((68, 69), kept, strict=True)
    ]
    assert all_runs(runs).endswith(f"\n\n{said}\n")


def cells_of(text):
    lines = ([cell.strip() for cell in line.split("|")[1:-1]] for line in text.split("\n"))
    return [line for line in lines if line]


def test_of_two_runs_of_one_seed_none_is_the_one(capsys, results):
    ResultsFolder(results).write(make_record(ARM, 70, 0.8, control_of="another pair"))
    assert call(results, ARM, "--seed", 70) == 2
    assert f"are both {ARM}, seed 70, paired with runs" in capsys.readouterr().err


def without(**changes):
    """The made insight with these fields of every dendrite changed."""
    sites = make_insight().sites
    changed = {
        name: replace(site, dendrites=tuple(replace(one, **changes) for one in site.dendrites))
        for name, site in sites.items()
    }
    return Insight(changed)


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
@pytest.mark.parametrize(
    "found",
    [make_insight(), without(mean_correlation=(), max_correlation=()), Insight({"conv": SiteInsight(2, 10)})],
    ids=["all", "no phase", "no dendrite"],
)
def test_a_picture_is_drawn_whole(tmp_path, found, suffix):
    path = tmp_path / f"dendrites{suffix}"
    path.write_text("older")
    draw_dendrites(SPEC, found, path)
    assert path.stat().st_size > 1000
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["a.doc", "a"])
def test_a_picture_that_cannot_be_drawn_leaves_the_older_one(tmp_path, name):
    path = tmp_path / name
    path.write_text("older")
    with pytest.raises(UsageError, match=r"\.png, \.svg or \.pdf"):
        draw_dendrites(SPEC, make_insight(), path)
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [(name, "older")]
