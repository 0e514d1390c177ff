import copy

import pytest
import torch
from torch import nn

from dendrite_networks import (
    SITES,
    Cell,
    Network,
    batch,
    epoch,
    growth,
    network,
    run_until,
    square_loss,
    weights,
    with_dendrites,
)
from pbgraph.dendrites import Dendrite, PerforatedSite, SiteError, perforate, sites_of


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_without_dendrites_the_wrapped_network_is_the_network(training, dtype):
    torch.manual_seed(0)
    plain = Network(dropout=0.5, norm=True).to(dtype)
    wrapped = perforate(copy.deepcopy(plain), SITES)
    x, edges, y = batch(dtype=dtype)
    outputs, gradients = [], []
    for model in (plain.train(training), wrapped.train(training)):
        torch.manual_seed(1)
        output = model(x, edges)
        (output - y).square().sum().backward()
        outputs.append(output)
        gradients.append([parameter.grad for parameter in model.parameters()])
    assert torch.equal(*outputs)
    assert len(gradients[0]) == len(gradients[1])
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


def test_without_dendrites_the_parents_output_itself_is_returned():
    x = torch.randn(2, 3)
    site = PerforatedSite(_Constant(x), "constant")
    assert site(0) is x


class _Constant(nn.Module):
    def __init__(self, value):
        super().__init__()
        self.value = value

    def forward(self, _):
        return self.value


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_acceptance_leaves_outputs_bit_identical(training, dtype):
    """The candidates come, are trained, and are accepted: the network's function never changes."""
    grown = growth(network(dropout=0.5, norm=True, dtype=dtype), max_dendrites=3, cycle_epochs=1)
    batches = [batch(0, dtype=dtype), batch(1, dtype=dtype)]
    x, edges, _ = batch(5, dtype=dtype)

    def output():
        torch.manual_seed(3)
        before = weights(grown.model)
        result = grown.model.train(training)(x, edges).detach()
        grown.model.load_state_dict(before)  # batch normalisation took notice of x
        return result

    for dendrites in (0, 1):
        run_until(grown, phase="dendrite", dendrites=dendrites, batches=batches)
        expected = output()
        while grown.phase == "dendrite":
            epoch(grown, 0.0, batches)
            assert torch.equal(output(), expected)
        assert all(len(site.dendrites) == dendrites + 1 for site in grown.sites.values())
        assert all(bool((site.w[-1] == 0).all()) for site in grown.sites.values())
        with torch.no_grad():
            grown.sites["conv"].w[-1].fill_(0.5)
        assert not torch.equal(output(), expected)
        with torch.no_grad():
            grown.sites["conv"].w[-1].zero_()


def test_forward_follows_the_equations():
    """y' = M(x) + Σ w_k a_k, a_k = tanh(M_k(x) + Σ_{j<k} u_kj a_j), written out for two dendrites."""
    model = with_dendrites(network(), 2)
    site = sites_of(model)["encode"]
    x = batch(3)[0]
    first, second = site.dendrites
    a_0 = torch.tanh(first.module(x))
    a_1 = torch.tanh(second.module(x) + second.cascade[0] * a_0)
    torch.testing.assert_close(site(x), site.parent(x) + site.w[0] * a_0 + site.w[1] * a_1, rtol=1e-14, atol=1e-14)
    assert len(first.cascade) == 0
    assert (second.cascade[0] != 0).all()


def test_a_recurrent_dendrite_runs_on_a_state_of_its_own():
    model = with_dendrites(network(), 1)
    site = sites_of(model)["cell"]
    torch.manual_seed(0)
    inputs, state = torch.randn(3, 5, 4, dtype=torch.float64), torch.randn(5, 4, dtype=torch.float64)
    parent_state = own_state = handed = state
    for x in inputs:
        y, parent_state = site.parent(x, parent_state)
        z, own_state = site.dendrites[0].module(x, own_state)
        output, handed = site(x, handed)
        torch.testing.assert_close(output, y + site.w[0] * torch.tanh(z), rtol=1e-14, atol=1e-14)
        assert torch.equal(handed, parent_state)  # the parent's own recurrence is unchanged
    assert not torch.allclose(own_state, parent_state)


