"""What can be wrong with a network that is to grow dendrites."""

from __future__ import annotations

from pbgraph.errors import PbgraphError


class SiteError(PbgraphError):
    """A site that cannot be one, or that does not behave as one; the message names it and says what to do."""


class TrainingError(PbgraphError):
    """Training that cannot go on, e.g. a loss that is not finite; the message names the phase and says what to do."""
