"""What dendrites learnt, for people and programs: a table, JSON and a picture, made from the files of finished runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from statistics import fmean
from typing import Any

import msgspec

from pbgraph.insight import DendriteInsight, Insight
from pbgraph.report.formats import json_text
from pbgraph.report.markdown import markdown
from pbgraph.report.styles import agg, save_figure, styles_of
from pbgraph.results.records import RunSpec

COLUMNS = (
    *("site", "neurons", "dendrite", "outcome", "epochs", "correlation", "largest", "on validation"),
    *("mean abs w", "variance share", "largest"),
)
NOTE = (
    "Correlation: |corr(a, δ)| of the accepted weights, mean over neurons and largest neuron; on validation rows, mean "
    "over neurons of what it was there when they were accepted, negative where it is reversed. Variance share: "
    "Var(w a) / Var(y') of the reported network over the validation molecules; shares need not sum to one."
)
NO_PHASE = "-"
PHASES = 4  # panels of curves at the most


RIGHT = (1, 2, 4, 5, 6, 7, 8, 9, 10)  # columns of numbers
Correlations = Mapping[str, Sequence[float | None]]  # on validation rows, as records have them


def to_markdown(spec: RunSpec, insight: Insight, correlations: Correlations) -> str:
    """A line for every dendrite that was tried at each site."""
    heading = f"## {spec.task}: dendrites of {spec.arm}, seed {spec.seed}"
    return f"{heading}\n\n{NOTE}\n\n{markdown(COLUMNS, insight_rows(insight, correlations), right=RIGHT)}\n"


def insight_rows(insight: Insight, correlations: Correlations) -> list[tuple[str, ...]]:
    """What stands under `COLUMNS`."""
    return [
        (name, str(site.neurons), *_cells(dendrite, elsewhere))
        for name, site in insight.sites.items()
        for dendrite, elsewhere in zip_longest(site.dendrites, correlations.get(name, ())[: len(site.dendrites)])
    ] or [(name, str(site.neurons), *["-"] * 9) for name, site in insight.sites.items()]


def _cells(dendrite: DendriteInsight, on_validation: float | None) -> tuple[str, ...]:
    epochs = str(len(dendrite.mean_correlation)) if dendrite.mean_correlation else NO_PHASE
    return (
        str(dendrite.number),
        dendrite.outcome,
        epochs,
        _mean(dendrite.correlation),
        _largest(dendrite.correlation),
        "-" if on_validation is None else f"{on_validation:.4f}",
        _mean([abs(w) for w in dendrite.w]),
        _mean(dendrite.variance_share),
        _largest(dendrite.variance_share),
    )


def _mean(values: Sequence[float]) -> str:
    return f"{fmean(values):.4f}" if values else "-"


def _largest(values: Sequence[float]) -> str:
    return f"{max(values):.4f}" if values else "-"


def to_json(spec: RunSpec, insight: Insight, correlations: Correlations) -> str:
    """Everything, neuron by neuron."""
    run = {"task": spec.task, "arm": str(spec.arm), "seed": spec.seed, "key": spec.key}
    content = {**run, **msgspec.to_builtins(insight), "validation_correlations": msgspec.to_builtins(correlations)}
    return json_text(content)


FORMATS: Mapping[str, Callable[[RunSpec, Insight, Correlations], str]] = {"md": to_markdown, "json": to_json}


def draw_dendrites(spec: RunSpec, insight: Insight, path: Path) -> None:
    """Above: the variance share of every neuron of every kept dendrite; below: correlations over the first phases.

    path  its suffix says which format: .png, .svg or .pdf
    Sites differ in their number of neurons, so each row is stretched to the same width. Solid lines are the means over
    a site's neurons, thin ones their maxima.
    Raises UsageError as `check_picture`.
    """
    pyplot = agg()
    phases = sorted({dendrite.epoch or 0 for dendrite in _all(insight) if dendrite.mean_correlation})[:PHASES]
    rows = [
        (f"{name}, {dendrite.number}", dendrite)
        for name, site in insight.sites.items()
        for dendrite in site.dendrites
        if dendrite.outcome == "kept"
    ]
    figure = pyplot.figure(figsize=(9.0, 2.0 + 0.2 * len(rows) + (3.0 if phases else 0.0)), layout="constrained")
    grid = figure.add_gridspec(
        2 if phases else 1, max(len(phases), 1), height_ratios=[1.0 + 0.2 * len(rows), 3.0][: 2 if phases else 1]
    )
    _draw_shares(figure, figure.add_subplot(grid[0, :]), rows)
    first = None
    for column, epoch in enumerate(phases):
        axis = figure.add_subplot(grid[1, column], sharey=first)
        first = first or axis
        _draw_curves(axis, insight, epoch)
    if first is not None:
        first.set_ylabel("|corr(a, δ)|")
        handles, labels = first.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=5, frameon=False, fontsize=8)
    figure.suptitle(f"{spec.task}: dendrites of {spec.arm}, seed {spec.seed}", fontsize=11)
    save_figure(figure, path)


def _all(insight: Insight) -> list[DendriteInsight]:
    return [dendrite for site in insight.sites.values() for dendrite in site.dendrites]


def _draw_shares(figure: Any, axis: Any, rows: Sequence[tuple[str, DendriteInsight]]) -> None:
    """One row for each kept dendrite; the colour scale is a square root, since most shares are small."""
    from matplotlib.colors import PowerNorm

    top = max((max(dendrite.variance_share) for _, dendrite in rows), default=0.0)
    norm = PowerNorm(0.5, vmin=0.0, vmax=top or 1.0)
    for place, (_, dendrite) in enumerate(rows):
        count = len(dendrite.variance_share)
        edges = [neuron / count for neuron in range(count + 1)]
        mesh = axis.pcolormesh(edges, [place, place + 1], [list(dendrite.variance_share)], norm=norm, cmap="viridis")
    axis.set_yticks([place + 0.5 for place in range(len(rows))], [label for label, _ in rows], fontsize=8)
    axis.set_xticks([])
    axis.set_xlabel("neurons of the site" if rows else "no dendrite was kept", fontsize=9)
    if rows:
        axis.invert_yaxis()
        figure.colorbar(mesh, ax=axis, label="Var(w a) / Var(y')")


def _draw_curves(axis: Any, insight: Insight, epoch: int) -> None:
    """Every site's curves of the dendrite phase that began in this epoch."""
    number, styles = 0, styles_of(insight.sites)
    for name, site in insight.sites.items():
        for dendrite in site.dendrites:
            if dendrite.epoch == epoch and dendrite.mean_correlation:
                epochs = range(epoch, epoch + len(dendrite.mean_correlation))
                style, number = styles[name], max(number, dendrite.number)
                axis.plot(epochs, dendrite.mean_correlation, **style.line, linewidth=1.4, markersize=4, label=name)
                axis.plot(epochs, dendrite.max_correlation, color=style.colour, linewidth=0.6, alpha=0.6)
    axis.plot([], [], color="0.4", linewidth=0.6, label="thin: its largest neuron")
    axis.set_title(f"dendrite {number}, from epoch {epoch}", fontsize=9)
    axis.set_xlabel("epoch", fontsize=9)
    axis.xaxis.get_major_locator().set_params(integer=True)
    axis.set_ylim(bottom=0.0)
    axis.grid(alpha=0.25, linewidth=0.5)
