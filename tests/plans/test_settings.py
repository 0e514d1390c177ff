from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from pbgraph.errors import UsageError
from pbgraph.fields import from_text, told, untold
from pbgraph.methods.base import METHODS as METHODS_BY_NAME
from pbgraph.methods.training import TrainSettings
from pbgraph.models.base import MODELS
from pbgraph.plans.plan import plan
from pbgraph.plans.plan_file import parsed_plan
from pbgraph.plans.resolve import assignments_of
from pbgraph.plans.settings import Assignment, assignment, parse_assignment
from pbgraph.results.arms import parse_arm

METHODS = ["backprop", "perforated", "continued", "widened", "widened-continued", "random-dendrites"]

GRAPHS = parsed_plan(
    """
    seeds = "68"
    arms = [
        { model = "random-forest", method = "fit" },
        { model = "gin", method = "backprop" },
        { model = "trimnet", method = ["backprop", "perforated", "continued"] },
    ]
    [recipe.training."*"]
    epochs = 40
    learning_rate = 2e-3
    [recipe.models]
    trimnet = { depth = 2 }
    """,
    Path("graphs.toml"),
)


def specs(*settings, models=("trimnet",), methods=METHODS, preset=GRAPHS):
    asked = [parse_assignment(text) for text in settings]
    return plan("tox21", preset, models=models, methods=methods, seeds=[0], settings=asked).specs


def names(*settings, **narrowed):
    return [str(spec.arm) for spec in specs(*settings, **narrowed)]


def test_a_setting_of_a_model_makes_a_variant_of_each_of_its_arms():
    assert names("trimnet.hidden=64", models=["gin", "trimnet"], methods=["backprop", "continued"]) == [
        "gin/backprop",
        "gin/perforated",
        "gin/continued",
        "trimnet/backprop:hidden=64",
        "trimnet/perforated:hidden=64",
        "trimnet/continued:hidden=64",
    ]


def test_a_setting_of_training_holds_for_every_method_that_trains():
    made = specs("training.epochs=7", models=["trimnet", "random-forest"], methods=["backprop", "continued", "fit"])
    assert [spec.settings.get("epochs") for spec in made] == [7, 7, 7, None]
    assert made[-1].changes == {}


def test_a_control_is_trained_as_what_it_is_paired_with():
    by_method = {spec.method: spec for spec in specs("perforated.epochs=60")}
    assert {name: spec.settings["epochs"] for name, spec in by_method.items()} == {
        **dict.fromkeys(METHODS, 60),
        "backprop": 40,
    }
    assert by_method["backprop"].changes == {}


def test_what_the_pair_of_a_control_has_otherwise_is_named():
    assert names("perforated.max_dendrites=3", "training.epochs=10")[2:4] == [
        "trimnet/continued:epochs=10,perforated.max_dendrites=3",
        "trimnet/widened:epochs=10,perforated.max_dendrites=3",
    ]
    assert names("continued.epochs=50", methods=["continued"]) == [
        "trimnet/perforated",
        "trimnet/continued:continued.epochs=50",
    ]


def test_two_variants_of_a_control_are_no_twins():
    mine = {spec.arm for spec in specs("perforated.max_dendrites=3", methods=["widened"])}
    assert not mine & {spec.arm for spec in specs(methods=["widened"])}


def test_what_is_set_to_the_value_of_the_recipe_changes_nothing():
    assert [spec.key for spec in specs("trimnet.depth=2", "training.learning_rate=2e-3")] == [
        spec.key for spec in specs()
    ]


@pytest.mark.parametrize(
    "settings",
    [
        (),
        ("trimnet.hidden=64",),
        ("perforated.max_dendrites=3", "training.epochs=10"),
        ("perforated.epochs=60", "continued.epochs=50"),
        ("widened.epochs=3",),
        ("random-dendrites.pool=4", "perforated.pool=2", "trimnet.dropout=0.1"),
        ("perforated.dendrites_trainable=true", "training.schedule=constant"),
        ("training.loss=class-weighted",),
    ],
)
def test_the_changes_of_a_spec_make_it_again(settings):
    for spec in specs(*settings):
        again = plan(
            "tox21", GRAPHS, models=[spec.model], methods=[spec.method], seeds=[0], settings=assignments_of(spec)
        ).specs
        assert spec in again


