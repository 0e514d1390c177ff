"""Which settings a search tries, and what it knows afterwards; nothing is trained, scores are made up."""

from __future__ import annotations

import json
from dataclasses import replace
from statistics import mean

import pytest

from pbgraph import bench
from pbgraph.datasets.base import DATASETS
from pbgraph.errors import UsageError
from pbgraph.fields import field_names
from pbgraph.methods.base import METHODS
from pbgraph.methods.perforated import PerforatedSettings
from pbgraph.models.base import MODELS, Architecture
from pbgraph.models.head import searched
from pbgraph.plans.plan import plan
from pbgraph.plans.plan_file import read_plan
from pbgraph.plans.presets import preset
from pbgraph.plans.search.found import check_plan_can_be_run, plan_text
from pbgraph.plans.search.ledger import Candidate, Ledger
from pbgraph.plans.search.sampling import STARTUP, as_parameters
from pbgraph.plans.search.search import Search, Values, search_of
from pbgraph.plans.settings import parse_assignment
from pbgraph.results.arms import parse_arm
from pbgraph.results.tuning import Trial, append_trial, best_of, read_trials
from pbgraph.spaces import Choice, Whole

SEEDS = (0, 1, 2)


def search(arm="gin/backprop", *, task="tox21", trials=8, seeds=SEEDS, fixed=(), name="default") -> Search:
    return search_of(
        DATASETS.get(task),
        preset(name),
        parse_arm(arm),
        seeds=seeds,
        trials=trials,
        fixed=[parse_assignment(text) for text in fixed],
    )


def score(values: Values, seed: int) -> float:
    """Best with three layers and little dropout; seeds differ."""
    config = values.config
    return 0.8 - 0.01 * abs(config["layers"] - 3) - 0.1 * config["dropout"] + 0.001 * seed


def trial_of(ledger: Ledger, number: int, values: Values, scores, state="finished") -> Trial:
    search, spec = ledger.search, ledger.search.runs(values, 0)[-1]
    return Trial(
        task=spec.task,
        model=spec.model,
        method=spec.method,
        preset=spec.preset,
        split=spec.split,
        metric=spec.metric,
        seeds=search.seeds,
        recipe=search.recipe.key,
        number=number,
        state=state,
        config=values.config,
        settings=values.settings,
        changes=spec.changes,
        scores=tuple(scores),
        seconds=(1.0,) * len(scores),
        mean=mean(scores) if scores else None,
        versions=spec.versions,
    )


def do_one(ledger: Ledger, judge=score) -> Trial | None:
    """The next trial, from its proposal to its line."""
    ledger._looked = float("-inf")
    candidate = ledger.next()
    if candidate is None:
        return None
    trial = judged(ledger, candidate, judge)
    ledger.finish(trial)
    return trial


def judged(ledger: Ledger, candidate: Candidate, judge=score) -> Trial:
    """The trial of proposed settings, run until it is hopeless."""
    scores: list[float] = []
    for seed in ledger.search.seeds:
        scores.append(judge(candidate.values, seed))
        if ledger.hopeless(candidate.number, scores):
            break
    state = "finished" if len(scores) == len(ledger.search.seeds) else "pruned"
    return trial_of(ledger, candidate.number, candidate.values, scores, state)


def do_all(ledger: Ledger, judge=score) -> list[Trial]:
    while do_one(ledger, judge) is not None:
        pass
    return ledger.trials()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> list[Trial]:
    """What eight trials in one go come to."""
    return do_all(Ledger(search(), tmp_path_factory.mktemp("undisturbed")))


def test_the_first_trial_is_the_recipe_and_no_two_are_alike(undisturbed):
    recipe = search().recipe
    first = undisturbed[0]
    assert first.changes == {}
    assert first.config == {name: recipe.model_config[name] for name in MODELS.get("gin").space}
    assert first.settings == {name: recipe.settings[name] for name in METHODS.get("backprop").space}
    assert [trial.number for trial in undisturbed] == list(range(8))
    assert len({json.dumps([dict(trial.config), dict(trial.settings)]) for trial in undisturbed}) == 8


