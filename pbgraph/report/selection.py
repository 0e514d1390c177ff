"""Which records of a task a table, a comparison or a picture is made of: what is asked for, or what there is.

What is not named is as usual, the default preset and the data set's split; where that has no run, it is what all the
runs that are there have in common.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from pbgraph.errors import DataError, UsageError
from pbgraph.humanize import ranges
from pbgraph.methods.roles import EXTERNAL, PERFORATED
from pbgraph.metrics import METRICS, metrics_of
from pbgraph.plans.declaration import Preset, Study
from pbgraph.plans.presets import USUAL, command_to_run, judged_alone, preset, preset_or_none
from pbgraph.report import comparisons
from pbgraph.report.comparisons import Comparison, Family
from pbgraph.report.families import declared_by, family_of, family_of_rows, rows_and_seeds
from pbgraph.report.tables import Table, make_table
from pbgraph.report.terms import Terms
from pbgraph.results.arms import Arm, named_arm
from pbgraph.results.background import Background, background_of
from pbgraph.results.compared import Pair
from pbgraph.results.described import command_of, dataset_of
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.lookup import Choice
from pbgraph.results.protocol import choices, usual_or_only
from pbgraph.results.records import RunRecord, RunSpec
from pbgraph.results.registered import Registration
from pbgraph.splits import SPLITS

if TYPE_CHECKING:
    from pbgraph.datasets.base import Dataset
    from pbgraph.plans.plan import Plan

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TaskRuns:
    """The runs of one task in one results folder."""

    results: ResultsFolder
    task: str
    records: tuple[RunRecord, ...]

    @classmethod
    def read(cls, results: ResultsFolder, dataset: str) -> TaskRuns:
        """All that the folder holds of a task. Raises UsageError, with the nearest name, if there is no such task."""
        dataset_of(dataset, results)
        return cls(results, dataset, tuple(results.records(dataset)))

    @cached_property
    def background(self) -> Background:
        """What the folder holds beside records that a table says."""
        return background_of(self.results)

    def of_preset(self, name: str | None, split: str | None) -> tuple[list[RunRecord], Preset | None]:
        """The records of one preset and split, and the preset if it is known here. Raises UsageError without any.

        split  None: that of the preset, if it names one
        """
        declared, wanted = self._declared(name), self.recipe_of(name)
        mine = self._of(
            None if wanted is None else [wanted],
            split or (declared.split if declared else "") or None,
            usual=f"preset {wanted or USUAL}",
            name=lambda spec: f"preset {spec.preset}",
            asked=f"--preset {name or USUAL}",
            plan=declared or preset_or_none(wanted or USUAL),
        )
        return mine, declared or preset_or_none(mine[0].spec.preset)

    def recipe_of(self, name: str | None) -> str | None:
        """What records have as the preset of this name; None for none. Raises UsageError for an unknown one."""
        declared = self._declared(name)
        return declared.recipe.name if declared else name

    def _declared(self, name: str | None) -> Preset | None:
        """The preset called so; None for none, or one that only records know."""
        if name is None or name in {record.spec.preset for record in self.records}:
            return None if name is None else preset_or_none(name)
        return preset(name)

    def plan_of(self, declared: Preset | Study | None, records: Sequence[RunRecord]) -> Plan | None:
        """The plan of a preset or study on the split of these records; its seeds are not those declared.

        None if that or the task is unknown, or it is not for this task and split: then the records' own rows are shown.
        """
        if declared is None:
            return None
        from pbgraph.plans.plan import plan_declared

        spec = records[0].spec
        try:
            dataset = dataset_of(self.task, self.results)
            return plan_declared(dataset, declared, seeds=[spec.seed], split=spec.split)
        except (UsageError, DataError) as error:
            log.info("rows of %s are those of its records: %s", declared.name, error)
            return None

    def what_makes(self, arm: Arm, choice: Choice, declared: Preset | None, split: str) -> str:
        """The command that does the runs of an arm that is declared, on a split."""
        if declared is not None and judged_alone(declared):
            dataset = dataset_of(self.task, self.results)
            return f"'{command_to_run(choice.preset or declared.name, declared, dataset, split)}' makes it"
        command = command_of(self.task, self.results) + (f" --preset {choice.preset}" if choice.preset else "")
        return f"'{command} --models {arm.model} --methods {arm.method}' makes it"

    def of_study(self, study: Study, split: str | None) -> list[RunRecord]:
        """The records of all presets of a study, on one split. Raises UsageError without any."""
        what, presets = f"study {study.name}", [part.recipe.name for part in study.presets]
        asked, plan = f"--study {study.name}", study.presets[0]
        return self._of(presets, split, usual=what, name=lambda _: what, asked=asked, plan=plan)

    def _of(
        self,
        presets: Collection[str] | None,
        split: str | None,
        *,
        usual: str,
        name: Callable[[RunSpec], str],
        asked: str,
        plan: Preset | None,
    ) -> list[RunRecord]:
        """The records that have one of these presets, the named split, and one name with it.

        usual, name  what is wanted, and what a run has: "preset NAME" or "study NAME"
        asked, plan  the option by which a benchmark makes what is wanted, and what declares its seeds
        """
        groups: dict[tuple[str, str], list[RunRecord]] = {}
        for record in self.records:
            if (presets is None or record.spec.preset in presets) and split in (None, record.spec.split):
                groups.setdefault((name(record.spec), record.spec.split), []).append(record)
        split = split or dataset_of(self.task, self.results).split
        chosen = usual_or_only(groups, (usual, split))
        if chosen is None:
            there = choices((record.spec for record in self.records), "preset", "split")
            command = f"{command_of(self.task, self.results)} {asked} --split {split}{_seeds_named(plan, split)}"
            raise UsageError(
                f"{self.results.root} holds no run of {self.task} with {usual} and split {split}"
                + (f", but those of {there}; choose with --preset and --split" if self.records else "")
                + f"; '{command}' makes them"
            )
        return chosen


def _seeds_named(declared: Preset | None, split: str) -> str:
    """The option that has to be given with a preset for it to be run on a split; "" if none has."""
    if declared is None or split not in SPLITS:
        return ""
    from pbgraph.plans.plan import seeds_taken

    taken = seeds_taken(declared, SPLITS.get(split))
    return "" if taken == declared.seeds else f" --seeds {ranges(taken)}"


def narrowed(arms: Iterable[Arm], choice: Choice) -> list[Arm]:
    """The arms that a choice leaves."""
    return [
        arm
        for arm in arms
        if choice.models is None or arm.model in choice.models
        if choice.methods is None or arm.method in choice.methods
        if choice.arms is None or arm in choice.arms
    ]


def chosen_table(runs: TaskRuns, choice: Choice, metrics: Sequence[str] | None = None) -> tuple[list[RunRecord], Table]:
    """The records of the preset and split that are chosen, and the table of the arms and seeds, as `table_of`.

    A warning names seeds that have runs and are not shown.
    """
    records, table = table_of(runs, choice, metrics)
    labels = {arm: table.called[arm].row for arm in table.arms}
    choice = choice.among({*table.arms, *(record.spec.arm for record in records)}, labels)
    if others := seeds_beside(table, [record for record in records if narrowed([record.spec.arm], choice)]):
        log.warning("runs of seeds %s are not shown; --seeds shows them", ranges(others))
    return records, table


def table_of(runs: TaskRuns, choice: Choice, metrics: Sequence[str] | None = None) -> tuple[list[RunRecord], Table]:
    """The records of the preset and split that are chosen, and the table of the arms and seeds.

    metrics  to be shown beside the one that selects
    Raises UsageError, with the nearest, for an arm that is neither there nor declared, and for a metric that is unknown
    or of another kind of tasks; and as `make_table`.
    """
    if metrics:
        _check_metrics(metrics, dataset_of(runs.task, runs.results))
    records, declared = runs.of_preset(choice.preset, choice.split)
    planned = runs.plan_of(declared, records)
    own = _alone(planned)
    choice = choice.among(_arms(records, declared, planned), planned.labels if planned else {})
    of_arms = [record for record in records if narrowed([record.spec.arm], choice)]
    arms, seeds = rows_and_seeds(
        declared, of_arms or records, _in_order(choice.seeds), planned.arms if planned else None
    )
    if own:  # and what other tools predicted, or averages, which no plan can have
        arms = [*own.arms, *(arm for arm in arms if arm.method == EXTERNAL)]
    table = make_table(
        records,
        arms=narrowed(arms, choice),
        seeds=seeds,
        terms=Terms.of(declared, planned),
        background=runs.background,
        metrics=metrics,
        family=_family(runs, records, seeds, own=own),
    )
    return records, table


def awaited_pairs(runs: TaskRuns, choice: Choice, table: Table) -> list[Pair]:
    """What the plan of a table compares of its rows, and the table does not yet: no seed has runs of both."""
    records, declared = runs.of_preset(choice.preset, choice.split)
    planned = runs.plan_of(declared, records)
    if planned is None:
        return []
    from pbgraph.plans.registering import compared_by

    there = {frozenset((one.a, one.b)) for one in table.comparisons}
    return [pair for pair in compared_by(planned) if set(pair) <= set(table.arms) and frozenset(pair) not in there]


def seeds_beside(table: Table, records: Iterable[RunRecord]) -> list[int]:
    """Those that records have and their table does not show."""
    return sorted({record.spec.seed for record in records} - set(table.protocol.seeds))


def _check_metrics(names: Iterable[str], dataset: Dataset) -> None:
    """Raises UsageError for a metric that the tasks of a data set cannot be scored by."""
    for metric in map(METRICS.get, names):
        if metric.kind != dataset.kind:
            raise UsageError(
                f"metric {metric.name} is of {metric.kind} tasks, and {dataset.name} is a {dataset.kind} task; it has "
                f"{', '.join(one.name for one in metrics_of(dataset.kind))}"
            )


def _alone(planned: Plan | None) -> Plan | None:
    """The plan, if its rows are judged by themselves."""
    return planned if planned and judged_alone(planned.presets[0]) else None


def _family(runs: TaskRuns, records: Sequence[RunRecord], seeds: Sequence[int], *, own: Plan | None) -> Family | None:
    """What comparisons of these records are judged with; None if all of them cannot stand in one table."""
    registered = runs.background.registered
    if own is not None:
        return family_of_rows(
            own.name, records, arms=own.arms, seeds=seeds, margin=own.margin, named=own.named, registered=registered
        )
    spec = records[0].spec
    return family_in(
        [record for record in runs.records if record.spec.split == spec.split], spec.preset, seeds, registered
    )


def family_in(
    records: Sequence[RunRecord], recipe: str, seeds: Sequence[int], registered: Sequence[Registration] = ()
) -> Family | None:
    """The family of a preset; None if its rows cannot stand in one table.

    records  of one task and split;  seeds  that are shown;  registered  as of `family_of`
    """
    usual = rows_and_seeds(preset_or_none(recipe), [one for one in records if one.spec.preset == recipe])[1]
    family = family_of(declared_by(recipe), records, None if list(seeds) == usual else seeds, registered)
    return family if any(preset == recipe for preset, _, _ in family.pairs) else None


def _arms(records: Sequence[RunRecord], declared: Preset | None, own: Plan | None) -> set[Arm]:
    """Those that have records, and those that are declared."""
    return {*(record.spec.arm for record in records), *(of_plan.arms if (of_plan := own or declared) else ())}


def _in_order(seeds: Collection[int] | None) -> list[int] | None:
    return None if seeds is None else list(seeds)


def drawn_records(records: Sequence[RunRecord], table: Table, choice: Choice) -> list[RunRecord]:
    """Those of a table's records whose curves are drawn: of the arms that are named, or else of one model."""
    model = next((arm for arm in table.arms if arm.method == PERFORATED), table.arms[0]).model
    drawn = [arm for arm in table.arms if choice.arms is not None or arm.model == model]
    return [record for record in records if record.spec.arm in drawn]


