import copy
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from pbgraph.errors import Interrupted, PbgraphError, UsageError
from pbgraph.history import Epoch
from pbgraph.methods import session as session_module
from pbgraph.methods import training
from pbgraph.methods.backprop import BACKPROP
from pbgraph.methods.base import PairedRun
from pbgraph.methods.controls import CONTINUED, MatchedSettings, cycle_lengths
from pbgraph.methods.ensemble import ENSEMBLE
from pbgraph.methods.perforated import PERFORATED, PerforatedSettings
from pbgraph.methods.plain import train_in_cycles
from pbgraph.methods.training import TrainSettings, build_model, make_loss, parameter_count, predict
from pbgraph.methods.widened import WIDENED, WIDENED_CONTINUED
from pbgraph.streams import generator, seed_of
from tiny_task import Stop, TinyNet, tiny_regression, tiny_store, tiny_task

pytestmark = pytest.mark.lengthy

SHORT = {"epochs": 6, "patience": 6, "batch_size": 32, "learning_rate": 1e-2, "schedule": "cosine"}
GROWN = PerforatedSettings(
    **SHORT, cycle_epochs=3, max_dendrites=2, dendrite_epochs=3, dendrite_patience=2, priming_batches=2
)


def result(fitted, store):
    """All of a fitted model that has to be the same when a run is done again."""
    return (
        fitted.predict(store).tobytes(),
        fitted.selection,
        fitted.history,
        fitted.epochs,
        fitted.parameters,
        fitted.dendrites,
    )


@pytest.fixture(scope="module")
def perforated():
    return PERFORATED.fit(tiny_task(GROWN))


def test_backprop_learns_and_keeps_its_best_epoch():
    task = tiny_task(TrainSettings(**SHORT | {"epochs": 30, "patience": 30}))
    fitted = BACKPROP.fit(task)
    scores = [line.valid for line in fitted.history]
    assert fitted.selection.score == max(scores) > 0.75
    assert fitted.selection.epoch == int(np.argmax(scores))
    assert task.metric(task.valid.y, fitted.predict(task.valid)) == fitted.selection.score


def test_backprop_is_a_plain_loop_of_adamw():
    task = tiny_task(
        TrainSettings(epochs=1, batch_size=200, learning_rate=1e-2), config=replace(tiny_task(None).config, dropout=0.0)
    )
    model, store = build_model(task), task.train
    before = {name: value.clone() for name, value in model.state_dict().items()}
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.0)
    loss = make_loss(task)(model, store.batch(np.arange(200)))
    loss.backward()
    optimizer.step()
    fitted = BACKPROP.fit(task)
    assert any(not torch.equal(before[name], value) for name, value in model.state_dict().items())
    np.testing.assert_allclose(fitted.predict(task.valid), predict(model, task.valid, task.kind), rtol=1e-4, atol=1e-5)
    assert fitted.history[0].train_loss == pytest.approx(loss.item(), rel=1e-5)


def test_patience_ends_training():
    fitted = BACKPROP.fit(tiny_task(TrainSettings(epochs=50, patience=2, learning_rate=1e-30)))
    assert fitted.epochs == 3
    assert fitted.selection.epoch == 0


def test_perforated_run_begins_as_the_plain_run_bit_for_bit(perforated):
    plain = BACKPROP.fit(tiny_task(TrainSettings(**SHORT)))
    assert perforated.history[: plain.epochs] == plain.history


def test_perforated_without_dendrites_is_backprop():
    plain = BACKPROP.fit(tiny_task(TrainSettings(**SHORT)))
    none = PERFORATED.fit(tiny_task(replace(GROWN, max_dendrites=0)))
    store = tiny_store(50, 2)
    assert none.predict(store).tobytes() == plain.predict(store).tobytes()
    assert none.history == plain.history


def test_perforated_history_tells_phases_and_dendrites(perforated):
    phases = [line.phase for line in perforated.history]
    assert phases[:7] == ["neuron"] * 6 + ["dendrite"]
    assert perforated.epochs == len(phases)
    first = phases.index("dendrite")
    flat = {line.valid for line in perforated.history if line.phase == "dendrite" and line.epoch < first + 2}
    assert flat == {max(line.valid for line in perforated.history[:first])}
    assert all((line.score is not None) == (line.phase == "dendrite") for line in perforated.history)
    assert perforated.selection.score == max(line.valid for line in perforated.history)


