"""The history of a growth as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Row = Mapping[str, Any]

_SITE = "correlation "
_MOST_SITES = 8  # with a line of their own, and a name in the legend


def drawn(history: Sequence[Row]) -> Figure:
    """Score, loss and correlation over epochs, one above the other; dendrite phases are shaded, accepts are marked.

    history  as `Growth.history`
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 7), layout="constrained")
    scores, losses, correlations = figure.subplots(3, 1, sharex=True)
    neuron = [row for row in history if row["phase"] == "neuron"]
    _line(scores, neuron, "score", marker=".")
    _line(scores, history, "best_score", drawstyle="steps-post", linestyle="--")
    _line(losses, history, "loss")
    _correlations(correlations, history)
    titles = ("validation score", "training loss", "|corr(a, δ)|")
    for axes, title in zip((scores, losses, correlations), titles, strict=True):
        axes.set_ylabel(title)
        _shade(axes, history)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize="small")
    correlations.set_xlabel("epoch")
    return figure


def _line(axes: Axes, rows: Sequence[Row], name: str, *, label: str | None = None, **style: Any) -> None:
    """A value over epochs, interrupted where it is not known."""
    values = [float("nan") if row.get(name) is None else row[name] for row in rows]
    axes.plot([row["epoch"] for row in rows], values, label=label or name.replace("_", " "), **style)


def _correlations(axes: Axes, history: Sequence[Row]) -> None:
    """Each site's, or the mean where there are too many sites."""
    sites = list(dict.fromkeys(name for row in history for name in row if name.startswith(_SITE)))
    if len(sites) <= _MOST_SITES:
        for site in sites:
            _line(axes, history, site, label=site.removeprefix(_SITE), linewidth=1)
    _line(axes, history, "correlation", label="mean over sites", color="black")


def _shade(axes: Axes, history: Sequence[Row]) -> None:
    for phase, rows in groupby(history, key=lambda row: row["phase"]):
        epochs = [row["epoch"] for row in rows]
        if phase == "dendrite":
            axes.axvspan(epochs[0] - 0.5, epochs[-1] + 0.5, color="0.9", zorder=0)
    for row in history:
        if row["switched"] == "accept":
            axes.axvline(row["epoch"] + 0.5, color="0.6", linewidth=1, zorder=1)
