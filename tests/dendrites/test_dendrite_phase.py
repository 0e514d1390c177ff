import pytest
import torch
from torch import nn

from dendrite_networks import (
    SITES,
    Network,
    batch,
    epoch,
    growth,
    network,
    run_until,
    same,
    sgd,
    square_loss,
    weights,
)
from pbgraph.dendrites import SiteError, perforate


def growing(model=None, **settings):
    """A growth at the start of its first dendrite phase."""
    return run_until(growth(model or network(), **settings), phase="dendrite")


def of_the_network(model):
    return {name: value for name, value in weights(model).items() if ".candidates." not in name}


@pytest.mark.parametrize("dendrites", [0, 1])
def test_nothing_but_the_candidates_changes(dendrites):
    """Neither parameters nor statistics nor outputs, in training or evaluation, with dropout and normalisation."""
    grown = growth(network(dropout=0.5, norm=True), dendrite_max_epochs=9, dendrite_patience=9)
    run_until(grown, phase="dendrite", dendrites=dendrites)
    x, edges, _ = batch(9)
    network_before, all_before = of_the_network(grown.model), weights(grown.model)
    output = grown.model.eval()(x, edges)
    losses = []
    for _ in range(3):
        torch.manual_seed(4)
        losses.append(epoch(grown, 0.0)[1])
    assert same(of_the_network(grown.model), network_before)
    assert torch.equal(grown.model.eval()(x, edges), output)
    assert same(losses[0], losses[1])
    assert same(losses[1], losses[2])
    changed = [n for n, value in weights(grown.model).items() if not torch.equal(value, all_before[n])]
    kinds = ["module", "cascade"] if dendrites else ["module"]
    for site in SITES:
        for kind in kinds:
            assert any(name.startswith(f"{site}.candidates.0.{kind}") for name in changed)


def test_no_weight_of_the_network_gets_a_gradient_and_flags_come_back():
    model = network()
    model.conv.parent.linear.bias.requires_grad_(False)
    flags = {name: parameter.requires_grad for name, parameter in model.named_parameters()}
    grown = growing(model, cycle_epochs=1)
    assert {name for name, parameter in model.named_parameters() if parameter.requires_grad} == {
        name for name, _ in model.named_parameters() if ".candidates." in name
    }
    grown.step(square_loss, batch())
    assert all((parameter.grad is not None) == (".candidates." in name) for name, parameter in model.named_parameters())
    run_until(grown, phase="neuron", dendrites=1)
    after = {name: parameter.requires_grad for name, parameter in model.named_parameters()}
    assert {name: after[name] for name in flags} == flags
    assert not any(flag for name, flag in after.items() if ".dendrites." in name)
    assert all(flag for name, flag in after.items() if ".w." in name)


def test_a_module_of_the_users_called_candidates_is_no_candidate():
    class Unlucky(nn.Module):
        def __init__(self):
            super().__init__()
            self.candidates = nn.ModuleList([nn.Linear(3, 4)])
            self.decode = nn.Linear(4, 2)

        def forward(self, x, edge_index):
            return self.decode(torch.tanh(self.candidates[0](x)))

    torch.manual_seed(0)
    grown = growing(perforate(Unlucky().double(), ["decode"]))
    before = weights(grown.model.candidates)
    epoch(grown, 0.0)
    assert same(weights(grown.model.candidates), before)
    assert not grown.model.candidates[0].weight.requires_grad
    grown.restore_best()
    assert grown.model.candidates[0].weight.requires_grad


