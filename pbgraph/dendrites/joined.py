"""The statistics of all candidates of a phase side by side: one operation for all of them in the place of one for each.

Every neuron is a column, and nothing is ever added up across columns, so the values are those of
`CandidateStatistics`, bit for bit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from pbgraph.dendrites.objective import CandidateStatistics, Moments, Patterns, activation_gradient


class JoinedStatistics:
    """Statistics of several candidates on one device.

    members  of each candidate, in the memory of the whole
    """

    def __init__(self, channels: Sequence[int], device: torch.device) -> None:
        self._whole = CandidateStatistics(sum(channels), device)
        self._channels = list(channels)
        self._repeats = torch.tensor(self._channels, device=device)
        self._last: tuple[Sequence[Patterns], Tensor] | None = None
        ends = torch.tensor(self._channels).cumsum(0).tolist()
        self.members = [
            self._whole.part(slice(end - width, end)) for end, width in zip(ends, self._channels, strict=True)
        ]

    def update(self, batches: Sequence[Moments]) -> bool:
        """Take in one batch of every member; False, and nothing is done, if that cannot be done at once.

        It cannot where a member has no batch, is behind the others, or has values that are not finite.
        """
        if len(batches) != len(self.members) or len({member.batches for member in self.members}) != 1:
            return False
        mean = torch.cat([batch.mean for batch in batches], 1)
        sums = torch.cat([batch.sums for batch in batches], 1)
        if not math.isfinite(float(sums.sum())):
            return False
        whole = self._whole
        whole.batches = self.members[0].batches
        whole.patterns = self._columns([member.patterns for member in self.members])
        whole.update(Moments(mean, sums, self._columns([batch.patterns for batch in batches])))
        for member, batch in zip(self.members, batches, strict=True):
            member.batches += 1
            member.patterns += batch.patterns
        return True

    def gradients(self, deltas: Sequence[Tensor], patterns: Sequence[Patterns], *, normalised: bool) -> list[Tensor]:
        """`CandidateStatistics.gradient` of every member, for errors (P, C) and numbers of patterns of each."""
        constants = torch.stack(self._whole.gradient_constants(self._columns(patterns), normalised=normalised))
        parts = {
            dtype: torch.split(constants.to(dtype), self._channels, dim=1)
            for dtype in {delta.dtype for delta in deltas}
        }
        return [activation_gradient(delta, *parts[delta.dtype][number]) for number, delta in enumerate(deltas)]

    def _columns(self, patterns: Sequence[Patterns]) -> Patterns:
        """Numbers of patterns by member -> by neuron; a plain number if all have the same."""
        first = patterns[0]
        if all(count == first for count in patterns):
            return first
        if self._last is None or self._last[0] != patterns:  # batches are mostly of one size
            numbers = torch.tensor(patterns, dtype=torch.float64, device=self._repeats.device)
            self._last = list(patterns), numbers.repeat_interleave(self._repeats)
        return self._last[1]
