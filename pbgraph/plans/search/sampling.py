"""Which settings to try next: TPE (Bergstra et al. 2011), by Optuna.

A proposal is a function of the trials so far and of its own number alone, so a search that was stopped anywhere goes on
as if it had not been. Optuna is imported when it is needed: that takes a second.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from pbgraph.files.hashing import Scalar
from pbgraph.plans.search.search import Search, Values
from pbgraph.spaces import Choice, Range, Real, Whole
from pbgraph.streams import seed_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

CONFIG, SETTINGS = "config.", "settings."
ATTEMPTS = 100  # at settings that were not tried yet, by TPE; then as many at random
STARTUP = 5  # trials whose settings are drawn at random, and that are not compared with the median


@contextmanager
def quiet() -> Iterator[None]:
    """Optuna says nothing in here: it would talk into the progress display."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        optuna.logging.set_verbosity(before)


def distributions(search: Search) -> dict[str, BaseDistribution]:
    """Name of each parameter -> its range, as Optuna has it."""
    return {name: _distribution(range_) for name, range_ in _ranges(search).items()}


def propose(search: Search, trials: Sequence[FrozenTrial]) -> dict[str, Scalar] | None:
    """Parameters that none of the trials has, to be tried next; the recipe's at first.

    In a small space TPE comes back to what it knows: then they are drawn at random. None if nothing else is found.
    """
    import optuna

    if not trials:
        return as_parameters(search, search.start)
    tried = [trial.params for trial in trials]
    for attempt in range(2 * ATTEMPTS):
        seed = seed_of(search.seeds[0], f"search/{search.recipe.key}/{len(trials)}/{attempt}") % 2**32
        sampler = (
            optuna.samplers.TPESampler(seed=seed, n_startup_trials=STARTUP, multivariate=True, constant_liar=True)
            if attempt < ATTEMPTS
            else optuna.samplers.RandomSampler(seed=seed)
        )
        study = optuna.create_study(sampler=sampler, direction=direction(search))
        study.add_trials(trials)
        proposal: dict[str, Scalar] = study.ask(distributions(search)).params
        if proposal not in tried:
            return proposal
    return None


def direction(search: Search) -> Literal["maximize", "minimize"]:
    """As Optuna has it."""
    return "maximize" if search.larger_is_better else "minimize"


def as_parameters(search: Search, values: Values) -> dict[str, Scalar]:
    """The point of the space that is nearest to these values: a recipe may lie outside of it."""
    given = {
        **{CONFIG + name: value for name, value in values.config.items()},
        **{SETTINGS + name: value for name, value in values.settings.items()},
    }
    return {name: _nearest(range_, given.get(name)) for name, range_ in _ranges(search).items()}


def as_values(search: Search, parameters: dict[str, Any]) -> Values:
    """What `as_parameters` took, of values within the space."""
    return Values(
        {name: parameters[CONFIG + name] for name in search.config},
        {name: parameters[SETTINGS + name] for name in search.settings},
    )


def _ranges(search: Search) -> dict[str, Range]:
    return {
        **{CONFIG + name: range_ for name, range_ in search.config.items()},
        **{SETTINGS + name: range_ for name, range_ in search.settings.items()},
    }


def _distribution(range_: Range) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(range_, Choice):
        return CategoricalDistribution(range_.values)
    kind = IntDistribution if isinstance(range_, Whole) else FloatDistribution
    return kind(range_.low, range_.high, log=range_.log)  # type: ignore[arg-type]


def _nearest(range_: Range, value: Scalar) -> Scalar:
    if range_.holds(value):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        return range_.corners[0]
    if isinstance(range_, Real):
        return min(max(float(value), range_.low), range_.high)
    if isinstance(range_, Whole):
        return min(max(round(value), range_.low), range_.high)
    numbers = [number for number in range_.values if isinstance(number, int | float) and not isinstance(number, bool)]
    return min(numbers, key=lambda number: abs(number - value), default=range_.values[0])
