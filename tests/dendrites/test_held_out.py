"""score_rows="held-out": candidates are judged by rows that they are not trained on, and by what chance would give."""

import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from dendrite_networks import batch, growth, network, run_until, same, sgd, square_loss, weights
from pbgraph.dendrites import Growth, GrowthSettings, TrainingError, perforate
from pbgraph.dendrites.chance import DRAWS, LEVEL, ChanceScores, enough_draws, shifted_products
from pbgraph.dendrites.objective import CandidateStatistics, Moments
from pbgraph.dendrites.processes import Processes
from pbgraph.errors import UsageError

HELD = {"score_rows": "held-out", "priming_batches": 0, "dendrite_max_epochs": 3, "dendrite_patience": 9}


def in_phase(**settings):
    return run_until(growth(network(), **HELD | settings), phase="dendrite")


def pearson(a, delta):
    a, delta = a - a.mean(0), delta - delta.mean(0)
    return ((a * delta).sum(0) / (a.square().sum(0) * delta.square().sum(0)).sqrt()).abs()


def observed(grown, batches):
    """Activations of each site's first candidate, and δ, over these batches."""
    parts = {name: ([], []) for name in grown.sites}
    for one in batches:
        for site in grown.sites.values():
            site.calls = []
        loss = square_loss(grown.model, one)
        for name, site in grown.sites.items():
            deltas = torch.autograd.grad(loss, [call.output for call in site.calls], retain_graph=True)
            parts[name][0].extend(call.candidates[0].detach() for call in site.calls)
            parts[name][1].extend(deltas)
            site.calls = None
    return {name: (torch.cat(a), torch.cat(delta)) for name, (a, delta) in parts.items()}


@pytest.mark.parametrize("delta", ["training", "clean"])
def test_held_out_batches_give_scores_and_no_gradients(delta):
    grown = in_phase(delta=delta)
    grown.step(square_loss, batch(0))
    before = weights(grown.model)
    expected = {name: pearson(*pair) for name, pair in observed(grown, [batch(5), batch(6)]).items()}
    for one in (batch(5), batch(6)):
        loss = grown.step(square_loss, one, held_out=True)
        assert loss == square_loss(grown.model, one)
    assert same(weights(grown.model), before)
    status = grown.epoch_end(None)
    for name, score in expected.items():
        assert status.site_scores[name] == pytest.approx(float(score.mean()), rel=1e-9)
        assert torch.allclose(grown._dendrite_phase.pools[name].best, score, rtol=1e-9)


def test_candidates_learn_as_if_held_out_batches_were_not_there():
    """With `accumulate`, too: they take no step and count for none."""
    with_held, without = (
        in_phase(accumulate=2),
        run_until(growth(network(), accumulate=2, priming_batches=0), phase="dendrite"),
    )
    for step in range(3):
        with_held.step(square_loss, batch(step))
        with_held.step(square_loss, batch(20 + step), held_out=True)
        without.step(square_loss, batch(step))
    with_held.epoch_end(None)
    without.epoch_end(None)
    theirs = weights(without.model)
    for name, value in weights(with_held.model).items():
        assert torch.equal(value, theirs[name]), name


@pytest.mark.parametrize("delta", ["training", "clean"])
def test_normalisation_of_candidates_does_not_see_held_out_batches(delta):
    torch.manual_seed(0)
    model = perforate(nn.Sequential(nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)), nn.Linear(4, 1)), ["0"])
    grown = Growth(model, sgd(), **HELD, max_epochs=1, delta=delta)

    def loss_fn(model, x):
        return (model(x) - x[:, :1].sin()).square().mean()

    grown.step(loss_fn, torch.randn(9, 3))
    grown.epoch_end(1.0)
    before = weights(grown.model)
    grown.step(loss_fn, torch.randn(9, 3) + 5, held_out=True)
    assert same(weights(grown.model), before)
    grown.step(loss_fn, torch.randn(9, 3))
    assert not torch.equal(
        weights(grown.model)["0.candidates.0.module.1.running_mean"], before["0.candidates.0.module.1.running_mean"]
    )


