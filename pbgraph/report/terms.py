"""What a plan says of its rows before they are run, and their table repeats: names, what matters, what is compared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pbgraph.methods.roles import EXTERNAL
from pbgraph.results.arms import Arm
from pbgraph.results.compared import Pair
from pbgraph.results.records import RunSpec
from pbgraph.results.tuning import Budget

if TYPE_CHECKING:
    from pbgraph.plans.declaration import FoundBy, Preset
    from pbgraph.plans.plan import Plan


@dataclass(frozen=True)
class Terms:
    """What is declared of a table's rows.

    labels   of rows that are not to be called after their model and what was set otherwise
    margin   the smallest difference that matters, instead of what the metric declares
    primary  the comparison that the plan is made for, one of those that are named
    named    comparisons, the primary first
    again    seeds that are second initialisations on the splits of others
    searched_as  the preset by whose searches the recipe was found, if it is not its own
    searches  where settings were found, for a folder without those searches
    """

    labels: Mapping[Arm, str] = field(default_factory=dict)
    margin: float | None = None
    primary: Pair | None = None
    named: tuple[Pair, ...] = ()
    again: frozenset[int] = frozenset()
    searched_as: str = ""
    searches: Mapping[Arm, FoundBy] = field(default_factory=dict)

    @classmethod
    def of(cls, declared: Preset | None, planned: Plan | None = None) -> Terms:
        """Those of a preset, and of its plan for a task, as far as both are known."""
        bare = cls(labels=planned.labels, searches=planned.searches) if planned else cls()
        if declared is None:
            return bare
        return replace(
            bare,
            margin=declared.margin,
            primary=declared.primary,
            named=declared.named,
            again=declared.again,
            searched_as=declared.searched_as,
        )

    def tried(self, specs: Mapping[Arm, RunSpec], searched: Sequence[Budget]) -> dict[Arm, tuple[Budget, ...]]:
        """Each arm -> the searches of its settings on the split and with the features of its runs, by their seeds.

        specs     arm -> one of its runs, whose preset the searches have to be of, or the one it was searched as
        searched  all that the results folder has
        """
        return {arm: self._tried(arm, spec, searched) for arm, spec in specs.items() if arm.method != EXTERNAL}

    def _tried(self, arm: Arm, spec: RunSpec, searched: Sequence[Budget]) -> tuple[Budget, ...]:
        task, model, method, split, featuriser = mine = (
            spec.task,
            spec.model,
            spec.method,
            spec.split,
            str(spec.versions["featuriser"]),
        )
        found: Counter[tuple[int, ...]] = Counter()
        for one in searched:
            like_mine = (one.task, one.model, one.method, one.split, one.featuriser) == mine
            if like_mine and one.preset in (spec.preset, self.searched_as):
                found[one.seeds] += one.trials
        if not found and arm in self.searches:
            found[self.searches[arm].seeds] = self.searches[arm].trials
        return tuple(
            Budget(task, model, method, spec.preset, split, featuriser, seeds, trials)
            for seeds, trials in sorted(found.items())
        )
