"""Records -> the rows and comparisons of a table. Works from records alone; needs neither torch nor the data.

A table belongs to one `Protocol`. Every declared seed of every arm has its place: a missing run is named, a failed one
is a line that says why.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from statistics import fmean, stdev

from pbgraph.errors import UsageError
from pbgraph.humanize import ranges
from pbgraph.methods.roles import PLAIN
from pbgraph.metrics import stands_unasked
from pbgraph.report.blocks import Blocks, blocks_of
from pbgraph.report.comparisons import Comparison, Family, by_seed, margin_of, of_splits, score_on_test
from pbgraph.report.families import family_of_rows
from pbgraph.report.stats import EquivalenceMargin
from pbgraph.report.terms import Terms
from pbgraph.results.arms import Arm, shortened
from pbgraph.results.background import NOTHING, Background
from pbgraph.results.compared import Pair
from pbgraph.results.protocol import Protocol, check_one_protocol, choices, others_code, protocol_of
from pbgraph.results.records import Provenance, RunRecord
from pbgraph.results.registered import Judged, how_declared
from pbgraph.results.tuning import Budget

UNDECLARED = Terms()
GROWN = "dendrites"  # what a run that grows some keeps their number under, among the details of its record


@dataclass(frozen=True)
class Statistic:
    """Mean over splits, of each the mean of its runs, or over runs that share one split; and the standard deviation.

    sd  None of a single one
    """

    mean: float
    sd: float | None


@dataclass(frozen=True)
class Row:
    """One line of a table.

    label    the model, and of a variant what was set otherwise, or what its plan calls it
    seeds    finished; missing: never run; failed: seed -> error
    test     seed -> selection metric on test rows, where it is defined
    splits   the same, once for each split by the mean of its runs; of runs that share one split, for each run
    metrics  of the test rows, in the order of the table; valid: the selection metric of the validation rows
    undefined  task -> runs in which the selection metric was undefined for it
    chosen   as `test`, on validation rows;  sizes  seed -> parameters
    dendrites  seed -> how many each site kept, of runs that grow some
    """

    arm: Arm
    label: str
    seeds: tuple[int, ...]
    missing: tuple[int, ...]
    failed: Mapping[int, str]
    test: Mapping[int, float]
    metrics: Mapping[str, Statistic | None]
    valid: Statistic | None
    parameters: float | None
    epochs: float | None
    seconds: float | None
    undefined: Mapping[str, int] = field(default_factory=dict)
    chosen: Mapping[int, float] = field(default_factory=dict)
    sizes: Mapping[int, int] = field(default_factory=dict)
    dendrites: Mapping[int, int] = field(default_factory=dict)
    splits: tuple[float, ...] = ()


@dataclass(frozen=True)
class Table:
    """Rows in the order of the plan, and comparisons.

    again     seeds that are second initialisations on the splits of others
    metrics   what is shown: the selection metric, then those asked for, or the others that take scores and that all
              runs were scored by
    margin    by which differences of the selection metric are judged
    commits   source commit -> runs, "*" marks uncommitted changes
    software  versions and device that numbers depend on -> runs
    others    code of other packages than pbgraph that components are from -> runs
    processors  kind of processor, and how many cores the machine had -> runs
    numerics  numeric platform, in words -> runs
    seconds   of all runs; a first phase that arms share counts in each of them
    pretrained  features from networks that were trained elsewhere, and on what -> runs
    averages    averages of arms, and the arms -> results
    external    results that other tools made, and the files they were scored from -> results; of these, the others
                among these fields say nothing
    declared  whether a plan of these runs was registered before them, in words
    primary   the comparison that their plan is made for, if it is for one
    tried     arm -> the searches of its settings with the same features
    family    what the comparisons are judged together with; tests: how many there are, which p is corrected for
    blocks    what rows with all their runs are compared by at once, see `pbgraph.report.together`
    """

    protocol: Protocol
    rows: tuple[Row, ...]
    comparisons: tuple[Comparison, ...]
    metrics: tuple[str, ...]
    margin: EquivalenceMargin
    commits: Mapping[str, int]
    software: Mapping[str, int]
    processors: Mapping[str, int]
    numerics: Mapping[str, int]
    seconds: float = 0.0
    others: Mapping[str, int] = field(default_factory=dict)
    pretrained: Mapping[str, int] = field(default_factory=dict)
    averages: Mapping[str, int] = field(default_factory=dict)
    external: Mapping[str, int] = field(default_factory=dict)
    declared: str = ""
    again: frozenset[int] = frozenset()
    primary: Pair | None = None
    tried: Mapping[Arm, tuple[Budget, ...]] = field(default_factory=dict)
    family: str = ""
    tests: int = 0
    blocks: Blocks = field(default_factory=Blocks)

    @property
    def arms(self) -> tuple[Arm, ...]:
        """Of every row."""
        return tuple(row.arm for row in self.rows)

    @cached_property
    def called(self) -> dict[Arm, Arm]:
        """Every row's arm -> what it is called beside the others: by its label, or what was set as short as can be."""
        return shortened(self.arms, {row.arm: row.label for row in self.rows if row.label != row.arm.row})

    @property
    def against_plain(self) -> dict[Arm, Comparison]:
        """Arm -> its comparison with its model's plain one, of those that have one."""
        return {one.a: one for one in self.comparisons if one.b.method == PLAIN and one.a.model == one.b.model}