def test_of_many_sites_one_can_still_be_above_chance():
    """Each has to be so at the level of all divided by their number: there are as many draws as that takes."""
    sites = 30
    model = perforate(nn.Sequential(*(nn.Linear(3, 3) for _ in range(sites))), [nn.Linear])
    grown = Growth(model, sgd(0.01), **HELD, max_epochs=1)

    def loss_fn(model, x):
        return (model(x) - 3 * x.sin()).square().mean()

    grown.step(loss_fn, torch.randn(9, 3))
    grown.epoch_end(1.0)
    for pool in grown._dendrite_phase.pools.values():
        assert pool.chance.draws == enough_draws(sites) > DRAWS
        assert pool.chance.p_value(2.0) <= LEVEL / sites


def test_in_a_neuron_phase_a_held_out_batch_is_one_like_any_other():
    one, other = growth(network(), **HELD), growth(network(), **HELD)
    one.step(square_loss, batch(0), held_out=True)
    other.step(square_loss, batch(0))
    assert same(weights(one.model), weights(other.model))


class Residual(nn.Module):
    """A layer that returns 0 whatever it is, so that its δ is minus the target, but for a factor."""

    def __init__(self, inputs):
        super().__init__()
        self.layer = nn.Linear(inputs, 1)
        nn.init.zeros_(self.layer.weight)
        nn.init.zeros_(self.layer.bias)

    def forward(self, x):
        return self.layer(x)


def grown_on(target, *, inputs=30, rows=60, epochs=6, **settings):
    """Growth on fixed batches of (x, target(x)), a third of them held out; neuron phases have a rate of 0."""
    torch.manual_seed(0)
    batches = [(x := torch.randn(rows, inputs), target(x)) for _ in range(6)]
    options = {"max_epochs": 1, "cycle_epochs": 1, "dendrite_max_epochs": epochs, "dendrite_patience": 99}
    grown = Growth(
        perforate(Residual(inputs), ["layer"]),
        lambda groups: torch.optim.Adam(groups, lr=5e-2),
        settings=GrowthSettings(**options | settings, priming_batches=0, score_rows="held-out", max_dendrites=1),
        make_scheduler=lambda optimizer, phase, _: LambdaLR(optimizer, lambda _: float(phase == "dendrite")),
    )
    while not grown.finished:
        for number, pair in enumerate(batches):
            grown.step(lambda model, pair: (model(pair[0]) - pair[1]).square().mean(), pair, held_out=number >= 4)
        grown.epoch_end(float(grown.epoch))
    return grown


def events(grown):
    return [event["event"] for event in grown.events]


@pytest.mark.parametrize("settings", [{}, {"pool": 2, "snapshot": "neuron"}, {"delta": "clean"}])
def test_where_nothing_but_noise_is_to_be_learnt_growth_ends(settings):
    """The rows of the fit can be learnt by heart here, and are: without held-out rows they would be a dendrite."""
    grown = grown_on(lambda x: torch.randn(len(x), 1), **settings)
    assert events(grown) == ["chance", "finish"]
    (p_value,) = grown.events[0]["p_values"].values()
    assert p_value > LEVEL
    grown.restore_best()
    assert grown.dendrites == 0
    assert [one.outcome for one in grown.trials["layer"]] == ["kept"]
    assert [one.outcome for one in grown.insight([torch.zeros(2, 30)]).sites["layer"].dendrites] == ["dropped"]


@pytest.mark.parametrize("settings", [{}, {"objective": "correlation", "delta": "clean"}])
def test_where_a_function_of_the_inputs_is_to_be_learnt_there_is_a_dendrite(settings):
    def target(x):
        return (2 * x[:, :1] - x[:, 1:2]).tanh() + 0.3 * torch.randn(len(x), 1)

    grown = grown_on(target, inputs=4, epochs=20, **settings)
    accepted = next(event for event in grown.events if event["event"] == "accept")
    assert accepted["p_values"] == {"layer": 1 / 400}
    assert accepted["scores"]["layer"] > 0.7