def test_every_setting_lies_in_its_range(undisturbed):
    for trial in undisturbed[1:]:
        assert all(MODELS.get("gin").space[name].holds(value) for name, value in trial.config.items())
        assert all(METHODS.get("backprop").space[name].holds(value) for name, value in trial.settings.items())


def test_a_search_learns_which_settings_are_good(tmp_path):
    trials = do_all(Ledger(search(trials=30), tmp_path))
    late = [trial.config["dropout"] for trial in trials[20:]]
    assert sum(late) / len(late) < 0.25  # drawn evenly from 0 to 0.6, 0.3 on the average
    assert best_of(trials, larger_is_better=True).mean > trials[0].mean


def test_an_error_is_made_small(tmp_path):
    ledger = Ledger(search(task="esol", trials=30), tmp_path)
    assert not ledger.search.larger_is_better
    trials = do_all(ledger, lambda values, seed: 1 - score(values, seed))
    best = best_of(trials, larger_is_better=False)
    assert best.mean == min(trial.mean for trial in trials if trial.state == "finished") < trials[0].mean
    late = [trial.config["dropout"] for trial in trials[20:]]
    assert sum(late) / len(late) < 0.25


def test_trials_that_fall_behind_are_given_up_and_count(tmp_path):
    trials = do_all(Ledger(search(trials=20), tmp_path))
    pruned = [trial for trial in trials if trial.state == "pruned"]
    assert pruned
    assert all(len(trial.scores) < 3 for trial in pruned)
    assert trials[0].state == "finished"  # nothing to compare with before


def test_a_trial_ends_where_it_is_further_behind_the_best_than_seeds_are_apart(tmp_path):
    drops = iter([0, 0.009, 0.011, -0.1, -0.0895])

    def judge(values, seed):  # the recipe 0.8, 0.81, 0.82: SD 0.01
        if seed == SEEDS[0]:
            judge.drop = next(drops)
        return 0.8 + 0.01 * seed - judge.drop

    ledger = Ledger(search(trials=5), tmp_path)
    trials = do_all(ledger, judge)
    assert [len(trial.scores) for trial in trials] == [3, 3, 1, 3, 1]
    assert [trial.state for trial in trials] == ["finished", "finished", "pruned", "finished", "pruned"]


def test_the_recipe_is_done_to_its_end_though_another_is_over_before(tmp_path):
    ledger = Ledger(search(trials=2), tmp_path)
    recipe, other = ledger.next(), ledger.next()
    assert (recipe.number, other.number) == (0, 1)
    ledger.finish(trial_of(ledger, 1, other.values, [0.9, 0.9, 0.9]))
    assert not ledger.hopeless(0, [0.5])


@pytest.mark.parametrize("hidden", [Choice(32, 64, 128, 512), Choice(64, 128), Whole(16, 256)])
def test_a_search_goes_on_where_its_space_has_become_another(tmp_path, hidden):
    do_all(Ledger(search(trials=5), tmp_path))
    other = search(trials=7)
    assert len(do_all(Ledger(replace(other, config={**other.config, "hidden": hidden}), tmp_path))) == 7


def test_a_preset_of_one_split_and_task_is_searched_on_these():
    on_scaffolds = replace(preset("default"), task="tox21", split="scaffold-balanced")
    arm = parse_arm("gin/backprop")
    assert search_of(DATASETS.get("tox21"), on_scaffolds, arm, seeds=SEEDS, trials=1).split == "scaffold-balanced"
    with pytest.raises(UsageError, match="is for task tox21, not for esol"):
        search_of(DATASETS.get("esol"), on_scaffolds, arm, seeds=SEEDS, trials=1)


def test_an_error_far_above_the_best_ends_a_trial_too(tmp_path):
    drops = iter([0, 0.009, 0.011])

    def judge(values, seed):
        if seed == SEEDS[0]:
            judge.drop = next(drops)
        return 0.8 + 0.01 * seed + judge.drop

    trials = do_all(Ledger(search(task="esol", trials=3), tmp_path), judge)
    assert [len(trial.scores) for trial in trials] == [3, 3, 1]


