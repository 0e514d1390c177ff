"""Headroom where it is known: a residual that is a function of a site's input, noise, and what is in between."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from torch import nn

from dendrite_networks import batch, network, same, square_loss, weights
from pbgraph.dendrites import SiteError, TrainingError, headroom, perforate, sites_of
from pbgraph.dendrites.explained import Chance, Tally, explained
from pbgraph.dendrites.ridge import Sums, ridge
from pbgraph.errors import UsageError
from pbgraph.headroom import SiteHeadroom
from pbgraph.streams import generator

ROWS, BATCHES = 100, 12


def loss_of(model, pair):
    return (model(pair[0]) - pair[1]).square().mean()


def data(target, *, batches=BATCHES, seed=0, inputs=3):
    """Batches of (x, target(x)); noise of the target is drawn from the seed, too."""
    torch.manual_seed(seed)
    return [(x := torch.randn(ROWS, inputs), target(x)) for _ in range(batches)]


def still(inputs=3, outputs=1):
    """A linear layer that returns 0, so that the error is the target itself, but for a factor."""
    layer = nn.Linear(inputs, outputs)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return nn.Sequential(layer)


def test_a_linear_residual_is_explained_whole_by_ridge():
    found = headroom(still(), data(lambda x: 2 * x[:, :1] - x[:, 1:2] + 3), loss_of, epochs=1, folds=3)
    ridge_ = found.sites["0"].ridge
    assert ridge_.held_out == pytest.approx(1, abs=1e-6)
    assert ridge_.train == pytest.approx(1, abs=1e-6)
    assert ridge_.correlation == (pytest.approx(1, abs=1e-6),)
    assert ridge_.p_value == 0.001
    assert found.above_chance(0.9) == ["0"]


def test_a_residual_that_is_no_linear_function_is_explained_by_the_module():
    """It is odd in each of two inputs, so that no linear function says anything."""
    pairs = data(lambda x: x[:, :1] * x[:, 1:2], batches=24)
    found = headroom(still(), pairs, loss_of, epochs=60, hidden=8, folds=3)
    site = found.sites["0"]
    assert abs(site.ridge.held_out) < 0.02
    assert site.ridge.p_value > 0.01
    assert site.module.held_out > 0.9
    assert min(site.module.correlation) > 0.95
    assert found.above_chance() == ["0"]
    assert found.sentence.startswith("Sites with headroom")


def test_noise_has_no_headroom_though_its_rows_can_be_learnt_by_heart():
    noise = data(lambda x: torch.randn(len(x), 2), inputs=30, batches=9)
    found = headroom(still(30, 2), noise, loss_of, epochs=30, folds=3)
    site = found.sites["0"]
    for one in site.learners.values():
        assert abs(one.held_out) < 0.01
        assert one.chance[0] - 1e-9 <= one.held_out <= one.chance[1] + 1e-9
        assert one.p_value > 0.05
    assert site.module.train > 0.1
    assert found.above_chance() == []
    assert found.sentence.startswith("No site has headroom")


def test_a_network_that_is_stopped_early_is_in_between():
    """Its readout has headroom at first, less after some training, and at the end none."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Linear(16, 1))
    pairs = data(lambda x: x[:, :1] * x[:, 1:2].sin() + torch.randn(len(x), 1) * 0.5, batches=12)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    shares = []
    for epochs in (2, 200):
        for _ in range(epochs):
            for pair in pairs:
                optimizer.zero_grad()
                loss_of(model, pair).backward()
                optimizer.step()
        shares.append(headroom(model, pairs, loss_of, sites=["0"], epochs=40, folds=3).sites["0"].share)
    assert 0.2 < shares[0] < 0.75
    assert shares[1] < 0.5 * shares[0]


