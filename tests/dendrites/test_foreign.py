"""Networks that nobody here wrote: what they do to their states, their layers and themselves is never ignored."""

import copy
import pickle

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from dendrite_networks import adam, same, weights
from pbgraph.dendrites import (
    Growth,
    PerforatedSite,
    SiteError,
    TrainingError,
    export,
    load_network,
    perforate,
    report_of,
    save_network,
    sites_of,
)
from pbgraph.dendrites.example import Example
from pbgraph.dendrites.outputs import same_output

C = 4
ONE_CYCLE = {
    "max_dendrites": 1,
    "patience": 9,
    "max_epochs": 1,
    "dendrite_max_epochs": 2,
    "cycle_epochs": 1,
    "priming_batches": 0,
}


def data(seed=0, *, steps=5, rows=6, channels=C):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(rows, steps, channels, generator=g), torch.randn(rows, 1, generator=g)


def loss_fn(model, batch):
    x, y = batch
    return (model(x) - y).square().mean()


def grown(model, loss=loss_fn, batches=(), sites=None, **settings):
    """The model with a trained dendrite at each site, w drawn at random."""
    growth = Growth(perforate(model, sites), adam, **ONE_CYCLE | settings)
    while not growth.dendrites:
        for batch in batches or (data(0), data(1)):
            growth.step(loss, batch)
        growth.epoch_end(float(growth.epoch))
    torch.manual_seed(3)
    for site in growth.sites.values():
        nn.init.normal_(site.w[0])
    return model


def outputs(model, x):
    with torch.no_grad():
        return model.eval()(x)


# --- states of recurrent sites


class Steps(nn.Module):
    """A cell over the steps of a sequence; `edit` is done to its state between two of them."""

    def __init__(self, edit, cell=nn.GRUCell):
        super().__init__()
        self.cell, self.head = cell(C, C), nn.Linear(C, 1)
        self.edit = edit

    def forward(self, x):
        h = x.new_zeros(len(x), C)
        state = (h, h.clone()) if isinstance(self.cell, nn.LSTMCell) else h
        for number, step in enumerate(x.unbind(1)):
            state = self.cell(step, self.edit(state) if number else state)
        return self.head(state[0] if isinstance(state, tuple) else state)


def reset_rows(h):
    if isinstance(h, tuple):
        return tuple(map(reset_rows, h))
    h.data[::2] = 0  # by which the memory stays the same in training too
    return h


EDITS = {
    "none": lambda h: h,
    "relu_": lambda h: h.relu_(),
    "rows": reset_rows,
    "data": lambda h: h.data.mul_(0.5) * 0 + h,
    "detach": lambda h: h.detach(),
    "clone": lambda h: h.clone(),
    "where": lambda h: torch.where(h > 0, h, torch.zeros_like(h)),
    "view": lambda h: h[:],
}
LSTM_EDITS = {
    "none": lambda state: state,
    "clamp": lambda state: (state[0], state[1].clamp(-0.2, 0.2)),
    "clamp_": lambda state: (state[0], state[1].clone().clamp_(-0.2, 0.2)),
    "detach": lambda state: tuple(one.detach() for one in state),
    "rows": reset_rows,
    "swap": lambda state: state[::-1],
}
EDITED = [(nn.GRUCell, name, edit) for name, edit in EDITS.items()]
EDITED += [(nn.RNNCell, name, EDITS[name]) for name in ("rows", "detach")]
EDITED += [(nn.LSTMCell, name, edit) for name, edit in LSTM_EDITS.items()]


@pytest.mark.parametrize(("cell", "name", "edit"), EDITED, ids=lambda one: getattr(one, "__name__", one))
def test_acceptance_changes_nothing_whatever_is_done_to_a_state(cell, name, edit):
    """And what is exported computes the same as what was grown."""
    torch.manual_seed(0)
    model, x = Steps(edit, cell), data(5)[0]
    growth = Growth(perforate(model), adam, **ONE_CYCLE)
    while not growth.dendrites:
        expected, training = outputs(model, x), model.train()(x).detach()
        for batch in (data(0), data(1)):
            growth.step(loss_fn, batch)
        phase = growth.phase
        growth.epoch_end(float(growth.epoch))
        if phase == "dendrite":
            assert torch.equal(outputs(model, x), expected)
            assert torch.equal(model.train()(x), training)
    assert all((site.w[0] == 0).all() for site in growth.sites.values())
    torch.manual_seed(3)
    for site in growth.sites.values():
        nn.init.normal_(site.w[0])
    assert not torch.allclose(outputs(model, x), expected)
    assert torch.equal(outputs(export(model), x), outputs(model, x))