@pytest.mark.parametrize("stop_at", ["asked", "scored", "line written"])
@pytest.mark.parametrize("stopped_in", [0, 3, 7])
def test_a_killed_search_goes_on_as_if_it_had_not_been(tmp_path, undisturbed, stop_at, stopped_in):
    killed = Ledger(search(), tmp_path)
    for _ in range(stopped_in):
        do_one(killed)
    killed._looked = float("-inf")
    candidate = killed.next()
    if stop_at != "asked":
        killed.hopeless(candidate.number, [score(candidate.values, 0)])
    if stop_at == "line written":
        append_trial(killed.path, judged(killed, candidate))
    killed.close()  # as the system does with the locks of a process that dies
    assert do_all(Ledger(search(), tmp_path)) == undisturbed


def test_a_trial_in_progress_is_left_to_whoever_does_it(tmp_path, undisturbed):
    mine, theirs = Ledger(search(), tmp_path), Ledger(search(), tmp_path)
    first, second = mine.next(), theirs.next()
    assert (first.number, second.number) == (0, 1)
    assert first.values == mine.search.start != second.values
    mine.close()
    theirs._looked = float("-inf")
    assert theirs.next() == first  # taken over, since nobody does it any more
    theirs.close()


def test_two_processes_share_the_trials(tmp_path):
    ledgers = [Ledger(search(trials=9), tmp_path) for _ in range(2)]
    while [one for one in map(do_one, ledgers) if one is not None]:
        pass
    found = ledgers[0].trials()
    assert [trial.number for trial in found] == list(range(9))
    assert len(read_trials(ledgers[0].path)) == 9
    assert ledgers[0].missing == ledgers[1].missing == 0


@pytest.mark.parametrize("damage", ["deleted", "torn", "nonsense", "emptied"])
def test_the_journal_can_be_lost(tmp_path, undisturbed, damage):
    ledger = Ledger(search(), tmp_path)
    for _ in range(5):
        do_one(ledger)
    (journal,) = (ledger.path.parent / ".work").glob("*.journal")
    content = journal.read_bytes()
    match damage:
        case "deleted":
            journal.unlink()
        case "torn":
            journal.write_bytes(content[:-7])
        case "nonsense":
            journal.write_bytes(b"\x00" * 100)
        case "emptied":
            journal.write_bytes(b"")
    assert do_all(Ledger(search(), tmp_path)) == undisturbed


def test_lines_count_and_more_trials_go_on_from_them(tmp_path, undisturbed):
    do_all(Ledger(search(trials=3), tmp_path))
    again = Ledger(search(trials=3), tmp_path)
    assert again.missing == 0
    assert again.next() is None
    assert do_all(Ledger(search(), tmp_path)) == undisturbed


def test_a_line_that_was_taken_out_is_done_again(tmp_path, undisturbed):
    ledger = Ledger(search(), tmp_path)
    do_all(ledger)
    lines = ledger.path.read_bytes().splitlines(keepends=True)
    ledger.path.write_bytes(b"".join(lines[:-2]))
    assert do_all(Ledger(search(), tmp_path)) == undisturbed


def test_a_recipe_whose_line_was_taken_out_is_done_again(tmp_path):
    ledger = Ledger(search(trials=3), tmp_path)
    do_all(ledger)
    lines = ledger.path.read_bytes().splitlines(keepends=True)
    ledger.path.write_bytes(b"".join(lines[1:]))
    trials = do_all(Ledger(search(trials=3), tmp_path))
    assert [trial.number for trial in trials] == [0, 1, 2]
    assert trials[0].changes == {}


