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

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from pbgraph.dendrites.allotment import Allotment
from pbgraph.dendrites.candidates import sow
from pbgraph.dendrites.copies import copied
from pbgraph.dendrites.dendrite import Dendrite
from pbgraph.dendrites.errors import SiteError, TrainingError
from pbgraph.dendrites.insight import Call, dendrite_insight
from pbgraph.dendrites.journal import Journal, Journalled
from pbgraph.dendrites.listening import ForeignLoop
from pbgraph.dendrites.loop import GrowthOptimizer
from pbgraph.dendrites.perforation import sites_of
from pbgraph.dendrites.phase import DendritePhase
from pbgraph.dendrites.processes import Processes
from pbgraph.dendrites.scaling import Scaling
from pbgraph.dendrites.settings import STRUCTURAL, GrowthSettings
from pbgraph.dendrites.structure import known_state, network_state, restore_network
from pbgraph.dendrites.switching import Clock, Course, Phase, Status, look_at_scores, new_clock, plain_score
from pbgraph.dendrites.training import (
    LossFunction,
    MakeOptimizer,
    MakeScheduler,
    Recipe,
    ScheduleBy,
    Training,
    refuse_wrong_recipe,
)
from pbgraph.files.state_file import load_state, save_state
from pbgraph.insight import DendriteInsight, Insight, with_trials


