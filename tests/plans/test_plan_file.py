from __future__ import annotations

import pytest

from made_records import arms
from pbgraph.errors import UsageError
from pbgraph.plans.declaration import FoundBy, Preset, Study
from pbgraph.plans.plan import plan, plan_study
from pbgraph.plans.plan_file import read_plan
from pbgraph.plans.plan_text import plan_text, seed_lines
from pbgraph.plans.presets import preset, presets, studies
from pbgraph.plans.settings import parse_assignment

WIDER = """
task = "tox21"
split = "random"
preset = "paper"
seeds = "68-72"
margin = 0.01

[[arms]]
model = "trimnet"
method = "backprop"

[[arms]]
model = "trimnet"
method = ["backprop", "perforated", "continued"]
label = "wide"
config = { hidden = 64 }
settings = { epochs = 60 }
"""


@pytest.fixture
def read(tmp_path):
    def read(text, name="wider.toml"):
        (tmp_path / name).write_text(text)
        return read_plan(tmp_path / name)

    return read


def planned(declared):
    return plan(declared.task or "tox21", declared)


def test_a_plan_file_says_rows_seeds_split_and_margin(read):
    declared = read(WIDER)
    made = planned(declared)
    assert (declared.name, made.seeds, made.split, made.margin) == ("wider", (68, 69, 70, 71, 72), "random", 0.01)
    assert list(map(str, made.arms)) == [
        "trimnet/backprop",
        "trimnet/backprop:epochs=60,hidden=64",
        "trimnet/perforated:epochs=60,hidden=64",
        "trimnet/continued:epochs=60,hidden=64",
    ]
    assert set(made.labels.values()) == {"trimnet · wide"}
    assert {spec.preset for spec in made.specs} == {"paper"}


AGAIN = """
seeds = "68-71"
reinitialised = "68-69"
[[arms]]
model = "gin"
method = ["backprop", "perforated", "continued"]
"""


def test_some_splits_are_trained_on_again_from_another_initialisation(read):
    declared = read(AGAIN)
    made = planned(declared)
    gin = [spec for spec in made.specs if spec.method == "backprop"]
    assert [(spec.seed, spec.split_seed) for spec in gin] == [
        *((seed, seed) for seed in range(68, 72)),
        (1068, 68),
        (1069, 69),
    ]
    by_key = {spec.key: spec for spec in made.specs}
    assert all(by_key[spec.control_of].seed == spec.seed for spec in made.specs if spec.control_of)
    assert {spec.key for spec in planned(read(plan_text(made))).specs} == set(by_key)
    (second,) = plan("tox21", declared, seeds=[1069], methods=["backprop"]).specs
    assert (second.seed, second.split_seed) == (1069, 69)
    assert {spec.key for spec in planned(read(AGAIN.replace('reinitialised = "68-69"', ""))).specs} < set(by_key)


@pytest.mark.parametrize(
    ("seeds", "again", "said"),
    [
        ("68-71", "70-72", r"wider.toml, line 2: seeds 72 are none of the plan's, 68-71; name some of these"),
        ("68,1068", "68", "second initialisations have seeds 1068, which are the plan's already"),
    ],
)
def test_second_initialisations_are_on_splits_of_the_plan(read, seeds, again, said):
    with pytest.raises(UsageError, match=said):
        read(f'seeds = "{seeds}"\nreinitialised = "{again}"\n[[arms]]\nmodel = "gin"\nmethod = "backprop"\n')


def test_second_initialisations_alone_are_no_plan_file(read):
    made = plan("tox21", read(AGAIN), seeds=[70, 1069])
    with pytest.raises(UsageError, match="name 69 as well"):
        plan_text(made)


def test_a_split_without_a_seed_has_no_second_initialisation(read):
    with pytest.raises(UsageError, match="split scaffold takes no seed: every seed is another initialisation"):
        plan("tox21", read(AGAIN), split="scaffold")


