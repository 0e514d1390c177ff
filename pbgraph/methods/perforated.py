"""`perforated`: a network that grows dendrites by Perforated Backpropagation.

Training alternates between two phases. In the *neuron phase* the network is trained as always. When
validation stops improving, the *dendrite phase* freezes it and trains, at every site, a candidate dendrite: a
copy of the site with weights of its own whose activation should follow the error δ that the site still makes,

    maximise  S_i = | Σ_p (a_ip − ā_i)(δ_ip − δ̄_i) |      for every neuron i over the patterns p.

The candidate is then accepted: each neuron receives its dendrite's activation through one new weight w_i,

    y'_i = y_i + w_i a_i,    w_i = 0 at first, so acceptance changes nothing,

and the next neuron phase learns how to use it. Errors never flow through dendrites ("perforated"). If the
network does not become better by validation score, the dendrites are dropped and others are tried.
Candidates are trained by the optimiser of the network, weight decay and all, at a constant rate.
`pbgraph.dendrites` holds all of this, for any network; this file is the loop that uses it.

Source: Brenner & Itti, arXiv:2501.18018; Fahlman & Lebiere, The Cascade-Correlation Learning Architecture, NIPS 1990.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from statistics import fmean
from typing import Literal, cast

import numpy as np
import torch
from torch.optim.lr_scheduler import LambdaLR

from pbgraph.dendrites import Errors, Growth, GrowthSettings, perforate
from pbgraph.fields import LATER, field_names
from pbgraph.history import Phase, Selection
from pbgraph.methods import first_phase, roles
from pbgraph.methods.base import FitJob, Fitted, Method
from pbgraph.methods.optimizers import make_optimizer
from pbgraph.methods.plain import CycleSettings
from pbgraph.methods.restore import network_saver
from pbgraph.methods.rows import rows_of_epoch
from pbgraph.methods.session import Session
from pbgraph.methods.sites import Sites, sites_with_headroom
from pbgraph.methods.training import (
    TRAIN_SPACE,
    LossFunction,
    build_model,
    evaluation_batches,
    graphs_of,
    make_loss,
    make_predictor,
    parameter_count,
    rate_factor,
    refuses_estimators,
    steps_per_epoch,
    validation_score,
)
from pbgraph.models.base import Architecture, sites_in
from pbgraph.spaces import Choice, Real, Space

RULE = "best validation score over the whole run"


@dataclass(frozen=True, kw_only=True)
class PerforatedSettings(CycleSettings):
    """Settings of gradient training, which hold for every neuron phase, and of growth.

    cycle_epochs       longest neuron phase after the first (which has `epochs`)
    max_dendrites      accepted dendrites per site
    max_tries          dendrites tried in a row without a better network before growth stops
    dendrite_epochs    longest dendrite phase
    dendrite_patience  it ends after so many epochs in which no site's score rose by `threshold`, relative
    threshold          relative rise of a site's score that counts
    priming_batches    batches that only start the running means
    activation         g of the dendrites: "tanh", "sigmoid" or "relu"
    objective          "normalised" or "raw" covariance, or "correlation", the full gradient of |corr|
    pool               candidates per site that are trained side by side; the best is accepted
    snapshot           which weights of a candidate are accepted: the best of each "layer" or of each "neuron"
    init_scale         factor on the candidates' initial weights
    initial_w          size of the output weights w at acceptance; 0 changes nothing at first
    dendrites_trainable  whether accepted dendrites are trained in neuron phases too
    switching          "history": a phase ends by patience or at its length; "fixed": at its length alone
    accept_margin      dendrites are kept if the network becomes better by more than so many times the spread of its
                       validation scores from epoch to epoch; one that is better by less is not kept
    delta              errors that candidates follow: of the network in "training" mode, with dropout, or "clean", in
                       evaluation mode, where they are kept and later epochs cost the candidates' own passes alone
    score_rows         by which rows candidates are judged: "all" that they are trained on, or "held-out": about a
                       fifth of the training molecules, always the same. A site that is not above chance there gets no
                       dendrite
    sites              where dendrites may grow: "all" sites that the model names; names or patterns, joined by +, as in
                       blocks.*.conv+logits; or "headroom", those with headroom when dendrites are to grow, or
                       headroom:0.01, those with a larger share than that
    grow_at            the first neuron phase ends after so many epochs, a whole number, or after a share of `epochs`
    """

    cycle_epochs: int = 200
    max_dendrites: int = 5
    max_tries: int = 1
    dendrite_epochs: int = 200
    dendrite_patience: int = 100
    threshold: float = 0.25
    priming_batches: int = 10
    activation: str = "tanh"
    objective: str = "normalised"
    pool: int = 1
    snapshot: str = "layer"
    init_scale: float = 1.0
    initial_w: float = 0.0
    dendrites_trainable: bool = False
    switching: str = "history"
    accept_margin: float = field(default=0.0, metadata=LATER)
    grow_at: int | float | None = field(default=None, metadata=LATER)
    delta: Literal["training", "clean"] = field(default="training", metadata=LATER)
    score_rows: Literal["all", "held-out"] = field(default="all", metadata=LATER)
    sites: str = field(default="all", metadata=LATER)

    def __post_init__(self) -> None:
        super().__post_init__()
        growth_settings(self)  # says which value is out of range
        Sites.of(self.sites)


GROWTH_SPACE: Space = {
    **TRAIN_SPACE,
    "cycle_epochs": Choice(10, 15, 30),
    "max_dendrites": Choice(1, 2, 3),
    "dendrite_epochs": Choice(6, 12, 20),
    "activation": Choice("tanh", "sigmoid", "relu"),
    "init_scale": Real(0.3, 3.0, log=True),
    "dendrites_trainable": Choice(False, True),
    "objective": Choice("normalised", "correlation"),
    "accept_margin": Choice(0.0, 1.0, 2.0),
    "restart": Choice("peak", "end", 0.1, 0.3),
    "grow_at": Choice(None, 0.1, 0.25, 0.5),
    "delta": Choice("training", "clean"),
    "score_rows": Choice("all", "held-out"),
    "sites": Choice("all", "headroom"),
}


def growth_settings(settings: PerforatedSettings) -> GrowthSettings:
    """The part of the settings that governs growth, in the words of `pbgraph.dendrites`."""
    shared = field_names(GrowthSettings) & field_names(type(settings))
    return GrowthSettings(
        **{name: getattr(settings, name) for name in shared},
        max_epochs=settings.epochs,
        dendrite_max_epochs=settings.dendrite_epochs,
    )


def longest_run(settings: PerforatedSettings) -> int:
    """Epochs if every phase takes its full length and only the last dendrites fail."""
    cycles = settings.max_dendrites + settings.max_tries - 1 if settings.max_dendrites else 0
    return _first_phase(settings)["longest"] + cycles * (settings.dendrite_epochs + settings.cycle_epochs)


def fit(job: FitJob) -> Fitted:
    """Train, grow, train; keep the best network of the whole run by validation score."""
    return fit_growing(job)


def fit_growing(job: FitJob, *, errors: Errors = "perforated") -> Fitted:
    """As `fit`; errors: whether they flow "through" dendrites, as in a control, or not."""
    assert isinstance(job.model, Architecture)
    settings: PerforatedSettings = job.settings
    loss_fn = make_loss(job)
    network, sites = build_model(job), Sites.of(settings.sites)
    names = tuple(network.state_dict())
    growth = Growth(
        perforate(network, sites=sites.patterns or sites_in(job.model, network)),
        make_optimizer(settings, network),
        settings=growth_settings(settings).changed({"errors": errors}),
        seed=job.seed,
        make_scheduler=partial(_scheduler, job),
        choose_sites=None if sites.threshold is None else partial(sites_with_headroom, job, sites.threshold),
    )
    session = Session(
        job,
        {"growth": growth},
        longest=longest_run(settings),
        status=lambda: (growth.phase, growth.best_score, growth.dendrites),
    )
    _take_first_phase(job, growth, session, loss_fn)
    while not growth.finished:
        rows = rows_of_epoch(job, growth.phase, session.epoch)
        for batch in session.batches(rows.batches):
            session.add_loss(growth.step(loss_fn, batch, held_out=session.step >= rows.fitted))
        plain = not growth.dendrites
        _end_epoch(job, growth, session, loss_fn)
        if plain:
            weights = dict(zip(names, growth.best_weights.values(), strict=True))
            first_phase.keep_at_its_end(job, session, weights, **_first_phase(settings))
    growth.restore_best()
    return Fitted(
        predict=make_predictor(growth.model, job),
        state=network_saver(growth.model, job),
        parameters=parameter_count(growth.model),
        epochs=session.epoch,
        selection=Selection(RULE, growth.best_epoch, growth.best_score),
        history=tuple(session.history),
        details={"dendrites": growth.dendrites, "events": growth.events},
        correlations=_means(growth.correlations),
        dendrites=growth.insight(evaluation_batches(graphs_of(job.valid))),
        earlier_seconds=session.earlier_seconds,
        sittings=session.sittings,
    )


def _first_phase(settings: PerforatedSettings) -> first_phase.Ends:
    """When the first neuron phase ends."""
    longest = growth_settings(settings).first_epochs or settings.epochs
    return {"longest": longest, "patience": None if settings.switching == "fixed" else settings.patience}


def _take_first_phase(job: FitJob, growth: Growth, session: Session, loss_fn: LossFunction) -> None:
    """Begin after the first neuron phase if another run has left it, and this one has not begun."""
    if session.begun or (first := first_phase.known(job, **_first_phase(job.settings))) is None:
        return
    batch = graphs_of(job.train).batch(np.arange(min(int(job.settings.batch_size), len(job.train))))
    growth.adopt(dict(zip(growth.model.state_dict(), first.weights.values(), strict=True)), loss_fn, batch)
    for line in first.lines:
        growth.count_epoch(cast(float, line.train_loss), line.learning_rate)
        assert growth.phase == "neuron"
        status = growth.epoch_end(line.valid)
    assert status.switched is not None
    session.go_on_after(first.lines, first.seconds)


def _end_epoch(job: FitJob, growth: Growth, session: Session, loss_fn: LossFunction) -> None:
    """Score the network, let growth decide what comes next, and write the epoch's line of history.

    Of dendrites that are accepted it is told how they do on validation rows, before they are trained with.

    A dendrite phase does not change the network, so its score is the one the phase began with.
    """
    phase, dendrites, rate = growth.phase, growth.dendrites, growth.learning_rate
    score = validation_score(growth.model, job, session.epoch) if phase == "neuron" else growth.best_score
    status = growth.epoch_end(score)
    if status.switched == "accept":
        growth.correlate(evaluation_batches(graphs_of(job.valid)), loss_fn)
    site_scores = status.site_scores.values()
    session.end_epoch(
        phase=phase,
        dendrites=dendrites,
        valid=score,
        learning_rate=rate,
        score=sum(site_scores) / len(site_scores) if site_scores else None,
        save=status.switched is not None,
    )


def _means(correlations: Mapping[str, Sequence[Sequence[float]]]) -> dict[str, tuple[float | None, ...]]:
    """Over the neurons of each dendrite; nothing at all where no dendrite has any."""
    means = {site: tuple(fmean(own) if own else None for own in tried) for site, tried in correlations.items()}
    return means if any(one is not None for tried in means.values() for one in tried) else {}


def _scheduler(job: FitJob, optimizer: torch.optim.Optimizer, phase: Phase, dendrites: int) -> LambdaLR:
    """Neuron phases follow the settings' schedule; candidates are trained at a constant rate."""
    epochs = job.settings.cycle_epochs if dendrites else job.settings.epochs
    factor = rate_factor(job.settings, steps_per_epoch(job), epochs)
    return LambdaLR(optimizer, factor if phase == "neuron" else lambda _: 1.0)


PERFORATED = Method(
    name=roles.PERFORATED,
    version=2,
    settings=PerforatedSettings,
    fit=fit,
    refuses=refuses_estimators,
    source="Brenner & Itti, arXiv:2501.18018 (independent implementation)",
    space=GROWTH_SPACE,
)
