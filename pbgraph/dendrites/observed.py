"""What one batch shows of one candidate, before its statistics take it in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from pbgraph.dendrites.errors import TrainingError
from pbgraph.dendrites.objective import CandidateStatistics, Moments, Patterns, activation_gradient
from pbgraph.dendrites.outputs import rows_of

if TYPE_CHECKING:
    from pbgraph.dendrites.candidates import SiteCandidates


@dataclass(frozen=True, eq=False)
class Observed:
    """What a batch shows of one candidate.

    calls, deltas  its activations in every call, and δ, shaped as the site's output; empty without patterns
    values         a and δ of all calls, with neurons on `axis`; None without patterns
    """

    pool: SiteCandidates
    number: int
    calls: list[Tensor]
    deltas: list[Tensor]
    values: tuple[Tensor, Tensor] | None

    @property
    def statistics(self) -> CandidateStatistics:
        """Of the candidate."""
        return self.pool.statistics[self.number]

    @property
    def axis(self) -> int:
        """Of the neurons in `values`."""
        return self.pool.site.axis if len(self.calls) == 1 else -1

    def moments(self) -> Moments:
        """Of a and δ."""
        site = self.pool.site
        if self.values is None:
            return Moments.none(site.known_channels, self.pool.best.device)
        a, delta = (rows_of(values.detach(), self.axis) for values in self.values)
        return Moments.of(a, delta)

    def spread_gradients(self, patterns: Patterns, scale: float) -> list[Tensor]:
        """What the gradients have beside these where the objective is the correlation, typed as a.

        patterns  of the batch, of all processes
        """
        constants = self.statistics.spread_constants(patterns)
        found = []
        for a in self.calls:
            precise = a.detach().to(torch.promote_types(a.dtype, torch.float32))
            found.append((activation_gradient(precise, constants, self.pool.site.axis) * scale).to(a.dtype))
        return found

    def usable(self, batch: Moments) -> bool:
        """Whether it can be trained on, and by, what all processes have seen: one that is not finite is discarded.

        Raises TrainingError if the errors are not finite.
        """
        if self.calls and not batch.finite(1):
            name = self.pool.site.name
            raise TrainingError(f"the loss has no finite gradient at site {name!r} in a dendrite phase")
        if not batch.finite(0):
            self.pool.discarded.append(self.number)
            return False
        return True