class Growth(Journalled):
    """Trains a perforated network and lets it grow; the loop over batches and epochs stays the caller's.

    model           from `perforate`
    make_optimizer  parameter groups -> optimiser; called at every switch. The output weights w of dendrites are a
                    group of their own with weight_decay 0, which an optimiser's default does not override
    make_scheduler  (optimiser, "neuron" or "dendrite", dendrites per site) -> schedule, or None for a constant rate;
                    it is stepped once after every step of the optimiser
    schedule_by     "step", or "epoch": stepped at the end of every epoch. ReduceLROnPlateau always is, with the
                    validation score in neuron phases, with the mean score of all sites in dendrite phases
    settings        a `GrowthSettings`; `options` are single settings by name, and have the last word
    seed            of the streams "dendrite/<site>/<k>/<try>/<candidate>", from which candidates start
    distribute      DistributedDataParallel, or a partial of it, if several processes train the network: it is applied
                    at every switch to a neuron phase, and its result is what loss_fn is handed there. Each process
                    makes the same Growth and hands `epoch_end` the same score
    scaler          torch.amp.GradScaler, for gradients in half precision: a step whose gradients are not finite is
                    skipped. ``growth.scaler`` may be set later, to that of a loop that is not growth's

    phase, dendrites, finished, best_score, best_epoch (0-based) and learning_rate (of the last step) tell where it
    is. history has a row for every epoch, so that ``pandas.DataFrame(growth.history)`` is a table, and `plot` draws
    it. events has a line for every set of dendrites that was accepted (with the score of each site and the number of
    candidates discarded as not finite), that failed or was dropped, and for the end. trials has, for each site, every
    dendrite tried there, with its correlations; `insight` joins them with the network's shares.

        while not growth.finished:
            for batch in loader:
                growth.step(loss_fn, batch)
            growth.epoch_end(validation_score)
        growth.restore_best()

    A loop that is somebody else's gets `as_optimizer`, see `pbgraph.dendrites.loop`.
    """

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
        self._allotment = Allotment(model, self.sites, self.settings)
        self._recipe = Recipe(make_optimizer, make_scheduler, distribute, schedule_by)
        self._scaling = Scaling(scaler)
        self.finished = False
        self.epoch = 0
        self._stepped = False  # in this epoch
        self._journal = Journal.of(self.sites)
        self._course = Course(self.settings.mode, self.settings.min_delta)
        self._best = network_state(model, candidates=False)
        self._dendrite_phase: DendritePhase | None = None
        self._processes = Processes()
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
        return self._course.best_score

    @property
    def best_epoch(self) -> int:
        """The epoch (0-based, over all phases) that had it; -1 before the first is over."""
        return self._course.best_epoch

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

    def step(self, loss_fn: LossFunction, batch: Any) -> Tensor:
        """One training step with the objective of the present phase; returns the task's loss before it.

        loss_fn  (model, batch) -> scalar
        The model is put into training mode. Raises TrainingError if the loss is not finite, SiteError for a site that
        the loss does not reach.
        """
        self._refuse_if_finished()
        self._loop.refuse_if_begun()
        loss = self._training.step(loss_fn, batch)
        self._stepped = True
        self._journal.add_loss(float(loss))
        return loss

    def as_optimizer(self) -> GrowthOptimizer:
        """Growth as an optimiser, for a loop that calls model, ``loss.backward()`` and ``optimizer.step()`` itself.

        The same object for the whole run. `step` cannot be used from then on; `epoch_end` and all else can, and have
        to be. Call it before the first epoch, or after `load`.
        """
        self._refuse_if_finished()
        return self._loop.optimizer(self._training, self._dendrite_phase, self._foreign_step)

    def _foreign_step(self, loss: float | None) -> None:
        self._refuse_if_finished()
        if loss is not None:
            self._journal.add_loss(loss)
        if self._loop.take_trained():
            self._training.foreign_step()

    def epoch_end(self, score: float | None) -> Status:
        """Take the epoch's validation score (larger is better, unless `mode` is "min") and switch phase if it is time.

        In a dendrite phase the network does not change, so the score is not looked at and may be None.
        Raises TrainingError if the score of a neuron phase is not finite.
        """
        self._refuse_if_finished()
        score = None if score is None else plain_score(score)
        if self.phase == "neuron" and (score is None or not math.isfinite(score)):
            raise TrainingError(f"the validation score is {score}; growth needs a finite one to choose by")
        if not (self._stepped or self._loop.begun):
            raise TrainingError("epoch_end() was called without a step() since the last time: call it once an epoch")
        self._stepped = False
        self._training.finish_epoch()
        phase, before, rate = self._dendrite_phase, (self.phase, self.dendrites), self._training.learning_rate
        status = self._neuron_epoch_end(cast(float, score)) if phase is None else self._dendrite_epoch_end(phase)
        self._journal.end_epoch(self.epoch, phase=before[0], dendrites=before[1], score=score, rate=rate, status=status)
        self.epoch += 1
        return status

    def _neuron_epoch_end(self, score: float) -> Status:
        if self.settings.max_dendrites and not self.epoch:
            self._training.refuse_unreached()  # now, not when they should grow
        self._training.schedule_epoch(score)
        improved = self._course.offer(score, self.epoch)
        if improved:
            self._best = network_state(self.model, candidates=False)
        over = self._clock.tick(improved)
        if self._clock.exhausted and not self.dendrites and self._clock.epochs > 2:
            look_at_scores(self._course, score, self._clock.epochs)
        return self._status(improved, self._after_neuron_phase() if over else None)

    def _after_neuron_phase(self) -> str:
        gained = self._course.end_cycle()
        if not gained:
            self._note("drop", dendrites=self.dendrites, tries=self._course.tries)
        restore_network(self.model, self._best)
        return self._grow_or_finish("grow" if gained else "drop")

    def _grow_or_finish(self, switched: str) -> str:
        """The next dendrite phase from the best network, or the end; returns what `Status.switched` tells."""
        if self._allotment.full or self._course.tries >= self.settings.max_tries:
            return self._finish()
        sow(self._allotment.open_sites(), self.settings, self.seed, f"{self.dendrites}/{self._course.tries}")
        if not self._allotment.keep_affordable():
            return self._finish()
        if self.settings.dendrite_max_epochs == 0:
            return self._accept_untrained()
        self._enter(DendritePhase(self.model, self.settings, self._processes, self._scaling))
        return switched

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
        self._note("accept", dendrites=self.dendrites, scores={}, discarded={})
        return "accept"

    def _dendrite_epoch_end(self, phase: DendritePhase) -> Status:
        scores, improved = phase.end_epoch()
        self._training.schedule_epoch(sum(scores.values()) / len(scores))
        over = self._clock.tick(improved) or phase.hopeless
        return self._status(False, self._after_dendrite_phase(phase) if over else None, scores)

    def _after_dendrite_phase(self, phase: DendritePhase) -> str:
        by_layer = phase.by_layer
        for name, tried in phase.insights(self.epoch + 1 - self._clock.epochs).items():
            self.trials[name].append(tried)
        self._loop.stop_listening()
        scores = phase.accept(self._allotment.chosen(phase.scores))
        self._enter(None)
        if scores:
            facts = {"by_layer": by_layer} if by_layer else {}
            facts |= {"unreached": phase.unreached} if phase.unreached else {}
            self._note("accept", dendrites=self.dendrites, scores=scores, discarded=phase.discarded, **facts)
            return "accept"
        self._course.end_cycle()
        self._note("fail", dendrites=self.dendrites, tries=self._course.tries, discarded=phase.discarded)
        return self._grow_or_finish("drop")

    def restore_best(self) -> None:
        """Make the model the best of the whole run by validation score: structure and weights. This ends growth."""
        self.finished = True
        self._leave_dendrite_phase()
        restore_network(self.model, self._best)

    def insight(self, batches: Iterable[Any], call: Call | None = None) -> Insight:
        """What the dendrites of the model as it now is learnt, and what became of all others that were tried.

        Arguments and errors as of `dendrite_insight`. After `restore_best` it is of the best network.
        """
        return with_trials(dendrite_insight(self.model, batches, call), self.trials)

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
        self._clock = new_clock(self.settings, self.phase, grown=self.dendrites > 0)
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
        )
        self._processes = training.processes or self._processes
        return training

    def _note(self, event: str, **facts: Any) -> None:
        self.events.append({"epoch": self.epoch, "event": event, **facts})

    def _status(self, improved: bool, switched: str | None, scores: Mapping[str, float] | None = None) -> Status:
        return Status(self.phase, self.dendrites, self.best_score, improved, switched, self.finished, scores or {})

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to go on bit for bit, at any step of either phase: tensors and plain values, copied.

        The state of torch's random generators is the caller's.
        """
        return copied(  # type: ignore[no-any-return]
            {
                "settings": {name: getattr(self.settings, name) for name in STRUCTURAL},
                "finished": self.finished,
                "epoch": self.epoch,
                "course": asdict(self._course),
                "clock": asdict(self._clock),
                "journal": self._journal.state_dict(),
                "best": self._best,
                "network": network_state(self.model, candidates=True),
                "dendrite_phase": self._dendrite_phase.state_dict() if self._dendrite_phase is not None else None,
                "training": self._training.state_dict(),
                "scaler": self._scaling.state_dict(),
            }
        )

    def save(self, path: str | Path) -> None:
        """Write the state to one safetensors file, with JSON in its header; nothing is pickled."""
        save_state(self.state_dict(), Path(path))

    def load(self, path: str | Path) -> None:
        """Take over the state that `save` wrote; the model must be the same network, freshly perforated.

        Raises SiteError if it is another one, ValueError if the file is damaged.
        """
        self.load_state_dict(load_state(Path(path)))

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over a saved state; the model must be the same network, freshly perforated at the same sites.

        Raises SiteError if it is another one, UsageError if growth there had settings by which the dendrites differ.
        """
        state = copied(known_state(state, "network", other="dendrites.load_network"))
        self.settings.refuse_others(state.get("settings", {}))
        self._stepped = True  # it may have been saved at the end of an epoch
        self._leave_dendrite_phase()
        restore_network(self.model, state["network"])
        self.finished, self.epoch = state["finished"], state["epoch"]
        self._course, self._clock = Course(**state["course"]), Clock(**state["clock"])
        self._best, self._journal = state["best"], Journal.from_state(state["journal"])
        if state["dendrite_phase"] is not None:
            self._dendrite_phase = DendritePhase(self.model, self.settings, self._processes, self._scaling)
            self._dendrite_phase.load_state_dict(state["dendrite_phase"])
        self._training = self._new_training()
        self._training.load_state_dict(state["training"])
        self._scaling.load_state_dict(state["scaler"])
        self._loop.follow(self._training, self._dendrite_phase)
