"""How a phase is trained: optimiser, schedule, loss scale, and the gradients that wait for the optimiser's step."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from inspect import Parameter, signature
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from pbgraph.dendrites.errors import TrainingError, unreached_sites
from pbgraph.dendrites.modes import TrainingMode
from pbgraph.dendrites.perforation import sites_of
from pbgraph.dendrites.phase import DendritePhase
from pbgraph.dendrites.processes import Processes
from pbgraph.dendrites.scaling import Scaling
from pbgraph.dendrites.settings import GrowthSettings, Restart
from pbgraph.dendrites.step import Step
from pbgraph.dendrites.switching import Phase
from pbgraph.errors import UsageError

LossFunction = Callable[[nn.Module, Any], Tensor]
MakeOptimizer = Callable[[list[dict[str, Any]]], torch.optim.Optimizer]
MakeScheduler = Callable[[torch.optim.Optimizer, Phase, int], LRScheduler | None]
ScheduleBy = Literal["step", "epoch"]


@dataclass(frozen=True)
class Recipe:
    """What every phase is trained with; see `Growth`."""

    make_optimizer: MakeOptimizer
    make_scheduler: MakeScheduler | None = None
    distribute: Callable[[nn.Module], nn.Module] | None = None
    schedule_by: ScheduleBy = "step"


class Training:
    """Of one phase, from its first step to its last.

    dendrite_phase  None in a neuron phase
    dendrites       accepted per site
    scaling         of losses, for gradients in half precision
    first_rate      learning rate of the last step of the first neuron phase; None in that phase

    steps          batches so far
    sites_step     what sites know of the present one
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
        scaling: Scaling,
        first_rate: float | None = None,
    ) -> None:
        self.model, self.settings, self._dendrite_phase = model, settings, dendrite_phase
        self._scaling, self._by = scaling, recipe.schedule_by
        self.steps = self._pending = 0
        self._trained = False
        self._mode = TrainingMode(model)
        self.learning_rate = 0.0
        self.processes: Processes | None = None
        grows = settings.max_dendrites > 0
        self.sites_step = Step(grows=grows, twice=settings.errors == "through" or not grows)
        self._sites = sites_of(model)
        for site in self._sites.values():
            site.step = self.sites_step
        self._unreached = {name for name, site in self._sites.items() if _trained(site.parent)}
        self._handed = model
        if recipe.distribute is not None and dendrite_phase is None:
            self._handed = recipe.distribute(model)
            self.processes = Processes(getattr(self._handed, "process_group", None))
        self.optimizer = made_optimizer(recipe.make_optimizer(self._trainable_groups()))
        if dendrite_phase is None and first_rate is not None:
            restart(self.optimizer, settings.restart, first_rate)
        make = recipe.make_scheduler
        self.scheduler = made_scheduler(make(self.optimizer, self.phase, dendrites), settings.mode) if make else None

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

    def _trainable_groups(self) -> list[dict[str, Any]]:
        if groups := self._groups():
            return groups
        raise TrainingError(
            "all parameters of the network have requires_grad=False, so a neuron phase has nothing to train: let at "
            "least the last layer be trained"
        )

    def step(self, loss_fn: LossFunction, batch: Any, *, held_out: bool = False) -> Tensor:
        """The gradients of one batch and, after `accumulate` of them, a step of the optimiser; returns the loss.

        held_out  in a dendrite phase: candidates are scored by the batch, and no step is taken
        """
        if not self._pending:
            self.optimizer.zero_grad(set_to_none=True)
        task_loss = partial(self._task_loss, loss_fn, batch)
        with self.sites_step.begun():
            if self._dendrite_phase is None:
                loss, trained = self._add_gradients(task_loss), True
            else:
                loss, trained = self._dendrite_phase.add_gradients(
                    task_loss, self.settings.accumulate, self.sites_step, batch=batch, held_out=held_out
                )
        self.steps += 1
        if held_out and self._dendrite_phase is not None:
            return loss
        self.learning_rate = float(self.optimizer.param_groups[0]["lr"])
        self._pending, self._trained = self._pending + 1, self._trained or trained
        if self._pending == self.settings.accumulate:
            self._optimise()
        return loss

    def finish_epoch(self) -> None:
        """Take the step for the batches that are left over, if there are any."""
        if self._pending:
            self._optimise()

    def schedule_epoch(self, score: float) -> None:
        """Step the schedule if it is one of epochs, or waits for plateaus of the epoch's score.

        score  of the validation, or the mean of the sites'
        """
        if isinstance(self.scheduler, ReduceLROnPlateau):
            falls = self._dendrite_phase is not None and self.settings.mode == "min"
            self.scheduler.step(1.0 - score if falls else score)
        elif self.scheduler is not None and self._by == "epoch":
            self.scheduler.step()

    def foreign_step(self) -> None:
        """A step of optimiser and schedule with the gradients that somebody else's loop has computed and unscaled."""
        self.steps += 1
        self.sites_step.number += 1
        self.learning_rate = float(self.optimizer.param_groups[0]["lr"])
        self._note_reached()
        self._clip()
        self.optimizer.step()
        self._schedule_step()

    def _add_gradients(self, task_loss: Callable[[], Tensor]) -> Tensor:
        self._mode.enter()
        loss = task_loss()
        share = loss if self.settings.accumulate == 1 else loss / self.settings.accumulate
        self.sites_step.backward = True
        self._scaling.scale(share).backward()  # type: ignore[no-untyped-call]
        self._note_reached()
        return loss.detach()

    def _note_reached(self) -> None:
        for name in list(self._unreached):
            if any(parameter.grad is not None for parameter in self._sites[name].parent.parameters()):
                self._unreached.discard(name)

    def refuse_unreached(self) -> None:
        """Raises SiteError if no step of this phase has called a site, or reached it by a gradient."""
        if uncalled := [name for name, site in self._sites.items() if site.channels is None]:
            raise unreached_sites(uncalled, called=False)
        if self._unreached and self.steps:
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
        self._scaling.unscale(self.optimizer)
        self._clip()
        if self._scaling.step(self.optimizer):
            self._schedule_step()

    def _clip(self) -> None:
        if self._dendrite_phase is None and self.settings.clip_norm > 0:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.clip_norm)

    def _schedule_step(self) -> None:
        if self.scheduler is not None and self._by == "step" and not isinstance(self.scheduler, ReduceLROnPlateau):
            self.scheduler.step()

    def _gradients(self) -> dict[str, Tensor]:
        """Those that there are, by parameter."""
        return {name: p.grad for name, p in self.model.named_parameters() if p.grad is not None}

    def _task_loss(self, loss_fn: LossFunction, batch: Any) -> Tensor:
        loss = loss_fn(self._handed, batch)
        if not isinstance(loss, Tensor) or loss.numel() != 1:
            shown = f"a tensor of shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else f"a {type(loss).__name__}"
            raise TrainingError(f"loss_fn returned {shown}; it must return the loss as a tensor of one number")
        if loss.is_complex() or not (loss.requires_grad or self._dendrite_phase is not None):
            kind = "a complex number" if loss.is_complex() else "without a gradient"
            raise TrainingError(
                f"the loss at step {self.steps} of a {self.phase} phase is {kind}; compute a real one from what the "
                "model returns, with gradients on (no detach(), no_grad(), inference_mode())"
            )
        if not (self._scaling.tolerant or math.isfinite(loss.item())):
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
        parameters = dict(self.model.named_parameters())
        for name, gradient in state["gradients"].items():
            parameter = parameters[name]
            parameter.grad = gradient.to(parameter.device)


