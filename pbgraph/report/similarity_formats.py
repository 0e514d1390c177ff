"""Scores by similarity to training as text: Markdown, CSV and LaTeX."""

from __future__ import annotations

from collections.abc import Mapping

from pbgraph.humanize import figure
from pbgraph.metrics import METRICS, scale_of
from pbgraph.report.by_similarity import BySimilarity, Pair, Scores
from pbgraph.report.formats import csv_text
from pbgraph.report.latex import document, floats, note
from pbgraph.report.latex_grid import Grid
from pbgraph.report.markdown import bullets, markdown
from pbgraph.report.texts import interval_text, statistic_text, texts

PLACES = (
    "Places of the arms in each band, by their means; agreement: Kendall's tau with the order over all test rows, 1 "
    "where nothing changes places. An order that holds in one band alone is fragile."
)
FORMATS: Mapping[str, str] = {
    "md": "pbgraph.report.similarity_formats:to_markdown",
    "tex": "pbgraph.report.similarity_formats:to_latex",
    "csv": "pbgraph.report.similarity_formats:to_csv",
}


def to_markdown(view: BySimilarity) -> str:
    """For people: scores of every arm, what they are of, and the paired differences of every band."""
    said, columns = texts(view.table), len(view.bands)
    parts = [
        f"## {said.title}, by similarity to training",
        f"{said.protocol} {_meaning(view)}",
        markdown(_header(view), [*_arms(view), *_sizes(view)], right=range(2, columns + 3)),
    ]
    if len(view.rows) > 1:
        parts += [PLACES, markdown(_place_header(view), _places(view), right=range(2, columns + 2))]
    if view.pairs:
        parts += [_compared(), markdown(_pair_header(view), _differences(view), right=range(2, columns + 2))]
    return "\n\n".join([*parts, bullets(said.notes)]) + "\n"


def to_latex(view: BySimilarity) -> str:
    """The same as LaTeX, in as many tabulars as it needs to fit."""
    said, name = texts(view.table), view.table.protocol.task.split()[0]
    grid = Grid(_header(view), [*_arms(view), *_sizes(view)], words=2)
    pieces = [floats([grid], f"{said.title}, by similarity to training.", f"{name}-similarity")]
    if len(view.rows) > 1:
        caption = f"{name}: places by similarity to training. {PLACES}"
        pieces.append(floats([Grid(_place_header(view), _places(view), words=2)], caption, f"{name}-similarity-places"))
    if view.pairs:
        pairs = Grid(_pair_header(view), _differences(view), words=2)
        caption = f"{name}: differences by similarity to training. {_compared()}"
        pieces.append(floats([pairs], caption, f"{name}-similarity-compared"))
    return document([*pieces, note([_meaning(view), said.protocol, *said.notes])])


def to_csv(view: BySimilarity) -> str:
    """One line per arm and band; numbers unrounded, a cell that has no value is blank."""
    protocol, metric = view.table.protocol, view.table.metrics[0]
    facts = {"protocol": protocol.id, "task": protocol.task, "split": protocol.split, "preset": protocol.preset}
    columns = [*facts, "model", "method", "variant", "seeds", "band", "molecules", "targets", "positives"]
    lines = [
        {
            **facts,
            "model": row.arm.model,
            "method": row.arm.method,
            "variant": row.arm.variant,
            "seeds": row.seeds,
            "band": band.name,
            "molecules": band.molecules,
            "targets": band.targets,
            "positives": band.positives,
            metric: score and score.mean,
            f"{metric}_sd": score and score.sd,
            "place": place,
        }
        for row, places in zip(view.rows, view.places, strict=True)
        for band, score, place in zip(view.bands, row.bands, places, strict=True)
    ]
    return csv_text([*columns, metric, f"{metric}_sd", "place"], lines)


def _meaning(view: BySimilarity) -> str:
    classes = METRICS.get(view.table.metrics[0]).kind == "classification"
    defined = "with both classes in the band" if classes else "that can be scored in the band"
    return (
        "Bands: the test molecule's parent compound is in training, too; else its largest Tanimoto similarity to a "
        f"training molecule, of ECFP4 counts up to three. Scores are means over the targets {defined}."
    )


def _compared() -> str:
    return (
        "Paired differences A - B with 95 % intervals, seeds and molecules resampled; they are not adjusted for the "
        "number of bands and pairs."
    )


def _place_header(view: BySimilarity) -> tuple[str, ...]:
    return ("model", "method", *(band.name for band in view.bands))


def _places(view: BySimilarity) -> list[tuple[str, ...]]:
    """The place of each arm in each band, and how far these orders are the one of all rows."""
    rows = [
        (*names[:2], *("-" if place is None else str(place) for place in places))
        for names, places in zip(_arms(view), view.places, strict=True)
    ]
    return [*rows, ("agreement with all", "", *("-" if tau is None else f"{tau:+.2f}" for tau in view.agreement))]


def _header(view: BySimilarity) -> tuple[str, ...]:
    return ("model", "method", "runs" if view.table.again else "seeds", *(band.name for band in view.bands))


def _pair_header(view: BySimilarity) -> tuple[str, ...]:
    return ("A", "B", *(band.name for band in view.bands))


def _arms(view: BySimilarity) -> list[tuple[str, ...]]:
    called, scale = view.table.called, _scale(view)
    return [_arm(row, called[row.arm].row, scale) for row in view.rows]


def _arm(row: Scores, label: str, scale: float) -> tuple[str, ...]:
    return (label, row.arm.method, str(row.seeds), *(statistic_text(score, scale) for score in row.bands))


def _sizes(view: BySimilarity) -> list[tuple[str, ...]]:
    """What the scores of each band are of, as further rows."""
    rows = [
        ("molecules of a seed", "", "", *(f"{band.molecules:.1f}" for band in view.bands)),
        (f"targets scored, of {view.tasks}", "", "", *(f"{band.targets:.1f}" for band in view.bands)),
    ]
    if any(band.positives is not None for band in view.bands):
        rows.append(("positives of a target", "", "", *(f"{band.positives:.1f}" for band in view.bands)))
    return rows


def _differences(view: BySimilarity) -> list[tuple[str, ...]]:
    called, scale = view.table.called, _scale(view)
    return [(str(called[pair.a]), str(called[pair.b]), *_cells(pair, scale)) for pair in view.pairs]


def _cells(pair: Pair, scale: float) -> list[str]:
    return [
        "-" if band is None else f"{figure(band[0], scale, sign='+')} {interval_text(band[1], scale)}"
        for band in pair.bands
    ]


def _scale(view: BySimilarity) -> float:
    means = [score.mean for row in view.rows for score in row.bands if score is not None]
    return scale_of(view.table.metrics[0], means)