class Counting(nn.Module):
    """A module that changes its buffers in every forward pass in training: one in place, one by a new tensor."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 4)
        self.register_buffer("count", torch.zeros(()))
        self.register_buffer("last", torch.zeros(3))

    def reset_parameters(self):
        self.linear.reset_parameters()

    def forward(self, x):
        if self.training:
            self.count += 1
            self.last = x.detach().mean(0)
        return self.linear(x)


def test_buffers_that_a_forward_pass_changes_are_put_back():
    class Net(Network):
        def __init__(self):
            super().__init__()
            self.encode = Counting()

    torch.manual_seed(0)
    grown = growing(perforate(Net().double(), SITES))
    parent = grown.sites["encode"].parent
    before, candidate = weights(parent), grown.sites["encode"].candidates[0].module
    assert before["count"] > 0
    first = float(candidate.count)
    epoch(grown, 0.0)
    assert same(weights(parent), before)
    assert float(candidate.count) == first + 2  # its own may change


def test_candidates_of_a_pool_do_not_influence_each_other():
    """Alone or with three others, the first candidate of each site goes the same way, bit for bit."""
    alone, together = (growing(network(), pool=pool) for pool in (1, 4))
    for one in (batch(0), batch(1), batch(2)):
        alone.step(square_loss, one)
        together.step(square_loss, one)
    for name, site in alone.sites.items():
        assert len(together.sites[name].candidates) == 4
        assert same(weights(site.candidates[0]), weights(together.sites[name].candidates[0]))


def test_the_best_candidate_of_the_best_epoch_is_accepted():
    """The pool's winner, with the weights it had at the end of its best epoch, at every site on its own."""
    grown = growing(network(), pool=3, dendrite_max_epochs=4, dendrite_patience=4)
    best, chosen = dict.fromkeys(SITES, -1.0), {}
    while grown.phase == "dendrite":
        for one in (batch(0), batch(1)):
            grown.step(square_loss, one)
        pools = grown._dendrite_phase.pools
        scores = {name: [float(s.score().mean()) for s in pools[name].statistics] for name in SITES}
        candidates = {name: [weights(c) for c in grown.sites[name].candidates] for name in SITES}
        status = grown.epoch_end(None)
        for name in SITES:
            assert status.site_scores[name] == max(scores[name])
            if max(scores[name]) > best[name]:
                best[name] = max(scores[name])
                chosen[name] = candidates[name][scores[name].index(best[name])]
    for name, site in grown.sites.items():
        assert same(weights(site.dendrites[0]), chosen[name])
        assert grown.events[-1]["scores"][name] == best[name]
        assert len(site.candidates) == 0


def test_priming_batches_train_nothing_and_last_one_epoch_at_most():
    grown = growing(network(), priming_batches=1, dendrite_max_epochs=9, dendrite_patience=9)
    site = grown.sites["conv"]
    before = weights(site.candidates)
    grown.step(square_loss, batch(0))
    assert same(weights(site.candidates), before)
    grown.step(square_loss, batch(1))
    assert not same(weights(site.candidates), before)
    grown = growing(network(), priming_batches=1000, dendrite_max_epochs=9, dendrite_patience=9)
    site = grown.sites["conv"]
    before = weights(site.candidates)
    status, _ = epoch(grown, 0.0)
    assert same(weights(site.candidates), before)
    assert status.site_scores["conv"] > 0
    grown.step(square_loss, batch(0))
    assert not same(weights(site.candidates), before)


def test_a_batch_without_patterns_for_a_site_is_passed_over():
    """E.g. a site on bonds and a batch of single atoms."""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(3, 2), nn.Linear(3, 2)

        def forward(self, x, edge_index):
            return self.a(x) + self.b(x[edge_index[0]]).sum(0)

    grown = run_until(growth(perforate(Net().double(), ["a", "b"])), phase="dendrite")
    before = weights(grown.sites["b"].candidates)
    grown.step(square_loss, batch(0, edges=0))
    assert same(weights(grown.sites["b"].candidates), before)
    status, _ = epoch(grown, 0.0)
    assert 0 < status.site_scores["b"] <= 1
    assert grown._dendrite_phase.discarded == {}


@pytest.mark.parametrize("where", ["before", "after"])
def test_operations_in_place_around_a_site_do_not_disturb_its_delta(where):
    class Net(nn.Module):
        def __init__(self, in_place):
            super().__init__()
            self.a, self.b, self.in_place = nn.Linear(3, 4), nn.Linear(4, 2), in_place

        def forward(self, x, edge_index):
            h = self.a(x)
            h = (
                (h.mul_(2.0) if where == "after" else h.tanh_())
                if self.in_place
                else (h * 2.0 if where == "after" else h.tanh())
            )
            return self.b(h)

    candidates = []
    for in_place in (True, False):
        torch.manual_seed(0)
        grown = growth(perforate(Net(in_place).double(), ["a", "b"]), sgd(), max_epochs=1)
        run_until(grown, phase="dendrite")
        epoch(grown, 0.0)
        candidates.append([weights(site.candidates) for site in grown.sites.values()])
    assert same(*candidates)


class Adds(nn.Module):
    """What frozen layers return is added to their inputs, in place or not."""

    def __init__(self, in_place):
        super().__init__()
        self.first, self.last, self.in_place = nn.Linear(3, 4), nn.Linear(4, 2), in_place
        self.layer, self.cell = nn.Linear(4, 4).requires_grad_(False), nn.GRUCell(4, 4).requires_grad_(False)

    def forward(self, x, edge_index):
        h = self.first(x) * 1.0
        for part in (self.layer, self.cell, self.layer):
            y = part(h)
            h = h.add_(y) if self.in_place else h + y
        return self.last(torch.tanh(h))