@pytest.mark.parametrize("name", ["detach", "view"])
def test_a_state_that_is_the_same_memory_is_the_same_state(name):
    torch.manual_seed(0)
    model, x = grown(Steps(EDITS["none"])), data(5)[0]
    expected = outputs(model, x)
    for one in (model, export(model)):
        one.edit = EDITS[name]
        assert torch.equal(outputs(one, x), expected)
    model.edit = EDITS["clone"]  # a state of its own, from which the dendrite starts
    assert not torch.equal(outputs(model, x), expected)


def test_rows_that_were_reset_start_anew_and_others_go_on():
    """A row's output does not depend on what is done to the other rows of the batch."""
    torch.manual_seed(0)
    model, x = grown(Steps(EDITS["none"])), data(5)[0]
    plain = outputs(model, x)
    model.edit = reset_rows
    some = outputs(model, x)
    assert torch.equal(some[1::2], plain[1::2])
    alone = outputs(model, x[::2][:1])  # its only row is reset after every step
    torch.testing.assert_close(some[:1], alone)


def test_the_first_rows_of_a_state_go_on():
    """A packed sequence by hand: the batch shrinks as sequences end."""
    torch.manual_seed(0)
    model, x = grown(Steps(EDITS["none"])), data(5)[0]
    cell = sites_of(model)["cell"]
    with torch.no_grad():
        h = cell(x[:, 0])
        for length, step in ((6, 1), (4, 2), (3, 3)):
            h = cell(x[:length, step], h[:length])
        whole = cell(x[:3, 0])
        for step in (1, 2, 3):
            whole = cell(x[:3, step], whole)
    torch.testing.assert_close(h, whole)


def test_gradients_end_where_the_caller_cuts_them():
    torch.manual_seed(0)
    model, x = grown(Steps(EDITS["none"])), data(5)[0].requires_grad_()
    cell = sites_of(model)["cell"]
    h = cell(x[:, 1], cell(x[:, 0]).detach())
    h.sum().backward()
    assert not x.grad[:, 0].any()
    assert x.grad[:, 1].any()
    start = cell(x[:, 0]).detach().requires_grad_()
    cell(x[:, 1], start).sum().backward()
    assert start.grad.any()


class Tokens(nn.Module):
    """An LSTM, GRU or RNN over a sequence, at once or a piece at a time."""

    def __init__(self, kind, pieces=1, **options):
        super().__init__()
        self.rnn = kind(C, C, batch_first=True, **options)
        self.head = nn.Linear(C, 1)
        self.pieces = pieces

    def forward(self, x, state=None):
        parts = []
        for piece in x.chunk(self.pieces, 1):
            y, state = self.rnn(piece, state) if state is not None else self.rnn(piece)
            parts.append(y)
        return self.head(torch.cat(parts, 1)).mean(1)


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
@pytest.mark.parametrize("layers", [1, 2])
def test_token_by_token_is_the_whole_sequence(kind, layers):
    torch.manual_seed(0)
    model, x = grown(Tokens(kind, num_layers=layers)), data(5)[0]
    for one in (model, export(model)):
        whole = outputs(one, x)
        one.pieces = 5
        torch.testing.assert_close(outputs(one, x), whole, rtol=1e-5, atol=1e-6)
        one.pieces = 1


class Detached(Tokens):
    """Truncated backpropagation: states are cut between pieces."""

    def forward(self, x, state=None):
        total = 0.0
        for piece in x.chunk(self.pieces, 1):
            y, state = self.rnn(piece, state)
            state = tuple(one.detach() for one in state) if isinstance(state, tuple) else state.detach()
            total = total + y
        return self.head(total.mean(1))


def test_truncated_sequences_train_and_carry_their_dendrites():
    torch.manual_seed(0)
    model, x = grown(Detached(nn.LSTM, pieces=5)), data(5)[0]
    _, state = model.rnn(x[:, :1])
    with torch.no_grad():
        carried = model.rnn(x[:, 1:2], tuple(one.detach() for one in state))[0]
        anew = model.rnn(x[:, 1:2], tuple(one.detach().clone() for one in state))[0]
        whole = model.rnn(x[:, :2])[0][:, 1:]
    torch.testing.assert_close(carried, whole)
    assert not torch.allclose(anew, whole)


