"""The statistics of all candidates of a dendrite phase: of those that are trained at once, side by side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice

from torch import Tensor

from pbgraph.dendrites.joined import JoinedStatistics
from pbgraph.dendrites.objective import CandidateStatistics, Patterns
from pbgraph.dendrites.observed import Observed
from pbgraph.dendrites.settings import GrowthSettings
from pbgraph.dendrites.sites import Site


class PhaseStatistics:
    """Those of all candidates, joined for each device.

    apart  they are joined for each site instead, which learn one after another
    of     site name -> of its candidates
    """

    def __init__(self, sites: Mapping[str, Site], settings: GrowthSettings, *, apart: bool = False) -> None:
        self._normalised = settings.objective != "raw"
        self._full = settings.objective == "correlation"
        self._joined: dict[str, JoinedStatistics] = {}
        self.of: dict[str, list[CandidateStatistics]] = {}
        devices = {name: next(site.parameters()).device for name, site in sites.items()}
        groups = (
            [[name] for name in sites]
            if apart
            else [[name for name in sites if devices[name] == device] for device in dict.fromkeys(devices.values())]
        )
        for names in groups:
            here, device = {name: sites[name] for name in names}, devices[names[0]]
            joined = JoinedStatistics([s.known_channels for s in here.values() for _ in s.candidates], device)
            members = iter(joined.members)
            self.of |= {name: list(islice(members, len(site.candidates))) for name, site in here.items()}
            self._joined |= dict.fromkeys(names, joined)

    def pairs(self, seen: Sequence[Observed], scale: float) -> list[tuple[Tensor, Tensor]]:
        """(Activation, scale · ∂objective/∂activation) of every call of every candidate to be trained on a batch.

        Of a candidate whose running means are being primed there is none. Candidates that are not finite are
        discarded. Raises TrainingError if δ is not finite.
        """
        pairs: list[tuple[Tensor, Tensor]] = []
        for joined, here in self._groups(seen):
            for candidate, patterns, gradients in self._gradients(joined, here):
                found = gradients if scale == 1 else [g * scale for g in gradients]
                typed = [g.to(a.dtype) for a, g in zip(candidate.calls, found, strict=True)]
                if self._full:
                    spread = candidate.spread_gradients(patterns, scale)
                    typed = [own + more for own, more in zip(typed, spread, strict=True)]
                pairs += zip(candidate.calls, typed, strict=True)
        return pairs

    def _groups(self, seen: Sequence[Observed]) -> Iterable[tuple[JoinedStatistics, Sequence[Observed]]]:
        """Candidates by what they are joined in."""
        groups: dict[JoinedStatistics, list[Observed]] = {}
        for each in seen:
            groups.setdefault(self._joined[each.pool.site.name], []).append(each)
        return groups.items()

    def _gradients(
        self, joined: JoinedStatistics, here: Sequence[Observed]
    ) -> Iterable[tuple[Observed, Patterns, list[Tensor]]]:
        """Candidates to be trained, their numbers of patterns, and the gradient of the activation in every call."""
        together = True
        if (patterns := self._taken_in_at_once(joined, here)) is not None:
            seen = list(zip(here, patterns, strict=True))
        else:
            together, seen = self._taken_in(joined, here)
        trained = [(own, count) for own, count in seen if own.calls and own.pool.primed(own.number)]
        if together and len(trained) == len(joined.members):
            errors, axes = [own.deltas for own, _ in trained], [own.pool.site.axis for own, _ in trained]
            counts = [count for _, count in trained]
            gradients = joined.gradients(errors, axes, counts, normalised=self._normalised)
            return [(*each, found) for each, found in zip(trained, gradients, strict=True)]
        return [(own, count, self._own_gradients(own, count)) for own, count in trained]

    def _taken_in_at_once(self, joined: JoinedStatistics, here: Sequence[Observed]) -> list[Patterns] | None:
        """Take in a batch that is of this process alone and has patterns for every candidate; None if it is none."""
        values = [candidate.values for candidate in here if candidate.values is not None]
        if not len(values) == len(here) == len(joined.members) or here[0].pool.processes.group is not None:
            return None
        return joined.take_in(values, [candidate.axis for candidate in here])

    def _taken_in(
        self, joined: JoinedStatistics, here: Sequence[Observed]
    ) -> tuple[bool, list[tuple[Observed, Patterns]]]:
        """Take in what all processes have seen: (whether that was done side by side, numbers of patterns)."""
        batches = [(own, own.pool.processes.merged(own.moments())) for own in here]
        seen = [(candidate, batch) for candidate, batch in batches if batch.patterns]
        together = joined.update([batch for _, batch in seen])
        if not together:
            seen = [(candidate, batch) for candidate, batch in seen if candidate.usable(batch)]
            for candidate, batch in seen:
                candidate.statistics.update(batch)
        return together, [(candidate, batch.patterns) for candidate, batch in seen]

    def _own_gradients(self, candidate: Observed, patterns: Patterns) -> list[Tensor]:
        axis, statistics = candidate.pool.site.axis, candidate.statistics
        return [
            statistics.gradient(delta, patterns, normalised=self._normalised, axis=axis) for delta in candidate.deltas
        ]
