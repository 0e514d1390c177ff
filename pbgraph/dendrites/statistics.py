"""The statistics of all candidates of a dendrite phase, by device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice

from torch import Tensor

from pbgraph.dendrites.candidates import Observed
from pbgraph.dendrites.joined import JoinedStatistics
from pbgraph.dendrites.objective import CandidateStatistics
from pbgraph.dendrites.settings import GrowthSettings
from pbgraph.dendrites.sites import Site


class PhaseStatistics:
    """Those of all candidates, joined for each device.

    of  site name -> of its candidates
    """

    def __init__(self, sites: Mapping[str, Site], settings: GrowthSettings) -> None:
        self._normalised = settings.objective != "raw"
        self._full = settings.objective == "correlation"
        self._joined: list[JoinedStatistics] = []
        self.of: dict[str, list[CandidateStatistics]] = {}
        devices = {name: next(site.parameters()).device for name, site in sites.items()}
        for device in dict.fromkeys(devices.values()):
            here = {name: site for name, site in sites.items() if devices[name] == device}
            joined = JoinedStatistics([s.known_channels for s in here.values() for _ in s.candidates], device)
            members = iter(joined.members)
            self.of |= {name: list(islice(members, len(site.candidates))) for name, site in here.items()}
            self._joined.append(joined)

    def pairs(self, seen: Sequence[Observed], scale: float) -> list[tuple[Tensor, Tensor]]:
        """(Activation, scale · ∂objective/∂activation) of every call of every candidate to be trained on a batch.

        Of a candidate whose running means are being primed there is none. Candidates that are not finite are
        discarded. Raises TrainingError if δ is not finite.
        """
        pairs: list[tuple[Tensor, Tensor]] = []
        for joined in self._joined:
            members = {id(member) for member in joined.members}
            here = [candidate for candidate in seen if id(candidate.statistics) in members]
            for candidate, gradient in zip(*self._gradients(joined, here), strict=True):
                if self._full:
                    spread = candidate.statistics.spread_gradient(candidate.activations(), candidate.batch.patterns)
                    gradient = gradient + spread.to(gradient.dtype)
                scaled = gradient if scale == 1 else gradient * scale
                pairs += zip(candidate.calls, candidate.pool.separated(scaled, candidate.calls), strict=True)
        return pairs

    def _gradients(self, joined: JoinedStatistics, seen: Sequence[Observed]) -> tuple[list[Observed], list[Tensor]]:
        """Candidates to be trained, and the gradient (P, C) of the activation of each."""
        together = joined.update([candidate.batch for candidate in seen])
        if not together:
            seen = [candidate for candidate in seen if candidate.usable()]
            for candidate in seen:
                candidate.statistics.update(candidate.batch)
        trained = [candidate for candidate in seen if candidate.pool.primed(candidate.number)]
        if together and len(trained) == len(joined.members):
            deltas = [candidate.delta for candidate in trained]
            patterns = [candidate.batch.patterns for candidate in trained]
            return trained, joined.gradients(deltas, patterns, normalised=self._normalised)
        return trained, [
            candidate.statistics.gradient(candidate.delta, candidate.batch.patterns, normalised=self._normalised)
            for candidate in trained
        ]
