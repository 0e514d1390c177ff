"""Headroom, measured: for each site of a network, the share of δ that a function of its inputs explains elsewhere.

The network stands still, in evaluation mode. One forward and one backward pass of every batch give what each site is
called with, and δ = ∂L/∂y' of every call. Batches are dealt to folds; learners (`pbgraph.dendrites.learners`) are
fitted to batches of other folds than the one that they are read on, each in turn, so that every row is read once. Rows
of one batch, and so of one molecule, are in one fold. `pbgraph.headroom` says what the shares mean.

A network whose sites have no headroom has no use for dendrites at them: what candidates would follow there is memory
of rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn

from pbgraph.dendrites.chance import enough_draws
from pbgraph.dendrites.copies import copy_of
from pbgraph.dendrites.errors import SiteError, TrainingError, unreached_sites
from pbgraph.dendrites.insight import frozen
from pbgraph.dendrites.kept import KeptBatch, kept_batch
from pbgraph.dendrites.learners import Calls, Fitting, by_module, by_ridge
from pbgraph.dendrites.modes import evaluating
from pbgraph.dendrites.perforation import perforate, sites_of
from pbgraph.dendrites.recipe import checked_loss
from pbgraph.dendrites.scaling import Scaling
from pbgraph.dendrites.selection import Wanted
from pbgraph.dendrites.sites import Site
from pbgraph.errors import UsageError
from pbgraph.headroom import Headroom, SiteHeadroom
from pbgraph.stages import each, stage
from pbgraph.streams import generator, seeded

LEARNERS = 2  # of a site at the most
LEAST_FOLDS = 3  # one to be fitted to, one to choose the epoch by, one to be read


def headroom(
    model: nn.Module,
    batches: Iterable[Any],
    loss_fn: Callable[[nn.Module, Any], Tensor],
    *,
    sites: Sequence[Wanted] | Wanted | None = None,
    folds: int = 4,
    epochs: int = 20,
    hidden: int = 32,
    draws: int = 999,
    seed: int = 0,
    inputs: Literal["standardised", "raw"] = "standardised",
) -> Headroom:
    """Whether there is anything at the sites of a network that a dendrite could learn and that generalises.

    model    perforated, or plain: then a copy of it is perforated, with `sites` as of `perforate`
    batches  of training rows, in random order and of about equal size, each in one fold: more than a few per fold
    loss_fn  (model, batch) -> scalar, as of `Growth.step`
    folds    3 or more; all batches but those of two folds are fitted to at a time
    epochs   of the learners that are trained, the best of which is chosen on a fold that is neither fitted nor read
    hidden   units that these have at the least: a site with fewer neurons gets several copies of its module
    draws    shifts of δ by which chance is told; more for so many sites that no p-value could else be low enough
    seed     of the streams "headroom/..."
    inputs   of the modules that are trained: "standardised" over the fitted rows where they are rows that belong to
             those of the output, so that their units do not matter, or "raw", as the site gets them
    The model is left as it was, and torch's random streams where they were. Each batch is used once; what is kept of
    it, in memory, is every site's inputs and δ.
    Raises UsageError for a number out of range, fewer batches than folds, or batches of which none can be shifted;
    SiteError if the loss does not reach a site in any batch; TrainingError for what is no loss, and if δ or what a
    learner is called with is not finite. Sites that fewer batches reach than there are folds are in `few`.

    >>> model = nn.Sequential(nn.Linear(3, 1))
    >>> batches = [(x := torch.randn(32, 3), x[:, :1].sin()) for _ in range(6)]
    >>> found = headroom(model, batches, lambda model, b: (model(b[0]) - b[1]).square().mean(), folds=3, epochs=2)
    >>> found.sites["0"].ridge.held_out > 0.5  # an untrained layer has most of its errors before it
    True
    """
    for name, value, least in (
        ("folds", folds, LEAST_FOLDS),
        ("epochs", epochs, 1),
        ("hidden", hidden, 1),
        ("draws", draws, 19),
    ):
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise UsageError(f"headroom was given {name}={value!r}; it must be a whole number of at least {least}")
    if inputs not in ("standardised", "raw"):
        raise UsageError(f"headroom was given inputs={inputs!r}; it must be 'standardised' or 'raw'")
    with seeded(seed, "headroom"):
        model = _perforated(model, sites)
        with stage("collecting errors"):
            kept = _recorded(model, batches, loss_fn)
        if len(kept) < folds:
            raise UsageError(
                f"headroom was given {len(kept)} batches for {folds} folds, and a batch is in one fold: make the "
                "batches smaller, so that there are a few for each fold"
            )
        order = torch.randperm(len(kept), generator=generator(seed, "headroom/folds")).tolist()
        dealt = {number: place % folds for place, number in enumerate(order)}
        known = sites_of(model)
        draws = enough_draws(LEARNERS * len(known), draws)
        fitting = Fitting((dealt, folds), epochs, hidden, draws, seed, inputs == "standardised")
        with stage("looking for headroom"):
            found = {name: _of_site(site, kept, fitting) for name, site in each(list(known.items()))}
    few = {name: sum(_has_rows(name, batch) for batch in kept) for name, one in found.items() if one is None}
    if missing := [name for name, count in few.items() if not count]:
        raise unreached_sites(missing)
    if len(few) == len(found):
        name, count = next(iter(few.items()))
        raise UsageError(
            f"headroom was given {len(kept)} batches, of which {count} reach site {name!r}, and so few or fewer the "
            f"others, for {folds} folds: give more batches"
        )
    return Headroom({name: one for name, one in found.items() if one is not None}, folds, len(kept), few)


def _perforated(model: nn.Module, sites: Sequence[Wanted] | Wanted | None) -> nn.Module:
    """The model, if it has sites; else a copy of it that has."""
    known = sites_of(model)
    if not known:
        return perforate(copy_of(model), sites)
    if sites is not None:
        raise UsageError("headroom was given sites for a model that is perforated already: leave them out")
    if busy := [name for name, site in known.items() if site.candidates]:
        raise SiteError(f"site {busy[0]!r} has candidates in it: a growth of this model is in a dendrite phase")
    return model


def _recorded(model: nn.Module, batches: Iterable[Any], loss_fn: Callable[[nn.Module, Any], Tensor]) -> list[KeptBatch]:
    """What every batch shows of the sites."""
    sites = sites_of(model)
    kept = []
    with evaluating(model) as still, frozen(model):
        for batch in batches:
            with still:
                kept.append(kept_batch(sites, partial(checked_loss, loss_fn, model, batch), Scaling(None)))
    if bad := [name for name in sites if not _finite(name, kept)]:
        raise TrainingError(f"the loss has no finite gradient at site {bad[0]!r}: look at the batches")
    return kept


def _finite(site: str, kept: Sequence[KeptBatch]) -> bool:
    return all(bool(call.delta.isfinite().all()) for batch in kept for call in batch.sites.get(site, ()))


def _has_rows(site: str, batch: KeptBatch) -> bool:
    return any(call.delta.numel() for call in batch.sites.get(site, ()))


def _of_site(site: Site, kept: Sequence[KeptBatch], fitting: Fitting) -> SiteHeadroom | None:
    """None for a site that has rows in fewer batches than there are folds.

    Where it has some in enough batches, but these are in too few folds, its own batches are dealt anew.
    """
    own = {number: batch.sites.get(site.name, ()) for number, batch in enumerate(kept)}
    batches: Mapping[int, Calls] = {n: calls for n, calls in own.items() if _has_rows(site.name, kept[n])}
    dealt, folds = fitting.folds
    if len(batches) < folds:
        return None
    if len({dealt[number] for number in batches}) < folds:
        order = sorted(batches, key=lambda number: (dealt[number], number))
        fitting = replace(fitting, folds=({number: place % folds for place, number in enumerate(order)}, folds))
    rows = sum(call.delta.numel() for calls in batches.values() for call in calls) // site.known_channels
    return SiteHeadroom(site.known_channels, rows, by_ridge(site, batches, fitting), by_module(site, batches, fitting))