class Flagged(nn.Module):
    """A module with a state of its own kind."""

    recurrent_state = True

    def __init__(self, wrap):
        super().__init__()
        self.cell, self.wrap = nn.GRUCell(C, C), wrap

    def reset_parameters(self):
        self.cell.reset_parameters()

    def forward(self, x, memory=None):
        h = self.cell(x, None if memory is None else memory["h"])
        return torch.tanh(h), self.wrap(h)


class Outer(nn.Module):
    def __init__(self, wrap):
        super().__init__()
        self.cell, self.head = Flagged(wrap), nn.Linear(C, 1)

    def forward(self, x):
        state = None
        for step in x.unbind(1):
            y, state = self.cell(step) if state is None else self.cell(step, memory=state)
        return self.head(y)


def test_states_are_dictionaries_and_go_by_any_name():
    torch.manual_seed(0)
    model, x = grown(Outer(lambda h: {"h": h})), data(5)[0]
    site = sites_of(model)["cell"]
    state = own = None
    for step in x.unbind(1):
        y, state = site(step, memory=state)
        z, own = site.dendrites[0].module(step, own)
    expected = site.parent(x[:, -1], None)[0]
    assert y.shape == expected.shape
    parent = None
    for step in x.unbind(1):
        expected, parent = site.parent(step, parent)
    torch.testing.assert_close(y, expected + site.w[0] * torch.tanh(z))


def test_a_state_without_tensors_is_an_error():
    class Box:
        def __init__(self, h):
            self.h = h

        def __getitem__(self, _):
            return self.h

    torch.manual_seed(0)
    with pytest.raises(SiteError, match="returns a Box as its state, in which no tensor is found"):
        grown(Outer(Box))


# --- what stands where a layer stood


class Asks(nn.Module):
    def __init__(self, ask):
        super().__init__()
        self.first, self.second = nn.Linear(C, C), nn.Linear(C, 1)
        self.ask = ask

    def forward(self, x):
        h = self.first(x.mean(1))
        return self.second(h if self.ask(self.first) else -h)


def test_a_site_is_an_instance_of_its_parents_class():
    torch.manual_seed(0)
    plain, x = Asks(lambda layer: isinstance(layer, nn.Linear)), data()[0]
    expected = outputs(plain, x)
    model = grown(copy.deepcopy(plain))
    assert isinstance(model.first, nn.Linear)
    assert isinstance(export(model).first, nn.Linear)
    assert torch.equal(outputs(perforate(plain, example=x), x), expected)
    assert type(plain.first) is PerforatedSite


def test_what_looks_closer_is_refused_by_an_example_and_the_model_is_as_it_was():
    plain, x = Asks(lambda layer: type(layer) is nn.Linear), data()[0]
    before, expected = dict(plain.named_modules()), outputs(plain, x)
    with pytest.raises(SiteError, match="'first' cannot be a site: that changes what the model computes in evaluation"):
        perforate(plain, example=(x,))
    assert dict(plain.named_modules()) == before
    assert torch.equal(outputs(plain, x), expected)
    assert list(sites_of(perforate(plain, ["second"], example={"x": x}))) == ["second"]


def test_attributes_are_set_on_the_layer():
    """Weights that are tied after the network was perforated."""
    model = perforate(nn.Sequential(nn.Linear(C, C), nn.Linear(C, C)))
    model[1].weight = model[0].weight
    assert model[1].parent.weight is model[0].parent.weight
    model[1].note = "mine"
    assert model[1].parent.note == model[1].note == "mine"


def test_sites_are_pickled_and_copied():
    torch.manual_seed(0)
    model = grown(Asks(bool_of_a_layer))
    x = data()[0]
    for twin in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        assert type(twin.first) is PerforatedSite
        assert torch.equal(outputs(twin, x), outputs(model, x))


def bool_of_a_layer(layer):
    return isinstance(layer, nn.Linear)


