"""Pictures of runs, drawn from records alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

from pbgraph.errors import UsageError
from pbgraph.files.writing import replaced_file
from pbgraph.history import Epoch
from pbgraph.methods.roles import PERFORATED, PLAIN
from pbgraph.metrics import label_of
from pbgraph.report.comparisons import margin_of
from pbgraph.results.arms import Arm, shortened
from pbgraph.results.records import RunRecord

COLOURS = {PLAIN: "#444444", PERFORATED: "#c8102e"}
OTHERS = ("#1f6fb2", "#2a9d4a", "#8a5fbf", "#b8860b", "#17808a", "#a0527a")  # of controls, in the order of a picture
PHASE_COLOUR = "#f3c9a5"
PANELS = 3
MOST_MARKS = 200  # phases that are shaded, and arrivals that are marked, of one run
SPAN = 10.0  # of the score axis, in relevant differences from the best score: the first epochs' steep rise is cut off


def draw_learning_curves(records: Sequence[RunRecord], path: Path, *, seeds: Sequence[int]) -> None:
    """Validation scores over epochs, a panel for each of the first seeds: phases shaded, arrivals of dendrites marked.

    records  of the arms to be drawn; the shading is that of perforated runs
    path     its suffix says which format: .png, .svg or .pdf
    A ring marks the epoch whose network was selected. Scores worse than the best by more than `SPAN` are cut off.
    Raises UsageError if no run has a history, or for a suffix that matplotlib does not know.
    """
    pyplot = agg()
    drawn = [record for record in records if record.status == "finished" and len(record.history) > 1]
    shown = [seed for seed in seeds if any(record.spec.seed == seed for record in drawn)][:PANELS]
    if not shown:
        raise UsageError("no finished run with a history of epochs: there is no learning curve to draw")
    models = list(dict.fromkeys(record.spec.model for record in drawn))
    colours = colours_of(map(_curve, sorted(drawn, key=_has_changes))) if len(models) == 1 else None
    called = shortened(record.spec.arm for record in drawn)
    figure, axes = pyplot.subplots(
        1, len(shown), figsize=(max(4.2 * len(shown), 7.0), 3.4), sharey=True, squeeze=False, layout="constrained"
    )
    for axis, seed in zip(axes[0], shown, strict=True):
        _draw_panel(axis, [record for record in drawn if record.spec.seed == seed], called, colours)
        axis.set_title(f"{', '.join(models)}, seed {seed}", fontsize=10)
        axis.set_xlabel("epoch")
    axes[0][0].set_ylabel(f"validation {label_of(drawn[0].spec.metric)}")
    axes[0][0].set_ylim(*axis_limits(drawn))
    legends = [axis.get_legend_handles_labels() for axis in axes[0]]
    named = {label: handle for handles, labels in legends for handle, label in zip(handles, labels, strict=True)}
    figure.legend(named.values(), named.keys(), loc="outside lower center", ncols=len(named), frameon=False, fontsize=9)
    save_figure(figure, path)


def agg() -> Any:
    """`matplotlib.pyplot`, drawing to files alone."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    return pyplot


def save_figure(figure: Any, path: Path) -> None:
    """Write a figure, whole or not at all, in the format that the suffix says, and close it.

    Raises UsageError for a suffix that matplotlib does not know.
    """
    kind = path.suffix.removeprefix(".").lower()
    try:
        with replaced_file(path) as part:
            figure.savefig(part, dpi=150, format=kind or "?", metadata={"Date": None} if kind == "svg" else None)
    except ValueError as error:
        raise UsageError(f"figure {path}: {error}; give a name that ends in .png, .svg or .pdf") from error
    finally:
        agg().close(figure)


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


def _curve(record: RunRecord) -> str:
    """What has a colour of its own: a method, and every variant of it."""
    arm = record.spec.arm
    return str(arm) if arm.changes else arm.method


def colours_of(curves: Iterable[str]) -> dict[str, str]:
    """Curve -> its colour in one picture: of backpropagation and dendrites always the same, of others by their order.

    >>> colours_of(["perforated", "continued"])
    {'perforated': '#c8102e', 'continued': '#1f6fb2'}
    """
    curves = list(dict.fromkeys(curves))
    others = dict(zip((curve for curve in curves if curve not in COLOURS), cycle(OTHERS), strict=False))
    return {curve: COLOURS.get(curve) or others[curve] for curve in curves}


def _draw_panel(
    axis: Any, records: Sequence[RunRecord], called: Mapping[Arm, Arm], colours: Mapping[str, str] | None
) -> None:
    """The curves of one seed.

    called   each arm, as the picture names it
    colours  of the curves; None where there are several models, so that a curve has to name its own
    Variants are dashed.
    """
    for record in sorted(records, key=lambda record: -len(record.history)):  # the shortest on top
        scores = [line.valid for line in record.history]
        arm = called[record.spec.arm]
        name = " · ".join(filter(None, (f"{arm.model}/{arm.method}" if colours is None else arm.method, arm.variant)))
        own, style = None if colours is None else colours[_curve(record)], "--" if arm.changes else "-"
        (line,) = axis.plot(range(len(scores)), scores, style, color=own, linewidth=1.2, label=name)
        colour = line.get_color()
        if record.selection is not None and record.selection.score is not None:
            axis.plot(
                record.selection.epoch, record.selection.score, "o", markersize=7, markerfacecolor="none", color=colour
            )
        for number, (first, last) in enumerate(dendrite_phases(record.history)[:MOST_MARKS]):
            label = "dendrite phase" if number == 0 else None
            axis.axvspan(first, last, color=PHASE_COLOUR, alpha=0.6, linewidth=0, label=label)
        for number, epoch in enumerate(arrivals(record.history)[:MOST_MARKS]):
            label = "dendrite arrives" if number == 0 else None
            axis.axvline(epoch, color=colour, linestyle=":", linewidth=1.2, label=label)
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