def test_sites_with_several_calls_and_graphs_use_their_own_module():
    model = network(dtype=torch.float32)
    batches = [batch(seed, nodes=20, edges=40, dtype=torch.float32) for seed in range(6)]
    before, training = weights(model), model.training
    found = headroom(model, batches, square_loss, folds=3, epochs=2, hidden=4)
    assert list(found.sites) == ["encode", "conv", "cell", "decode"]
    assert [site.ridge is not None for site in found.sites.values()] == [True, False, False, True]
    assert [site.rows for site in found.sites.values()] == [120, 360, 360, 120]
    assert same(weights(model), before)
    assert model.training == training
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert all(site.calls is None and site.keeper is None for site in sites_of(model).values())
    assert headroom(model, batches, square_loss, folds=3, epochs=2, hidden=4) == found


def test_a_convolution_of_images_has_its_neurons_elsewhere():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.Flatten(), nn.Linear(2 * 16, 1))
    pairs = [(torch.randn(12, 1, 4, 4), torch.randn(12, 1)) for _ in range(4)]
    found = headroom(model, pairs, loss_of, folds=3, epochs=2)
    assert (found.sites["0"].neurons, found.sites["0"].rows, found.sites["0"].ridge) == (2, 4 * 12 * 16, None)


def test_the_result_is_rows_json_and_a_picture(tmp_path):
    found = headroom(still(), data(lambda x: x[:, :1]), loss_of, folds=3, epochs=1)
    rows = found.rows()
    assert [(row["site"], row["learner"], row["rows"]) for row in rows] == [("0", "ridge", 1200), ("0", "module", 1200)]
    assert all(row["headroom"] for row in rows)
    said = json.loads(found.to_json())
    assert said["sentence"] == found.sentence
    assert said["sites"]["0"]["ridge"]["held_out"] == found.sites["0"].ridge.held_out
    found.plot().savefig(tmp_path / "headroom.png")
    assert (tmp_path / "headroom.png").stat().st_size > 1000


def test_torchs_random_stream_is_left_where_it_was():
    model, pairs = still(), data(lambda x: x[:, :1], batches=3)
    before = torch.get_rng_state()
    headroom(model, pairs, loss_of, folds=3, epochs=1)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"folds": 2}, UsageError, "folds=2; it must be a whole number of at least 3"),
        ({"folds": 13}, UsageError, "12 batches for 13 folds"),
        ({"epochs": 0}, UsageError, "epochs=0"),
        ({"epochs": True}, UsageError, "epochs=True"),
        ({"draws": 3}, UsageError, "draws=3"),
        ({"sites": ["1"]}, SiteError, "no sub-module matches site '1'"),
    ],
)
def test_what_is_out_of_range_is_an_error_that_says_so(changes, error, words):
    with pytest.raises(error, match=words):
        headroom(still(), data(lambda x: x[:, :1]), loss_of, **changes)


def test_errors_that_are_not_finite_are_no_headroom():
    pairs = data(lambda x: torch.full((len(x), 1), torch.inf), batches=3)
    with pytest.raises(TrainingError, match="no finite gradient at site '0'"):
        headroom(still(), pairs, loss_of, folds=3)


@pytest.mark.parametrize(("scale", "offset"), [(100.0, 0.0), (0.01, 0.0), (1.0, 20.0)])
def test_units_of_inputs_hide_no_headroom(scale, offset):
    pairs = [(x * scale + offset, y) for x, y in data(lambda x: x[:, :1] * x[:, 1:2])]
    found = headroom(still(), pairs, loss_of, folds=3, epochs=30)
    assert found.sites["0"].module.held_out > 0.5
    assert found.above_chance() == ["0"]


