"""Training on a GPU: the losses of the CPU up to rounding, the same twice bit for bit, and after an interruption."""

from __future__ import annotations

from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from pbgraph.dendrites import Growth, headroom, perforate
from pbgraph.errors import Interrupted
from pbgraph.features.base import JOINED
from pbgraph.files.state_file import load_state, save_state
from pbgraph.graph import GraphStore
from pbgraph.methods import session
from pbgraph.methods.backprop import BACKPROP
from pbgraph.methods.base import FitJob, Fitted, Method
from pbgraph.methods.perforated import PERFORATED, PerforatedSettings, growth_settings
from pbgraph.methods.training import TrainSettings, build_model, make_loss, predict, train_step
from pbgraph.metrics import ROC_AUC, mean_over_tasks
from pbgraph.models.base import MODELS, Architecture, sites_in
from pbgraph.testing import molecules
from pbgraph.testing.architectures import as_double

pytestmark = pytest.mark.gpu

DEVICE = "cuda"
NAMES = [name for name in MODELS if isinstance(MODELS.get(name), Architecture)]
SHORT: dict[str, Any] = {"epochs": 3, "patience": 3, "batch_size": 24, "learning_rate": 1e-3, "clip_norm": 1.0}
GROWN: dict[str, Any] = {
    **SHORT, "cycle_epochs": 2, "max_dendrites": 1, "dendrite_epochs": 2, "priming_batches": 2
}  # fmt: skip
METHODS: dict[str, tuple[Method, Any]] = {
    "backprop": (BACKPROP, TrainSettings(**SHORT)),
    "perforated": (PERFORATED, PerforatedSettings(**GROWN)),
}


def store(count: int, seed: int, *, of_molecules: bool = False) -> GraphStore:
    """Molecules of 1 to 12 atoms; labels depend on the atoms, and some are blank; with features of molecules or not."""
    rng = np.random.default_rng(seed)
    graphs = molecules(rng.integers(1, 13, count).tolist(), seed)
    y = np.array([[g.x[:, 0].sum() > 1, len(g.x) > 6] for g in graphs], dtype=np.float32)
    y[rng.random(y.shape) < 0.1] = np.nan
    made = GraphStore.from_graphs(graphs, y)
    sums = torch.tensor(np.stack([graph.x.sum(0) for graph in graphs]), dtype=torch.float32)
    return replace(made, graph_attr=sums) if of_molecules else made


def task(name: str, settings: Any, *, device: str = DEVICE, dropout: float | None = 0.0, **changes: Any) -> FitJob:
    """dropout  of the architecture, or None for its own"""
    model = MODELS.get(name)
    config = model.config()
    rates = {field.name: dropout for field in fields(config) if "dropout" in field.name and dropout is not None}
    of_molecules = JOINED in model.featuriser
    train, valid = (store(*size, of_molecules=of_molecules).to(device) for size in ((100, 0), (60, 1)))
    return FitJob(
        model=model,
        config=replace(config, **rates),
        settings=settings,
        train=train,
        valid=valid,
        seed=68,
        metric=lambda y, scores: mean_over_tasks(ROC_AUC, y, scores),
        device=device,
        **changes,
    )


def first_step(name: str, device: str) -> list[Tensor]:
    """Loss, gradients and logits of the next evaluation, on the CPU, of a step in float64."""
    made = task(name, TrainSettings(**SHORT), device=device)
    model = build_model(made).double()
    batch = made.train.batch(np.arange(24))
    batch = replace(as_double(batch), y=batch.y.double())
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-2)
    loss = train_step(model, optimizer, make_loss(made), batch=batch, settings=made.settings)
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    return [one.detach().cpu() for one in (loss, *gradients, model.eval()(batch))]


@pytest.mark.parametrize("name", NAMES)
def test_a_step_of_every_architecture_is_that_of_the_cpu(name: str) -> None:
    torch.testing.assert_close(first_step(name, DEVICE), first_step(name, "cpu"), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_every_architecture_trains_and_predicts_there(name: str) -> None:
    made = task(name, replace(TrainSettings(**SHORT), epochs=1), dropout=None)
    fitted = BACKPROP.fit(made)
    assert np.isfinite(fitted.history[0].train_loss or np.nan)
    assert np.isfinite(fitted.predict(made.valid)).all()


@pytest.mark.parametrize("name", ["trimnet", "gin"])
def test_backprop_comes_to_the_losses_of_the_cpu(name: str) -> None:
    gpu, cpu = (BACKPROP.fit(task(name, TrainSettings(**SHORT), device=device)) for device in (DEVICE, "cpu"))
    losses = [[line.train_loss for line in fitted.history] for fitted in (gpu, cpu)]
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-2)  # AdamW makes noise of gradients that are 0
    assert losses[1][-1] < losses[1][0]


