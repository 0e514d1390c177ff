"""Growth as the optimiser of a loop that is somebody else's: the same as growth's own, and what such loops do."""

import copy

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from dendrite_networks import SHORT, adam, batch, growth, network, run_until, same, sgd, square_loss, weights
from pbgraph.dendrites import Growth, GrowthSettings, TrainingError, perforate
from pbgraph.dendrites.loop import GrowthScheduler
from pbgraph.errors import UsageError

pytestmark = pytest.mark.lengthy

BATCHES = [batch(seed, nodes=5 + seed) for seed in range(3)]


def foreign_epoch(optimizer, model, batches, loss_fn=square_loss):
    """The loop that everybody writes."""
    model.train()
    for one in batches:
        optimizer.zero_grad()
        loss_fn(model, one).backward()
        optimizer.step()


def closure_epoch(optimizer, model, batches, loss_fn=square_loss):
    """As Lightning and skorch do it."""
    model.train()
    for one in batches:

        def closure(one=one):
            loss = loss_fn(model, one)
            optimizer.zero_grad()
            loss.backward()
            return loss

        assert optimizer.step(closure).ndim == 0


def evaluate(model):
    """What goes on between epochs: a pass in evaluation mode, and one in training mode without gradients."""
    with torch.no_grad():
        model.eval()(*BATCHES[0][:2])
        model.train()
        model.eval()


def whole_run(grown, an_epoch):
    torch.manual_seed(1)  # of dropout
    scores = iter(x / 10 for x in (1, 3, 2, 2, 4, 5, 5, 3, 2, 2, 2, 2, 1, 1, 1, 1, 1))
    while not grown.finished:
        an_epoch()
        evaluate(grown.model)
        grown.epoch_end(next(scores) if grown.phase == "neuron" else None)
    return grown


