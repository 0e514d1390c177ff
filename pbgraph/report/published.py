"""What papers report, as a results folder has it in published.csv, and beside each value what the nearest row here
came to.

The file is written by hand from papers, a value a line. Ours are test scores of finished runs of the row that it names,
on the same task and split and in the same metric. Needs neither torch nor the data.
"""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path

from pbgraph.errors import DataError, PbgraphError, UsageError
from pbgraph.files.reading import MEBIBYTE, UnreadableError, read_bytes
from pbgraph.humanize import whole
from pbgraph.metrics import METRICS
from pbgraph.plans.declaration import SECOND
from pbgraph.plans.presets import USUAL, preset_or_none
from pbgraph.report.families import rows_and_seeds
from pbgraph.report.tables import Statistic, mean_and_sd, scores_by
from pbgraph.results.arms import parse_arm
from pbgraph.results.protocol import check_one_protocol
from pbgraph.results.records import RunRecord
from pbgraph.results.registered import Registration

PUBLISHED = "published.csv"
LARGEST = 16 * MEBIBYTE  # of that file
LARGEST_VALUE = 1e100
MOST_RUNS = 1_000_000  # of which one was chosen
MEAN, BEST = "mean", "best of "


@dataclass(frozen=True)
class Published:
    """One value of a paper; every cell is as it stands in the file.

    statistic  what the value is of its runs: "mean", or "best of N": the best of their N test scores
    value, sd  sd is blank where the paper has none
    repeats    number of runs, blank where the paper does not say
    arm        the row here that is the nearest, as MODEL/METHOD; blank where there is none
    preset     whose runs of that row are the nearest; blank: any
    differs    why ours may be another number, or "unexplained"; blank without a row
    """

    task: str
    model: str
    metric: str
    statistic: str
    value: str
    sd: str
    split: str
    repeats: str
    arm: str
    preset: str
    differs: str
    source: str

    @property
    def number(self) -> float:
        """The value."""
        return float(self.value)

    @property
    def best_of(self) -> int | None:
        """Of how many test scores it is the best; None of a mean."""
        number = whole(self.statistic.removeprefix(BEST))
        return number if self.statistic == f"{BEST}{number}" else None


@dataclass(frozen=True)
class Beside:
    """A value of a paper, and our runs of the row that is the nearest.

    preset    of our runs; "" where there are none
    features  of their molecules
    scores    on test rows, in the metric of the value, by seed in the order in which seeds were declared
    declared  how many runs there are to be
    problem   why runs that there are do not stand here; "" of none
    wanted    the preset that ours are to be of; "" of any
    """

    published: Published
    preset: str = ""
    features: str = ""
    scores: tuple[float, ...] = ()
    declared: int = 0
    problem: str = ""
    wanted: str = ""

    @property
    def sign(self) -> int:
        """1 where larger is better, else -1."""
        return 1 if METRICS.get(self.published.metric).larger_is_better else -1

    @property
    def mean(self) -> Statistic | None:
        """Over our runs."""
        return mean_and_sd(self.scores)

    @property
    def ours(self) -> float | None:
        """What is of the same kind as the value: our mean, or the best of our first n; None with fewer than n runs."""
        count = self.published.best_of
        if count is None:
            return None if self.mean is None else self.mean.mean
        if len(self.scores) < count:
            return None
        return self.sign * max(self.sign * score for score in self.scores[:count])

    @property
    def difference(self) -> float | None:
        """Ours - theirs."""
        return None if self.ours is None else self.ours - self.published.number

    @property
    def by_chance(self) -> float | None:
        """How far the best of as many runs is expected from our mean, by our SD; None of a mean, or without an SD."""
        count, mean = self.published.best_of, self.mean
        if count is None or mean is None or mean.sd is None:
            return None
        return self.sign * mean.sd * expected_best(count)


@dataclass(frozen=True)
class Reported:
    """What papers report of a task, in the order of the file."""

    task: str
    values: tuple[Beside, ...]

    @property
    def means(self) -> tuple[Beside, ...]:
        """Those that are results."""
        return tuple(one for one in self.values if one.published.best_of is None)

    @property
    def bests(self) -> tuple[Beside, ...]:
        """Those that are the best of several test scores."""
        return tuple(one for one in self.values if one.published.best_of is not None)


