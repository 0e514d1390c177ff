"""The checks of networks that are to grow dendrites accept what is sound, and each rejects its mutant."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from mutants_of_networks import CHANNELS, MUTANTS, Overflows, Small, Sound
from pbgraph.dendrites.testing import PERFORATION_CHECKS, Check, CheckFailed, perforation_checks

pytestmark = pytest.mark.lengthy


def example() -> torch.Tensor:
    return torch.randn(5, 3, CHANNELS, generator=torch.Generator().manual_seed(0))


def made(kind: type[nn.Module]) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return kind()


@pytest.mark.parametrize("kind", [Small, Sound])
@pytest.mark.parametrize("name", list(PERFORATION_CHECKS))
def test_a_sound_network_passes(kind: type[nn.Module], name: str) -> None:
    model = made(kind)
    before, stream = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    check = named(perforation_checks(model, example(), lambda y: (y - 1).square().mean()), name)
    check()
    assert check.summary.endswith(".")
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), stream)


REASONS = {
    "perforation": "'first' cannot be a site",
    "acceptance": "the acceptance of dendrite 1 changes what it computes in evaluation mode",
    "frozen": "it must stand still",
    "gradients": "flows to first.parent.weight through dendrites",
    "export": "the exported network computes something else",
    "saving": "it keeps more than parameters and buffers",
    "resuming": "in the middle of growth, it ends otherwise",
}


@pytest.mark.parametrize("name", list(PERFORATION_CHECKS))
def test_mutant_of_a_network_is_rejected(name: str) -> None:
    settings = {"dendrites_trainable": True} if name == "gradients" else {}
    with pytest.raises(CheckFailed, match=REASONS[name]):
        named(perforation_checks(made(MUTANTS[name]), example(), **settings), name)()


def test_a_network_of_which_a_site_does_not_grow_is_rejected() -> None:
    with pytest.raises(CheckFailed, match="no dendrite was accepted at first"):
        named(perforation_checks(made(Overflows), example()), "acceptance")()


@pytest.mark.parametrize(
    "loss", [None, lambda y: y.mean(), lambda model, inputs: model(*inputs).mean()], ids=["none", "output", "model"]
)
def test_any_loss_will_do(loss: object) -> None:
    for name in ("perforation", "export"):
        named(perforation_checks(made(Small), (example(),), loss), name)()  # type: ignore[arg-type]


def test_settings_of_growth_are_taken() -> None:
    for check in perforation_checks(made(Small), {"x": example()}, sites=["second"], errors="through"):
        check()


def named(checks: list[Check], name: str) -> Check:
    (check,) = (check for check in checks if check.name == name)
    return check
