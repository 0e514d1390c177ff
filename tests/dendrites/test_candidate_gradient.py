"""The step of a candidate against gradients derived by hand, in NumPy and float64, and against finite differences."""

import numpy as np
import pytest
import torch
from torch import nn

from dendrite_networks import growth, sgd
from pbgraph.dendrites import perforate, sites_of

RATE = 0.5
P, C = 6, 3


class Twice(nn.Module):
    """L = mean (y₂ - t)²,  y₁ = M(x), y₂ = M(tanh y₁): one linear site, two calls."""

    def __init__(self):
        super().__init__()
        self.map = nn.Linear(C, C)

    def forward(self, x):
        return self.map(torch.tanh(self.map(x)))


class Elman(nn.Module):
    """h' = tanh(W x + U h + b); the output is the state."""

    recurrent_state = True

    def __init__(self):
        super().__init__()
        self.input, self.state = nn.Linear(C, C), nn.Linear(C, C, bias=False)

    def reset_parameters(self):
        self.input.reset_parameters()
        self.state.reset_parameters()

    def forward(self, x, h):
        h = torch.tanh(self.input(x) + self.state(h))
        return h, h


class Sequence(nn.Module):
    """L = mean over steps of (R y_t - target_t)²: one recurrent site, three calls, each with an output of its own."""

    def __init__(self):
        super().__init__()
        self.cell, self.read = Elman(), nn.Linear(C, C)

    def forward(self, x):
        steps, state = x[:-1], x[-1]
        outputs = []
        for one in steps:
            y, state = self.cell(one, state)
            outputs.append(self.read(y))
        return torch.stack(outputs)


def loss_fn(model, batch):
    x, target = batch
    return (model(x) - target).square().mean()


def data(shape, seed):
    random = np.random.default_rng(seed)
    x = random.normal(size=shape)
    target = random.normal(size=shape if len(shape) == 2 else (shape[0] - 1, *shape[1:]))
    return x, target


def tensors(batch):
    return tuple(map(torch.from_numpy, batch))


def in_dendrite_phase(net, site, batch, **settings):
    """A growth in its second dendrite phase: there is one accepted dendrite, with an output weight that is not 0."""
    torch.manual_seed(7)
    model = perforate(net().double(), [site])
    grown = growth(model, sgd(RATE), priming_batches=0, max_epochs=1, cycle_epochs=1, dendrite_max_epochs=1, **settings)
    for score in (1.0, 2.0):
        grown.step(loss_fn, tensors(batch))
        grown.epoch_end(score)
    assert (grown.phase, grown.dendrites) == ("neuron", 1)
    with torch.no_grad():
        grown.sites[site].w[0].copy_(torch.tensor([0.7, -0.4, 0.9]))
    grown.step(loss_fn, tensors(batch))
    grown.epoch_end(3.0)
    assert (grown.phase, grown.dendrites) == ("dendrite", 1)
    with torch.no_grad():
        grown.sites[site].candidates[0].cascade[0].copy_(torch.tensor([0.3, -0.2, 0.5]))
    return grown


def values(module):
    return {name: parameter.detach().numpy().copy() for name, parameter in module.named_parameters()}


class Running:
    """ā, δ̄, variances and covariance as exponential averages, written out once more."""

    def __init__(self):
        self.batches = 0
        self.value = np.zeros((5, C))

    def constants(self, a, delta, *, normalised):
        """(s / n (C,), δ̄ (C,)) after one more batch; a, delta (patterns, C)."""
        keep = min(0.99, self.batches / (self.batches + 1))
        self.batches += 1
        old, self.value = self.value, np.zeros((5, C))
        self.value[0] = keep * old[0] + (1 - keep) * a.mean(0)
        self.value[1] = keep * old[1] + (1 - keep) * delta.mean(0)
        x, e = a - self.value[0], delta - self.value[1]
        for row, product in enumerate((x * x, e * e, x * e), start=2):
            self.value[row] = keep * old[row] + (1 - keep) * product.mean(0)
        n = np.sqrt(self.value[2] * self.value[3]) if normalised else 1.0
        return np.sign(self.value[4]) / n, self.value[1]


def check(grown, site, batches, reference, *, normalised):
    """Three steps: each parameter of the candidate moves by the rate times the derived gradient."""
    candidate, running = grown.sites[site].candidates[0], Running()
    network = values(grown.model)
    for batch in batches:
        before = values(candidate)
        grown.step(loss_fn, tensors(batch))
        after = values(candidate)
        gradient, objective = reference(network, before, batch, running, normalised=normalised)
        assert gradient.keys() == before.keys()
        for name, expected in gradient.items():
            actual = (before[name] - after[name]) / RATE
            np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-11, err_msg=name)
            np.testing.assert_allclose(
                differences(objective, before, name), expected, rtol=1e-5, atol=1e-8, err_msg=name
            )


def differences(objective, parameters, name, step=1e-5):
    """Central differences of objective(parameters) for the parameter called `name`."""
    result = np.zeros_like(parameters[name])
    for index in np.ndindex(*result.shape):
        ends = []
        for sign in (1, -1):
            moved = parameters[name].copy()
            moved[index] += sign * step
            ends.append(objective(parameters | {name: moved}))
        result[index] = (ends[0] - ends[1]) / (2 * step)
    return result


