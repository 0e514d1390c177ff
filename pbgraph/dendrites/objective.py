"""The candidate objective: a dendrite's activation should follow the error of its neuron.

For neuron i, over the patterns p (every index but the neuron's, of every call of the site)

    S_i = | Σ_p (a_ip − ā_i)(δ_ip − δ̄_i) |,                  δ = ∂L/∂y',

maximised for each neuron separately by minimising

    − Σ_i s_i · mean_p [ a_ip · (δ_ip − δ̄_i) ] / n_i,        s_i = sign of the running covariance,

with δ, the means and s as constants. n_i = 1 for the "raw" objective; for the "normalised" one it is the product of
the running standard deviations σ_a and σ_δ of a_i and δ_i, also constants, which gives every neuron and site the same
say. There a larger σ_a is to be had for nothing, so tanh saturates. The "correlation" objective counts it: its gradient
is that of −|corr(a_i, δ_i)| = −|r_i| in full,

    ∂/∂a_ip = − s_i / P · [ (δ_ip − δ̄_i) / (σ_a σ_δ) − r_i (a_ip − ā_i) / σ_a² ].

Running values are exponential averages over batches. What is reported and picks the best candidate is the normalised
score |corr(a_i, δ_i)| over all patterns of an epoch, which has no scale.

Source: Brenner & Itti, arXiv:2501.18018; Fahlman & Lebiere, NIPS 1990. Merging of moments: Chan, Golub & LeVeque 1979.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pbgraph.dendrites.moments import moments

DECAY = 0.99  # of the exponential averages, per batch
FLOOR = 1e-6  # a neuron that hardly moves counts as one with this standard deviation
RESOLUTION = 1e-7  # a neuron whose deviation is below this share of its mean is constant, as float32 goes


Patterns = int | Tensor
Constants = tuple[Tensor, Tensor]  # (C,) each: c and v of the gradient (δ − c) · v of an activation


@dataclass(frozen=True, eq=False)
class Moments:
    """Of two quantities of C neurons, such as activations a and errors δ, over some patterns, float64.

    mean  (2, C): of a and δ;  sums (3, C): Σ (a - ā)², Σ (δ - δ̄)², Σ (a - ā)(δ - δ̄), about these means
    patterns  their number, or (C,) float64 if it differs from neuron to neuron
    """

    mean: Tensor
    sums: Tensor
    patterns: Patterns

    @classmethod
    def of(cls, a: Tensor, delta: Tensor) -> Moments:
        """From the values themselves, (P, C)."""
        return cls(*moments(a, delta), len(a)) if len(a) else cls.none(a.shape[1], a.device)

    @classmethod
    def none(cls, channels: int, device: torch.device) -> Moments:
        """Of no patterns: zeros."""
        mean, sums = (torch.zeros(rows, channels, dtype=torch.float64, device=device) for rows in (2, 3))
        return cls(mean, sums, 0)

    def plus(self, other: Moments) -> Moments:
        """Over the patterns of both."""
        total = self.patterns + other.patterns
        step = other.mean - self.mean
        between = products(step) * (self.patterns * other.patterns / total)
        return Moments(self.mean + step * (other.patterns / total), self.sums + (other.sums + between), total)

    def finite(self, row: int) -> bool:
        """Whether no activation (row 0) or no error (row 1) is NaN or infinite."""
        return bool(torch.isfinite(self.sums[row]).all())


def products(off: Tensor) -> Tensor:
    """(2, C) -> (3, C): a·a, δ·δ and a·δ."""
    out = off.new_empty(3, *off.shape[1:])
    torch.mul(off, off, out=out[:2])
    torch.mul(off[0], off[1], out=out[2])
    return out


class CandidateStatistics:
    """Running statistics of one candidate of one site, and its exact correlation over the current epoch.

    batches   taken in so far;  patterns  of this epoch, as in `Moments`
    running   (5, C): ā, δ̄ and the central moments a·a, δ·δ, a·δ, as exponential averages over batches
    mean      (2, C): of a and δ over the epoch's patterns
    moments   (3, C): Σ (a − ā)², Σ (δ − δ̄)², Σ (a − ā)(δ − δ̄) over the epoch's patterns
    batch_mean, batch_sums  (2, C), (3, C): room for the moments of a batch
    """

    def __init__(self, channels: int, device: torch.device) -> None:
        self.batches = 0
        self.patterns: Patterns = 0
        self.running = torch.zeros(5, channels, dtype=torch.float64, device=device)
        self.mean = torch.zeros(2, channels, dtype=torch.float64, device=device)
        self.moments = torch.zeros(3, channels, dtype=torch.float64, device=device)
        self.batch_mean, self.batch_sums = torch.empty_like(self.mean), torch.empty_like(self.moments)

    def part(self, columns: slice) -> CandidateStatistics:
        """Those of some of the neurons, in the same memory: what happens to the tensors of one happens to the other."""
        part = CandidateStatistics(0, self.running.device)
        for name in (*_TENSORS, "batch_mean", "batch_sums"):
            setattr(part, name, getattr(self, name)[:, columns])
        return part

    def update(self, batch: Moments) -> None:
        """Take in one batch."""
        self._average(batch)
        self._merge(batch)

    @property
    def keep(self) -> float:
        """Weight of the running values against those of the next batch: a plain mean over the first batches."""
        return min(DECAY, self.batches / (self.batches + 1))

    def _average(self, batch: Moments) -> None:
        keep = self.keep
        self.running[:2].lerp_(batch.mean, 1 - keep)
        about_running_mean = batch.sums / batch.patterns + products(batch.mean - self.running[:2])
        self.running[2:].lerp_(about_running_mean, 1 - keep)
        self.batches += 1

    def _merge(self, batch: Moments) -> None:
        merged = Moments(self.mean, self.moments, self.patterns).plus(batch)
        self.patterns = merged.patterns
        self.mean.copy_(merged.mean)
        self.moments.copy_(merged.sums)

    def gradient(self, delta: Tensor, patterns: Patterns, *, normalised: bool, axis: int = -1) -> Tensor:
        """∂/∂a of what is minimised over a batch's patterns, shaped as the errors delta, with neurons on `axis`.

        patterns  of the batch: P, or of all processes together, whose losses then add up
        """
        return activation_gradient(delta, self.gradient_constants(patterns, normalised=normalised), axis)

    def gradient_constants(self, patterns: Patterns, *, normalised: bool) -> Constants:
        """Those of the gradient over a batch of so many patterns, float64."""
        _, centre, a_squares, delta_squares, covariance = self.running
        weight = covariance.sign()
        if normalised:
            deviations = a_squares.sqrt().clamp(min=FLOOR) * delta_squares.sqrt()
            weight = (weight / deviations).where(deviations > 0, torch.zeros_like(weight))
        return centre, -weight / patterns

    def spread_constants(self, patterns: Patterns) -> Constants:
        """Those of what the gradient of −|corr| has beside the normalised one: (a − ā) · |r| / σ_a² over so many."""
        centre, _, a_squares, delta_squares, covariance = self.running
        deviation = a_squares.sqrt().clamp(min=FLOOR)
        r = covariance.abs() / (deviation * delta_squares.sqrt())
        weight = torch.where(delta_squares > 0, r / deviation.square(), torch.zeros_like(r)) / patterns
        return centre, weight

    def score(self) -> Tensor:
        """|corr(a_i, δ_i)| (C,) float64 over the epoch so far, in [0, 1]; 0 for a neuron where either is constant."""
        return correlations(self, self.moments[2])

    def signs(self) -> Tensor:
        """(C,): sign of the covariance of a and δ over the epoch so far."""
        return self.moments[2].sign()

    def start_epoch(self) -> None:
        """Forget the epoch; the running values stay."""
        self.patterns = 0
        self.mean.zero_()
        self.moments.zero_()

    def state_dict(self) -> dict[str, Any]:
        """All of it, as copies."""
        tensors = {name: getattr(self, name).clone() for name in _TENSORS}
        return {"batches": self.batches, "patterns": self.patterns, **tensors}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over a saved state."""
        self.batches, self.patterns = state["batches"], state["patterns"]
        for name in _TENSORS:
            getattr(self, name).copy_(state[name])


_TENSORS = ("running", "mean", "moments")


def correlations(statistics: CandidateStatistics, covariance: Tensor) -> Tensor:
    """|corr(a_i, δ_i)| (..., C), if Σ (a − ā)(δ − δ̄) were this (..., C); 0 for a neuron where either is constant."""
    assert isinstance(statistics.patterns, int)
    deviation = (statistics.moments[:2] / max(statistics.patterns, 1)).sqrt()
    varies = (deviation > RESOLUTION * statistics.mean.abs()).all(0)
    a, delta = statistics.moments[:2].sqrt()
    corr: Tensor = (covariance.abs() / a / delta).clamp(max=1.0)
    return corr.where(varies, torch.zeros_like(corr))


def activation_gradient(delta: Tensor, constants: Constants, axis: int = -1) -> Tensor:
    """(δ − c) · v, shaped and typed as δ, whose neurons are on `axis`."""
    centre, weight = (values.to(delta.dtype) for values in constants)
    if axis != -1:
        shape = (-1, *[1] * (-axis - 1))
        centre, weight = centre.view(shape), weight.view(shape)
    gradient: Tensor = (delta - centre).mul_(weight)
    return gradient
