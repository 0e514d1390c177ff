from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from pbgraph.errors import PbgraphError, UsageError
from pbgraph.methods.base import METHODS
from pbgraph.models.base import MODELS, Architecture, Estimator
from pbgraph.plans import resolve as resolving
from pbgraph.plans.declaration import DEVELOPMENT_SEEDS, Preset, Recipe, Row
from pbgraph.plans.plan import plan, plan_study
from pbgraph.plans.presets import preset, presets, studies, study
from pbgraph.plans.settings import parse_assignment
from pbgraph.splits import SPLITS


def shown(made):
    return list(map(str, made.arms))


def arms(*arguments, **options):
    return shown(plan("tox21", *arguments, **options))


@pytest.mark.parametrize("name", [*presets(), "compression-1k"])
def test_every_preset_can_be_planned_and_says_what_it_resolves(name):
    made = plan("tox21", name)
    planned = tuple(dict.fromkeys(arm.plain for arm in made.arms if arm.model != "features-only"))
    not_here = {refusal.arm for refusal in made.refused if "is not installed" in refusal.reason}
    assert planned == tuple(arm for arm in preset(name).arms if arm not in not_here)
    assert len(made.specs) == len(made.arms) * len(preset(name).seeds)
    assert len({spec.key for spec in made.specs}) == len(made.specs)
    for spec in made.specs:
        assert set(spec.versions) == {"task", "split", "featuriser", "model", "method", "metric"}
        assert METHODS.get(spec.method).settings(**spec.settings)
    base = plan("tox21", preset(name).recipe.name)  # that of the preset it is based on, if on one
    arms = [*made.arms, *base.arms, *(refusal.arm for refusal in base.refused)]
    assert set(preset(name).seconds) <= {one for arm in arms for one in (arm, arm.plain)}


def test_presets_are_the_declared_ones():
    assert preset("smoke").seeds == (68,)
    assert preset("default").seeds == (68, 69, 70)
    assert preset("paper").seeds == tuple(range(68, 118))
    assert {arm.method for arm in preset("smoke").arms} == {"backprop", "perforated"}


def test_the_answer_has_every_control_and_names_what_it_compares():
    answer = preset("answer")
    assert {arm.method for arm in answer.arms if arm.model == "trimnet"} == set(METHODS) - {"fit"}
    assert len(answer.seeds) == 50 + 20
    assert not set(answer.seeds) & set(DEVELOPMENT_SEEDS)
    assert {answer.split_seed(seed) for seed in answer.again} == set(range(68, 88))
    assert answer.margin == 0.01
    assert list(map(str, answer.primary)) == ["trimnet/perforated", "trimnet/continued"]
    planned = plan("tox21", "answer")
    assert {arm for pair in answer.secondary for arm in pair} <= set(planned.arms)
    assert {spec.preset for spec in planned.specs} == {"answer"}
    with pytest.raises(UsageError, match="esol"):
        plan("esol", "answer")


def test_the_answer_by_cross_validation_has_its_recipe_and_its_primary_comparison():
    answer, folds = preset("answer"), preset("answer-cv5x5")
    assert (folds.recipe, folds.primary, folds.margin) == (answer.recipe, answer.primary, answer.margin)
    assert (folds.split, folds.seeds, folds.again) == ("cv5x5", tuple(range(25)), frozenset())
    there = {spec.arm: (spec.settings, spec.model_config) for spec in plan("tox21", "answer").specs}
    for spec in plan("tox21", "answer-cv5x5").specs:
        assert (spec.settings, spec.model_config) == there[spec.arm]


def test_the_registry_has_every_model_of_the_task_and_each_network_with_its_control():
    registry = preset("registry")
    networks = {name for name in MODELS.names() if isinstance(MODELS.get(name), Architecture)} - {"features-only"}
    fitted = {name for name in MODELS.names() if isinstance(MODELS.get(name), Estimator)} - {"ridge"}
    assert {(arm.model, arm.method) for arm in registry.arms} == {
        *((name, method) for name in networks for method in ("backprop", "perforated", "continued")),
        *((name, "fit") for name in fitted),
    }
    assert not set(registry.seeds) & set(DEVELOPMENT_SEEDS)
    by_scaffold = preset("registry-scaffold")
    assert (by_scaffold.arms, by_scaffold.split) == (registry.arms, "scaffold-balanced")
    for task in ("bace", "esol"):
        assert {spec.arm.model for spec in plan(task, "registry-others").specs} == {
            *("trimnet", "gin", "d-mpnn", "random-forest", "lightgbm")
        }


