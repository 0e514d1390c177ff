"""With every option, and two of them at once: a run resumed at any step goes on as one that nothing disturbed."""

from functools import cache

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dendrite_networks import batch, network, same, square_loss, weights
from pbgraph.dendrites import Growth, GrowthSettings
from pbgraph.files.state_file import load_state, save_state

pytestmark = [pytest.mark.lengthy, pytest.mark.thorough]

BATCHES = 3  # of which the last is held out, where any is
SHORT = {
    "max_dendrites": 2,
    "max_tries": 1,
    "patience": 9,
    "max_epochs": 2,
    "cycle_epochs": 1,
    "dendrite_patience": 9,
    "dendrite_max_epochs": 1,
    "priming_batches": 1,
}
SCORES = [0.1, 0.2, 0.2, 0.5, 0.3, 0.4, 0.8, 0.7]
OPTIONS = {
    "objective": "correlation",
    "accept_margin": 0.5,
    "restart": "end",
    "grow_at": 1,
    "delta": "clean",
    "score_rows": "held-out",
    "dendrites_trainable": True,
    "snapshot": "neuron",
    "pool": 2,
    "sites_per_cycle": 1,
    "accumulate": 2,
    "initial_w": 0.1,
    "choose_sites": ("encode", "cell"),
    "schedule_by": "epoch",
}


def made(names):
    options = {name: OPTIONS[name] for name in names}
    sites, by = options.pop("choose_sites", None), options.pop("schedule_by", "step")
    decays = torch.optim.lr_scheduler.ExponentialLR
    return Growth(
        network(dropout=0.3, norm=True, dtype=torch.float32),
        lambda groups: torch.optim.AdamW(groups, lr=1e-2),
        settings=GrowthSettings(**SHORT | options),
        seed=68,
        make_scheduler=lambda optimizer, phase, dendrites: decays(optimizer, 0.9),
        schedule_by=by,
        choose_sites=None if sites is None else lambda model: sites,
    )


def trained(grown, position=(0, 0, False), before=lambda *position: None):
    """Train to the end from (epoch, step, whether new dendrites are yet to be correlated); all that was to be seen."""
    trace, (number, step, correlates) = [], position
    held_out = grown.settings.score_rows == "held-out"
    while True:
        before(number, step, correlates)
        if correlates:
            trace.append(grown.correlate([batch(50, dtype=torch.float32)], square_loss))
            correlates = False
        elif grown.finished:
            return trace
        elif step < BATCHES:
            torch.manual_seed(100 * number + step)
            out = held_out and grown.phase == "dendrite" and step == BATCHES - 1
            seed = step if grown.settings.delta == "clean" else 7 * number + step
            trace.append(grown.step(square_loss, batch(seed, dtype=torch.float32), held_out=out))
            step += 1
        else:
            status = grown.epoch_end(SCORES[number % len(SCORES)])
            trace.append([status.phase, status.dendrites, status.switched, dict(status.site_scores)])
            number, step, correlates = number + 1, 0, status.switched == "accept"


def end_of(grown):
    state = grown.state_dict()
    grown.restore_best()
    return [state, weights(grown.model), grown.events, grown.correlations, grown.history]


@cache
def straight(names):
    """Positions of a run, the state at each, its trace and its end."""
    grown, states = made(names), {}
    trace = trained(grown, before=lambda *position: states.update({position: grown.state_dict()}))
    return list(states), states, trace, end_of(grown)


def check(names, position, path=None):
    positions, states, trace, end = straight(names)
    state = states[position]
    if path is not None:
        save_state(state, path)
        state = load_state(path)
    torch.manual_seed(12345)
    grown = made(names)
    grown.load_state_dict(state)
    assert same(grown.state_dict(), states[position])
    rest = trained(grown, position)
    assert same(rest, trace[len(trace) - len(rest) :])
    assert len(rest) == len(trace) - positions.index(position)
    assert same(end_of(grown), end)


@pytest.mark.parametrize("name", OPTIONS)
def test_at_every_step_with_each_option(name, tmp_path):
    """At every fourth one, and before and after each correlation; half of them by way of a file."""
    positions = straight((name,))[0]
    near = [place for place, position in enumerate(positions) if position[2]]
    for place in sorted({*range(0, len(positions), 4), *near, *(place + 1 for place in near)}):
        check((name,), positions[place], tmp_path / "state" if place % 2 else None)


@settings(max_examples=10, deadline=None)
@given(pair=st.lists(st.sampled_from(sorted(OPTIONS)), min_size=2, max_size=3, unique=True), at=st.floats(0, 0.999))
def test_at_any_step_with_several_options(pair, at):
    positions = straight(tuple(sorted(pair)))[0]
    check(tuple(sorted(pair)), positions[int(at * len(positions))])


def test_these_runs_accept_dendrites_and_correlate_them():
    switches = [row["switched"] for row in straight(("accept_margin",))[3][4]]
    assert switches.count("accept") > 1
    assert "drop" in switches or "finish" in switches
    assert any(straight(("accept_margin",))[3][3]["encode"])


def test_a_growth_that_a_state_is_loaded_into_forgets_its_own_signs():
    grown, begin = made(("pool",)), made(("pool",)).state_dict()
    while not grown._signs:
        for seed in range(BATCHES):
            grown.step(square_loss, batch(seed, dtype=torch.float32))
        grown.epoch_end(float(grown.epoch))
    grown.load_state_dict(begin)
    assert grown.correlate([batch(50, dtype=torch.float32)], square_loss) == {}


def test_a_margin_is_the_last_spread_that_is_known_where_phases_have_one_epoch():
    """Scores 1 and 3 have a spread of √2; the one before the second dendrites has none, and counts for the third."""
    grown = Growth(
        network(),
        lambda groups: torch.optim.SGD(groups, lr=1e-3),
        settings=GrowthSettings(**SHORT | {"accept_margin": 1.0, "max_dendrites": 3, "max_tries": 9}),
    )
    scores = iter([1.0, 3.0, 9.0, 11.0, 20.0])
    while not grown.finished:
        for seed in range(2):
            grown.step(square_loss, batch(seed))
        grown.epoch_end(next(scores) if grown.phase == "neuron" else None)
    margins = [event["margin"] for event in grown.events if event["event"] == "accept"]
    assert margins == pytest.approx([2**0.5, 2**0.5, 2**0.5])