def chosen_comparison(
    runs: TaskRuns, a: Arm, b: Arm, *, choice: Choice, metric: str | None = None
) -> tuple[list[RunRecord], Table, Comparison]:
    """Of two arms: the records of the preset and split that are chosen, the table of both, and their difference.

    metric  by which they are compared; None: the one that selects. The table has both
    It is judged in the family that it belongs to, which the table names. A pair that no table compares, or none by this
    metric, is in none, which is called "", and is judged by itself.
    Raises UsageError, with the nearest, for an arm that has no run, and for a metric as `table_of`; and as `compare`.
    """
    if metric:
        _check_metrics([metric], dataset_of(runs.task, runs.results))
    records, declared = runs.of_preset(choice.preset, choice.split)
    planned = runs.plan_of(declared, records)
    own = _alone(planned)
    labels = planned.labels if planned else {}
    a, b = (named_arm(arm, _arms(records, declared, planned), labels) for arm in (a, b))
    for arm in (a, b):
        if all(record.spec.arm != arm for record in records):
            makes = runs.what_makes(arm, choice, declared, records[0].spec.split)
            raise UsageError(f"arm {arm} is declared and has no run yet; {makes}")
    both = [record for record in records if record.spec.arm in (a, b)]
    _, seeds = rows_and_seeds(declared, both, _in_order(choice.seeds))
    metric = None if metric == records[0].spec.metric else metric
    family = None if metric else _family(runs, records, seeds, own=own)
    alone = comparisons.compare(records, a, b, seeds=seeds, metric=metric)
    shown = make_table(
        records,
        arms=(a, b),
        seeds=seeds,
        terms=Terms.of(declared, planned),
        background=runs.background,
        family=family,
        metrics=[metric] if metric else None,
    )
    (alone,) = comparisons.adjusted([alone], alone.margin if metric else shown.margin)
    judged = family.judged(records[0].spec.preset, alone) if family else None
    if family is None or judged is None:
        return records, replace(shown, family="", tests=1, declared=""), alone
    return records, replace(shown, family=family.name, tests=family.tests), judged


def runs_by_seed(runs: TaskRuns, choice: Choice) -> dict[int, list[RunRecord]]:
    """Seed -> the finished run of each chosen arm, in their order, of every seed that all of them have.

    Raises UsageError, with the nearest, for an arm that has no run, and if there is no such seed.
    """
    records, declared = runs.of_preset(choice.preset, choice.split)
    planned = runs.plan_of(declared, records)
    labels = planned.labels if planned else {}
    arms = [named_arm(arm, _arms(records, declared, planned), labels) for arm in choice.arms or ()]
    finished = {(record.spec.arm, record.spec.seed): record for record in records if record.status == "finished"}
    wanted = sorted({seed for _, seed in finished} if choice.seeds is None else choice.seeds)
    shared = [seed for seed in wanted if all((arm, seed) in finished for arm in arms)]
    if not shared or (choice.seeds is not None and len(shared) < len(wanted)):
        lacking = "; ".join(
            f"{arm} of seeds {ranges(absent)}"
            for arm in arms
            if (absent := [s for s in wanted if (arm, s) not in finished])
        )
        raise UsageError(f"there is no finished run of {lacking}; run them first, or choose other --seeds")
    return {seed: [finished[arm, seed] for arm in arms] for seed in shared}