OPTIONS = {
    "": {},
    "pool, priming": {"pool": 2, "priming_batches": 2},
    "raw, clipped": {"objective": "raw", "clip_norm": 0.1},
    "trainable": {"dendrites_trainable": True},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("an_epoch", [foreign_epoch, closure_epoch])
def test_a_foreign_loop_trains_what_growths_own_does_bit_for_bit(an_epoch, options):
    """Sites called several times, recurrent, batch normalisation outside of a site, dropout."""
    own = growth(network(norm=True, dropout=0.2), **options)
    whole_run(own, lambda: [own.step(square_loss, one) for one in BATCHES])
    foreign = growth(network(norm=True, dropout=0.2), **options)
    optimizer = foreign.as_optimizer()
    assert foreign.as_optimizer() is optimizer
    whole_run(foreign, lambda: an_epoch(optimizer, foreign.model, BATCHES))
    assert own.events == foreign.events
    assert own.dendrites == 2
    assert same(weights(own.model), weights(foreign.model))
    kept = [{k: v for k, v in row.items() if k != "loss"} for row in foreign.history]
    assert kept == [{k: v for k, v in row.items() if k != "loss"} for row in own.history]
    losses = [row["loss"] for row in foreign.history]
    assert losses == ([row["loss"] for row in own.history] if an_epoch is closure_epoch else [None] * len(losses))


def test_accumulation_in_a_foreign_loop_is_growths_own():
    def accumulated(optimizer, model, batches):
        model.train()
        optimizer.zero_grad()
        for one in batches:
            (square_loss(model, one) / len(batches)).backward()
        optimizer.step()

    results = []
    for is_foreign in (False, True):
        grown = growth(network(), accumulate=4, dendrite_max_epochs=5, dendrite_patience=5)
        optimizer = grown.as_optimizer() if is_foreign else None
        four = [*BATCHES, batch(3)]
        for score in (0.1, 0.0, 0.0, None, None):
            if is_foreign:
                accumulated(optimizer, grown.model, four)
            else:
                _ = [grown.step(square_loss, one) for one in four]
            status = grown.epoch_end(score)
        results.append((weights(grown.model), dict(status.site_scores)))
    for name, value in results[0][0].items():
        torch.testing.assert_close(results[1][0][name], value, rtol=1e-6, atol=1e-9)
    assert results[0][1] == pytest.approx(results[1][1], rel=1e-6)


def in_dendrite_phase(model=None, **settings):
    grown = growth(model or network(), dendrite_max_epochs=9, **settings)
    optimizer = grown.as_optimizer()
    while grown.phase == "neuron":
        foreign_epoch(optimizer, grown.model, BATCHES)
        grown.epoch_end(float(grown.epoch))
    return grown, optimizer


def test_a_dendrite_phase_in_a_foreign_loop_changes_nothing_but_candidates():
    grown, optimizer = in_dendrite_phase(network(norm=True))
    before = weights(grown.model)
    foreign_epoch(optimizer, grown.model, BATCHES)
    after = weights(grown.model)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all(".candidates." in name for name in changed)
    assert all(module.training for module in grown.model.modules())


def test_candidates_gradients_are_there_after_backward_for_whoever_clips_them():
    grown, optimizer = in_dendrite_phase()
    square_loss(grown.model.train(), BATCHES[0]).backward()
    assert nn.utils.clip_grad_norm_(grown.model.parameters(), 1e-3) > 1e-3
    before = weights(grown.model)
    optimizer.step()
    assert not same(before, weights(grown.model))


def test_two_forward_passes_of_one_loss_are_one_batch_and_a_forgotten_one_is_forgotten():
    grown, optimizer = in_dendrite_phase()
    model = grown.model.train()
    model(*BATCHES[0][:2])  # looked at, never trained on
    (square_loss(model, BATCHES[1]) + square_loss(model, BATCHES[2])).backward()
    optimizer.step()
    statistics = grown._dendrite_phase.pools["conv"].statistics[0]
    assert (statistics.batches, statistics.patterns) == (1, 3 * (6 + 7))
    optimizer.zero_grad()
    square_loss(model, BATCHES[0]).backward()
    assert statistics.patterns == 3 * (6 + 7 + 5)


def test_a_step_without_a_backward_pass_is_an_error():
    grown, optimizer = in_dendrite_phase()
    square_loss(grown.model.eval(), BATCHES[0])
    with pytest.raises(TrainingError, match=r"no loss\.backward\(\) went through the sites"):
        optimizer.step()


def test_a_second_backward_pass_through_the_same_graph_is_an_error():
    grown, _ = in_dendrite_phase()
    loss = square_loss(grown.model.train(), BATCHES[0])
    loss.backward(retain_graph=True)
    with pytest.raises(TrainingError, match="add the losses up"):
        loss.backward()


def test_checkpointed_sites_are_counted_once_in_a_foreign_loop():
    def loss(model, one, checkpointed):
        x, edges, y = one
        hidden = torch.tanh(model.encode(x))
        again = (
            checkpoint(model.conv, hidden, edges, use_reentrant=False) if checkpointed else model.conv(hidden, edges)
        )
        return (model.decode(torch.tanh(again)) - y).square().mean()

    results = []
    for checkpointed in (False, True):
        grown, optimizer = in_dendrite_phase(network(sites=["encode", "conv", "decode"]))
        for one in BATCHES:
            optimizer.zero_grad()
            loss(grown.model.train(), one, checkpointed).backward()
            optimizer.step()
        results.append((weights(grown.model), grown._dendrite_phase.pools["conv"].statistics[0].patterns))
    assert same(*results)
    assert results[0][1] == 5 + 6 + 7


def test_own_steps_and_foreign_ones_do_not_mix_and_finished_is_finished():
    grown = growth(network(), max_dendrites=0, max_epochs=1)
    optimizer = grown.as_optimizer()
    with pytest.raises(TrainingError, match="as_optimizer"):
        grown.step(square_loss, BATCHES[0])
    foreign_epoch(optimizer, grown.model, BATCHES)
    assert grown.epoch_end(1.0).finished
    with pytest.raises(TrainingError, match="finished"):
        foreign_epoch(optimizer, grown.model, BATCHES)


@pytest.mark.parametrize("epochs", [1, 4, 5, 6])
def test_saved_and_loaded_a_foreign_loop_goes_on_bit_for_bit(epochs, tmp_path):
    scores = [0.1, 0.3, 0.2, 0.2, None, None, 0.5, 0.6, 0.4]

    def go_on(grown, optimizer, some):
        for score in some:
            foreign_epoch(optimizer, grown.model, BATCHES)
            grown.epoch_end(score if grown.phase == "neuron" else None)

    whole = growth(network(), max_epochs=4)
    go_on(whole, whole.as_optimizer(), scores)
    first = growth(network(), max_epochs=4)
    go_on(first, first.as_optimizer(), scores[:epochs])
    first.save(tmp_path / "state")
    second = growth(network(seed=9), max_epochs=4)
    second.load(tmp_path / "state")
    go_on(second, second.as_optimizer(), scores[epochs:])
    assert same(weights(whole.model), weights(second.model))
    assert whole.history == second.history


def test_the_optimizer_is_one_object_whose_groups_are_the_present_phases():
    grown = growth(network(), max_dendrites=1)
    optimizer = grown.as_optimizer()
    assert isinstance(optimizer, torch.optim.Optimizer)
    sizes = []
    scores = iter(range(100))
    while not grown.finished:
        assert optimizer.param_groups is grown.optimizer.param_groups
        assert optimizer.state is grown.optimizer.state
        sizes.append(len(optimizer.param_groups))
        foreign_epoch(optimizer, grown.model, BATCHES)
        state = copy.deepcopy(optimizer.state_dict())
        optimizer.load_state_dict(state)
        assert same(optimizer.state_dict(), grown.optimizer.state_dict())
        grown.epoch_end(float(next(scores)))
    assert sorted(set(sizes)) == [1, 2]


def test_a_schedule_for_loops_that_insist_on_one_only_tells_the_rate():
    grown = Growth(
        network(),
        sgd(0.1),
        settings=GrowthSettings(**SHORT),
        make_scheduler=lambda optimizer, phase, dendrites: torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5),
    )
    optimizer = grown.as_optimizer()
    schedule = GrowthScheduler(optimizer)
    rates = []
    for _ in range(3):
        rates += schedule.get_last_lr()
        foreign_epoch(optimizer, grown.model, BATCHES[:1])
        schedule.step()
    assert rates == [0.1, 0.05, 0.025]
    again = GrowthScheduler(optimizer)
    again.load_state_dict(schedule.state_dict())
    assert again.last_epoch == 3


