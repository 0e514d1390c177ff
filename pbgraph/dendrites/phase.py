"""The dendrite phase: every site trains its candidates, while the network stands still (`pbgraph.dendrites.still`).

The network is in training mode, so that δ is the error it makes while it is trained: dropout is active. The
candidates' own normalisation layers work as in any training.

With delta="clean" the network is in evaluation mode. What its sites are called with, and their δ, are then a function
of the batch, and are kept (`pbgraph.dendrites.store`): a batch that comes again costs the candidates' own passes alone.

A site that a batch does not reach (a layer that was dropped, an expert that was not chosen) has no patterns in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn

from pbgraph.dendrites.candidates import SiteCandidates
from pbgraph.dendrites.deltas import output_gradients
from pbgraph.dendrites.dendrite import Dendrite
from pbgraph.dendrites.errors import TrainingError, unreached_sites
from pbgraph.dendrites.forward import Call
from pbgraph.dendrites.kept import KeptBatch, answers, kept_batch
from pbgraph.dendrites.perforation import sites_of
from pbgraph.dendrites.pools import Pools, parameters_of, put_back
from pbgraph.dendrites.processes import Processes
from pbgraph.dendrites.scaling import Scaling
from pbgraph.dendrites.settings import GrowthSettings
from pbgraph.dendrites.statistics import PhaseStatistics
from pbgraph.dendrites.step import Step
from pbgraph.dendrites.still import StillNetwork
from pbgraph.dendrites.store import MEBIBYTE, Store
from pbgraph.streams import seeded


class DendritePhase(Pools):
    """One dendrite phase of a network whose sites hold candidates; from now on nothing but these can be trained.

    still      the network beside them
    store      what is kept of batches, with delta="clean"; else None
    held_out   batches of this epoch that were
    unreached  sites that no batch of the last epoch reached
    """

    def __init__(
        self, model: nn.Module, settings: GrowthSettings, processes: Processes, scaling: Scaling | None = None
    ) -> None:
        self.model, self.processes = model, processes
        self.scaling = scaling or Scaling()
        sites = {name: site for name, site in sites_of(model).items() if site.candidates}
        self._apart = settings.delta == "clean" and settings.pool > 1
        self._statistics = PhaseStatistics(sites, settings, apart=self._apart)
        super().__init__(
            SiteCandidates(site, settings, processes, self._statistics.of[name], sites=len(sites))
            for name, site in sites.items()
        )
        self.unreached: list[str] = []
        clean = settings.delta == "clean"
        self.store = Store(settings.kept_memory * MEBIBYTE, settings.kept_file * MEBIBYTE) if clean else None
        self.held_out, self._held_out_wanted = 0, settings.score_rows == "held-out"
        self.still = StillNetwork(model, self.modules, evaluated=clean)
        self._overflowed = False

    def add_gradients(
        self,
        task_loss: Callable[[], Tensor],
        batches: int,
        step: Step,
        *,
        batch: Any = None,
        held_out: bool = False,
    ) -> tuple[Tensor, bool]:
        """Add every candidate's gradient on the batch of `task_loss`, divided by `batches`, to what there is.

        One forward pass of the network and one backward pass for δ = ∂L/∂y' of every call of every site; the
        parameters of the network need no gradient, so none is computed. Then the candidates' own backward pass.
        batch     by which what was kept of it is found
        held_out  whether it is no batch to train on, but to score by: buffers of candidates stay as they are, too
        Returns the task's loss, and whether any candidate was trained.
        """
        buffers = self.candidate_buffers() if held_out else []
        try:
            return self._learnt_from(task_loss, batches, step, batch=batch, held_out=held_out)
        finally:
            put_back(buffers)

    def _learnt_from(
        self, task_loss: Callable[[], Tensor], batches: int, step: Step, *, batch: Any, held_out: bool
    ) -> tuple[Tensor, bool]:
        self.still.enter_mode()
        if self.store is not None:
            kept = self.store.get(batch, lambda: self._recorded(task_loss, step))
            return kept.loss, self._learnt_from_kept(kept, batches, held_out=held_out)
        with self.still.passing(), self._calls_kept():
            loss = task_loss()
            calls = self._close(step)
            deltas = self._output_gradients(self.scaling.scale(loss), calls)
            trained = self.learn(calls, deltas, batches=batches, scale=self.scaling.factor, held_out=held_out)
            self._forget_replays()
        return loss.detach(), trained

    def _recorded(self, task_loss: Callable[[], Tensor], step: Step) -> KeptBatch:
        """One pass of the network, by the same random numbers whatever was drawn before, if it draws any."""
        sites = {name: pool.site for name, pool in self.pools.items()}
        with self.still.passing(), seeded(0, "clean"):
            return kept_batch(sites, task_loss, self.scaling, closed=step.close)

    def _learnt_from_kept(self, kept: KeptBatch, batches: int, *, held_out: bool) -> bool:
        """As `learn`; pools of several one site after another, so that no more is in memory than of one."""
        deltas = {name: [call.delta for call in own] for name, own in kept.sites.items()}
        if (trained := self._overflow(deltas, held_out=held_out)) is not None:
            return trained
        learn = partial(self._learn, deltas=deltas, batches=batches, scale=kept.scale, held_out=held_out)
        groups = [[name] for name in self.pools] if self._apart else [list(self.pools)]
        found = [learn({name: self._answered(name, kept) for name in names}) for names in groups]
        return self.processes.any(any(found), like=self._parameters[0])

    def _answered(self, name: str, kept: KeptBatch) -> list[Call]:
        """What a site's candidates make of a kept batch, as calls of it."""
        site, own = self.pools[name].site, kept.sites.get(name, ())
        found = [answers(site, cast(Dendrite, candidate), own) for candidate in site.candidates]
        return [Call(call.delta, each) for call, each in zip(own, zip(*found, strict=True), strict=True)]

    def learn(
        self,
        calls: Mapping[str, list[Call]],
        deltas: Mapping[str, list[Tensor]],
        *,
        batches: int,
        scale: float,
        held_out: bool = False,
    ) -> bool:
        """Take in a batch's δ, which are too large by `scale`, and add the candidates' gradients to what there is.

        deltas   of the sites that the loss depends on
        batches  the gradients are divided by this number, and multiplied by the scale of losses
        held_out  there are none, for candidates are only scored
        Returns whether there are any, in any process. If δ is not finite in one and there is a scaler, they are
        infinite in all, for it to see.
        """
        if (trained := self._overflow(deltas, held_out=held_out)) is not None:
            return trained
        found = self._learn(calls, deltas, batches=batches, scale=scale, held_out=held_out)
        return self.processes.any(found, like=self._parameters[0])

    def _overflow(self, deltas: Mapping[str, list[Tensor]], *, held_out: bool) -> bool | None:
        """What is to be told of a batch whose δ is not finite in any process, if there is a scaler to know; else None.

        It is counted, too.
        """
        self.held_out += held_out
        if not (self.scaling.tolerant and self.processes.any(not _all_finite(deltas), like=self._parameters[0])):
            return None
        self._overflowed = True
        if held_out:
            return False
        for parameter in self._parameters:
            parameter.grad = torch.full_like(parameter, torch.inf)
        return True

    def _learn(
        self,
        calls: Mapping[str, list[Call]],
        deltas: Mapping[str, list[Tensor]],
        *,
        batches: int,
        scale: float,
        held_out: bool,
    ) -> bool:
        """As `learn`, of the sites that calls are given of; whether there are gradients in this process."""
        pools = {name: self.pools[name] for name in calls}
        if held_out:
            for name, pool in pools.items():
                pool.score_held_out(calls[name], deltas.get(name), scale)
            return False
        seen = [
            candidate
            for name, pool in pools.items()
            for candidate in pool.observed(calls[name], deltas.get(name), scale)
        ]
        pairs = self._statistics.pairs(seen, self.scaling.factor)
        if pairs:
            own = self._parameters if len(pools) == len(self.pools) else parameters_of(pools.values())
            activations, output_gradients = zip(*pairs, strict=True)
            gradients = torch.autograd.grad(activations, own, output_gradients, allow_unused=True)
            for parameter, gradient in zip(own, gradients, strict=True):
                _add_gradient(parameter, gradient, batches)
        return bool(pairs)

    def end_epoch(self) -> tuple[dict[str, float], bool]:
        """(Score of every site's best candidate in this epoch, whether one of them is an improvement).

        Raises SiteError if no batch of the epoch reached any site, TrainingError if the network did not stand still.
        """
        self.still.check()
        self.unreached = [name for name, pool in self.pools.items() if not pool.reached]
        nothing = len(self.unreached) == len(self.pools) and not self._overflowed
        if nothing and self.held_out and any(one.patterns for pool in self.pools.values() for one in pool.scored):
            raise TrainingError(
                "every step of this epoch was given held_out=True, so candidates were trained on nothing: hold out "
                "some batches of the training rows, about a fifth, and train on the others"
            )
        if nothing:
            raise unreached_sites(self.unreached)
        self._overflowed = False
        if not self.held_out and self._held_out_wanted:
            raise TrainingError(
                "score_rows is 'held-out', but no step of this epoch was of rows that are held out: in dendrite phases "
                "call growth.step(loss_fn, batch, held_out=True) for batches of some of the training rows, the same in "
                "every epoch"
            )
        outcome = {name: pool.end_epoch() for name, pool in self.pools.items()}
        self._refuse_unshifted()
        self.held_out = 0
        if self.store is not None:
            self.store.end_epoch()
        return {name: score for name, (score, _) in outcome.items()}, any(improved for _, improved in outcome.values())

    def _refuse_unshifted(self) -> None:
        """Raises TrainingError if held-out rows are such that all scores would be by chance."""
        chances = [pool.chance for pool in self.pools.values() if pool.chance is not None]
        known = [chance.shifted for chance in chances if chance.shifted is not None]
        if chances and not self.processes.any(any(known) or not known, like=self._parameters[0]):
            several = "each batch that is held out, of another shape in each"
            where = several if self.held_out > 1 else "the one held-out batch"
            raise TrainingError(
                f"score_rows is 'held-out', and each site has a single item in {where}, so what would be by chance "
                "cannot be told: hold out more rows, in larger batches"
            )

    @property
    def kept(self) -> dict[str, int]:
        """Bytes that what is kept of batches takes in memory and in a file; empty where nothing is to be kept."""
        return {} if self.store is None else {"memory": self.store.in_memory, "file": self.store.in_file}

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
        if self.store is not None:
            self.store.close()
        self.still.end()

    def state_dict(self) -> dict[str, Any]:
        """All but the weights of network and candidates, of which those of the network are made what they were."""
        self.still.preserved.settle()
        pools = {name: pool.state_dict() for name, pool in self.pools.items()}
        held_out = {"held_out": self.held_out} if self._held_out_wanted else {}
        return {"trainable": dict(self.still.trainable), "pools": pools, "overflowed": self._overflowed, **held_out}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over a saved state."""
        self.still.trainable = dict(state["trainable"])
        self.held_out, self._overflowed = state.get("held_out", 0), state.get("overflowed", False)
        for name, pool in self.pools.items():
            pool.load_state_dict(state["pools"][name])

    def _output_gradients(
        self, loss: Tensor, calls: Mapping[str, Sequence[Call]] | None = None
    ) -> dict[str, list[Tensor]]:
        """`output_gradients` of all sites; None: of the calls that they have kept."""
        kept = {name: pool.site.calls or () for name, pool in self.pools.items()} if calls is None else calls
        return output_gradients(loss, kept)

    def _close(self, step: Step) -> dict[str, list[Call]]:
        """The calls of the forward pass, which is over: what is called from now on repeats it, for a checkpoint."""
        step.backward = True
        calls = {name: pool.site.calls or [] for name, pool in self.pools.items()}
        for pool in self.pools.values():
            pool.site.calls = []
        self._buffers = self.candidate_buffers()
        return calls

    def _forget_replays(self) -> None:
        """Candidates that were called again for a checkpoint take notice of the batch once."""
        if any(pool.site.calls for pool in self.pools.values()):
            put_back(self._buffers)


def _add_gradient(parameter: nn.Parameter, gradient: Tensor | None, batches: int) -> None:
    if gradient is None:
        return
    share = gradient if batches == 1 else gradient / batches
    parameter.grad = share if parameter.grad is None else parameter.grad + share


def _all_finite(deltas: Mapping[str, list[Tensor]]) -> bool:
    return all(bool(delta.isfinite().all()) for own in deltas.values() for delta in own)
