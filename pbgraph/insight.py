"""What the dendrites of a finished run learnt, as data: one file beside its record, read without torch.

For neuron i of a site, over all rows p (every index but the neuron's, of every call) of the validation molecules, with
the reported network in evaluation mode, so that y' = y + Σ_k w_k a_k (`pbgraph.dendrites.forward`) and c_k = w_k a_k:

    variance share    Var_p(c_k) / Var_p(y')
    covariance share  Cov_p(c_k, y') / Var_p(y')

The variance share says how large a dendrite's contribution is beside what leaves the site. It is no part of a whole:
shares of a site need not sum to one, and one can be more than 1 where the contribution cancels something, since

    Var(y') = Var(y) + Σ_k Var(c_k) + 2 Σ_k Cov(y, c_k) + 2 Σ_{j<k} Cov(c_j, c_k).

The covariance share divides these mixed terms equally between the two that cause them. It sums to one, exactly, over
the parent (whose share is 1 − Σ_k of the dendrites') and all dendrites, but is negative for what others overrule. Both
are 0 for a neuron whose y' does not vary. Neither says that scores would be worse without the dendrite: the parent has
been trained beside it since.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

Floats = tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class DendriteInsight:
    """One dendrite of each of a site's C neurons, or one that was tried there.

    number   k, from 1
    outcome  "kept": it is in the network; "dropped": with it the network did not become better, or the best one is from
             before; "failed": all its candidates became NaN or infinite
    epoch    the first in which it, or its candidates, took part; None if that is not known
    mean_correlation, max_correlation  for each epoch of its dendrite phase: mean and maximum over neurons of
             |corr(a, δ)| of the best candidate; empty without such a phase
    correlation  (C,): |corr(a, δ)| of the weights that were accepted, in the epoch they are from; empty without a phase
    w, variance_share, covariance_share  (C,), of a dendrite that was kept; empty for others
    """

    number: int
    outcome: Literal["kept", "dropped", "failed"] = "kept"
    epoch: int | None = None
    mean_correlation: Floats = ()
    max_correlation: Floats = ()
    correlation: Floats = ()
    w: Floats = ()
    variance_share: Floats = ()
    covariance_share: Floats = ()


@dataclass(frozen=True)
class SiteInsight:
    """One site: C neurons, the rows that shares were measured on, and its dendrites in the order they were tried."""

    neurons: int
    rows: int
    dendrites: tuple[DendriteInsight, ...] = ()


@dataclass(frozen=True)
class Insight:
    """All sites of a network by name."""

    sites: Mapping[str, SiteInsight]


def with_trials(found: Insight, trials: Mapping[str, list[DendriteInsight]]) -> Insight:
    """The dendrites of a network, and what is known of all that were tried at its sites.

    found   of the network alone
    trials  site -> every dendrite tried there, in order; the last one of a number is the one in the network
    """
    return Insight({name: _with_trials(site, trials.get(name, [])) for name, site in found.sites.items()})


def _with_trials(site: SiteInsight, trials: list[DendriteInsight]) -> SiteInsight:
    last = {one.number: place for place, one in enumerate(trials) if one.outcome != "failed"}
    merged = [one if one.outcome == "failed" else replace(one, outcome="dropped") for one in trials]
    for kept in site.dendrites:
        if (place := last.get(kept.number)) is None:
            merged.append(kept)
        else:
            known = trials[place]
            merged[place] = replace(
                kept,
                epoch=known.epoch,
                mean_correlation=known.mean_correlation,
                max_correlation=known.max_correlation,
                correlation=known.correlation,
            )
    return replace(site, dendrites=tuple(merged))