class Padded(nn.Module):
    def __init__(self):
        super().__init__()
        layer = nn.TransformerEncoderLayer(C, 2, 8, batch_first=True)
        self.encoder, self.head = nn.TransformerEncoder(layer, 2), nn.Linear(C, 1)

    def forward(self, x):
        mask = torch.zeros(x.shape[:2], dtype=torch.bool)
        mask[0, 3:] = True
        return self.head(self.encoder(x, src_key_padding_mask=mask))[..., 0]


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_padded_positions_stay_zero():
    """torch's encoder nests sequences of unequal length only if its layers are its own."""
    torch.manual_seed(0)
    plain, x = Padded(), data()[0]
    expected = outputs(plain, x)
    bias = plain.head.bias.detach()
    assert torch.equal(expected[0, 3:], bias.expand(2))
    model = perforate(copy.deepcopy(plain), example=x)
    assert torch.equal(outputs(model, x), expected)
    model = grown(plain, loss=lambda model, batch: model(batch[0]).square().mean())
    with torch.no_grad():
        assert (
            not model.eval().encoder(x, src_key_padding_mask=torch.tensor([[False] * 3 + [True] * 2] * 6))[:, 3:].any()
        )
    assert torch.equal(outputs(export(model), x), outputs(model, x))


def test_an_encoder_with_a_final_normalisation_is_perforated_by_an_example():
    torch.manual_seed(0)
    model = nn.Transformer(C, 2, 1, 1, 8, batch_first=True)
    report = report_of(perforate(model, example=data(steps=3)[:1] * 2))
    assert report.sites["encoder.layers.0"] == "TransformerEncoderLayer + LayerNorm"


class Fails(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer, self.norm, self.head = nn.Linear(C, C), nn.LayerNorm(C), nn.Linear(C, 1)

    def forward(self, x):
        assert type(self.layer) is nn.Linear, "not my layer"
        return self.head(self.norm(self.layer(x.mean(1))))


def test_a_model_that_fails_is_put_back():
    model, x = Fails(), data()[0]
    before = dict(model.named_modules())
    with pytest.raises(SiteError, match=r"'layer' cannot be a site: that makes the model fail .*not my layer"):
        perforate(model, example=x)
    assert dict(model.named_modules()) == before
    with pytest.raises(SiteError, match="no sub-module matches site 'absent'"):
        perforate(model, ["layer", "absent"])
    assert dict(model.named_modules()) == before


def test_what_is_compared_in_training_is_said():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(C, C), nn.BatchNorm1d(C), nn.Tanh(), nn.Linear(C, 1))
    report = report_of(perforate(model, example=torch.randn(1, C)))
    assert "the model fails in it" in report.uncompared["training"]
    assert "not compared:\n  training: the model fails" in str(report)


class Shared(nn.Module):
    """A part that is held under a name of its own, and by a layer that is a site."""

    def __init__(self):
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(C, C), nn.Tanh(), nn.Linear(C, C))
        self.conv = Layer(self.mlp)
        self.head = nn.Linear(C, 1)

    def forward(self, x):
        return self.head(self.conv(x.mean(1)))


class Layer(nn.Module):
    dendrite_sites = ()
    recurrent_state = False

    def __init__(self, mlp):
        super().__init__()
        self.mlp = mlp
        self.gate = nn.Parameter(torch.ones(C))

    def reset_parameters(self):
        nn.init.ones_(self.gate)

    def forward(self, x):
        return self.gate * self.mlp(x)


def test_a_part_of_a_site_is_no_site_under_another_name():
    model = Shared()
    with pytest.raises(SiteError, match=r"site 'mlp.0' lies within site 'conv'"):
        perforate(model, ["mlp.0", "conv"])
    named = grown(Shared(), sites=["conv", "head"])
    assert list(sites_of(named)) == ["conv", "head"]


def test_classes_are_sites_and_models_of_one_layer_are_told_apart():
    model = perforate(nn.Sequential(nn.Linear(C, C), nn.Tanh(), nn.Linear(C, 1)), [nn.Linear])
    assert list(sites_of(model)) == ["0", "2"]
    with pytest.raises(SiteError, match="no sub-module matches site Conv2d"):
        perforate(nn.Sequential(nn.Linear(C, C)), [nn.Conv2d])
    with pytest.raises(SiteError, match="it is a Linear itself, and sites are parts of a model"):
        perforate(nn.Linear(C, C))


# --- steps of training


