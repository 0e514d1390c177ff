"""The candidates of one site: a pool that is trained side by side on the same δ, of which the best is accepted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from pbgraph.dendrites.chance import ChanceScores, enough_draws
from pbgraph.dendrites.copies import copied
from pbgraph.dendrites.dendrite import Dendrite
from pbgraph.dendrites.discovery import in_turn
from pbgraph.dendrites.forward import Call
from pbgraph.dendrites.objective import CandidateStatistics
from pbgraph.dendrites.observed import Observed
from pbgraph.dendrites.outputs import rows_of
from pbgraph.dendrites.processes import Processes
from pbgraph.dendrites.settings import GrowthSettings
from pbgraph.dendrites.sites import Site
from pbgraph.dendrites.structure import is_weight
from pbgraph.dendrites.switching import improves
from pbgraph.insight import DendriteInsight
from pbgraph.streams import seeded

_PRECISE = (torch.float32, torch.float64)
_ROWS = (nn.Linear, nn.Bilinear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
_BY_CHANNEL = (nn.modules.batchnorm._NormBase, nn.Dropout, nn.Identity)


class SiteCandidates:
    """The candidates of one site, their statistics, and the best snapshot so far.

    sites       of the network that have candidates
    statistics  of each candidate, over the rows that it is trained on
    scored      of each, over the rows by which it is scored: the same, or those of batches that are held out
    chance      what the scores of held-out rows would be by chance; None where the rows are the same
    by_neuron   whether each neuron keeps the weights that scored best for it, of any candidate and epoch
    discarded   numbers of candidates that became NaN or infinite: they are trained no more
    infinite    names of what was so when the phase began, such as the mask of an attention
    epochs      of the phase that are over
    best        (C,): normalised scores over the epoch at whose end the snapshot was taken; -1 without one
    signs       (C,): of the covariance that it had
    snapshot    weights of the best candidate at the end of its best epoch, or None
    curve       for each epoch with a candidate left: mean and maximum over neurons of the best candidate's score
    mark        the score that has to be beaten by the threshold to count as an improvement
    """

    def __init__(
        self,
        site: Site,
        settings: GrowthSettings,
        processes: Processes,
        statistics: Sequence[CandidateStatistics],
        *,
        sites: int = 1,
    ) -> None:
        self.site, self.settings, self.processes = site, settings, processes
        self.statistics = self.scored = list(statistics)
        device = next(site.parameters()).device
        self.by_neuron = settings.snapshot == "neuron" and separable(_module(site))
        self.discarded: list[int] = []
        self.infinite = set[str]().union(*map(_not_finite, site.candidates))
        self.epochs = 0
        self.curve: list[list[float]] = []
        self.mark = 0.0
        self.best = torch.full((site.known_channels,), -1.0, dtype=torch.float64, device=device)
        self.signs = torch.zeros_like(self.best)
        self.snapshot: dict[str, Tensor] | None = None
        self.chance: ChanceScores | None = None
        if settings.score_rows == "held-out":
            self.scored = [CandidateStatistics(site.known_channels, device) for _ in self.statistics]
            self.chance = ChanceScores(
                site.name, self.scored, processes, by_neuron=self.by_neuron, draws=enough_draws(sites)
            )

    @property
    def live(self) -> list[int]:
        """Numbers of the candidates that can be trained."""
        return [number for number in range(len(self.statistics)) if number not in self.discarded]

    @property
    def best_score(self) -> float:
        """Mean over neurons of the normalised score of the snapshot; -1 without one."""
        return float(self.best.mean())

    @property
    def reached(self) -> bool:
        """Whether a batch of this epoch had a pattern for this site, as far as a candidate is left to tell."""
        return not self.live or any(self.statistics[number].patterns for number in self.live)

    def observed(self, calls: Sequence[Call], deltas: list[Tensor] | None, scale: float = 1.0) -> list[Observed]:
        """What a batch shows of every candidate that is still trained: nothing if it has no pattern for this site.

        calls, deltas  of the site; None if the loss depends on none of the calls. δ is too large by `scale`
        """
        if not deltas:
            return [Observed(self, number, [], [], None) for number in self.live]
        deltas = [self._error(delta, scale) for delta in deltas]
        delta = self._joined(deltas)
        seen = []
        for number in self.live:
            answers = [call.candidates[number] for call in calls]
            values = (self._joined(answers), delta) if delta.numel() else None
            seen.append(Observed(self, number, answers, deltas, values))
        return seen

    def score_held_out(self, calls: Sequence[Call], deltas: list[Tensor] | None, scale: float) -> None:
        """Take in a batch that candidates are not trained on, but scored by; arguments as of `observed`."""
        assert self.chance is not None
        factor = 1 / (self.processes.count * scale)
        for seen in self.observed(calls, deltas, scale):
            batch = self.processes.merged(seen.moments())
            if batch.patterns and seen.usable(batch):
                self.scored[seen.number].update(batch)
                if seen.values is not None:
                    self.chance.add(seen.number, seen.calls, deltas or [], axis=self.site.axis, factor=factor)
        self.chance.next_batch()

    def _error(self, delta: Tensor, scale: float) -> Tensor:
        """δ in single precision at least, as a share of the mean of the processes' losses."""
        if delta.dtype not in _PRECISE:
            delta = delta.to(torch.promote_types(delta.dtype, torch.float32))
        if (count := self.processes.count) > 1:
            delta = delta / count
        return delta if scale == 1 else delta / scale

    def primed(self, number: int) -> bool:
        """Whether the running means of a candidate have seen enough for it to be trained."""
        return bool(self.epochs) or self.statistics[number].batches > self.settings.priming_batches

    def _joined(self, calls: list[Tensor]) -> Tensor:
        """Values of the only call as they are, or of several calls, shaped as the site's output, as (P, C)."""
        return calls[0] if len(calls) == 1 else torch.cat([rows_of(values, self.site.axis) for values in calls])

    def end_epoch(self) -> tuple[float, bool]:
        """Keep what is the best so far; (the best candidate's score in this epoch, whether it is an improvement).

        With a snapshot for each neuron, the score is the mean of every neuron's best. It is 0 if no candidate is left,
        or no batch of the epoch had a pattern for this site.
        """
        self.discarded += [n for n in self.live if not _not_finite(self.site.candidates[n]) <= self.infinite]
        seen = [number for number in self.live if self.scored[number].patterns]
        scores = {number: self.scored[number].score() for number in seen}
        signs = {number: self.scored[number].signs() for number in seen}
        self.epochs += 1
        if self.chance is not None:
            self.chance.end_epoch(seen)
        for statistics in {id(one): one for one in (*self.statistics, *self.scored)}.values():
            statistics.start_epoch()
        if not scores:
            return 0.0, False
        if self.by_neuron:
            for number, own in scores.items():
                self._keep(number, own, signs[number], own > self.best)
            best = torch.stack(list(scores.values())).amax(0)
            score = float(best.mean())
        else:
            means = {number: float(own.mean()) for number, own in scores.items()}
            winner = max(means, key=means.__getitem__)
            best, score = scores[winner], means[winner]
            if score > self.best_score:
                self._keep(winner, scores[winner], signs[winner], torch.ones_like(self.best, dtype=torch.bool))
        self.curve.append([score, float(best.max())])
        if improved := improves(score, self.mark, self.settings.threshold):
            self.mark = score
        return score, improved

    def _keep(self, number: int, scores: Tensor, signs: Tensor, neurons: Tensor) -> None:
        """Take the candidate's weights of these neurons (C,) bool into the snapshot."""
        weights = dict(self.site.candidates[number].state_dict())
        old, self.snapshot = self.snapshot, copied(weights)
        if old is not None and not bool(neurons.all()):
            for name, value in weights.items():
                if is_weight(name, value) and value.ndim:  # rows belong to neurons; a count of batches belongs to none
                    chosen = neurons.reshape(-1, *[1] * (value.ndim - 1))
                    self.snapshot[name] = torch.where(chosen, value, old[name])
        self.best, self.signs = torch.where(neurons, scores, self.best), torch.where(neurons, signs, self.signs)

    @property
    def p_value(self) -> float | None:
        """How often the best score would be as large by chance; None if that is not known."""
        return None if self.chance is None or self.snapshot is None else self.chance.p_value(self.best_score)

    def insight(self, epoch: int) -> DendriteInsight:
        """What is known of the dendrite in the making, in a phase whose first epoch was `epoch`."""
        return DendriteInsight(
            number=len(self.site.dendrites) + 1,
            outcome="failed" if self.snapshot is None else "kept",
            epoch=epoch,
            mean_correlation=tuple(mean for mean, _ in self.curve),
            max_correlation=tuple(most for _, most in self.curve),
            correlation=() if self.snapshot is None else tuple(self.best.tolist()),
        )

    def accept(self) -> bool:
        """Make the snapshot a dendrite of the site, and the candidates go; without a snapshot there is no dendrite.

        Its output weight starts at −sign·initial_w, which lowers the loss if δ stays as it is. Returns whether there
        is a dendrite.
        """
        if self.snapshot is None:
            self.drop()
            return False
        chosen = self.site.candidates[0]
        self.drop()
        assert isinstance(chosen, Dendrite)
        chosen.load_state_dict(self.snapshot)
        start = self.settings.initial_w
        self.site.accept(chosen, -self.signs * start if start else None)
        return True

    def drop(self) -> None:
        """Let the candidates go."""
        self.site.candidates = nn.ModuleList()

    def state_dict(self) -> dict[str, Any]:
        """All but the candidates' weights, which are the network's."""
        plain = {name: getattr(self, name) for name in _STATE}
        statistics = [statistics.state_dict() for statistics in self.statistics]
        lists: dict[str, Any] = {"discarded": list(self.discarded), "curve": [list(line) for line in self.curve]}
        lists |= {"infinite": sorted(self.infinite)} if self.infinite else {}
        held_out = {} if self.chance is None else {"scored": [one.state_dict() for one in self.scored]}
        chance = {} if self.chance is None else {"chance": self.chance.state_dict()}
        return {**plain, **lists, "statistics": statistics, **held_out, **chance}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over a saved state."""
        for name in _STATE:
            setattr(self, name, _on(self.best.device, state[name]))
        self.discarded, self.infinite = list(state["discarded"]), set(state.get("infinite", ()))
        self.curve = [list(line) for line in state["curve"]]
        for statistics, saved in zip(self.statistics, state["statistics"], strict=True):
            statistics.load_state_dict(saved)
        if self.chance is not None:
            for statistics, saved in zip(self.scored, state["scored"], strict=True):
                statistics.load_state_dict(saved)
            self.chance.load_state_dict(state["chance"])


def _on(device: torch.device, value: Any) -> Any:
    """A saved value, whose tensors may come from a file and so from the CPU, where its site is."""
    if isinstance(value, Mapping):
        return {name: _on(device, inner) for name, inner in value.items()}
    return value.to(device) if isinstance(value, Tensor) else value


_STATE = ("epochs", "best", "signs", "mark", "snapshot")


def separable(module: nn.Module) -> bool:
    """Whether every neuron has weights of its own, the rows of all parameters: linear layers and convolutions.

    Recurrent, attention and message-passing modules and layer normalisation mix their neurons; so may layers that are
    parametrised, as by their spectral norm, or hooked, and classes of a user's own.
    """
    first, *others = in_turn(module)
    rows = type(first) in _ROWS and not (first._forward_pre_hooks or first._forward_hooks)
    return rows and all(isinstance(other, _BY_CHANNEL) for other in others)


def _module(site: Site) -> nn.Module:
    """What its dendrites consist of."""
    candidate = site.candidates[0]
    assert isinstance(candidate, Dendrite)
    return candidate.module


def _not_finite(module: nn.Module) -> set[str]:
    """Names of its parameters and buffers that are not finite."""
    weights = {name: value for name, value in module.state_dict().items() if is_weight(name, value)}
    return {name for name, value in weights.items() if not bool(torch.isfinite(value).all())}


def add_candidates(sites: Mapping[str, Site], settings: GrowthSettings, seed: int, attempt: str) -> None:
    """Give every site its pool of new candidates, one where there is no dendrite phase to choose among them.

    attempt  a part of the streams' names, see `Journal.attempt`
    """
    for name, site in sites.items():
        for number in range(settings.pool if settings.dendrite_max_epochs != 0 else 1):
            with seeded(seed, f"dendrite/{name}/{attempt}/{number}"):
                site.candidates.append(site.new_dendrite(settings.activation, init_scale=settings.init_scale))
