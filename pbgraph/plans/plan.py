"""From what was asked to run specs: which runs a benchmark consists of.

A plan is a function of its arguments and the registries alone; two machines that ask for the same make the
same specs with the same keys, so their results can be merged by copying files.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from numbers import Integral
from typing import Any

from pbgraph.datasets.base import DATASETS, Dataset
from pbgraph.errors import UsageError, check_several
from pbgraph.humanize import ranges
from pbgraph.methods.base import METHODS
from pbgraph.metrics import Kind
from pbgraph.models.base import MODELS, Estimator
from pbgraph.plans.asked import Asked
from pbgraph.plans.declaration import FoundBy, Preset, Study
from pbgraph.plans.presets import USUAL, judged_alone, preset, study
from pbgraph.plans.resolve import spec_of, with_columns
from pbgraph.plans.rows import controls_of, graphless, rows_of
from pbgraph.plans.settings import Assignment, check_all_used
from pbgraph.plans.suited import check_suited
from pbgraph.results.arms import Arm
from pbgraph.results.compared import Pair
from pbgraph.results.records import RunSpec
from pbgraph.splits import SPLITS
from pbgraph.splits.base import Splitter


@dataclass(frozen=True)
class Refused:
    """A model and method that do not go together, and why; where: file and line of a plan file, or ""."""

    arm: Arm
    reason: str
    where: str = ""

    def __str__(self) -> str:
        return f"{self.where + ': ' if self.where else ''}{self.arm}: {self.reason}"


@dataclass(frozen=True)
class Plan:
    """What was asked for.

    name     "preset NAME", "plan NAME" or "study NAME"
    presets  one, or those of the study
    specs    every run, arm by arm in the order of the table's rows, then by seed
    refused  what was asked for and cannot be run
    rows     of the data set, or 0 if that is not known before it is read
    part     "i/n" if `specs` are part i of n of what was asked for, else ""
    labels   of rows that are not called after what was set
    study    that the presets are of, if they are of one
    searches  where settings of rows were found, as far as the plan says so
    """

    task: str
    name: str
    presets: tuple[Preset, ...]
    split: str
    specs: tuple[RunSpec, ...]
    refused: tuple[Refused, ...] = ()
    rows: int = 0
    part: str = ""
    labels: Mapping[Arm, str] = field(default_factory=dict)
    study: Study | None = None
    searches: Mapping[Arm, FoundBy] = field(default_factory=dict)

    @property
    def margin(self) -> float | None:
        """The smallest difference that matters, if the plan declares one."""
        return self.presets[0].margin

    @property
    def primary(self) -> Pair | None:
        """The two arms of the comparison that the plan is made for, if it declares one and has both."""
        return next((pair for pair in self.named if pair == self.presets[0].primary), None)

    @property
    def named(self) -> tuple[Pair, ...]:
        """The comparisons that the plan declares by name, as far as it has both arms."""
        return tuple(pair for pair in self.presets[0].named if set(pair) <= set(self.arms))

    @property
    def arms(self) -> tuple[Arm, ...]:
        """Of every row, in order."""
        return tuple(dict.fromkeys(spec.arm for spec in self.specs))

    @property
    def seeds(self) -> tuple[int, ...]:
        """The declared seeds, in order."""
        return tuple(dict.fromkeys(spec.seed for spec in self.specs))


def plan_study(dataset: str | Dataset, declared: str | Study, **narrowed: Any) -> Plan:
    """The runs of all presets of a study on `dataset`, narrowed or widened by the arguments of `plan`."""
    chosen = study(declared) if isinstance(declared, str) else declared
    parts = [plan(dataset, part, **narrowed) for part in chosen.presets]
    return Plan(
        parts[0].task,
        f"study {chosen.name}",
        chosen.presets,
        parts[0].split,
        tuple(spec for part in parts for spec in part.specs),
        tuple(dict.fromkeys(refusal for part in parts for refusal in part.refused)),
        parts[0].rows,
        labels={arm: label for part in parts for arm, label in part.labels.items()},
        study=chosen,
        searches={arm: found for part in parts for arm, found in part.searches.items()},
    )


def plan_declared(dataset: str | Dataset, declared: Preset | Study, **narrowed: Any) -> Plan:
    """The runs of a preset, or of all presets of a study, narrowed or widened by the arguments of `plan`."""
    of_its_kind = plan_study if isinstance(declared, Study) else plan
    return of_its_kind(dataset, declared, **narrowed)  # type: ignore[arg-type]


def plan(
    dataset: str | Dataset,
    declared: str | Preset = USUAL,
    *,
    models: Sequence[str] | None = None,
    methods: Sequence[str] | None = None,
    seeds: Sequence[int] | None = None,
    split: str | None = None,
    controls: bool = False,
    settings: Sequence[Assignment] = (),
) -> Plan:
    """The runs of a preset on `dataset`, a registered name or the set itself; narrowed or widened by the others.

    models, methods  one of them: the preset's arms with these names; a name that the preset lacks is combined
                     with everything on its other side. Both: every combination.
    seeds            instead of the preset's
    split            instead of the data set's usual one
    controls         every registered control of the arms as well
    settings         what is set otherwise than in the preset, in every row that takes it
    Beside every network with features of whole molecules, the head alone on the same features is planned.
    "all" stands for every registered name. A model that none of the preset's methods can train is trained by the one
    that can. A control brings along the runs it is paired with. Raises UsageError for an unknown name, with the nearest
    valid one, for a setting that no arm takes, for features that its model cannot take, for a seed that the split does
    not take, and if no arm is left.
    """
    _check_whole(seeds)
    check_several(models=models, methods=methods, seeds=seeds)
    dataset = DATASETS.get(dataset) if isinstance(dataset, str) else dataset
    chosen = preset(declared) if isinstance(declared, str) else declared
    rows = rows_of(chosen, models, methods)
    rows = [row.with_set(settings) for row in rows]
    rows = [with_columns(dataset, chosen.recipe, row) for row in (*rows, *(controls_of(rows) if controls else ()))]
    made = _plan_rows(dataset, chosen, [*rows, *graphless(rows, chosen.recipe)], seeds=seeds, split=split)
    if not (models or methods or settings):
        _check_named(made)
    return made


def _check_whole(seeds: Sequence[int] | None) -> None:
    """Raises UsageError for seeds that are no whole numbers, such as texts."""
    if isinstance(seeds, Iterable) and not all(isinstance(seed, Integral) for seed in seeds):
        raise UsageError(f"seeds={seeds!r:.100}: expected whole numbers, as in [68, 69] or range(68, 73)")


def _check_named(made: Plan) -> None:
    """Raises UsageError if the plan names a comparison of an arm that it does not come to have."""
    for a, b in made.presets[0].named:
        if missing := {a, b}.difference(made.arms):
            lacking, has = min(map(str, missing)), ", ".join(map(str, made.arms))
            raise UsageError(f"{made.name}: {a} and {b} are to be compared, and it has no {lacking}; it has {has}")


def _plan_rows(
    dataset: Dataset, chosen: Preset, rows: Sequence[Asked], *, seeds: Sequence[int] | None, split: str | None
) -> Plan:
    """The runs of these rows, each of them once."""
    split = chosen.split_on(dataset, split)
    try:
        splitter = SPLITS.get(split)
    except UsageError as error:
        raise (chosen.at("split", error) if split == chosen.split else error) from None
    asked, refused = _supported(rows, dataset.kind)
    if not asked:
        raise UsageError("nothing to run: " + "; ".join(map(str, refused)))
    models, methods = [MODELS.get(row.model) for row in rows], [METHODS.get(row.method) for row in (*rows, *asked)]
    check_all_used([assigned for row in rows for assigned in row.settings], models, methods)
    unique = dict.fromkeys(map(int, chosen.seeds if seeds is None else seeds))
    for seed in unique if splitter.seeded else ():
        splitter.needed(chosen.split_seed(seed))
    if (again := chosen.again.intersection(unique)) and not splitter.seeded:
        once = ranges([seed for seed in seeds_taken(chosen, splitter) if seed in unique])
        raise UsageError(
            f"plan {chosen.name} trains again on the splits of seeds, as seeds {ranges(sorted(again))}, and split "
            f"{split} takes no seed: every seed is another initialisation on it; leave `reinitialised` out "
            f"of a plan file, or name seeds: --seeds {once or 68}"
        )
    specs: dict[tuple[Asked, int], RunSpec] = {}
    for row in asked:
        try:
            if row.search:
                row.search.check_other_seeds(unique, row.model)
            of_row = spec_of(dataset, chosen.recipe, split=split, asked=row)
            check_suited(of_row, dataset)
        except UsageError as error:
            raise row.placed(error) from error
        for seed in unique:
            control_of = specs[row.pair, seed].key if row.pair else None
            split_seed = chosen.split_seed(seed) if splitter.seeded else None
            specs[row, seed] = replace(of_row, seed=seed, split_seed=split_seed, control_of=control_of)
    _check_no_row_twice(rows, {row: spec.arm for (row, _), spec in specs.items()})
    return Plan(
        dataset.name,
        f"{'plan' if judged_alone(chosen) else 'preset'} {chosen.name}",
        (chosen,),
        split,
        tuple({spec.key: spec for spec in specs.values()}.values()),
        tuple(refused),
        dataset.rows,
        labels=_labels(specs),
        searches={spec.arm: row.search for (row, _), spec in specs.items() if row.search},
    )


def seeds_taken(chosen: Preset, splitter: Splitter) -> tuple[int, ...]:
    """The seeds that a preset can be run with on a split: of its own those that it takes, or else all that it has.

    >>> from pbgraph.plans.presets import preset
    >>> seeds_taken(preset("default"), SPLITS.get("random")), len(seeds_taken(preset("default"), SPLITS.get("cv5x5")))
    ((68, 69, 70), 25)
    """
    if not splitter.seeded:
        return chosen.once
    if splitter.seeds is None:
        return chosen.seeds
    return tuple(seed for seed in chosen.seeds if chosen.split_seed(seed) in splitter.seeds) or tuple(splitter.seeds)


def _check_no_row_twice(rows: Iterable[Asked], arms: Mapping[Asked, Arm]) -> None:
    """Raises UsageError for two rows of a plan that come to the same: one sets what the other has anyway."""
    first: dict[Arm, Asked] = {}
    for row in rows:
        if row.declared is None or row not in arms:
            continue
        other = first.setdefault(arms[row], row)
        if other.declared is not row.declared:
            again = f"arm {arms[row]} is there already, with the same values; leave it out, or set others"
            raise row.placed(UsageError(again))


def _labels(specs: Mapping[tuple[Asked, int], RunSpec]) -> dict[Arm, str]:
    """What rows are called that their plan gives a label. Raises UsageError for two labels of one row."""
    labels: dict[Arm, str] = {}
    for (row, _), spec in specs.items():
        if row.label and labels.setdefault(spec.arm, row.label) != row.label:
            two = f"{spec.arm} is labelled {labels[spec.arm]!r} and {row.label!r}: one variant has one label"
            raise row.placed(UsageError(f"{two}; leave one of them out"))
    return {arm: f"{arm.model} · {label}" for arm, label in labels.items()}


def _supported(rows: Iterable[Asked], kind: Kind) -> tuple[list[Asked], list[Refused]]:
    """The rows that can be run, each control after the one it is paired with, and the others with reasons."""
    able: dict[Asked, None] = {}
    refused: dict[Refused, None] = {}
    for row in rows:
        chain = _with_pairs(row)
        reasons = [reason for link in chain if (reason := _why_not(link, kind))]
        if reasons:
            refused[Refused(Arm(row.model, row.method), reasons[0], row.where("method"))] = None
        else:
            able.update(dict.fromkeys(chain))
    return list(able), list(refused)


def _why_not(row: Asked, kind: Kind) -> str | None:
    model = MODELS.get(row.model)
    reason = model.refuses(kind) or model.unavailable() if isinstance(model, Estimator) else None
    missing = [str(path) for path in model.files.values() if not path.is_file()]
    absent = f"it is built from {', '.join(missing)}, which is not there" if missing else None
    return METHODS.get(row.method).refuses(model) or reason or absent


def _with_pairs(row: Asked) -> list[Asked]:
    """The row after those it needs: its pair, and its pair's pair."""
    return [*(_with_pairs(row.pair) if row.pair else ()), row]
