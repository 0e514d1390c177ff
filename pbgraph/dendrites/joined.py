"""The statistics of all candidates of a phase side by side: one operation for all of them in the place of one for each.

Every neuron is a column, and nothing is ever added up across columns, so the values are those of
`CandidateStatistics`, bit for bit. `pbgraph.ops` has a faster form of what is done with them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor

from pbgraph.dendrites.faster import faster
from pbgraph.dendrites.moments import side_by_side
from pbgraph.dendrites.objective import FLOOR, CandidateStatistics, Moments, Patterns, activation_gradient

FASTER = "pbgraph.ops.running"


@dataclass(frozen=True, eq=False)
class _Counts:
    """Numbers of patterns of every member, and (W,) float64 of every neuron of these."""

    by_member: list[Patterns]
    by_neuron: Tensor


class JoinedStatistics:
    """Statistics of several candidates on one device.

    members  of each candidate, in the memory of the whole
    """

    def __init__(self, channels: Sequence[int], device: torch.device) -> None:
        self.device = device
        self._whole = CandidateStatistics(sum(channels), device)
        self._channels = list(channels)
        self._repeats = torch.tensor(self._channels, device=device)
        self._batch = self._epoch = _Counts([], torch.empty(0))
        self._starts = [0, *accumulate(channels)][:-1]
        self.members = [
            self._whole.part(slice(start, start + width)) for start, width in zip(self._starts, channels, strict=True)
        ]

    def take_in(self, values: Sequence[tuple[Tensor, Tensor]], axes: Sequence[int]) -> list[Patterns] | None:
        """Take in a batch: its numbers of patterns. None, and nothing is done, if that cannot be done at once.

        It cannot where a member is behind the others, or has values that are not finite.
        values  a and δ of each member, of at least one pattern;  axes  of their neurons, counted from the last one, -1
        """
        if not self._abreast():
            return None
        batch = self._whole.batch_mean, self._whole.batch_sums
        side_by_side(values, axes, batch)
        counts: list[Patterns] = [a.numel() // width for (a, _), width in zip(values, self._channels, strict=True)]
        return counts if self._update(batch, counts) else None

    def update(self, batches: Sequence[Moments]) -> bool:
        """Take in the moments of a batch of every member; False, and nothing is done, if that cannot be done at once.

        It cannot where a member has no batch, is behind the others, or has values that are not finite.
        """
        if len(batches) != len(self.members) or not self._abreast():
            return False
        mean, sums = (torch.cat(rows, 1) for rows in ([b.mean for b in batches], [b.sums for b in batches]))
        return self._update((mean, sums), [batch.patterns for batch in batches])

    def _abreast(self) -> bool:
        """Whether all members have taken in the same number of batches."""
        first = self.members[0].batches
        return all(member.batches == first for member in self.members)

    def _update(self, batch: tuple[Tensor, Tensor], counts: list[Patterns]) -> bool:
        epoch = self._counted(self._epoch, [member.patterns for member in self.members])
        own = self._batch = self._counted(self._batch, counts)
        if not self._take_in(*batch, epoch.by_neuron, own.by_neuron):
            return False
        for member, count in zip(self.members, own.by_member, strict=True):
            member.batches += 1
            member.patterns += count
        self._epoch = _Counts([member.patterns for member in self.members], epoch.by_neuron + own.by_neuron)
        return True

    def _take_in(self, mean: Tensor, sums: Tensor, before: Tensor, patterns: Tensor) -> bool:
        whole = self._whole
        whole.batches, whole.patterns = self.members[0].batches, before
        if (ops := faster(FASTER)) is None:
            if not math.isfinite(float(sums.sum())):
                return False
            whole.update(Moments(mean, sums, patterns))
            return True
        total, batch = (whole.mean, whole.moments), (mean, sums)
        return bool(ops.take_in(whole.running, total, batch, before=before, patterns=patterns, keep=whole.keep))

    def gradients(
        self,
        errors: Sequence[Sequence[Tensor]],
        axes: Sequence[int],
        patterns: Sequence[Patterns],
        *,
        normalised: bool,
    ) -> list[list[Tensor]]:
        """`activation_gradient` of every member, for each of its errors, by the numbers of patterns of a batch.

        axes  of the neurons of each member
        """
        counts = self._counted(self._batch, patterns).by_neuron
        if (ops := faster(FASTER)) is None:
            centre, weight = self._whole.gradient_constants(counts, normalised=normalised)
            parts = zip(torch.split(centre, self._channels), torch.split(weight, self._channels), strict=True)
            return [
                [activation_gradient(delta, constants, axis) for delta in own]
                for own, constants, axis in zip(errors, parts, axes, strict=True)
            ]
        places = [
            (delta, axis, start) for own, axis, start in zip(errors, axes, self._starts, strict=True) for delta in own
        ]
        every, each_axis, starts = zip(*places, strict=True)
        floor = FLOOR if normalised else None
        found = iter(ops.gradients(self._whole.running, counts, every, axes=each_axis, starts=starts, floor=floor))
        return [[next(found) for _ in own] for own in errors]

    def _counted(self, known: _Counts, patterns: Sequence[Patterns]) -> _Counts:
        """Also by neuron, which may be known from before: most batches are of one size."""
        if known.by_member == patterns:
            return known
        numbers = torch.tensor(patterns, dtype=torch.float64, device=self.device)
        return _Counts(list(patterns), numbers.repeat_interleave(self._repeats))
