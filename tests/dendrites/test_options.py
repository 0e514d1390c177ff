"""Every option of growth does what it says, and nothing else."""

import copy

import pytest
import torch
from torch import nn

from dendrite_networks import batch, epoch, growth, network, run_until, same, sgd, square_loss, weights
from pbgraph.dendrites import Growth, GrowthSettings, perforate
from pbgraph.errors import UsageError

BATCHES = [batch(0), batch(1)]


def test_settings_can_be_given_by_name():
    settings = GrowthSettings(patience=7, pool=2)
    grown = Growth(network(), sgd(), settings=settings, pool=3, max_dendrites=1)
    assert grown.settings == GrowthSettings(patience=7, pool=3, max_dendrites=1)
    with pytest.raises(UsageError, match="unknown setting 'patiense'; did you mean 'patience'"):
        Growth(network(), sgd(), patiense=3)


def with_w(grown, seed=0):
    """The growth, its output weights no longer 0."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for site in grown.sites.values():
            for w in site.w:
                w.normal_()
    return grown


def test_trainable_dendrites_are_trained_in_neuron_phases_and_stand_still_in_dendrite_phases():
    grown = with_w(run_until(growth(network(), dendrites_trainable=True), phase="neuron", dendrites=1))
    dendrites = [p for site in grown.sites.values() for p in site.dendrites.parameters()]
    before = [p.detach().clone() for p in dendrites]
    grown.step(square_loss, batch())
    assert not any(torch.equal(a, b) for a, b in zip(dendrites, before, strict=True))
    run_until(grown, phase="dendrite", dendrites=1)
    before = [weights(site.dendrites) for site in grown.sites.values()]
    grown.step(square_loss, batch())
    assert same(before, [weights(site.dendrites) for site in grown.sites.values()])
    run_until(grown, phase="neuron", dendrites=2)
    assert all(p.requires_grad for site in grown.sites.values() for p in site.dendrites.parameters())


def gradients(grown):
    grown.model.zero_grad()
    square_loss(grown.model.train(), batch(4)).backward()
    return {name: p.grad.clone() for name, p in grown.model.named_parameters() if p.grad is not None}


ROLES = {
    f"{errors}-{trainable}": {"errors": errors, "dendrites_trainable": trainable}
    for errors in ("perforated", "through")
    for trainable in (False, True)
}


def test_errors_and_training_of_dendrites_are_independent_of_each_other():
    """All four combinations of one network: w always, upstream weights by `errors`, dendrites by `trainable`."""
    found, outputs = {}, {}
    for name, role in ROLES.items():
        grown = with_w(run_until(growth(network(), **role, cycle_epochs=1), phase="neuron", dendrites=1))
        torch.manual_seed(5)
        with torch.no_grad():
            for p in grown.model.parameters():
                p.copy_(torch.randn_like(p) * 0.5)
        found[name], outputs[name] = gradients(grown), grown.model(*batch(4)[:2])
    assert all(torch.equal(outputs["through-True"], output) for output in outputs.values())
    upstream = "encode.parent.weight"
    for trainable in (False, True):
        assert not torch.allclose(found[f"perforated-{trainable}"][upstream], found[f"through-{trainable}"][upstream])
    for errors in ("perforated", "through"):
        frozen, trained = found[f"{errors}-False"], found[f"{errors}-True"]
        torch.testing.assert_close(frozen[upstream], trained[upstream], rtol=1e-12, atol=1e-14)
        assert not any(".dendrites." in name for name in frozen)
        assert all(f"{site}.dendrites.0.module" in " ".join(trained) for site in ("encode", "decode"))


def test_with_errors_through_dendrites_gradients_are_those_of_the_function_itself():
    """Against central differences, of an upstream weight, a dendrite's weight and w."""
    grown = with_w(
        run_until(growth(network(), errors="through", dendrites_trainable=True), phase="neuron", dendrites=1)
    )
    found = gradients(grown)
    for name, gradient in found.items():
        parameter = grown.model.get_parameter(name)
        ends = []
        for sign in (1, -1):
            with torch.no_grad():
                parameter.view(-1)[0] += sign * 1e-6
                ends.append(square_loss(grown.model, batch(4)).item())
                parameter.view(-1)[0] -= sign * 1e-6
        assert (ends[0] - ends[1]) / 2e-6 == pytest.approx(gradient.view(-1)[0].item(), rel=1e-5, abs=1e-8), name


