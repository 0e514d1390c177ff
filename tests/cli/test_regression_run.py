"""ESOL from the file to the table: a forest, a plain network, and one with dendrites."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from made_records import arms
from pbgraph.execution.fitting import RunOptions
from pbgraph.execution.runner import run
from pbgraph.history import rounded
from pbgraph.metrics import METRICS, rmse
from pbgraph.plans.plan import plan
from pbgraph.report.bootstrap import hierarchical_bootstrap
from pbgraph.report.formats import to_markdown
from pbgraph.report.tables import make_table
from pbgraph.results.arms import Arm
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.predictions import paired_predictions
from pbgraph.results.records import RunRecord

pytestmark = pytest.mark.lengthy

SMALL = {
    "gin": {},
    "trimnet": {"hidden": 8, "depth": 1, "heads": 2, "output_hidden": 8},
    "random-forest": {"trees": 20},
}
ARMS = arms("random-forest/fit", "gin/backprop", "trimnet/backprop", "trimnet/perforated")


@pytest.fixture(scope="module")
def options(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> RunOptions:
    return RunOptions(tmp_path_factory.mktemp("results"), data=shared / "data", offline=True)


@pytest.fixture(scope="module")
def records(options: RunOptions) -> dict[Arm, RunRecord]:
    planned = plan("esol", "smoke", models=list(SMALL)).specs
    specs = [replace(spec, model_config={**spec.model_config, **SMALL[spec.model]}) for spec in planned]
    return {spec.arm: run(spec, options) for spec in specs if spec.arm in ARMS}


def test_every_run_is_scored_in_the_units_of_the_targets(records):
    assert set(records) == set(ARMS)
    for record in records.values():
        assert record.status == "finished", record.error
        assert set(record.scores["test"].metrics) == {"mae", "r2", "rmse"}
        (task,) = record.scores["test"].tasks.values()
        assert 0 < task.metrics["rmse"] < 4
        assert 0 < record.selection.score < 4
        assert (task.labelled, task.positives) == (114, None)
        assert task.sd == pytest.approx(2.1, abs=0.3)
    assert records[ARMS[0]].scores["test"].metrics["r2"] > 0.3


def test_the_epoch_with_the_smallest_error_is_selected(records):
    for arm in ARMS[1:]:
        record = records[arm]
        scores = [line.valid for line in record.history]
        assert min(scores) == rounded(record.selection.score) == scores[record.selection.epoch] > 0
        assert record.scores["valid"].metrics["rmse"] == pytest.approx(record.selection.score)
        assert record.spec.settings["loss"] == "squared-error"


def test_the_table_compares_them_and_the_bootstrap_reads_their_predictions(records, options):
    table = make_table(list(records.values()), arms=ARMS, seeds=(68,))
    assert "## esol: test RMSE (smaller is better)" in to_markdown(table)
    assert table.margin.relevant == pytest.approx(0.1, abs=0.02)
    a, b = records[ARMS[0]], records[ARMS[1]]
    predicted = paired_predictions(ResultsFolder(options.results), a, b)
    assert rmse(predicted.y[:, 0], predicted.a[:, 0]) == pytest.approx(a.scores["test"].metrics["rmse"])
    interval = hierarchical_bootstrap([predicted], METRICS.get("rmse"), resamples=200)
    assert interval.low < a.scores["test"].metrics["rmse"] - b.scores["test"].metrics["rmse"] < interval.high
    assert np.isfinite([interval.low, interval.high]).all()
