import pytest
import torch
from torch import nn
from torch.nn import functional as F

from dendrite_networks import Cell, Messages, adam
from pbgraph.dendrites import Growth, SiteError, export, perforate, report_of, sites_of
from pbgraph.dendrites.discovery import LayerNormed

ONE_CYCLE = {"max_dendrites": 1, "patience": 1, "max_epochs": 1, "dendrite_max_epochs": 1, "cycle_epochs": 1}


def grow(model, batches, loss_fn, **settings):
    """One cycle of one epoch per phase; the growth, and the scores of the sites."""
    grown = Growth(model, adam, **ONE_CYCLE | {"priming_batches": 0} | settings)
    scores = {}
    while not grown.finished:
        for batch in batches:
            grown.step(loss_fn, batch)
        scores |= grown.epoch_end(float(grown.epoch)).site_scores
    return grown, scores


def square(model, batch):
    x, y = batch
    return (model(x) - y).square().mean()


class Images(nn.Module):
    """Convolutions in code, a Sequential and an embedding."""

    def __init__(self):
        super().__init__()
        self.conv, self.bn = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4)
        self.lift, self.lift_norm = nn.Linear(4, 6), nn.LayerNorm(6)
        self.residual, self.residual_norm = nn.Linear(6, 6), nn.LayerNorm(6)
        self.head = nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.PReLU(), nn.Dropout(0.1), nn.Linear(5, 2))
        self.table, self.idle = nn.Embedding(3, 2), nn.Linear(2, 2)

    def forward(self, x):
        h = F.relu(self.bn(self.conv(x))).mean((2, 3))
        h = F.relu(self.lift_norm(self.lift(h)))
        q = self.residual(h)
        return self.head(self.residual_norm(q) + q) + self.table.weight[0]


def images(seed=0):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(8, 1, 6, 6, generator=g), torch.randn(8, 2, generator=g)


def test_without_an_example_only_a_sequential_tells_what_a_normalisation_follows():
    torch.manual_seed(0)
    report = report_of(perforate(Images()))
    assert report.sites == {
        "conv": "Conv2d",
        "lift": "Linear",
        "residual": "Linear",
        "head.0": "Linear + BatchNorm1d",
        "head.4": "Linear",
        "idle": "Linear",
    }
    assert report.others["bn"].startswith("BatchNorm2d: a normalisation that does not follow a layer in a Sequential")
    assert report.others["head.1"] == "part of site head.0"
    assert report.others["head.2"] == "PReLU: a non-linearity: dendrites act before it"
    assert report.others["head.3"] == "Dropout: no parameters, nothing a dendrite could learn"
    assert report.others["table"].startswith("Embedding: a table")
    assert "head.0: Linear + BatchNorm1d" in str(report)


def test_an_example_shows_normalisations_and_what_is_never_called():
    """A normalisation is not grouped where something else uses what the layer returns, too."""
    torch.manual_seed(0)
    plain, x = Images().eval(), images()[0]
    expected, stream = plain(x), torch.get_rng_state()
    model = perforate(plain, example=(x,))
    report = report_of(model)
    assert report.sites["conv"] == "Conv2d + BatchNorm2d"
    assert report.sites["lift"] == "Linear + LayerNorm"
    assert report.sites["residual"] == "Linear"
    assert (
        report.others["residual_norm"] == "something else depends on what residual returns, so they cannot be one site"
    )
    assert report.others["idle"] == "Linear: never called on the example"
    assert torch.equal(model(x), expected)
    assert torch.equal(torch.get_rng_state(), stream)
    assert not model.training
    assert isinstance(model.bn, nn.Identity)


def test_every_site_that_is_found_grows():
    torch.manual_seed(0)
    batches = [images(0), images(1)]
    grown, scores = grow(perforate(Images(), example=(images()[0],)), batches, square)
    assert scores.keys() == report_of(grown.model).sites.keys()
    assert all(0 < score <= 1 for score in scores.values())
    assert all(len(site.dendrites) == 1 for site in grown.sites.values())


def test_dendrites_of_a_convolution_act_on_channels():
    torch.manual_seed(0)
    grown, _ = grow(perforate(Images(), ["conv", "lift"]), [images()], square)
    site, x = grown.sites["conv"], images(3)[0]
    assert site.axis == -3
    with torch.no_grad():
        site.w[0].copy_(torch.tensor([0.5, -1.0, 2.0, 0.0]))
        expected = site.parent(x) + site.w[0].reshape(4, 1, 1) * torch.tanh(site.dendrites[0].module(x))
        torch.testing.assert_close(site(x), expected)