def make_table(
    records: Sequence[RunRecord],
    *,
    arms: Sequence[Arm],
    seeds: Sequence[int],
    terms: Terms = UNDECLARED,
    background: Background = NOTHING,
    metrics: Sequence[str] | None = None,
    family: Family | None = None,
) -> Table:
    """The table of these arms and seeds.

    records  of one task; those of other arms or seeds are left out
    arms     of every row, in order
    seeds    declared before running; each arm should have them all
    terms    what their plan says of them; a family has its own margin and pairs, and records know second
             initialisations too
    background  of the results folder that these runs are in
    metrics  to be shown beside the one that selects
    family   that the comparisons are of; None: of the table's own, these rows alone
    Raises UsageError if nothing is finished, if records do not share one protocol, or if two finished ones have one arm
    and seed.
    """
    mine, finished = _of_rows(records, arms, seeds)
    by_arm: dict[Arm, list[RunRecord]] = {arm: [] for arm in arms}
    for record in mine:
        by_arm[record.spec.arm].append(record)
    ours = [record for record in finished if not record.spec.external]
    origins, shown = [record.provenance for record in ours], _metrics(finished, metrics)
    if family is None:
        family = family_of_rows(
            "these rows",
            finished,
            arms=arms,
            seeds=seeds,
            margin=terms.margin,
            named=terms.named,
            registered=background.registered,
        )
    specs = {record.spec.arm: record.spec for record in finished}
    return Table(
        protocol=protocol_of(finished, seeds),
        rows=tuple(
            replace(_row(arm, by_arm[arm], seeds, metrics=shown), label=terms.labels.get(arm, arm.row)) for arm in arms
        ),
        comparisons=family.among(finished[0].spec.preset, arms),
        family=family.name,
        tests=family.tests,
        metrics=shown,
        margin=family.margin or margin_of(finished, terms.margin),
        commits=_counted(origin.commit[:12] + ("*" if origin.dirty else "") for origin in origins),
        software=_counted(_software(origin) for origin in origins),
        processors=_counted(origin.processor for origin in origins),
        seconds=sum(record.cost.seconds for record in ours if record.cost is not None),
        declared=how_declared(ours, background.registered, _judged(finished, family, seeds=seeds, terms=terms)),
        again=frozenset(seeds).intersection([*terms.again, *_again(mine)]),
        primary=terms.primary,
        tried=terms.tried({arm: specs[arm] for arm in arms if arm in specs}, background.searched),
        others=_counted(origin for record in ours for origin in _others(record)),
        pretrained=_counted(filter(None, map(_pretrained, finished))),
        averages=_averages(finished, records),
        external=_counted(sorted(_scored_from(one) for one in finished if one.spec.external and not _is_average(one))),
        numerics=_counted(origin.numerics.described if origin.numerics else "not recorded" for origin in origins),
        blocks=blocks_of(by_arm, seeds),
    )


def _again(records: Iterable[RunRecord]) -> Iterator[int]:
    """Seeds of runs on the split of another."""
    return (record.spec.seed for record in records if record.spec.split_seed not in (None, record.spec.seed))


def _judged(finished: Sequence[RunRecord], family: Family, *, seeds: Sequence[int], terms: Terms) -> Judged:
    preset = finished[0].spec.preset
    return Judged(
        seeds=seeds,
        margin=(family.margin or margin_of(finished, terms.margin)).relevant,
        usual=(family.usual or margin_of(finished)).relevant,
        primary=tuple(map(str, terms.primary or ())),
        compared=[(str(a), str(b)) for of, a, b in (*family.pairs, *family.absent) if of == preset],
        complete=[(str(a), str(b)) for (of, a, b), one in family.pairs.items() if of == preset and one.complete],
    )


def _of_rows(
    records: Sequence[RunRecord], arms: Sequence[Arm], seeds: Sequence[int]
) -> tuple[list[RunRecord], list[RunRecord]]:
    """The records of these arms and seeds, and those among them that are finished; errors as of `make_table`."""
    wanted_arms, wanted_seeds = set(arms), set(seeds)
    mine = [origin for origin in records if origin.spec.arm in wanted_arms and origin.spec.seed in wanted_seeds]
    finished = [record for record in mine if record.status == "finished"]
    if not finished:
        there = choices((record.spec for record in records if record.status == "finished"), "arm")
        raise UsageError(
            f"no finished run of {', '.join(map(str, arms)) or 'any arm'} with seeds {ranges(seeds)}; finished here: "
            f"{there or 'nothing'}. Name others with --models, --methods or --seeds, or run the benchmark first"
        )
    check_one_protocol(mine, finished)
    return mine, finished


