"""The statistics of all candidates of a dendrite phase, by device."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice

from torch import Tensor

from pbgraph.dendrites.candidates import Observed
from pbgraph.dendrites.joined import JoinedStatistics
from pbgraph.dendrites.objective import CandidateStatistics, Moments, Patterns
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
            here = [candidate for candidate in seen if candidate.pool.best.device == joined.device]
            for candidate, batch, gradients in self._gradients(joined, here):
                found = [g if scale == 1 else g * scale for g in gradients]
                typed = [g.to(a.dtype) for a, g in zip(candidate.calls, found, strict=True)]
                if self._full:
                    spread = candidate.spread_gradients(batch.patterns, scale)
                    typed = [own + more for own, more in zip(typed, spread, strict=True)]
                pairs += zip(candidate.calls, typed, strict=True)
        return pairs

    def _gradients(
        self, joined: JoinedStatistics, here: Sequence[Observed]
    ) -> Iterable[tuple[Observed, Moments, list[Tensor]]]:
        """Candidates to be trained, their batches, and the gradient of the activation in every call of each."""
        seen = [(candidate, batch) for candidate, batch in self._batches(joined, here) if batch.patterns]
        together = joined.update([batch for _, batch in seen])
        if not together:
            seen = [(candidate, batch) for candidate, batch in seen if candidate.usable(batch)]
            for candidate, batch in seen:
                candidate.statistics.update(batch)
        trained = [(own, batch) for own, batch in seen if own.calls and own.pool.primed(own.number)]
        if together and len(trained) == len(joined.members):
            errors, axes = [own.deltas for own, _ in trained], [own.pool.site.axis for own, _ in trained]
            patterns = [batch.patterns for _, batch in trained]
            gradients = joined.gradients(errors, axes, patterns, normalised=self._normalised)
            return [(*each, found) for each, found in zip(trained, gradients, strict=True)]
        return [(own, batch, self._own_gradients(own, batch.patterns)) for own, batch in trained]

    def _batches(self, joined: JoinedStatistics, here: Sequence[Observed]) -> Iterable[tuple[Observed, Moments]]:
        """What all processes have seen of each candidate."""
        values = [candidate.values for candidate in here if candidate.values is not None]
        if len(values) == len(here) == len(joined.members):
            batches = joined.observed(values, [candidate.axis for candidate in here])
        else:
            batches = [candidate.moments() for candidate in here]
        return [(own, own.pool.processes.merged(batch)) for own, batch in zip(here, batches, strict=True)]

    def _own_gradients(self, candidate: Observed, patterns: Patterns) -> list[Tensor]:
        axis, statistics = candidate.pool.site.axis, candidate.statistics
        return [
            statistics.gradient(delta, patterns, normalised=self._normalised, axis=axis) for delta in candidate.deltas
        ]
