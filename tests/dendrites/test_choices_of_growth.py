"""Options of growth by which candidates are trained, and dendrites kept: each with its right value."""

import pytest
import torch
from torch.optim.lr_scheduler import LambdaLR

from dendrite_networks import SHORT, batch, epoch, growth, network, run_until, same, square_loss
from pbgraph.dendrites import Growth, GrowthSettings
from pbgraph.dendrites.objective import CandidateStatistics, Moments, activation_gradient
from pbgraph.dendrites.switching import spread_of
from pbgraph.errors import UsageError


def correlation(a, delta):
    """(C,): |corr| over all patterns, differentiable."""
    a, delta = a - a.mean(0), delta - delta.mean(0)
    return ((a * delta).sum(0) / (a.square().sum(0) * delta.square().sum(0)).sqrt()).abs()


def test_the_full_gradient_is_that_of_the_correlation():
    """Over one batch, whose running values are its own, by autograd; 0 where δ does not vary."""
    g = torch.Generator().manual_seed(0)
    a, delta = (torch.randn(40, 5, generator=g, dtype=torch.float64) for _ in range(2))
    delta[:, 4] = 0.5
    statistics = CandidateStatistics(5, torch.device("cpu"))
    statistics.update(Moments.of(a, delta))
    found = statistics.gradient(delta, 40, normalised=True)
    found = found + activation_gradient(a, statistics.spread_constants(40))
    a.requires_grad_()
    (expected,) = torch.autograd.grad(-correlation(a[:, :4], delta[:, :4]).sum(), a)
    assert torch.allclose(found[:, :4], expected[:, :4], rtol=1e-9, atol=1e-12)
    assert not found[:, 4].any()


@pytest.mark.parametrize("pool", [1, 2])
def test_candidates_of_every_site_get_the_full_gradient(pool):
    """Linear, message-passing and recurrent sites, of several calls: the gradient of Σ_i |corr_i| of the site."""
    grown = run_until(growth(network(), objective="correlation", pool=pool), phase="dendrite")
    one = batch(3)
    grown.step(square_loss, one)
    found = {name: site.candidates[pool - 1] for name, site in grown.sites.items()}
    gradients = {name: [p.grad.clone() for p in own.parameters()] for name, own in found.items()}
    other = run_until(growth(network(), objective="correlation", pool=pool), phase="dendrite")
    for site in other.sites.values():
        site.calls = []
    loss = square_loss(other.model, one)
    for name, site in other.sites.items():
        deltas = torch.autograd.grad(loss, [call.output for call in site.calls], retain_graph=True)
        a = torch.cat([call.candidates[pool - 1] for call in site.calls])
        own = list(site.candidates[pool - 1].parameters())
        expected = torch.autograd.grad(-correlation(a, torch.cat(deltas)).sum(), own, retain_graph=True)
        for ours, theirs in zip(gradients[name], expected, strict=True):
            assert torch.allclose(ours, theirs, rtol=1e-6, atol=1e-10)


def grown_with(scores, **settings):
    """Train with these scores in neuron phases, an epoch of candidates in between; events and the growth."""
    options = {"max_epochs": 4, "cycle_epochs": 3, "patience": 9, "dendrite_max_epochs": 1, "max_tries": 1}
    grown, left = growth(network(), **{**options, **settings}), iter(scores)
    while not grown.finished:
        epoch(grown, next(left) if grown.phase == "neuron" else None)
    return grown


SCORES = [0.1, 0.3, 0.2, 0.4]  # changes of 0.2, 0.1 and 0.2: a spread of 0.1225


def test_the_spread_is_of_changes_from_epoch_to_epoch():
    assert spread_of(SCORES) == pytest.approx((0.09 / 3 / 2) ** 0.5)
    assert spread_of([0.5]) == spread_of([]) == 0
    torch.manual_seed(0)
    noise = (0.01 * torch.arange(4000) + 0.3 * torch.randn(4000)).tolist()
    assert spread_of(noise) == pytest.approx(0.3, rel=0.05)


