"""The dendrite phase: every site trains its candidates, while the network stands still.

The network is in training mode, so that δ is the error it makes while it is trained: dropout is active. Only its
normalisation layers use their running statistics, and whatever buffers a forward pass may change are put back. The
candidates' own normalisation layers work as in any training.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from pbgraph.dendrites.candidates import SiteCandidates
from pbgraph.dendrites.dendrite import freeze_statistics
from pbgraph.dendrites.errors import SiteError
from pbgraph.dendrites.perforation import sites_of
from pbgraph.dendrites.processes import Processes
from pbgraph.dendrites.settings import GrowthSettings
from pbgraph.insight import DendriteInsight


class DendritePhase:
    """One dendrite phase of a network whose sites hold candidates; from now on nothing but these can be trained.

    pools  site name -> its candidates
    """

    def __init__(self, model: nn.Module, settings: GrowthSettings, processes: Processes) -> None:
        self.model, self.processes = model, processes
        self.pools = {name: SiteCandidates(site, settings, processes) for name, site in sites_of(model).items()}
        candidates = [pool.site.candidates for pool in self.pools.values()]
        self._own_modules = frozenset(module for own in candidates for module in own.modules())
        self._parameters = [parameter for own in candidates for parameter in own.parameters()]
        self._trainable = self._freeze()

    def add_gradients(self, task_loss: Callable[[], Tensor], batches: int) -> tuple[Tensor, bool]:
        """Add every candidate's gradient on the batch of `task_loss`, divided by `batches`, to what there is.

        One forward pass of the network and one backward pass for δ = ∂L/∂y' of every call of every site; the
        parameters of the network need no gradient, so none is computed. Then the candidates' own backward pass.
        Returns the task's loss, and whether any candidate was trained.
        """
        self._set_mode()
        with self._calls_kept(), self._buffers_kept():
            loss = task_loss()
            deltas = self._output_gradients(loss)
            pairs = [pair for name, pool in self.pools.items() for pair in pool.gradients(deltas[name])]
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

    def _set_mode(self) -> None:
        """Training mode, in which only the candidates' normalisation layers may change their statistics."""
        self.model.train()
        freeze_statistics(module for module in self.model.modules() if module not in self._own_modules)

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

    @contextmanager
    def _buffers_kept(self) -> Iterator[None]:
        """After the block the network's buffers are and hold what they did before; the candidates' may change."""
        before = [
            (module, name, buffer, buffer._version, buffer.clone())
            for module in self.model.modules()
            if module not in self._own_modules
            for name, buffer in module._buffers.items()
            if buffer is not None
        ]
        try:
            yield
        finally:
            for module, name, buffer, version, value in before:
                module._buffers[name] = buffer
                if buffer._version != version:
                    buffer.copy_(value)


def _add_gradient(parameter: nn.Parameter, gradient: Tensor | None, batches: int) -> None:
    if gradient is None:
        return
    share = gradient if batches == 1 else gradient / batches
    parameter.grad = share if parameter.grad is None else parameter.grad + share