def test_the_papers_fifty_splits_come_in_two_batches():
    whole = {spec.key for spec in plan("tox21", "paper").specs}
    first, second = ({spec.key for spec in plan("tox21", f"paper-{part}").specs} for part in ("first", "second"))
    assert first | second == whole
    assert not first & second


def test_a_plan_is_the_same_each_time():
    assert plan("tox21") == plan("tox21")


def test_seeds_are_of_split_and_initialisation_where_the_split_takes_one():
    random, scaffold = plan("tox21", seeds=[5, 6, 5]), plan("tox21", seeds=[5, 6], split="scaffold")
    assert SPLITS.get("random").seeded
    assert not SPLITS.get("scaffold").seeded
    assert {(spec.seed, spec.split_seed) for spec in random.specs} == {(5, 5), (6, 6)}
    assert {(spec.seed, spec.split_seed) for spec in scaffold.specs} == {(5, None), (6, None)}
    assert {spec.split for spec in scaffold.specs} == {"scaffold"}


def test_a_control_is_paired_with_the_run_of_its_model_split_and_seed():
    specs = plan("tox21").specs
    by_key = {spec.key: spec for spec in specs}
    controls = [spec for spec in specs if spec.method == "continued"]
    assert len(controls) == 3
    for control in controls:
        pair = by_key[control.control_of]
        assert (pair.method, pair.model, pair.seed, pair.split) == ("perforated", control.model, control.seed, "random")


OWN_HEAD = (
    "trimnet/backprop:batch_size=128,depth=2,dropout=0.2,epochs=40,features=graph,head=own,head_rate=1.0,heads=4,"
    "hidden=32,learning_rate=0.002,patience=40,weight_decay=0.01"
)
ALONE = "features-only/backprop:features=graph+descriptors+neighbours"


def test_a_control_brings_its_pair_along():
    assert arms(models=["trimnet"], methods=["continued"]) == ["trimnet/perforated", "trimnet/continued", ALONE]


def test_arms_are_chosen_by_either_name_or_both():
    trimnet = ["trimnet/backprop", "trimnet/perforated", "trimnet/continued"]
    assert arms(models=["trimnet"]) == [*trimnet, OWN_HEAD, ALONE]
    assert arms(methods=["backprop"]) == ["gin/backprop", "trimnet/backprop", OWN_HEAD, ALONE]
    assert arms(models=["gin", "trimnet"], methods=["perforated"]) == ["gin/perforated", "trimnet/perforated", ALONE]
    assert arms(models=["gin"]) == ["gin/backprop"]


def test_all_is_every_registered_name():
    made = plan("tox21", "smoke", models=["gin"], methods=["all"])
    assert {arm.method for arm in made.arms} == set(METHODS.names()) - {"fit"}
    assert [str(refused.arm) for refused in made.refused] == ["gin/fit"]
    everything = plan("tox21", "smoke", models=["all"])
    listed = [*everything.arms, *(refused.arm for refused in everything.refused)]
    assert {arm.model for arm in listed} == set(MODELS.names())
    assert {str(refused.arm) for refused in everything.refused} <= {"ridge/fit", "xgboost/fit"}


def test_a_model_that_the_preset_lacks_is_combined_with_its_methods():
    made = plan("tox21", "smoke", models=["gin", "random-forest"])
    assert shown(made) == ["gin/backprop", "gin/perforated", "random-forest/fit"]
    assert not made.refused


def test_a_model_whose_package_is_not_installed_is_reported_with_what_to_do(monkeypatch):
    monkeypatch.setattr("pbgraph.models.base.find_spec", lambda name: None)
    made = plan("tox21", "smoke", models=["gin", "xgboost"])
    assert shown(made) == ["gin/backprop", "gin/perforated"]
    (refused,) = made.refused
    assert str(refused.arm) == "xgboost/fit"
    assert "pip install -e '.[boost]'" in refused.reason


