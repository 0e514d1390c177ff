import pytest
import torch
from torch.optim.lr_scheduler import LambdaLR, OneCycleLR

from dendrite_networks import batch, growth, network, run_until, same, square_loss, weights
from pbgraph.dendrites import Growth, GrowthSettings, SiteError
from pbgraph.files.state_file import load_state, save_state

pytestmark = [pytest.mark.lengthy, pytest.mark.thorough]

BATCHES = 2
SCORES = [0.1, 0.3, 0.2, None, None, 0.4, 0.3, None, None, 0.1, 0.2, None, None, 0.2, 0.2]


def make(rule="lambda"):
    schedules = {
        "lambda": lambda optimizer, phase, dendrites: LambdaLR(optimizer, lambda step: 1 / (1 + step)),
        "one-cycle": lambda optimizer, phase, dendrites: OneCycleLR(optimizer, 1e-2, total_steps=20),
        "none": None,
    }
    return Growth(
        network(dropout=0.3, norm=True, dtype=torch.float32),
        lambda groups: torch.optim.AdamW(groups, lr=1e-2, weight_decay=0.1),
        settings=GrowthSettings(
            max_epochs=3,
            cycle_epochs=2,
            patience=9,
            dendrite_max_epochs=2,
            dendrite_patience=9,
            max_tries=2,
            pool=2,
            priming_batches=2,
        ),
        seed=68,
        make_scheduler=schedules[rule],
    )


def go_on(grown, position, stop=None, before_step=lambda *position: None):
    """Train from a position (epoch, step) to the end or to `stop`; losses and statuses on the way."""
    trace = []
    number, step = position
    while not grown.finished:
        while step < BATCHES:
            if (number, step) == stop:
                return trace
            before_step(number, step)
            torch.manual_seed(100 * number + step)
            trace.append(grown.step(square_loss, batch(7 * number + step, dtype=torch.float32)))
            step += 1
        status = grown.epoch_end(SCORES[number])
        trace.append([status.phase, status.dendrites, status.switched, dict(status.site_scores)])
        number, step = number + 1, 0
    return trace


def end_of(grown):
    """Everything there is to compare at the end of a run."""
    state = grown.state_dict()
    grown.restore_best()
    return [state, weights(grown.model), grown.events, grown.best_score, grown.best_epoch]


POSITIONS = [(number, step) for number in range(len(SCORES)) for step in range(BATCHES)]
FURTHER = 3  # epochs: a phase has two or three, so a switch is among them


