"""A dendrite phase within a loop that is somebody else's: what its backward passes say is listened to.

Such a loop calls the model, ``loss.backward()`` and ``optimizer.step()``, and knows of nothing else. So every site
keeps its calls in forward passes that are training; a hook on each output y' hears δ = ∂L/∂y' when it is computed; and
when the backward pass is over, the candidates' gradients are added to ``.grad``, where clipping, loss scaling and the
optimiser find them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from pbgraph.dendrites.deltas import filled
from pbgraph.dendrites.errors import TrainingError
from pbgraph.dendrites.forward import Call
from pbgraph.dendrites.loop import GrowthOptimizer
from pbgraph.dendrites.phase import DendritePhase
from pbgraph.dendrites.sites import Site
from pbgraph.dendrites.step import Step
from pbgraph.dendrites.training import Training

_Pass = int  # number of a forward pass of the model


class ForeignLoop:
    """What a growth has to do with a loop that is not its own; nothing before `optimizer` is called.

    accumulate  number by which the loop divides its loss because it takes a step only after so many batches
    """

    def __init__(self, model: nn.Module, accumulate: int) -> None:
        self._model, self._accumulate = model, accumulate
        self._optimizer: GrowthOptimizer | None = None
        self._listener: Listener | None = None
        self._passes: list[Any] = []

    def optimizer(
        self, training: Training, phase: DendritePhase | None, step: Callable[[float | None], None]
    ) -> GrowthOptimizer:
        """The one that the loop is given; step: what its steps do, given the loss if it is known."""
        if self._optimizer is None:
            self._optimizer = GrowthOptimizer(training.optimizer, step)
            self.follow(training, phase)
        return self._optimizer

    def follow(self, training: Training, phase: DendritePhase | None) -> None:
        """Go on with this phase."""
        self.stop_listening()
        if self._optimizer is None:
            return
        self._optimizer.follow(training.optimizer)
        step = training.sites_step
        if step.grows:
            passes = (_Inside(step, begins=True), _Inside(step, begins=False))
            self._passes = [
                self._model.register_forward_pre_hook(passes[0]),
                self._model.register_forward_hook(passes[1], always_call=True),
            ]
        if phase is not None:
            self._listener = Listener(self._model, phase, step, self._accumulate)

    @property
    def begun(self) -> bool:
        """Whether there is such a loop."""
        return self._optimizer is not None

    def take_trained(self) -> bool:
        """Whether there are gradients to take a step with; see `Listener`."""
        return self._listener is None or self._listener.take_trained()

    def stop_listening(self) -> None:
        """The phase is over."""
        for hook in self._passes:
            hook.remove()
        self._passes = []
        if self._listener is not None:
            self._listener.stop()
            self._listener = None

    def refuse_if_begun(self) -> None:
        """Raises TrainingError if there is such a loop."""
        if self.begun:
            raise TrainingError("growth is the optimiser of another loop by as_optimizer(): call that one's step()")


class _Inside:
    """A hook that lets sites know of a forward pass in training; a copy of the network gets one that does nothing."""

    def __init__(self, step: Step | None, *, begins: bool) -> None:
        self._step, self._begins = step, begins

    def __call__(self, model: nn.Module, *_: Any) -> None:
        if self._step is not None:
            self._step.inside = self._begins and model.training and torch.is_grad_enabled()

    def __deepcopy__(self, _: Any) -> _Inside:
        return _Inside(None, begins=self._begins)


class Listener:
    """Hears δ of every call of every site from the beginning of a dendrite phase to `stop`; accumulate: see above.

    A derivative that the network takes of itself (forces, with errors="through") is no δ, and not listened to: it is
    taken within the forward pass, or is itself to be differentiated.
    """

    def __init__(self, model: nn.Module, phase: DendritePhase, step: Step, accumulate: int) -> None:
        self._phase, self._step, self._accumulate = phase, step, accumulate
        self._pass: _Pass = 0
        self._kept: dict[_Pass, dict[str, list[Call]]] = defaultdict(dict)
        self._deltas: dict[Call, Tensor] = {}
        self._waiting = self._heard = self._trained = False
        self._hooks: list[Any] = [model.register_forward_pre_hook(self._next_pass)]
        for pool in phase.pools.values():
            self._hooks.append(pool.site.register_forward_pre_hook(partial(self._before, pool.site)))
            self._hooks.append(pool.site.register_forward_hook(partial(self._after, pool.site), always_call=True))
        for module in phase.still.evaluated:
            self._hooks.append(module.register_forward_pre_hook(_evaluates))
            self._hooks.append(module.register_forward_hook(_trains_again, always_call=True))
        self._replays: list[tuple[Tensor, Tensor]] | None = None
        phase.still.preserved.__enter__()

    def stop(self) -> None:
        """Listen no more."""
        for hook in self._hooks:
            hook.remove()
        self._phase.still.preserved.__exit__(None, None, None)

    def take_trained(self) -> bool:
        """Whether candidates have gradients since the last time; forgets forward passes that had no backward pass.

        Raises TrainingError if no backward pass went through a site.
        """
        if not self._heard:
            raise TrainingError(
                "the optimiser is to take a step in a dendrite phase, but no loss.backward() went through the sites: "
                "call growth.model in training mode, then backward(), before every step"
            )
        trained, self._heard, self._trained = self._trained, False, False
        self._kept.clear()
        return trained

    def _next_pass(self, model: nn.Module, _: Any) -> None:
        self._pass += 1

    def _before(self, site: Site, _: nn.Module, __: Any) -> None:
        if not (site.training and torch.is_grad_enabled()):
            return
        if _in_backward():  # a checkpoint repeats the call, which is known already
            self._replays = self._phase.candidate_buffers() if self._replays is None else self._replays
            site.calls = []
        else:
            site.calls = self._kept[self._pass].setdefault(site.name, [])

    def _after(self, site: Site, _: nn.Module, __: Any, ___: Any) -> None:
        if site.calls and not _in_backward():
            call = site.calls[-1]
            call.output.register_hook(partial(self._hear, call))  # type: ignore[no-untyped-call]
        site.calls = None

    def _hear(self, call: Call, delta: Tensor) -> None:
        if self._step.inside or torch.is_grad_enabled():
            return
        self._deltas[call] = delta
        if not self._waiting:
            self._waiting = True
            torch.autograd.Variable._execution_engine.queue_callback(self._learn)

    def _learn(self) -> None:
        """After a backward pass: from the calls of every forward pass that it went through."""
        deltas, self._deltas, self._waiting, self._heard = self._deltas, {}, False, True
        heard = {number: sum(c in deltas for own in kept.values() for c in own) for number, kept in self._kept.items()}
        if len(deltas) > sum(heard.values()):
            raise TrainingError(
                "there was a second backward pass through one forward pass in a dendrite phase: add the losses up; "
                "take derivatives of the network that are part of the loss (forces) with create_graph=True"
            )
        calls: dict[str, list[Call]] = {name: [] for name in self._phase.pools}
        for number in [number for number, count in heard.items() if count]:
            for name, own in self._kept.pop(number).items():
                calls[name] += own
        phase, scale = self._phase, self._phase.scaling.factor
        known = filled(calls, {name: [deltas.get(call) for call in own] for name, own in calls.items()})
        trained = phase.learn(calls, known, batches=self._accumulate, scale=scale / self._accumulate)
        self._trained = self._trained or trained
        if not trained and phase.scaling.tolerant:
            phase.zero_gradients()  # a scaler insists on gradients to look at
        for buffer, value in self._replays or ():
            buffer.copy_(value)
        self._replays = None
        phase.still.preserved.__exit__(None, None, None)
        phase.still.preserved.__enter__()


def _in_backward() -> bool:
    return torch._C._current_graph_task_id() != -1


def _evaluates(module: nn.Module, _: Any) -> None:
    """Before a module of the network is called that is in evaluation mode in dendrite phases."""
    module.__dict__["_in_training"] = module.training
    module.training = False


def _trains_again(module: nn.Module, _: Any, __: Any) -> None:
    module.training = module.__dict__.pop("_in_training", module.training)