def test_its_runs_are_those_of_the_same_settings_on_the_command_line(read):
    settings = [parse_assignment(text) for text in ("trimnet.hidden=64", "training.epochs=60")]
    by_words = plan("tox21", "paper", models=["trimnet"], seeds=range(68, 73), settings=settings)
    assert {spec.key for spec in by_words.specs} < {spec.key for spec in planned(read(WIDER)).specs}


def test_seeds_rows_and_recipe_are_those_of_the_preset_it_is_based_on(read):
    declared = read('preset = "smoke"\n[[arms]]\nmodel = "gin"\nmethod = "backprop"\n')
    (spec,) = planned(declared).specs
    assert (spec.seed, spec.preset, spec.settings["epochs"]) == (68, "smoke", 2)


def test_without_arms_it_has_those_of_the_preset_that_it_names(read):
    declared = read('preset = "smoke"\nseeds = "70"\nsplit = "scaffold-balanced"\n')
    assert declared.rows == preset("smoke").rows
    assert {(spec.seed, spec.preset, spec.split) for spec in planned(declared).specs} == {
        (70, "smoke", "scaffold-balanced")
    }


def test_what_is_said_for_any_network_holds_where_nothing_else_is_said_for_one(read):
    declared = read(
        'seeds = "70"\n[[arms]]\nmodel = "gin"\nmethod = "backprop"\n[[arms]]\nmodel = "gat"\nmethod = "backprop"\n'
        '[recipe.training."*"]\nepochs = 7\nbatch_size = 16\n[recipe.training.gat]\nepochs = 3\n'
    )
    settings = {spec.model: spec.settings for spec in planned(declared).specs}
    assert {model: (own["epochs"], own["batch_size"]) for model, own in settings.items()} == {
        "gin": (7, 16),
        "gat": (3, 16),
    }


def test_a_recipe_of_its_own_has_its_name(read):
    declared = read('seeds = [68, "70-71"]\n[[arms]]\nmodel = "gin"\nmethod = "backprop"\n[recipe.every]\nepochs = 3\n')
    specs = planned(declared).specs
    assert [spec.seed for spec in specs] == [68, 70, 71]
    assert {(spec.preset, spec.settings["epochs"]) for spec in specs} == {("wider", 3)}


def test_a_search_is_noted_with_its_row(read):
    search = 'search = { file = "trials.jsonl", trial = 7, trials = 20, seeds = "0-2" }'
    (row,) = read(f'seeds = "68"\n[[arms]]\nmodel = "gin"\nmethod = "backprop"\n{search}\n').rows
    assert row.search == FoundBy("trials.jsonl", 7, 20, (0, 1, 2))


def test_growth_is_set_for_what_a_control_is_paired_with_too(read):
    declared = read(
        'preset = "paper"\nseeds = "68"\n'
        '[[arms]]\nmodel = "trimnet"\nmethod = "widened"\nsettings = { max_dendrites = 3 }\n'
        '[[arms]]\nmodel = "trimnet"\nmethod = "continued"\nsettings = { continued = { epochs = 9 } }\n'
    )
    assert [str(spec.arm) for spec in planned(declared).specs] == [
        "trimnet/perforated:max_dendrites=3",
        "trimnet/widened:perforated.max_dendrites=3",
        "trimnet/perforated",
        "trimnet/continued:continued.epochs=9",
    ]


def test_a_study_is_a_file_with_parts(read):
    text = (
        'summary = "sizes"\nseeds = "68"\n[[arms]]\nmodel = "gin"\nmethod = "backprop"\n'
        "[recipe.models.gin]\nlayers = 2\n[recipe.every]\nepochs = 2\n"
        '[[parts]]\nname = "small"\nsummary = "a"\nrecipe.models.gin = { hidden = 8 }\n'
        '[[parts]]\nname = "large"\nsummary = "b"\n[parts.recipe]\nmodels.gin = { hidden = 16 }\n'
    )
    declared = read(text, "sizes.toml")
    assert isinstance(declared, Study)
    specs = plan_study("tox21", declared).specs
    assert [(spec.preset, spec.model_config["hidden"], spec.model_config["layers"]) for spec in specs] == [
        ("sizes-small", 8, 2),
        ("sizes-large", 16, 2),
    ]
    assert specs[0].settings["epochs"] == 2