@pytest.fixture(scope="module")
def uninterrupted():
    """Trace and end of a run that nothing disturbed."""
    grown = make()
    trace = go_on(grown, (0, 0))
    return trace, end_of(grown)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A file with the state at every step of the run: tensors as safetensors, the rest as JSON."""
    folder, grown = tmp_path_factory.mktemp("states"), make()
    go_on(grown, (0, 0), before_step=lambda *position: save_state(grown.state_dict(), folder / str(position)))
    return folder


def test_the_run_has_every_kind_of_switch(uninterrupted):
    switches = [line[2] for line in uninterrupted[0] if isinstance(line, list) and line[2]]
    assert switches == ["grow", "accept", "grow", "accept", "drop", "accept", "finish"]


@pytest.mark.parametrize("position", POSITIONS, ids=str)
def test_a_run_resumed_anywhere_goes_on_bit_for_bit(position, uninterrupted, saved):
    """Into a freshly perforated model, at every step of every phase: as far as the state saved `FURTHER` epochs later.

    That one goes on as it was, by the same test: so each comes to the end, as the first is shown to by itself.
    """
    trace, end = uninterrupted
    state = load_state(saved / str(position))
    torch.manual_seed(12345)
    grown = make()
    grown.load_state_dict(state)
    assert same(grown.state_dict(), state)
    later = None if position == POSITIONS[0] else (position[0] + FURTHER, position[1])
    rest, begin = go_on(grown, position, stop=later), position[0] * (BATCHES + 1) + position[1]
    assert same(rest, trace[begin : begin + len(rest)])
    if later in POSITIONS:
        assert len(rest) == FURTHER * (BATCHES + 1)
        assert same(grown.state_dict(), load_state(saved / str(later)))
    else:
        assert len(rest) == len(trace) - begin
        assert same(end_of(grown), end)


@pytest.mark.parametrize("rule", ["one-cycle", "none"])
def test_other_schedules_are_resumed_too(rule):
    straight = make(rule)
    go_on(straight, (0, 0), stop=(5, 1))
    first = make(rule)
    go_on(first, (0, 0), stop=(3, 1))
    second = make(rule)
    second.load_state_dict(first.state_dict())
    go_on(second, (3, 1), stop=(5, 1))
    assert same(second.state_dict(), straight.state_dict())


def test_a_state_holds_tensors_and_plain_values_only():
    def check(value):
        if isinstance(value, dict):
            assert all(isinstance(key, str | int) for key in value)
            value = list(value.values())
        if isinstance(value, list | tuple):
            for item in value:
                check(item)
        else:
            assert value is None or type(value) in (torch.Tensor, str, int, float, bool)

    for stop in ((1, 1), (4, 1), (6, 1)):
        grown = make()
        go_on(grown, (0, 0), stop=stop)
        check(grown.state_dict())


@pytest.mark.parametrize("stop", [(1, 1), (4, 1), (6, 1)])
def test_a_state_is_a_copy(stop):
    """Neither training after saving nor training after loading changes it."""
    grown = make()
    go_on(grown, (0, 0), stop=stop)
    state = grown.state_dict()
    reference = make()
    go_on(reference, (0, 0), stop=stop)
    other = make()
    other.load_state_dict(state)
    for one in (grown, other):
        go_on(one, stop)
        one.restore_best()
    assert same(state, reference.state_dict())


def test_a_state_can_be_loaded_into_a_growth_that_is_elsewhere():
    """From the middle of a dendrite phase back into a neuron phase, and the other way."""
    positions = [(1, 1), (4, 1), (8, 1), (6, 0)]
    states = []
    for stop in positions:
        grown = make()
        go_on(grown, (0, 0), stop=stop)
        states.append(grown.state_dict())
    grown = make()
    for state in (*states, *reversed(states)):
        grown.load_state_dict(state)
        assert same(grown.state_dict(), state)
        trainable = {name for name, parameter in grown.model.named_parameters() if parameter.requires_grad}
        candidates = {name for name in trainable if ".candidates." in name}
        assert trainable == candidates if grown.phase == "dendrite" else not candidates


def test_a_state_of_another_network_is_an_error_that_says_so():
    state = make().state_dict()
    others = {
        "sites encode, conv, cell, decode; this one has encode": network(sites=["encode"]),
        "saved for another network": network(channels=5),
    }
    for message, model in others.items():
        with pytest.raises(SiteError, match=message):
            growth(model, pool=2).load_state_dict(state)


OTHER = {
    "pool": 3,
    "activation": "relu",
    "snapshot": "neuron",
    "objective": "raw",
    "errors": "through",
    "dendrites_trainable": True,
    "mode": "min",
}


@pytest.mark.parametrize("name", OTHER)
@pytest.mark.parametrize("phase", ["neuron", "dendrite"])
def test_a_state_of_other_settings_is_refused_before_anything_is_changed(name, phase):
    saved = run_until(growth(network(), pool=2), phase=phase).state_dict()
    fresh = growth(network(1), **{"pool": 2, name: OTHER[name]})
    before = fresh.state_dict()
    with pytest.raises(SiteError, match=f"saved with {name}=.*and this growth has {name}=.*make it with {name}="):
        fresh.load_state_dict(saved)
    assert same(fresh.state_dict(), before)


def test_settings_of_how_long_may_change():
    saved = run_until(growth(network(), pool=2), phase="dendrite").state_dict()
    fresh = growth(network(1), pool=2, max_dendrites=5, patience=7, max_epochs=9)
    fresh.load_state_dict(saved)
    assert same(weights(fresh.model), saved["network"]["weights"])


@pytest.mark.parametrize("name", ["pool", "activation", "errors"])
def test_a_state_of_an_earlier_version_tells_what_it_can(name):
    saved = run_until(growth(network(), pool=2), phase="dendrite").state_dict()
    del saved["settings"]
    growth(network(1), pool=2).load_state_dict(saved)
    with pytest.raises(SiteError, match=f"saved with {name}="):
        growth(network(1), **{"pool": 2, name: OTHER[name]}).load_state_dict(saved)
