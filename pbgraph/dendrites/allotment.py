"""Which sites get a dendrite: all of them, so many per cycle, or as many as a budget of parameters allows."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from pbgraph.dendrites.dendrite import Dendrite
from pbgraph.dendrites.errors import TrainingError
from pbgraph.dendrites.settings import GrowthSettings
from pbgraph.dendrites.sites import Site


class Allotment:
    """Chooses among the sites of a network.

    among  whether somebody else chooses as well, before every cycle
    """

    def __init__(
        self, model: nn.Module, sites: Mapping[str, Site], settings: GrowthSettings, *, among: bool = False
    ) -> None:
        self._model, self._sites, self._settings = model, sites, settings
        # whether some sites may have more dendrites than others
        self._selective = among or settings.sites_per_cycle is not None or settings.max_parameters is not None
        budget = settings.max_parameters
        if budget is not None and budget < (own := self._size()):
            raise TrainingError(
                f"max_parameters is {budget:,}, but the network has {own:,} parameters without any dendrite: "
                "raise it, or take a smaller network"
            )

    @property
    def full(self) -> bool:
        """Whether the network has all the dendrites that it may have, whatever their size."""
        most = self._settings.max_dendrites
        counts = [len(site.dendrites) for site in self._sites.values()]
        return (min(counts) if self._selective else max(counts)) >= most

    def open_sites(self) -> dict[str, Site]:
        """Those that may get another dendrite, whatever its size."""
        most = self._settings.max_dendrites
        return {n: site for n, site in self._sites.items() if not self._selective or len(site.dendrites) < most}

    def keep_affordable(self) -> bool:
        """Take the candidates away that are too large for what is left of the budget; whether any are left."""
        budget = self._settings.max_parameters
        if budget is not None:
            left = budget - self._size()
            for site in self._sites.values():
                if site.candidates and _size_of_dendrite(site) > left:
                    site.candidates = nn.ModuleList()
        return any(site.candidates for site in self._sites.values())

    def chosen(self, scores: Mapping[str, float]) -> list[str]:
        """The sites that get their dendrite, best score first where there is not enough for all.

        scores  of each site that has something to accept
        """
        ranked = sorted(scores, key=lambda name: -scores[name]) if self._selective else list(scores)
        most, budget = self._settings.sites_per_cycle, self._settings.max_parameters
        left = None if budget is None else budget - self._size()
        chosen: list[str] = []
        for name in ranked:
            size = _size_of_dendrite(self._sites[name])
            if (most is not None and len(chosen) == most) or (left is not None and size > left):
                continue
            chosen.append(name)
            left = None if left is None else left - size
        return chosen

    def _size(self) -> int:
        """Parameters of the network without candidates."""
        training = {id(p) for site in self._sites.values() for p in site.candidates.parameters()}
        return sum(p.numel() for p in self._model.parameters() if id(p) not in training)


def _size_of_dendrite(site: Site) -> int:
    """Parameters that a site's first candidate would bring, its output weights included."""
    candidate = site.candidates[0]
    assert isinstance(candidate, Dendrite)
    return sum(parameter.numel() for parameter in candidate.parameters()) + site.known_channels
