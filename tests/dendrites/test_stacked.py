"""Stacked export: the exact one up to rounding, for whatever can be stacked, and the exact one for all else."""

from functools import partial

import pytest
import torch
from torch import nn

from dendrite_networks import batch, network, with_dendrites
from pbgraph.dendrites import Growth, export, perforate
from pbgraph.dendrites.stacked import Stacked

LAYERS = {
    "linear": (lambda: nn.Linear(5, 4), (7, 5), True),
    "linear, no bias": (lambda: nn.Linear(5, 4, bias=False), (7, 3, 5), True),
    "linear, norm": (lambda: nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4)), (7, 5), True),
    "linear, norm without weights": (
        lambda: nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4, affine=False)),
        (7, 5),
        1,
    ),
    "convolution": (lambda: nn.Conv2d(3, 4, 3, stride=2, padding=1), (7, 3, 6, 6), True),
    "convolution, norm": (lambda: nn.Sequential(nn.Conv1d(3, 4, 2), nn.BatchNorm1d(4)), (7, 3, 6), True),
    "groups": (lambda: nn.Conv1d(4, 4, 2, groups=2), (7, 4, 6), False),
    "padding of another mode": (lambda: nn.Conv1d(4, 4, 3, padding=1, padding_mode="circular"), (7, 4, 6), False),
    "layer norm": (lambda: nn.Sequential(nn.Linear(5, 4), nn.LayerNorm(4)), (7, 5), False),
    "norm of the batch": (
        lambda: nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4, track_running_stats=False)),
        (7, 5),
        False,
    ),
    "weight norm": (lambda: nn.utils.parametrizations.weight_norm(nn.Linear(5, 4)), (7, 5), False),
    "recurrent": (lambda: nn.GRU(5, 4, batch_first=True), (7, 3, 5), False),
}


def grown(make, shape, dendrites, activation="tanh"):
    """A network of one site with trained statistics and random weights everywhere."""
    torch.manual_seed(0)
    x = torch.randn(shape, dtype=torch.float64)

    def loss_fn(model, x):
        y = model(x)
        return (y[0] if isinstance(y, tuple) else y).square().mean()

    model = perforate(nn.ModuleDict({"site": make()}).double(), ["site"])
    model.forward = lambda x: model["site"](x)
    settings = {"max_epochs": 1, "cycle_epochs": 1, "dendrite_max_epochs": 1, "max_dendrites": dendrites}
    growth = Growth(model, partial(torch.optim.SGD, lr=0.01), activation=activation, **settings)
    while not growth.finished:
        growth.step(loss_fn, x)
        growth.epoch_end(float(growth.epoch))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_()
        for module in model.modules():
            if getattr(module, "running_mean", None) is not None:
                module.running_mean.normal_()
                module.running_var.uniform_(0.5, 2.0)
    del model.forward
    return model["site"].eval(), x


def exported(site, **options):
    holder = nn.Sequential(site)
    return export(holder, **options).eval()


@pytest.mark.parametrize("dendrites", [1, 3])
@pytest.mark.parametrize(("make", "shape", "can"), LAYERS.values(), ids=LAYERS)
def test_stacked_outputs_are_the_exact_ones_up_to_rounding(make, shape, can, dendrites):
    site, x = grown(make, shape, dendrites)
    exact, fast = exported(site), exported(site, stacked=True)
    assert isinstance(fast[0], Stacked) == bool(can)
    expected, found = exact(x), fast(x)
    if not can:
        expected, found = (y[0] if isinstance(y, tuple) else y for y in (expected, found))
        assert torch.equal(expected, found)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "relu"])
@pytest.mark.parametrize("dendrites", [1, 2, 4])
def test_every_activation_and_cascade_can_be_stacked(activation, dendrites):
    site, x = grown(lambda: nn.Linear(5, 4), (7, 5), dendrites, activation)
    fast = exported(site, stacked=True)
    assert isinstance(fast[0], Stacked)
    torch.testing.assert_close(fast(x), exported(site)(x), rtol=1e-10, atol=1e-12)


def test_a_stacked_network_is_one_in_single_precision_too_and_is_smaller_in_modules():
    model = with_dendrites(network(), 2).float().eval()
    x, edges, _ = batch(dtype=torch.float32)
    exact, fast = export(model), export(model, stacked=True)
    torch.testing.assert_close(fast(x, edges), exact(x, edges), rtol=1e-5, atol=1e-5)
    assert not torch.equal(exact(x, edges), export(network().float()).eval()(x, edges))
    assert len(list(fast.modules())) < len(list(exact.modules()))
    assert isinstance(fast.encode, Stacked)
    assert (fast.encode.in_features, fast.encode.out_features) == (3, 4)
    assert not isinstance(fast.conv, Stacked)


def test_layers_with_hooks_stay_what_they_are():
    model = with_dendrites(network(), 1)
    model.encode.parent.register_forward_hook(lambda module, inputs, output: output + 1)
    assert not isinstance(export(model, stacked=True).encode, Stacked)