def test_the_null_distribution_is_that_of_the_best_of_all_epochs_and_candidates():
    """By a loop over the shifts that were drawn, which are the same in every epoch and for every candidate."""
    g = torch.Generator().manual_seed(0)
    statistics = [CandidateStatistics(2, torch.device("cpu")) for _ in range(2)]
    chance = ChanceScores("site", statistics, Processes(), by_neuron=False)
    best = torch.zeros(399)
    for _ in range(2):
        deltas = [torch.randn(n, 2, generator=g, dtype=torch.float64) for n in (5, 7)]
        answers = [[torch.randn(n, 2, generator=g, dtype=torch.float64) for n in (5, 7)] for _ in range(2)]
        shifts = [shifts_of(place, length) for place, length in ((0, 5), (1, 7))]
        for place, delta in enumerate(deltas):
            for number in range(2):
                statistics[number].update(Moments.of(answers[number][place], delta))
                chance.add(number, [answers[number][place]], [delta], axis=-1, factor=1.0)
            chance.next_batch()
        for number in range(2):
            for draw in range(399):
                moved = [delta.roll(int(own[draw]), 0) for delta, own in zip(deltas, shifts, strict=True)]
                score = pearson(torch.cat(answers[number]), torch.cat(moved)).mean()
                best[draw] = max(best[draw], score)
        chance.end_epoch([0, 1])
        for one in statistics:
            one.start_epoch()
    assert torch.allclose(chance.best[:-1, 0], best.double(), atol=1e-6)
    assert chance.p_value(0.0) == 1.0
    assert chance.p_value(2.0) == 1 / 400


def shifts_of(place, length):
    from pbgraph.streams import generator

    return torch.randint(length, (399,), generator=generator(0, f"dendrite/chance/site/{place}/{length}"))


@pytest.mark.parametrize("settings", [{}, {"delta": "clean", "objective": "correlation", "pool": 2}])
def test_a_run_resumed_between_held_out_batches_goes_on_bit_for_bit(settings):
    def make():
        return growth(network(dropout=0.3), **HELD, **settings)

    def go_on(grown, position, stop=None):
        trace, (number, step) = [], position
        while not grown.finished and number < 9:
            for now in range(step, 4):
                if (number, now) == stop:
                    return trace
                torch.manual_seed(100 * number + now)
                trace.append(grown.step(square_loss, batch(now), held_out=now >= 2))
            trace.append(grown.epoch_end(0.1 * number).site_scores)
            number, step = number + 1, 0
        return trace

    straight = make()
    whole = go_on(straight, (0, 0))
    dendrite = [row["phase"] for row in straight.history].index("dendrite")
    for position in ((dendrite + 1, 1), (dendrite + 1, 3)):
        first, second = make(), make()
        go_on(first, (0, 0), stop=position)
        second.load_state_dict(first.state_dict())
        rest = go_on(second, position)
        assert same(rest, whole[len(whole) - len(rest) :])
        assert same(second.state_dict(), straight.state_dict())


def test_what_does_not_fit_together_is_an_error_that_says_so():
    grown = in_phase()
    grown.step(square_loss, batch(0))
    with pytest.raises(TrainingError, match=r"call growth.step\(loss_fn, batch, held_out=True\)"):
        grown.epoch_end(None)
    with pytest.raises(UsageError, match="held_out=True, but score_rows is 'all'"):
        growth(network()).step(square_loss, batch(0), held_out=True)
    with pytest.raises(UsageError, match="a loop that is not growth's cannot say which batches are"):
        growth(network(), **HELD).as_optimizer()
    with pytest.raises(UsageError, match="score_rows is 'held-out' without a dendrite phase"):
        Growth(network(), sgd(), score_rows="held-out", dendrite_max_epochs=0)


@pytest.mark.parametrize("rows", [1, 3])
def test_items_that_have_a_batch_to_themselves_are_shifted_among_each_other(rows):
    """As in a batch of eight: every draw of each is a sum of products for shifts of groups of 8, 8 and 3."""
    g = torch.Generator().manual_seed(0)
    items = [torch.randn(2, 1, rows, 2, generator=g, dtype=torch.float64) for _ in range(19)]
    statistics = [CandidateStatistics(2, torch.device("cpu"))]
    chance = ChanceScores("site", statistics, Processes(), by_neuron=True)
    for a, delta in items:
        chance.add(0, [a], [delta], axis=-1, factor=0.5)
        chance.next_batch()
    chance._shift_alone(0, 2)
    groups = [torch.cat(items[start : start + 8], 1) for start in (0, 8, 16)]
    every = torch.zeros(1, 2, dtype=torch.float64)
    for a, delta in groups:
        every = (every[:, None] + shifted_products(a, delta, -1) / 2).flatten(0, 1)
    assert chance.shifted
    assert len(chance._products[0].unique(dim=0)) > 100
    for draw in chance._products[0][:20]:
        assert (every - draw).abs().amax(1).min() < 1e-9


