"""Numbers as people write them, and text as it can be shown."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from pbgraph.errors import UsageError

MOST_SEEDS = 10_000
MOST_DIGITS = 100  # of a number that somebody gives
DECIMALS = 4  # of numbers from a tenth to a thousand


def ranges(numbers: Sequence[int]) -> str:
    """Sorted numbers, neighbours joined.

    >>> ranges([70, 68, 69, 100])
    '68-70, 100'
    """
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def plural(count: int, what: str) -> str:
    """How many there are of something.

    >>> plural(1, "run"), plural(0, "run"), plural(1234, "molecule")
    ('1 run', '0 runs', '1,234 molecules')
    """
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def parse_seeds(text: str) -> list[int]:
    """Numbers and ranges, joined by commas, as `ranges` writes them. Raises UsageError for anything else.

    >>> parse_seeds("68-70, 100")
    [68, 69, 70, 100]
    """
    return [number for part in text.split(",") for number in _range(part.strip())]


def _range(text: str) -> range:
    first, dash, last = text.partition("-")
    start, stop = whole(first), whole(last) if dash else whole(first)
    if start is None or stop is None:
        raise UsageError(f"seed {text!r:.200} is neither a number nor a range such as 68-72")
    if stop < start:
        raise UsageError(f"seeds {text} run backwards; did you mean {stop}-{start}?")
    if stop >= 2**63 or stop - start >= MOST_SEEDS:
        raise UsageError(f"seeds {text}: expected numbers below 2^63, and {MOST_SEEDS} of them at the most")
    return range(start, stop + 1)


def whole(text: str) -> int | None:
    """The number that a text is, in digits alone and up to MOST_DIGITS of them; None for any other text.

    >>> whole("68"), whole("-1"), whole("\u0663")
    (68, None, None)
    """
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= MOST_DIGITS else None


def span(text: str) -> int | None:
    """The seconds that a text says: as hours, minutes and seconds, or as SLURM writes them; None for any other text.

    >>> span("3h50m"), span("4:00:00"), span("1-12:00:00"), span("4")
    (13800, 14400, 129600, None)
    """
    words = re.fullmatch(r"(?:(\d{1,4})d)?(?:(\d{1,5})h)?(?:(\d{1,6})m)?(?:(\d{1,8})s)?", text, re.ASCII)
    clock = re.fullmatch(r"(?:(\d{1,4})-)?(\d{1,5}):(\d{2}):(\d{2})", text, re.ASCII)
    found = words or clock
    if found is None or not text:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def duration(seconds: float | None) -> str:
    """Hours, minutes and seconds for people.

    >>> duration(75), duration(4000), duration(None)
    ('1:15', '1:06:40', '-')
    """
    if seconds is None:
        return "-"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def figure(value: float, scale: float = 1.0, *, sign: str = "") -> str:
    """A number among others of a magnitude: four decimals, more where they are small, fewer where they are large.

    scale  the smallest of those that it stands beside; what is below 0.00000001 or above a billion has an exponent
    sign   "+" to have a sign before positive numbers, too

    >>> figure(0.85), figure(3.2e-6, 1.5e-6), figure(-40321.5, 40000.0), figure(2.5e12, 2.5e12, sign="+")
    ('0.8500', '0.000003200', '-40321.50', '+2.500e+12')
    """
    place = math.floor(math.log10(scale)) if 0 < scale < math.inf else 0
    if not -8 <= place <= 8:
        return f"{value:{sign}.3e}"
    decimals = DECIMALS if -1 <= place <= 2 else max(3 - place if place < 0 else 6 - place, 0)
    return f"{value:{sign}.{decimals}f}"
