"""Headroom: is there anything at a site of a trained network that a dendrite could learn, and that generalises?

A dendrite's activation is to follow δ = ∂L/∂y', the error of its site. For each site, learners are fitted to δ as
functions of the site's inputs on some rows, and read on others (`pbgraph.dendrites.headroom`):

    share = 1 − Σ_i Σ_p (δ_ip − f_i(x_p))² / Σ_i Σ_p (δ_ip − δ̄_i)²          i neurons, p rows, δ̄ of the fitted rows

A share of 1 is all of δ's variance; 0 is what the mean explains; below 0 the learner says less than the mean does. What
is explained on the rows of the fit alone is memory of these rows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from statistics import fmean
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEVEL = 0.05  # of all tests of a network together
_STYLES = {"ridge": ("#0072b2", "o"), "module": ("#d55e00", "s")}  # colours that any colour vision tells apart, marks


@dataclass(frozen=True)
class Explained:
    """What one learner explains of δ at one site of C neurons.

    train        share on the rows that it was fitted on; of the module, after its last epoch
    held_out     share on rows that it was not fitted on, each read once; of the module, in the epoch chosen by others
    chance       (low, high): in between are 19 of 20 shares of the same predictions if δ is shifted. If δ has nothing
                 to do with the inputs, the held-out share is one of these; where a learner follows δ, they are far
                 below 0
    p_value      how often the held-out share is as large by chance
    correlation  (C,): of f_i and δ_i over the held-out rows
    least_p      the smallest p-value that there could be, as there are no more different shifts, or draws; 0: not known
    """

    train: float
    held_out: float
    chance: tuple[float, float]
    p_value: float
    correlation: tuple[float, ...]
    least_p: float = 0.0


@dataclass(frozen=True)
class SiteHeadroom:
    """One site: C neurons, the rows of δ, and what learners explain of it.

    ridge   linear in the site's inputs; None where its inputs are no rows that belong to those of its output
    module  fresh copies of the site's own module, tanh, and a linear map: what a dendrite could be at best, or several
    """

    neurons: int
    rows: int
    ridge: Explained | None
    module: Explained

    @property
    def learners(self) -> dict[str, Explained]:
        """By name."""
        return {"module": self.module} if self.ridge is None else {"ridge": self.ridge, "module": self.module}

    @property
    def share(self) -> float:
        """The larger held-out share."""
        return max(one.held_out for one in self.learners.values())


@dataclass(frozen=True)
class Headroom:
    """All sites of a network by name, in its order.

    folds, batches  how the rows were divided: each batch is in one fold
    few             sites that were reached in fewer batches than there are folds, of which nothing can be told: in how
                    many
    """

    sites: Mapping[str, SiteHeadroom]
    folds: int
    batches: int
    few: Mapping[str, int] = field(default_factory=dict)

    @property
    def share(self) -> float:
        """Of the site that has the largest."""
        return max(site.share for site in self.sites.values())

    def above_chance(self, threshold: float = 0.0) -> list[str]:
        """Sites whose held-out share is above the threshold and above chance, the largest first.

        Above chance: at a level of 0.05 over all learners of all sites together, by Bonferroni's correction.

        >>> noise, signal = (Explained(0.3, held, (-0.1, 0.1), p, (0.0,)) for held, p in ((0.05, 0.2), (0.4, 0.001)))
        >>> sites = {"conv": SiteHeadroom(1, 90, None, noise), "head": SiteHeadroom(1, 90, None, signal)}
        >>> Headroom(sites, folds=3, batches=6).above_chance()
        ['head']
        """
        tests = sum(len(site.learners) for site in self.sites.values())
        found = {
            name: max(good)
            for name, site in self.sites.items()
            if (good := [one.held_out for one in site.learners.values() if one.p_value <= LEVEL / tests])
        }
        return sorted((name for name, share in found.items() if share > max(threshold, 0.0)), key=lambda n: -found[n])

    @property
    def untold(self) -> list[str]:
        """Sites without headroom with a held-out share above 0 that no p-value could have told from chance."""
        level, good = LEVEL / sum(len(site.learners) for site in self.sites.values()), self.above_chance()
        return [
            name
            for name, site in self.sites.items()
            if name not in good and any(one.held_out > 0 and one.least_p > level for one in site.learners.values())
        ]

    @property
    def sentence(self) -> str:
        """What it comes to."""
        if not self.few:
            return self._of_told
        few = ", ".join(f"{name} ({count} of {self.batches})" for name, count in self.few.items())
        return f"{self._of_told} Too few batches reach {few} to tell."

    @property
    def _of_told(self) -> str:
        sites, untold = self.above_chance(), self.untold
        names = ", ".join(untold)
        cannot = f"Of {names} it cannot be told: there are too few different shifts of the errors; give more rows"
        if not sites and untold:
            return f"No site has headroom that is told from chance (at most {self.share:.3f}). {cannot}."
        if not sites:
            return (
                "No site has headroom: on rows that they were not fitted on, neither linear functions of a site's "
                "inputs nor copies of its module, whichever were tried, explain more of its errors than chance does "
                f"(at most {self.share:.3f} of their variance), so dendrites are not expected to help."
            )
        shares = ", ".join(f"{name} {self.sites[name].share:.3f}" for name in sites)
        others = len(self.sites) - len(sites) - len(untold)
        rest = f"; the other {others} {'have' if others > 1 else 'has'} none" if others else ""
        return (
            f"Sites with headroom, and the share of their errors' variance that a function of their inputs explains on "
            f"rows that it was not fitted on: {shares}{rest}. A dendrite can learn something there that generalises, "
            "and so may more training."
        ) + (f" {cannot}." if untold else "")

    def rows(self) -> list[dict[str, Any]]:
        """A row for each learner of each site, for ``pandas.DataFrame(headroom.rows())``."""
        good = self.above_chance()
        return [
            {
                "site": name,
                "neurons": site.neurons,
                "rows": site.rows,
                "learner": learner,
                "train": one.train,
                "held_out": one.held_out,
                "chance_low": one.chance[0],
                "chance_high": one.chance[1],
                "p_value": one.p_value,
                "correlation": fmean(one.correlation),
                "largest_correlation": max(one.correlation),
                "headroom": name in good,
            }
            for name, site in self.sites.items()
            for learner, one in site.learners.items()
        ]

    def to_json(self) -> str:
        """All of it, neuron by neuron, with the sentence."""
        content = {"sentence": self.sentence, "above_chance": self.above_chance(), **asdict(self)}
        return json.dumps(content, indent=1) + "\n"

    def plot(self) -> Figure:
        """Train against held-out share of every site, as a matplotlib Figure; a star marks the sites with headroom.

        ``headroom.plot().savefig("headroom.png")`` writes it.
        """
        from matplotlib.figure import Figure

        figure = Figure(figsize=(8.0, 1.6 + 0.5 * len(self.sites)), layout="constrained")
        axes = figure.subplots()
        for learner, offset in (("ridge", -0.16), ("module", 0.16)):
            self._draw(axes, learner, offset)
        good = self.above_chance()
        names = [f"{name} *" if name in good else name for name in self.sites]
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.axvline(0.0, color="0.6", linewidth=0.8)
        axes.set_xlabel("share of δ's variance that is explained")
        axes.legend(fontsize="small")
        axes.grid(alpha=0.25, linewidth=0.5, axis="x")
        return figure

    def _draw(self, axes: Axes, learner: str, offset: float) -> None:
        """One learner's shares at every site that it was tried at."""
        found = {place + offset: site.learners.get(learner) for place, site in enumerate(self.sites.values())}
        tried = {place: one for place, one in found.items() if one is not None}
        if not tried:
            return
        low, high = zip(*(one.chance for one in tried.values()), strict=True)
        (colour, mark), places = _STYLES[learner], list(tried)
        axes.hlines(places, low, high, color=colour, alpha=0.25, linewidth=6, label=f"{learner}, by chance")
        fitted: dict[str, Any] = {"color": colour, "markerfacecolor": "none", "label": f"{learner}, rows of the fit"}
        axes.plot([one.train for one in tried.values()], places, mark, **fitted)
        axes.plot([one.held_out for one in tried.values()], places, mark, color=colour, label=f"{learner}, other rows")
