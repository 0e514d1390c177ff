"""Growth: a training loop's steps and epochs, passed on to the phase that is on, and its whole state as a file."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

from torch import Tensor

from pbgraph.dendrites.copies import copied
from pbgraph.dendrites.errors import TrainingError
from pbgraph.dendrites.generalising import signed_correlations
from pbgraph.dendrites.insight import Call, dendrite_insight
from pbgraph.dendrites.journal import Journal
from pbgraph.dendrites.loop import GrowthOptimizer
from pbgraph.dendrites.phase import DendritePhase
from pbgraph.dendrites.phases import Phases
from pbgraph.dendrites.recipe import LossFunction
from pbgraph.dendrites.structure import known_state, network_state, refuse_other_growth, restore_network
from pbgraph.dendrites.switching import BestScore, EarlyStopping, Status, plain_score
from pbgraph.errors import UsageError
from pbgraph.files.state_file import load_state, save_state
from pbgraph.insight import Insight, with_trials


class Growth(Phases):
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
    choose_sites    network -> names of the sites that may get a dendrite now, called with the best network so far
                    before every dendrite phase; if there are none, growth is over. For those with headroom:
                    ``lambda model: headroom(model, batches, loss_fn).above_chance(0.01)``

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

    def step(self, loss_fn: LossFunction, batch: Any, *, held_out: bool = False) -> Tensor:
        """One training step with the objective of the present phase; returns the task's loss before it.

        loss_fn   (model, batch) -> scalar
        held_out  in dendrite phases with score_rows="held-out": candidates are scored by this batch, and not trained
                  on it; in neuron phases it is a batch like any other
        The model is put into training mode. Raises TrainingError if the loss is not finite, SiteError for a site that
        the loss does not reach.
        """
        self._refuse_if_finished()
        self._loop.refuse_if_begun()
        if held_out and self.settings.score_rows != "held-out":
            raise UsageError(f"step() was given held_out=True, but score_rows is {self.settings.score_rows!r}")
        loss = self._training.step(loss_fn, batch, held_out=held_out)
        self._stepped = True
        self._journal.add_loss(float(loss))
        return loss

    def as_optimizer(self) -> GrowthOptimizer:
        """Growth as an optimiser, for a loop that calls model, ``loss.backward()`` and ``optimizer.step()`` itself.

        The same object for the whole run. `step` cannot be used from then on; `epoch_end` and all else can, and have
        to be. Call it before the first epoch, or after `load`.
        """
        self._refuse_if_finished()
        if self.settings.score_rows == "held-out":
            raise UsageError(
                "score_rows is 'held-out', and a loop that is not growth's cannot say which batches are: call "
                "growth.step(loss_fn, batch, held_out=True) for them, and growth.step(loss_fn, batch) for the others"
            )
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
        self._signs = {}
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

    @property
    def best_weights(self) -> Mapping[str, Tensor]:
        """Of the best network so far, by name."""
        return cast(Mapping[str, Tensor], self._best["weights"])

    def adopt(self, weights: Mapping[str, Tensor], loss_fn: LossFunction, batch: Any) -> None:
        """Take over weights that were trained as the first neuron phase would train them, before its first step.

        weights  of the best epoch, by the names of `model`
        batch    any: a step with it shows which sites the loss reaches, and is undone
        Every epoch of that phase is then counted by `count_epoch` and `epoch_end`, with its loss, rate and score.
        Raises TrainingError if growth has begun.
        """
        if self.epoch or self.finished or self._stepped:
            raise TrainingError("adopt() was called after the first step: weights are adopted before it")
        self.step(loss_fn, batch)
        self._training.finish_epoch()
        self.model.load_state_dict(dict(weights))

    def count_epoch(self, loss: float, learning_rate: float) -> None:
        """Count an epoch of adopted weights as trained, with its mean loss and the learning rate of its last step."""
        self._journal.loss, self._journal.losses = loss, 1
        self._training.learning_rate, self._stepped = learning_rate, True

    def correlate(self, batches: Iterable[Any], loss_fn: LossFunction) -> dict[str, tuple[float, ...]]:
        """Site -> (C,): corr(a, δ) of the dendrites that have just been accepted, over other rows, such as validation.

        Signed by the correlation that they were accepted for: positive where what they have learnt holds on these
        rows, negative where it is reversed, about 0 where it was memory. To be called right after an `epoch_end` whose
        status has switched="accept"; at any other time, and for dendrites that no dendrite phase has trained, there is
        nothing to tell. Kept in `correlations`, beside `trials`.
        """
        found = signed_correlations(self.model, batches, loss_fn, self._signs) if self._signs else {}
        self._journal.add_correlations(found)
        return found

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

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to go on bit for bit, at any step of either phase: tensors and plain values, copied.

        The state of torch's random generators is the caller's.
        """
        phase = None if self._dendrite_phase is None else self._dendrite_phase.state_dict()
        return copied(  # type: ignore[no-any-return]
            {
                "finished": self.finished,
                "epoch": self.epoch,
                "stepped": self._stepped or self._loop.begun,
                "course": asdict(self._score),
                "clock": asdict(self._stopping),
                "journal": self._journal.state_dict(),
                "best": self._best,
                "signs": self._signs,
                "network": network_state(self.model, candidates=True),
                "dendrite_phase": phase,
                "training": self._training.state_dict(),
                "scaler": self._scaling.state_dict(),
                "settings": asdict(self.settings),
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

        Raises SiteError if it is another one, or if a setting differs that says what dendrites and candidates are.
        """
        state = copied(known_state(state, "network", other="dendrites.load_network"))
        refuse_other_growth(self.model, self.settings, state)
        self._stepped = state.get("stepped", True)  # a state of an earlier version may be of the end of an epoch
        self._leave_dendrite_phase()
        restore_network(self.model, state["network"])
        self.finished, self.epoch = state["finished"], state["epoch"]
        self._score, self._stopping = BestScore(**state["course"]), EarlyStopping(**state["clock"])
        self._best, self._journal = state["best"], Journal.from_state(state["journal"])
        self._first_rate, self._signs = self._journal.first_rate(), state.get("signs", {})
        if state["dendrite_phase"] is not None:
            self._dendrite_phase = DendritePhase(self.model, self.settings, self._processes, self._scaling)
            self._dendrite_phase.load_state_dict(state["dendrite_phase"])
        self._training = self._new_training()
        self._training.load_state_dict(state["training"])
        self._scaling.load_state_dict(state["scaler"])
        self._loop.follow(self._training, self._dendrite_phase)
