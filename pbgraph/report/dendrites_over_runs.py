"""What the dendrites of all runs of an arm learnt, site by site: how many were kept, and what they followed.

A single run shows some dendrites that follow the error on validation rows and some that run against it; whether they
do so more often than not is seen over runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from statistics import fmean, stdev

from pbgraph.humanize import plural, ranges
from pbgraph.insight import DendriteInsight, Insight
from pbgraph.report.formats import json_text
from pbgraph.report.markdown import markdown
from pbgraph.results.records import RunRecord

COLUMNS = (
    *("site", "neurons", "outcome", "dendrites", "correlation", "on validation", "SD", "above 0"),
    *("mean abs w", "variance share", "largest"),
)
RIGHT = (1, *range(3, len(COLUMNS)))
NOTE = (
    "A dendrite is here what a site got in one phase of one run, one for each of its neurons, and its figures are "
    "means over these. Correlation: |corr(a, δ)| of the accepted weights on training rows, where chance alone gives "
    "more than 0. On validation rows: what it was there at acceptance, negative where it is reversed, so that chance "
    "gives 0, with the standard deviation over dendrites and how many are above 0. Variance share: Var(w a) / Var(y') "
    "of those that were kept, and the largest of any neuron. All sites: means over neurons."
)
ALL = "all sites"
OUTCOMES = ("kept", "dropped", "failed")


@dataclass(frozen=True)
class TriedDendrite:
    """What one site got in one phase of a run; means over neurons, None where a figure is not known or there is none.

    correlation    |corr(a, δ)| on training rows;  on_validation  signed, on validation rows
    largest_share  of any of its neurons
    """

    seed: int
    number: int
    outcome: str
    correlation: float | None
    on_validation: float | None
    mean_abs_w: float | None
    variance_share: float | None
    largest_share: float | None


@dataclass(frozen=True)
class SiteOverRuns:
    """One site of all runs: its neurons, and every dendrite that was tried there, run by run."""

    neurons: int
    dendrites: tuple[TriedDendrite, ...]


Runs = Sequence[tuple[RunRecord, Insight]]  # of one arm


def over_runs(runs: Runs) -> dict[str, SiteOverRuns]:
    """Every site of these runs, by name."""
    names = dict.fromkeys(name for _, insight in runs for name in insight.sites)
    return {name: _site(name, runs) for name in names}


def _site(name: str, runs: Runs) -> SiteOverRuns:
    tried, neurons = [], 0
    for record, insight in runs:
        if (site := insight.sites.get(name)) is None:
            continue
        known, neurons = record.correlations.get(name, ())[: len(site.dendrites)], site.neurons
        tried += [_tried(record.spec.seed, one, signed) for one, signed in zip_longest(site.dendrites, known)]
    return SiteOverRuns(neurons, tuple(tried))


def _tried(seed: int, one: DendriteInsight, on_validation: float | None) -> TriedDendrite:
    return TriedDendrite(
        seed,
        one.number,
        one.outcome,
        _mean(one.correlation),
        on_validation,
        _mean([abs(w) for w in one.w]),
        _mean(one.variance_share),
        max(one.variance_share, default=None),
    )


def _mean(values: Sequence[float]) -> float | None:
    return fmean(values) if values else None


def to_markdown(runs: Runs) -> str:
    """For every site, and for all of them, a line for the dendrites of each outcome."""
    sites = over_runs(runs)
    rows = [row for name, site in sites.items() for row in _rows(name, [site])]
    if len(sites) > 1:
        rows += _rows(ALL, list(sites.values()))
    spec, without = runs[0][0].spec, [record.spec.seed for record, _ in runs if not record.details.get("dendrites")]
    heading = (
        f"## {spec.task}: dendrites of {spec.arm}, {plural(len(runs), 'run')}, "
        f"seeds {ranges([record.spec.seed for record, _ in runs])}"
    )
    kept = (
        f"No dendrite was kept in {plural(len(without), 'run')} ({plural(len(without), 'seed').split()[1]} "
        f"{ranges(without)})."
        if without
        else "Some were kept in every run."
    )
    return f"{heading}\n\n{NOTE}\n\n{markdown(COLUMNS, rows, right=RIGHT)}\n\n{kept}\n"


def _rows(name: str, sites: Sequence[SiteOverRuns]) -> list[tuple[str, ...]]:
    """A line for each outcome that there is; of several sites as if they were one of all their neurons."""
    neurons = str(sum(site.neurons for site in sites))
    found: list[tuple[str, ...]] = []
    for outcome in OUTCOMES:
        own = [(one, site.neurons) for site in sites for one in site.dendrites if one.outcome == outcome]
        if own:
            signed = [one.on_validation for one, _ in own if one.on_validation is not None]
            largest = [one.largest_share for one, _ in own if one.largest_share is not None]
            cells = (
                _cell(own, lambda one: one.correlation),
                _cell(own, lambda one: one.on_validation),
                f"{stdev(signed):.4f}" if len(signed) > 1 and len(sites) == 1 else "-",
                f"{sum(value > 0 for value in signed)} of {len(signed)}" if signed else "-",
                _cell(own, lambda one: one.mean_abs_w),
                _cell(own, lambda one: one.variance_share),
                f"{max(largest):.4f}" if largest else "-",
            )
            found.append((name, neurons, outcome, str(len(own)), *cells))
    return found or [(name, neurons, *["-"] * (len(COLUMNS) - 2))]


def _cell(own: Sequence[tuple[TriedDendrite, int]], figure: Callable[[TriedDendrite], float | None]) -> str:
    """The mean over neurons of a figure of dendrites, each with the number of its neurons."""
    known = [(value, neurons) for one, neurons in own if (value := figure(one)) is not None]
    if not known:
        return "-"
    values, weights = zip(*known, strict=True)
    return f"{fmean(values, weights):.4f}"


def to_json(runs: Runs) -> str:
    """Every dendrite of every run, by site."""
    spec = runs[0][0].spec
    content = {
        "task": spec.task,
        "arm": str(spec.arm),
        "runs": [
            {"seed": record.spec.seed, "key": record.key, "dendrites": record.details.get("dendrites")}
            for record, _ in runs
        ],
        "sites": over_runs(runs),
    }
    return json_text(content)


FORMATS: Mapping[str, Callable[[Runs], str]] = {"md": to_markdown, "json": to_json}