def test_with_errors_through_dendrites_a_dendrite_phase_changes_nothing_of_the_network():
    grown = run_until(growth(network(), errors="through", cycle_epochs=1), phase="neuron", dendrites=1)
    run_until(with_w(grown), phase="dendrite", dendrites=1)
    before = {name: value for name, value in weights(grown.model).items() if ".candidates." not in name}
    epoch(grown, None)
    after = {name: value for name, value in weights(grown.model).items() if ".candidates." not in name}
    assert same(before, after)


def test_without_a_dendrite_phase_dendrites_are_accepted_as_they_are_drawn():
    grown = growth(network(), dendrite_max_epochs=0, max_dendrites=2, max_epochs=1, cycle_epochs=1)
    switches = []
    while not grown.finished:
        status, _ = epoch(grown, float(grown.epoch), BATCHES)
        switches.append((status.phase, status.switched, status.dendrites))
    assert switches == [("neuron", "accept", 1), ("neuron", "accept", 2), ("neuron", "finish", 2)]
    assert [event["scores"] for event in grown.events if event["event"] == "accept"] == [{}, {}]
    drawn = run_until(growth(network()), phase="dendrite")
    for name, site in drawn.sites.items():
        assert same(weights(site.candidates[0]), weights(grown.sites[name].dendrites[0]))


def test_random_dendrites_are_those_of_a_phase_that_only_takes_statistics():
    """priming_batches beyond the epoch, and one epoch: the accepted weights are the drawn ones."""
    grown = run_until(growth(network(), priming_batches=10**9, dendrite_max_epochs=1), phase="dendrite")
    drawn = [weights(site.candidates[0]) for site in grown.sites.values()]
    epoch(grown, None)
    assert same(drawn, [weights(site.dendrites[0]) for site in grown.sites.values()])


def test_init_scale_multiplies_drawn_weights_and_no_vector():
    drawn = [
        run_until(growth(network(norm=True), init_scale=scale), phase="dendrite").sites["cell"].candidates[0]
        for scale in (1.0, 0.25)
    ]
    for (name, one), other in zip(drawn[0].named_parameters(), drawn[1].parameters(), strict=True):
        assert torch.equal(one * 0.25 if one.ndim > 1 else one, other), name


def test_signed_output_weights_lower_the_loss_at_once():
    grown = run_until(
        growth(network(), initial_w=1e-3, max_epochs=6, patience=6, dendrite_max_epochs=30, dendrite_patience=30),
        phase="dendrite",
        batches=[batch(0)],
    )
    phase = grown._dendrite_phase
    before = square_loss(grown.model, batch(0)).item()
    signs = {}
    while grown.phase == "dendrite":
        grown.step(square_loss, batch(0))
        grown.epoch_end(None)
        signs = {name: pool.signs for name, pool in phase.pools.items()}
    for name, site in grown.sites.items():
        assert torch.equal(site.w[0].detach(), -1e-3 * signs[name])
    assert square_loss(grown.model, batch(0)).item() < before


def test_signs_need_a_phase_to_be_found_in():
    with pytest.raises(UsageError, match=r"initial_w is 0\.1 without a dendrite phase"):
        GrowthSettings(initial_w=0.1, dendrite_max_epochs=0)


def normed(seed=0):
    torch.manual_seed(seed)
    body = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 2), nn.LayerNorm(2))
    return perforate(body.double())


def plain_loss(model, rows):
    return (model(rows[0]) - rows[2]).square().mean()


def test_a_snapshot_for_each_neuron_keeps_the_best_of_each():
    """Of every candidate and epoch; a site whose neurons share weights keeps the layer's, and the event says so."""
    grown = growth(normed(), snapshot="neuron", pool=3, dendrite_max_epochs=5, dendrite_patience=5)
    run_until(grown, phase="dendrite", batches=BATCHES, loss_fn=plain_loss)
    site, best, rows = grown.sites["0"], torch.full((4,), -1.0, dtype=torch.float64), [{} for _ in range(4)]
    while grown.phase == "dendrite":
        for one in BATCHES:
            grown.step(plain_loss, one)
        pool = grown._dendrite_phase.pools["0"]
        for number, statistics in enumerate(pool.statistics):
            for neuron, score in enumerate(statistics.score()):
                if score > best[neuron]:
                    best[neuron] = score
                    rows[neuron] = {n: v[neuron] for n, v in weights(site.candidates[number]).items() if v.ndim}
        grown.epoch_end(None)
    accepted = weights(site.dendrites[0])
    for neuron, row in enumerate(rows):
        assert all(torch.equal(accepted[name][neuron], value) for name, value in row.items())
    assert grown.events[-1]["scores"]["0"] == pytest.approx(best.mean().item())
    assert grown.events[-1]["by_layer"] == ["3"]


