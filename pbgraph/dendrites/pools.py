"""The candidates of all sites of a network: their weights, buffers and calls, and what has become of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from pbgraph.dendrites.candidates import SiteCandidates
from pbgraph.dendrites.chance import LEVEL
from pbgraph.insight import DendriteInsight


class Pools:
    """Those of one dendrite phase.

    pools    name of a site with candidates -> these
    modules  of which all candidates consist
    """

    def __init__(self, pools: Iterable[SiteCandidates]) -> None:
        self.pools = {pool.site.name: pool for pool in pools}
        candidates = [pool.site.candidates for pool in self.pools.values()]
        self.modules = list(dict.fromkeys(module for own in candidates for module in own.modules()))
        self._parameters = parameters_of(self.pools.values())

    def zero_gradients(self) -> None:
        """Give every parameter of a candidate that has no gradient one of 0."""
        for parameter in self._parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)

    def parameters(self) -> list[nn.Parameter]:
        """Those of all candidates."""
        return self._parameters

    def candidate_buffers(self) -> list[tuple[Tensor, Tensor]]:
        """Every buffer of a candidate, and a copy of it."""
        buffers = (buffer for module in self.modules for buffer in module._buffers.values())
        return [(buffer, buffer.clone()) for buffer in buffers if buffer is not None]

    @contextmanager
    def _calls_kept(self) -> Iterator[None]:
        """Within the block every site keeps its calls."""
        for pool in self.pools.values():
            pool.site.calls = []
        try:
            yield
        finally:
            for pool in self.pools.values():
                pool.site.calls = None

    @property
    def all_discarded(self) -> bool:
        """Whether every candidate of every site was discarded."""
        return not any(pool.live for pool in self.pools.values())

    @property
    def discarded(self) -> dict[str, int]:
        """How many candidates were discarded as not finite, for the sites where any was."""
        return {name: len(pool.discarded) for name, pool in self.pools.items() if pool.discarded}

    @property
    def by_layer(self) -> list[str]:
        """Sites whose neurons share weights, so that a snapshot for each neuron was asked for in vain."""
        return [name for name, pool in self.pools.items() if pool.settings.snapshot == "neuron" and not pool.by_neuron]

    def insights(self, epoch: int) -> dict[str, DendriteInsight]:
        """What is known of each site's dendrite in the making, in a phase whose first epoch was `epoch`."""
        return {name: pool.insight(epoch) for name, pool in self.pools.items()}

    @property
    def scores(self) -> dict[str, float]:
        """Of each site's best snapshot, for the sites that have one: a better one than chance, if that is known.

        Chance: at `pbgraph.dendrites.chance.LEVEL` over all sites together, by Bonferroni's correction.
        """
        known = {name: pool for name, pool in self.pools.items() if pool.snapshot is not None}
        level = LEVEL / max(len(self.pools), 1)
        return {name: pool.best_score for name, pool in known.items() if (pool.p_value or 0.0) <= level}

    @property
    def signs(self) -> dict[str, list[float]]:
        """(C,): of the covariance that each site's best snapshot had, for the sites that have one."""
        return {name: pool.signs.tolist() for name, pool in self.pools.items() if pool.snapshot is not None}

    @property
    def p_values(self) -> dict[str, float]:
        """Of each site's best snapshot, how often its score would be as large by chance, where that is known."""
        return {name: p for name, pool in self.pools.items() if (p := pool.p_value) is not None}


def parameters_of(pools: Iterable[SiteCandidates]) -> list[nn.Parameter]:
    """Of all their candidates."""
    return [parameter for pool in pools for parameter in pool.site.candidates.parameters()]


def put_back(buffers: Iterable[tuple[Tensor, Tensor]]) -> None:
    """Let buffers have these values again."""
    for buffer, value in buffers:
        buffer.copy_(value)