class Half(nn.Module):
    """Computes in half precision, as autocast does on a GPU."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(3, 8), nn.Linear(8, 1)

    def forward(self, x):
        with torch.autocast("cpu", torch.float16):
            return self.second(torch.tanh(self.first(x))).float()


def rows(seed=0):
    x = torch.randn(64, 3, generator=torch.Generator().manual_seed(seed))
    return x, torch.tanh(3 * x[:, :1] * x[:, 1:2])


def half_loss(model, one):
    return (model(one[0]) - one[1]).square().mean()


def scaled_epoch(grown, optimizer, scaler, batches):
    grown.model.train()
    for one in batches:
        optimizer.zero_grad()
        scaler.scale(half_loss(grown.model, one)).backward()
        scaler.step(optimizer)
        scaler.update()


@pytest.mark.parametrize("foreign", [False, True])
def test_half_precision_with_a_loss_scale_skips_steps_and_learns_in_both_phases(foreign):
    """Where the scale is so large that gradients overflow, steps are skipped in either phase; the others are not."""
    torch.manual_seed(0)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**24, growth_interval=3)
    grown = Growth(
        perforate(Half()),
        lambda groups: torch.optim.Adam(groups, lr=0.02),
        max_epochs=8,
        cycle_epochs=8,
        dendrite_max_epochs=8,
        patience=9,
        dendrite_patience=9,
        max_dendrites=1,
        priming_batches=1,
        scaler=scaler,
    )
    optimizer = grown.as_optimizer() if foreign else None
    batches, skipped = [rows(seed) for seed in range(4)], {"neuron": 0, "dendrite": 0}
    while not grown.finished:
        if grown.phase == "dendrite" and not skipped["dendrite"]:
            scaler.update(2.0**34)
        for one in batches:
            before, scale = weights(grown.model), scaler.get_scale()
            if foreign:
                scaled_epoch(grown, optimizer, scaler, [one])
            else:
                grown.step(half_loss, one)
            if scaler.get_scale() < scale:
                skipped[grown.phase] += 1
                assert same(before, weights(grown.model))
        with torch.no_grad():
            score = -half_loss(grown.model.eval(), rows(9)).item()
        grown.epoch_end(score)
    assert skipped["neuron"] > 2
    assert skipped["dendrite"] > 2
    first, last = grown.history[0], grown.history[-1]
    assert last["best_score"] > first["score"]
    correlations = [row["correlation"] for row in grown.history if row["phase"] == "dendrite"]
    assert correlations[-1] > 1.2 * correlations[0]
    assert all(torch.isfinite(value).all() for value in grown.model.state_dict().values())


def test_a_loss_scale_changes_nothing_in_full_precision():
    """Powers of two: gradients are the same bit for bit; state goes there and back."""
    results = []
    for scaler in (None, torch.amp.GradScaler("cpu", init_scale=2.0**10, growth_interval=2)):
        grown = Growth(network(), adam, settings=GrowthSettings(**SHORT), seed=68, scaler=scaler)
        run_until(grown, phase="neuron", dendrites=1)
        results.append(weights(grown.model))
    for name, value in results[0].items():
        torch.testing.assert_close(results[1][name], value, rtol=1e-9, atol=1e-12)
    again = Growth(network(), adam, settings=GrowthSettings(**SHORT), scaler=torch.amp.GradScaler("cpu"))
    again.load_state_dict(grown.state_dict())
    assert again.scaler.get_scale() == grown.scaler.get_scale() > 2.0**10


def test_gradients_that_are_never_finite_are_an_error_in_the_end():
    grown = Growth(
        network(), sgd(), settings=GrowthSettings(**SHORT), scaler=torch.amp.GradScaler("cpu", init_scale=2.0)
    )

    def train():
        for _ in range(30):
            grown.step(lambda model, one: square_loss(model, one) * torch.inf, BATCHES[0])

    with pytest.raises(TrainingError, match="not finite even at a loss scale"):
        train()


def test_an_optimiser_that_evaluates_the_loss_by_itself_is_refused():
    with pytest.raises(UsageError, match=r"LBFGS evaluates the loss several times.*needs no closure"):
        growth(network(), torch.optim.LBFGS)


def test_schedules_of_epochs_and_on_plateaus():
    def rates(make_scheduler, **options):
        grown = Growth(network(), sgd(1e-3), settings=GrowthSettings(**SHORT), make_scheduler=make_scheduler, **options)
        found = []
        for score in (0.5, 0.4, 0.3, None, None):
            _ = [grown.step(square_loss, one) for one in BATCHES]
            found.append((grown.phase[0], round(grown.learning_rate / 1e-3, 4)))
            grown.epoch_end(score)
        return found

    schedulers = torch.optim.lr_scheduler
    assert rates(lambda optimizer, phase, dendrites: schedulers.ExponentialLR(optimizer, 0.5), schedule_by="epoch") == [
        ("n", 1.0),
        ("n", 0.5),
        ("n", 0.25),
        ("d", 1.0),
        ("d", 0.5),
    ]
    plateau = lambda optimizer, phase, dendrites: schedulers.ReduceLROnPlateau(  # noqa: E731
        optimizer, mode="max", factor=0.1, patience=0
    )
    found = rates(plateau)
    assert found[:4] == [("n", 1.0), ("n", 1.0), ("n", 0.1), ("d", 1.0)]
    with pytest.raises(UsageError, match="give it mode='max' too"):
        rates(lambda optimizer, phase, dendrites: schedulers.ReduceLROnPlateau(optimizer))
