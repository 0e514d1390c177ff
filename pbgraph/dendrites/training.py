"""The training of one phase: its steps, and the gradients that wait for the optimiser's."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from torch import Tensor, nn
from torch.optim.lr_scheduler import ReduceLROnPlateau

from pbgraph.dendrites.errors import TrainingError, unreached_sites
from pbgraph.dendrites.modes import TrainingMode
from pbgraph.dendrites.perforation import sites_of
from pbgraph.dendrites.phase import DendritePhase
from pbgraph.dendrites.processes import Processes
from pbgraph.dendrites.recipe import LossFunction, Recipe, checked_loss, made_optimizer, made_scheduler, restart
from pbgraph.dendrites.scaling import Scaling
from pbgraph.dendrites.settings import GrowthSettings
from pbgraph.dendrites.step import Step
from pbgraph.dendrites.switching import Phase


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
        self._unreached = {name for name, site in self._sites.items() if _trained(site.parent)}
        for name, site in self._sites.items():
            site.step = self.sites_step
            if dendrite_phase is None:  # in one, nothing but candidates is trained
                site.frozen = name not in self._unreached
        self._handed = model
        if recipe.distribute is not None and dendrite_phase is None:
            self._handed = recipe.distribute(model)
            self.processes = Processes(getattr(self._handed, "process_group", None))
        groups = self._trainable_groups()
        self.optimizer = made_optimizer(recipe.make_optimizer(groups), groups)
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
        loss = checked_loss(loss_fn, self._handed, batch)
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
            "unreached": sorted(self._unreached),
            "gradients": self._gradients() if self._pending else {},
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict() if self.scheduler is not None else None,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over a saved state."""
        for name in _PLAIN:
            setattr(self, name, state[name])
        self._unreached = set(state.get("unreached", ()))  # an earlier version did not say what its steps had reached
        self.optimizer.load_state_dict(state["optimizer"])
        if self.scheduler is not None:
            self.scheduler.load_state_dict(state["scheduler"])
        self.optimizer.zero_grad(set_to_none=True)
        parameters = dict(self.model.named_parameters())
        for name, gradient in state["gradients"].items():
            parameter = parameters[name]
            parameter.grad = gradient.to(parameter.device)


def _trained(module: nn.Module) -> bool:
    return any(parameter.requires_grad for parameter in module.parameters())


_PLAIN = ("steps", "_pending", "_trained", "learning_rate")
