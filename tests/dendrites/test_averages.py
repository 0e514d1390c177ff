"""Averages of weights go with a network that grows."""

import re
import runpy
import textwrap
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from dendrite_networks import adam, same
from pbgraph.dendrites import AveragedModel, Growth, perforate

C = 4


def loss_fn(model, batch):
    return (model(batch[0]) - batch[1]).square().mean()


@pytest.mark.parametrize("buffers", [True, False])
def test_an_average_begins_anew_with_other_dendrites_and_waits_for_them(buffers):
    """Layers of one shape, so that pairs in the wrong order would go unnoticed."""
    torch.manual_seed(0)
    model = perforate(nn.Sequential(nn.Linear(C, C), nn.BatchNorm1d(C), nn.Tanh(), nn.Linear(C, C), nn.Linear(C, C)))
    growth = Growth(
        model,
        adam,
        max_dendrites=2,
        max_tries=2,
        max_epochs=2,
        cycle_epochs=2,
        dendrite_max_epochs=2,
        priming_batches=0,
    )
    averaged = AveragedModel(model, use_buffers=buffers)
    x, y = torch.randn(8, C), torch.randn(8, C)
    expected, number, events = {}, 0, 0
    seen = set()
    while not growth.finished:
        for _ in range(3):
            growth.step(loss_fn, (x, y))
            averaged.update_parameters(model)
            if growth.phase == "dendrite":
                continue
            if len(growth.events) != events:
                number, events = 0, len(growth.events)
            number += 1
            for name, value in model.named_parameters():
                expected[name] = value.detach().double() + (0 if number == 1 else expected[name])
            assert int(averaged.n_averaged) == number
            assert dict(averaged.module.named_parameters()).keys() == dict(model.named_parameters()).keys()
            for name, value in averaged.module.named_parameters():
                torch.testing.assert_close(value.double(), expected[name] / number, rtol=1e-5, atol=1e-6)
        seen |= {growth.epoch_end(0.0 if growth.dendrites else float(growth.epoch)).switched}
    assert {"grow", "accept", "drop", "finish"} <= seen
    assert averaged(x).shape == y.shape


def test_without_growth_it_is_torchs():
    torch.manual_seed(0)
    model = nn.Linear(C, C)
    ours, theirs = (
        kind(model, multi_avg_fn=get_ema_multi_avg_fn(0.9)) for kind in (AveragedModel, AveragedModel.__mro__[1])
    )
    for _ in range(3):
        nn.init.normal_(model.weight)
        for one in (ours, theirs):
            one.update_parameters(model)
    assert same(ours.state_dict(), theirs.state_dict())


def test_the_example_of_the_documentation_runs(tmp_path):
    page = Path(__file__).parents[2] / "docs" / "foreign-models.md"
    (code,) = [
        block for block in re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL) if "AveragedModel" in block
    ]
    script = tmp_path / "example.py"
    script.write_text(textwrap.dedent("  " + code.lstrip()))
    names = runpy.run_path(str(script))
    assert names["growth"].dendrites == 1
    assert int(names["averaged"].n_averaged) == 5 * 8
