"""Shapes of a kernel's arguments, written down and checked.

A word for each argument, in which a letter has one value everywhere:

    N,H,C+2     an array of these three sizes
    E<N         E indices, each in [0, N)
    N+1@E       N + 1 pointers that cut [0, E) into N consecutive slices
    -           no array
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Size = tuple[str, int]  # a letter, or "" for none, and what is added to it
_REMEMBERED = 64


class Shapes:
    """The words above, parsed.

    >>> import numpy as np
    >>> Shapes("N,C 2,C").check("f", [np.zeros((4, 3)), np.zeros((2, 3))])
    >>> Shapes("N,C 2,C").check("f", [np.zeros((4, 3)), np.zeros((2, 5))])
    Traceback (most recent call last):
    ValueError: f got arrays of shapes (4, 3) (2, 5); expected N,C 2,C
    """

    def __init__(self, text: str) -> None:
        self.text = text
        words = [_parsed(word) for word in text.split()]
        self._sizes = [(place, sizes) for place, (sizes, _, _) in enumerate(words) if sizes]
        self._indices = [(place, mark, size) for place, (_, mark, size) in enumerate(words) if mark]
        self._fitting: set[tuple[Any, ...]] = set()  # shapes that were found to fit together

    def check(
        self,
        name: str,
        arrays: Sequence[Any],
        within: Callable[[Any, int], bool] | None = None,
        partition: Callable[[Any, int], bool] | None = None,
    ) -> None:
        """Raises ValueError unless the arguments of kernel `name` are as written down.

        within, partition  see `pbgraph.ops.indices_kernels`; needed where there are indices or pointers
        """
        if not self.text:
            raise ValueError(f"kernel {name} was given no shapes, so it cannot be called safely")
        shapes = tuple([arrays[place].shape for place, _ in self._sizes])
        if shapes in self._fitting:
            return
        self._check_indices(name, arrays, self._letters(name, arrays), {"<": within, "@": partition})
        if not self._indices and len(self._fitting) < _REMEMBERED:
            self._fitting.add(shapes)

    def _letters(self, name: str, arrays: Sequence[Any]) -> dict[str, int]:
        """The value of each letter; raises ValueError if it has several."""
        known: dict[str, int] = {"": 0}
        for place, sizes in self._sizes:
            shape = arrays[place].shape
            if len(shape) != len(sizes):
                raise self._mismatch(name, arrays)
            for actual, (letter, more) in zip(shape, sizes, strict=True):
                value = actual - more
                if known.setdefault(letter, value) != value or value < 0:
                    raise self._mismatch(name, arrays)
        return known

    def _check_indices(
        self,
        name: str,
        arrays: Sequence[Any],
        known: Mapping[str, int],
        checks: Mapping[str, Callable[[Any, int], bool] | None],
    ) -> None:
        for place, mark, (letter, more) in self._indices:
            limit, check = known[letter] + more, checks[mark]
            assert check is not None
            if not check(arrays[place], limit):
                expected = f"indices in [0, {limit})" if mark == "<" else f"pointers that rise from 0 to {limit}"
                raise ValueError(f"{name} got an argument {place + 1} that is none of {expected}")

    def _mismatch(self, name: str, arrays: Sequence[Any]) -> ValueError:
        shapes = " ".join(str(getattr(array, "shape", "-")) for array in arrays)
        return ValueError(f"{name} got arrays of shapes {shapes}; expected {self.text}")


def _parsed(word: str) -> tuple[list[Size], str, Size]:
    """Sizes of an array, and what it points into, marked "<" or "@"."""
    if word == "-":
        return [], "", ("", 0)
    for mark in "<@":
        if mark in word:
            sizes, _, target = word.partition(mark)
            return [_size(sizes)], mark, _size(target)
    return [_size(part) for part in word.split(",")], "", ("", 0)


def _size(text: str) -> Size:
    letter, _, more = text.partition("+")
    return ("", int(letter)) if letter.isdigit() else (letter, int(more or 0))