@pytest.mark.parametrize(
    ("mode", "times", "gained", "kept"),
    [("max", 0.0, 0.01, True), ("max", 2.0, 0.24, False), ("max", 2.0, 0.25, True), ("min", 2.0, 0.24, False)],
)
def test_dendrites_are_kept_if_they_gain_more_than_the_margin(mode, times, gained, kept):
    sign = 1 if mode == "max" else -1
    scores = [*SCORES, 0.4, 0.4 + gained, 0.4 + gained - 0.005, *[0.0] * 30]
    grown = grown_with([sign * score for score in scores], mode=mode, accept_margin=times, max_dendrites=1)
    assert [event["event"] for event in grown.events][-1] == "finish"
    assert ("drop" not in [event["event"] for event in grown.events]) == kept
    grown.restore_best()
    assert grown.dendrites == int(kept)
    assert grown.best_score == pytest.approx(sign * (0.4 + gained if kept else 0.4))
    accepted = next(event for event in grown.events if event["event"] == "accept")
    assert accepted.get("margin") == (pytest.approx(times * spread_of(SCORES)) if times else None)


def test_once_they_have_gained_any_better_score_is_the_best():
    grown = grown_with([*SCORES, 0.7, 0.71, 0.6, *[0.0] * 30], accept_margin=2.0, max_dendrites=1)
    assert (grown.best_score, grown.best_epoch) == (0.71, 6)


def test_the_spread_is_that_of_the_last_scores_before_each_set_of_dendrites():
    grown = grown_with([*SCORES, 0.9, 0.9, 0.9, 0.95, 0.9, 0.9, *[0.0] * 30], accept_margin=1.0, max_dendrites=3)
    margins = [event["margin"] for event in grown.events if event["event"] == "accept"]
    assert margins == pytest.approx([spread_of(SCORES), 0.0, spread_of([0.95, 0.9, 0.9])])


@pytest.mark.parametrize(("times", "kept"), [(0.0, True), (1.0, True), (3.0, False), (1e9, False)])
def test_after_a_single_score_the_spread_is_that_of_the_cycle(times, kept):
    """Scores 0.55 and 0.6 have a spread of 0.035, and 0.6 is better by 0.1 than the one before."""
    grown = grown_with([0.5, 0.55, 0.6, 0.55, *[0.0] * 30], accept_margin=times, grow_at=1, max_dendrites=1)
    grown.restore_best()
    assert (grown.dendrites, grown.best_score) == ((1, 0.6) if kept else (0, 0.5))
    accepted = next(event for event in grown.events if event["event"] == "accept")
    assert "margin" not in accepted


@pytest.mark.parametrize("share", range(1, 101))
def test_a_share_of_a_hundred_epochs_is_so_many(share):
    """0.07 times 100 is more than 7, as numbers of the machine go."""
    assert GrowthSettings(max_epochs=100, grow_at=share / 100).first_epochs == share


def test_a_share_of_next_to_nothing_is_an_epoch():
    assert GrowthSettings(max_epochs=100, grow_at=1e-12).first_epochs == 1


@pytest.mark.parametrize(
    ("changes", "epochs"),
    [({"grow_at": 2}, 2), ({"grow_at": 0.5}, 2), ({"grow_at": 0.6}, 3), ({"grow_at": 9}, 4), ({"grow_at": None}, 4)],
)
def test_the_first_phase_ends_where_it_is_told_to_while_scores_improve(changes, epochs):
    grown = grown_with([0.1 * n for n in range(40)], max_dendrites=1, **changes)
    phases = [row["phase"] for row in grown.history]
    assert phases[: epochs + 1] == ["neuron"] * epochs + ["dendrite"]
    assert phases[epochs + 1 : epochs + 4] == ["neuron"] * 3


