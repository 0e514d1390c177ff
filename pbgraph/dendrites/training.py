"""How a phase is trained: optimiser and schedule, and the gradients that wait for a step of the optimiser."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from inspect import Parameter, signature
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler

from pbgraph.dendrites.errors import TrainingError
from pbgraph.dendrites.perforation import sites_of
from pbgraph.dendrites.phase import DendritePhase, unreached_sites
from pbgraph.dendrites.processes import Processes
from pbgraph.dendrites.settings import GrowthSettings
from pbgraph.dendrites.sites import Step
from pbgraph.dendrites.switching import Phase
from pbgraph.errors import UsageError

LossFunction = Callable[[nn.Module, Any], Tensor]
MakeOptimizer = Callable[[list[dict[str, Any]]], torch.optim.Optimizer]
MakeScheduler = Callable[[torch.optim.Optimizer, Phase, int], LRScheduler | None]


@dataclass(frozen=True)
class Recipe:
    """What every phase is trained with; see `Growth`."""

    make_optimizer: MakeOptimizer
    make_scheduler: MakeScheduler | None = None
    distribute: Callable[[nn.Module], nn.Module] | None = None


class Training:
    """Of one phase, from its first step to its last.

    dendrite_phase  None in a neuron phase
    dendrites       accepted per site

    steps          batches so far
    processes      those that train the network together, if this phase found out
    learning_rate  of the last step
    """

    def __init__(
        self,
        model: nn.Module,
        settings: GrowthSettings,
        recipe: Recipe,
        *,
        dendrite_phase: DendritePhase | None,
        dendrites: int,
    ) -> None:
        self.model, self.settings, self._dendrite_phase = model, settings, dendrite_phase
        self.steps = self._pending = 0
        self._trained = False
        self.learning_rate = 0.0
        self.processes: Processes | None = None
        self._step = Step(twice=settings.errors == "through" or settings.max_dendrites == 0)
        self._sites = sites_of(model)
        for site in self._sites.values():
            site.step = self._step
        self._unreached = {name for name, site in self._sites.items() if _trained(site.parent)}
        self._handed = model
        if recipe.distribute is not None and dendrite_phase is None:
            self._handed = recipe.distribute(model)
            self.processes = Processes(getattr(self._handed, "process_group", None))
        self.optimizer = made_optimizer(recipe.make_optimizer(self._groups()))
        made = recipe.make_scheduler
        self.scheduler = made_scheduler(made(self.optimizer, self.phase, dendrites)) if made else None

    @property
    def phase(self) -> Phase:
        """Which it is."""
        return "neuron" if self._dendrite_phase is None else "dendrite"

    def _groups(self) -> list[dict[str, Any]]:
        w = [weight for site in sites_of(self.model).values() for weight in site.w if weight.requires_grad]
        own = {id(weight) for weight in w}
        others = [p for p in self.model.parameters() if p.requires_grad and id(p) not in own]
        groups: list[dict[str, Any]] = [{"params": others}] if others else []
        return groups + ([{"params": w, "weight_decay": 0.0}] if w else [])

    def step(self, loss_fn: LossFunction, batch: Any) -> Tensor:
        """The gradients of one batch and, after `accumulate` of them, a step of the optimiser; returns the loss."""
        if not self._pending:
            self.optimizer.zero_grad(set_to_none=True)
        task_loss = partial(self._task_loss, loss_fn, batch)
        with self._step.begun():
            if self._dendrite_phase is None:
                loss, trained = self._add_gradients(task_loss), True
            else:
                loss, trained = self._dendrite_phase.add_gradients(task_loss, self.settings.accumulate, self._step)
        self.steps += 1
        self._pending, self._trained = self._pending + 1, self._trained or trained
        self.learning_rate = float(self.optimizer.param_groups[0]["lr"])
        if self._pending == self.settings.accumulate:
            self._optimise()
        return loss

    def finish_epoch(self) -> None:
        """Take the step for the batches that are left over, if there are any."""
        if self._pending:
            self._optimise()

    def _add_gradients(self, task_loss: Callable[[], Tensor]) -> Tensor:
        self.model.train()
        loss = task_loss()
        share = loss if self.settings.accumulate == 1 else loss / self.settings.accumulate
        self._step.backward = True
        share.backward()  # type: ignore[no-untyped-call]
        for name in list(self._unreached):
            if any(parameter.grad is not None for parameter in self._sites[name].parent.parameters()):
                self._unreached.discard(name)
        return loss.detach()

    def refuse_unreached(self) -> None:
        """Raises SiteError if no step of this phase has called a site, or reached it by a gradient."""
        if uncalled := [name for name, site in self._sites.items() if site.channels is None]:
            raise unreached_sites(uncalled, called=False)
        if self._unreached:
            raise unreached_sites([name for name in self._sites if name in self._unreached])

    def _optimise(self) -> None:
        """One step of optimiser and schedule with the gradients of the pending batches, if any of them trained."""
        pending, trained = self._pending, self._trained
        self._pending, self._trained = 0, False
        if not trained:
            return
        if pending < self.settings.accumulate:  # the rest of an epoch
            for gradient in self._gradients().values():
                gradient.mul_(self.settings.accumulate / pending)
        if self._dendrite_phase is not None:
            self._dendrite_phase.processes.add_gradients(self._dendrite_phase.parameters())
        elif self.settings.clip_norm > 0:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.clip_norm)
        self.optimizer.step()
        if self.scheduler is not None:
            self.scheduler.step()

    def _gradients(self) -> dict[str, Tensor]:
        """Those that there are, by parameter."""
        return {name: p.grad for name, p in self.model.named_parameters() if p.grad is not None}

    def _task_loss(self, loss_fn: LossFunction, batch: Any) -> Tensor:
        loss = loss_fn(self._handed, batch)
        if not isinstance(loss, Tensor) or loss.numel() != 1:
            shown = f"a tensor of shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else f"a {type(loss).__name__}"
            raise TrainingError(f"loss_fn returned {shown}; it must return the loss as a tensor of one number")
        if not torch.isfinite(loss):
            advice = "lower the learning rate or set clip_norm" if self.phase == "neuron" else "look at this batch"
            raise TrainingError(f"the loss is {loss.item()} at step {self.steps} of a {self.phase} phase; {advice}")
        return loss

    def state_dict(self) -> dict[str, Any]:
        """All that is needed to go on; not copied."""
        return {
            **{name: getattr(self, name) for name in _PLAIN},
            "gradients": self._gradients() if self._pending else {},
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict() if self.scheduler is not None else None,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over a saved state."""
        for name in _PLAIN:
            setattr(self, name, state[name])
        self._unreached.clear()  # earlier steps may have reached what these will not
        self.optimizer.load_state_dict(state["optimizer"])
        if self.scheduler is not None:
            self.scheduler.load_state_dict(state["scheduler"])
        self.optimizer.zero_grad(set_to_none=True)
        for name, gradient in state["gradients"].items():
            parameter = self.model.get_parameter(name)
            parameter.grad = gradient.to(parameter.device)