def refuse_wrong_recipe(make_optimizer: Any, make_scheduler: Any, schedule_by: Any) -> None:
    """Raises UsageError for an optimiser or a schedule in the place of the function that makes one at every switch."""
    if schedule_by not in get_args(ScheduleBy):
        raise UsageError(f"schedule_by is {schedule_by!r}; it must be one of {', '.join(get_args(ScheduleBy))}")
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
            f"{type(optimizer).__name__} evaluates the loss several times in a step, which growth does once, and "
            "candidates have no loss: give an optimiser whose step() needs no closure, e.g. Adam or SGD"
        )
    return optimizer


def restart(optimizer: torch.optim.Optimizer, how: Restart, first_rate: float) -> None:
    """Let an optimiser begin at another learning rate than it was made with; see `GrowthSettings`."""
    if how == "peak":
        return
    made = float(optimizer.param_groups[0]["lr"])
    factor = (first_rate / made if made else 1.0) if how == "end" else float(how)
    for group in optimizer.param_groups:
        group["lr"] = group["lr"] * factor


def made_scheduler(scheduler: Any, mode: str) -> LRScheduler | None:
    """What make_scheduler returned; raises UsageError if it cannot be stepped, or waits for the wrong plateaus.

    mode  which scores are better, see `GrowthSettings`
    """
    if isinstance(scheduler, ReduceLROnPlateau):
        if scheduler.mode != mode:
            raise UsageError(
                f"ReduceLROnPlateau was made with mode={scheduler.mode!r}, but growth's scores have mode={mode!r}: "
                f"give it mode={mode!r} too, or growth the other"
            )
        return scheduler
    if scheduler is None:
        return None
    metrics = signature(scheduler.step).parameters.get("metrics") if hasattr(scheduler, "step") else None
    if not isinstance(scheduler, LRScheduler) or (metrics is not None and metrics.default is Parameter.empty):
        raise UsageError(
            f"make_scheduler returned a {type(scheduler).__name__}; a schedule is stepped without a score after every "
            "step of the optimiser or every epoch: give a LambdaLR, OneCycleLR or the like, ReduceLROnPlateau, or None"
        )
    return scheduler


def _trained(module: nn.Module) -> bool:
    return any(parameter.requires_grad for parameter in module.parameters())


_PLAIN = ("steps", "_pending", "_trained", "learning_rate")