@pytest.mark.parametrize(
    "settings",
    [{}, {"delta": "clean"}, {"dendrites_trainable": True}, {"dendrites_trainable": True, "errors": "through"}],
)
def test_a_frozen_layer_whose_input_is_changed_afterwards_grows_as_any(settings):
    found = []
    for in_place in (True, False):
        torch.manual_seed(0)
        model = perforate(Adds(in_place).double(), ["first", "layer", "cell", "last"], example=batch(0)[:2])
        grown = run_until(growth(model, **settings), phase="dendrite", dendrites=1)
        epoch(grown, 0.0)
        found.append(weights(grown.model))
    assert same(*found)


class Fragile(nn.Module):
    """A linear map; copies of it fail from the forward pass on that `fails` says."""

    def __init__(self, fails=lambda copy, calls: False):
        super().__init__()
        self.linear, self.fails, self.copies, self.calls = nn.Linear(3, 4), fails, [0], 0

    def __deepcopy__(self, memo):
        made = Fragile(self.fails)
        self.copies[0] += 1
        made.number = self.copies[0]
        return made.to(self.linear.weight.dtype)

    def reset_parameters(self):
        self.linear.reset_parameters()

    def forward(self, x):
        self.calls += 1
        y = self.linear(x)
        return y * torch.nan if hasattr(self, "number") and self.fails(self.number, self.calls) else y


def fragile_network(fails):
    class Net(Network):
        def __init__(self):
            super().__init__()
            self.encode = Fragile(fails)

    torch.manual_seed(0)
    return perforate(Net().double(), SITES)


CHECK = 1  # perforate makes the first copy, to see whether it can


def test_a_nan_discards_that_candidate_and_nothing_else():
    """Of three candidates the second becomes NaN in its third step: it is counted, the others go on as if alone."""
    grown = growing(fragile_network(lambda copy, calls: copy == CHECK + 2 and calls >= 3), pool=3)
    intact = growing(fragile_network(lambda copy, calls: False), pool=3)
    for one in (grown, intact):
        for _ in range(2):
            epoch(one, 0.0)
    assert grown.phase == "neuron"
    assert grown.events[-1]["discarded"] == {"encode": 1}
    assert intact.events[-1]["discarded"] == {}
    assert same(weights(grown.sites["conv"]), weights(intact.sites["conv"]))
    assert all(torch.isfinite(value).all() for value in weights(grown.model).values())


def test_a_site_whose_only_candidate_fails_late_keeps_its_snapshot():
    grown = growing(fragile_network(lambda copy, calls: copy > CHECK and calls > 2))
    epoch(grown, 0.0)
    snapshot = weights(grown.sites["encode"].candidates[0])
    epoch(grown, 0.0)
    assert same(weights(grown.sites["encode"].dendrites[0]), snapshot)
    assert grown.events[-1]["discarded"] == {"encode": 1}


def test_a_site_whose_candidates_all_fail_gets_no_dendrite_and_others_do():
    grown = growing(fragile_network(lambda copy, calls: copy > CHECK), pool=2)
    x, edges, _ = batch(3)
    output = grown.model.eval()(x, edges)
    run_until(grown, phase="neuron", dendrites=1)
    assert torch.equal(grown.model.eval()(x, edges), output)
    assert [len(grown.sites[name].dendrites) for name in SITES] == [0, 1, 1, 1]
    assert grown.events[-1]["discarded"] == {"encode": 2}
    assert "encode" not in grown.events[-1]["scores"]
    state = grown.state_dict()
    again = growth(fragile_network(lambda copy, calls: False), pool=2)
    again.load_state_dict(state)
    assert [len(again.sites[name].dendrites) for name in SITES] == [0, 1, 1, 1]