@pytest.mark.parametrize(
    "other",
    [
        {"seeds": (0, 1)},
        {"fixed": ["gin.layers=4"]},
        {"fixed": ["training.patience=7"]},
        {"name": "smoke"},
    ],
)
def test_another_search_has_lines_of_its_own_in_the_same_file(tmp_path, other):
    do_all(Ledger(search(trials=2), tmp_path))
    ledger = Ledger(search(trials=2, **other), tmp_path)
    assert ledger.missing == 2
    assert len(read_trials(ledger.path)) == 2


def test_a_line_that_breaks_off_is_noticed_and_dropped(tmp_path, undisturbed, caplog):
    ledger = Ledger(search(), tmp_path)
    do_all(Ledger(search(trials=4), tmp_path))
    whole = ledger.path.read_bytes()
    ledger.path.write_bytes(whole[:-30])
    assert len(ledger.trials()) == 3
    assert "line 4: it breaks off" in caplog.text
    assert do_all(ledger) == undisturbed
    assert len(read_trials(ledger.path)) == 8


def test_a_space_with_nothing_left_in_it_ends_the_search(tmp_path):
    fixed = ["random-forest.trees=100", "random-forest.class_weight=balanced"]
    ledger = Ledger(search("random-forest/fit", trials=50, fixed=fixed), tmp_path)
    trials = do_all(ledger, lambda values, seed: 0.8 + 0.01 * values.config["min_samples_leaf"])
    assert sorted(trial.config["min_samples_leaf"] for trial in trials) == [1, 2, 3, 4, 5]
    assert ledger.missing == 0


def test_the_recipe_may_lie_outside_of_the_space():
    paper = search(name="paper")
    assert paper.start.settings["epochs"] == 200
    near = as_parameters(paper, paper.start)
    assert (near["settings.epochs"], near["settings.weight_decay"]) == (60, 1e-5)
    assert near["settings.schedule"] == "constant"


@pytest.mark.parametrize("name", ["random-forest", "extra-trees"])
def test_what_only_classes_have_is_not_searched_of_regression(name):
    assert "class_weight" in search(f"{name}/fit").config
    found = search(f"{name}/fit", task="esol")
    assert "class_weight" not in found.config
    assert found.start.config.keys() == found.config.keys() == {"trees", "min_samples_leaf"}


@pytest.mark.parametrize("name", [name for name in MODELS if isinstance(MODELS.get(name), Architecture)])
def test_every_architecture_has_a_first_trial(name):
    """Its recipe's values, those of later fields too, which a spec at their defaults does not name."""
    found = search(f"{name}/backprop")
    start = found.start
    assert set(start.config) == set(searched(MODELS.get(name), MODELS.get(name).config(**found.recipe.model_config)))
    assert MODELS.get(name).config(**start.config)


def test_a_plan_of_a_preset_with_a_recipe_of_its_own_brings_that_along(tmp_path):
    mine = tmp_path / "mine.toml"
    mine.write_text('seeds = "68"\n[[arms]]\nmodel = "gin"\nmethod = "backprop"\n[recipe.training."*"]\nepochs = 7\n')
    ledger = Ledger(search(name=str(mine)), tmp_path)
    append_trial(ledger.path, trial_of(ledger, 0, ledger.search.start, [0.8, 0.8, 0.8]))
    (tmp_path / "best.toml").write_text(plan_text([ledger]))
    declared = read_plan(tmp_path / "best.toml")
    assert declared.recipe == preset(str(mine)).recipe
    assert declared.recipe.training == {"*": {"epochs": 7}}


def test_what_is_fixed_is_fixed_in_every_trial(tmp_path):
    chosen = search(trials=4, fixed=["gin.layers=4", "training.epochs=20"])
    assert "layers" not in chosen.config
    assert "epochs" not in chosen.settings
    for trial in do_all(Ledger(chosen, tmp_path), lambda values, seed: 0.8 - values.config["dropout"]):
        spec = chosen.runs(Values(trial.config, trial.settings), 1)[-1]
        assert (spec.model_config["layers"], spec.settings["epochs"], spec.seed, spec.split_seed) == (4, 20, 1, 1)
        assert spec.changes == trial.changes


