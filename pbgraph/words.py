"""Numbers as people write them, and text as it can be shown."""

from __future__ import annotations

from collections.abc import Sequence


def printable(text: str) -> str:
    r"""Text in one line in which whatever cannot be seen, such as what commands a terminal, stands as its number.

    >>> print(printable("a\x1b[31mb"))
    a\x1b[31mb
    """
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text)


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
