"""Models that read numbers of a user's table, from the plan to predictions of other molecules."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet

from own_tables import names_predicted, text, with_conditions, write
from pbgraph import api, bench
from pbgraph.datasets.base import DATASETS
from pbgraph.datasets.user.table import describe, to_dataset
from pbgraph.errors import DataError, UsageError
from pbgraph.execution import runner
from pbgraph.execution.fitting import RunOptions
from pbgraph.plans.plan import plan
from pbgraph.plans.settings import parse_assignment
from pbgraph.prediction.predict import load_predictor
from pbgraph.prediction.saved import read_facts, read_model, write_model
from pbgraph.results.arms import parse_arm
from pbgraph.results.described import keep
from pbgraph.results.folder import ResultsFolder

COLUMNS = ("pH", "dose")
SMALL = [f"gin.{setting}" for setting in ("head_members=2", "head_hidden=8", "hidden=8", "layers=1")]


def planned(task, settings=(), **options):
    return plan(to_dataset(task), "smoke", seeds=[1], settings=[parse_assignment(one) for one in settings], **options)


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> Path:
    return write(tmp_path_factory.mktemp("own"), with_conditions())


@pytest.fixture(scope="module")
def task(table):
    return describe(table, smiles="SMILES", targets=["toxic"], id="name", graph_columns=COLUMNS)


def call(*argv: object) -> int:
    return bench.main([str(word) for word in argv])


def test_every_model_that_can_reads_them_by_a_head_that_can(task):
    found = {
        spec.model: spec
        for spec in planned(task, models=["gin", "random-forest", "knn"], methods=["backprop", "fit"]).specs
    }
    assert {name: spec.featuriser for name, spec in found.items()} == {
        "gin": "graph+columns",
        "features-only": "graph+columns",
        "random-forest": "ecfp4-descriptors+columns",
        "knn": "ecfp4-counts",
    }
    assert found["gin"].model_config["head"] == "packed"
    assert str(found["gin"].arm) == "gin/backprop:features=graph+columns,head=packed"


def test_they_stand_beside_features_that_are_set(task):
    made = planned(task, ["gin.features=graph+descriptors", "gin.head_members=2"], models=["gin"], methods=["backprop"])
    assert {spec.featuriser for spec in made.specs} == {"graph+descriptors+columns"}
    named = planned(task, ["gin.features=graph+columns+descriptors"], models=["gin"], methods=["backprop"])
    assert {spec.featuriser for spec in named.specs} == {"graph+columns+descriptors"}


def test_a_network_whose_own_head_is_asked_for_reads_its_graphs_alone(task):
    (arm,) = planned(task, ["gin.head=own"], models=["gin"], methods=["backprop"]).arms
    assert str(arm) in ("gin/backprop:head=own", "gin/backprop")
    with pytest.raises(UsageError, match=r"^gin\.features=graph\+columns: .* set gin\.head=packed"):
        planned(task, ["gin.head=own", "gin.features=graph+columns"], models=["gin"], methods=["backprop"])


def test_a_task_without_columns_has_none_to_read():
    with pytest.raises(
        UsageError, match="the molecules of tox21 have no columns; leave 'columns' out, or name them with"
    ):
        plan(DATASETS.get("tox21"), settings=[parse_assignment("trimnet.features=graph+columns")])


@pytest.fixture(scope="module")
def results(task, tmp_path_factory) -> ResultsFolder:
    folder = ResultsFolder(tmp_path_factory.mktemp("results"))
    keep(task, folder)
    models = ["gin", "random-forest", "knn"]
    made = planned(task, SMALL, models=models, methods=["backprop", "fit"])
    records = [runner.run(spec, RunOptions(folder.root, save_models=True)) for spec in made.specs]
    assert [record.error for record in records] == [None] * 4
    return folder


def folder_of(results: ResultsFolder, model: str) -> Path:
    (record,) = [
        one for one in results.records(next(iter(results.root.glob("tasks/*"))).stem) if one.spec.model == model
    ]
    return results.model_path(record.spec)


@pytest.mark.lengthy
@pytest.mark.parametrize("model", ["gin", "features-only", "random-forest"])
def test_a_saved_model_predicts_what_its_run_did(model, results):
    rows = {cells[3]: (cells[0], float(cells[5]), float(cells[6] or "nan")) for cells in with_conditions()[1:]}
    folder = folder_of(results, model)
    facts = read_facts(folder)
    assert facts.graph_columns == COLUMNS
    kept = parquet.read_table(results.predictions_path(facts.spec)).to_pydict()
    record = results.finished(facts.spec.task, facts.spec.key)
    names = names_predicted(results, record, kept["row"])
    smiles, *columns = zip(*(rows[name] for name in names), strict=True)
    made = api.predict(folder, smiles, dict(zip(COLUMNS, columns, strict=True)))
    np.testing.assert_allclose(made.mean[:, 0], kept["score"], rtol=2e-3, atol=1e-6)
    other = api.predict(folder, smiles, {"pH": [11.9 - value for value in columns[0]], "dose": columns[1]})
    assert not np.allclose(other.mean, made.mean, atol=1e-3)


@pytest.mark.lengthy
def test_arms_of_which_one_reads_no_columns_are_averaged(results, tmp_path):
    folder, arms, smiles = folder_of(results, "gin").parent, ("gin", "random-forest", "knn"), ["CCO", "c1ccccc1O"]
    columns = {"pH": [4.5, 7.0], "dose": [2.0, float("nan")]}
    assert read_facts(folder_of(results, "knn")).graph_columns == ()
    named = [str(read_facts(folder_of(results, model)).spec.arm) for model in arms]
    made = api.predict(api.load_model(folder, arm=named), smiles, columns)
    singly = [
        api.predict(folder_of(results, model), smiles, None if model == "knn" else columns).mean for model in arms
    ]
    np.testing.assert_allclose(made.mean, np.mean(singly, axis=0))
    facts, state = read_model(folder_of(results, "gin"))
    write_model(tmp_path / "a", replace(facts, graph_columns=("pH", "weight")), state)
    shutil.copytree(folder_of(results, "random-forest"), tmp_path / "b")
    with pytest.raises(
        UsageError, match=r"they read different columns: gin/.* pH, weight; random-forest/fit.* pH, dose"
    ):
        load_predictor(tmp_path, [parse_arm(name) for name in named[:2]])


@pytest.mark.lengthy
def test_statistics_are_those_of_training_rows(task, results):
    """What stands in validation and test rows changes no prediction of a training row."""
    molecules = to_dataset(task).load(None)
    assert len(molecules) == 120
    predictor = load_predictor(folder_of(results, "features-only"))
    alone = predictor(["CCO"], columns=np.array([[4.5, 2.0]]))
    among = predictor(["CCO", "CCN"], columns=np.array([[4.5, 2.0], [1e30, -1e30]]))
    np.testing.assert_allclose(among.mean[0], alone.mean[0], atol=1e-6)
    assert np.isfinite(among.mean).all()


@pytest.mark.lengthy
def test_predict_reads_them_from_a_file_and_counts_what_is_blank(results, tmp_path, capsys):
    head, *rows = with_conditions()
    chosen = [
        [*rows[0][:5], "4.5", "2"],
        [*rows[1][:5], "high", "2"],
        [*rows[2][:5], "7.4", ""],
        [*rows[3][:5], "7", "inf"],
    ]
    path = tmp_path / "new.csv"
    path.write_text(text([head, *chosen]))
    folder = folder_of(results, "gin")
    assert call("predict", folder, path, tmp_path / "out.csv") == 0
    assert "column 'dose' is blank in 1 rows, for which it counts as undefined" in capsys.readouterr().err
    with (tmp_path / "out.csv").open() as file:
        found = list(csv.DictReader(file))
    assert [bool(row["toxic"]) for row in found] == [True, False, True, False]
    assert found[1]["error"] == "column 'pH' is 'high'; expected finite numbers, or blank"
    assert found[3]["error"] == "column 'dose' is 'inf'; expected finite numbers, or blank"
    expected = api.predict(folder, [chosen[0][0], chosen[2][0]], {"pH": [4.5, 7.4], "dose": [2, np.nan]})
    np.testing.assert_allclose([float(found[row]["toxic"]) for row in (0, 2)], expected.mean[:, 0], rtol=1e-5)


@pytest.mark.lengthy
@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("new.csv", "SMILES,dose\nCCO,1\n", "unknown column of {path} 'pH'"),
        ("new.smi", "CCO ethanol\n", "has structures and names alone, and no column pH, dose; give CSV or Parquet"),
    ],
)
def test_predict_says_which_columns_it_needs(name, content, said, results, tmp_path, capsys):
    path = tmp_path / name
    path.write_text(content)
    assert call("predict", folder_of(results, "gin"), path, tmp_path / "out.csv") == 2
    error = capsys.readouterr().err.strip()
    assert said.format(path=path) in error
    assert error.endswith("the model was trained with pH, dose beside the structures, and needs them")
    assert len(error.splitlines()) == 1
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.lengthy
def test_other_numbers_than_those_of_the_model_are_refused(results):
    predictor = load_predictor(folder_of(results, "gin"))
    with pytest.raises(UsageError, match="trained with the columns dose beside the structures"):
        api.predict(predictor, ["CCO"], {"pH": [7.0]})
    with pytest.raises(UsageError, match="takes the columns pH, dose beside the structures, and not weight"):
        api.predict(predictor, ["CCO"], {"pH": [7.0], "dose": [1.0], "weight": [1.0]})
    with pytest.raises(UsageError, match="takes no columns beside the structures, and not pH, dose"):
        api.predict(folder_of(results, "knn"), ["CCO"], {"pH": [7.0], "dose": [1.0]})
    for columns in (None, np.zeros((1, 3)), np.zeros((2, 2))):
        with pytest.raises(UsageError, match="takes the columns pH, dose beside the structures, and is given"):
            predictor(["CCO"], columns=columns)


@pytest.mark.lengthy
def test_a_model_folder_that_denies_its_columns_is_refused(results, tmp_path):
    folder = folder_of(results, "features-only")
    facts = json.loads((folder / "model.json").read_text())
    assert facts["graph_columns"] == list(COLUMNS)
    (tmp_path / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
    (tmp_path / "model.json").write_text(json.dumps({**facts, "graph_columns": []}))
    with pytest.raises(DataError, match="was edited"):
        load_predictor(tmp_path)
    (tmp_path / "model.json").write_text(json.dumps({**facts, "graph_columns": [], "digest": ""}))
    with pytest.raises(DataError, match="holds no model that can predict"):
        load_predictor(tmp_path)
