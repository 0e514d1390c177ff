"""What the dendrites of a network contribute, measured: one pass over inputs in evaluation mode.

`pbgraph.insight` defines the shares, and says what they do not mean.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from pbgraph.dendrites.errors import SiteError
from pbgraph.dendrites.modes import evaluating
from pbgraph.dendrites.objective import RESOLUTION, Moments
from pbgraph.dendrites.outputs import opened, rows_of
from pbgraph.dendrites.perforation import sites_of
from pbgraph.dendrites.sites import Site
from pbgraph.insight import DendriteInsight, Insight, SiteInsight

Call = Callable[[nn.Module, Any], Any]


def dendrite_insight(model: nn.Module, batches: Iterable[Any], call: Call | None = None) -> Insight:
    """For every site, dendrite and neuron: w, and the share of the pre-activation's variance that is the dendrite's.

    batches  inputs, each handed to the model once
    call     (model, batch) -> anything; calls the model; None: ``model(batch)``
    The model is in evaluation mode for the time, and draws no random numbers; it is left as it was.
    Raises SiteError if the model has no site, or if no site is called.

    >>> from pbgraph.dendrites import perforate
    >>> dendrite_insight(perforate(nn.Sequential(nn.Linear(2, 3))), [torch.zeros(5, 2)]).sites
    {'0': SiteInsight(neurons=3, rows=5, dendrites=())}
    """
    sites = sites_of(model)
    if not sites:
        raise SiteError("the model has no site of dendrites: call perforate(model, sites) first")
    watches = {name: _Watch(site) for name, site in sites.items()}
    with torch.no_grad(), evaluating(model) as still, _watching(watches.values()):
        for batch in batches:
            with still:
                _ = model(batch) if call is None else call(model, batch)
    if not any(watch.rows for watch in watches.values()):
        raise SiteError("no site had a row to measure: hand over at least one batch, in a list if it is used twice")
    return Insight({name: watch.insight() for name, watch in watches.items()})


class _Watch:
    """Moments of a site's activations a_k and pre-activations y' over all its calls.

    rows  seen so far;  moments  of (a_k, y'), by dendrite; empty before the first row
    """

    def __init__(self, site: Site) -> None:
        self.site = site
        self.rows = 0
        self.moments: list[Moments] = []
        self._answers: list[Tensor] = []

    def hooks(self) -> list[Any]:
        """Hooks that see every call of the site and its dendrites; a dendrite answers before its site does."""
        own = [dendrite.register_forward_hook(self._answer) for dendrite in self.site.dendrites]
        return [*own, self.site.register_forward_hook(self._output)]

    def _answer(self, _: nn.Module, __: Any, output: tuple[Tensor, Any]) -> None:
        self._answers.append(output[0])

    def _output(self, _: nn.Module, __: Any, output: Any) -> None:
        answers, self._answers = self._answers, []
        y = rows_of(opened(output), self.site.axis)
        self.rows += len(y)
        if not len(y) or not answers:
            return
        here = [Moments.of(rows_of(a, self.site.axis), y) for a in answers]
        before = self.moments
        self.moments = [old.plus(new) for old, new in zip(before, here, strict=True)] if before else here

    def insight(self) -> SiteInsight:
        """Of all calls so far."""
        w = [weight.detach().double() for weight in self.site.w]
        shares = [self._shares(k, weight) for k, weight in enumerate(w)]
        dendrites = tuple(
            DendriteInsight(
                number=k + 1,
                w=tuple(weight.tolist()),
                variance_share=tuple(variance.tolist()),
                covariance_share=tuple(covariance.tolist()),
            )
            for k, (weight, (variance, covariance)) in enumerate(zip(w, shares, strict=True))
        )
        return SiteInsight(self.site.channels or 0, self.rows, dendrites)

    def _shares(self, k: int, w: Tensor) -> tuple[Tensor, Tensor]:
        """(C,) each: Var(w a) / Var(y') and Cov(w a, y') / Var(y'); 0 where y' does not vary."""
        if not self.rows:
            return torch.zeros_like(w), torch.zeros_like(w)
        moments = self.moments[k]
        a, y, product = moments.sums
        varies = (y / moments.patterns).sqrt() > RESOLUTION * moments.mean[1].abs()
        none = torch.zeros_like(w)
        return torch.where(varies, w.square() * a / y, none), torch.where(varies, w * product / y, none)


@contextmanager
def _watching(watches: Iterable[_Watch]) -> Iterator[None]:
    hooks = [hook for watch in watches for hook in watch.hooks()]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def frozen(model: nn.Module) -> Iterator[None]:
    """Within the block no parameter requires gradients; then each does that did."""
    before = {parameter: parameter.requires_grad for parameter in model.parameters()}
    for parameter in before:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter, required in before.items():
            parameter.requires_grad_(required)
