"""Settings of growth. Marked (P) where the paper or its authors' documentation says so, (D) where we decide."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from numbers import Integral, Real
from typing import Any, Literal

from pbgraph.dendrites.dendrite import ACTIVATIONS, Errors, Role
from pbgraph.errors import UsageError, unknown_name

Restart = float | Literal["peak", "end"]


@dataclass(frozen=True, kw_only=True)
class GrowthSettings:
    """How a network grows.

    max_dendrites        accepted dendrites per site at the most; 0 = plain training with patience (D)
    max_tries            sets of dendrites tried in a row without a better network before growth stops (D)
    mode                 which scores are better: "max", the larger ones, or "min" for a loss or an error (D)
    min_delta            a score is a new best only if it is better by more than this (D: 0)
    switching            "history": a phase ends when its patience is exhausted, or at its length (P); "fixed": at its
                         length, whatever the scores (D). Lengths are the three settings called `..._epochs`
    patience             a neuron phase ends after so many epochs without a new best score (P; theirs for TrimNet: 100)
    max_epochs           longest first neuron phase; None = no limit (D)
    cycle_epochs         longest later neuron phase; None = no limit (D)
    dendrite_patience    a dendrite phase ends after so many epochs in which no site improved (P; theirs: 100)
    dendrite_max_epochs  longest dendrite phase; None = no limit; 0 = no such phase: dendrites are accepted with their
                         initial weights (D)
    threshold            a site improved if its score rose by more than this share of its last mark (P; theirs: 0.25)
    priming_batches      batches that only start the running means, at most one epoch of them (P; theirs: 10 or 100)
    activation           g: "tanh" (D), "sigmoid" (P) or "relu" (P)
    init_scale           factor on the initial weights of candidates that have two axes or more (D: 1)
    objective            "raw" covariance (P), "normalised" (D), or "correlation", whose gradient is that of |corr| in
                         full, see `pbgraph.dendrites.objective`
    pool                 candidates per site trained side by side on the same δ (Fahlman & Lebiere's pool; D: 1)
    snapshot             "layer": of each site the candidate and epoch with the best mean score is accepted (D);
                         "neuron": for each neuron the weights that scored best for it, where neurons have weights of
                         their own (linear layers and convolutions with batch normalisation); elsewhere as "layer"
    initial_w            output weights w start at −sign(cov)·initial_w; 0 leaves the network's function bit for bit
                         as it was (D: 0; Cascade-Correlation: not 0)
    dendrites_trainable  whether accepted dendrites are trained in neuron phases too (P: no). On five small problems
                         the mean was better if they were, on every one: Friedman's function 0.131 for 0.228, a tanh
                         residual 0.0027 for 0.0152 (noise floor 0.0025). No task was found where frozen ones
                         beat a plain network of the same size and epochs
    errors               "perforated": no error flows through a dendrite (P); "through": a control, as in any network
    clip_norm            gradients of neuron phases are scaled down to this norm; 0 = never (D). Candidates are not
                         clipped: one norm over all of them would let sites influence each other
    accumulate           calls of `Growth.step` whose gradients are averaged into one step of the optimiser (D: 1); in
                         a loop that is not growth's, the number by which that loop divides its loss for the same end
    accept_margin        new dendrites are a gain only if the network becomes better by more than so many times the
                         spread of its scores: √(½ mean (s_e+1 − s_e)²) over the last 10 scores since the dendrites
                         before them, or the last spread that is known if there is one score alone; if none is, as
                         after a first phase of one epoch, over the scores that the new dendrites bring, of which the
                         first is no gain then (D: 0)
    restart              learning rate at which neuron phases after the first begin: "peak", as make_optimizer has it
                         (P); "end", that of the first phase's last step; or a factor on the former. Schedules that set
                         rates themselves (OneCycleLR) do not know of it
    grow_at              the first neuron phase ends after so many epochs, a whole number, or after a share of
                         max_epochs, in (0, 1], even while scores improve; None = by patience and max_epochs alone (P)
    delta                "training": δ is the error that the network makes in training mode, with dropout (D); "clean":
                         in evaluation mode. Then what sites are called with, and δ, are kept, batch by batch: if a loop
                         hands the same batches in every epoch of a dendrite phase, in any order, all epochs but the
                         first cost the candidates' own passes alone. A batch is known again by its content, so
                         loss_fn has to be a function of the network and the batch: δ would be out of date if it
                         changed in the phase, or the data did that batches of indices stand for
    score_rows           by which rows epochs, pool and snapshots are judged: "all" that candidates are trained on (P),
                         or "held-out", those of other batches, see `Growth.step`. A site whose best held-out score is
                         not above chance, see `pbgraph.dendrites.chance`, gets no dendrite; if none is, growth is over
    kept_memory, kept_file  MiB that these may take in memory, and above that in a temporary file; what has no room is
                         computed again
    sites_per_cycle      sites that get a dendrite in a cycle, those with the best mean |corr|; None = all (P). 1: sites
                         are accepted one by one, and each is dropped again if the network does not become better
    max_parameters       of the whole network with its dendrites; where a cycle's dendrites do not all fit, those of the
                         best sites are accepted; None = no limit (D)

    Of the defaults marked (D), activation, init_scale, objective, pool, snapshot, initial_w and dendrites_trainable
    were tried against their alternatives by validation score, on one small TrimNet and two seeds: none did better
    beyond the spread of the seeds, some did worse (benchmarks/recipes.md). The others are conventions.
    """

    max_dendrites: int = 5
    max_tries: int = 2
    mode: Literal["max", "min"] = "max"
    min_delta: float = 0.0
    switching: Literal["history", "fixed"] = "history"
    patience: int = 10
    max_epochs: int | None = None
    cycle_epochs: int | None = None
    dendrite_patience: int = 10
    dendrite_max_epochs: int | None = None
    threshold: float = 0.25
    priming_batches: int = 10
    activation: str = "tanh"
    init_scale: float = 1.0
    objective: Literal["normalised", "raw", "correlation"] = "normalised"
    pool: int = 1
    snapshot: Literal["layer", "neuron"] = "layer"
    initial_w: float = 0.0
    dendrites_trainable: bool = False
    errors: Errors = "perforated"
    clip_norm: float = 0.0
    accumulate: int = 1
    sites_per_cycle: int | None = None
    max_parameters: int | None = None
    accept_margin: float = 0.0
    restart: Restart = "peak"
    grow_at: int | float | None = None
    delta: Literal["training", "clean"] = "training"
    score_rows: Literal["all", "held-out"] = "all"
    kept_memory: int = 1024
    kept_file: int = 16384

    def __post_init__(self) -> None:
        for field in fields(self):
            if field.name in _LEAST or field.name == "init_scale":
                _check_number(field.name, getattr(self, field.name), str(field.type))
        for name, bound in _LEAST.items():
            value = getattr(self, name)
            if value is not None and not value >= bound:
                raise UsageError(f"setting {name} is {value}; it must be at least {bound}")
        for name, known in _CHOICES.items():
            if getattr(self, name) not in known:
                raise UsageError(f"setting {name} is {getattr(self, name)!r}; it must be one of {', '.join(known)}")
        if not self.init_scale > 0:
            raise UsageError(f"setting init_scale is {self.init_scale}; it must be more than 0")
        if self.switching == "fixed" and (open_ended := [name for name in _LENGTHS if getattr(self, name) is None]):
            raise UsageError(f"switching is 'fixed' but setting {open_ended[0]} is None; give it a number of epochs")
        check_restart(self.restart)
        self._check_grow_at()
        one_epoch = self.cycle_epochs == 1 or (self.switching == "history" and self.patience == 1)
        if self.accept_margin and self.max_dendrites and self.first_epochs == 1 and one_epoch:
            raise UsageError(
                f"setting accept_margin is {self.accept_margin}, and neuron phases of one epoch have scores of no "
                "known spread: let the first one, or the later ones, have two epochs or more, or set accept_margin to 0"
            )
        if self.dendrite_max_epochs == 0 and self.initial_w:
            raise UsageError(
                f"setting initial_w is {self.initial_w} without a dendrite phase to find its sign; "
                "set it to 0, or dendrite_max_epochs to 1 or more"
            )
        if self.dendrite_max_epochs == 0 and self.score_rows == "held-out":
            raise UsageError(
                "setting score_rows is 'held-out' without a dendrite phase in which there are scores; set it to 'all', "
                "or dendrite_max_epochs to 1 or more"
            )
        if self.dendrite_max_epochs == 0 and self.sites_per_cycle is not None:
            raise UsageError(
                f"setting sites_per_cycle is {self.sites_per_cycle} without a dendrite phase to find the best sites; "
                "set it to None, or dendrite_max_epochs to 1 or more"
            )

    def _check_grow_at(self) -> None:
        at = self.grow_at
        if at is None:
            return
        if (
            not isinstance(at, (int, float))
            or isinstance(at, bool)
            or not (at >= 1 if isinstance(at, int) else 0 < at <= 1)
        ):
            raise UsageError(
                f"setting grow_at is {at!r}; it must be a whole number of epochs of at least 1, a share in (0, 1] of "
                "the first neuron phase, or None"
            )
        if isinstance(at, float) and self.max_epochs is None:
            raise UsageError(
                f"setting grow_at is {at}, a share of max_epochs, which is None; give it a number of epochs"
            )

    @property
    def first_epochs(self) -> int | None:
        """Longest first neuron phase, with what `grow_at` says; None = no limit.

        >>> GrowthSettings(max_epochs=100, grow_at=0.07).first_epochs, GrowthSettings(grow_at=7).first_epochs
        (7, 7)
        """
        if self.grow_at is None or (self.max_epochs is not None and self.grow_at > self.max_epochs):
            return self.max_epochs
        if isinstance(self.grow_at, int):
            return self.grow_at
        return max(1, math.ceil(round(self.grow_at * (self.max_epochs or 0), 9)))  # 0.07 · 100 is above 7 in floats

    @classmethod
    def of(cls, settings: Any) -> GrowthSettings:
        """What somebody gave, or the defaults for None; raises UsageError for anything else."""
        if settings is None:
            return cls()
        if not isinstance(settings, cls):
            raise UsageError(
                f"settings is a {type(settings).__name__}; give GrowthSettings(...), or single ones by name"
            )
        return settings

    def changed(self, changes: Mapping[str, Any]) -> GrowthSettings:
        """These settings with some of them changed; raises UsageError for an unknown name, with the nearest one.

        >>> GrowthSettings().changed({"patience": 3}).patience
        3
        """
        known = [field.name for field in fields(self)]
        for name in changes:
            if name not in known:
                raise unknown_name("setting", name, known)
        return replace(self, **changes)

    @property
    def role(self) -> Role:
        """How accepted dendrites take part in the backward pass."""
        return Role(self.errors, self.dendrites_trainable)


def check_restart(restart: Any) -> None:
    """Raises UsageError for what is no `Restart`."""
    number = isinstance(restart, (int, float)) and not isinstance(restart, bool)
    if restart not in ("peak", "end") and not (number and 0 < restart < math.inf):
        raise UsageError(
            f"setting restart is {restart!r}; it must be 'peak', 'end' or a factor above 0 on the learning rate"
        )


def _check_number(name: str, value: Any, declared: str) -> None:
    """Raises UsageError for a value that is none of the declared "int", "float", "int | None" or "float | None"."""
    if value is None and declared.endswith("None"):
        return
    kind, words = (Integral, "a whole number") if declared.startswith("int") else (Real, "a number")
    if not isinstance(value, kind) or isinstance(value, bool):
        raise UsageError(f"setting {name} is {value!r}; it must be {words}{' or None' * declared.endswith('None')}")


STRUCTURAL = (  # of one growth
    *("activation", "objective", "pool", "snapshot", "dendrites_trainable", "errors", "mode"),
    *("delta", "score_rows"),
)
_LENGTHS = ("max_epochs", "cycle_epochs", "dendrite_max_epochs")
_LEAST = {
    "max_dendrites": 0,
    "max_tries": 1,
    "min_delta": 0,
    "patience": 1,
    "max_epochs": 1,
    "cycle_epochs": 1,
    "dendrite_patience": 1,
    "dendrite_max_epochs": 0,
    "threshold": 0,
    "priming_batches": 0,
    "pool": 1,
    "initial_w": 0,
    "clip_norm": 0,
    "accumulate": 1,
    "sites_per_cycle": 1,
    "accept_margin": 0,
    "kept_memory": 0,
    "kept_file": 0,
    "max_parameters": 1,
}
_CHOICES = {
    "mode": ("max", "min"),
    "switching": ("history", "fixed"),
    "activation": tuple(ACTIVATIONS),
    "objective": ("normalised", "raw", "correlation"),
    "snapshot": ("layer", "neuron"),
    "delta": ("training", "clean"),
    "score_rows": ("all", "held-out"),
    "errors": ("perforated", "through"),
}