def _metrics(finished: Sequence[RunRecord], asked: Sequence[str] | None) -> tuple[str, ...]:
    """The selection metric, then those asked for.

    Without any, by name the others that stand in tables unasked and that every run was scored by, in the same version.
    """
    first = finished[0].spec.metric
    if asked is not None:
        return tuple(dict.fromkeys([first, *asked]))
    shared = set.intersection(*(set(record.metrics.items()) for record in finished))
    return (first, *sorted(name for name, _ in shared if name != first and stands_unasked(name)))


def _counted(names: Iterable[str]) -> dict[str, int]:
    return dict(Counter(names))


def _others(record: RunRecord) -> Iterable[str]:
    """What is known of the code of components that are not pbgraph's; "unknown" where it could not be found out."""
    components = record.provenance.components
    known = {code for name in components for code in others_code(record, name).values()}
    return sorted(known | {f"unknown, of {name}" for name, packages in components.items() if not packages})


def _pretrained(record: RunRecord) -> str:
    """ "" where no features are from elsewhere."""
    stated = record.provenance.pretrained_on
    return f"{record.spec.model} by {record.spec.featuriser}, on {stated}" if stated else ""


def _averages(finished: Iterable[RunRecord], records: Iterable[RunRecord]) -> dict[str, int]:
    """records: among which are the averaged runs, as far as they are known."""
    arms = {record.key: str(record.spec.arm) for record in records}
    means = [(record.spec.model, record.provenance.mean_of) for record in finished if _is_average(record)]
    return _counted(f"{name} of {' and '.join(arms.get(key, f'run {key}') for key in keys)}" for name, keys in means)


def _is_average(record: RunRecord) -> bool:
    return bool(record.provenance.mean_of)


def _scored_from(record: RunRecord) -> str:
    return f"{record.spec.model}, seed {record.spec.seed}, scored from {record.provenance.scored_from}"


def _software(origin: Provenance) -> str:
    versions = [f"{name} {origin.packages[name]}" for name in ("torch", "rdkit", "numpy") if name in origin.packages]
    return ", ".join([*versions, origin.device])


def _row(arm: Arm, records: Sequence[RunRecord], seeds: Sequence[int], *, metrics: Sequence[str]) -> Row:
    finished = by_seed(record for record in records if record.status == "finished")
    failed = {
        record.spec.seed: record.error or ""
        for record in records
        if record.status == "failed" and record.spec.seed not in finished
    }
    done = [finished[seed] for seed in seeds if seed in finished]
    tests = [record.scores["test"] for record in done]
    selects = metrics[0]
    chosen = {record.spec.seed: record.scores["valid"].metrics.get(selects) for record in done}
    undefined = [name for score in tests for name in score.undefined(selects)]
    return Row(
        arm=arm,
        label=arm.row,
        seeds=tuple(record.spec.seed for record in done),
        missing=tuple(seed for seed in seeds if seed not in finished and seed not in failed),
        failed={seed: failed[seed] for seed in seeds if seed in failed},
        test={record.spec.seed: score for record in done if (score := score_on_test(record)) is not None},
        splits=tuple(of_splits(done, [score_on_test(record) for record in done])),
        metrics={
            name: statistic(done, scores_by(name, done, lambda one: one.scores["test"].metrics)) for name in metrics
        },
        valid=statistic(done, list(chosen.values())),
        parameters=_mean([record.cost.parameters for record in done if record.cost]),
        epochs=_mean([record.cost.epochs for record in done if record.cost]),
        seconds=_mean([record.cost.seconds for record in done if record.cost]),
        undefined={name: undefined.count(name) for name in dict.fromkeys(undefined)},
        chosen={seed: score for seed, score in chosen.items() if score is not None},
        sizes={record.spec.seed: record.cost.parameters for record in done if record.cost},
        dendrites={record.spec.seed: count for record in done if isinstance(count := record.details.get(GROWN), int)},
    )


def _mean(values: Sequence[float]) -> float | None:
    return fmean(values) if values else None


def scores_by(
    metric: str, records: Sequence[RunRecord], of: Callable[[RunRecord], Mapping[str, float | None] | None]
) -> list[float | None]:
    """A score of each of a row's runs; none at all where some were not scored by this metric, in one version.

    of  a run -> its scores by metric, or None
    """
    if len({record.metrics.get(metric) for record in records}) != 1:
        return []
    return [(of(record) or {}).get(metric) for record in records]


def statistic(records: Sequence[RunRecord], scores: Sequence[float | None]) -> Statistic | None:
    """Of the scores of these runs that there are; None of none."""
    return mean_and_sd(of_splits(records, scores) if scores else [])


def mean_and_sd(values: Sequence[float]) -> Statistic | None:
    """Of values each of which counts once; None of none."""
    return Statistic(fmean(values), stdev(values) if len(values) > 1 else None) if values else None
