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
# of sites that have a line of their own: colours that any colour vision tells apart, and dashes
_STYLES: Sequence[tuple[str, Any]] = (
    *(("#0072b2", "--"), ("#d55e00", "-."), ("#e69f00", (0, (1, 1))), ("#56b4e9", (0, (5, 1, 1, 1, 1, 1)))),
    *(("#009e73", (0, (7, 2))), ("#cc79a7", "--"), ("#332288", "-."), ("#9e9e9e", (0, (1, 1)))),
)
_MOST_SITES = len(_STYLES)


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
        for number, site in enumerate(sites):
            colour, dashes = _STYLES[number]
            _line(axes, history, site, label=site.removeprefix(_SITE), linewidth=1, color=colour, linestyle=dashes)
    _line(axes, history, "correlation", label="mean over sites", color="black")


def _shade(axes: Axes, history: Sequence[Row]) -> None:
    labels = {"phase": "dendrite phase", "accept": "dendrites accepted"}
    for phase, rows in groupby(history, key=lambda row: row["phase"]):
        epochs = [row["epoch"] for row in rows]
        if phase == "dendrite":
            span = (epochs[0] - 0.5, epochs[-1] + 0.5)
            axes.axvspan(*span, color="0.9", zorder=0, label=labels.pop("phase", None))
    for row in history:
        if row["switched"] == "accept":
            axes.axvline(row["epoch"] + 0.5, color="0.6", linewidth=1, zorder=1, label=labels.pop("accept", None))