SEARCHED = 'search = { file = "a.jsonl", trial = 1, trials = 2, seeds = "0-2" }\n'


def test_folds_of_cross_validation_are_run_all(tmp_path):
    path = tmp_path / "folds.toml"
    path.write_text(f'task = "tox21"\nsplit = "cv5x5"\nseeds = "0-24"\n{ARM}')
    assert {(spec.split, spec.split_seed) for spec in plan("tox21", str(path)).specs} == {
        ("cv5x5", fold) for fold in range(25)
    }
    for split, seeds, more, said in (
        ("scaffold-balanced", "0-24", "", "line 3: seeds 0-9 are development seeds"),
        ("cv5x5", "0-24", SEARCHED, "line 5: the settings of gin were searched on seeds 0-2, and the plan runs 0-2"),
        ("cv5x5", "20-30", "", "line 3: split cv5x5 takes seeds 0-24, and not 25-30; write seeds = .0-24., or some"),
        ("cv5X5", "0-24", "", "line 2: unknown split 'cv5X5'; did you mean 'cv5x5'"),
    ):
        path.write_text(f'task = "tox21"\nsplit = "{split}"\nseeds = "{seeds}"\n{ARM}{more}')
        with pytest.raises(UsageError, match=said):
            read_plan(path)
    path.write_text(f'preset = "answer"\nsplit = "cv5x5"\n{ARM}')
    with pytest.raises(UsageError, match="split cv5x5 takes seeds 0-24, and not 68-117"):
        read_plan(path)


