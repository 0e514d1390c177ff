"""Pictures of runs, drawn from records alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pbgraph.errors import UsageError
from pbgraph.history import Epoch
from pbgraph.metrics import label_of
from pbgraph.report.comparisons import margin_of
from pbgraph.report.styles import Style, agg, check_picture, place_legend, save_figure, styles_of
from pbgraph.results.arms import Arm, shortened
from pbgraph.results.records import RunRecord

PHASE_COLOUR = "#f3c9a5"
PANELS = 3
MARKED = 10  # epochs of a curve that have a mark
MOST_MARKS = 200  # phases that are shaded, and arrivals that are marked, of one run
SPAN = 10.0  # of the score axis, in relevant differences from the best score: the first epochs' steep rise is cut off


def draw_learning_curves(records: Sequence[RunRecord], path: Path, *, seeds: Sequence[int]) -> None:
    """Validation scores over epochs, a panel for each of the first seeds: phases shaded, arrivals of dendrites marked.

    records  of the arms to be drawn; the shading is that of perforated runs
    path     its suffix says which format: .png, .svg or .pdf
    A ring marks the epoch whose network was selected. Scores worse than the best by more than `SPAN` are cut off.
    Raises UsageError if no run has a history, or as `check_picture`.
    """
    check_picture(path)
    pyplot = agg()
    drawn = [record for record in records if record.status == "finished" and len(record.history) > 1]
    shown = [seed for seed in seeds if any(record.spec.seed == seed for record in drawn)][:PANELS]
    if not shown:
        raise UsageError("no finished run with a history of epochs: there is no learning curve to draw")
    models = list(dict.fromkeys(record.spec.model for record in drawn))
    called = shortened(record.spec.arm for record in drawn)
    names = {record.spec.arm: _name(called[record.spec.arm], alone=len(models) == 1) for record in drawn}
    styles = styles_of(names[record.spec.arm] for record in sorted(drawn, key=_has_changes))
    figure, axes = pyplot.subplots(
        1, len(shown), figsize=(max(4.2 * len(shown), 7.0), 3.2), sharey=True, squeeze=False, layout="constrained"
    )
    for axis, seed in zip(axes[0], shown, strict=True):
        _draw_panel(axis, [record for record in drawn if record.spec.seed == seed], names, styles)
        axis.set_title(f"{', '.join(models)}, seed {seed}", fontsize=10)
        axis.set_xlabel("epoch")
    axes[0][0].set_ylabel(f"validation {label_of(drawn[0].spec.metric)}")
    axes[0][0].set_ylim(*axis_limits(drawn))
    legends = [axis.get_legend_handles_labels() for axis in axes[0]]
    named = {label: handle for handles, labels in legends for handle, label in zip(handles, labels, strict=True)}
    place_legend(figure, named)
    save_figure(figure, path)


def axis_limits(records: Sequence[RunRecord]) -> tuple[float, float]:
    """Ends of the score axis: `SPAN` on the worse side of the best score, a tenth of that on the other."""
    margin = margin_of(records)
    span = SPAN * margin.relevant
    scores = [line.valid for record in records for line in record.history if line.valid is not None]
    if margin.larger_is_better:
        return max(scores) - span, max(scores) + 0.1 * span
    return min(scores) - 0.1 * span, min(scores) + span


def _has_changes(record: RunRecord) -> bool:
    return bool(record.spec.arm.changes)


def _name(arm: Arm, *, alone: bool) -> str:
    """What a curve is called, beside those of other models or of one alone."""
    return " · ".join(filter(None, (arm.method if alone else f"{arm.model}/{arm.method}", arm.variant)))


def _draw_panel(axis: Any, records: Sequence[RunRecord], names: Mapping[Arm, str], styles: Mapping[str, Style]) -> None:
    """The curves of one seed, by what each arm is called."""
    for record in sorted(records, key=lambda record: -len(record.history)):  # the shortest on top
        scores = [line.valid for line in record.history]
        name = names[record.spec.arm]
        style = styles[name]
        every = max(1, len(scores) // MARKED)
        axis.plot(range(len(scores)), scores, **style.line, linewidth=1.2, markersize=3, markevery=every, label=name)
        if record.selection is not None and record.selection.score is not None:
            ring = {"markersize": 9, "markerfacecolor": "none", "color": style.colour, "linestyle": "none"}
            axis.plot(record.selection.epoch, record.selection.score, "o", **ring, label="selected epoch")
        for number, (first, last) in enumerate(dendrite_phases(record.history)[:MOST_MARKS]):
            label = "dendrite phase" if number == 0 else None
            axis.axvspan(first, last, color=PHASE_COLOUR, alpha=0.6, linewidth=0, label=label)
        for number, epoch in enumerate(arrivals(record.history)[:MOST_MARKS]):
            label = "dendrite arrives" if number == 0 else None
            axis.axvline(epoch, color=style.colour, linestyle=":", linewidth=1.2, label=label)
    axis.grid(alpha=0.25, linewidth=0.5)


def dendrite_phases(history: Sequence[Epoch]) -> list[tuple[int, int]]:
    """First epoch of every dendrite phase, and the first epoch after it."""
    dendrite = [False, *(line.phase == "dendrite" for line in history), False]
    starts = [e for e in range(1, len(dendrite)) if dendrite[e] and not dendrite[e - 1]]
    ends = [e for e in range(1, len(dendrite)) if dendrite[e - 1] and not dendrite[e]]
    return [(start - 1, end - 1) for start, end in zip(starts, ends, strict=True)]


def arrivals(history: Sequence[Epoch]) -> list[int]:
    """The first epoch of every neuron phase that has more dendrites than the epoch before."""
    return [e for e in range(1, len(history)) if history[e].dendrites > history[e - 1].dendrites]