def test_what_cannot_be_combined_is_reported_with_the_reason():
    made = plan("tox21", models=["random-forest", "gin"], methods=["backprop"])
    assert shown(made) == ["gin/backprop"]
    (refused,) = made.refused
    assert str(refused.arm) == "random-forest/backprop"
    assert "fit" in refused.reason
    with pytest.raises(UsageError, match=r"nothing to run: random-forest/backprop: .*'fit'"):
        plan("tox21", models=["random-forest"], methods=["backprop"])


@pytest.mark.parametrize(
    ("options", "nearest"),
    [
        ({"dataset": "tox12"}, "tox21"),
        ({"declared": "defualt"}, "default"),
        ({"models": ["trimmnet"]}, "trimnet"),
        ({"models": ["trimnet", "gni"]}, "gin"),
        ({"methods": ["back-prop"]}, "backprop"),
        ({"split": "scafold"}, "scaffold"),
    ],
)
def test_a_misspelt_name_gets_the_nearest_valid_one(options, nearest):
    with pytest.raises(UsageError, match=f"did you mean '{nearest}'"):
        plan(**{"dataset": "tox21", **options})


def test_settings_of_model_and_method_override_defaults():
    training, methods = {"trimnet": {"epochs": 7, "patience": 3}}, {"perforated": {"epochs": 9}}
    special = replace(preset("smoke"), recipe=Recipe("special", training=training, methods=methods))
    settings = {spec.method: spec.settings for spec in plan("tox21", special, models=["trimnet"]).specs}
    assert (settings["backprop"]["epochs"], settings["backprop"]["patience"]) == (7, 3)
    assert (settings["perforated"]["epochs"], settings["perforated"]["patience"]) == (9, 3)
    assert settings["backprop"]["batch_size"] == METHODS.get("backprop").settings().batch_size


def _gin(**recipe):
    return Preset("wrong", "", (Row("gin", ("backprop",)),), (68,), Recipe("wrong", **recipe))


def test_an_override_of_a_field_that_is_not_there_is_an_error():
    with pytest.raises(UsageError, match=r"unknown setting 'backprop\.epochz'; did you mean 'backprop\.epochs'"):
        plan("tox21", _gin(training={"gin": {"epochz": 3}}))
    with pytest.raises(UsageError, match=r"gin\.layers=two: expected a whole number"):
        plan("tox21", _gin(models={"gin": {"layers": "two"}}))


def test_what_holds_for_every_run_is_stronger_than_what_a_model_or_a_method_has():
    made = _gin(training={"gin": {"epochs": 3}}, methods={"backprop": {"epochs": 4}}, every={"epochs": 5})
    assert plan("tox21", made).specs[0].settings["epochs"] == 5


def test_the_recipe_of_an_architecture_holds_unless_the_preset_says_otherwise(monkeypatch):
    gin = replace(MODELS.get("gin"), recipe={"epochs": 33, "batch_size": 16})
    monkeypatch.setitem(MODELS._loaded, "gin", gin)

    def epochs(**recipe):
        settings = plan("tox21", _gin(**recipe)).specs[0].settings
        return settings["epochs"], settings["batch_size"]

    assert epochs() == (33, 16)
    assert epochs(training={"*": {"epochs": 7, "batch_size": 8}}) == (33, 16)
    assert epochs(training={"gin": {"epochs": 7}}) == (7, 16)
    assert epochs(training={"*": {"epochs": 8, "batch_size": 8}, "gin": {"epochs": 7}}) == (7, 16)
    assert epochs(every={"epochs": 2}) == (2, 16)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"learning_rat": 1e-3}, "did you mean 'learning_rate'"),
        ({"learning_rate": -1.0}, "learning_rate is -1.0"),
    ],
)
def test_what_is_wrong_with_the_recipe_of_an_architecture_names_it(monkeypatch, wrong, said):
    monkeypatch.setitem(MODELS._loaded, "gin", replace(MODELS.get("gin"), recipe=wrong))
    with pytest.raises(UsageError, match=f"the recipe of model 'gin': .*{said}"):
        plan("tox21", _gin())


def test_seeds_are_whole_numbers():
    with pytest.raises(UsageError, match=r"seeds=\['68-69'\]: expected whole numbers, as in \[68, 69\]"):
        plan("tox21", "smoke", seeds=["68-69"])


