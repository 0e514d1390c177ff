"""What can be wrong with a network that is to grow dendrites."""

from __future__ import annotations

from collections.abc import Sequence

from pbgraph.errors import PbgraphError, UsageError


class SiteError(PbgraphError):
    """A site that cannot be one, or that does not behave as one; the message names it and says what to do."""


class TrainingError(PbgraphError):
    """Training that cannot go on, e.g. a loss that is not finite; the message names the phase and says what to do."""


class WrongTypeError(UsageError, TypeError):
    """An argument that is no such thing as it has to be; the message names it and says what to give."""


def unreached_sites(names: Sequence[str], *, called: bool = True) -> SiteError:
    """The error for sites that cannot learn; called: whether they are called at all."""
    first, *others = map(repr, names)
    nor = f" (nor {', '.join(others)})" if others else ""
    if not called:
        return SiteError(
            f"site {first} was never called in training{nor}, so it cannot grow dendrites: leave it out of the sites, "
            "or call it; if its parts are called one by one, name these"
        )
    return SiteError(
        f"site {first} gets no gradient{nor}: it is not called, or called under torch.no_grad(), or its output does "
        "not reach the loss; leave it out of the sites"
    )