def refuse_wrong_recipe(make_optimizer: Any, make_scheduler: Any) -> None:
    """Raises UsageError for an optimiser or a schedule in the place of the function that makes one at every switch."""
    example = "lambda groups: torch.optim.Adam(groups, lr=0.01)"
    if isinstance(make_optimizer, torch.optim.Optimizer) or not callable(make_optimizer):
        raise UsageError(
            f"make_optimizer is a {type(make_optimizer).__name__}; every phase has an optimiser of its own, so give a "
            f"function that makes one from parameter groups: {example}"
        )
    if make_scheduler is not None and (isinstance(make_scheduler, LRScheduler) or not callable(make_scheduler)):
        raise UsageError(
            f"make_scheduler is a {type(make_scheduler).__name__}; give a function of (optimiser, phase, dendrites) "
            "that makes one, or None"
        )


def made_optimizer(optimizer: Any) -> torch.optim.Optimizer:
    """What make_optimizer returned; raises UsageError if no phase can be trained with it."""
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise UsageError(f"make_optimizer returned a {type(optimizer).__name__}; it must return a torch optimiser")
    closure = signature(optimizer.step).parameters.get("closure")
    if closure is not None and closure.default is Parameter.empty:
        raise UsageError(
            f"{type(optimizer).__name__} evaluates the loss several times in a step, which `Growth.step` does once: "
            "give another optimiser, e.g. Adam or SGD"
        )
    return optimizer


def made_scheduler(scheduler: Any) -> LRScheduler | None:
    """What make_scheduler returned; raises UsageError if it cannot be stepped with the optimiser."""
    if scheduler is None:
        return None
    metrics = signature(scheduler.step).parameters.get("metrics") if hasattr(scheduler, "step") else None
    if not isinstance(scheduler, LRScheduler) or (metrics is not None and metrics.default is Parameter.empty):
        raise UsageError(
            f"make_scheduler returned a {type(scheduler).__name__}; a schedule is stepped after every step of the "
            "optimiser, without a score: give a LambdaLR, OneCycleLR or the like, or None. Growth itself starts anew "
            "when scores stop rising"
        )
    return scheduler


def _trained(module: nn.Module) -> bool:
    return any(parameter.requires_grad for parameter in module.parameters())


_PLAIN = ("steps", "_pending", "_trained", "learning_rate")
