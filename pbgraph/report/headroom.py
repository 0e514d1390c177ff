"""Whether there is anything that dendrites could learn, for people and programs: a table, JSON and a picture."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from pbgraph.headroom import Headroom
from pbgraph.report.markdown import markdown
from pbgraph.report.styles import save_figure
from pbgraph.results.records import RunSpec

COLUMNS = (
    *("site", "neurons", "rows", "learner", "fitted rows", "other rows", "by chance", "p"),
    *("correlation", "largest", "headroom"),
)
NOTE = (
    "Share of the variance of δ, the error of a site, that a function of its inputs explains: on the rows of training "
    "molecules that it was fitted on, and on others, in the mean over {folds} folds of {batches} batches. By chance: "
    "95 % of shares on other rows where δ is shifted against the inputs. Correlation: of prediction and δ on other "
    "rows, mean over neurons and largest neuron. Ridge: linear in the inputs; module: copies of the site's own module."
)


def to_markdown(spec: RunSpec, found: Headroom) -> str:
    """A line for every learner of each site, and what it comes to."""
    heading = f"## {spec.task}: headroom of {spec.arm}, seed {spec.seed}"
    rows = [
        (
            *(row["site"], str(row["neurons"]), str(row["rows"]), row["learner"]),
            *(f"{row[name]:.4f}" for name in ("train", "held_out")),
            f"{row['chance_low']:.4f} to {row['chance_high']:.4f}",
            *(f"{row[name]:.3f}" for name in ("p_value", "correlation", "largest_correlation")),
            "yes" if row["headroom"] else "no",
        )
        for row in found.rows()
    ]
    note = NOTE.format(folds=found.folds, batches=found.batches)
    return f"{heading}\n\n{note}\n\n{markdown(COLUMNS, rows, right=(1, 2, 4, 5, 6, 7, 8, 9))}\n\n{found.sentence}\n"


def to_json(spec: RunSpec, found: Headroom) -> str:
    """Everything, neuron by neuron."""
    run = {"task": spec.task, "arm": str(spec.arm), "seed": spec.seed, "key": spec.key}
    return json.dumps({**run, **json.loads(found.to_json())}, indent=1) + "\n"


FORMATS: Mapping[str, Callable[[RunSpec, Headroom], str]] = {"md": to_markdown, "json": to_json}


def draw_headroom(spec: RunSpec, found: Headroom, path: Path) -> None:
    """Shares of every site, of the rows of the fit against others; errors as of `save_figure`."""
    figure = found.plot()
    figure.suptitle(f"{spec.task}: headroom of {spec.arm}, seed {spec.seed}", fontsize=11)
    save_figure(figure, path)
