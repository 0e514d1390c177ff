"""Settings of growth. Marked (P) where the paper or its authors' documentation says so, (D) where we decide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pbgraph.dendrites.sites import ACTIVATIONS
from pbgraph.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class GrowthSettings:
    """How a network grows.

    max_dendrites        accepted dendrites per site at the most; 0 = plain training with patience (D)
    max_tries            sets of dendrites tried in a row without a better network before growth stops (D)
    patience             a neuron phase ends after so many epochs without a new best score (P; theirs for TrimNet: 100)
    max_epochs           longest first neuron phase; None = no limit (D)
    cycle_epochs         longest later neuron phase; None = no limit (D)
    dendrite_patience    a dendrite phase ends after so many epochs in which no site improved (P; theirs: 100)
    dendrite_max_epochs  longest dendrite phase; None = no limit (D)
    threshold            a site improved if its score rose by more than this share of its last mark (P; theirs: 0.25)
    priming_batches      batches that only start the running means, at most one epoch of them (P; theirs: 10 or 100)
    activation           g: "tanh" (D), "sigmoid" (P) or "relu" (P)
    objective            "raw" covariance (P) or "normalised" (D), see `pbgraph.dendrites.objective`
    pool                 candidates per site trained side by side on the same δ; the one with the best mean score is
                         accepted (Fahlman & Lebiere's pool; D: 1)
    clip_norm            gradients of neuron phases are scaled down to this norm; 0 = never (D). Candidates are not
                         clipped: one norm over all of them would let sites influence each other
    """

    max_dendrites: int = 5
    max_tries: int = 2
    patience: int = 10
    max_epochs: int | None = None
    cycle_epochs: int | None = None
    dendrite_patience: int = 10
    dendrite_max_epochs: int | None = None
    threshold: float = 0.25
    priming_batches: int = 10
    activation: str = "tanh"
    objective: Literal["normalised", "raw"] = "normalised"
    pool: int = 1
    clip_norm: float = 0.0

    def __post_init__(self) -> None:
        least = {
            "max_dendrites": 0,
            "max_tries": 1,
            "patience": 1,
            "dendrite_patience": 1,
            "priming_batches": 0,
            "pool": 1,
        }
        limits = {
            name: 1 for name in ("max_epochs", "cycle_epochs", "dendrite_max_epochs") if getattr(self, name) is not None
        }
        for name, bound in (least | limits | {"threshold": 0, "clip_norm": 0}).items():
            if getattr(self, name) < bound:
                raise UsageError(f"setting {name} is {getattr(self, name)}; it must be at least {bound}")
        if self.activation not in ACTIVATIONS:
            raise UsageError(f"setting activation is {self.activation!r}; it must be one of {', '.join(ACTIVATIONS)}")
        if self.objective not in ("normalised", "raw"):
            raise UsageError(f"setting objective is {self.objective!r}; it must be 'normalised' or 'raw'")