ARM = '[[arms]]\nmodel = "gin"\nmethod = "backprop"\n'
BACKPROP, TWICE = '"backprop"', '["backprop", "perforated", "backprop"]'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("seeds = ", "is not TOML"),
        ('seeds = "68"\n', "line 1: it names no arm"),
        (f'seeds = "68"\n{ARM}{ARM}', "line 6: arm gin/backprop is there twice"),
        (f'seeds = "68"\n{ARM}label = "a"\n{ARM}label = "b"\n', "once labelled 'a' and once labelled 'b'"),
        (
            f'seeds = "68"\n{ARM}label = "a"\nconfig = {{ hidden = 3 }}\n{ARM}label = "a"\n',
            "two variants of gin/backprop",
        ),
        (f'seeds = "2-5"\n{ARM}', "line 1: seeds 2-5 are development seeds"),
        (f'seeds = "70-68"\n{ARM}', "line 1: seeds 70-68 run backwards"),
        (f"seeds = [1.5]\n{ARM}", "line 1: seeds is"),
        (f'sedes = "68"\n{ARM}', "line 1: unknown key 'sedes'; did you mean 'seeds'"),
        (f'seeds = "68"\nmargin = -1\n{ARM}', "line 2: margin is -1; expected a number above 0"),
        (f'seeds = "68"\nmargin = inf\n{ARM}', "line 2: margin is inf"),
        (f'seeds = "68"\nprimary = "gin/backprop"\n{ARM}', "line 2: 'gin/backprop' is no comparison; expected two"),
        (f'seeds = "68"\nprimary = ["gin/backprop"]\n{ARM}', "line 2: .'gin/backprop'. is no comparison"),
        (f'name = "smoke"\npreset = "smoke"\nmargin = 1\n{ARM}', "line 3: a plan of preset smoke's runs that judges"),
        (f'seeds = "68"\nsecondary = "gin"\n{ARM}', "line 2: secondary is 'gin'; expected a list of pairs"),
        (f'seeds = "68"\nsecondary = [["gin/backprop"]]\n{ARM}', "line 2: .'gin/backprop'. is no comparison"),
        (f'seeds = "68"\nprimary = ["gin", "gcn"]\n{ARM}', "line 2: arm 'gin' is not MODEL/METHOD"),
        (f'seeds = "68"\nprimary = ["gin/backprop", "gin/backprop"]\n{ARM}', "compares gin/backprop with itself"),
        (
            f'seeds = "68"\nprimary = ["gin/backprop", "gin/perforated"]\n{ARM}',
            "line 2: the plan has no arm gin/perforated; it has gin/backprop",
        ),
        (f'seeds = "68"\npreset = "defualt"\n{ARM}', "line 2: unknown preset 'defualt'; did you mean 'default'"),
        (f'seeds = "68"\npreset = "smoke"\n{ARM}[recipe]\n', "line 2: a plan has a .recipe. of its own or"),
        (f"{ARM}[recipe.every]\nepochs = 2\n", "seeds are missing"),
        ('seeds = "68"\n[[arms]]\nmodel = "gin"\n', "line 2: method is missing"),
        ('seeds = "68"\n[[arms]]\nmethod = "backprop"\n', "line 2: model is missing"),
        (f'seeds = "68"\n{ARM.replace(BACKPROP, TWICE)}', "line 4: method names 'backprop' twice; leave one out"),
        (f'seeds = "68"\nmargin = 1e300\n{ARM}', "line 2: margin is 1e.300; expected a number above 0 and below 1e100"),
        (f'seeds = "68"\n{ARM}label = ""\n', "line 5: label is ''; expected a text"),
        (f'seeds = "68"\n{ARM}search = {{ file = "x", trials = 2, seeds = "0-2" }}\n', "line 5: trial is missing"),
        (f'seeds = "68"\npreset = 3\n{ARM}', "line 2: preset is 3; expected a text$"),
        ('seeds = "68"\narms = 3\n', "line 2: arms is 3; expected tables"),
        (f'seeds = "68"\n{ARM}config = 3\n', "line 5: config is 3; expected a table"),
        (f'seeds = "68"\n{ARM}colour = "red"\n', "line 5: unknown key 'colour'"),
        (f'seeds = "68"\n{ARM}label = "a/b"\n', "line 5: an arm is called 'a/b'"),
        (f'seeds = "68"\n{ARM}search = {{ file = "x", trial = 1, trials = 2, seeds = "60-70" }}\n', "runs 68 of them"),
        (f'seeds = "68"\n{ARM}search = {{ file = "x", trial = 1, seeds = "0-2" }}\n', "line 5: trials are missing"),
        (f'name = "a/b"\nseeds = "68"\n{ARM}', "line 1: the plan is called"),
        (f'seeds = "68"\n{ARM}[seconds]\ngin = 3\n', "line 6: arm 'gin' is not MODEL/METHOD"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_with_file_and_line(read, text, said):
    with pytest.raises(UsageError, match=f"wider.toml.*{said}") as error:
        read(text)
    assert str(error.value).count("wider.toml, line") <= 1


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ('model = "gim"\nmethod = "backprop"', "line 3: unknown model 'gim'; did you mean 'gin'"),
        ('model = "gin"\nmethod = ["backprop", "perforate"]', "line 4: unknown method 'perforate'"),
        ('model = "gin"\nmethod = "backprop"\nconfig = { hiden = 3 }', "line 5: unknown setting 'gin.hiden'"),
        ('model = "gin"\nmethod = "backprop"\nconfig = { hidden = "3" }', "line 5: gin.hidden=3: expected a whole"),
        ('model = "gin"\nmethod = "backprop"\n[arms.settings]\n\nepochs = 1.5', "line 7: training.epochs=1.5"),
        ('model = "gin"\nmethod = "backprop"\nsettings = { max_dendrites = 3 }', "unknown setting 'max_dendrites'"),
        ('model = "gin"\nmethod = "backprop"\nsettings = { perforated = { pool = 3 } }', "no planned arm takes it"),
    ],
)
def test_what_is_wrong_with_a_row_is_said_with_file_and_line(read, row, said):
    declared = read(f'seeds = "68"\n[[arms]]\n{row}\n')
    with pytest.raises(UsageError, match=f"wider.toml, .*{said}"):
        planned(declared)


def test_a_plan_for_one_task_is_for_no_other(read):
    with pytest.raises(UsageError, match=r"wider.toml, line 2: it is for task tox21, not for esol"):
        plan("esol", read(WIDER))


