"""`widened` and `widened-continued`: is a gain no more than what the dendrites' parameters would buy elsewhere?

The plain model is made wider until it has the parameters of the paired perforated run, to within 1 %. The field of
its config that is scaled is the architecture's `width`; where its steps are too coarse, as in small models, the
widest model that is not too large is filled up by the architecture's `fine_width`, if it has one. So the size is that
of the dendrites, and its place is not: they are spread over all sites, a packed head's among them. If no dendrite was
kept, this is the plain model.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from pbgraph.errors import PbgraphError, UsageError
from pbgraph.methods import roles
from pbgraph.methods.base import FitJob, Fitted, Method
from pbgraph.methods.controls import CYCLE_SPACE, SIZES, MatchedSettings, train_as_long
from pbgraph.methods.plain import train_in_cycles
from pbgraph.methods.training import TRAIN_SPACE, TrainSettings, build_model, parameter_count, refuses_estimators
from pbgraph.models.base import Architecture

TOLERANCE = 0.01
DOUBLINGS = 8  # of a width that does nothing, after which it is taken to do nothing at any


@dataclass(frozen=True)
class Bracket:
    """Neighbouring values of a field, and the parameters of the model at each; below has fewer than the target."""

    field: str
    below: tuple[int, int]
    above: tuple[int, int]
    target: int

    @property
    def match(self) -> int | None:
        """The value whose parameters are nearest to the target, or None if they are not within the tolerance."""
        value, count = min(self.below, self.above, key=lambda pair: abs(pair[1] - self.target))
        return value if abs(count - self.target) <= TOLERANCE * self.target else None

    def __str__(self) -> str:
        return " and ".join(f"{self.field} {value} with {count}" for value, count in (self.below, self.above))


def fit_widened(job: FitJob) -> Fitted:
    """Train the widened model as `backprop` trains the plain one."""
    wide = widened(job)
    return _noted(wide, train_in_cycles(wide, lengths=[wide.settings.epochs], patience=wide.settings.patience))


def fit_widened_continued(job: FitJob) -> Fitted:
    """Train the widened model as long as the paired perforated run was, and with its restarts."""
    wide = widened(job)
    return _noted(wide, train_as_long(wide))


def widened(job: FitJob) -> FitJob:
    """The job with a config whose width matches the paired run's parameters.

    Raises PbgraphError with the two nearest widths if none is within the tolerance.
    """
    target, brackets = paired_parameters(job), []
    for field in _fields(job):
        nearest = bracket(partial(_parameters, job, field), target, field)
        if nearest.match is not None:
            return _at(job, field, nearest.match)
        brackets.append(nearest)
        if not nearest.below[1]:  # the model refuses that, so there is nothing to be made up by another width
            break
        job = _at(job, field, nearest.below[0])
    raise PbgraphError(
        f"no width of {job.model.name} gives {target} parameters within {TOLERANCE:.0%}; the nearest are "
        + ", then ".join(map(str, brackets))
    )


def _fields(job: FitJob) -> list[str]:
    assert isinstance(job.model, Architecture)
    packed = getattr(job.config, "head", "own") == "packed"  # the architecture's own head may hold its fine width
    fine = "head_hidden" if packed else job.model.fine_width
    return list(dict.fromkeys(field for field in (job.model.width, fine) if field is not None))


def _at(job: FitJob, field: str, value: int) -> FitJob:
    return replace(job, config=replace(job.config, **{field: value}))


def _parameters(job: FitJob, field: str, value: int) -> int:
    """Parameters with this value of the field; 0 where the model refuses one below its own, as too small."""
    try:
        return parameter_count(build_model(_at(job, field, value)))
    except (UsageError, ValueError):
        if value < getattr(job.config, field):
            return 0
        raise


def paired_parameters(job: FitJob) -> int:
    """Parameters of the network that the paired run ended with."""
    assert job.paired is not None
    return job.paired.parameters


def bracket(count: Callable[[int], int], target: int, field: str) -> Bracket:
    """The two neighbouring values of `field` between which the target lies, by bisection; `count` grows with it.

    Raises UsageError if it does not.
    >>> bracket(lambda width: width * width, 10_050, "side")
    Bracket(field='side', below=(100, 10000), above=(101, 10201), target=10050)
    """
    low, high, sizes = 1, 2, []
    while (size := count(high)) < target:
        sizes.append(size)
        if size and sizes[-DOUBLINGS:] == [size] * DOUBLINGS:
            raise UsageError(
                f"{field} up to {high} does not change the {size} parameters, so it cannot make up the {target} of the "
                "paired run; leave unset what stands in its place"
            )
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if count(middle) < target else (low, middle)
    return Bracket(field, (low, count(low)), (high, count(high)), target)


def _noted(job: FitJob, fitted: Fitted) -> Fitted:
    width = {field: getattr(job.config, field) for field in _fields(job)}
    return replace(fitted, details={**fitted.details, "width": width, "matched_parameters": paired_parameters(job)})


WIDENED = Method(
    name=roles.WIDENED,
    version=2,
    settings=TrainSettings,
    fit=fit_widened,
    refuses=refuses_estimators,
    source="control: the plain model with the parameters of the paired perforated run",
    control_of=roles.PERFORATED,
    space={**TRAIN_SPACE, **SIZES},
)

WIDENED_CONTINUED = Method(
    name=roles.WIDENED_CONTINUED,
    version=2,
    settings=MatchedSettings,
    fit=fit_widened_continued,
    refuses=refuses_estimators,
    source="control: parameters, epochs and learning-rate restarts of the paired perforated run",
    control_of=roles.PERFORATED,
    space=CYCLE_SPACE,
)