def test_a_state_from_another_site_starts_the_dendrites_from_its_parents_state():
    model = with_dendrites(network(), 1)
    site = sites_of(model)["cell"]
    other = copy.deepcopy(site)
    x = torch.randn(5, 4, dtype=torch.float64)
    _, handed = other(x, x)
    expected = site(x, handed.clone())[0]
    assert torch.equal(site(x, handed)[0], expected)
    assert not torch.equal(site(x, site(x, x)[1])[0], expected)


class WithDropout(nn.Module):
    """A recurrent cell, and between its calls whatever `between` makes of its state."""

    def __init__(self, cell, between):
        super().__init__()
        self.cell, self.drop, self.between = cell(4, 4), nn.Dropout(0.5), between

    def forward(self, x):
        h = memory = torch.zeros_like(x)
        for _ in range(3):
            if isinstance(self.cell, nn.LSTMCell):
                y, memory = self.cell(x, (h, memory))
            else:
                y = self.cell(x, h)
            h = self.between(self.drop, y)
        return y


def grown_by_one(cell, between):
    model = perforate(WithDropout(cell, between)).double()
    model(torch.randn(5, 4, dtype=torch.float64))
    site = sites_of(model)["cell"]
    site.resize(["tanh"], [])
    with torch.no_grad():
        site.w[0].fill_(1.0)
    return model


def trained_and_evaluated(model):
    x = torch.randn(5, 4, dtype=torch.float64)
    model.train()
    model(x).sum().backward()
    model.eval()
    with torch.no_grad():
        model(x)


@pytest.mark.parametrize("cell", [nn.GRUCell, nn.LSTMCell])
@pytest.mark.parametrize("make", [grown_by_one, lambda *made: perforate(WithDropout(*made)).double()])
def test_a_state_that_is_changed_in_training_alone_is_refused(cell, make):
    """In evaluation its dendrites would go on with states that they never had in training."""
    dropped = make(cell, lambda drop, h: drop(h))
    for _ in range(2):
        with pytest.raises(SiteError, match="site 'cell': in training its state is changed before it is handed back"):
            trained_and_evaluated(dropped)
    for between in (
        lambda drop, h: drop(h) * 1,
        lambda drop, h: h,
        lambda drop, h: torch.relu(h),
        lambda drop, h: h.detach(),
    ):
        trained_and_evaluated(make(cell, between))


def test_a_state_that_is_new_after_dropout_makes_one_function_of_training_and_evaluation():
    model = grown_by_one(nn.GRUCell, lambda drop, h: drop(h) * 1)
    model.drop.p = 1e-12
    x = torch.randn(5, 4, dtype=torch.float64)
    torch.testing.assert_close(model.train()(x), model.eval()(x), rtol=1e-9, atol=1e-9)


def test_a_state_is_kept_over_a_change_of_dendrites():
    """The dendrites that stay go on, new ones start from the parent's state."""
    site = sites_of(with_dendrites(network(), 1))["cell"]
    x = torch.randn(5, 4, dtype=torch.float64)
    _, handed = site(x, x)
    expected = site(x, handed)[0]
    site.resize(["tanh"] * 2, [])
    assert torch.equal(site(x, handed)[0], expected)
    with torch.no_grad():
        site.w[1].fill_(1.0)
    a = torch.tanh(site.dendrites[1].module(x, handed)[0])  # its cascade weights are 0
    torch.testing.assert_close(site(x, handed)[0], expected + a, rtol=1e-12, atol=1e-12)


