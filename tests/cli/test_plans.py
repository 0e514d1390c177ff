"""Plan files, variants and registration, as a user meets them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from made_records import make_record
from pbgraph import bench
from pbgraph.plans.plan import plan
from pbgraph.plans.plan_file import read_plan
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.records import ScoredFile
from pbgraph.results.tuning import Budget

WIDER = """
task = "tox21"
preset = "smoke"
[[arms]]
model = "gin"
method = "backprop"
[[arms]]
model = "gin"
method = "backprop"
label = "wide"
config = { hidden = 8 }
"""


def call(*argv: object) -> int:
    return bench.main([str(word) for word in argv])


@pytest.fixture
def wider(tmp_path):
    path = tmp_path / "wider.toml"
    path.write_text(WIDER)
    return path


@pytest.fixture
def done(wider, tmp_path):
    """A results folder in which its runs are finished."""
    results = ResultsFolder(tmp_path / "results")
    for spec in plan("tox21", read_plan(wider)).specs:
        record = make_record(spec.arm, spec.seed, 0.8)
        results.write(type(record)(**{**vars(record), "spec": spec}))
    return results.root


def test_a_plan_file_is_planned_and_its_table_shown(wider, done, capsys):
    assert call("run", wider, "--results", done, "--dry-run") == 0
    assert "plan wider, split random: 2 runs, 2 finished" in capsys.readouterr().out
    assert call("run", wider, "--results", done) == 0
    out = capsys.readouterr().out
    assert "| gin · wide" in out
    assert "exploratory: no registered plan has these runs" in out


def test_its_table_is_shown_again_and_without_it_variants_say_what_was_set(wider, done, capsys):
    assert call("table", "tox21", "--preset", wider, "--results", done) == 0
    assert "| gin · wide " in capsys.readouterr().out
    assert call("table", "tox21", "--preset", "smoke", "--seeds", 68, "--results", done, "--models", "gin") == 0
    assert "| gin · hidden 8 " in capsys.readouterr().out
    assert call("table", "tox21", "--preset", "smoke", "--results", done, "--arms", "gin/backprop:hidden=8") == 0
    out = capsys.readouterr().out
    assert ("| gin · hidden 8 " in out, "| gin  " in out) == (True, False)


def test_what_a_plan_says_of_its_search_counts_where_the_folder_has_none(wider, done, capsys):
    wider.write_text(
        WIDER.replace(
            'label = "wide"', 'label = "wide"\nsearch = { file = "a.jsonl", trial = 1, trials = 9, seeds = "0-2" }'
        )
    )
    said = "- settings tried: 0 (gin/backprop); 9 on seeds 0-2 (gin · wide/backprop); the arms were not searched alike"
    assert call("run", wider, "--results", done) == 0
    assert said in capsys.readouterr().out
    assert call("table", "tox21", "--preset", wider, "--results", done) == 0
    assert said in capsys.readouterr().out


def test_seeds_of_the_search_are_refused_however_they_are_named(wider, capsys):
    search = 'search = { file = "a.jsonl", trial = 1, trials = 9, seeds = "20-22" }'
    wider.write_text(WIDER.replace('label = "wide"', f'label = "wide"\n{search}'))
    assert call("tox21", "--preset", wider, "--seeds", "20-21", "--dry-run") == 2
    assert "were searched on seeds 20-22, and the plan runs 20-21 of them" in capsys.readouterr().err


def test_what_was_searched_on_a_plans_own_seeds_and_what_cannot_be_run_is_said_when_it_is_registered(
    wider, tmp_path, capsys, monkeypatch
):
    budget = Budget("tox21", "gin", "backprop", "smoke", "random", "1", (67, 68), 9)
    monkeypatch.setattr("pbgraph.results.tuning.budgets", lambda _: [budget])
    wider.write_text(f'{WIDER}\n[[arms]]\nmodel = "knn"\nmethod = "backprop"\n')
    assert call("register", wider, "--results", tmp_path / "results") == 0
    said = capsys.readouterr().err
    assert "settings of gin/backprop were searched on seeds 68, which this plan runs" in said
    assert "warning: not declared: knn/backprop: " in said


def test_a_plan_is_registered_on_another_split_by_its_name(wider, tmp_path):
    wanted = ("--split", "scaffold", "--results", tmp_path / "results")
    assert call("register", wider, *wanted) == 0
    (path,) = (tmp_path / "results" / "registered").iterdir()
    assert json.loads(path.read_text())["split"] == "scaffold"
    written = tmp_path / "written.toml"
    assert call("run", wider, *wanted, "--dry-run", "--write-plan", written) == 0
    assert 'split = "scaffold"' in written.read_text()


def test_what_no_plan_can_have_stands_in_its_table_and_is_not_among_its_comparisons(wider, done, capsys):
    results = ResultsFolder(done)
    (record,) = (one for one in results.records("tox21") if not one.spec.arm.changes)
    spec = replace(record.spec, model="both", method="external", changes={}, model_config={}, settings={})
    origin = replace(record.provenance, scored_from=ScoredFile("theirs.csv", "0" * 64))
    results.write(replace(record, spec=spec, provenance=origin, cost=None))
    assert call("table", "tox21", "--preset", wider, "--results", done) == 0
    out = capsys.readouterr().out
    assert "| both " in out
    assert "| both/external " not in out
    assert "for 1 comparison" in out or "none with an interval" in out


def test_variants_are_compared_by_name(done, capsys):
    both = ("gin/backprop:hidden=8", "gin/backprop")
    assert call("compare", "tox21", *both, "--preset", "smoke", "--results", done) == 0
    assert "| seed | gin/backprop:hidden=8 | gin/backprop |" in capsys.readouterr().out
    assert (
        call("compare", "tox21", "gin/backprop:hidden=9", "gin/backprop", "--preset", "smoke", "--results", done) == 2
    )
    assert "did you mean 'gin/backprop:hidden=8'" in capsys.readouterr().err


def test_a_row_is_named_by_its_label_too(wider, done, capsys):
    chosen = ("--preset", wider, "--results", done)
    assert call("compare", "tox21", "gin · wide/backprop", "gin/backprop", *chosen) == 0
    assert "gin · wide/backprop" in capsys.readouterr().out
    assert call("table", "tox21", "--arms", "gin · wide/backprop", *chosen) == 0
    assert [
        line.split("|")[1].strip() for line in capsys.readouterr().out.splitlines() if line.startswith("| gin")
    ] == ["gin · wide"]
    assert call("compare", "tox21", "gin · wider/backprop", "gin/backprop", *chosen) == 2
    assert "unknown arm 'gin · wider/backprop'" in capsys.readouterr().err


def test_a_variant_that_is_declared_and_not_run_is_shown_as_missing(wider, done, capsys):
    ResultsFolder(done).record_path(plan("tox21", read_plan(wider)).specs[1]).unlink()
    both = ("gin/backprop", "gin/backprop:hidden=8")
    assert call("table", "tox21", "--preset", wider, "--results", done, "--arms", *both) == 0
    out = capsys.readouterr().out
    assert "- missing: gin · wide/backprop seeds 68" in out
    assert "- gin · wide/backprop: gin/backprop:hidden=8" in out
    assert call("table", "tox21", "--preset", wider, "--results", done, "--arms", both[1]) == 2
    assert "no finished run of gin/backprop:hidden=8" in capsys.readouterr().err
    assert call("compare", "tox21", *both, "--preset", wider, "--results", done) == 2
    assert f"is declared and has no run yet; 'python -m pbgraph.bench run {wider}' makes it" in capsys.readouterr().err
    assert call("table", "tox21", "--preset", wider, "--results", done, "--arms", "gin/backprop:hidden=9") == 2
    assert "did you mean 'gin/backprop:hidden=8'" in capsys.readouterr().err


def test_where_settings_were_found_is_written_again_unless_they_are_changed(tmp_path, capsys):
    found = 'search = { file = "trials.jsonl", trial = 7, trials = 20, seeds = "0-2" }'
    (path := tmp_path / "tuned.toml").write_text(WIDER.replace("config =", f"{found}\nconfig ="))
    again, changed = tmp_path / "again.toml", tmp_path / "changed.toml"
    assert call("run", path, "--results", tmp_path / "r", "--dry-run", "--write-plan", again) == 0
    assert again.read_text().count(found) == 1
    assert [row.search for row in read_plan(again).rows] == [row.search for row in read_plan(path).rows]
    arguments = ("--preset", path, "--results", tmp_path / "r", "--dry-run", "--write-plan", changed)
    assert call("tox21", *arguments, "--set", "gin.dropout=0.25") == 0
    assert "search" not in changed.read_text()
    assert call("tox21", *arguments, "--models", "gin", "gcn", "--set", "gcn.dropout=0.25") == 0
    assert changed.read_text().count(found) == 1


def test_a_variant_is_found_by_the_digits_that_are_shown(tmp_path, capsys):
    exact = "gin/backprop:learning_rate=0.0036343931073551878"
    results = ResultsFolder(tmp_path)
    for arm, score in (("gin/backprop", 0.7), (exact, 0.8)):
        for seed in (68, 69):
            results.write(make_record(arm, seed, score + seed / 1000))
    short = "gin/backprop:learning_rate=0.003634"
    assert call("table", "tox21", "--results", tmp_path, "--arms", short, "gin/backprop") == 0
    assert "| gin · learning_rate 0.003634 |" in capsys.readouterr().out
    assert call("compare", "tox21", short, "gin/backprop", "--results", tmp_path) == 0
    assert f"| {short} | gin/backprop |" in capsys.readouterr().out
    assert call("runs", "tox21", "--arms", short, "--results", tmp_path, "--json") == 0
    assert {one["arm"] for one in json.loads(capsys.readouterr().out)} == {exact}


def test_a_plan_with_a_recipe_of_its_own_is_judged_as_its_file_says(tmp_path, capsys):
    """No preset that is known here has its name, by which its margin and comparisons could be found."""
    path, results = tmp_path / "mine.toml", ResultsFolder(tmp_path / "results")
    head = 'task = "tox21"\nseeds = "68-70"\nmargin = 0.2\nprimary = ["gin/backprop", "gcn/backprop"]\n'
    rows = "".join(f'[[arms]]\nmodel = "{model}"\nmethod = "backprop"\n' for model in ("gcn", "gin"))
    path.write_text(f"{head}{rows}[recipe]\nevery = {{ epochs = 2 }}\n")
    for number, arm in enumerate(("gin/backprop", "gcn/backprop")):
        for seed in (68, 69, 70):
            results.write(make_record(arm, seed, 0.8 + 0.001 * seed * number, preset="mine"))
    assert call("table", "tox21", "--preset", path, "--results", results.root) == 0
    said = capsys.readouterr().out
    assert "0.2 is the smallest difference that matters" in said
    assert "**Primary comparison**: gin/backprop - gcn/backprop is -0.0690 [" in said
    assert call("run", path, "--dry-run", "--results", tmp_path / "none") == 0
    assert "plan mine" in capsys.readouterr().out


def test_registration_says_how_many_runs_and_when(wider, done, capsys):
    assert call("register", wider, "--results", done) == 0
    said = capsys.readouterr().err
    (path,) = (done / "registered").glob("wider-*.json")
    assert str(path) in said
    assert "2 runs, declared" in said
    assert "warning: 2 runs had been begun before that" in said
    told = json.loads(path.read_text())
    assert told["arms"] == ["gin/backprop", "gin/backprop:hidden=8"]
    assert len(told["keys"]) == 2
    assert "[[arms]]" in told["plan"]
    assert call("run", wider, "--results", done) == 0
    assert "exploratory: plan wider" in capsys.readouterr().out, "the made records are older"


def test_the_plan_of_a_command_line_is_written(tmp_path, capsys):
    path = tmp_path / "mine.toml"
    settings = ("--set", "trimnet.hidden=8", "--set", "training.epochs=1")
    assert call("tox21", "--preset", "smoke", *settings, "--dry-run", "--write-plan", path, "--results", tmp_path) == 0
    assert "trimnet/perforated:epochs=1,hidden=8" in capsys.readouterr().out
    assert [str(arm) for arm in plan("tox21", read_plan(path)).arms] == [
        "trimnet/backprop:epochs=1,hidden=8",
        "trimnet/perforated:epochs=1,hidden=8",
    ]


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ("run nothing.toml", "plan nothing.toml cannot be read"),
        ("run defualt", "unknown plan 'defualt'; did you mean 'default'"),
        ("run default --dry-run", "plan default names no task; give one with --task"),
        ("run default --task tox12 --dry-run", "unknown task 'tox12'; did you mean 'tox21'"),
        ("register default", "names no task"),
        ("register answer-cv5x5 --split random", "it is for split cv5x5, not for random; leave --split out"),
        (
            "status mine.toml",
            "mine.toml is a plan file: 'run mine.toml' runs it, and other commands take it after a task",
        ),
        ("mine.toml", "mine.toml is a plan file: 'run mine.toml' runs it"),
        ("tox21 --set trimnet.hiden=3 --dry-run", "did you mean 'trimnet.hidden'"),
        ("tox21 --set trimnet.hidden --dry-run", "is not SCOPE.FIELD=VALUE"),
        ("tox21 --set gat.hidden=8 --dry-run", "no planned arm takes it"),
        ("tox21 --preset nothing.toml --dry-run", "cannot be read"),
        ("ls models trimnt", "did you mean 'trimnet'"),
        ("ls engines local", "says all there is"),
    ],
)
def test_what_is_wrong_is_said_in_one_line_and_nothing_is_written(argv, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert call(*argv.split()) == 2
    told = capsys.readouterr().err
    assert said in told
    assert len(told.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_ls_says_what_can_be_set(capsys):
    assert call("ls", "models", "trimnet") == 0
    out = capsys.readouterr().out
    assert "  hidden (int, default 32): C, channels of nodes" in out
    assert "head_members (int, default 8): how many; with head=packed, searched among 1, 4, 8\n" in out
    assert call("ls", "models", "gin") == 0
    assert "C, channels of nodes; searched among 32, 64, 128\n" in capsys.readouterr().out
    assert call("ls", "methods", "continued") == 0
    assert "searched besides, of what it is paired with: max_dendrites, among 1, 2, 3" in capsys.readouterr().out
    assert call("ls", "methods", "perforated", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["settings"]["pool"] == {
        "type": "int",
        "default": 1,
        "meaning": "candidates per site that are trained side by side; the best is accepted",
        "searched": None,
    }
    assert told["settings"]["learning_rate"]["searched"] == {"low": 3e-4, "high": 1e-2, "log": True}
    assert told["settings"]["schedule"]["searched"] == {"values": ["constant", "cosine"]}
    assert call("ls", "presets") == 0
    assert "compression" not in capsys.readouterr().out
    assert call("ls", "plans", "compression") == 0
    assert "parts: compression-1k" in capsys.readouterr().out
    assert call("ls", "presets", "answer") == 0
    said = capsys.readouterr().out
    assert "seeds 68-117; second initialisations on their splits: 1068-1087\n" in said
    assert "\ntrimnet with perforated, continued, gd-dendrites, grow_at=0.25, init_scale=0.5: grown early\n" in said
    assert "\nprimary comparison: trimnet/perforated against trimnet/continued\n" in said


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (["default", "--split", "cv5x5"], "tox21 --preset default --split cv5x5 --seeds 0-24"),
        (["answer", "--split", "scaffold"], "tox21 --preset answer --split scaffold --seeds 68-117"),
        (["answer", "--split", "scaffold-balanced"], "tox21 --preset answer --split scaffold-balanced"),
    ],
)
def test_the_command_that_would_make_what_is_missing_can_be_run(tmp_path, capsys, words, command):
    assert call("table", "tox21", "--results", tmp_path, "--preset", *words) == 2
    assert f"; 'python -m pbgraph.bench {command}' makes them" in capsys.readouterr().err
    assert call(*command.split(), "--results", tmp_path, "--dry-run") == 0


ARM = '[[arms]]\nmodel = "gin"\nmethod = "backprop"\n'


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        (ARM + "config = { hidden = 0 }", "plan.toml, line 6: gin: hidden is 0, expected at least 1"),
        (
            ARM + "settings = { epochs = -1 }",
            "line 6: backprop: setting epochs is -1; it must be at least 1",
        ),
        (
            ARM + "settings = { learning_rate = 0 }",
            "backprop: setting learning_rate is 0.0; it must be more",
        ),
        (ARM + ARM, "line 7: arm gin/backprop is there twice with the same settings; leave one out"),
        (ARM + 'label = "a"\n' + ARM, "same settings, once labelled 'a' and once without a label; leave one out"),
        (
            ARM + 'label = "a"\nconfig = { hidden = 64 }\n' + ARM + 'label = "b"',
            "line 9: arm gin/backprop is there already, with the same values; leave it out, or set others",
        ),
        (ARM + ARM + "config = { hidden = 64 }", "line 7: arm gin/backprop is there already, with the same values"),
        ('split = "rnd"\n' + ARM, "plan.toml, line 3: unknown split 'rnd'; did you mean 'random'?"),
        (
            ARM.replace("backprop", "fit"),
            "plan.toml, line 5: gin/fit: it is trained by gradients; use method 'backprop'",
        ),
        (
            'searched_as = "defalt"\n' + ARM,
            "plan.toml, line 3: unknown preset 'defalt'; did you mean 'default'?",
        ),
        (
            ARM + ARM.replace("backprop", "perforated") + 'label = "a"',
            "line 9: one variant of gin is there twice, once without a label and once labelled 'a'; give all its",
        ),
    ],
    ids=[
        "range",
        "range of a setting",
        "rate",
        "twice",
        "one label",
        "two labels",
        "the usual value",
        "split",
        "method",
        "searches",
        "labels of methods",
    ],
)
def test_what_is_wrong_in_a_plan_file_is_one_line_with_its_place_and_nothing_is_written(plan, said, tmp_path, capsys):
    (path := tmp_path / "plan.toml").write_text(f'task = "tox21"\nseeds = "68"\n{plan}\n')
    assert call("run", path, "--results", tmp_path / "results", "--offline") == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("task", "words", "said"),
    [
        ("tox12", "run plan.toml", "plan.toml, line 1: unknown task 'tox12'; did you mean 'tox21'?"),
        (
            "tox21",
            "run plan.toml --task bace",
            "plan.toml, line 1: it is for task tox21, not for bace; leave --task out",
        ),
        ("tox21", "bace --preset plan.toml", "plan.toml, line 1: it is for task tox21, not for bace; name that task"),
    ],
    ids=["unknown", "another", "another's preset"],
)
def test_a_plan_files_task_is_named_with_its_place(task, words, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("plan.toml").write_text(f'task = "{task}"\nseeds = "68"\n{ARM}')
    assert call(*words.split(), "--dry-run") == 2
    assert capsys.readouterr().err.startswith(f"pbgraph: {said}")


def test_searches_of_a_preset_that_only_a_results_folder_knows_can_be_named(tmp_path, capsys):
    trials = tmp_path / "tuning" / "tox21" / "gin-backprop.jsonl"
    trials.parent.mkdir(parents=True)
    line = (Path(__file__).parents[2] / "results/tuning/tox21/gin-backprop.jsonl").read_text().splitlines()[0]
    trials.write_text(json.dumps({**json.loads(line), "preset": "mine"}) + "\n")
    (path := tmp_path / "plan.toml").write_text(f'task = "tox21"\nseeds = "68"\nsearched_as = "mine"\n{ARM}')
    assert call("run", path, "--results", tmp_path, "--dry-run") == 0
    assert "unknown preset" not in capsys.readouterr().err


def test_a_setting_that_the_command_line_spoils_is_not_said_to_be_the_plan_files(wider, tmp_path, capsys):
    assert call("tox21", "--preset", wider, "--results", tmp_path / "r", "--set", "gin.hidden=0") == 2
    assert capsys.readouterr().err == "pbgraph: gin: hidden is 0, expected at least 1\n"


def test_no_plan_is_written_that_could_not_be_run(tmp_path, capsys):
    words = ["tox21", "--preset", "smoke", "--seeds", "0-5", "--results", str(tmp_path / "results"), "--dry-run"]
    assert call(*words, "--write-plan", str(tmp_path / "a.toml")) == 2
    assert "seeds 0-5 are development seeds" in capsys.readouterr().err
    assert not (tmp_path / "a.toml").exists()
