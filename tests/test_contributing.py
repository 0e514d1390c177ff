"""The newcomer's walks through CONTRIBUTING.md: what they show are the files of tests/plugin/."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

import pbgraph
from isolated import PLUGIN
from pbgraph.results.folder import ResultsFolder

GUIDE = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text()
COMMAND = "    python -m pbgraph.bench "
LINES = [line for line in GUIDE.splitlines() if line.startswith(COMMAND) and "sum-net" in line]
OWN_PLAN = re.search(r"### A recipe, a search and a plan of your own\n(.*?)\n##", GUIDE, re.DOTALL)[1]
WALK = [line for line in OWN_PLAN.splitlines() if line.startswith(COMMAND)]  # each needs what those before it made


def block(language: str, text: str = GUIDE, place: int = 0) -> str:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)[place]


def check_entries(group: str, shown: str) -> None:
    """One line, and the package offers the same and nothing else."""
    offered, told = (
        tomllib.loads(text)["project"]["entry-points"][group]
        for text in ((PLUGIN / "pyproject.toml").read_text(), shown)
    )
    assert offered == told
    assert len(told) == 1


def test_the_guide_says_where_every_module_is():
    table = "\n".join(line for line in GUIDE.splitlines() if line.startswith("| `"))
    there = {path.name + "/" * path.is_dir() for path in Path(pbgraph.__file__).parent.iterdir()}
    modules = {name for name in there if name.endswith((".py", "/")) and not name.startswith("_")}
    assert modules == set(re.findall(r"`(\w+(?:\.py|/))`", table))


def test_the_guides_architecture_is_that_of_the_package():
    assert block("python") == (PLUGIN / "toy_molecules" / "sum_net.py").read_text()
    assert len([line for line in block("python").splitlines() if line]) <= 35


def test_the_guides_line_is_that_of_the_package():
    check_entries("pbgraph.models", block("toml"))


def test_the_guides_plan_is_that_of_the_package():
    assert block("toml", OWN_PLAN) == (PLUGIN / "toy_molecules" / "sum-net-widths.toml").read_text()
    check_entries("pbgraph.plans", block("toml", OWN_PLAN, 1))
    line = re.search(r"`(WIDTHS = .*?)`", OWN_PLAN)[1]
    assert line in (PLUGIN / "toy_molecules" / "plans.py").read_text().splitlines()


@pytest.mark.parametrize("line", [line for line in LINES if line not in WALK])
def test_the_guides_commands_do_what_it_says(line, toy_here):
    done = toy_here(*line.split()[3:])
    assert done.returncode == 0, done.stderr


@pytest.mark.thorough
def test_the_guides_own_plan_is_searched_registered_run_and_compared(toy_here, tmp_path):
    """By the network's own recipe, in its own ranges; the plan that a search writes, and that of the package."""

    def said(*words: str) -> str:
        done = toy_here(*words)
        assert done.returncode == 0, (words, done.stderr)
        return done.stdout

    outputs = [said(*line.split()[3:]) for line in WALK]
    assert [line.split()[3] for line in WALK] == ["tune", "run", "register", "run", "compare"]
    searched, tuned, _, widths, compared = outputs
    assert "5 settings tried on the validation rows of seeds 0-2" in searched
    trials = [json.loads(line) for line in (tmp_path / "results/tuning/toy/sum-net-backprop.jsonl").open()]
    (first,) = (trial for trial in trials if trial["number"] == 0)  # in the order in which they were over
    assert first["settings"]["learning_rate"] == 5e-3, "the first is the recipe, and the network has its own"
    assert first["settings"]["batch_size"] == 32
    assert {trial["config"]["hidden"] for trial in trials} <= {32, 64, 128}
    assert "| sum-net · tuned" in tuned
    assert "| sum-net · half" in widths
    assert "confirmatory: plan sum-net-widths" in widths
    assert "sum-net · half/backprop" in compared
    records = ResultsFolder(tmp_path / "results").records("toy")
    rates = {record.spec.settings["learning_rate"] for record in records if record.spec.arm.model == "trimnet"}
    assert 5e-3 not in rates, "the recipe is of one network alone"
    shown = said("table", "toy", "--preset", "smoke", "--seeds", "68-69", "--models", "sum-net", "trimnet")
    assert all(f"| {name} " in shown for name in ("sum-net", "trimnet", "sum-net · hidden 32"))
    with_trimnet = said("compare", "toy", "sum-net/backprop", "trimnet/backprop", "--preset", "sum-net-widths")
    assert "| seed | sum-net/backprop | trimnet/backprop |" in with_trimnet
