"""An arm: a model and the method that trains it. The runs of one arm differ in their seeds alone."""

from __future__ import annotations

from dataclasses import dataclass

from pbgraph.errors import UsageError


@dataclass(frozen=True, order=True)
class Arm:
    """A row of a table, written "model/method".

    >>> str(Arm("trimnet", "perforated"))
    'trimnet/perforated'
    """

    model: str
    method: str

    def __str__(self) -> str:
        return f"{self.model}/{self.method}"


def parse_arm(text: str) -> Arm:
    """Read "model/method"; raises UsageError unless it is two names with a slash between them.

    >>> parse_arm("trimnet/perforated")
    Arm(model='trimnet', method='perforated')
    """
    model, _, method = text.partition("/")
    if not model or not method or "/" in method:
        raise UsageError(f"arm {text!r:.200} is not MODEL/METHOD; write a model and a method, as in trimnet/perforated")
    return Arm(model, method)