class Declared(nn.Module):
    """Its author names its sites."""

    dendrite_sites = ("layers.*",)

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(nn.Sequential(nn.Linear(3, 3), nn.Tanh()) for _ in range(2))
        self.other = nn.Linear(3, 3)

    def forward(self, x):
        return self.other(self.layers[1](self.layers[0](x)))


def test_an_authors_own_sites_are_taken_at_any_depth():
    torch.manual_seed(0)
    assert list(report_of(perforate(Declared())).sites) == ["layers.0", "layers.1"]
    model = nn.Sequential(nn.Linear(3, 3), Declared())
    assert list(report_of(perforate(model)).sites) == ["0", "1.layers.0", "1.layers.1"]


def test_named_sites_leave_a_reason_for_each_that_was_not_named():
    torch.manual_seed(0)
    report = report_of(perforate(Images(), ["conv"]))
    assert report.sites == {"conv": "Conv2d"}
    assert report.others["lift"] == "not named in sites"
    assert "bn" in report.others


class Odd(nn.Module):
    """A parameter beside parts; a layer whose weights cannot be drawn anew; a lazy one."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(3))
        self.fixed = Scale()
        self.lazy = nn.LazyLinear(3)
        self.linear = nn.Linear(3, 3)

    def forward(self, x):
        return self.linear(self.fixed(x) * self.scale)


class Scale(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))

    def forward(self, x):
        return x * self.weight


def test_what_cannot_be_a_site_is_reported_with_the_reason():
    report = report_of(perforate(Odd()))
    assert list(report.sites) == ["linear"]
    assert "its parameter scale lies beside parts" in report.others["(the model)"]
    assert "no reset_parameters() draws its weight anew" in report.others["fixed"]
    assert "has no shape yet: run one batch" in report.others["lazy"]


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (nn.Sequential(nn.ReLU(), nn.Flatten()), r"no sub-module that can be a site \(0: ReLU: no parameters"),
        (nn.Linear(2, 2), "no sub-module that can be a site .*name sites, or wrap the model"),
    ],
)
def test_a_model_without_a_site_is_an_error_with_the_reasons(model, message):
    with pytest.raises(SiteError, match=message):
        perforate(model)
    with pytest.raises(SiteError, match="no report of sites"):
        report_of(model)


class Encoder(nn.Module):
    """Convolutions with positions last or not: nobody can tell."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(2, 3, 3, padding=1)

    def forward(self, x):
        return self.conv(x).transpose(1, 2)


def test_a_neuron_axis_that_cannot_be_told_is_an_error_until_it_is_declared():
    with pytest.raises(SiteError, match=r"site 'it': it is a Encoder with convolutions.*set neuron_axis"):
        perforate(nn.ModuleDict({"it": Encoder()}), ["it"])

    class Told(Encoder):
        neuron_axis = -1

    class Wrong(Encoder):
        neuron_axis = 1

    with pytest.raises(SiteError, match=r"Wrong\.neuron_axis is 1; give a negative whole number"):
        perforate(nn.ModuleDict({"it": Wrong()}), ["it"])
    assert sites_of(perforate(nn.ModuleDict({"it": Told()}), ["it"]))["it"].axis == -1
    assert sites_of(perforate(nn.ModuleDict({"it": Encoder()})))["it.conv"].axis == -2


