"""Growth: which phase a perforated network is in, and when it passes to the next.

1. Neuron phase: the task's loss trains M, all w and everything that is no site, until `patience` epochs bring no
   new best score. Then the best weights so far are restored.
2. Dendrite phase: the network stands still; candidates are trained until no site has improved for
   `dendrite_patience` epochs. Each site keeps its best snapshot.
3. The snapshots are accepted with w = 0, which leaves the network's function bit for bit as it was. Optimiser and
   schedule are built anew at every switch.
4. If the neuron phase that follows never beats the best score so far, the new dendrites are dropped, the best network
   is restored, and others are tried, `max_tries` times in a row at the most. Growth is also over at `max_dendrites`.

A candidate that becomes NaN or infinite is discarded. A site that loses all its candidates before the end of their
first epoch gets no dendrite in this cycle; if that happens to every site, the try has failed.

Source: Brenner & Itti, arXiv:2501.18018.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, cast

import torch
from torch import nn

from pbgraph.dendrites.allotment import Allotment
from pbgraph.dendrites.candidates import add_candidates
from pbgraph.dendrites.dendrite import Dendrite
from pbgraph.dendrites.errors import SiteError, TrainingError
from pbgraph.dendrites.journal import Journal, Journalled
from pbgraph.dendrites.listening import ForeignLoop
from pbgraph.dendrites.perforation import sites_of
from pbgraph.dendrites.phase import DendritePhase
from pbgraph.dendrites.processes import Processes
from pbgraph.dendrites.recipe import (
    MakeOptimizer,
    MakeScheduler,
    Recipe,
    ScheduleBy,
    chosen_names,
    refuse_wrong_choice,
    refuse_wrong_recipe,
)
from pbgraph.dendrites.scaling import Scaling
from pbgraph.dendrites.settings import GrowthSettings
from pbgraph.dendrites.sites import Site
from pbgraph.dendrites.structure import network_state, restore_network
from pbgraph.dendrites.switching import BestScore, Phase, Status, early_stopping, look_at_scores
from pbgraph.dendrites.training import Training
from pbgraph.errors import unknown_name
from pbgraph.insight import DendriteInsight


class Phases(Journalled):
    """The phases of one growth and the switches between them; arguments as of `pbgraph.dendrites.Growth`."""

    def __init__(
        self,
        model: nn.Module,
        make_optimizer: MakeOptimizer,
        *,
        settings: GrowthSettings | None = None,
        seed: int = 0,
        make_scheduler: MakeScheduler | None = None,
        schedule_by: ScheduleBy = "step",
        distribute: Callable[[nn.Module], nn.Module] | None = None,
        scaler: torch.amp.GradScaler | None = None,
        choose_sites: Callable[[nn.Module], Collection[str]] | None = None,
        **options: Any,
    ) -> None:
        self.model, self.seed = model, seed
        self.settings = GrowthSettings.of(settings).changed(options)
        self.sites = sites_of(model)
        if not self.sites:
            raise SiteError("the model has no site of dendrites: call perforate(model, sites) first")
        if busy := [name for name, site in self.sites.items() if site.candidates]:
            raise SiteError(
                f"site {busy[0]!r} has candidates in it: another growth of this model is in a dendrite phase, go on "
                "with that one, call its restore_best(), or build and perforate the model anew"
            )
        for site in self.sites.values():
            site.role = self.settings.role
        refuse_wrong_recipe(make_optimizer, make_scheduler, schedule_by)
        refuse_wrong_choice(choose_sites)
        self._allotment = Allotment(model, self.sites, self.settings, among=choose_sites is not None)
        self._recipe = Recipe(make_optimizer, make_scheduler, distribute, schedule_by)
        self._scaling, self._choose_sites = Scaling(scaler), choose_sites
        self.finished = False
        self.epoch = 0
        self._stepped = False  # in this epoch
        self._journal = Journal.of(self.sites)
        self._score = BestScore(self.settings.mode, self.settings.min_delta)
        self._best = network_state(model, candidates=False)
        self._dendrite_phase: DendritePhase | None = None
        self._processes = Processes()
        self._first_rate: float | None = None
        self._signs: dict[str, list[float]] = {}  # of dendrites accepted at the end of the last epoch
        self._loop = ForeignLoop(model, self.settings.accumulate)
        self._enter(None)

    @property
    def phase(self) -> Phase:
        """The present phase."""
        return "neuron" if self._dendrite_phase is None else "dendrite"

    @property
    def dendrites(self) -> int:
        """Accepted dendrites per site: of the site that has most, if a site had to do without."""
        return max(len(site.dendrites) for site in self.sites.values())

    @property
    def best_score(self) -> float | None:
        """Best validation score of the whole run; None before the first epoch is over."""
        return self._score.best_score

    @property
    def best_epoch(self) -> int:
        """The epoch (0-based, over all phases) that had it; -1 before the first is over."""
        return self._score.best_epoch

    @property
    def kept(self) -> dict[str, int]:
        """Bytes that what is kept of batches takes now, in "memory" and in a "file"; empty unless errors are clean."""
        return {} if self._dendrite_phase is None else self._dendrite_phase.kept

    @property
    def scaler(self) -> torch.amp.GradScaler | None:
        """What scales the losses."""
        return self._scaling.scaler

    @scaler.setter
    def scaler(self, scaler: torch.amp.GradScaler | None) -> None:
        self._scaling.scaler = scaler

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        """Of the present phase."""
        return self._training.optimizer

    @property
    def learning_rate(self) -> float:
        """Of the last step of the present phase; 0 before its first."""
        return self._training.learning_rate

    def _neuron_epoch_end(self, score: float) -> Status:
        if self.settings.max_dendrites and not self.epoch:
            self._training.refuse_unreached()  # now, not when they should grow
        self._training.schedule_epoch(score)
        improved = self._score.update(score, self.epoch)
        if improved:
            self._best = network_state(self.model, candidates=False)
        over = self._stopping.after_epoch(improved)
        if self._stopping.exhausted and not self.dendrites and self._stopping.epochs > 2:
            look_at_scores(self._score, score, self._stopping.epochs)
        return self._status(improved, self._after_neuron_phase() if over else None)

    def _after_neuron_phase(self) -> str:
        self._first_rate = self._training.learning_rate if self._first_rate is None else self._first_rate
        gained = self._score.end_cycle()
        if not gained:
            self._note("drop", dendrites=self.dendrites, tries=self._score.tries)
        restore_network(self.model, self._best)
        return self._grow_or_finish("grow" if gained else "drop")

    def _grow_or_finish(self, switched: str) -> str:
        """The next dendrite phase from the best network, or the end; returns what `Status.switched` tells."""
        if self._allotment.full or self._score.tries >= self.settings.max_tries:
            return self._finish()
        sites = self._chosen(self._allotment.open_sites())
        add_candidates(sites, self.settings, self.seed, self._journal.attempt(self.dendrites, self._score.tries))
        if not self._allotment.keep_affordable():
            return self._finish()
        if self.settings.dendrite_max_epochs == 0:
            return self._accept_untrained()
        self._enter(DendritePhase(self.model, self.settings, self._processes, self._scaling))
        return switched

    def _chosen(self, sites: dict[str, Site]) -> dict[str, Site]:
        """Those of the sites that `choose_sites` is for."""
        if self._choose_sites is None:
            return sites
        wanted = chosen_names(self._choose_sites(self.model))
        if unknown := sorted(wanted - self.sites.keys()):
            raise unknown_name("site", unknown[0], list(self.sites))
        self._note("sites", dendrites=self.dendrites, sites=[name for name in sites if name in wanted])
        return {name: site for name, site in sites.items() if name in wanted}

    def _finish(self) -> str:
        self.finished = True
        self._leave_dendrite_phase()
        self._note("finish", dendrites=self.dendrites)
        return "finish"

    def _accept_untrained(self) -> str:
        chosen = self._allotment.chosen({name: 0.0 for name, site in self.sites.items() if site.candidates})
        for name, site in self.sites.items():
            own, site.candidates = site.candidates, nn.ModuleList()
            if name not in chosen:
                continue
            site.accept(cast(Dendrite, own[0]))
            self.trials[name].append(DendriteInsight(number=len(site.dendrites), epoch=self.epoch + 1))
        self._enter(None)
        self._note("accept", dendrites=self.dendrites, scores={}, discarded={}, **self._margin())
        return "accept"

    def _dendrite_epoch_end(self, phase: DendritePhase) -> Status:
        scores, improved = phase.end_epoch()
        self._training.schedule_epoch(sum(scores.values()) / len(scores))
        over = self._stopping.after_epoch(improved) or phase.all_discarded
        return self._status(False, self._after_dendrite_phase(phase) if over else None, scores)

    def _after_dendrite_phase(self, phase: DendritePhase) -> str:
        by_layer, p_values = phase.by_layer, phase.p_values
        by_chance = bool(p_values) and not phase.scores
        for name, tried in phase.insights(self.epoch + 1 - self._stopping.epochs).items():
            self.trials[name].append(tried)
        self._loop.stop_listening()
        signs = phase.signs
        scores = phase.accept(self._allotment.chosen(phase.scores))
        self._enter(None)
        if scores:
            facts: dict[str, Any] = {"by_layer": by_layer} if by_layer else {}
            facts |= {"unreached": phase.unreached} if phase.unreached else {}
            facts |= self._margin()
            facts |= {"p_values": p_values} if p_values else {}
            self._signs = {name: own for name, own in signs.items() if name in scores}
            self._note("accept", dendrites=self.dendrites, scores=scores, discarded=phase.discarded, **facts)
            return "accept"
        if by_chance:
            self._note("chance", dendrites=self.dendrites, p_values=p_values, discarded=phase.discarded)
            return self._finish()
        self._score.end_cycle()
        self._note("fail", dendrites=self.dendrites, tries=self._score.tries, discarded=phase.discarded)
        return self._grow_or_finish("drop")

    def _margin(self) -> dict[str, float]:
        """Let new dendrites have to be better by what `accept_margin` says; returns it, for their event.

        Where no spread is known yet there is none to tell.
        """
        if not self.settings.accept_margin:
            return {}
        self._score.begin_cycle(self.settings.accept_margin)
        return {} if self._score.times else {"margin": self._score.margin}

    def _leave_dendrite_phase(self) -> None:
        self._loop.stop_listening()
        if self._dendrite_phase is not None:
            self._dendrite_phase.end()
            self._dendrite_phase = None

    def _refuse_if_finished(self) -> None:
        if self.finished:
            raise TrainingError("growth is finished: call restore_best() and use the model")

    def _enter(self, dendrite_phase: DendritePhase | None) -> None:
        """Begin this dendrite phase or, with None, a neuron phase."""
        self._dendrite_phase = dendrite_phase
        self._stopping = early_stopping(self.settings, self.phase, grown=self.dendrites > 0)
        self._training = self._new_training()
        self._loop.follow(self._training, self._dendrite_phase)

    def _new_training(self) -> Training:
        training = Training(
            self.model,
            self.settings,
            self._recipe,
            dendrite_phase=self._dendrite_phase,
            dendrites=self.dendrites,
            scaling=self._scaling,
            first_rate=self._first_rate,
        )
        self._processes = training.processes or self._processes
        return training

    def _note(self, event: str, **facts: Any) -> None:
        self.events.append({"epoch": self.epoch, "event": event, **facts})

    def _status(self, improved: bool, switched: str | None, scores: Mapping[str, float] | None = None) -> Status:
        return Status(self.phase, self.dendrites, self.best_score, improved, switched, self.finished, scores or {})