@pytest.mark.parametrize("name", ["trimnet", "gin"])
def test_predictions_of_a_network_do_not_depend_on_the_device(name: str) -> None:
    made = task(name, TrainSettings(**SHORT), device="cpu")
    network = build_model(made)
    expected = predict(network, made.valid, made.kind)
    np.testing.assert_allclose(
        predict(network.to(DEVICE), made.valid.to(DEVICE), made.kind), expected, rtol=1e-4, atol=1e-5
    )


class Pair:
    """Growth of one network on one device; candidates are drawn there, so both go on from the CPU's."""

    def __init__(self, name: str, device: str) -> None:
        self.task = task(name, PerforatedSettings(**GROWN), device=device)
        network = build_model(self.task)
        model = perforate(network, sites=sites_in(self.task.model, network))  # type: ignore[arg-type]
        settings = growth_settings(self.task.settings)
        self.growth = Growth(model, lambda groups: torch.optim.SGD(groups, lr=0.05), settings=settings, seed=68)
        self.loss = make_loss(self.task)

    def epoch(self, score: float) -> list[float]:
        """Losses of four steps, and the scores of sites at the epoch's end."""
        losses = [
            float(self.growth.step(self.loss, self.task.train.batch(np.arange(start, start + 24))))
            for start in range(0, 96, 24)
        ]
        status = self.growth.epoch_end(score)
        return losses + list(status.site_scores.values())


@pytest.mark.parametrize("name", ["trimnet", "gin"])
def test_dendrites_grow_as_on_the_cpu(name: str, tmp_path: Path) -> None:
    gpu, cpu = Pair(name, DEVICE), Pair(name, "cpu")
    for score in (0.6, 0.5, 0.5):  # the first neuron phase
        np.testing.assert_allclose(gpu.epoch(score), cpu.epoch(score), rtol=2e-3)
    assert gpu.growth.phase == cpu.growth.phase == "dendrite"
    save_state(cpu.growth.state_dict(), tmp_path / "growth")
    gpu.growth.load_state_dict(load_state(tmp_path / "growth"))
    for score in (0.0, 0.0, 0.7, 0.6):  # the dendrite phase, and a neuron phase with a dendrite
        found, expected = gpu.epoch(score), cpu.epoch(score)
        np.testing.assert_allclose(found, expected, rtol=1e-2, atol=1e-4)
    assert gpu.growth.dendrites == cpu.growth.dendrites == 1


def result(fitted: Fitted, made: FitJob) -> tuple[Any, ...]:
    return fitted.predict(made.valid).tobytes(), fitted.selection, fitted.history, fitted.dendrites


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ["trimnet", "gin"])
def test_a_run_is_the_same_twice_bit_for_bit(name: str, method: str) -> None:
    chosen, settings = METHODS[method]
    made = task(name, settings, dropout=None)
    assert result(chosen.fit(made), made) == result(chosen.fit(made), made)


class Stop:
    """A report that interrupts at its n-th call."""

    def __init__(self, calls: int) -> None:
        self.left = calls

    def __call__(self, report: object) -> None:
        self.left -= 1
        if self.left == 0:
            raise Interrupted("stop")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ["trimnet", "gin"])
def test_a_run_stopped_anywhere_goes_on_bit_for_bit(
    name: str, method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "REPORT_EVERY", 0.0)
    chosen, settings = METHODS[method]
    made = partial(task, name, settings, dropout=None)
    expected = result(chosen.fit(made()), made())
    sittings = 0
    while True:
        sittings += 1
        try:
            fitted = chosen.fit(made(checkpoint=tmp_path / "state", report=Stop(4)))
            break
        except Interrupted:
            assert sittings < 50
    assert fitted.sittings == sittings > 3
    assert result(fitted, made()) == expected


@pytest.mark.parametrize("kind", [torch.nn.GRU, torch.nn.LSTM])
def test_what_lies_before_a_recurrent_layer_has_headroom_and_correlations(kind: type[torch.nn.RNNBase]) -> None:
    """cuDNN has no gradients of such a layer in evaluation mode."""

    class Recurrent(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.rnn, self.last = torch.nn.Linear(3, 4), kind(4, 4), torch.nn.Linear(4, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.last(self.rnn(self.first(x))[0])

    def loss_fn(model: torch.nn.Module, pair: tuple[Tensor, Tensor]) -> Tensor:
        return (model(pair[0]) - pair[1]).square().mean()

    torch.manual_seed(0)
    pairs = [(torch.randn(5, 9, 3, device=DEVICE), torch.randn(5, 9, 1, device=DEVICE)) for _ in range(3)]
    model = perforate(Recurrent().to(DEVICE), ["first", "last"])
    assert list(headroom(model, pairs, loss_fn, folds=3, epochs=1).sites) == ["first", "last"]
    growth = Growth(model, torch.optim.Adam, max_epochs=1, dendrite_max_epochs=1, priming_batches=0)
    while not growth.dendrites:
        growth.step(loss_fn, pairs[0])
        growth.epoch_end(1.0)
    assert list(growth.correlate(pairs[1:], loss_fn)) == ["first", "last"]