@pytest.mark.parametrize(
    ("arm", "options", "message"),
    [
        ("gin/backprop", {"seeds": (0, 68)}, "seeds 68 belong to results"),
        ("gin/backprop", {"seeds": range(60, 80)}, "seeds 68-79 belong to results"),
        ("random-forest/continued", {}, "use method 'fit'"),
        ("gin/fit", {}, "use method 'backprop'"),
        ("random-forest/backprop", {}, "use method 'fit'"),
        ("ridge/fit", {}, "not for classification"),
        ("ridge/fit", {"task": "esol", "fixed": ["ridge.alpha=3"]}, "is fixed by --set"),
        ("gni/backprop", {}, "did you mean 'gin'"),
    ],
)
def test_what_cannot_be_searched_is_refused(arm, options, message):
    with pytest.raises(UsageError, match=message):
        search(arm, **options)


@pytest.mark.parametrize("method", ["continued", "widened", "widened-continued", "ensemble"])
def test_a_control_is_searched_beside_what_it_is_paired_with_under_the_same_values(method):
    chosen = search(f"trimnet/{method}", fixed=["perforated.init_scale=0.5"])
    values = replace(chosen.start, settings={**chosen.start.settings, "max_dendrites": 3, "learning_rate": 4e-3})
    pair, control = chosen.runs(values, 1)
    assert (pair.method, control.method, control.control_of) == ("perforated", method, pair.key)
    assert (pair.seed, control.seed, control.split_seed) == (1, 1, 1)
    assert pair.settings["max_dendrites"] == 3
    assert pair.settings["init_scale"] == 0.5
    assert pair.settings["learning_rate"] == control.settings["learning_rate"] == 4e-3
    assert set(chosen.settings) <= field_names(PerforatedSettings)


@pytest.mark.parametrize("method", ["gd-dendrites", "random-dendrites", "unperforated"])
def test_a_control_that_reads_nothing_of_its_pair_is_searched_alone(method):
    chosen = search(f"trimnet/{method}")
    (control,) = chosen.runs(chosen.start, 1)
    assert control.method == method
    planned = plan("tox21", models=["trimnet"], methods=[method], seeds=[1]).specs
    assert control in planned  # the same run, of the same key, as in a plan


def test_a_control_may_be_searched_by_what_its_pair_alone_has_though_it_reads_none_of_it(monkeypatch):
    other = replace(METHODS.get("continued"), reads_pair=False)
    monkeypatch.setitem(METHODS._loaded, "continued", other)
    chosen = search("gin/continued")
    assert chosen.start.settings["max_dendrites"] == chosen.preset.recipe.methods["perforated"]["max_dendrites"]
    assert [spec.method for spec in chosen.runs(chosen.start, 0)] == ["continued"]


def test_what_is_fixed_of_the_pair_is_not_searched():
    chosen = search("trimnet/continued", fixed=["perforated.cycle_epochs=10", "training.epochs=9"])
    assert not {"cycle_epochs", "epochs"} & set(chosen.settings)
    assert [spec.settings["epochs"] for spec in chosen.runs(chosen.start, 0)] == [9, 9]


def test_a_model_without_a_space_is_refused(monkeypatch):
    monkeypatch.setitem(MODELS._loaded, "gin", replace(MODELS.get("gin"), space={}))
    with pytest.raises(UsageError, match="model 'gin' has no space"):
        search()


def test_a_space_of_what_is_no_field_is_refused_with_model_and_field(monkeypatch):
    gin = MODELS.get("gin")
    monkeypatch.setitem(MODELS._loaded, "gin", replace(gin, space={"hiden": gin.space["hidden"]}))
    with pytest.raises(UsageError, match=r"model 'gin'.*'hiden'; did you mean 'hidden'"):
        search()


