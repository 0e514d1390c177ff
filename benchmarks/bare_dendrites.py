"""Dendrites at their barest: the products, sums and tanh of a grown network in plain PyTorch, and nothing else.

Nothing is checked, watched or kept track of, and a candidate is handed δ itself in the place of its objective's
gradient. What that costs is the floor of what dendrites can cost that are computed one after another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from pbgraph.dendrites import Growth, sites_of
from pbgraph.dendrites.copies import copy_of
from pbgraph.dendrites.dendrite import Dendrite
from pbgraph.dendrites.perforation import exchange
from pbgraph.dendrites.sites import Site

Loss = Callable[[nn.Module, Any], Tensor]
MakeOptimizer = Callable[[Any], torch.optim.Optimizer]


class BareSite(nn.Module):
    """y' = M(x) + Σ_k w_k ⊙ tanh(M_k(x) + Σ_j u_kj ⊙ a_j); with a candidate, y' and its activation are kept."""

    def __init__(self, site: Site) -> None:
        super().__init__()
        self.parent, self.w = site.parent, site.w
        dendrites, candidates = (cast(list[Dendrite], list(own)) for own in (site.dendrites, site.candidates))
        self.branches = nn.ModuleList(dendrite.module for dendrite in dendrites)
        self.cascades = nn.ModuleList(dendrite.cascade for dendrite in dendrites)
        self.candidate: nn.Module | None = candidates[0].module if candidates else None
        self.weight_shape = (-1, *[1] * (-site.axis - 1))
        self.call: tuple[Tensor, Tensor] | None = None

    def forward(self, x: Tensor) -> Tensor:
        """What the site returns."""
        y: Tensor = self.parent(x)
        for w, a in zip(self.w, self._activations(x) if self.branches else (), strict=True):
            y = torch.addcmul(y, w.view(self.weight_shape), a)
        if self.candidate is not None and torch.is_grad_enabled():
            y = y if y.requires_grad else y.detach().requires_grad_()
            self.call = y, torch.tanh(self.candidate(x.detach()))
        return y

    @torch.no_grad()
    def _activations(self, x: Tensor) -> list[Tensor]:
        activations: list[Tensor] = []
        for branch, cascade in zip(self.branches, self.cascades, strict=True):
            z = branch(x)
            for u, a in zip(cast(nn.ParameterList, cascade), activations, strict=True):
                z = torch.addcmul(z, u.view(self.weight_shape), a)
            activations.append(torch.tanh(z))
        return activations


def bare(model: nn.Module) -> nn.Module:
    """A copy of a perforated network with bare sites."""
    model = copy_of(model)
    for site in sites_of(model).values():
        exchange(model, site.module, BareSite(site))
    return model


def bare_step(growth: Growth, batch: Any, loss_fn: Loss, make_optimizer: MakeOptimizer) -> Callable[[], None]:
    """What has to be computed in a step of the phase that a growth is in."""
    model = bare(growth.model)
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = make_optimizer(parameters)
    sites = [module for module in model.modules() if isinstance(module, BareSite)]
    gradients = _task_gradients if growth.phase == "neuron" else _candidate_gradients

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        gradients(loss_fn(model, batch), sites, parameters)
        optimizer.step()

    return step


def _task_gradients(loss: Tensor, sites: Sequence[BareSite], parameters: Sequence[nn.Parameter]) -> None:
    loss.backward()  # type: ignore[no-untyped-call]


def _candidate_gradients(loss: Tensor, sites: Sequence[BareSite], parameters: Sequence[nn.Parameter]) -> None:
    outputs, activations = zip(*(site.call for site in sites if site.call is not None), strict=True)
    deltas = torch.autograd.grad(loss, outputs)
    for parameter, gradient in zip(parameters, torch.autograd.grad(activations, parameters, deltas), strict=True):
        parameter.grad = gradient