def test_resolved_values_are_scalars():
    @dataclass(frozen=True)
    class Config:
        width: int = 3
        sizes: tuple[int, ...] = field(default=(1, 2))

    with pytest.raises(PbgraphError, match="sizes is a tuple"):
        resolving._filled("x", Config, {})


def test_a_control_that_grows_has_the_settings_of_its_pair():
    made = plan("tox21", "smoke", models=["trimnet"], methods=["perforated", "gd-dendrites", "widened"])
    settings = {spec.method: spec.settings for spec in made.specs}
    assert settings["gd-dendrites"] == settings["perforated"]
    assert settings["gd-dendrites"]["max_dendrites"] == 1
    assert "max_dendrites" not in settings["widened"]
    assert {spec.control_of for spec in made.specs[1:]} == {made.specs[0].key}


def test_controls_of_every_planned_method_are_added_with_their_pair():
    made = plan("tox21", "smoke", models=["trimnet"], controls=True)
    controls = {name for name in METHODS if METHODS.get(name).control_of == "perforated"}
    assert {arm.method for arm in made.arms} == {"backprop", "perforated"} | controls
    perforated = next(spec.key for spec in made.specs if spec.method == "perforated")
    assert {spec.control_of for spec in made.specs if spec.method in controls} == {perforated}
    assert arms("smoke", models=["random-forest"], controls=True) == ["random-forest/fit"]


@pytest.mark.parametrize("name", studies())
def test_a_study_is_its_presets_one_after_the_other(name):
    made = plan_study("tox21", name, seeds=[1])
    parts = [plan("tox21", one.name, seeds=[1]) for one in study(name).presets]
    assert made.specs == tuple(spec for part in parts for spec in part.specs)
    assert len({spec.key for spec in made.specs}) == len(made.specs)
    with pytest.raises(UsageError, match="compression"):
        plan_study("tox21", "compresion")


def test_the_loss_follows_the_kind_of_the_tasks():
    def losses(task, name):
        planned = plan(task, name, models=["gin", "trimnet"])
        return {spec.model: spec.settings["loss"] for spec in planned.specs if "loss" in spec.settings}

    assert losses("tox21", "paper") == {"gin": "plain", "trimnet": "class-weighted"}
    assert losses("esol", "paper") == {"gin": "squared-error", "trimnet": "squared-error"}


def test_a_preset_with_a_loss_for_other_tasks_is_refused():
    wrong = _gin(training={"gin": {"loss": "class-weighted"}})
    with pytest.raises(UsageError, match="'class-weighted' is for classification, and these are regression tasks"):
        plan("esol", wrong)
    assert plan("tox21", wrong).specs[0].settings["loss"] == "class-weighted"


def test_a_recipe_of_classes_leaves_regression_what_means_nothing_there():
    recipe = Recipe("balanced", models={"extra-trees": {"class_weight": "balanced", "trees": 20}})
    made = Preset("balanced", "", (Row("extra-trees", ("fit",)),), (68,), recipe)
    configs = {task: plan(task, made).specs[0].model_config for task in ("tox21", "esol")}
    assert (configs["tox21"]["class_weight"], configs["tox21"]["trees"]) == ("balanced", 20)
    assert (configs["esol"]["class_weight"], configs["esol"]["trees"]) == ("none", 20)
    assert plan("esol", "default", models=["extra-trees"]).specs[0].model_config["class_weight"] == "none"


def test_an_estimator_for_the_other_kind_is_refused_with_the_reason():
    def refused(task, model):
        return [one.reason for one in plan(task, "smoke", models=["gin", model], methods=["fit", "backprop"]).refused]

    assert "it is for classification, not for regression tasks" in refused("esol", "logistic-regression")
    assert "it is for regression, not for classification tasks" in refused("tox21", "ridge")


def test_the_control_without_graphs_stands_beside_networks_that_read_some():
    models = {
        name: [spec.arm.model for spec in plan("tox21", "smoke", models=[name], methods=["backprop"]).specs]
        for name in ("gin", "snn", "features-only")
    }
    assert models == {"gin": ["gin"], "snn": ["snn"], "features-only": ["features-only"]}
    described = [parse_assignment("gin.features=graph+descriptors"), parse_assignment("gin.head=packed")]
    made = plan("tox21", "smoke", models=["gin"], methods=["backprop"], settings=described)
    assert [spec.arm.model for spec in made.specs] == ["gin", "features-only"]
