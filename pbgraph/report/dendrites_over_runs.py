"""What the dendrites of all runs of an arm learnt, site by site: how many were kept, and what they followed.

A single run shows some dendrites that follow the error on validation rows and some that run against it; whether they
do so more often than not is seen over runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from statistics import fmean, stdev

import msgspec

from pbgraph.humanize import plural, ranges
from pbgraph.insight import DendriteInsight, Insight
from pbgraph.report.markdown import markdown
from pbgraph.results.records import RunRecord

COLUMNS = (
    *("site", "neurons", "tried", "kept", "correlation", "on validation", "SD", "above 0"),
    *("mean abs w", "variance share", "largest"),
)
RIGHT = tuple(range(1, len(COLUMNS)))
NOTE = (
    "Each figure is a mean over dendrites, of which a site gets one for every neuron. Correlation: |corr(a, δ)| of the "
    "accepted weights on training rows; on validation rows, what it was there at acceptance, negative where it is "
    "reversed, with its standard deviation and how many are above 0. Of those that were kept, mean abs w and variance "
    "share Var(w a) / Var(y'), whose largest is a neuron's."
)
ALL = "all sites"


@dataclass(frozen=True)
class SiteOverRuns:
    """One site of all runs: C neurons, and for every dendrite that was tried there, run by run, means over neurons.

    correlation    |corr(a, δ)| on training rows; on_validation: signed, on validation rows. Of dendrites of which it
                   is known
    mean_abs_w, variance_share, largest_share  of the dendrites that were kept; the last is a neuron's
    """

    neurons: int
    tried: int
    kept: int
    correlation: tuple[float, ...]
    on_validation: tuple[float, ...]
    mean_abs_w: tuple[float, ...]
    variance_share: tuple[float, ...]
    largest_share: float | None


Runs = Sequence[tuple[RunRecord, Insight]]  # of one arm


def over_runs(runs: Runs) -> dict[str, SiteOverRuns]:
    """Every site of these runs, by name."""
    names = dict.fromkeys(name for _, insight in runs for name in insight.sites)
    return {name: _site(name, runs) for name in names}


def _site(name: str, runs: Runs) -> SiteOverRuns:
    own = [(record.correlations.get(name, ()), site) for record, insight in runs if (site := insight.sites.get(name))]
    tried = [one for _, site in own for one in site.dendrites]
    kept = [one for one in tried if one.outcome == "kept"]
    pairs = chain.from_iterable(zip_longest(site.dendrites, known[: len(site.dendrites)]) for known, site in own)
    return SiteOverRuns(
        neurons=own[0][1].neurons,
        tried=len(tried),
        kept=len(kept),
        correlation=_means(tried, lambda one: one.correlation),
        on_validation=tuple(value for _, value in pairs if value is not None),
        mean_abs_w=_means(kept, lambda one: [abs(w) for w in one.w]),
        variance_share=_means(kept, lambda one: one.variance_share),
        largest_share=max(chain.from_iterable(one.variance_share for one in kept), default=None),
    )


def _means(
    dendrites: Sequence[DendriteInsight], values: Callable[[DendriteInsight], Sequence[float]]
) -> tuple[float, ...]:
    return tuple(fmean(own) for one in dendrites if (own := values(one)))


def to_markdown(runs: Runs) -> str:
    """A line for every site, and one for all of them."""
    sites = over_runs(runs)
    rows = [(name, str(site.neurons), *_cells(site)) for name, site in sites.items()]
    if len(sites) > 1:
        rows.append((ALL, str(sum(site.neurons for site in sites.values())), *_cells(_together(list(sites.values())))))
    spec, without = runs[0][0].spec, [record.spec.seed for record, _ in runs if not record.details.get("dendrites")]
    kept = f"None was kept in {plural(len(without), 'run')}" + (f" (seeds {ranges(without)})." if without else ".")
    heading = (
        f"## {spec.task}: dendrites of {spec.arm}, {plural(len(runs), 'run')}, "
        f"seeds {ranges([record.spec.seed for record, _ in runs])}"
    )
    return f"{heading}\n\n{NOTE}\n\n{markdown(COLUMNS, rows, right=RIGHT)}\n\n{kept}\n"


def _together(sites: Sequence[SiteOverRuns]) -> SiteOverRuns:
    """Dendrites of all sites as if they were of one."""
    return SiteOverRuns(
        neurons=sum(site.neurons for site in sites),
        tried=sum(site.tried for site in sites),
        kept=sum(site.kept for site in sites),
        correlation=tuple(chain.from_iterable(site.correlation for site in sites)),
        on_validation=tuple(chain.from_iterable(site.on_validation for site in sites)),
        mean_abs_w=tuple(chain.from_iterable(site.mean_abs_w for site in sites)),
        variance_share=tuple(chain.from_iterable(site.variance_share for site in sites)),
        largest_share=max((site.largest_share for site in sites if site.largest_share is not None), default=None),
    )


def _cells(site: SiteOverRuns) -> tuple[str, ...]:
    signed = site.on_validation
    return (
        str(site.tried),
        str(site.kept),
        _mean(site.correlation),
        _mean(signed),
        f"{stdev(signed):.4f}" if len(signed) > 1 else "-",
        f"{sum(value > 0 for value in signed)} of {len(signed)}" if signed else "-",
        _mean(site.mean_abs_w),
        _mean(site.variance_share),
        "-" if site.largest_share is None else f"{site.largest_share:.4f}",
    )


def _mean(values: Sequence[float]) -> str:
    return f"{fmean(values):.4f}" if values else "-"


def to_json(runs: Runs) -> str:
    """Every dendrite's figures, by site, in the order of the seeds."""
    spec = runs[0][0].spec
    content = {
        "task": spec.task,
        "arm": str(spec.arm),
        "seeds": [record.spec.seed for record, _ in runs],
        "kept": [record.details.get("dendrites") for record, _ in runs],
        "sites": msgspec.to_builtins(over_runs(runs)),
    }
    return msgspec.json.format(msgspec.json.encode(content), indent=1).decode() + "\n"


FORMATS: Mapping[str, Callable[[Runs], str]] = {"md": to_markdown, "json": to_json}