class Checkpointed(nn.Module):
    def __init__(self, reentrant, norm=False):
        super().__init__()
        self.first = nn.Linear(C, C)
        self.block = nn.Sequential(
            nn.Sequential(nn.Linear(C, C), nn.BatchNorm1d(C) if norm else nn.LayerNorm(C)), nn.Tanh(), nn.Linear(C, C)
        )
        self.head, self.reentrant = nn.Linear(C, 1), reentrant

    def forward(self, x):
        h = torch.tanh(self.first(x.mean(1)))
        if self.training and self.reentrant is not None:
            h = checkpoint(self.block, h, use_reentrant=self.reentrant)
        else:
            h = self.block(h)
        return self.head(h)


def test_a_checkpointed_network_grows_as_without():
    """The forward pass is repeated within the backward one; its calls count once."""
    found = []
    for reentrant in (None, False):
        torch.manual_seed(0)
        model = perforate(Checkpointed(reentrant))
        growth = Growth(model, adam, **ONE_CYCLE)
        scores = []
        while not growth.finished:
            for batch in (data(0), data(1)):
                growth.step(loss_fn, batch)
            scores.append(dict(growth.epoch_end(float(growth.epoch)).site_scores))
        found.append((scores, weights(model)))
    assert all(0 < score <= 1 for score in found[0][0][1].values())
    assert same(*found)


def test_a_candidates_statistics_take_in_a_checkpointed_batch_once():
    torch.manual_seed(0)
    model = grown(Checkpointed(False, norm=True))
    assert model.block[0].dendrites[0].module[1].num_batches_tracked == 4  # two epochs of two batches


def test_a_reentrant_checkpoint_is_refused_in_the_first_step():
    growth = Growth(perforate(Checkpointed(True)), adam, **ONE_CYCLE)
    with pytest.raises(SiteError, match="use_reentrant=False"):
        growth.step(loss_fn, data())


