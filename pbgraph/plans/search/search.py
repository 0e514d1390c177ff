"""What a search is: an arm, the ranges of its settings, and the development seeds that they are judged by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pbgraph.datasets.base import Dataset
from pbgraph.errors import UsageError
from pbgraph.fields import field_names, untold
from pbgraph.files.hashing import Scalar
from pbgraph.humanize import ranges
from pbgraph.methods.base import METHODS, Method, chain
from pbgraph.metrics import METRICS
from pbgraph.models.base import MODELS, Estimator, Model
from pbgraph.models.head import searched
from pbgraph.plans.asked import Asked
from pbgraph.plans.declaration import Preset
from pbgraph.plans.resolve import spec_of
from pbgraph.plans.settings import Assignment, config_overrides, settings_overrides
from pbgraph.plans.suited import check_suited
from pbgraph.results.arms import Arm
from pbgraph.results.records import RunSpec
from pbgraph.spaces import Space, check_space
from pbgraph.splits import SPLITS

FIRST_FOR_RESULTS = 68  # seeds from here on belong to results: no choice is made by them


@dataclass(frozen=True)
class Values:
    """Values of what is searched, by field of the config and of the settings."""

    config: Mapping[str, Scalar]
    settings: Mapping[str, Scalar]


@dataclass(frozen=True)
class Search:
    """One arm's search.

    config, settings  what is searched, less what is fixed
    seeds             of split and initialisation, in the order in which a trial runs them
    fixed             settings of all trials
    trials            how many settings are to be tried, the recipe among them
    recipe            the first trial, of seed 0: the preset's own values, with what is fixed
    """

    dataset: Dataset
    preset: Preset
    split: str
    arm: Arm
    config: Space
    settings: Space
    seeds: tuple[int, ...]
    fixed: tuple[Assignment, ...]
    trials: int
    recipe: RunSpec

    @property
    def larger_is_better(self) -> bool:
        """Of the score."""
        return METRICS.get(self.dataset.metric).larger_is_better

    @property
    def start(self) -> Values:
        """The recipe's values of what is searched."""
        config = untold(MODELS.get(self.arm.model).config, self.recipe.model_config)
        settings: dict[str, Scalar] = {}
        for spec in self._linked(Asked(self.arm.model, self.arm.method, self.fixed), self.seeds[0]):
            settings |= untold(METHODS.get(spec.method).settings, spec.settings)
        return Values({name: config[name] for name in self.config}, {name: settings[name] for name in self.settings})

    def runs(self, values: Values, seed: int) -> tuple[RunSpec, ...]:
        """The run of these values with a seed, after what it is paired with, under the same values, and has to read.

        Raises UsageError if they do not go together.
        """
        chosen = (
            *(Assignment(self.arm.model, name, value) for name, value in values.config.items()),
            *(Assignment(_holder(self.arm.method, name), name, value) for name, value in values.settings.items()),
        )
        linked = self._linked(Asked(self.arm.model, self.arm.method, (*self.fixed, *chosen)), seed)
        first = max((i for i, spec in enumerate(linked) if not METHODS.get(spec.method).reads_pair), default=0)
        return tuple(linked[first:])

    def _linked(self, asked: Asked, seed: int) -> list[RunSpec]:
        """The run of a row, after all that it is paired with."""
        pairs = self._linked(asked.pair, seed) if asked.pair else []
        spec = replace(
            spec_of(self.dataset, self.preset.recipe, split=self.split, asked=asked),
            seed=seed,
            split_seed=seed if SPLITS.get(self.split).seeded else None,
            control_of=pairs[-1].key if pairs else None,
        )
        return [*pairs, spec]


def search_of(
    dataset: Dataset,
    preset: Preset,
    arm: Arm,
    *,
    seeds: Sequence[int],
    trials: int,
    split: str | None = None,
    fixed: Sequence[Assignment] = (),
) -> Search:
    """The search of an arm's settings.

    Raises UsageError for seeds that belong to results, for what cannot be run, and where there is nothing to search.
    """
    split = preset.split_on(dataset, split)
    model, method = MODELS.get(arm.model), METHODS.get(arm.method)
    _check_seeds(seeds, split)
    _check_can_be_run(dataset, model=model, method=method, arm=arm)
    recipe = spec_of(dataset, preset.recipe, split=split, asked=Asked(arm.model, arm.method, tuple(fixed)))
    config = _free(searched(model, model.config(**recipe.model_config), dataset.kind), config_overrides(fixed, model))
    links = chain(method)
    set_already = {name: value for link in links for name, value in settings_overrides(fixed, link).items()}
    settings = _free(method.space, set_already)
    check_space(model.space, model.config, owner=f"model {model.name!r}")
    check_space(method.space, *(link.settings for link in links), owner=f"method {method.name!r}")
    if not model.space:
        raise UsageError(
            f"{arm}: model {model.name!r} has no space to be searched; declare one beside its config, as gin does"
        )
    if not config and not settings:
        raise UsageError(f"{arm}: every setting that could be searched is fixed by --set; leave one of them out")
    check_suited(recipe, dataset)
    return Search(
        dataset, preset, split, arm, config, settings, tuple(dict.fromkeys(seeds)), tuple(fixed), trials, recipe
    )


def _holder(method: str, name: str) -> str:
    """Whose setting it is: of the last in a chain of pairs that has it, which all before it share."""
    return [link.name for link in chain(METHODS.get(method)) if name in field_names(link.settings)][-1]


def _free(space: Space, fixed: Mapping[str, Scalar]) -> Space:
    return {name: range_ for name, range_ in space.items() if name not in fixed}


def _check_seeds(seeds: Sequence[int], split: str) -> None:
    if late := [seed for seed in seeds if seed >= FIRST_FOR_RESULTS]:
        raise UsageError(
            f"seeds {ranges(late)} belong to results, by which no choice is made; search on seeds below "
            f"{FIRST_FOR_RESULTS}, such as 0-2"
        )
    splitter = SPLITS.get(split)
    for seed in seeds if splitter.seeded else ():
        splitter.needed(seed)


def _check_can_be_run(dataset: Dataset, *, model: Model, method: Method, arm: Arm) -> None:
    reason = next(filter(None, (link.refuses(model) for link in chain(method))), None)
    if isinstance(model, Estimator):
        reason = reason or model.refuses(dataset.kind) or model.unavailable()
    if reason:
        raise UsageError(f"{arm} cannot be searched: {reason}")
