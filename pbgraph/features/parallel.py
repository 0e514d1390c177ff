"""Many structures at a time: in several processes where starting them pays."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

PART = 2_000  # structures that a process reads at a time: what RDKit says of them are Python objects until it is arrays
START = 2.0  # seconds that starting the processes takes

T = TypeVar("T")


def in_parts(
    function: Callable[[Sequence[str], int], T],
    smiles: Sequence[str],
    *,
    seconds_each: float,
    processes: int | None = None,
    done: Callable[[int], None] = lambda _: None,
) -> Iterator[T]:
    """function(part, position of its first one) for successive parts of `smiles`, in order.

    function      importable by another process
    seconds_each  what one structure costs, roughly
    processes     None: as many as there are cores, where that saves more than it costs
    done          told how many structures more were read, after each part
    No structures are one empty part.
    The number of processes does not change the result.
    """
    parts = [(smiles[first : first + PART], first) for first in range(0, max(len(smiles), 1), PART)]
    if processes is None:
        processes = _worthwhile(len(smiles) * seconds_each)
    for (part, _), result in zip(parts, _results(function, parts, processes), strict=True):
        done(len(part))
        yield result


def _worthwhile(seconds: float) -> int:
    from joblib import cpu_count  # type: ignore[import-untyped]

    return int(cpu_count()) if seconds > 2 * START else 1


def _results(
    function: Callable[[Sequence[str], int], T], parts: Sequence[tuple[Sequence[str], int]], processes: int
) -> Iterator[T]:
    if processes == 1:
        return (function(*part) for part in parts)
    from joblib import Parallel, delayed

    found: Iterator[T] = Parallel(n_jobs=processes, return_as="generator")(delayed(function)(*part) for part in parts)
    return found
