"""Whether what new dendrites have learnt holds elsewhere: their correlations with the errors of other rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from pbgraph.dendrites.insight import frozen
from pbgraph.dendrites.kept import kept_batch
from pbgraph.dendrites.modes import evaluating
from pbgraph.dendrites.objective import CandidateStatistics, Moments
from pbgraph.dendrites.outputs import rows_of
from pbgraph.dendrites.perforation import sites_of
from pbgraph.dendrites.recipe import checked_loss
from pbgraph.dendrites.scaling import Scaling
from pbgraph.streams import seeded


def signed_correlations(
    model: nn.Module,
    batches: Iterable[Any],
    loss_fn: Callable[[nn.Module, Any], Tensor],
    signs: Mapping[str, Sequence[float]],
) -> dict[str, tuple[float, ...]]:
    """Site -> (C,): corr(a, δ) of its last dendrite over these batches, times a sign for each neuron.

    signs  of the sites that are asked for; sites without a row are left out
    The network is in evaluation mode, and is left as it was.
    """
    sites = {name: site for name, site in sites_of(model).items() if name in signs}
    found: dict[str, CandidateStatistics] = {}
    with evaluating(model) as still, frozen(model):
        for batch in batches:
            with still, seeded(0, "clean"):
                kept = kept_batch(sites, partial(checked_loss, loss_fn, model, batch), Scaling(None))
            for name, calls in kept.sites.items():
                axis = sites[name].axis
                a, delta = (
                    torch.cat([rows_of(one, axis) for one in rows])
                    for rows in ([call.earlier[-1] for call in calls], [call.delta for call in calls])
                )
                if len(a):
                    channels = sites[name].known_channels
                    found.setdefault(name, CandidateStatistics(channels, a.device)).update(Moments.of(a, delta))
    return {name: _signed(statistics, signs[name]) for name, statistics in found.items()}


def _signed(statistics: CandidateStatistics, signs: Sequence[float]) -> tuple[float, ...]:
    values = statistics.score() * statistics.signs()
    return tuple((values.cpu() * torch.tensor(signs, dtype=values.dtype)).tolist())
