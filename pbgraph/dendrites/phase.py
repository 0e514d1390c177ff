"""The dendrite phase: every site trains its candidates, while the network stands still.

The network is in training mode, so that δ is the error it makes while it is trained: dropout is active. Only its
normalisation layers use their running statistics, and whatever a forward pass may change is put back
(`pbgraph.dendrites.preserved`). The candidates' own normalisation layers work as in any training.

A site that a batch does not reach (a layer that was dropped, an expert that was not chosen) has no patterns in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from pbgraph.dendrites.candidates import SiteCandidates
from pbgraph.dendrites.errors import SiteError, unreached_sites
from pbgraph.dendrites.example import Example, Probe
from pbgraph.dendrites.forward import Call
from pbgraph.dendrites.modes import TrainingMode
from pbgraph.dendrites.perforation import sites_of
from pbgraph.dendrites.preserved import Preserved, kept_inputs
from pbgraph.dendrites.processes import Processes
from pbgraph.dendrites.scaling import Scaling
from pbgraph.dendrites.settings import GrowthSettings
from pbgraph.dendrites.statistics import PhaseStatistics
from pbgraph.dendrites.step import Step
from pbgraph.insight import DendriteInsight


class DendritePhase:
    """One dendrite phase of a network whose sites hold candidates; from now on nothing but these can be trained.

    pools      name of a site with candidates -> these
    network    modules that are no part of a candidate
    unreached  sites that no batch of the last epoch reached
    """

    def __init__(
        self, model: nn.Module, settings: GrowthSettings, processes: Processes, scaling: Scaling | None = None
    ) -> None:
        self.model, self.processes = model, processes
        self.scaling = scaling or Scaling()
        sites = {name: site for name, site in sites_of(model).items() if site.candidates}
        self._statistics = PhaseStatistics(sites, settings)
        self.pools = {
            name: SiteCandidates(site, settings, processes, self._statistics.of[name]) for name, site in sites.items()
        }
        self.unreached: list[str] = []
        self._candidates = [pool.site.candidates for pool in self.pools.values()]
        self._candidate_modules = list(dict.fromkeys(module for own in self._candidates for module in own.modules()))
        own_modules = frozenset(self._candidate_modules)
        self.network = [module for module in model.modules() if module not in own_modules]
        self._mode = TrainingMode(model, still=self.network)
        self._parameters = [parameter for own in self._candidates for parameter in own.parameters()]
        self._trainable = self._freeze()
        lists = {part for site in sites_of(model).values() for part in (site.dendrites, site.w) if not part._parameters}
        self.preserved = Preserved(module for module in self.network if module not in lists)
        self._probe: Probe | None = None
        self._probed = self._overflowed = False

    def add_gradients(self, task_loss: Callable[[], Tensor], batches: int, step: Step) -> tuple[Tensor, bool]:
        """Add every candidate's gradient on the batch of `task_loss`, divided by `batches`, to what there is.

        One forward pass of the network and one backward pass for δ = ∂L/∂y' of every call of every site; the
        parameters of the network need no gradient, so none is computed. Then the candidates' own backward pass.
        Returns the task's loss, and whether any candidate was trained.
        """
        self._mode.enter()
        seen: list[Any] = []
        with self.preserved, self._calls_kept(), self._first_call(seen):
            loss = task_loss()
            calls = self._close(step)
            deltas = self._output_gradients(self.scaling.scale(loss), calls)
            trained = self.learn(calls, deltas, batches=batches, scale=self.scaling.factor)
            self._forget_replays()
        if seen and seen[0] is not None:
            self._probe = Probe(self.model, Example(*seen[0]))
        return loss.detach(), trained

    def learn(
        self, calls: Mapping[str, list[Call]], deltas: Mapping[str, list[Tensor]], *, batches: int, scale: float
    ) -> bool:
        """Take in a batch's δ, which are too large by `scale`, and add the candidates' gradients to what there is.

        deltas   of the sites that the loss depends on
        batches  the gradients are divided by this number, and multiplied by the scale of losses
        Returns whether there are any. If δ is not finite and there is a scaler, they are infinite, for it to see.
        """
        if self.scaling.tolerant and not all(bool(d.isfinite().all()) for own in deltas.values() for d in own):
            self._overflowed = True
            for parameter in self._parameters:
                parameter.grad = torch.full_like(parameter, torch.inf)
            return True
        seen = [
            candidate
            for name, pool in self.pools.items()
            for candidate in pool.observed(calls[name], deltas.get(name), scale)
        ]
        pairs = self._statistics.pairs(seen, self.scaling.factor)
        if pairs:
            activations, output_gradients = zip(*pairs, strict=True)
            gradients = torch.autograd.grad(activations, self._parameters, output_gradients, allow_unused=True)
            for parameter, gradient in zip(self._parameters, gradients, strict=True):
                _add_gradient(parameter, gradient, batches)
        return bool(pairs)

    def end_epoch(self) -> tuple[dict[str, float], bool]:
        """(Score of every site's best candidate in this epoch, whether one of them is an improvement).

        Raises SiteError if no batch of the epoch reached any site, TrainingError if the network did not stand still.
        """
        if self._probe is not None:
            self._probe.check()
        self.unreached = [name for name, pool in self.pools.items() if not pool.reached]
        if len(self.unreached) == len(self.pools) and not self._overflowed:
            raise unreached_sites(self.unreached)
        self._overflowed = False
        outcome = {name: pool.end_epoch() for name, pool in self.pools.items()}
        return {name: score for name, (score, _) in outcome.items()}, any(improved for _, improved in outcome.values())

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
        """Of each site's best snapshot, for the sites that have one."""
        return {name: pool.best_score for name, pool in self.pools.items() if pool.snapshot is not None}

    def accept(self, sites: Iterable[str]) -> dict[str, float]:
        """Turn the best snapshots of these sites into dendrites and end the phase; returns their scores."""
        chosen = set(sites)
        scores = {name: pool.best_score for name, pool in self.pools.items() if name in chosen and pool.accept()}
        for pool in self.pools.values():
            pool.drop()
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

    def zero_gradients(self) -> None:
        """Give every parameter of a candidate that has no gradient one of 0."""
        for parameter in self._parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)

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

    def _output_gradients(
        self, loss: Tensor, calls: Mapping[str, Sequence[Call]] | None = None
    ) -> dict[str, list[Tensor]]:
        """δ (..., C) of every call, by site; zeros for a call without influence on the loss.

        Sites none of whose calls has any are left out. Raises SiteError for a loss without gradient.
        """
        if not loss.requires_grad:
            raise unreached_sites(list(self.pools))
        calls = {name: pool.site.calls or () for name, pool in self.pools.items()} if calls is None else calls
        outputs = [call.output for own in calls.values() for call in own]
        try:
            gradients = torch.autograd.grad(loss, outputs, allow_unused=True) if outputs else ()
        except RuntimeError as error:
            if "heckpoint" in str(error):
                raise SiteError(
                    "a part of the network is checkpointed with use_reentrant=True, where the errors of sites cannot "
                    "be seen: checkpoint with use_reentrant=False"
                ) from error
            raise
        left = iter(gradients)
        return filled(calls, {name: [next(left) for _ in own] for name, own in calls.items()})

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

    def _close(self, step: Step) -> dict[str, list[Call]]:
        """The calls of the forward pass, which is over: what is called from now on repeats it, for a checkpoint."""
        step.backward = True
        calls = {name: pool.site.calls or [] for name, pool in self.pools.items()}
        for pool in self.pools.values():
            pool.site.calls = []
        self._buffers = self.candidate_buffers()
        return calls

    def candidate_buffers(self) -> list[tuple[Tensor, Tensor]]:
        """Every buffer of a candidate, and a copy of it."""
        buffers = (buffer for module in self._candidate_modules for buffer in module._buffers.values())
        return [(buffer, buffer.clone()) for buffer in buffers if buffer is not None]

    def _forget_replays(self) -> None:
        """Candidates that were called again for a checkpoint take notice of the batch once."""
        if any(pool.site.calls for pool in self.pools.values()):
            for buffer, value in self._buffers:
                buffer.copy_(value)

    @contextmanager
    def _first_call(self, seen: list[Any]) -> Iterator[None]:
        """Within the first such block of the phase, what the network is called with first is put into `seen`."""
        if self._probed:
            yield
            return
        self._probed = True

        def keep(_: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any]) -> None:
            if not seen:
                seen.append(kept_inputs(inputs, named))

        hook = self.model.register_forward_pre_hook(keep, with_kwargs=True)
        try:
            yield
        finally:
            hook.remove()


def filled(
    calls: Mapping[str, Sequence[Call]], gradients: Mapping[str, Sequence[Tensor | None]]
) -> dict[str, list[Tensor]]:
    """δ of every call, by site: zeros for a call without influence on the loss; no site none of whose calls has any."""
    return {
        name: [torch.zeros_like(call.output) if delta is None else delta for call, delta in pairs]
        for name, own in calls.items()
        if (pairs := list(zip(own, gradients[name], strict=True))) and any(delta is not None for _, delta in pairs)
    }


def _add_gradient(parameter: nn.Parameter, gradient: Tensor | None, batches: int) -> None:
    if gradient is None:
        return
    share = gradient if batches == 1 else gradient / batches
    parameter.grad = share if parameter.grad is None else parameter.grad + share
