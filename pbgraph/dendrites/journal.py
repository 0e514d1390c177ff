"""What happened in a growth: its epochs, its events, and every dendrite that was tried."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from pbgraph.dendrites.plotting import drawn
from pbgraph.dendrites.switching import Phase, Status
from pbgraph.insight import DendriteInsight

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Row = dict[str, Any]


@dataclass
class Journal:
    """The past of a growth, as plain values.

    events   see `Growth`;  trials  site -> every dendrite tried there
    history  a row for every epoch, see `Growth.history`
    correlations  site -> of every dendrite tried there, in order: `Growth.correlate` of it, or nothing
    attempts  "<dendrites so far>/<failed tries>" -> sets of candidates that were begun there, see `attempt`
    loss, losses  sum and number of the finite losses of the epoch so far
    """

    trials: dict[str, list[DendriteInsight]]
    events: list[Row] = field(default_factory=list)
    history: list[Row] = field(default_factory=list)
    loss: float = 0.0
    losses: int = 0
    correlations: dict[str, list[list[float]]] = field(default_factory=dict)
    attempts: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, sites: Iterable[str]) -> Journal:
        """An empty one."""
        return cls({name: [] for name in sites})

    def add_loss(self, loss: float) -> None:
        """Note a step's loss."""
        if math.isfinite(loss):
            self.loss += loss
            self.losses += 1

    def end_epoch(
        self, epoch: int, *, phase: Phase, dendrites: int, score: float | None, rate: float, status: Status
    ) -> None:
        """Write the row of an epoch that was of this phase, with so many dendrites per site."""
        scores = status.site_scores
        self.history.append(
            {
                "epoch": epoch,
                "phase": phase,
                "dendrites": dendrites,
                "loss": self.loss / self.losses if self.losses else None,
                "score": score,
                "best_score": status.best_score,
                "improved": status.improved,
                "switched": status.switched,
                "learning_rate": rate,
                "correlation": sum(scores.values()) / len(scores) if scores else None,
                **{f"correlation {name}": value for name, value in scores.items()},
            }
        )
        self.loss, self.losses = 0.0, 0

    def first_rate(self) -> float | None:
        """Learning rate of the last step of the first neuron phase; None while that lasts."""
        return next((row["learning_rate"] for row in self.history if row["switched"] is not None), None)

    def state_dict(self) -> dict[str, Any]:
        """All of it as plain values, by reference."""
        trials = {name: [asdict(trial) for trial in tried] for name, tried in self.trials.items()}
        return {
            "events": self.events,
            "trials": trials,
            "history": self.history,
            "loss": self.loss,
            "losses": self.losses,
            "correlations": self.correlations,
            "attempts": self.attempts,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Journal:
        """What `state_dict` gave."""
        trials = {name: [DendriteInsight(**trial) for trial in tried] for name, tried in state["trials"].items()}
        correlations, attempts = state.get("correlations", {}), state.get("attempts", {})  # an earlier version had none
        return cls(trials, state["events"], state["history"], state["loss"], state["losses"], correlations, attempts)

    def attempt(self, dendrites: int, tries: int) -> str:
        """A name that no other set of candidates has: "<dendrites so far>/<failed tries>", which streams are named by.

        Where some sites have more dendrites than others both may be the same again: "/<how many times before>" follows.
        """
        name = f"{dendrites}/{tries}"
        before = self.attempts.get(name, 0)
        self.attempts[name] = before + 1
        return f"{name}/{before}" if before else name

    def add_correlations(self, found: Mapping[str, Sequence[float]]) -> None:
        """Note those of the last dendrite that was tried at each of these sites."""
        for name, values in found.items():
            own = self.correlations.setdefault(name, [])
            own += [[] for _ in range(len(self.trials[name]) - len(own))]
            own[-1] = list(values)


class Journalled:
    """Something with a past."""

    _journal: Journal

    @property
    def events(self) -> list[Row]:
        """What became of every set of dendrites, in order."""
        return self._journal.events

    @property
    def trials(self) -> dict[str, list[DendriteInsight]]:
        """Site -> every dendrite tried there, in order."""
        return self._journal.trials

    @property
    def correlations(self) -> dict[str, list[list[float]]]:
        """Site -> for every dendrite tried there, in order: what `Growth.correlate` found of it, or nothing."""
        return {
            name: [*known, *([] for _ in range(len(tried) - len(known)))]
            for name, tried in self.trials.items()
            for known in [self._journal.correlations.get(name, [])]
        }

    @property
    def history(self) -> list[Row]:
        """A row for every epoch, for ``pandas.DataFrame(growth.history)``.

        epoch (0-based), phase, dendrites, loss (mean of its steps'), score, best_score, improved, switched,
        learning_rate (of its last step); in dendrite phases also correlation, the mean over sites of the best
        candidate's mean |corr|, and "correlation <site>" of each. None is what is not known.
        """
        return self._journal.history

    def plot(self) -> Figure:
        """The history as a matplotlib Figure: scores, losses and correlations over epochs, dendrite phases shaded.

        ``growth.plot().savefig("growth.png")`` writes it.
        """
        return drawn(self.history)