class LowRank(nn.Linear):
    """With a parameter whose rows are no neurons'."""

    def __init__(self):
        super().__init__(3, 4, dtype=torch.float64)
        self.low = nn.Parameter(torch.ones(2, 3, dtype=torch.float64))

    def reset_parameters(self):
        super().reset_parameters()
        if hasattr(self, "low"):
            nn.init.normal_(self.low)

    def forward(self, x):
        return super().forward(x) + (x @ self.low.T).sum(1, keepdim=True)


@pytest.mark.parametrize(
    "layer",
    [
        lambda: nn.utils.parametrizations.spectral_norm(nn.Linear(3, 4).double()),
        lambda: nn.utils.parametrizations.orthogonal(nn.Linear(3, 4).double()),
        LowRank,
    ],
)
def test_a_layer_whose_neurons_may_share_weights_keeps_the_layers_snapshot(layer):
    torch.manual_seed(0)
    net = perforate(nn.Sequential(layer(), nn.Tanh(), nn.Linear(4, 2).double()), ["0"])
    grown = growth(net, snapshot="neuron", pool=2, dendrite_max_epochs=3, dendrite_patience=3)
    run_until(grown, phase="dendrite", batches=BATCHES, loss_fn=plain_loss)
    while grown.phase == "dendrite":
        for one in BATCHES:
            grown.step(plain_loss, one)
        grown.epoch_end(None)
    assert grown.events[-1]["by_layer"] == ["0"]


def test_fixed_switching_ends_phases_at_their_length_whatever_the_scores():
    grown = growth(
        network(),
        switching="fixed",
        patience=1,
        dendrite_patience=1,
        max_epochs=4,
        cycle_epochs=3,
        dendrite_max_epochs=2,
        max_dendrites=2,
        threshold=1e9,
    )
    phases = ""
    while not grown.finished:
        phases += grown.phase[0]
        epoch(grown, -float(grown.epoch) if grown.dendrites == 0 else float(grown.epoch), [batch(0)])
    assert phases == "nnnn" + "dd" + "nnn" + "dd" + "nnn"


@pytest.mark.parametrize("name", ["max_epochs", "cycle_epochs", "dendrite_max_epochs"])
def test_fixed_switching_needs_every_length(name):
    lengths = {"max_epochs": 1, "cycle_epochs": 1, "dendrite_max_epochs": 1} | {name: None}
    with pytest.raises(UsageError, match=f"switching is 'fixed' but setting {name} is None"):
        GrowthSettings(switching="fixed", **lengths)


def test_scores_that_never_change_are_said_and_growth_goes_on():
    """As of a validation set on which every network is perfect."""
    grown = growth(network(), patience=3, max_epochs=None)
    for _ in range(3):
        epoch(grown, 0.5)
    said = r"was 0.5 in each of the 4 epochs of the first neuron phase.*learning rate"
    with pytest.warns(UserWarning, match=said):
        status, _ = epoch(grown, 0.5)
    assert status.switched == "grow"
    grown = growth(network(), patience=3, max_epochs=None)
    for score in (0.5, 0.5, 0.4, 0.5):
        status, _ = epoch(grown, score)
    assert status.switched == "grow"


@pytest.mark.parametrize(
    ("role", "snapshot"), [("perforated-False", "neuron"), ("perforated-True", "layer"), ("through-True", "layer")]
)
def test_runs_with_options_are_resumed_bit_for_bit(role, snapshot):
    def make():
        settings = ROLES[role] | {"snapshot": snapshot, "initial_w": 0.01, "pool": 2, "accumulate": 2}
        return growth(network(), **settings, priming_batches=1)

    def go_on(grown, count, start=0):
        for number in range(start, count):
            grown.step(square_loss, batch(number))
            if number % 3 == 2:
                grown.epoch_end(float(grown.epoch))
        return grown

    for stop in (1, 10, 16):
        first = go_on(make(), stop)
        second = make()
        second.load_state_dict(copy.deepcopy(first.state_dict()))
        assert same(go_on(second, 19, stop).state_dict(), go_on(first, 19, stop).state_dict())


def test_sites_that_are_left_out_do_not_grow():
    grown = run_until(growth(network(sites=["conv"])), phase="neuron", dendrites=1)
    assert list(grown.sites) == ["conv"]
    assert not any("dendrites" in name for name in grown.model.state_dict() if not name.startswith("conv."))