@pytest.mark.parametrize("trained", [True, False])
@pytest.mark.parametrize(
    ("restart", "first"),
    [("peak", 0.1), ("end", 0.1 / 8), (0.3, 0.03)],
)
def test_later_neuron_phases_begin_at_the_rate_that_they_are_told(restart, first, trained):
    """A schedule that halves the rate at each of 4 steps in the first phase, and goes on from there."""
    options = {"patience": 9, "max_epochs": 2, "cycle_epochs": 2, "dendrite_max_epochs": 1 if trained else 0}
    grown = Growth(
        network(),
        lambda groups: torch.optim.SGD(groups, lr=0.1),
        settings=GrowthSettings(**SHORT | options, restart=restart, max_tries=1),
        make_scheduler=lambda optimizer, phase, dendrites: LambdaLR(optimizer, lambda step: 0.5**step),
    )
    rates = []
    while not grown.finished and grown.dendrites < 2:
        for one in (batch(0), batch(1)):
            phase = grown.phase
            grown.step(square_loss, one)
            rates.append((phase, grown.learning_rate))
        grown.epoch_end(float(grown.epoch))
    neuron = [rate for phase, rate in rates if phase == "neuron"]
    assert neuron[:4] == pytest.approx([0.1, 0.05, 0.025, 0.0125])
    assert neuron[4:8] == pytest.approx([first * 0.5**step for step in range(4)])
    assert {rate for phase, rate in rates[::2] if phase == "dendrite"} == ({0.1} if trained else set())


def make(**settings):
    """A growth that stops at every place where these options matter."""
    return growth(network(dropout=0.3), max_tries=1, **settings)


CHOICES = {
    "objective": {"objective": "correlation", "pool": 2},
    "margin": {"accept_margin": 1.5},
    "restart": {"restart": "end"},
    "grow_at": {"grow_at": 1},
    "trainable": {
        "dendrites_trainable": True,
        "objective": "correlation",
        "accept_margin": 0.5,
        "restart": 0.5,
        "grow_at": 2,
    },
}


def trained(grown, position, stop=None):
    """From a position (epoch, step) to the end, or to another; losses and statuses."""
    trace, (number, step) = [], position
    while not grown.finished:
        for now in range(step, 2):
            if (number, now) == stop:
                return trace
            torch.manual_seed(100 * number + now)
            trace.append(grown.step(square_loss, batch(now)))
        status = grown.epoch_end((0.3, 0.5, 0.4, 0.55, 0.7)[number % 5] + 0.01 * number)
        trace.append([status.phase, status.dendrites, status.switched, dict(status.site_scores)])
        number, step = number + 1, 0
    return trace


@pytest.mark.lengthy
@pytest.mark.parametrize("name", CHOICES)
def test_a_run_resumed_in_either_phase_goes_on_bit_for_bit(name):
    options, straight = CHOICES[name], make(**CHOICES[name])
    whole = trained(straight, (0, 0))
    phases = [row["phase"] for row in straight.history]
    dendrite = phases.index("dendrite")
    later = phases.index("neuron", dendrite)
    for position in ((dendrite, 1), (later, 1)):
        first = make(**options)
        trained(first, (0, 0), stop=position)
        second = make(**options)
        second.load_state_dict(first.state_dict())
        rest = trained(second, position)
        assert same(rest, whole[len(whole) - len(rest) :])
        assert same(second.state_dict(), straight.state_dict())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"objective": "corr"}, "objective is 'corr'; it must be one of normalised, raw, correlation"),
        ({"accept_margin": -1}, "accept_margin is -1; it must be at least 0"),
        ({"accept_margin": "2"}, "accept_margin is '2'; it must be a number"),
        ({"accept_margin": 1, "grow_at": 1, "cycle_epochs": 1}, "neuron phases of one epoch have scores of no known"),
        ({"accept_margin": 1, "max_epochs": 1, "patience": 1}, "neuron phases of one epoch have scores of no known"),
        ({"restart": "start"}, "restart is 'start'; it must be 'peak', 'end' or a factor above 0"),
        ({"restart": 0}, "restart is 0; it must be"),
        ({"restart": True}, "restart is True; it must be"),
        ({"grow_at": 0}, "grow_at is 0; it must be a whole number of epochs of at least 1"),
        ({"grow_at": 1.5, "max_epochs": 9}, "grow_at is 1.5; it must be"),
        ({"grow_at": 0.5}, "grow_at is 0.5, a share of max_epochs, which is None"),
        ({"grow_at": True}, "grow_at is True; it must be"),
    ],
)
def test_settings_out_of_range_are_errors_that_say_so(changes, words):
    with pytest.raises(UsageError, match=words):
        GrowthSettings(**changes)
