"""`widened` and `widened-continued`: is a gain no more than what the dendrites' parameters would buy elsewhere?

The plain model is made wider until it has the parameters of the paired perforated run, to within 1 %. The field of
its config that is scaled is the architecture's `width`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from pbgraph.errors import PbgraphError
from pbgraph.methods.base import FitTask, Fitted, Method
from pbgraph.methods.controls import cycle_lengths
from pbgraph.methods.plain import train_in_cycles
from pbgraph.methods.training import TrainSettings, build_model, parameter_count, refuses_estimators
from pbgraph.models.base import Architecture

TOLERANCE = 0.01


def fit_widened(task: FitTask) -> Fitted:
    """Train the widened model as `backprop` trains the plain one."""
    wide = widened(task)
    return _noted(wide, train_in_cycles(wide, lengths=[wide.settings.epochs], patience=wide.settings.patience))


def fit_widened_continued(task: FitTask) -> Fitted:
    """Train the widened model for the epochs and with the restarts of the paired perforated run."""
    assert task.paired is not None
    wide = widened(task)
    return _noted(wide, train_in_cycles(wide, lengths=cycle_lengths(task.paired.history), patience=None))


def widened(task: FitTask) -> FitTask:
    """The task with a config whose width matches the paired run's parameters.

    Raises PbgraphError with the two nearest widths if none is within the tolerance.
    """
    assert isinstance(task.model, Architecture)
    field = task.model.width

    def at(width: int) -> FitTask:
        return replace(task, config=replace(task.config, **{field: width}))

    target = paired_parameters(task)
    width = matching_width(lambda width: parameter_count(build_model(at(width))), target, f"{task.model.name} {field}")
    return at(width)


def paired_parameters(task: FitTask) -> int:
    """Parameters of the network that the paired run ended with."""
    assert task.paired is not None
    assert task.paired.cost is not None
    return task.paired.cost.parameters


def matching_width(count: Callable[[int], int], target: int, what: str) -> int:
    """The width whose parameter count is nearest to the target, found by bisection; `count` grows with the width.

    Raises PbgraphError, naming `what`, if it is not within 1 % of the target.

    >>> matching_width(lambda width: width * width, 10_050, "square")
    100
    """
    low, high = 1, 2
    while count(high) < target:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if count(middle) < target else (low, middle)
    below, above = count(low), count(high)
    nearest = low if target - below < above - target else high
    if abs(count(nearest) - target) > TOLERANCE * target:
        raise PbgraphError(
            f"no {what} gives {target} parameters within {TOLERANCE:.0%}; the nearest are {low} with {below} and "
            f"{high} with {above}"
        )
    return nearest


def _noted(task: FitTask, fitted: Fitted) -> Fitted:
    assert isinstance(task.model, Architecture)
    width = {"field": task.model.width, "value": getattr(task.config, task.model.width)}
    return replace(fitted, details={**fitted.details, "width": width, "matched_parameters": paired_parameters(task)})


WIDENED = Method(
    name="widened",
    version=1,
    settings=TrainSettings,
    fit=fit_widened,
    refuses=refuses_estimators,
    source="control: the plain model with the parameters of the paired perforated run",
    control_of="perforated",
)

WIDENED_CONTINUED = Method(
    name="widened-continued",
    version=1,
    settings=TrainSettings,
    fit=fit_widened_continued,
    refuses=refuses_estimators,
    source="control: parameters, epochs and learning-rate restarts of the paired perforated run",
    control_of="perforated",
)