def test_where_there_are_too_few_shifts_it_cannot_be_told():
    torch.manual_seed(0)
    pairs = [(x := torch.randn(2, 3), x[:, :1]) for _ in range(4)]
    found = headroom(still(), pairs, loss_of, folds=3, epochs=1)
    assert found.sites["0"].ridge.least_p == 1 / 16
    assert found.above_chance() == []
    assert (found.untold == ["0"]) == (found.share > 0) == ("cannot be told" in found.sentence)
    one = replace(found.sites["0"].ridge, held_out=0.4, p_value=0.07)
    assert "Of 0 it cannot be told" in replace(found, sites={"0": SiteHeadroom(1, 8, one, one)}).sentence


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        (lambda m, pair: None, "loss_fn returned a NoneType; it must return the loss as a tensor of one number"),
        (lambda m, pair: (m(pair[0]) - pair[1]).square(), r"loss_fn returned a tensor of shape \(100, 1\)"),
    ],
)
def test_what_is_no_loss_is_an_error(loss, words):
    with pytest.raises(TrainingError, match=words):
        headroom(still(), data(lambda x: x[:, :1], batches=3), loss, folds=3)


def test_inputs_that_are_not_finite_are_an_error_that_names_the_site():
    pairs = [(torch.where(x.abs() < 0.1, torch.nan, x), y) for x, y in data(lambda x: x[:, :1], batches=3)]

    def loss(model, pair):
        return (model(pair[0]) - pair[1]).nan_to_num().square().mean()

    with pytest.raises(TrainingError, match="site '0' is called with numbers that are not finite"):
        headroom(still(), pairs, loss, folds=3, epochs=1)


