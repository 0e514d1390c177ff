"""The statistics of all candidates of a dendrite phase, by device."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice

from torch import Tensor

from pbgraph.dendrites.candidates import Observed
from pbgraph.dendrites.joined import JoinedStatistics
from pbgraph.dendrites.objective import CandidateStatistics, Constants
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
            for candidate, constants in self._constants(joined, here):
                gradients = candidate.gradients(constants, scale)
                if self._full:
                    spread = candidate.spread_gradients(scale)
                    gradients = [own + more for own, more in zip(gradients, spread, strict=True)]
                pairs += zip(candidate.calls, gradients, strict=True)
        return pairs

    def _constants(self, joined: JoinedStatistics, seen: Sequence[Observed]) -> Iterable[tuple[Observed, Constants]]:
        """Candidates to be trained, and the constants of the gradient of the activation of each."""
        together = joined.update([candidate.batch for candidate in seen])
        if not together:
            seen = [candidate for candidate in seen if candidate.usable()]
            for candidate in seen:
                candidate.statistics.update(candidate.batch)
        trained = [candidate for candidate in seen if candidate.pool.primed(candidate.number)]
        patterns = [candidate.batch.patterns for candidate in trained]
        if together and len(trained) == len(joined.members):
            types = {delta.dtype for candidate in trained for delta in candidate.deltas}
            constants = joined.gradient_constants(patterns, types, normalised=self._normalised)
            return zip(trained, constants, strict=True)
        return [
            (candidate, candidate.statistics.gradient_constants(count, normalised=self._normalised))
            for candidate, count in zip(trained, patterns, strict=True)
        ]
