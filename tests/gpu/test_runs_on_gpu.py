"""Runs of the command line on a GPU, in workers of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from pyarrow import parquet

from own_tables import lines, write
from pbgraph.datasets.load import load
from pbgraph.prediction.predict import load_predictor
from pbgraph.results.described import dataset_of
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.records import RunRecord
from pbgraph.splits import SPLITS

pytestmark = [pytest.mark.gpu, pytest.mark.lengthy]

DEVICE = "cuda"
ROOT = Path(__file__).parents[2]
NO_GPU_WANTED = """
import torch
from pbgraph.streams import seeded
with seeded(0, "init"):
    torch.randn(3)
assert not torch.cuda.is_initialized()
"""


def python(*argv: object) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))}
    command = [sys.executable, *map(str, argv)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    return done


def name_of_device() -> str:
    return torch.cuda.get_device_name() if DEVICE == "cuda" else "cpu"


def of_task(results: ResultsFolder) -> list[RunRecord]:
    (task,) = [path.name for path in (results.root / "records").iterdir()]
    return results.records(task)


def test_the_smoke_preset_of_tox21_ends_with_records_that_name_the_gpu(shared: Path, tmp_path: Path) -> None:
    where = ("--results", tmp_path, "--data", shared / "data", "--offline", "--device", DEVICE, "--seeds", 0)
    python("-m", "pbgraph.bench", "tox21", "--preset", "smoke", "--models", "gin", "trimnet", *where)
    records = ResultsFolder(tmp_path).records("tox21")
    assert {(str(one.spec.arm), one.status) for one in records} >= {
        (f"{model}/{method}", "finished") for model in ("gin", "trimnet") for method in ("backprop", "perforated")
    }
    assert {one.provenance.device for one in records} == {name_of_device()}
    if DEVICE == "cuda":
        assert {one.provenance.numerics.name for one in records if one.provenance.numerics} == {name_of_device()}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> ResultsFolder:
    """Networks and an estimator on a small table, trained side by side on the GPU, with saved models."""
    folder = tmp_path_factory.mktemp("runs")
    columns = ("--smiles", "SMILES", "--targets", "toxic", "--id", "name", "--results", folder / "results")
    arms = ("--models", "gin", "trimnet", "random-forest", "--preset", "smoke")
    python("-m", "pbgraph.bench", "train", write(folder), *columns, *arms, "--device", DEVICE, "--jobs", 2)
    return ResultsFolder(folder / "results")


def test_models_that_a_gpu_trained_predict_the_same_on_the_cpu(results: ResultsFolder) -> None:
    names = {row[3]: row[0] for row in lines()[1:]}
    for record in of_task(results):
        predictor = load_predictor(results.model_path(record.spec))
        table = parquet.read_table(results.predictions_path(record.spec)).to_pydict()
        molecules = load(dataset_of(record.spec.task, results))
        test = SPLITS.get(record.spec.split).split(molecules, record.spec.split_seed).test
        made = predictor([names[molecules.mol_ids[test[row]]] for row in table["row"]]).mean[:, 0]
        np.testing.assert_allclose(made, table["score"], rtol=2.0**-10, atol=1e-4, err_msg=record.spec.arm)
    devices = {str(record.spec.arm): record.provenance.device for record in of_task(results)}
    assert devices.pop("random-forest/fit") == "cpu"
    assert set(devices.values()) == {name_of_device()}
    assert len(devices) >= 4


def test_a_run_made_again_has_the_same_record(results: ResultsFolder, tmp_path: Path) -> None:
    columns = ("--smiles", "SMILES", "--targets", "toxic", "--id", "name", "--results", tmp_path / "results")
    arms = ("--models", "gin", "--preset", "smoke", "--device", DEVICE, "--jobs", 1)
    python("-m", "pbgraph.bench", "train", write(tmp_path), *columns, *arms)
    again = {record.spec.arm: record.digest() for record in of_task(ResultsFolder(tmp_path / "results"))}
    first = {record.spec.arm: record.digest() for record in of_task(results)}
    assert again == {arm: digest for arm, digest in first.items() if arm in again}


def test_what_computes_on_the_cpu_leaves_the_gpu_alone() -> None:
    python("-c", NO_GPU_WANTED)