@pytest.mark.parametrize("size", [1, 2])
def test_a_function_of_graphs_that_come_one_by_one_is_no_chance(size):
    torch.manual_seed(0)
    x = torch.randn(240, 3)
    y = 3 * x[:, :1].tanh()
    grown = Growth(perforate(Residual(3), ["layer"]), sgd(0.5), **HELD, max_epochs=1, max_dendrites=1)

    def loss_fn(model, rows):
        return (model(x[rows]) - y[rows]).square().mean()

    while not grown.dendrites:
        for start in range(0, 200, 20):
            grown.step(loss_fn, slice(start, start + 20))
        for start in range(200, 240, size):
            grown.step(loss_fn, slice(start, start + size), held_out=True)
        grown.epoch_end(1.0)
    assert grown.events[-1]["p_values"]["layer"] < 0.01


def test_where_no_two_items_can_be_exchanged_it_is_an_error():
    grown = in_phase()
    grown.step(square_loss, batch(0))
    grown.step(square_loss, batch(1, nodes=1), held_out=True)
    with pytest.raises(TrainingError, match="a single item in the one held-out batch"):
        grown.epoch_end(None)


def test_an_epoch_that_is_held_out_whole_is_an_error():
    grown = in_phase()
    grown.step(square_loss, batch(0), held_out=True)
    with pytest.raises(TrainingError, match="every step of this epoch was given held_out=True"):
        grown.epoch_end(None)


def test_a_run_resumed_between_items_that_are_held_out_alone_goes_on_bit_for_bit():
    def go_on(grown, start):
        for step in range(start, 5):
            grown.step(square_loss, batch(step, nodes=1), held_out=True)
        return grown.epoch_end(None).site_scores

    straight, second = in_phase(), growth(network(), **HELD)
    straight.step(square_loss, batch(0))
    for step in range(2):
        straight.step(square_loss, batch(step, nodes=1), held_out=True)
    second.load_state_dict(straight.state_dict())
    assert go_on(straight, 2) == go_on(second, 2)
    assert same(second.state_dict(), straight.state_dict())


def test_a_call_without_rows_beside_others_is_taken_in():
    statistics = [CandidateStatistics(2, torch.device("cpu"))]
    chance = ChanceScores("site", statistics, Processes(), by_neuron=False)
    values = [torch.zeros(0, 2), torch.ones(3, 2)]
    chance.add(0, values, values, axis=-1, factor=1.0)
    assert torch.equal(chance._products[0], torch.full((400, 2), 3.0, dtype=torch.float64))


@pytest.mark.parametrize("rows", [3, 4, 6])
@pytest.mark.parametrize("precision", [torch.float32, torch.float64])
def test_no_p_value_is_smaller_than_the_shifts_of_a_small_batch_allow(rows, precision):
    """δ as it is is one of so many, and as often among the draws: scores in single precision are ties with it."""
    g = torch.Generator().manual_seed(rows)
    found = []
    for number in range(60):
        statistics = [CandidateStatistics(4, torch.device("cpu"))]
        chance = ChanceScores(f"site{number}", statistics, Processes(), by_neuron=False)
        a, delta = (torch.randn(rows, 4, generator=g, dtype=precision) * scale for scale in (1, 1e-3))
        statistics[0].update(Moments.of(a, delta))
        score = float(statistics[0].score().mean())
        chance.add(0, [a], [delta], axis=-1, factor=1.0)
        chance.next_batch()
        chance.end_epoch([0])
        found.append(chance.p_value(score))
    assert min(found) > 0.7 / rows
    assert max(found) == 1.0


def test_a_state_of_a_version_that_had_no_row_for_errors_as_they_are_is_taken_over():
    statistics = [CandidateStatistics(2, torch.device("cpu"))]
    chance, other = (ChanceScores("site", statistics, Processes(), by_neuron=False) for _ in range(2))
    values = torch.randn(5, 2)
    chance.add(0, [values], [values], axis=-1, factor=1.0)
    state = chance.state_dict()
    other.load_state_dict(state | {"products": state["products"][:, :-1], "best": state["best"][:-1]})
    assert torch.equal(other._products[:, :-1], chance._products[:, :-1])