def test_a_try_in_which_every_candidate_fails_has_failed():
    torch.manual_seed(0)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.encode = Fragile(lambda copy, calls: copy > CHECK)

        def forward(self, x, edge_index):
            return self.encode(x)

    grown = growth(perforate(Net().double(), ["encode"]), max_tries=3, dendrite_max_epochs=50, dendrite_patience=50)
    run_until(grown, phase="dendrite", batches=[batch(0, outputs=4)])
    best = weights(grown.model.encode.parent)
    switches = []
    while not grown.finished:
        switches.append(epoch(grown, 0.0, [batch(0, outputs=4)])[0].switched)
    assert switches == ["drop", "drop", "finish"]  # at once: nobody waits for patience
    assert [event["event"] for event in grown.events] == ["fail", "fail", "fail", "finish"]
    assert [event.get("tries") for event in grown.events] == [1, 2, 3, None]
    grown.restore_best()
    assert same(weights(grown.model.encode.parent), best)
    assert grown.model.encode.parent.linear.weight.requires_grad


def test_a_candidate_whose_weights_become_nan_in_the_last_step_is_not_kept():
    grown = growing(network(), max_dendrites=1)
    for one in (batch(0), batch(1)):
        grown.step(square_loss, one)
    with torch.no_grad():
        grown.sites["conv"].candidates[0].module.linear.weight[0, 0] = torch.inf
    status = grown.epoch_end(None)
    assert status.site_scores["conv"] == 0.0
    epoch(grown, 0.0)
    assert grown.events[-1]["discarded"] == {"conv": 1}
    assert [len(grown.sites[name].dendrites) for name in SITES] == [1, 0, 1, 1]


class Idle(Network):
    """Passes the cell over, so that the loss does not depend on it, unless `reached`."""

    reached = True

    def forward(self, x, edge_index):
        self.conv(self.encode(x), edge_index)
        return super().forward(x, edge_index) if self.reached else self.decode(torch.tanh(self.encode(x)))


def test_a_batch_that_does_not_reach_a_site_has_no_patterns_for_it():
    torch.manual_seed(0)
    net = Idle().double()
    grown = growing(perforate(net, SITES))
    statistics = grown._dendrite_phase.pools["cell"].statistics[0]
    for net.reached in (True, False):
        grown.step(square_loss, batch())
        assert (statistics.batches, statistics.patterns) == (1, 21)
    net.reached = True
    grown.epoch_end(None)
    net.reached = False
    grown.step(square_loss, batch())
    net.reached = True
    status = grown.epoch_end(None)
    assert status.site_scores["cell"] == 0.0
    assert status.switched == "accept"
    assert [len(grown.sites[name].dendrites) for name in SITES] == [1, 1, 1, 1]  # of the epoch that saw them
    assert grown.events[-1]["unreached"] == ["conv", "cell"]


def test_sites_that_no_batch_of_the_first_epoch_reaches_are_named_together():
    torch.manual_seed(0)
    net = Idle().double()
    net.reached = False
    grown = growth(perforate(net, SITES))
    grown.step(square_loss, batch())
    with torch.no_grad():
        net.cell(*[torch.randn(7, 4, dtype=torch.float64)] * 2)  # called, but to no avail
    with pytest.raises(SiteError, match=r"site 'conv' gets no gradient \(nor 'cell'\).*leave it out"):
        grown.epoch_end(0.0)


def test_a_loss_without_gradient_is_an_error():
    grown = growing(network())
    with pytest.raises(SiteError, match="site 'encode' gets no gradient"):
        grown.step(lambda model, batch: torch.ones(()), batch())
    assert all(site.calls is None for site in grown.sites.values())


class Masked(nn.Module):
    """Attention of every node to those before it, with a buffer that nothing reads."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 4)
        self.register_buffer("mask", torch.full((7, 7), -torch.inf).triu(1))
        self.register_buffer("mean", torch.zeros(()))

    def reset_parameters(self):
        self.linear.reset_parameters()

    def forward(self, x):
        y = self.linear(x)
        return torch.softmax(y @ y.T + self.mask, -1) @ y


def masked():
    model = Network()
    model.encode = Masked()
    torch.manual_seed(0)
    return perforate(model.double(), SITES)


@pytest.mark.parametrize("resumed", [False, True])
def test_a_site_with_a_mask_grows_and_a_buffer_that_becomes_nan_still_counts(resumed):
    grown = run_until(growth(masked(), pool=2), phase="dendrite")
    grown.step(square_loss, batch(0))
    grown.sites["encode"].candidates[1].module.mean.fill_(torch.nan)
    if resumed:
        state = grown.state_dict()
        grown = growth(masked(), pool=2)
        grown.load_state_dict(state)
    run_until(grown, phase="neuron", dendrites=1)
    assert grown.events[-1]["discarded"] == {"encode": 1}
    assert [len(grown.sites[name].dendrites) for name in SITES] == [1, 1, 1, 1]