@pytest.mark.parametrize("loss", ["bce", "plain"])
def test_a_loss_that_was_once_called_otherwise_is_one_run_with_one_key(loss):
    by_default = specs()
    assert specs(f"training.loss={loss}") == by_default
    assert {spec.settings["loss"] for spec in by_default} == {"plain"}
    changed = specs(f"training.loss={loss}", preset="paper", methods=["backprop"])[0]
    assert (changed.settings["loss"], changed.changes) == ("plain", {"loss": "plain"})
    assert str(changed.arm) == "trimnet/backprop:loss=bce"
    assert changed.arm == parse_arm(f"trimnet/backprop:loss={loss}")
    assert [str(one) for one in assignments_of(changed)] == ["backprop.loss=bce"]
    assert TrainSettings(loss=loss).loss == METHODS_BY_NAME.get("backprop").settings(**changed.settings).loss == "bce"


@pytest.mark.parametrize("loss", ["bce", "plain"])
def test_what_the_pair_of_a_control_has_otherwise_is_named_in_one_spelling(loss):
    asked = [f"perforated.loss={loss}", "continued.loss=class-weighted"]
    control = specs(*asked, preset="paper", methods=["continued"])[-1]
    assert control.changes == {"perforated.loss": "plain"}
    assert str(control.arm) == "trimnet/continued:perforated.loss=bce"


def test_the_spelling_of_another_field_that_is_called_so_is_left_alone():
    @dataclass(frozen=True)
    class Config:
        loss: str = "plain"

    assert (told(Config, {"loss": "bce"}), untold(Config, {"loss": "plain"})) == ({"loss": "bce"}, {"loss": "plain"})
    assert from_text(Config, "loss", "plain", called="own.loss") == "plain"


def test_a_spec_without_changes_has_the_key_it_always_had():
    spec = specs(methods=["backprop"])[0]
    assert "changes" not in spec.said
    assert specs("trimnet.hidden=64", methods=["backprop"])[0].said["changes"] == {"hidden": 64}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("trimnet", "is not SCOPE.FIELD=VALUE"),
        ("trimnet.hidden", "is not SCOPE.FIELD=VALUE"),
        (".hidden=3", "is not SCOPE.FIELD=VALUE"),
        ("trimnett.hidden=3", "did you mean 'trimnet'"),
        ("trimnet.hiden=3", "unknown setting 'trimnet.hiden'; did you mean 'trimnet.hidden'"),
        ("training.rate=3", "unknown setting 'training.rate'"),
        ("trimnet.hidden=big", "trimnet.hidden=big: expected a whole number"),
        ("trimnet.hidden=1.5", "trimnet.hidden=1.5: expected a whole number"),
        ("training.learning_rate=nan", "expected a finite number"),
        ("training.learning_rate=inf", "expected a finite number"),
        ("training.schedule=linear", "expected one of constant, cosine"),
        ("perforated.dendrites_trainable=maybe", "expected true or false"),
        ("perforated.activation=tanh,relu", "without commas"),
        ("perforated.activation=", "not an empty one"),
    ],
)
def test_what_cannot_be_set_is_named(text, said):
    with pytest.raises(UsageError, match=said.replace("(", "\\(")):
        parse_assignment(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("training.learning_rate=-1", "backprop: setting learning_rate is -1.0; it must be more than 0"),
        ("trimnet.hidden=0", "trimnet: hidden is 0, expected at least 1"),
        ("trimnet.head_dropout=1", r"trimnet: head_dropout is 1.0, expected a probability"),
        ("training.learning_rate=0", "setting learning_rate is 0.0; it must be more than 0"),
        ("training.loss=squared-error", "is for regression"),
        ("perforated.activation=cosh", "activation"),
        ("perforated.activation=none", "activation"),
    ],
)
def test_a_value_out_of_range_is_refused_when_the_plan_is_made(text, said):
    with pytest.raises(UsageError, match=said):
        specs(text)


def test_a_setting_that_no_arm_takes_is_an_error():
    with pytest.raises(UsageError, match=r"gat\.hidden=8: no planned arm takes it"):
        specs("gat.hidden=8")


def test_values_that_have_a_type_are_checked_too():
    assert assignment("training", "learning_rate", 1) == Assignment("training", "learning_rate", 1.0)
    with pytest.raises(UsageError, match=r"trimnet\.hidden=64: expected a whole number"):
        assignment("trimnet", "hidden", "64")
    with pytest.raises(UsageError, match=r"trimnet\.hidden=True: expected a whole number"):
        assignment("trimnet", "hidden", True)


def test_what_a_config_of_another_package_refuses_is_said_with_its_name(monkeypatch):
    @dataclass(frozen=True)
    class Config(MODELS.get("gin").config):
        def __post_init__(self):
            if self.hidden > 7:
                raise ValueError("hidden above 7")

    monkeypatch.setitem(MODELS._loaded, "gin", replace(MODELS.get("gin"), config=Config))
    with pytest.raises(UsageError, match=r"^gin: hidden above 7$"):
        names("gin.hidden=8", models=["gin"], methods=["backprop"])
