"""Perforated dendrites for any torch module: an independent implementation of Perforated Backpropagation.

    model = perforate(model)                    # or sites=["encoder.*", "head"]; report_of(model) tells what it found
    growth = Growth(model, make_optimizer, patience=10, max_dendrites=3)        # settings: see GrowthSettings
    while not growth.finished:
        for batch in loader:
            growth.step(loss_fn, batch)
        growth.epoch_end(validation_score)
    growth.restore_best()
    growth.insight(batches)                     # what each dendrite contributes; see pbgraph.insight
    plain = export(model)                       # no bookkeeping left in it

A loop that is somebody else's is given ``growth.as_optimizer()``; see `pbgraph.dendrites.loop`, and the adapters
`pbgraph.dendrites.lightning`, `.huggingface` and `.skorch`.

An option of growth is a field of `settings.GrowthSettings`, read where it acts: `allotment` (which sites get one),
`candidates` (how they begin, and which is accepted), `objective` (what they maximise), `switching` (when phases end),
`phases` (what follows on what), `forward` (what a site computes).

Source: Brenner & Itti, arXiv:2501.18018.
"""

from pbgraph.dendrites.averages import AveragedModel
from pbgraph.dendrites.dendrite import Dendrite, Errors
from pbgraph.dendrites.discovery import SiteReport
from pbgraph.dendrites.errors import SiteError, TrainingError, WrongTypeError
from pbgraph.dendrites.export import export, load_network, save_network
from pbgraph.dendrites.growth import Growth
from pbgraph.dendrites.headroom import headroom
from pbgraph.dendrites.insight import dendrite_insight
from pbgraph.dendrites.loop import GrowthOptimizer, GrowthScheduler
from pbgraph.dendrites.perforation import perforate, report_of, sites_of
from pbgraph.dendrites.recurrence import SiteState
from pbgraph.dendrites.settings import GrowthSettings
from pbgraph.dendrites.sites import PerforatedSite, Site
from pbgraph.dendrites.switching import Status

__all__ = [
    "AveragedModel",
    "Dendrite",
    "Errors",
    "Growth",
    "GrowthOptimizer",
    "GrowthScheduler",
    "GrowthSettings",
    "PerforatedSite",
    "Site",
    "SiteError",
    "SiteReport",
    "SiteState",
    "Status",
    "TrainingError",
    "WrongTypeError",
    "dendrite_insight",
    "export",
    "headroom",
    "load_network",
    "perforate",
    "report_of",
    "save_network",
    "sites_of",
]