# one network for each kind of torch layer: (module, how it is used), with inputs (8, 5, 4)
KINDS = {
    "gru": (lambda: nn.GRU(4, 3, batch_first=True), lambda m, x: m(x)[0]),
    "lstm": (lambda: nn.LSTM(4, 3, batch_first=True, bidirectional=True), lambda m, x: m(x)[0]),
    "packed": (lambda: nn.GRU(4, 3, batch_first=True), lambda m, x: packed(m, x)),
    "rnn-cell": (lambda: nn.RNNCell(4, 4), lambda m, x: cells(m, x, None)),
    "gru-cell": (lambda: nn.GRUCell(4, 4), lambda m, x: cells(m, x, x[:, 0])),
    "lstm-cell": (lambda: nn.LSTMCell(4, 4), lambda m, x: cells(m, x, None)),
    "attention": (lambda: nn.MultiheadAttention(4, 2, batch_first=True), lambda m, x: m(x, x, x)[0]),
    "transformer": (lambda: nn.TransformerEncoderLayer(4, 2, 6, batch_first=True), lambda m, x: m(x)),
    "encoder": (
        lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 6, batch_first=True), 2),
        lambda m, x: m(x),
    ),
    "conv1d": (lambda: nn.Conv1d(5, 3, 3), lambda m, x: m(x)),
    "transposed": (lambda: nn.ConvTranspose1d(5, 3, 3), lambda m, x: m(x)),
    "bilinear": (lambda: nn.Bilinear(4, 4, 3), lambda m, x: m(x, x)),
    "mlp": (lambda: nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4), nn.ReLU(), nn.Linear(4, 3)), lambda m, x: m(x)),
}


def packed(module, x):
    lengths = torch.tensor([5, 5, 4, 3, 3, 2, 1, 1])
    output, _ = module(nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True))
    return nn.utils.rnn.pad_packed_sequence(output, batch_first=True)[0]


def cells(module, x, state):
    outputs = []
    for step in x.unbind(1):
        state = module(step, state)
        outputs.append(state[0] if isinstance(state, tuple) else state)
    return torch.stack(outputs)


class Using(nn.Module):
    def __init__(self, module, use):
        super().__init__()
        self.body, self.use = module, use

    def forward(self, x):
        return self.use(self.body, x)


@pytest.mark.parametrize("kind", KINDS)
def test_torchs_own_layers_are_sites_that_grow(kind):
    torch.manual_seed(0)
    x = torch.randn(8, 5, 4)
    make, use = KINDS[kind]
    model = perforate(Using(make(), use))
    with torch.no_grad():
        target = torch.randn_like(model(x))
    grown, scores = grow(model, [(x, target)] * 2, square)
    assert scores
    assert all(0 < score <= 1 for score in scores.values())
    for site in grown.sites.values():
        assert len(site.dendrites) == 1
        with torch.no_grad():
            site.w[0].fill_(0.3)
    model.eval()
    with torch.no_grad():
        output = model(x)
        assert torch.equal(export(model)(x), output)
        for site in grown.sites.values():
            site.w[0].zero_()
        assert not torch.allclose(model(x), output)


def test_a_cell_knows_its_own_output_again_and_its_recurrence_is_unchanged():
    torch.manual_seed(0)
    model = perforate(nn.ModuleDict({"cell": nn.GRUCell(4, 4)}))
    site = sites_of(model)["cell"]
    x, h = torch.randn(3, 6, 4), torch.randn(6, 4)
    site(x[0], h)
    site.accept(site.new_dendrite("tanh"), torch.full((4,), 0.5))
    parent = own = handed = h
    for step in x:
        parent, own = site.parent(step, parent), site.dendrites[0].module(step, own)
        handed = site(step, handed)
        torch.testing.assert_close(handed, parent + 0.5 * torch.tanh(own))
    masked = handed * 0.5  # another tensor: where the cell goes on from is what it is now
    expected = site.parent(x[0], masked) + 0.5 * torch.tanh(site.dendrites[0].module(x[0], masked))
    torch.testing.assert_close(site(x[0], masked), expected)


def test_a_site_answers_for_its_parents_attributes():
    model = perforate(nn.Sequential(nn.Linear(2, 3)))
    assert model[0].in_features == 2
    assert model[0].weight is model[0].parent.weight
    with pytest.raises(AttributeError):
        _ = model[0].nothing


def test_recurrent_modules_and_messages_are_found_whole():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.cell = Messages(4), Cell(4)

    assert list(report_of(perforate(Net())).sites) == ["conv.linear", "cell"]


def test_a_group_has_the_neurons_of_its_layer():
    group = LayerNormed(nn.Conv1d(2, 3, 1), [nn.BatchNorm1d(3)])
    assert group.neuron_axis == -2


@pytest.mark.parametrize("site", ["it.linear1", "it.self_attn.out_proj"])
def test_parts_of_a_module_that_does_not_call_them_are_no_sites(site):
    model = nn.ModuleDict({"it": nn.TransformerEncoderLayer(4, 2, 6)})
    with pytest.raises(SiteError, match=rf"site '{site}' lies within it \(TransformerEncoderLayer\).*name it"):
        perforate(model, [site])
