"""What a check found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pbgraph.errors import Interrupted, PbgraphError
from pbgraph.terminal import visible_cell


@dataclass(frozen=True)
class Findings:
    """counts: what was looked at -> how many; wrong, unchecked: one line each, safe to print."""

    counts: Mapping[str, int] = field(default_factory=dict)
    wrong: tuple[str, ...] = ()
    unchecked: tuple[str, ...] = ()

    def __add__(self, other: Findings) -> Findings:
        names = {**self.counts, **other.counts}
        counts = {name: self.counts.get(name, 0) + other.counts.get(name, 0) for name in names}
        return Findings(counts, self.wrong + other.wrong, self.unchecked + other.unchecked)


def findings(counts: Mapping[str, int], wrong: Iterable[str], unchecked: Iterable[str] = ()) -> Findings:
    """What was found, its lines made visible."""
    return Findings(dict(counts), tuple(map(visible_cell, wrong)), tuple(map(visible_cell, unchecked)))


def guarded(where: object, check: Callable[..., Iterable[str]], *arguments: Any) -> list[str]:
    """What a check of these arguments says is wrong; that a check itself breaks is wrong as well."""
    try:
        return list(check(*arguments))
    except Interrupted:
        raise
    except PbgraphError as error:
        return [str(error)]
    except Exception as error:  # of content that no run writes
        return [f"{where} cannot be checked: {type(error).__name__}: {error}"]