class Constants(nn.Module):
    """The reference of perforation: a site whose dendrites' activations are given numbers, one tuple per call."""

    def __init__(self, site, calls):
        super().__init__()
        self.parent, self.w, self.calls = site.parent, site.w, iter(calls)

    def forward(self, *inputs):
        output = self.parent(*inputs)
        y, *state = output if isinstance(output, tuple) else (output,)
        y = y + sum(w * a for w, a in zip(self.w, next(self.calls), strict=True))
        return (y, *state) if state else y


def recorded_activations(model, x, edges):
    """Site -> its calls -> a_k of every dendrite, from a forward pass."""
    calls = {name: [] for name in sites_of(model)}
    hooks = []
    for name, site in sites_of(model).items():
        for k, dendrite in enumerate(site.dendrites):

            def keep(module, inputs, output, *, name=name, k=k):
                if k == 0:
                    calls[name].append([])
                calls[name][-1].append(output[0].detach().clone())

            hooks.append(dendrite.register_forward_hook(keep))
    model(x, edges)
    for hook in hooks:
        hook.remove()
    return calls


def gradients(model, x, edges, y):
    model.zero_grad()
    (model(x, edges) - y).square().mean().backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("sites", [["encode"], ["conv"], ["cell"], SITES], ids=lambda sites: "+".join(sites))
def test_errors_do_not_flow_through_dendrites(sites):
    """The gradient of every parameter is that of the network in which each a_k is a constant."""
    model = with_dendrites(network(sites=sites), 2)
    x, edges, y = batch(4)
    calls = recorded_activations(model, x, edges)
    actual = gradients(model, x, edges, y)
    reference = copy.deepcopy(model)
    for name, site in sites_of(reference).items():
        setattr(reference, name, Constants(site, calls[name]))
    expected = gradients(reference, x, edges, y)
    assert expected.keys() == actual.keys()
    assert not any(".dendrites." in name for name in actual)
    for name, gradient in expected.items():
        torch.testing.assert_close(actual[name], gradient, rtol=1e-12, atol=1e-15)
    assert all(f"{name}.w.{k}" in actual for name in sites for k in (0, 1))


class Leaky(PerforatedSite):
    """What must not be: a site whose dendrites hand errors down to their inputs."""

    def forward(self, *inputs):
        y = self.parent(*inputs)
        answers = []
        for w, dendrite in zip(self.w, self.dendrites, strict=True):
            answers.append(dendrite(answers, inputs, {})[0])
            y = y + w * answers[-1]
        return y


def test_the_perforation_test_could_fail():
    """With errors flowing through dendrites the gradient of an upstream parameter is another, the output the same."""
    model = with_dendrites(network(), 2)
    x, edges, y = batch(4)
    perforated, output = gradients(model, x, edges, y), model(x, edges)
    sites_of(model)["conv"].module.__class__ = Leaky
    torch.testing.assert_close(model(x, edges), output, rtol=1e-12, atol=1e-14)
    leaky = gradients(model, x, edges, y)
    assert not torch.allclose(leaky["encode.parent.weight"], perforated["encode.parent.weight"], rtol=1e-3)


def test_output_weights_get_their_exact_gradient():
    """∂L/∂w_ki = Σ_p δ_ip a_kip over all calls, against central differences.

    w acts on later inputs of dendrites too, which perforation leaves out: only the last site is free of that.
    """
    model = with_dendrites(network(), 2)
    data = batch(4)
    square_loss(model, data).backward()
    w = sites_of(model)["decode"].w[1]
    for channel in range(len(w)):
        losses = []
        for step in (1e-5, -1e-5):
            with torch.no_grad():
                w[channel] += step
                losses.append(square_loss(model, data))
                w[channel] -= step
        assert (losses[0] - losses[1]).item() / 2e-5 == pytest.approx(w.grad[channel].item(), rel=1e-7)