def twice_by_hand(network, candidate, batch, running, *, normalised):
    """Gradients for `Twice`, and its objective with δ and the constants held fixed."""
    x, target = batch
    w_out = network["map.w.0"]
    weight, bias = network["map.parent.weight"], network["map.parent.bias"]
    own, own_bias = network["map.dendrites.0.module.weight"], network["map.dendrites.0.module.bias"]
    a0_1 = np.tanh(x @ own.T + own_bias)
    y_1 = x @ weight.T + bias + w_out * a0_1
    h = np.tanh(y_1)
    a0_2 = np.tanh(h @ own.T + own_bias)
    y_2 = h @ weight.T + bias + w_out * a0_2
    delta_2 = 2 * (y_2 - target) / y_2.size
    delta_1 = (delta_2 @ weight) * (1 - h**2)  # perforated: nothing through a0_2
    inputs, earlier = np.concatenate([x, h]), np.concatenate([a0_1, a0_2])
    delta = np.concatenate([delta_1, delta_2])

    def activation(c):
        return np.tanh(inputs @ c["module.weight"].T + c["module.bias"] + c["cascade.0"] * earlier)

    a = activation(candidate)
    sign_over_n, mean = running.constants(a, delta, normalised=normalised)
    pull = sign_over_n * (delta - mean) / len(delta)
    dz = -pull * (1 - a**2)
    gradient = {"module.weight": dz.T @ inputs, "module.bias": dz.sum(0), "cascade.0": (dz * earlier).sum(0)}
    return gradient, lambda c: -(pull * activation(c)).sum()


def sequence_by_hand(network, candidate, batch, running, *, normalised):
    """Gradients for `Sequence` by backpropagation through the candidate's own time, and its objective."""
    x, target = batch
    steps, start = x[:-1], x[-1]
    names = ("input.weight", "input.bias", "state.weight")

    def states(weight, bias, recurrent):
        h, all_ = start, []
        for one in steps:
            h = np.tanh(one @ weight.T + bias + h @ recurrent.T)
            all_.append(h)
        return all_

    parent = states(*(network[f"cell.parent.{name}"] for name in names))
    earlier = [np.tanh(h) for h in states(*(network[f"cell.dendrites.0.module.{name}"] for name in names))]
    read, read_bias = network["read.weight"], network["read.bias"]
    outputs = [h + network["cell.w.0"] * a for h, a in zip(parent, earlier, strict=True)]
    delta = [2 * (y @ read.T + read_bias - t) / target.size @ read for y, t in zip(outputs, target, strict=True)]

    def activations(c):
        own = states(*(c[f"module.{name}"] for name in names))
        return own, [np.tanh(h + c["cascade.0"] * a0) for h, a0 in zip(own, earlier, strict=True)]

    own, a = activations(candidate)
    sign_over_n, mean = running.constants(np.concatenate(a), np.concatenate(delta), normalised=normalised)
    pull = [sign_over_n * (one - mean) / (len(delta) * P) for one in delta]
    gradient = {name: np.zeros_like(value) for name, value in candidate.items()}
    dh = np.zeros_like(start)
    for t in reversed(range(len(steps))):
        dz = -pull[t] * (1 - a[t] ** 2)
        gradient["cascade.0"] += (dz * earlier[t]).sum(0)
        dpre = (dz + dh) * (1 - own[t] ** 2)
        gradient["module.input.weight"] += dpre.T @ steps[t]
        gradient["module.input.bias"] += dpre.sum(0)
        gradient["module.state.weight"] += dpre.T @ (own[t - 1] if t else start)
        dh = dpre @ candidate["module.state.weight"]
    return gradient, lambda c: -sum((p * one).sum() for p, one in zip(pull, activations(c)[1], strict=True))


@pytest.mark.parametrize("objective", ["normalised", "raw"])
def test_linear_site_called_twice(objective):
    batches = [data((P, C), seed) for seed in range(3)]
    grown = in_dendrite_phase(Twice, "map", batches[0], objective=objective)
    check(grown, "map", batches, twice_by_hand, normalised=objective == "normalised")


@pytest.mark.parametrize("objective", ["normalised", "raw"])
def test_recurrent_site_called_three_times(objective):
    batches = [data((4, P, C), seed) for seed in range(3)]
    grown = in_dendrite_phase(Sequence, "cell", batches[0], objective=objective)
    check(grown, "cell", batches, sequence_by_hand, normalised=objective == "normalised")


def test_delta_is_the_derivative_of_the_loss_by_what_leaves_the_site():
    """Against central differences: one number is added to one output of one call, dendrites held constant."""
    batch = data((P, C), 0)
    grown = in_dendrite_phase(Twice, "map", batch)
    phase, x, target = grown._dendrite_phase, *tensors(batch)
    with phase._calls_kept():
        deltas = phase._output_gradients(loss_fn(grown.model, (x, target)), {"map": grown.sites["map"].calls})["map"]
    site = sites_of(grown.model)["map"]
    a0 = torch.tanh(site.dendrites[0].module(torch.tanh(site(x)))).detach()  # of the second call

    def loss(offset_1, offset_2):
        y_1 = site(x) + offset_1
        y_2 = site.parent(torch.tanh(y_1)) + site.w[0] * a0 + offset_2
        return (y_2 - target).square().mean().item()

    for call, delta in enumerate(deltas):
        for index in np.ndindex(P, C):
            step = torch.zeros(P, C, dtype=torch.float64)
            step[index] = 1e-6
            up, down = ([step, 0 * step], [-step, 0 * step]) if call == 0 else ([0 * step, step], [0 * step, -step])
            assert (loss(*up) - loss(*down)) / 2e-6 == pytest.approx(delta[index].item(), rel=1e-6, abs=1e-9)
