"""The dendrite phase: every site trains its candidates, while the network stands still.

The network is in training mode, so that δ is the error it makes while it is trained: dropout is active. Only its
normalisation layers use their running statistics, and whatever buffers a forward pass may change are put back. The
candidates' own normalisation layers work as in any training.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn

from pbgraph.dendrites.candidates import Observed, SiteCandidates
from pbgraph.dendrites.errors import SiteError
from pbgraph.dendrites.joined import JoinedStatistics
from pbgraph.dendrites.modes import KeptBuffers, TrainingMode
from pbgraph.dendrites.objective import CandidateStatistics
from pbgraph.dendrites.perforation import sites_of
from pbgraph.dendrites.processes import Processes
from pbgraph.dendrites.settings import GrowthSettings
from pbgraph.dendrites.sites import PerforatedSite
from pbgraph.insight import DendriteInsight


class DendritePhase:
    """One dendrite phase of a network whose sites hold candidates; from now on nothing but these can be trained.

    pools  site name -> its candidates
    """

    def __init__(self, model: nn.Module, settings: GrowthSettings, processes: Processes) -> None:
        self.model, self.processes = model, processes
        sites = sites_of(model)
        self._statistics = _Statistics(sites, settings)
        self.pools = {
            name: SiteCandidates(site, settings, processes, self._statistics.of[name]) for name, site in sites.items()
        }
        candidates = [site.candidates for site in sites.values()]
        own = frozenset(module for each in candidates for module in each.modules())
        network = [module for module in model.modules() if module not in own]
        self._mode = TrainingMode(model, still=network)
        self._buffers = KeptBuffers(network)
        self._parameters = [parameter for own in candidates for parameter in own.parameters()]
        self._trainable = self._freeze()

    def add_gradients(self, task_loss: Callable[[], Tensor], batches: int) -> tuple[Tensor, bool]:
        """Add every candidate's gradient on the batch of `task_loss`, divided by `batches`, to what there is.

        One forward pass of the network and one backward pass for δ = ∂L/∂y' of every call of every site; the
        parameters of the network need no gradient, so none is computed. Then the candidates' own backward pass.
        Returns the task's loss, and whether any candidate was trained.
        """
        self._mode.enter()
        with self._calls_kept(), self._buffers:
            loss = task_loss()
            deltas = self._output_gradients(loss)
            pairs = self._statistics.pairs(
                [one for name, pool in self.pools.items() for one in pool.observed(deltas[name])]
            )
        if pairs:
            activations, pulls = zip(*pairs, strict=True)
            trained = self.parameters()
            gradients = torch.autograd.grad(activations, trained, pulls, allow_unused=True)
            for parameter, gradient in zip(trained, gradients, strict=True):
                _add_gradient(parameter, gradient, batches)
        return loss.detach(), bool(pairs)

    def end_epoch(self) -> tuple[dict[str, float], bool]:
        """(Score of every site's best candidate in this epoch, whether one of them is an improvement)."""
        outcome = {name: pool.end_epoch() for name, pool in self.pools.items()}
        return {name: score for name, (score, _) in outcome.items()}, any(improved for _, improved in outcome.values())

    @property
    def hopeless(self) -> bool:
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

    def accept(self) -> dict[str, float]:
        """Turn the best snapshots into dendrites and end the phase; returns the score of each site that got one."""
        scores = {name: pool.best_score for name, pool in self.pools.items() if pool.accept()}
        self.end()
        return scores

    def end(self) -> None:
        """Let everything be trained that could be before; what was not there then is left as it is."""
        for name, parameter in self.model.named_parameters():
            if name in self._trainable:
                parameter.requires_grad_(self._trainable[name])

    def state_dict(self) -> dict[str, Any]:
        """All but the weights of network and candidates."""
        pools = {name: pool.state_dict() for name, pool in self.pools.items()}
        return {"trainable": dict(self._trainable), "pools": pools}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over a saved state."""
        self._trainable = dict(state["trainable"])
        for name, pool in self.pools.items():
            pool.load_state_dict(state["pools"][name])

    def parameters(self) -> list[nn.Parameter]:
        """Those of all candidates."""
        return self._parameters

    def _freeze(self) -> dict[str, bool]:
        """Leave nothing but the candidates trainable; returns what was."""
        own = {id(parameter) for parameter in self.parameters()}
        network = {name: p for name, p in self.model.named_parameters() if id(p) not in own}
        before = {name: parameter.requires_grad for name, parameter in network.items()}
        for parameter in network.values():
            parameter.requires_grad_(False)
            parameter.grad = None
        return before

    def _output_gradients(self, loss: Tensor) -> dict[str, list[Tensor]]:
        """δ (..., C) of every call, by site; zeros for a call without influence on the loss.

        Raises SiteError if none of a site's calls has any.
        """
        calls = [(name, call.output) for name, pool in self.pools.items() for call in pool.site.calls or ()]
        outputs = [output for _, output in calls]
        reaches = bool(outputs) and loss.requires_grad
        gradients = torch.autograd.grad(loss, outputs, allow_unused=True) if reaches else [None] * len(outputs)
        deltas: dict[str, list[Tensor]] = {name: [] for name in self.pools}
        unreached = set(self.pools)
        for (name, output), gradient in zip(calls, gradients, strict=True):
            deltas[name].append(torch.zeros_like(output) if gradient is None else gradient)
            if gradient is not None:
                unreached.discard(name)
        if unreached:
            raise SiteError(
                f"site {min(unreached)!r} gets no gradient: it is not called, or its output does not reach the loss; "
                "leave it out of the sites"
            )
        return deltas

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


class _Statistics:
    """Those of all candidates, joined for each device.

    of  site name -> of its candidates
    """

    def __init__(self, sites: Mapping[str, PerforatedSite], settings: GrowthSettings) -> None:
        self._normalised = settings.objective == "normalised"
        self._joined: list[JoinedStatistics] = []
        self.of: dict[str, list[CandidateStatistics]] = {}
        devices = {name: next(site.parameters()).device for name, site in sites.items()}
        for device in dict.fromkeys(devices.values()):
            here = {name: site for name, site in sites.items() if devices[name] == device}
            joined = JoinedStatistics([s.known_channels for s in here.values() for _ in s.candidates], device)
            members = iter(joined.members)
            self.of |= {name: list(islice(members, len(site.candidates))) for name, site in here.items()}
            self._joined.append(joined)

    def pairs(self, seen: Sequence[Observed]) -> list[tuple[Tensor, Tensor]]:
        """(Activation, ∂objective/∂activation) of every call of every candidate to be trained on a batch.

        Of a candidate whose running means are being primed there is none. Candidates that are not finite are
        discarded. Raises TrainingError if δ is not finite.
        """
        pairs: list[tuple[Tensor, Tensor]] = []
        for joined in self._joined:
            members = {id(member) for member in joined.members}
            here = [one for one in seen if id(one.statistics) in members]
            for one, gradient in zip(*self._pulls(joined, here), strict=True):
                pairs += zip(one.calls, one.pool.separated(gradient, one.calls), strict=True)
        return pairs

    def _pulls(self, joined: JoinedStatistics, seen: Sequence[Observed]) -> tuple[list[Observed], list[Tensor]]:
        """Candidates to be trained, and the gradient (P, C) of the activation of each."""
        together = joined.in_step([one.batch for one in seen])
        if together:
            joined.update([one.batch for one in seen])
        else:
            seen = [one for one in seen if one.usable()]
            for one in seen:
                one.statistics.update(one.batch)
        trained = [one for one in seen if one.pool.primed(one.number)]
        if together and len(trained) == len(joined.members):
            deltas, patterns = [one.delta for one in trained], [one.batch.patterns for one in trained]
            return trained, joined.gradients(deltas, patterns, normalised=self._normalised)
        return trained, [
            one.statistics.gradient(one.delta, one.batch.patterns, normalised=self._normalised) for one in trained
        ]


def _add_gradient(parameter: nn.Parameter, gradient: Tensor | None, batches: int) -> None:
    if gradient is None:
        return
    share = gradient if batches == 1 else gradient / batches
    parameter.grad = share if parameter.grad is None else parameter.grad + share
