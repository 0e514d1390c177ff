"""Random small networks: whatever their sites, depth, calls per forward pass and recurrence, the promises hold."""

import copy

import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from torch import nn

from dendrite_networks import Cell, growth, same, weights
from pbgraph.dendrites import export, perforate, sites_of

CHANNELS = 3
KINDS = {
    "linear": lambda: nn.Linear(CHANNELS, CHANNELS),
    "normed": lambda: nn.Sequential(nn.Linear(CHANNELS, CHANNELS), nn.BatchNorm1d(CHANNELS)),
    "convolution": lambda: nn.Conv1d(1, CHANNELS, 1),
    "flagged": lambda: Cell(CHANNELS),
    "gru-cell": lambda: nn.GRUCell(CHANNELS, CHANNELS),
    "lstm-cell": lambda: nn.LSTMCell(CHANNELS, CHANNELS),
    "gru": lambda: nn.GRU(CHANNELS, CHANNELS, batch_first=True),
    "attention": lambda: nn.MultiheadAttention(CHANNELS, 1, batch_first=True),
}
LAYERS = st.lists(st.tuples(st.sampled_from(sorted(KINDS)), st.integers(1, 3), st.booleans()), min_size=1, max_size=3)


class Random(nn.Module):
    """Layers one after the other, each called a number of times; states go from call to call."""

    def __init__(self, layers):
        super().__init__()
        self.layers = nn.ModuleList(KINDS[kind]() for kind, _, _ in layers)
        self.plan = [(kind, calls) for kind, calls, _ in layers]
        self.dropout = nn.Dropout(0.2)

    def forward(self, x):
        for layer, (kind, calls) in zip(self.layers, self.plan, strict=True):
            state = x if kind != "lstm-cell" else None
            for _ in range(calls):
                x, state = self.apply_layer(layer, kind, x, state)
                x = torch.tanh(x)
        return self.dropout(x)

    def apply_layer(self, layer, kind, x, state):
        if kind == "convolution":
            return layer(x.unsqueeze(1)).mean(2), state
        if kind == "flagged":
            return layer(x, state)
        if kind == "gru-cell":
            state = layer(x, state)
            return state, state
        if kind == "lstm-cell":
            state = layer(x, state)
            return state[0], state
        if kind == "gru":
            return layer(x.unsqueeze(0))[0][0], state
        if kind == "attention":
            return layer(*[x.unsqueeze(0)] * 3)[0][0], state
        return layer(x), state


def build(layers, seed):
    """The plain network and the names of its sites: the layers that are marked, or all if none is."""
    torch.manual_seed(seed)
    names = [f"layers.{number}" for number, (*_, site) in enumerate(layers) if site]
    return Random(layers).double(), names or [f"layers.{number}" for number in range(len(layers))]


def batches(seed):
    g = torch.Generator().manual_seed(seed)
    return [tuple(torch.randn(5, CHANNELS, generator=g, dtype=torch.float64) for _ in range(2)) for _ in range(2)]


def loss_fn(model, batch):
    return (model(batch[0]) - batch[1]).square().mean()


def output(model, x):
    """In training mode, with the same dropout each time and statistics put back."""
    before = copy.deepcopy(model.state_dict())
    torch.manual_seed(3)
    with torch.no_grad():
        result = model.train()(x)
    model.load_state_dict(before)
    return result


def constants_instead(model, x):
    """Gradients of all parameters, and those of the network in which each dendrite's answer is a constant."""
    model.zero_grad()
    torch.manual_seed(4)
    loss_fn(model.train(), (x, x)).backward()
    found = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    answers = []
    hooks = [d.register_forward_hook(lambda m, i, o: answers.append(o[0].detach())) for d in dendrites_of(model)]
    torch.manual_seed(4)
    model(x)
    for hook in hooks:
        hook.remove()
    left = iter(answers)
    hooks = [d.register_forward_hook(lambda m, i, o: (next(left), o[1])) for d in dendrites_of(model)]
    model.zero_grad()
    for site in sites_of(model).values():
        site.role = type(site.role)("through")  # nothing but the constants holds errors back
    torch.manual_seed(4)
    loss_fn(model, (x, x)).backward()
    for hook in hooks:
        hook.remove()
    return found, {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


def dendrites_of(model):
    return [dendrite for site in sites_of(model).values() for dendrite in site.dendrites]


@settings(max_examples=12, derandomize=True, phases=[Phase.explicit, Phase.generate])
@given(layers=LAYERS, seed=st.integers(0, 1000), pool=st.integers(1, 2), stop=st.integers(0, 11))
def test_the_promises_hold_for_random_networks(layers, seed, pool, stop):
    plain, names = build(layers, seed)
    data = batches(seed)
    wrapped = perforate(copy.deepcopy(plain), names)
    assert torch.equal(output(wrapped, data[0][0]), output(plain, data[0][0]))
    grown, saved, trace, steps = make(wrapped, pool), None, [], 0
    while not grown.finished:
        before = {n: v for n, v in weights(grown.model).items() if ".candidates." not in n}
        phase, dendrites = grown.phase, grown.dendrites
        for number, batch in enumerate(data):
            if steps == stop:
                saved = copy.deepcopy((grown.state_dict(), grown.epoch, number))
            torch.manual_seed(steps)
            line = [grown.step(loss_fn, batch)]
            trace.append(line) if saved else None
            steps += 1
        if phase == "dendrite":  # frozen phase, and acceptance that changes nothing
            after = {n: v for n, v in weights(grown.model).items() if ".candidates." not in n}
            assert same(before, after)
            expected = output(grown.model, data[1][0])
        status = grown.epoch_end(float(grown.epoch))
        if phase == "dendrite":
            assert torch.equal(output(grown.model, data[1][0]), expected)
            assert grown.dendrites == dendrites + (status.switched == "accept")
    resumed(layers, seed, names, pool, saved, trace, grown)
    check_final(grown, data[1][0])


def make(model, pool):
    return growth(model, pool=pool, max_epochs=1, cycle_epochs=1, dendrite_max_epochs=2, patience=9)


def resumed(layers, seed, names, pool, saved, trace, grown):
    """A run taken up where it was saved ends as the other did, bit for bit."""
    if saved is None:
        return
    state, number, first = saved
    again = make(perforate(build(layers, seed + 1)[0], names), pool)
    again.load_state_dict(state)
    lines, steps = [], sum(len(batches(seed)) for _ in range(number)) + first
    while not again.finished:
        for batch in batches(seed)[first:]:
            torch.manual_seed(steps)
            lines.append([again.step(loss_fn, batch)])
            steps += 1
        first = 0
        again.epoch_end(float(again.epoch))
    assert same(lines, trace)
    assert same(again.state_dict(), grown.state_dict())


def check_final(grown, x):
    """The export computes the same, and errors do not flow through dendrites."""
    torch.manual_seed(6)
    with torch.no_grad():
        for site in grown.sites.values():
            for weight in site.w:
                weight.normal_()
    assert torch.equal(output(export(grown.model), x), output(grown.model, x))
    found, expected = constants_instead(grown.model, x)
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-9, atol=1e-12)