def test_continued_has_the_epochs_and_restarts_of_its_pair(perforated):
    pair = PairedRun(perforated.parameters, perforated.history)
    fitted = CONTINUED.fit(tiny_task(MatchedSettings(**SHORT), paired=pair))
    assert fitted.epochs == perforated.epochs
    assert fitted.history[:6] == perforated.history[:6]
    first = [line.phase for line in perforated.history].index("dendrite")
    assert fitted.history[first].learning_rate > 10 * fitted.history[first - 1].learning_rate


def test_continued_has_the_updates_and_schedule_of_its_pair_if_neuron_phases_alone_are_counted(perforated):
    pair = PairedRun(perforated.parameters, perforated.history)
    fitted = CONTINUED.fit(tiny_task(MatchedSettings(**SHORT, counted="neuron"), paired=pair))
    trained = [line for line in perforated.history if line.phase == "neuron"]
    assert fitted.epochs == len(trained) < perforated.epochs
    assert [line.learning_rate for line in fitted.history] == [line.learning_rate for line in trained]
    with pytest.raises(UsageError, match="setting counted is 'some'; it must be 'all' or 'neuron'"):
        MatchedSettings(**SHORT, counted="some")


def test_cycles_count_dendrite_phases_and_what_follows():
    phases = "nnn d nn dd n".replace(" ", "")
    names = {"n": "neuron", "d": "dendrite"}
    line = tiny_history_line()
    history = [replace(line, epoch=epoch, phase=names[letter]) for epoch, letter in enumerate(phases)]
    assert cycle_lengths(history) == [3, 3, 3]
    assert cycle_lengths(history, "neuron") == [3, 2, 1]


def tiny_history_line():
    from pbgraph.history import Epoch

    return Epoch(epoch=0, phase="neuron", dendrites=0, train_loss=None, valid=None, learning_rate=0.0)


def _continued_pair(perforated):
    return PairedRun(perforated.parameters, perforated.history)


@pytest.mark.parametrize("method", ["backprop", "perforated", "continued"])
def test_a_run_stopped_anywhere_goes_on_bit_for_bit(method, perforated, tmp_path, monkeypatch):
    monkeypatch.setattr(session_module, "REPORT_EVERY", 0.0)
    methods = {"backprop": BACKPROP, "perforated": PERFORATED, "continued": CONTINUED}
    settings = GROWN if method == "perforated" else MatchedSettings(**SHORT)
    task = tiny_task(settings, paired=_continued_pair(perforated), checkpoint=tmp_path / "state")
    store = tiny_store(40, 5)
    expected = result(methods[method].fit(replace(task, checkpoint=None)), store)
    sittings = 0
    while True:
        sittings += 1
        try:
            fitted = methods[method].fit(replace(task, report=Stop(5)))
            break
        except Interrupted:
            assert sittings < 200
    assert sittings > 5
    assert fitted.sittings == sittings
    assert result(fitted, store) == expected


def test_damaged_checkpoint_means_starting_again(tmp_path, caplog):
    task = tiny_task(TrainSettings(**SHORT), checkpoint=tmp_path / "state")
    (tmp_path / "state").write_bytes(b"nonsense")
    store = tiny_store(40, 5)
    assert result(BACKPROP.fit(task), store) == result(BACKPROP.fit(replace(task, checkpoint=None)), store)
    assert "starting again from the first epoch" in caplog.text


def test_loss_that_is_not_finite_is_an_error(monkeypatch):
    monkeypatch.setattr(TinyNet, "forward", lambda self, graphs: self.decode.weight.sum() * graphs.y.nan_to_num() / 0)
    with pytest.raises(PbgraphError, match="lower learning_rate"):
        BACKPROP.fit(tiny_task(TrainSettings(epochs=1)))


