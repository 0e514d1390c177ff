"""How long a run will still take, by what it took so far and by what such runs take."""

from __future__ import annotations

import time
from collections.abc import Callable

SMOOTHING = 0.2  # weight of the newest estimate of the time left
SMALLEST = 1e-3  # share of a run that is left when it is taken up


class TimeLeft:
    """Time left of one run, from the share of its longest possible length that this sitting has done.

    expected  seconds that the whole run is expected to take, or None if nobody knows
    """

    def __init__(self, expected: float | None, *, now: Callable[[], float] = time.monotonic) -> None:
        self.expected, self._now = expected, now
        self._start: tuple[float, float] | None = None
        self._end: float | None = None  # smoothed time at which the longest possible run would end

    def update(self, fraction: float) -> None:
        """The run has come so far; the first call of a sitting says where it was taken up."""
        now = self._now()
        if self._start is None:
            self._start = now, fraction
        began, first = self._start
        if fraction > first and now > began:
            end = now + (1 - fraction) * (now - began) / (fraction - first)
            self._end = end if self._end is None else (1 - SMOOTHING) * self._end + SMOOTHING * end

    def whole(self) -> float | None:
        """What the whole run takes, as far as that is known by now."""
        left = self.seconds()
        if left is None or self._start is None:
            return left
        began, first = self._start
        return (self._now() - began + left) / max(1 - first, SMALLEST)

    def seconds(self) -> float | None:
        """What is left: as long as expected, at most as long as the longest possible run."""
        longest = None if self._end is None else max(self._end - self._now(), 0.0)
        if self.expected is None or self._start is None:
            return longest if longest is not None else self.expected
        began, first = self._start
        expected = self.expected * (1 - first) - (self._now() - began)
        if longest is None:
            return max(expected, 0.0)
        return min(expected, longest) if expected > 0 else longest