class Energy(nn.Module):
    """Forces by autograd within the forward pass."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(C, C), nn.Tanh(), nn.Linear(C, 1))

    def forward(self, x):
        with torch.enable_grad():
            x = x.mean(1).detach().requires_grad_()
            energy = self.net(x)
            (slope,) = torch.autograd.grad(energy.sum(), x, create_graph=self.training)
        return energy, -slope


def force_loss(model, batch):
    energy, force = model(batch[0])
    return (energy - batch[1]).square().mean() + force.square().mean()


def test_derivatives_within_the_network_need_errors_through():
    torch.manual_seed(0)
    growth = Growth(perforate(Energy()), adam, **ONE_CYCLE)
    with pytest.raises(SiteError, match=r'derivative through site \'net\.\d\'.*errors="through"'):
        growth.step(force_loss, data())
    torch.manual_seed(0)
    model, x = grown(Energy(), loss=force_loss, errors="through"), data(5)[0]
    energy, force = model.eval()(x)
    step = 1e-2 * torch.randn(C)
    moved = [outputs(model, x + sign * step)[0] for sign in (1, -1)]
    torch.testing.assert_close((moved[1] - moved[0])[:, 0] / 2, force @ step, rtol=1e-2, atol=1e-4)
    assert same_output(export(model).eval()(x), (energy, force))


def test_without_dendrites_to_come_derivatives_are_nobodys_business():
    growth = Growth(perforate(Energy()), adam, **ONE_CYCLE | {"max_dendrites": 0})
    growth.step(force_loss, data())


class Moving(nn.Module):
    """Something moves in every forward pass in training mode."""

    def __init__(self, kind):
        super().__init__()
        self.first, self.second, self.kind = nn.Linear(C, C), nn.Linear(C, 1), kind
        self.register_buffer("scale", torch.ones(C))
        self.codes = nn.Parameter(torch.ones(C), requires_grad=False)
        self.counter, self.history, self.mean = 0, [1.0], torch.ones(C)

    def forward(self, x):
        if self.training:
            with torch.no_grad():
                self.move(x)
        h = self.scale * self.codes * self.first(x.mean(1)) * (1 + self.counter) * self.history[-1] * self.mean
        return self.second(torch.tanh(h))

    def move(self, x):
        if self.kind == "data":
            self.scale.data.mul_(1.1)
        elif self.kind == "codebook":
            self.codes.data.lerp_(x.mean((0, 1)), 0.1)
        elif self.kind == "counter":
            self.counter += 1
        elif self.kind == "replaced":
            self.codes = nn.Parameter(self.codes * 1.1, requires_grad=False)
        elif self.kind == "resized":
            self.scale.data = torch.ones(1) * 1.1
        elif self.kind == "weights":
            self.first.weight.data.mul_(0.9)
        elif self.kind == "weights elsewhere":
            self.first.weight.data = 0.9 * self.first.weight.data
        elif self.kind == "tensor":
            self.mean = 0.9 * self.mean
        elif self.kind == "tensor_":
            self.mean.mul_(0.9)
        elif self.kind == "list":
            self.history.append(self.history[-1] * 1.1)


KINDS = (
    *("data", "codebook", "counter", "replaced", "resized", "tensor", "tensor_"),
    *("weights", "weights elsewhere"),
)


@pytest.mark.parametrize("kind", KINDS)
def test_what_moves_in_a_forward_pass_stands_still_in_a_dendrite_phase(kind):
    torch.manual_seed(0)
    model, x = Moving(kind), data(5)[0]
    growth = Growth(perforate(model), adam, **ONE_CYCLE)
    for batch in (data(0), data(1)):
        growth.step(loss_fn, batch)
    growth.epoch_end(0.0)
    assert growth.phase == "dendrite"
    expected = outputs(model, x)
    while growth.phase == "dendrite":
        for batch in (data(0), data(1)):
            growth.step(loss_fn, batch)
            assert torch.equal(outputs(model, x), expected)
        growth.epoch_end(None)
    assert torch.equal(outputs(model, x), expected)


def test_a_weight_that_moves_uncounted_and_late_is_put_back_at_the_end_of_the_epoch_and_before_it_is_saved():
    torch.manual_seed(0)
    model = Moving("nothing")
    growth = Growth(perforate(model), adam, **ONE_CYCLE)
    growth.step(loss_fn, data())
    growth.epoch_end(0.0)
    before = model.first.weight.clone()
    growth.step(loss_fn, data())
    model.kind = "weights"
    growth.step(loss_fn, data())
    growth.state_dict()
    assert torch.equal(model.first.weight, before)
    model.kind = "nothing"
    growth.step(loss_fn, data())
    growth.epoch_end(None)
    assert torch.equal(model.first.weight, before)


def test_what_cannot_be_put_back_is_an_error():
    torch.manual_seed(0)
    growth = Growth(perforate(Moving("list")), adam, **ONE_CYCLE)
    growth.step(loss_fn, data())
    growth.epoch_end(0.0)
    growth.step(loss_fn, data())
    growth.step(loss_fn, data())
    with pytest.raises(TrainingError, match="must stand still"):
        growth.epoch_end(None)


class Experts(nn.Module):
    """One of its layers is chosen by what the batch is."""

    def __init__(self):
        super().__init__()
        self.experts = nn.ModuleList(nn.Linear(C, 1) for _ in range(2))

    def forward(self, x):
        return self.experts[int(x.mean() > 0)](x.mean(1))


def test_a_batch_may_pass_a_site_over():
    torch.manual_seed(0)
    high, low = ((x.abs() * sign, y) for sign, (x, y) in zip((1, -1), (data(0), data(1)), strict=True))
    model = grown(Experts(), batches=(high, low, high))
    assert all(len(site.dendrites) == 1 for site in sites_of(model).values())


class Frozen(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone, self.head = nn.Linear(C, C), nn.Linear(C, 1)

    def forward(self, x):
        with torch.no_grad():
            h = torch.tanh(self.backbone(x.mean(1)))
        return self.head(h)


def test_a_backbone_without_gradients_is_named_after_the_first_epoch():
    growth = Growth(perforate(Frozen()), adam, **ONE_CYCLE)
    growth.step(loss_fn, data())
    with pytest.raises(SiteError, match=r"site 'backbone' gets no gradient: .*torch\.no_grad"):
        growth.epoch_end(0.0)
    report = report_of(perforate(Frozen(), example=data()[0]))
    assert report.others["backbone"] == "Linear: called under torch.no_grad(), where no error reaches it"
    assert list(report.sites) == ["head"]


class Keeps(nn.Module):
    """Keeps what it computed last, with its past."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(C, C)

    def reset_parameters(self):
        self.linear.reset_parameters()

    def forward(self, x):
        self.last = [{"y": self.linear(x)}]
        return self.last[0]["y"] * 1


