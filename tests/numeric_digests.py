"""What training computes, as digests: of weights after three steps, of estimators' predictions, of whole tiny runs.

    python tests/numeric_digests.py          prints one line of JSON: the numeric platform, versions, digests

It starts itself anew in the environment of workers. `numeric_digests.json` holds what is known, per platform;
`python tests/numeric_digests.py --add` writes down what this machine says of its own.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import sys
import tempfile
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from own_tables import lines, write

if TYPE_CHECKING:
    from pbgraph.results.records import RunRecord

KNOWN = Path(__file__).with_suffix(".json")
RUNS = ("gin/backprop", "trimnet/perforated", "random-forest/fit")
ESTIMATORS = ("lightgbm", "logistic-regression", "random-forest")
STEPS = 3


def main() -> None:
    from pbgraph.execution import numerics

    if "--here" not in sys.argv:
        words = [sys.executable, __file__, "--here", *sys.argv[1:]]
        os.execve(sys.executable, words, {**os.environ, **numerics.environment()})
    numerics.settle()
    found = computed()
    if "--add" in sys.argv:
        known = [one for one in json.loads(KNOWN.read_text()) if one["platform"] != found["platform"]]
        KNOWN.write_text(json.dumps([*known, found], indent=1) + "\n")
    print(json.dumps(found))


def computed() -> dict[str, object]:
    """The platform of this process, and what it computes."""
    import torch

    from pbgraph.execution.numerics import numeric_platform
    from pbgraph.models.base import MODELS, Architecture

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    torch.use_deterministic_algorithms(True)
    networks = [name for name in MODELS if isinstance(MODELS.get(name), Architecture)]
    digests = {name: weights_after_training(name) for name in networks}
    digests |= {name: predictions_of(name) for name in ESTIMATORS}
    digests |= digests_of_runs()
    return {"platform": asdict(numeric_platform()), "versions": versions(), "digests": digests}


def versions() -> dict[str, str]:
    """Of the packages that these digests depend on, beside those that the platform names."""
    return {name: version(name) for name in ("numpy", "rdkit", "scikit-learn", "lightgbm")}


def sha(*arrays: np.ndarray) -> str:
    """First 12 hex digits of the SHA-256 of their bytes."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:12]


def molecules() -> tuple[list[str], np.ndarray]:
    """SMILES and labels of 120 molecules with two assays."""
    rows = lines()[1:]
    return [row[0] for row in rows], np.array([[float(cell or "nan") for cell in row[1:3]] for row in rows], np.float32)


def weights_after_training(name: str) -> str:
    """Three steps of AdamW on batches of 60 molecules, dropout included."""
    from pbgraph.features.graphs import GRAPH
    from pbgraph.methods.base import FitTask
    from pbgraph.methods.training import TrainSettings, build_model, make_loss, make_optimizer, train_step
    from pbgraph.models.base import MODELS
    from pbgraph.streams import seeded

    store, model = GRAPH.featurise(*molecules()), MODELS.get(name)
    task = FitTask(
        model=model,
        config=model.config(),
        settings=TrainSettings(),
        train=store,
        valid=store,
        seed=0,
        metric=lambda y, score: 0.0,
    )
    with seeded(0, "run"):
        network = build_model(task).train()
        optimizer, loss = make_optimizer(task.settings)(network.parameters()), make_loss(task)
        for step in range(STEPS):
            order = np.roll(np.arange(120), 37 * step)
            train_step(network, optimizer, loss, store.batch(order[:60]), task.settings)
        return sha(*(value.detach().numpy() for value in network.state_dict().values()))


def predictions_of(name: str) -> str:
    """Of an estimator that was fitted to 80 molecules, for all 120."""
    from pbgraph.features.descriptors import ECFP4_DESCRIPTORS
    from pbgraph.models.base import MODELS

    store, model = ECFP4_DESCRIPTORS.featurise(*molecules()), MODELS.get(name)
    some = store.select(np.arange(80))
    return sha(model.fit(some.x, some.y, model.config(), 0).predict(store.x))


def digests_of_runs() -> dict[str, str]:
    """Of what three runs on those molecules came to, made by workers as any others."""
    from pbgraph import bench
    from pbgraph.files.hashing import canonical_json, sha256
    from pbgraph.results.described import user_table_names
    from pbgraph.results.folder import ResultsFolder

    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder, "results")
        words = ["train", str(write(Path(folder))), "--smiles", "SMILES", "--targets", "toxic", "even", "--id", "name"]
        words += ["--preset", "smoke", "--models", "gin", "trimnet", "random-forest", "--jobs", "2"]
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()) as said:
            assert bench.main([*words, "--results", str(results)]) == 0, said.getvalue()
        (task,) = user_table_names(ResultsFolder(results))
        records = {record.spec.arm: record for record in ResultsFolder(results).records(task)}
    return {arm: sha256(canonical_json(numbers(records[arm])))[:12] for arm in RUNS}


def numbers(record: RunRecord) -> object:
    """What a run came to, whatever its task is called."""
    return (record.selection, record.scores, record.history)


if __name__ == "__main__":
    main()