def test_accepted_dendrites_are_fixed_functions():
    """Batch normalisation within an accepted dendrite neither uses nor takes in the statistics of the batch."""
    torch.manual_seed(0)

    class Normed(nn.Sequential):
        def __init__(self):
            super().__init__(nn.Linear(3, 4), nn.BatchNorm1d(4))

    model = perforate(nn.Sequential(Normed(), nn.Tanh(), nn.Linear(4, 1)), ["0", "2"])
    data = [(torch.randn(9, 3), torch.randn(9, 1)) for _ in range(2)]
    grown = growth(model)
    run_until(
        grown,
        phase="neuron",
        dendrites=1,
        batches=data,
        loss_fn=lambda model, batch: (model(batch[0]) - batch[1]).square().mean(),
    )
    dendrite = grown.sites["0"].dendrites[0]
    statistics = weights(dendrite)
    assert statistics["module.1.num_batches_tracked"] > 0  # its own, learnt as a candidate
    x = torch.randn(9, 3)
    in_training = model.train() and dendrite([], (x,), {})[0]
    in_evaluation = model.eval() and dendrite([], (x,), {})[0]
    assert torch.equal(in_training, in_evaluation)
    model.train()(x)
    assert all(torch.equal(statistics[name], value) for name, value in dendrite.state_dict().items())
    assert dendrite.training
    assert model[0].parent[1].training


def test_each_activation_is_applied():
    for activation, g in {"tanh": torch.tanh, "sigmoid": torch.sigmoid, "relu": torch.relu}.items():
        dendrite = Dendrite(nn.Linear(2, 3), channels=3, predecessors=0, activation=activation)
        x = torch.randn(5, 2)
        assert torch.equal(dendrite([], (x,), {})[0], g(dendrite.module(x)))


class Pair(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(2, 2)

    def forward(self, x):
        return self.linear(x), x


class Sum(Pair):
    def forward(self, x):
        return self.linear(x).sum()


class Choices(Pair):
    def forward(self, x):
        return self.linear(x).argmax(1), x


class Named(Pair):
    def forward(self, x):
        return {"y": self.linear(x)}


class NotRecurrent(Cell):
    def forward(self, x, state):
        return super().forward(x, state)[0]


@pytest.mark.parametrize(
    ("module", "inputs", "message"),
    [
        (Named(), 1, "site 'it' returns a dict; a site returns a tensor of real numbers with its neurons on axis -1"),
        (Sum(), 1, "site 'it' returns a tensor of float32 with 0 axes"),
        (Choices(), 1, "site 'it' returns a tensor of int64 with 1 axes"),
        (NotRecurrent(2), 2, "site 'it' sets recurrent_state = True but returns a Tensor"),
    ],
)
def test_outputs_that_no_site_can_have_are_errors_that_name_it(module, inputs, message):
    model = perforate(nn.ModuleDict({"it": module}), ["it"])
    with pytest.raises(SiteError, match=message):
        model["it"](*[torch.randn(3, 2)] * inputs)


def test_a_changing_number_of_neurons_is_an_error():
    model = perforate(nn.ModuleDict({"it": Transposed()}), ["it"])
    model["it"](torch.randn(3, 2))
    with pytest.raises(SiteError, match=r"site 'it' had 3 neurons on axis -1 and now has 5"):
        model["it"](torch.randn(5, 2))


class Transposed(Pair):
    def forward(self, x):
        return self.linear(x).T


def test_keyword_arguments_reach_parent_and_dendrites():
    class Net(Network):
        def forward(self, x, edge_index):
            return self.decode(self.conv(x=self.encode(x), edge_index=edge_index))

    torch.manual_seed(0)
    model = with_dendrites(perforate(Net().double(), ["encode", "conv", "decode"]), 1)
    x, edges, _ = batch(2)
    site = sites_of(model)["conv"]
    h = model.encode(x)
    expected = site.parent(h, edges) + site.w[0] * torch.tanh(site.dendrites[0].module(h, edges))
    torch.testing.assert_close(site(edge_index=edges, x=h), expected, rtol=1e-14, atol=1e-14)
