"""`average`: a row of what arms predict together, made again by `verify`."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from own_tables import write
from pbgraph import bench
from pbgraph.execution import runner
from pbgraph.execution.options import RunOptions
from pbgraph.results.described import user_table_names
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.predictions import cells_of_test, kept_scores, write_predictions
from pbgraph.verify.averages import check_averages
from pbgraph.verify.scores import check_scores

pytestmark = pytest.mark.lengthy

COLUMNS = ("--smiles", "SMILES", "--targets", "toxic", "even", "--id", "name")
ARMS = ("knn/fit", "logistic-regression/fit")
NAME = "knn fit + logistic-regression fit"


def call(*argv: object) -> int:
    return bench.main([str(word) for word in argv])


@pytest.fixture(scope="module")
def ours(tmp_path_factory) -> Path:
    """Results of two arms on a table of one's own; seed 7 of the first alone."""
    folder = tmp_path_factory.mktemp("average")
    options = (*COLUMNS, "--preset", "smoke", "--jobs", "1", "--results", folder / "results")
    table = write(folder)
    assert call("train", table, "--models", "knn", "logistic-regression", "--seeds", "5-6", *options) == 0
    assert call("train", table, "--models", "knn", "--seeds", "7", *options) == 0
    return folder


@pytest.fixture
def results(ours, tmp_path) -> Path:
    """A copy to be added to."""
    shutil.copytree(ours, tmp_path / "project")
    return tmp_path / "project" / "results"


def average(results: Path, *options: object) -> int:
    return call("average", user_table_names(ResultsFolder(results))[0], *options, "--results", results)


def records(results: Path) -> dict[tuple[str, int], object]:
    folder = ResultsFolder(results)
    found = folder.records(user_table_names(folder)[0])
    return {(record.spec.model, record.spec.seed): record for record in found}


def test_every_shared_seed_has_the_mean_of_its_runs_and_is_there_once(results, capsys):
    assert average(results, *ARMS) == 0
    assert capsys.readouterr().out.count("\n") == 2
    found, folder = records(results), ResultsFolder(results)
    for seed in (5, 6):
        mine, *runs = (found[model, seed] for model in (NAME, "knn", "logistic-regression"))
        cells, *of_runs = (cells_of_test(folder, run).column("score").to_numpy() for run in (mine, *runs))
        assert cells.tolist() == kept_scores(np.mean(of_runs, axis=0), "classification").astype(float).tolist()
        assert mine.provenance.mean_of == tuple(run.key for run in runs)
        assert mine.scores["test"].metrics["roc_auc"] is not None
    assert (NAME, 7) not in found
    assert average(results, *ARMS) == 0
    assert capsys.readouterr().out.count("which was there already") == 2


def test_tables_say_of_what_it_is_and_verify_averages_again(results, capsys):
    assert average(results, *ARMS, "--seeds", "5", "--name", "both") == 0
    task = user_table_names(ResultsFolder(results))[0]
    capsys.readouterr()
    assert call("table", task, "--preset", "smoke", "--results", results) == 0
    shown = capsys.readouterr().out
    assert "average, seed by seed, of what was predicted: both of knn/fit and logistic-regression/fit (1 run)" in shown
    assert "predicted by other tools" not in shown
    assert call("verify", results, "--offline") in (0, 3)
    assert '"averages": 1,' in capsys.readouterr().out


def test_an_average_of_other_runs_is_found_by_verify(results, capsys):
    """The mutant: what one of its runs predicts has been made anew since."""
    assert average(results, *ARMS, "--seeds", "5") == 0
    folder, found = ResultsFolder(results), records(results)
    run, mean = found["knn", 5], found[NAME, 5]
    cells = cells_of_test(folder, run)
    y = np.array([cells.column("y").to_numpy()]).T
    scores = kept_scores(1 - cells.column("score").to_numpy()[:, None], "classification")
    digest = write_predictions(folder.predictions_path(run.spec), y, scores, tasks=["toxic"])
    other = replace(run, predictions_sha256=digest)
    (wrong,) = check_averages(folder, [other, found["logistic-regression", 5], mean]).wrong
    assert "is not the mean of runs" in wrong
    assert check_averages(folder, [mean]).unchecked[0].endswith("cannot be read here")


def test_of_a_second_initialisation_it_is_of_the_split_that_its_runs_had(results):
    folder = ResultsFolder(results)
    for model in ("knn", "logistic-regression"):
        again = replace(records(results)[model, 5].spec, seed=1005)
        assert runner.run(again, RunOptions(results)).error is None
    assert average(results, *ARMS, "--seeds", "1005") == 0
    found = records(results)
    mean = found[NAME, 1005]
    assert (mean.spec.seed, mean.spec.split_seed) == (1005, 5)
    every = list(found.values())
    assert (check_averages(folder, every).wrong, check_scores(folder, [mean]).wrong) == ((), ())
    elsewhere = replace(mean, spec=replace(mean.spec, split_seed=6))
    assert "of another seed or split" in check_averages(folder, [*every, elsewhere]).wrong[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("knn/fit",), "takes two arms at least"),
        (("knn/fit", "knn/fit"), "takes two arms at least"),
        ((*ARMS, "knn/fit"), "and each of them once"),
        (("knn/fit", "logistic-regresion/fit"), "did you mean 'logistic-regression/fit'"),
        ((*ARMS, "--seeds", "5-7"), "there is no finished run of logistic-regression/fit of seeds 7"),
        ((*ARMS, "--name", "a/b"), "no slash"),
        ((*ARMS, "--name", ""), "the tool is called ''"),
        ((*ARMS, "--name", "  "), "is not blank"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(results, capsys, options, message):
    before = {path: path.read_bytes() for path in results.rglob("*.json")}
    capsys.readouterr()
    assert average(results, "--preset", "smoke", *options) == 2
    said = capsys.readouterr()
    assert message in said.err
    assert said.err.count("\n") == 1
    assert {path: path.read_bytes() for path in results.rglob("*.json")} == before