def read_published(path: Path) -> list[Published]:
    """Values from papers; none if there is no such file.

    Raises DataError, which names line, column, value and what is expected, if it is not as it should be.
    """
    if not os.path.lexists(path):
        return []
    names = [field.name for field in fields(Published)]
    try:
        text = read_bytes(path, LARGEST).decode("utf-8")
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        lines = [(reader.line_num, cells) for cells in reader if cells]
    except (UnreadableError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is no CSV in UTF-8: {error}") from error
    header = lines[0][1] if lines else []
    if header != names:
        raise DataError(f"{path} has the columns {','.join(header) or 'none':.200}, expected {','.join(names)}")
    return [_published(f"{path}, line {number}", cells, names) for number, cells in lines[1:]]


def _published(where: str, cells: Sequence[str], names: Sequence[str]) -> Published:
    """A line of the file. Raises DataError."""
    if len(cells) != len(names):
        raise DataError(f"{where} has {len(cells)} cells, expected {len(names)}: {','.join(names)}")
    value = Published(**dict(zip(names, cells, strict=True)))
    for name, (is_right, expected) in EXPECTED.items():
        cell = getattr(value, name)
        if not is_right(value) or cell != cell.strip():
            raise DataError(f"{where}, column {name}: {cell!r:.200}, expected {expected}, without blanks around it")
    return value


def _is_number(text: str, least: float = -LARGEST_VALUE) -> bool:
    """Whether a text is a number as papers write it.

    >>> [_is_number(text) for text in ("0.885", "-1.2e-3", "0,885", "nan", "1_0", "")]
    [True, True, False, False, False, False]
    """
    try:
        number = float(text)
    except ValueError:
        return False
    return math.isfinite(number) and least <= number <= LARGEST_VALUE and set(text) <= set("0123456789.eE+-")


def _is_arm(text: str) -> bool:
    try:
        parse_arm(text)
    except UsageError:
        return False
    return True


def _is_metric(text: str) -> bool:
    try:
        METRICS.get(text)
    except PbgraphError:
        return False
    return True


def _is_statistic(value: Published) -> bool:
    return value.statistic == MEAN or 2 <= (value.best_of or 0) <= MOST_RUNS


EXPECTED: Mapping[str, tuple[Callable[[Published], bool], str]] = {
    "task": (lambda one: bool(one.task), "the name of a task"),
    "model": (lambda one: bool(one.model), "what the paper calls its model"),
    "metric": (lambda one: _is_metric(one.metric), "a metric of 'ls metrics'"),
    "statistic": (_is_statistic, f'"{MEAN}", or "{BEST}N", N a whole number of runs from 2 to {MOST_RUNS:,}'),
    "value": (lambda one: _is_number(one.value), "a number, such as 0.885"),
    "sd": (lambda one: not one.sd or _is_number(one.sd, 0.0), "a number that is not negative, or nothing"),
    "split": (lambda one: bool(one.split), "the name of a split"),
    "repeats": (lambda one: not one.repeats or bool(whole(one.repeats)), "a number of runs, or nothing"),
    "arm": (lambda one: not one.arm or _is_arm(one.arm), "a row as MODEL/METHOD, or nothing where none is near"),
    "preset": (
        lambda one: not one.preset or bool(one.arm),
        "nothing where there is no arm",
    ),
    "differs": (lambda one: bool(one.differs or not one.arm), 'why ours may be another number, or "unexplained"'),
    "source": (lambda one: bool(one.source), "where the value is from, with a DOI or an address"),
}


def beside(
    value: Published,
    records: Sequence[RunRecord],
    *,
    preset: str | None = None,
    seeds: Sequence[int] | None = None,
    registered: Sequence[Registration] = (),
    plan: str | None = None,
) -> Beside:
    """A value with our runs beside it.

    records  of the task; those of other splits are left out
    preset   by whose recipe runs are; None: the preset that the value names, or if it names none the usual one, or else
             the one with most
    seeds    that are asked for, as of `rows_and_seeds`
    registered  plans; runs of one of them are those of its seeds, and are to be as many
    plan     which of these, where there are several for these runs; None: that of most of them
    Runs that no table would mix do not stand here: `problem` says why.
    """
    try:
        by_preset = _runs(value, records, seeds, registered, plan) if value.arm else {}
        wanted = preset or value.preset
        chosen = _chosen(by_preset, wanted)
        if chosen is None:
            return Beside(value, wanted=wanted)
        runs, declared = by_preset[chosen]
        check_one_protocol(runs, runs)
        scores = scores_by(value.metric, runs, lambda run: run.scores["test"].metrics)
        return Beside(
            value,
            chosen,
            runs[0].spec.featuriser,
            scores=tuple(score for score in scores if score is not None),
            declared=declared,
        )
    except UsageError as error:
        return Beside(value, problem=f"{value.arm} has no place beside {value.model}: {error}")


def _runs(
    value: Published,
    records: Sequence[RunRecord],
    seeds: Sequence[int] | None,
    registered: Sequence[Registration],
    named: str | None,
) -> dict[str, tuple[list[RunRecord], int]]:
    """Preset -> the finished runs of the value's row, in the order of the seeds, and how many there are to be."""
    arm = parse_arm(value.arm)
    by_preset: dict[str, list[RunRecord]] = {}
    for record in records:
        if (record.spec.task, record.spec.split) == (value.task, value.split):
            by_preset.setdefault(record.spec.preset, []).append(record)
    found = {}
    for name, same in sorted(by_preset.items()):
        once = [one for one in same if one.spec.split_seed in (None, one.spec.seed)]  # as papers run each split
        mine = [one for one in once if one.spec.arm == arm]
        declared, planned = preset_or_none(name), _registered_seeds(mine, registered, named)
        shown = rows_and_seeds(declared, once, planned if seeds is None else seeds)[1]
        shown = [seed for seed in shown if declared is None or seed not in declared.again]
        mine = [one for one in mine if one.status == "finished" and one.spec.seed in shown]
        if mine:
            found[name] = (sorted(mine, key=lambda one: shown.index(one.spec.seed)), len(shown))
    return found


def _registered_seeds(
    runs: Sequence[RunRecord], registered: Sequence[Registration], named: str | None
) -> Sequence[int] | None:
    """Those of the plan that was registered for these runs, without second runs on a split; None without one.

    named  the plan that is asked for; else, where there are several, that of most of these runs, and with least others
    """
    keys = {run.key for run in runs}
    plans = [plan for plan in registered if not keys.isdisjoint(plan.keys)]
    plans = [plan for plan in plans if plan.name == named] or plans
    if not plans:
        return None
    seeds = max(plans, key=lambda plan: (len(keys.intersection(plan.keys)), -len(plan.seeds))).seeds
    return [seed for seed in seeds if seed - SECOND not in seeds]


def _chosen(by_preset: Mapping[str, tuple[Sequence[RunRecord], int]], wanted: str) -> str | None:
    """The preset that is wanted, or if none is, the usual one or that with most runs; None if it has no run."""
    if wanted:
        return wanted if wanted in by_preset else None
    most = max(by_preset, key=lambda name: len(by_preset[name][0]), default=None)
    return USUAL if USUAL in by_preset else most


@cache
def expected_best(count: int) -> float:
    """The expected largest of so many draws from the standard normal distribution.

    With u uniform the largest is Φ⁻¹(u^(1/count)), so it is ∫ Φ⁻¹(u^(1/count)) du from 0 to 1.

    >>> round(expected_best(2), 4), round(expected_best(50), 4)  # the first is 1/√π
    (0.5642, 2.2491)
    """
    from scipy.integrate import quad
    from scipy.special import ndtri  # Φ⁻¹

    return float(quad(lambda u: -ndtri(-math.expm1(math.log(u) / count)), 0.0, 1.0, epsabs=1e-10)[0])