def test_a_file_that_is_not_there_and_a_folder_are_errors(tmp_path):
    for path in (tmp_path / "absent.toml", tmp_path):
        with pytest.raises(UsageError, match="cannot be read"):
            read_plan(path)


@pytest.mark.parametrize("name", presets())
def test_a_preset_comes_back_from_what_is_written_of_its_plan(read, name):
    made = plan("tox21", name)
    assert planned(read(plan_text(made))).specs == made.specs


@pytest.mark.parametrize("name", studies())
def test_a_study_comes_back_from_what_is_written_of_its_plan(read, name):
    made = plan_study("tox21", name)
    again = read(plan_text(made), f"{name}.toml")
    assert plan_study("tox21", again).specs == made.specs


@pytest.mark.parametrize(
    "settings",
    [
        ["trimnet.hidden=64"],
        ["perforated.max_dendrites=3", "training.epochs=10", "continued.epochs=5", "random-forest.trees=10"],
        ["perforated.dendrites_trainable=true", "training.learning_rate=1e-5", "gin.readout=sum"],
    ],
)
def test_variants_come_back_from_what_is_written_of_their_plan(read, settings):
    made = plan("tox21", settings=[parse_assignment(text) for text in settings], controls=True)
    assert planned(read(plan_text(made))).specs == made.specs
    wide = planned(read(WIDER))
    again = planned(read(plan_text(wide)))
    assert (again.specs, again.labels, again.margin) == (wide.specs, wide.labels, wide.margin)


def test_what_a_plan_is_made_for_comes_back_and_is_a_narrower_plans_where_it_has_both(read):
    text = f'seeds = "68"\nprimary = ["gin/perforated", "gin/backprop"]\n{ARM}'.replace(
        'method = "backprop"', 'method = ["backprop", "perforated"]'
    )
    made = plan("tox21", read(text))
    assert made.primary == arms("gin/perforated", "gin/backprop")
    assert plan("tox21", read(plan_text(made))).primary == made.primary
    assert plan("tox21", read(text), methods=["backprop"]).primary is None


def test_further_comparisons_come_back(read):
    other = ARM.replace("gin", "gcn")
    made = plan("tox21", read(f'seeds = "68"\nsecondary = [["gin/backprop", "gcn/backprop"]]\n{ARM}{other}'))
    assert (made.primary, made.named) == (None, (arms("gin/backprop", "gcn/backprop"),))
    assert plan("tox21", read(plan_text(made))).named == made.named


def test_a_preset_may_be_named_by_its_file(read, tmp_path):
    read(WIDER)
    named = preset(str(tmp_path / "wider.toml"))
    assert isinstance(named, Preset)
    assert named.task == "tox21"


@pytest.mark.parametrize("loss", ["bce", "plain"])
def test_a_loss_is_read_in_both_spellings_and_written_in_one(read, loss):
    mine = f'preset = "paper"\n[[arms]]\nmodel = "trimnet"\nmethod = "backprop"\nsettings = {{ loss = "{loss}" }}\n'
    made = plan("tox21", read(mine))
    assert {spec.changes["loss"] for spec in made.specs} == {"plain"}
    assert 'settings = { loss = "bce" }' in plan_text(made)
    recipe = f'seeds = "68"\n[recipe]\nloss = {{ classification = {{ gin = "{loss}" }} }}\n{ARM}'
    assert {spec.settings["loss"] for spec in plan("tox21", read(recipe)).specs} == {"plain"}


def test_second_initialisations_are_written_as_what_they_are():
    answer = preset("answer")
    assert list(seed_lines(answer.seeds, answer.again)) == ['seeds = "68-117"', 'reinitialised = "68-87"']


def test_whose_searches_a_recipe_is_of_is_written_with_it(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(f'task = "tox21"\nseeds = "68"\nsearched_as = "default"\n{ARM}[recipe.every]\nepochs = 2\n')
    again = tmp_path / "again.toml"
    again.write_text(plan_text(plan("tox21", str(path))))
    assert read_plan(path).searched_as == read_plan(again).searched_as == "default"
