"""Every conformance check accepts what is sound and rejects its mutant."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from torch import nn

import mutants_of_datasets
import mutants_of_estimators
import mutants_of_featurisers
import mutants_of_methods
import mutants_of_metrics
import mutants_of_splits
from mutants import MUTANTS, SOUND, Config, Sound
from pbgraph.datasets.base import Dataset
from pbgraph.datasets.load import read
from pbgraph.errors import UsageError
from pbgraph.features.base import FEATURISERS
from pbgraph.methods.base import METHODS
from pbgraph.metrics import METRICS
from pbgraph.models.base import MODELS, Dims, Estimator
from pbgraph.splits import SPLITS
from pbgraph.testing import (
    ARCHITECTURE_CHECKS,
    DATASET_CHECKS,
    ESTIMATOR_CHECKS,
    FEATURISER_CHECKS,
    METHOD_CHECKS,
    METRIC_CHECKS,
    SPLIT_CHECKS,
    Check,
    CheckFailed,
    architecture_checks,
    checks,
    dataset_checks,
    estimator_checks,
    featuriser_checks,
    method_checks,
    metric_checks,
    split_checks,
)
from pbgraph.testing import find as finding
from pbgraph.testing.architectures import check_shapes
from pbgraph.testing.datasets import OnDisk

pytestmark = [pytest.mark.lengthy, pytest.mark.thorough]


@pytest.mark.parametrize("check", architecture_checks(SOUND), ids=str)
def test_sound_architecture_passes(check: Check) -> None:
    check()
    assert check.summary.endswith(".")


@pytest.mark.parametrize("name", list(ARCHITECTURE_CHECKS))
def test_mutant_is_rejected(name: str) -> None:
    (check,) = (check for check in architecture_checks(MUTANTS[name]) if check.name == name)
    with pytest.raises(CheckFailed):
        check()


class Normalised(Sound):
    """Batch normalisation as torch has it, which takes no batch of one molecule."""

    def __init__(self, dims: Dims, config: Config) -> None:
        super().__init__(dims, config)
        self.logits = nn.Sequential(nn.BatchNorm1d(config.hidden), self.logits)


def test_what_a_batch_of_one_molecule_breaks_is_said_with_what_does_not() -> None:
    architecture = replace(SOUND, build=Normalised, dendrite_sites=("layers.*", "logits"))
    words = r"one molecule, in training: ValueError: Expected more than 1 value.*use pbgraph.models.layers.BatchNorm"
    with pytest.raises(CheckFailed, match=words):
        check_shapes(architecture)


def rejected(named: list[Check], name: str) -> None:
    (check,) = (check for check in named if check.name == name)
    with pytest.raises(CheckFailed):
        check()


@pytest.mark.parametrize(
    "check", [check for name in SPLITS for check in split_checks(name)], ids=lambda c: f"{c.subject.name}-{c}"
)
def test_every_split_passes(check: Check) -> None:
    check()
    assert check.summary.endswith(".")


@pytest.mark.parametrize("name", list(SPLIT_CHECKS))
def test_mutant_of_a_split_is_rejected(name: str) -> None:
    rejected(split_checks(mutants_of_splits.MUTANTS[name]), name)


@pytest.mark.parametrize("name", list(METRICS))
def test_every_metric_passes(name: str) -> None:
    for check in metric_checks(name):
        check()
        assert check.summary.endswith(".")


@pytest.mark.parametrize("name", list(METRIC_CHECKS))
def test_mutant_of_a_metric_is_rejected(name: str) -> None:
    rejected(metric_checks(mutants_of_metrics.MUTANTS[name]), name)


@pytest.mark.parametrize("estimator", [mutants_of_estimators.SOUND, mutants_of_estimators.REGRESSOR])
def test_a_sound_estimator_passes(estimator: Estimator) -> None:
    for check in estimator_checks(estimator):
        check()
        assert check.summary.endswith(".")


@pytest.mark.parametrize("name", [name for name in MODELS if isinstance(MODELS.get(name), Estimator)])
def test_every_estimator_passes(name: str) -> None:
    if name == "xgboost":
        pytest.importorskip("xgboost", reason="model 'xgboost' was not tested: the extra 'boost' is not installed")
    for check in estimator_checks(name):
        check()


@pytest.mark.parametrize("name", list(ESTIMATOR_CHECKS))
def test_mutant_of_an_estimator_is_rejected(name: str) -> None:
    rejected(estimator_checks(mutants_of_estimators.MUTANTS[name]), name)


def test_a_regression_that_keeps_its_own_units_is_rejected() -> None:
    rejected(estimator_checks(mutants_of_estimators.IN_OTHER_UNITS), "learns")


def test_an_estimator_that_is_saved_for_nothing_is_rejected() -> None:
    rejected(estimator_checks(mutants_of_estimators.UNSAVED), "save-and-load")


@pytest.mark.parametrize(
    "check", [check for name in FEATURISERS for check in featuriser_checks(name)], ids=lambda c: f"{c.subject.name}-{c}"
)
def test_every_featuriser_passes(check: Check) -> None:
    check()
    assert check.summary.endswith(".")


@pytest.mark.parametrize("name", list(FEATURISER_CHECKS))
def test_mutant_of_a_featuriser_is_rejected(name: str) -> None:
    rejected(featuriser_checks(mutants_of_featurisers.MUTANTS[name]), name)


QUICK = ("backprop", "fit", "perforated")


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in METHODS]
)
def test_every_method_passes(name: str) -> None:
    for check in method_checks(name):
        check()
        assert check.summary.endswith(".")


@pytest.mark.parametrize("name", list(METHOD_CHECKS))
def test_mutant_of_a_method_is_rejected(name: str) -> None:
    rejected(method_checks(mutants_of_methods.MUTANTS[name]), name)


def test_a_method_that_cannot_be_interrupted_is_rejected() -> None:
    rejected(method_checks(mutants_of_methods.DEAF), "resuming")


@pytest.mark.parametrize("name", list(DATASET_CHECKS))
def test_mutant_of_a_data_set_is_rejected(name: str, tmp_path: Path) -> None:
    (sound,) = (
        check for check in dataset_checks(mutants_of_datasets.written(tmp_path), tmp_path) if check.name == name
    )
    sound()
    assert sound.summary.endswith(".")
    rejected(dataset_checks(mutants_of_datasets.MUTANTS[name](tmp_path), tmp_path), name)


@pytest.mark.parametrize("own", ["make", "load"])
def test_a_data_set_that_is_read_in_a_way_of_its_own_need_not_state_its_rows(own: str, tmp_path: Path) -> None:
    table = mutants_of_datasets.with_cell(3, 3, "C1CC")
    file = mutants_of_datasets.written(tmp_path, table)
    content = (tmp_path / file.file).read_bytes()
    ways = {"make": lambda folder, offline: content, "load": lambda folder: read(file, content)}
    made = replace(file, file="", sha256="", rows=0, **{own: ways[own]})
    for check in dataset_checks(made):
        check()
    rejected(dataset_checks(replace(made, rows=21)), "rows")


def test_a_name_of_two_namespaces_is_of_the_one_that_knows_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    dataset = replace(mutants_of_datasets.written(tmp_path), name="deepchem:small")

    def get(name: str) -> Dataset:
        if name != dataset.name:
            raise UsageError(f"no data set {name}")
        return dataset

    monkeypatch.setattr(finding.DATASETS, "get", get)
    assert {type(check.subject) for check in checks("deepchem:small")} == {OnDisk}
    with pytest.raises(UsageError, match="no data set deepchem:another; unknown splitter of DeepChem 'another'"):
        checks("deepchem:another")


def test_tox21_conforms(shared: Path) -> None:
    for check in dataset_checks("tox21", shared / "data"):
        check()


def test_a_name_is_looked_for_among_all_kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = {"gin": "Architecture", "random-forest": "Trial", "tox21": "OnDisk", "rmse": "Metric"}
    kinds |= {"split:random": "Splitter", "ecfp4": "Featuriser"}
    assert {name: type(checks(name)[0].subject).__name__ for name in kinds} == kinds
    with pytest.raises(UsageError, match="'butna'; did you mean 'butina'"):
        checks("butna")
    monkeypatch.setitem(finding.REGISTRIES, "model", SPLITS)
    with pytest.raises(UsageError, match="'random' is registered as model and as split; say which: check model:random"):
        checks("random")
    assert checks("split:random")


def test_unknown_names_and_models_of_the_other_kind_are_refused() -> None:
    with pytest.raises(UsageError, match="did you mean 'trimnet'"):
        architecture_checks("trimnt")
    with pytest.raises(UsageError, match="'random-forest' fits itself"):
        architecture_checks("random-forest")
    with pytest.raises(UsageError, match="'gin' is trained by gradients"):
        estimator_checks("gin")


def test_an_estimator_whose_package_is_absent_is_not_checked() -> None:
    absent = replace(mutants_of_estimators.SOUND, package="no_such_package", extra="absent")
    with pytest.raises(UsageError, match="'sound' cannot be checked here: it needs the package no_such_package"):
        estimator_checks(absent)