class Either(nn.Module):
    """Experts of which each batch reaches one."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(3, 1), nn.Linear(3, 1)

    def forward(self, x):
        return self.a(x) if x[0, 0] > 0 else self.b(x)


@pytest.mark.parametrize("reached", [2, 3, 4])
def test_a_site_that_few_batches_reach_does_not_hide_the_others(reached):
    pairs = [(x.abs() * (1 if number >= reached else -1), y) for number, (x, y) in enumerate(data(lambda x: x[:, :1]))]
    found = headroom(Either(), pairs, loss_of, folds=3, epochs=1)
    if reached < 3:
        assert list(found.sites) == ["a"]
        assert found.few == {"b": 2}
        assert found.sentence.endswith("Too few batches reach b (2 of 12) to tell.")
        assert json.loads(found.to_json())["few"] == {"b": 2}
    else:
        assert found.few == {}
        assert {name: site.rows for name, site in found.sites.items()} == {
            "a": 1200 - 100 * reached,
            "b": 100 * reached,
        }


def test_a_site_that_the_loss_does_not_reach_is_named():
    model = perforate(nn.ModuleDict({"used": nn.Linear(3, 1), "idle": nn.Linear(3, 1)}), ["used", "idle"])
    with pytest.raises(SiteError, match="'idle' gets no gradient"):
        headroom(model, data(lambda x: x[:, :1]), lambda m, pair: loss_of(m["used"], pair), folds=3, epochs=1)


def test_ridge_follows_what_is_linear_and_leaves_noise_and_constants_alone():
    torch.manual_seed(0)
    x = torch.randn(200, 4, dtype=torch.float64) * torch.tensor([1.0, 10.0, 0.1, 3.0])
    y = x @ torch.randn(4, 2, dtype=torch.float64) + 5
    folds = [Sums.of(x[start : start + 50], y[start : start + 50]) for start in range(0, 200, 50)]
    fit = ridge(folds)
    assert torch.allclose(fit(x), y, atol=1e-2 * y.std())
    noise = torch.randn(200, 2, dtype=torch.float64)
    null = ridge([Sums.of(x[start : start + 50], noise[start : start + 50]) for start in range(0, 200, 50)])
    assert (null(x) - noise.mean(0)).square().mean() < 0.05
    constant = ridge([Sums.of(torch.ones(50, 1), y[:50]), Sums.of(torch.ones(50, 1), y[50:100])])
    assert torch.allclose(constant(torch.ones(3, 1)), y[:100].mean(0).expand(3, 2))


def test_chance_is_told_by_every_shift_of_delta():
    """The sums for all shifts are those that a loop finds; the observed share is the one of shift 0."""
    g = torch.Generator().manual_seed(0)
    f, delta = (torch.randn(7, 2, 3, generator=g, dtype=torch.float64) for _ in range(2))
    mean = torch.zeros(3, dtype=torch.float64)
    chance = Chance(4000, generator(0, "test"), "site")
    chance.add([f], [delta], mean, axis=-1)
    expected = sorted(float((f * delta.roll(shift, 0)).sum()) for shift in range(7))
    assert sorted(set(chance.products.tolist())) == pytest.approx(expected)
    tally = Tally(3, torch.device("cpu"))
    tally.add(f.reshape(-1, 3), delta.reshape(-1, 3), mean)
    assert float(tally.shares((f * delta).sum())) == pytest.approx(tally.share)
    assert tally.share == pytest.approx(1 - float((f - delta).square().sum() / delta.square().sum()))
    one = explained(0.0, tally, chance)
    assert 0 < one.p_value <= 1
    flat = torch.corrcoef(torch.stack([f[..., 1].flatten(), delta[..., 1].flatten()]))[0, 1]
    assert one.correlation[1] == pytest.approx(float(flat))


def test_the_p_value_of_noise_is_anything():
    """Of many draws about a twentieth is below 0.05: rows that belong together, as of one molecule, too."""
    g = torch.Generator().manual_seed(1)
    below = 0
    for draw in range(200):
        chance, tally = Chance(199, generator(draw, "test"), "site"), Tally(1, torch.device("cpu"))
        for _ in range(4):
            molecules = [torch.randn(30, 1, generator=g, dtype=torch.float64).repeat_interleave(5, 0) for _ in range(2)]
            chance.add(molecules[:1], molecules[1:], torch.zeros(1), -1)
            tally.add(*molecules, torch.zeros(1))
        below += explained(0.0, tally, chance).p_value <= 0.05
    assert 2 <= below <= 22


@pytest.mark.parametrize("rows", [2, 3, 4])
def test_no_p_value_is_smaller_than_the_shifts_allow(rows):
    """Predictions that are exactly δ are the largest of all shifts, of which there are so many."""
    g = torch.Generator().manual_seed(rows)
    for draw in range(40):
        chance, tally = Chance(399, generator(draw, "test"), "site"), Tally(3, torch.device("cpu"))
        f = torch.randn(rows, 3, generator=g)
        chance.add([f], [f], torch.zeros(3), -1)
        tally.add(f, f, torch.zeros(3))
        assert explained(0.0, tally, chance).p_value > 0.7 / rows


@pytest.mark.parametrize("sign", [0.0, 1.0])
def test_batches_of_one_item_tell_signal_from_noise(sign):
    """Of many draws of noise about a twentieth is below 0.05; of a signal all are."""
    g = torch.Generator().manual_seed(1)
    below = 0
    for draw in range(100):
        chance, tally = Chance(199, generator(draw, "test"), "site"), Tally(1, torch.device("cpu"))
        for _ in range(40):
            f, delta = torch.randn(2, 1, 1, generator=g, dtype=torch.float64)
            chance.add([f], [delta + sign * f], torch.zeros(1), -1)
            tally.add(f, delta + sign * f, torch.zeros(1))
        below += explained(0.0, tally, chance).p_value <= 0.05
    assert below >= 98 if sign else 1 <= below <= 12


def test_single_items_of_other_shapes_are_an_error_that_names_the_site():
    torch.manual_seed(0)
    batches = [(torch.randn(1, length, 3), torch.randn(1, length, 1)) for length in range(2, 8)]
    with pytest.raises(UsageError, match="site '0' has a single item, of another shape in each"):
        headroom(still(), batches, loss_of, folds=3, epochs=1)


@pytest.mark.lengthy
def test_results_are_read_without_torch():
    code = "import sys, pbgraph.headroom; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=600).returncode == 0
