"""What phases are trained with: the functions that make an optimiser and a schedule for each, and what these may be."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from inspect import Parameter, signature
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from pbgraph.dendrites.errors import TrainingError
from pbgraph.dendrites.settings import Restart
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


def checked_loss(loss_fn: LossFunction, model: nn.Module, batch: Any) -> Tensor:
    """What loss_fn returns of a batch. Raises TrainingError for what is no loss."""
    loss: Any = loss_fn(model, batch)
    if not isinstance(loss, Tensor) or loss.numel() != 1:
        shown = f"a tensor of shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else f"a {type(loss).__name__}"
        raise TrainingError(f"loss_fn returned {shown}; it must return the loss as a tensor of one number")
    return loss


def refuse_wrong_choice(choose_sites: Any) -> None:
    """Raises UsageError for what cannot choose sites."""
    if choose_sites is not None and not callable(choose_sites):
        raise UsageError(
            f"choose_sites is a {type(choose_sites).__name__}; it must be a function that is called with the network, "
            "and returns names of sites"
        )


def chosen_names(found: Any) -> set[str]:
    """What choose_sites returned; raises UsageError if these are no names of sites."""
    if isinstance(found, str) or not isinstance(found, Collection) or not all(isinstance(name, str) for name in found):
        raise UsageError(
            f"choose_sites returned {found!r:.60}, a {type(found).__name__}; it must return a list of names of sites, "
            "such as headroom(model, batches, loss_fn).above_chance(), or [] for none"
        )
    return set(found)


def made_optimizer(optimizer: Any, groups: Iterable[Mapping[str, Any]]) -> torch.optim.Optimizer:
    """What make_optimizer returned for these groups; raises UsageError if the phase cannot be trained with it."""
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise UsageError(f"make_optimizer returned a {type(optimizer).__name__}; it must return a torch optimiser")
    closure = signature(optimizer.step).parameters.get("closure")
    if closure is not None and closure.default is Parameter.empty:
        raise UsageError(
            f"{type(optimizer).__name__} evaluates the loss several times in a step, which growth does once, and "
            "candidates have no loss: give an optimiser whose step() needs no closure, e.g. Adam or SGD"
        )
    given = {id(parameter) for group in groups for parameter in group["params"]}
    taken = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    if left_out := len(given - taken):
        raise UsageError(
            f"the optimiser that make_optimizer returned lacks {left_out} of the {len(given)} parameters of the groups "
            "that it was given, so these would never be trained: make it of the groups themselves, which are others in "
            "every phase; what is not to be trained takes requires_grad_(False)"
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
