"""Models with features of whole molecules, from the plan to predictions of other molecules."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet

from own_tables import lines, names_predicted, write
from pbgraph.datasets.user.table import describe, to_dataset
from pbgraph.execution import runner
from pbgraph.execution.fitting import RunOptions
from pbgraph.plans.plan import plan
from pbgraph.plans.settings import parse_assignment
from pbgraph.prediction.predict import load_predictor
from pbgraph.results.described import keep
from pbgraph.results.folder import ResultsFolder

pytestmark = pytest.mark.lengthy

NAMES = {row[3]: row[0] for row in lines()[1:]}
SETTINGS = [
    "trimnet.features=graph+ecfp4+neighbours",
    "trimnet.head=packed",
    "trimnet.head_members=3",
    "trimnet.head_hidden=8",
    "trimnet.hidden=8",
    "trimnet.depth=1",
]


FEATURES = {"trimnet": "graph+ecfp4+neighbours", "random-forest": "descriptors+neighbours"}


def finished(folder: Path, targets: list[str]) -> ResultsFolder:
    results = ResultsFolder(folder / "results")
    task = describe(write(folder), smiles="SMILES", targets=targets, id="name")
    keep(task, results)
    settings = [parse_assignment(text) for text in SETTINGS]
    made = plan(to_dataset(task), "smoke", seeds=[1], settings=settings)
    assert [spec.arm.model for spec in made.specs] == ["trimnet", "trimnet", "features-only"]
    features = [parse_assignment("random-forest.features=" + FEATURES["random-forest"])]
    forest = plan(to_dataset(task), "smoke", seeds=[1], models=["random-forest"], settings=features)
    options = RunOptions(results.root, save_models=True)
    records = [runner.run(spec, options) for spec in (*made.specs, *forest.specs)]
    assert [record.error for record in records] == [None] * 4
    return results


@pytest.mark.parametrize("targets", [["toxic", "even"], ["logP"]], ids=["classes", "values"])
def test_a_saved_model_predicts_what_its_run_did(targets, tmp_path):
    results = finished(tmp_path, targets)
    (task,) = [path.stem for path in (results.root / "tasks").iterdir()]
    for record in results.records(task):
        assert record.spec.featuriser == FEATURES.get(record.spec.model, FEATURES["trimnet"])
        predictor = load_predictor(results.model_path(record.spec))
        table = parquet.read_table(results.predictions_path(record.spec)).to_pydict()
        made = predictor([NAMES[name] for name in names_predicted(results, record, table["row"])])
        column = [predictor.targets.index(target) for target in table["task"]]
        score = np.array(table["score"])
        found = made.mean[np.arange(len(column)), column]
        np.testing.assert_allclose(found, score, rtol=2e-3, atol=1e-5, err_msg=str(record.spec.arm))
