"""The candidates of one site: a pool that is trained side by side on the same δ, of which the best is accepted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from pbgraph.dendrites.copies import copied
from pbgraph.dendrites.errors import TrainingError
from pbgraph.dendrites.objective import CandidateStatistics, Patterns
from pbgraph.dendrites.settings import GrowthSettings
from pbgraph.dendrites.sites import Dendrite, PerforatedSite
from pbgraph.dendrites.switching import improves


class SiteCandidates:
    """The candidates of one site, their statistics, and the best snapshot so far.

    discarded   numbers of candidates that became NaN or infinite: they are trained no more
    epochs      of the phase that are over
    best_score  mean over neurons of the normalised score of the snapshot; -1 without one
    snapshot    weights of the best candidate at the end of its best epoch, or None
    mark        the score that has to be beaten by the threshold to count as an improvement
    """

    def __init__(self, site: PerforatedSite) -> None:
        self.site = site
        device = next(site.parameters()).device
        self.statistics = [CandidateStatistics(site.known_channels, device) for _ in site.candidates]
        self.discarded: list[int] = []
        self.epochs = 0
        self.best_score, self.mark = -1.0, 0.0
        self.snapshot: dict[str, Tensor] | None = None

    @property
    def live(self) -> list[int]:
        """Numbers of the candidates that can be trained."""
        return [number for number in range(len(self.statistics)) if number not in self.discarded]

    def objective(self, deltas: list[Tensor], settings: GrowthSettings) -> list[Tensor]:
        """One loss per candidate to be trained on this batch; deltas are δ (..., C) of the site's calls.

        Empty while the running means are being primed, or if the batch has no pattern for this site.
        """
        delta = _joined(deltas)
        if not len(delta):
            return []
        error = Patterns(delta)
        if not error.finite:
            raise TrainingError(f"the loss has no finite gradient at site {self.site.name!r} in a dendrite phase")
        losses = []
        for number in self.live:
            a = _joined([call.candidates[number] for call in self.site.calls or ()])
            if not (patterns := Patterns(a)).finite:
                self.discarded.append(number)
                continue
            statistics = self.statistics[number]
            statistics.update(patterns, error)
            if self.epochs or statistics.batches > settings.priming_batches:
                losses.append(statistics.loss(a, delta, normalised=settings.objective == "normalised"))
        return losses

    def end_epoch(self, threshold: float) -> tuple[float, bool]:
        """Keep the best candidate if it is the best so far; (its score in this epoch, whether that is an improvement).

        The score is 0 if no candidate is left.
        """
        self.discarded += [number for number in self.live if not _finite(self.site.candidates[number])]
        scores = {number: float(self.statistics[number].score().mean()) for number in self.live}
        self.epochs += 1
        for statistics in self.statistics:
            statistics.start_epoch()
        if not scores:
            return 0.0, False
        winner = max(scores, key=scores.__getitem__)
        score = scores[winner]
        if score > self.best_score:
            self.best_score = score
            self.snapshot = copied(dict(self.site.candidates[winner].state_dict()))
        if improved := improves(score, self.mark, threshold):
            self.mark = score
        return score, improved

    def accept(self) -> bool:
        """Make the snapshot a dendrite of the site, and the candidates go; without a snapshot there is no dendrite.

        Returns whether there is one.
        """
        chosen = self.site.candidates[0]
        self.site.candidates = nn.ModuleList()
        if self.snapshot is None:
            return False
        assert isinstance(chosen, Dendrite)
        chosen.load_state_dict(self.snapshot)
        self.site.accept(chosen)
        return True

    def state_dict(self) -> dict[str, Any]:
        """All but the candidates' weights, which are the network's."""
        plain = {name: getattr(self, name) for name in ("epochs", "best_score", "mark")}
        statistics = [statistics.state_dict() for statistics in self.statistics]
        return {**plain, "discarded": list(self.discarded), "snapshot": self.snapshot, "statistics": statistics}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over a saved state."""
        self.epochs, self.best_score, self.mark = state["epochs"], state["best_score"], state["mark"]
        self.discarded, self.snapshot = list(state["discarded"]), state["snapshot"]
        for statistics, saved in zip(self.statistics, state["statistics"], strict=True):
            statistics.load_state_dict(saved)


def _joined(calls: list[Tensor]) -> Tensor:
    """(..., C) of each call -> (P, C) over all patterns of all calls."""
    rows = [values.reshape(-1, values.shape[-1]) for values in calls]
    return rows[0] if len(rows) == 1 else torch.cat(rows)


def _finite(module: nn.Module) -> bool:
    return all(bool(torch.isfinite(value).all()) for value in module.state_dict().values())
