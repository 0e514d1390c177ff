"""What a plan declares before anything is run: which rows and seeds, by which recipe, judged by which margin.

Plans are TOML files (`pbgraph.plans.plan_file` reads them): presets and studies are such files inside the package, and
so are those of users and of other packages. A recipe names only what differs from the defaults of a model's config and
a method's settings; the resolved values of every field are in each record.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pbgraph.errors import UsageError
from pbgraph.files.hashing import Scalar
from pbgraph.humanize import ranges
from pbgraph.results.arms import Arm
from pbgraph.results.compared import Pair

if TYPE_CHECKING:
    from pbgraph.datasets.base import Dataset
    from pbgraph.metrics import Kind

Overrides = Mapping[str, Scalar]
ANY = "*"
DEVELOPMENT_SEEDS = range(10)  # by their validation rows settings are chosen; plan files run them as folds alone
SECOND = 1000  # added to a seed: the seed of a second initialisation on its split


@dataclass(frozen=True)
class Recipe:
    """What runs are trained with, as far as it differs from the defaults.

    name     stands in every spec as its preset
    featurisers  model -> featuriser, where it is not the model's own
    models   model -> overrides of its config
    training model, or ANY for every architecture -> overrides of the settings of every method that trains it. What is
             said for a model is stronger than its own recipe, and that is stronger than what is said for ANY
    methods  method -> overrides of its settings, stronger than `training`
    every    overrides of the settings of every method that trains, the strongest
    losses   kind of task -> model -> the loss it is trained with, where it is not the kind's usual one
    """

    name: str
    featurisers: Mapping[str, str] = field(default_factory=dict)
    models: Mapping[str, Overrides] = field(default_factory=dict)
    training: Mapping[str, Overrides] = field(default_factory=dict)
    methods: Mapping[str, Overrides] = field(default_factory=dict)
    every: Overrides = field(default_factory=dict)
    losses: Mapping[Kind, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class FoundBy:
    """Where a row's settings were found: a file of trials, which of them, of how many, and on which seeds."""

    file: str
    trial: int
    trials: int
    seeds: tuple[int, ...]

    def check_other_seeds(self, seeds: Iterable[int], model: str) -> None:
        """Raises UsageError if a row of this model would be run on seeds that its settings were chosen by."""
        if taken := sorted(set(seeds).intersection(self.seeds)):
            raise UsageError(
                f"the settings of {model} were searched on seeds {ranges(self.seeds)}, and the plan runs "
                f"{ranges(taken)} of them; take seeds that the search has not seen"
            )


@dataclass(frozen=True)
class Row:
    """What a plan declares of one or several rows: a model with each of these methods.

    label    what tables call them instead of naming what was set; ""
    config   what is set of the model's config; settings: of the methods' settings
    where    key -> file and line, for errors
    """

    model: str
    methods: tuple[str, ...]
    label: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    search: FoundBy | None = None
    where: Callable[[str], str] = field(default=lambda _: "", compare=False)

    @property
    def arms(self) -> tuple[Arm, ...]:
        """Without what is set otherwise."""
        return tuple(Arm(self.model, method) for method in self.methods)

    def at(self, key: str, error: UsageError) -> UsageError:
        """The error with the place of a key, such as "config.hidden", before it, where that is known."""
        where = self.where(key)
        return UsageError(f"{where}: {error}") if where else error


@dataclass(frozen=True)
class Preset:
    """A declared plan.

    summary  what it is for, in one line
    rows     in the order of the table's
    seeds    of the split (where it takes one) and of initialisation; declared before running
    again    those of the seeds that stand for a second initialisation on the split of the seed SECOND below
    recipe   its own, or that of the preset it is based on
    seconds  arm -> what a run took on one thread of an Intel Xeon (Tox21), for time estimates alone
    task, split, margin  of a plan that is made for one task; "" and None: any, the task's usual one, the metric's
    primary  the two arms of the comparison that it is made for, if it names one
    secondary  others that are compared because it names them
    searched_as  the preset by whose searches its recipe was found; "": itself
    where    key -> file and line, for errors
    """

    name: str
    summary: str
    rows: tuple[Row, ...]
    seeds: tuple[int, ...]
    recipe: Recipe
    seconds: Mapping[Arm, float] = field(default_factory=dict)
    task: str = ""
    split: str = ""
    margin: float | None = None
    primary: Pair | None = None
    secondary: tuple[Pair, ...] = ()
    searched_as: str = ""
    again: frozenset[int] = frozenset()
    where: Callable[[str], str] = field(default=lambda _: "", compare=False, repr=False)

    def at(self, key: str, error: UsageError) -> UsageError:
        """The error with the place of a key before it, or where it is in no file, the plan's name."""
        return UsageError(f"{self.where(key) or f'plan {self.name}'}: {error}")

    @property
    def once(self) -> tuple[int, ...]:
        """The seeds that are no second initialisations, one for each split."""
        return tuple(seed for seed in self.seeds if seed not in self.again)

    def split_on(self, dataset: Dataset, asked: str | None) -> str:
        """The split that is asked for, its own, or the data set's usual one. Raises UsageError for another task's."""
        if self.task and self.task != dataset.name:
            raise self.at("task", UsageError(f"it is for task {self.task}, not for {dataset.name}; name that task"))
        return asked or self.split or dataset.split

    def split_seed(self, seed: int) -> int:
        """The seed of the split that a run with this seed is on."""
        return seed - SECOND if seed in self.again else seed

    @property
    def has_rows_of_its_own(self) -> bool:
        """Whether it is made of these rows alone: it names comparisons, has variants alone, or another's recipe."""
        plain = {arm for row in self.rows if not (row.config or row.settings) for arm in row.arms}
        return bool(self.named) or not plain.issuperset(self.arms) or self.name != self.recipe.name

    @property
    def named(self) -> tuple[Pair, ...]:
        """The comparisons that it names, the one that it is made for first."""
        return (*([self.primary] if self.primary else []), *self.secondary)

    @property
    def arms(self) -> tuple[Arm, ...]:
        """Of its rows, without what is set otherwise."""
        return tuple(dict.fromkeys(arm for row in self.rows for arm in row.arms))


@dataclass(frozen=True)
class Study:
    """A question that takes several presets, which are run and shown together, in this order."""

    name: str
    summary: str
    presets: tuple[Preset, ...]
