"""Loops of others, executed: what an example says it does; where its package is not installed, that is said."""

import importlib.util
import sys
import warnings
from pathlib import Path

import pytest
import torch

from pbgraph.dendrites import Growth, TrainingError, perforate

pytestmark = [pytest.mark.lengthy, pytest.mark.thorough]

EXAMPLES = Path(__file__).parents[2] / "examples"


def example(name, monkeypatch):
    """An example as a module; it finds its neighbours as it does when it is run."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    monkeypatch.setitem(sys.modules, "digits", None)
    del sys.modules["digits"]
    spec = importlib.util.spec_from_file_location(f"{name}_example", EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        spec.loader.exec_module(module)
    return module


def needs(package):
    return pytest.importorskip(package, reason=f"{package} is not installed: its example is not executed")


def grew(growth):
    """Whether a run was a whole one, whose dendrites were trained in that loop."""
    assert growth.finished
    accepted = [event for event in growth.events if event["event"] == "accept"]
    assert all(score > 0.05 for score in accepted[0]["scores"].values())
    assert [row["epoch"] for row in growth.history] == list(range(growth.epoch))
    assert growth.dendrites == 1
    return True


def well(module, model):
    """Whether the network is the best one and tells digits apart."""
    _, valid, test = module.digits()
    return module.accuracy(model, valid) > 0.85 and module.accuracy(model, test) > 0.85


@pytest.fixture
def lightning_example(monkeypatch):
    needs("lightning")
    return example("with_lightning", monkeypatch)


def test_lightning(lightning_example, tmp_path):
    """Steps are counted, checkpoints are written, the trainer stops by itself with the best network."""
    growth, trainer = lightning_example.train(tmp_path, hidden=5)
    assert grew(growth)
    assert trainer.global_step == 17 * growth.epoch
    assert trainer.current_epoch == growth.epoch
    assert len(list(tmp_path.glob("*.ckpt"))) == 2
    _, valid, _ = lightning_example.digits()
    with torch.no_grad():
        found = -lightning_example.loss_fn(growth.model.eval(), valid).item()
    assert found == pytest.approx(growth.best_score, abs=1e-5)
    assert well(lightning_example, growth.model)
    assert all(row["loss"] is not None for row in growth.history)


def test_lightning_goes_on_from_a_checkpoint_of_either_phase_bit_for_bit(lightning_example, tmp_path, monkeypatch):
    loader = lightning_example.loader
    monkeypatch.setattr(lightning_example, "loader", lambda rows, seed=None: loader(rows))
    monkeypatch.setattr(lightning_example, "Growth", lambda *args, **_: Growth(*args, max_epochs=2, cycle_epochs=2))
    whole, _ = lightning_example.train(tmp_path / "whole", max_epochs=5)
    assert [row["phase"] for row in whole.history] == ["neuron"] * 2 + ["dendrite"] * 3
    for epochs in (1, 3):
        folder = tmp_path / str(epochs)
        lightning_example.train(folder, max_epochs=epochs)
        again, trainer = lightning_example.train(folder, max_epochs=5, resume=folder / "last.ckpt")
        assert trainer.global_step == 5 * 17
        assert again.history == whole.history


def test_lightning_says_what_is_wrong(lightning_example, tmp_path, monkeypatch):
    module = sys.modules["pbgraph.dendrites.lightning"]
    callback = module.GrowthCallback
    monkeypatch.setattr(lightning_example, "GrowthCallback", lambda growth, monitor: callback(growth, "valid_loss"))
    with pytest.raises(TrainingError, match="'valid_loss' is not logged in validation; logged: val_loss"):
        lightning_example.train(tmp_path, max_epochs=1)
    monkeypatch.setattr(lightning_example, "GrowthCallback", callback)
    monkeypatch.setattr(lightning_example, "Growth", lambda *args, **_: Growth(*args, accumulate=2))
    with pytest.raises(TrainingError, match="accumulate_grad_batches is 1, but growth was made with accumulate=2"):
        lightning_example.train(tmp_path, max_epochs=1)


@pytest.fixture
def trainer_example(monkeypatch):
    tests = str(EXAMPLES.parent / "tests")  # where transformers would take our folder for the package `datasets`
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path != tests])
    needs("transformers")
    needs("accelerate")
    return example("with_trainer", monkeypatch)


def test_hugging_faces_trainer(trainer_example, tmp_path):
    growth, trainer = trainer_example.train(tmp_path, hidden=5)
    assert grew(growth)
    assert trainer.state.global_step == 17 * growth.epoch
    assert (tmp_path / f"checkpoint-{trainer.state.global_step}" / "growth.safetensors").exists()
    assert well(trainer_example, trainer_example.Logits(growth.model))


def test_hugging_faces_trainer_goes_on_from_a_checkpoint(trainer_example, tmp_path, monkeypatch):
    monkeypatch.setattr(trainer_example, "Growth", lambda *args, **_: Growth(*args, max_epochs=2, cycle_epochs=2))
    whole, _ = trainer_example.train(tmp_path / "whole", epochs=5)
    for epochs in (1, 3):
        folder = tmp_path / str(epochs)
        trainer_example.train(folder, epochs=epochs)
        again, _ = trainer_example.train(folder, epochs=5, resume=folder / f"checkpoint-{17 * epochs}")
        for ours, theirs in zip(again.history, whole.history, strict=True):
            assert ours["phase"] == theirs["phase"]
            assert ours["score"] == pytest.approx(theirs["score"], rel=1e-6)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_accelerate(monkeypatch, accumulate):
    needs("accelerate")
    module = example("with_accelerate", monkeypatch)
    growth = module.train(hidden=5, accumulate=accumulate)
    assert grew(growth)
    assert well(module, growth.model)


def test_skorch(monkeypatch):
    needs("skorch")
    module = example("with_skorch", monkeypatch)
    growth, net = module.train(hidden=5)
    assert grew(growth)
    assert len(net.history) == growth.epoch
    assert net.module_ is growth.model
    _, _, (images, labels) = module.digits()
    assert (net.predict(images.numpy()) == labels.numpy()).mean() > 0.85


def test_the_library_itself_needs_none_of_them():
    perforate(torch.nn.Sequential(torch.nn.Linear(2, 2)))
    adapters = ("lightning", "huggingface", "skorch")
    for path in (EXAMPLES.parent / "pbgraph" / "dendrites").glob("*.py"):
        if path.stem not in adapters:
            assert not any(f"import {name}" in path.read_text() for name in ("lightning", "transformers", "skorch"))
