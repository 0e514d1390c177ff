"""One run for people: what it was asked, what came out, how it went, and where it comes from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pbgraph.fields import shown
from pbgraph.files.hashing import Scalar
from pbgraph.humanize import duration, figure
from pbgraph.insight import Insight
from pbgraph.metrics import label_of, scale_of
from pbgraph.report.dendrites import COLUMNS, RIGHT, insight_rows
from pbgraph.report.markdown import markdown
from pbgraph.report.plot import plot
from pbgraph.results.records import Provenance, RunRecord, RunSpec
from pbgraph.terminal import visible_cell

MIB = 2**20


def to_text(record: RunRecord, insight: Insight | None, problem: str = "") -> str:
    """A run, from its files; insight: what its dendrites learnt; problem: why that is not known, where it should be."""
    parts = [
        _heading(record),
        _settings(record.spec),
        _scores(record),
        _history(record),
        _dendrites(record, insight, problem),
        _provenance(record),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def _heading(record: RunRecord) -> str:
    spec = record.spec
    lines = [
        f"run {record.key}: {record.status}" + (f": {visible_cell(record.error)}" if record.error else ""),
        f"{spec.task}, {spec.arm}, seed {spec.seed}, preset {spec.preset}, split {spec.split}",
    ]
    if spec.control_of:
        lines.append(f"a control of run {spec.control_of}")
    return "\n".join(lines)


def _settings(spec: RunSpec) -> str:
    """Every field; what was set otherwise than in the recipe of the preset has a star."""
    if spec.external:
        return ""
    lines = [f"config of {spec.model}:", *_fields(spec, "config", spec.model_config)]
    lines += [f"settings of {spec.method}:", *_fields(spec, "settings", spec.settings)]
    own = {f"{spec.method}.{name}" for name in spec.settings} | spec.model_config.keys() | spec.settings.keys()
    scoped = {f"{place}.{name}" for place in ("config", "settings") for name in (*spec.model_config, *spec.settings)}
    pair = {name: value for name, value in spec.changes.items() if name not in own | scoped}
    if spec.changes:
        lines.append(f"* otherwise than in the recipe of preset {spec.preset}")
    if pair:
        words = ", ".join(f"{name} {shown(name, value)}" for name, value in pair.items())
        lines.append(f"of the run it is paired with: {words}")
    return "\n".join(lines)


def _fields(spec: RunSpec, place: str, values: Mapping[str, Scalar]) -> Iterator[str]:
    width = max(map(len, values), default=0)
    for name, value in values.items():
        said = shown(name, value) if place == "settings" else value
        names = {name, f"{place}.{name}", f"{spec.method}.{name}" if place == "settings" else name}
        yield f"  {'*' if names & spec.changes.keys() else ' '} {name:<{width}}  {visible_cell(str(said))}"


def _scores(record: RunRecord) -> str:
    """Scores of each task on validation and test rows, below those of all."""
    parts = [part for part in ("valid", "test") if part in record.scores]
    if not parts:
        return ""
    metrics = [record.spec.metric, *sorted(record.metrics.keys() - {record.spec.metric})]
    columns = [(name, part) for name in metrics for part in parts if name in record.scores[part].metrics]
    header = ["task", *(f"{part} {label_of(name)}" for name, part in columns), "test rows", "positives"]
    names = list(dict.fromkeys(name for part in parts for name in record.scores[part].tasks))
    scales = {name: scale_of(name, [record.scores[part].metrics.get(name) for part in parts]) for name in metrics}
    test = record.scores.get("test")
    means = [_figure(record.scores[part].metrics[name], scales[name]) for name, part in columns]
    rows = [["all", *means, str(test.size if test else "-"), ""]]
    for name in names:
        tasks = {part: record.scores[part].tasks.get(name) for part in parts}
        cells = [
            _figure(target.metrics.get(metric) if (target := tasks[part]) else None, scales[metric])
            for metric, part in columns
        ]
        mine = tasks.get("test")
        positives = "-" if mine is None or mine.positives is None else str(mine.positives)
        rows.append([name, *cells, str(mine.labelled) if mine else "-", positives])
    return markdown(header, rows, right=range(1, len(header)))


def _figure(value: float | None, scale: float) -> str:
    return "-" if value is None else figure(value, scale)


def _history(record: RunRecord) -> str:
    """The validation score of every epoch as a curve, with the phases below it."""
    lines = record.history
    if len(lines) < 2:
        return ""
    phases = list(dict.fromkeys(line.phase for line in lines))
    curve = plot([line.valid for line in lines], [line.phase for line in lines])
    chosen = f"; selected: epoch {record.selection.epoch}" if record.selection else ""
    legend = ", ".join(f"{phase[:1]} {phase}" for phase in phases)
    return (
        f"validation {label_of(record.spec.metric)}, epochs {lines[0].epoch} to {lines[-1].epoch} ({legend}){chosen}\n"
        f"{curve}"
    )


def _dendrites(record: RunRecord, insight: Insight | None, problem: str) -> str:
    if problem:
        return f"dendrites: {visible_cell(problem)}"
    if insight is None:
        return ""
    return "dendrites\n" + markdown(COLUMNS, insight_rows(insight, record.correlations), right=RIGHT)


def _made_by(origin: Provenance) -> str:
    where = origin.numerics.described if origin.numerics else "numeric platform not recorded"
    versions = ", ".join(f"{name} {origin.packages[name]}" for name in ("torch", "rdkit") if name in origin.packages)
    return ", ".join(filter(None, [f"on {origin.device}", versions])) + f"; {where}"


def _provenance(record: RunRecord) -> str:
    origin, cost = record.provenance, record.cost
    lines = [f"made {origin.created} by pbgraph {origin.pbgraph}, commit {origin.commit[:12] or 'none'}"]
    lines[0] += " with uncommitted changes" if origin.dirty else ""
    if origin.scored_from:
        what = "an average" if origin.mean_of else "predicted by another tool"
        lines[0] = f"{what}; scored {lines[0].removeprefix('made ')}"
    if cost:
        sittings = f"{cost.sittings} sitting{'' if cost.sittings == 1 else 's'}"
        lines.append(
            f"{cost.parameters:,} parameters, {cost.epochs} epochs, {duration(cost.seconds)} in {sittings}, "
            f"at most {cost.peak_memory_bytes / MIB:,.0f} MiB"
        )
    lines.append(f"from {origin.scored_from}" if origin.scored_from else _made_by(origin))
    others = {name: code for name, code in origin.sources.items() if name != "pbgraph"}
    lines += [f"code of {name}: {code}" for name, code in sorted(others.items())]
    if origin.pretrained_on:
        lines.append(f"features {record.spec.featuriser}, pretrained on {origin.pretrained_on}")
    lines.append(f"data {origin.data_sha256[:12] or '-'}, split {origin.split_sha256[:12] or '-'}")
    return "\n".join(map(visible_cell, lines))