class Kept(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer, self.head = Keeps(), nn.Linear(C, 1)

    def forward(self, x):
        return self.head(torch.tanh(self.layer(x.mean(1))))


def test_a_layer_that_keeps_a_tensor_with_a_past_can_be_copied():
    torch.manual_seed(0)
    model, x = grown(Kept(), sites=["layer", "head"]), data(5)[0]
    loss_fn(model, data())
    assert model.layer.last[0]["y"].grad_fn is not None
    assert torch.equal(outputs(export(model), x), outputs(model, x))


# --- weights that a layer does not draw itself


class Reversed(nn.Module):
    """As GPT2's Conv1D: a linear layer that draws its weights in its constructor."""

    def __init__(self):
        super().__init__()
        self.weight, self.bias = nn.Parameter(0.3 * torch.randn(C, 1)), nn.Parameter(torch.zeros(1))

    def forward(self, x):
        return x.mean(1) @ self.weight + self.bias


def test_a_layer_without_a_reset_needs_one():
    with pytest.raises(SiteError, match="pass perforate a reset"):
        perforate(nn.Sequential(Reversed()), ["0"])


@pytest.mark.parametrize("reset", ["parent", lambda layer: nn.init.normal_(layer.weight) + nn.init.zeros_(layer.bias)])
def test_a_reset_draws_what_the_layer_does_not(reset):
    torch.manual_seed(0)
    model = perforate(nn.Sequential(Reversed()), ["0"], reset=reset)
    model(data()[0])
    made = sites_of(model)["0"].new_dendrite("tanh").module
    own, other = (one.weight.detach().flatten().sort().values for one in (model[0], made))
    assert torch.equal(own, other) == (reset == "parent")
    assert not torch.equal(model[0].weight, made.weight)


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize(
    "wrap",
    [
        nn.utils.parametrizations.weight_norm,
        nn.utils.parametrizations.spectral_norm,
        nn.utils.weight_norm,
        nn.utils.spectral_norm,
    ],
)
def test_normalised_weights_are_sites(wrap):
    torch.manual_seed(0)
    model = nn.Sequential(wrap(nn.Linear(C, C)), nn.Tanh(), nn.Linear(C, 1))
    example = Example.of(torch.randn(5, C))
    perforate(model, example=example)
    assert list(sites_of(model)) == ["0", "2"]
    made = grown_in_place(model, lambda model, x: model(x).square().mean(), torch.randn(5, C))
    assert all(torch.isfinite(p).all() for p in made.parameters())


def grown_in_place(model, loss, batch):
    growth = Growth(model, adam, **ONE_CYCLE)
    while not growth.finished:
        growth.step(loss, batch)
        growth.epoch_end(float(growth.epoch))
    return model


def test_jit_script_says_what_to_use_instead():
    torch.manual_seed(0)
    plain = export(grown(Asks(bool_of_a_layer)))
    with pytest.raises(SiteError, match=r"use torch\.export\.export"):
        torch.jit.script(plain)
    x = data()[0]
    assert torch.equal(torch.jit.trace(plain.eval(), x)(x), plain(x))


def test_errors_through_dendrites_are_saved_and_loaded(tmp_path):
    """Derivatives of what is loaded are those of what was saved."""
    torch.manual_seed(0)
    model, x = grown(Energy(), loss=force_loss, errors="through"), data(5)[0]
    save_network(model, tmp_path / "net")
    again = load_network(perforate(Energy()), tmp_path / "net")
    assert same_output(again.eval()(x), model.eval()(x))


def test_a_first_epoch_after_a_resumption_is_not_held_against_a_site():
    """Earlier steps may have reached what the remaining ones of the epoch do not."""
    torch.manual_seed(0)
    high, low = ((x.abs() * sign, y) for sign, (x, y) in zip((1, -1), (data(0), data(1)), strict=True))
    growth = Growth(perforate(Experts()), adam, **ONE_CYCLE)
    growth.step(loss_fn, high)
    again = Growth(perforate(Experts()), adam, **ONE_CYCLE)
    again.load_state_dict(growth.state_dict())
    again.step(loss_fn, low)
    again.epoch_end(0.0)
    assert again.phase == "dendrite"