def test_the_best_becomes_a_plan_that_trains_with_its_settings(tmp_path):
    ledgers = [Ledger(search(arm, trials=6), tmp_path) for arm in ("gin/backprop", "gin/perforated")]
    for ledger in ledgers:
        do_all(ledger)
    path = tmp_path / "found.toml"
    path.write_text(plan_text(ledgers))
    declared = read_plan(path)
    assert (declared.task, declared.split, declared.seeds) == ("tox21", "random", (68, 69, 70))
    for ledger, row in zip(ledgers, declared.rows, strict=True):
        best = best_of(ledger.trials(), larger_is_better=True)
        assert {**row.config, **row.settings} == best.changes
        assert (row.search.file, row.search.trial) == (str(ledger.path), best.number)
        assert (row.search.trials, row.search.seeds) == (6, SEEDS)


def test_a_plan_on_seeds_of_the_search_is_refused():
    one = search()
    same = replace(one, preset=replace(one.preset, seeds=(2, 68)))
    with pytest.raises(UsageError, match="seeds 2 of preset 'default', which the search"):
        check_plan_can_be_run([same])


def test_a_plan_that_its_split_has_no_seeds_for_is_refused_before_the_search():
    on_folds = replace(search(), split="cv5x5")
    takes = "seeds 68-70 of preset 'default', and split 'cv5x5' takes 0-24; .* a plan file of seeds 3-24 as --preset"
    with pytest.raises(UsageError, match=takes):
        check_plan_can_be_run([on_folds])
    check_plan_can_be_run([replace(on_folds, preset=replace(on_folds.preset, seeds=(3, 24)))])


def test_all_searches_of_a_task_are_shown_and_become_one_plan(tmp_path, capsys):
    do_all(Ledger(search(trials=12), tmp_path))
    do_all(Ledger(search("gcn/backprop", trials=3), tmp_path), judge=lambda values, seed: 0.5)
    do_all(Ledger(search("gine/backprop", trials=2, fixed=["gine.hidden=32"]), tmp_path), judge=lambda *_: 0.5)
    words = ["tune", "tox21", "--found", "--results", str(tmp_path), "--write-plan", str(tmp_path / "tuned.toml")]
    assert bench.main(words) == 0
    said = capsys.readouterr()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in said.out.splitlines()[2:]]
    assert [row[:3] for row in rows] == [
        ["gcn/backprop", "0-2", "3"],
        ["gin/backprop", "0-2", "12"],
        ["gine/backprop", "0-2", "2"],
    ]
    assert rows[0][5:8] == ["0.5000", "0.5000", "+0.0000"]
    assert "left out of the plan: gine/backprop on seeds 0-2: it started from another recipe" in said.err
    declared = read_plan(tmp_path / "tuned.toml")
    assert [(row.model, row.label, row.search.trials) for row in declared.rows] == [
        ("gcn", "", 3),
        ("gin", "tuned", 12),
    ]
    assert bench.main([*words, "--models", "gine", "--set", "gine.hidden=32"]) == 0
    assert read_plan(tmp_path / "tuned.toml").rows[0].config == {"hidden": 32}
    assert bench.main(["tune", "tox21", "--found", "--results", str(tmp_path / "none")]) == 2
    assert bench.main(["tune", "tox21"]) == 2
    assert "say whose settings to search, with --models; or --found" in capsys.readouterr().err


def test_a_small_space_is_searched_to_its_end(tmp_path):
    """TPE proposes what it has tried; the points that are left are drawn at random, until there is none."""
    fixed = ["training.epochs=2", "training.batch_size=32", "training.learning_rate=1e-3", "training.weight_decay=0.01"]
    fixed += ["gin.dropout=0.5", "gin.readout=sum", "training.schedule=cosine"]
    chosen = search(trials=20, fixed=fixed)
    points = len(MODELS.get("gin").space["hidden"].values)
    layers = MODELS.get("gin").space["layers"]
    trials = do_all(Ledger(chosen, tmp_path), lambda values, seed: 0.8 - 0.01 * values.config["layers"])
    assert STARTUP < len(trials) == points * (layers.high - layers.low + 1)
    assert len({tuple(sorted(trial.config.items())) for trial in trials}) == len(trials)
