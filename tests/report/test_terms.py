"""What a plan says of its rows comes to their table whole, from a preset, a plan file, or a study."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from made_records import arms, make_record
from pbgraph.cli.commands.running import _show
from pbgraph.plans.declaration import FoundBy
from pbgraph.plans.plan import plan, plan_study
from pbgraph.plans.plan_file import parsed_plan
from pbgraph.report.studies import study_table, to_markdown
from pbgraph.report.terms import Terms
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.tuning import Budget

PLAN = """
seeds = "68-70"
reinitialised = "68-69"
margin = 0.03
searched_as = "default"
primary = ["gin/perforated", "gin/continued"]
secondary = [["gin/backprop", "random-forest/fit"]]

[[arms]]
model = "gin"
method = ["backprop", "perforated", "continued"]
label = "wide"
config = { hidden = 128 }
search = { file = "trials.jsonl", trial = 7, trials = 20, seeds = "0-2" }

[[arms]]
model = "random-forest"
method = "fit"

[recipe.models]
gin = { layers = 2 }
"""
WIDE = arms("gin/backprop:hidden=128", "gin/perforated:hidden=128", "gin/continued:hidden=128")


@pytest.fixture
def declared():
    text = PLAN.replace('"gin/perforated", "gin/continued"', f'"{WIDE[1]}", "{WIDE[2]}"')
    return parsed_plan(text.replace('"gin/backprop",', f'"{WIDE[0]}",'), Path("wider.toml"))


def test_every_word_of_a_plan_is_among_them(declared):
    planned = plan("tox21", declared)
    said = Terms.of(declared, planned)
    (forest,) = arms("random-forest/fit")
    assert said == Terms(
        labels=dict.fromkeys(WIDE, "gin · wide"),
        margin=0.03,
        primary=(WIDE[1], WIDE[2]),
        named=((WIDE[1], WIDE[2]), (WIDE[0], forest)),
        again=frozenset({1068, 1069}),
        searched_as="default",
        searches=dict.fromkeys(WIDE, FoundBy("trials.jsonl", 7, 20, (0, 1, 2))),
    )
    assert Terms.of(declared) == replace(said, labels={}, searches={})
    assert Terms.of(None, planned) == Terms(labels=said.labels, searches=said.searches)
    assert Terms.of(None) == Terms()


def test_the_table_of_a_plan_file_is_judged_as_the_file_says(declared, tmp_path, capsys):
    made = plan("tox21", declared, seeds=[68, 69, 70])
    records = [
        replace(make_record(spec.arm, spec.seed, 0.8 + 0.001 * number), spec=spec)
        for number, spec in enumerate(made.specs)
    ]
    assert _show(made, records, ResultsFolder(tmp_path)) == 0
    said = capsys.readouterr().out
    assert "0.03 is the smallest difference that matters" in said
    assert "gin · wide" in said
    assert "**Primary comparison**" in said
    assert "| gin · wide/backprop " in said
    assert "settings tried: 20 on seeds 0-2" in said


def test_the_table_of_a_study_says_what_its_plan_does(declared):
    from pbgraph.plans.declaration import Study

    study = Study("sizes", "of two sizes", (declared,))
    made = plan_study("tox21", study, seeds=[68, 69, 70])
    records = [replace(make_record(spec.arm, spec.seed, 0.8), spec=spec) for spec in made.specs]
    text = to_markdown(study_table(study, records, seeds=[68, 69, 70], plan=made))
    assert "settings tried: 20 on seeds 0-2" in text
    assert "gin · wide" in text
    assert "settings tried: 20" not in to_markdown(study_table(study, records, seeds=[68, 69, 70]))


def test_searches_of_a_preset_and_of_the_one_it_was_searched_as_are_counted_together_by_seeds():
    spec = make_record("gin/backprop", 68, 0.8, preset="answer").spec
    rest = ("tox21", "gin", "backprop"), ("random", str(spec.versions["featuriser"]))
    searched = [
        Budget(*rest[0], preset, *rest[1], seeds, trials)
        for preset, seeds, trials in (
            ("answer", tuple(range(10)), 1),
            ("default", (0, 1, 2), 15),
            ("default", tuple(range(10)), 3),
            ("registry", (0, 1, 2), 7),
        )
    ]
    found = Terms(searched_as="default").tried({spec.arm: spec}, searched)[spec.arm]
    assert [(one.seeds, one.trials) for one in found] == [((0, 1, 2), 15), (tuple(range(10)), 4)]
    alone = Terms().tried({spec.arm: spec}, searched)[spec.arm]
    assert [(one.seeds, one.trials) for one in alone] == [(tuple(range(10)), 1)]