@pytest.mark.parametrize("method", [BACKPROP, PERFORATED, CONTINUED, WIDENED, WIDENED_CONTINUED, ENSEMBLE])
@pytest.mark.parametrize("make", [tiny_task, tiny_regression])
def test_validation_scores_that_become_nan_are_an_error_that_names_the_epoch(method, make, monkeypatch):
    """Though the training loss stays finite, and whatever the metric would make of them."""
    outputs, scored = training.predict, []

    def predict_once(model, store, kind):
        scored.append(store)
        return outputs(model, store, kind) * (1.0 if len(scored) == 1 else float("nan"))

    monkeypatch.setattr(training, "predict", predict_once)
    settings = method.settings(epochs=4, loss="bce" if make is tiny_task else "squared-error")
    with pytest.raises(PbgraphError, match=r"became NaN in epoch 1; lower learning_rate or set clip_norm") as raised:
        method.fit(make(settings, paired=four_epochs_of_twice_the_width()))
    assert "\n" not in str(raised.value)


def four_epochs_of_twice_the_width():
    """A run without dendrites that controls can be paired with."""
    wide = build_model(tiny_task(None, config=replace(tiny_task(None).config, hidden=12)))
    line = Epoch(epoch=0, phase="neuron", dendrites=0, train_loss=None, valid=None, learning_rate=0.0)
    return PairedRun(parameter_count(wide), tuple(replace(line, epoch=epoch) for epoch in range(4)))


@pytest.mark.parametrize("outputs", [math.inf, 1e38])
def test_a_validation_score_that_is_not_finite_is_an_error_too(outputs, monkeypatch):
    monkeypatch.setattr(training, "predict", lambda model, store, kind: np.full(store.y.shape, outputs, np.float64))
    job = tiny_regression(TrainSettings(epochs=1, loss="squared-error"))
    job = job if math.isinf(outputs) else replace(job, metric=lambda y, scores: float("nan"))
    with pytest.raises(PbgraphError, match=r"the validation score became (-inf|nan) in epoch 0; lower learning_rate"):
        BACKPROP.fit(job)


def test_a_score_that_is_nan_where_nothing_was_measured_is_no_error(monkeypatch):
    outputs = training.predict
    monkeypatch.setattr(
        training, "predict", lambda model, store, kind: np.where(np.isnan(store.y), np.nan, outputs(model, store, kind))
    )
    assert BACKPROP.fit(tiny_task(TrainSettings(epochs=1))).selection.score is not None


def plain_cycle(task, model, best, *, start, length, span):
    """Some epochs of a plain loop whose schedule spans `span`; returns their scores. best: (score, weights)."""
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=0.0, fused=True)
    loss_fn, size, scores = make_loss(task), task.settings.batch_size, []
    steps = -(-len(task.train) // size)
    for epoch in range(start, start + length):
        order = torch.randperm(len(task.train), generator=generator(task.seed, f"shuffle/{epoch}")).numpy()
        for step in range(steps):
            torch.manual_seed(seed_of(task.seed, f"dropout/{epoch}/{step}"))
            done = ((epoch - start) * steps + step) / (span * steps)
            rate = task.settings.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done)))
            optimizer.param_groups[0]["lr"] = rate
            optimizer.zero_grad()
            loss_fn(model, task.train.batch(order[step * size : (step + 1) * size].copy())).backward()
            optimizer.step()
        scores.append(task.metric(task.valid.y, predict(model.eval(), task.valid, task.kind)))
        model.train()
        if scores[-1] > best[0]:
            best = scores[-1], copy.deepcopy(model.state_dict())
    return scores, best


def test_a_later_cycle_is_a_new_optimiser_on_the_best_weights():
    task, store = tiny_task(TrainSettings(**SHORT | {"epochs": 9, "learning_rate": 3e-2})), tiny_store(40, 5)
    model = build_model(task)
    first, best = plain_cycle(task, model, (-math.inf, None), start=0, length=6, span=9)
    model.load_state_dict(best[1])
    second, best = plain_cycle(task, model, best, start=6, length=3, span=3)
    assert np.argmax(first) < 5, "the last epoch is the best, so going back to the best would change nothing"
    assert max(second) > max(first), "the second cycle is not the one that is kept"
    model.load_state_dict(best[1])
    fitted = train_in_cycles(task, lengths=[6, 3], patience=None)
    assert [line.valid for line in fitted.history] == first + second
    assert fitted.predict(store).tobytes() == predict(model, store, "classification").tobytes()
