"""What a row of the leaderboard opens: its runs, with scores by target, histories, settings and their command."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from pbgraph.fields import shown
from pbgraph.humanize import duration, figure
from pbgraph.metrics import label_of
from pbgraph.report.figures import axis_limits
from pbgraph.report.inline_plots import Axis, curve
from pbgraph.report.remade import command_to_remake
from pbgraph.report.tables import Table
from pbgraph.report.texts import scales
from pbgraph.results.arms import Arm
from pbgraph.results.records import RunRecord
from pbgraph.terminal import visible_cell

MOST_TARGETS = 30  # of which every run shows a score


@dataclass(frozen=True)
class Opened:
    """The runs of one row.

    header, runs  a line for each run, with its history as a drawing in the last cell
    targets, scores  names, and for each run its seed and scores; both empty where there are too many targets
    settings      of all runs, those with a star were set otherwise than in the recipe
    command       that does them again; "" where there is none
    """

    header: tuple[str, ...]
    runs: tuple[tuple[str | Markup, ...], ...]
    targets: tuple[str, ...]
    scores: tuple[tuple[str, ...], ...]
    settings: str
    command: str
    count: int


def opened(arm: Arm, table: Table, records: Sequence[RunRecord], command: str) -> Opened | None:
    """The runs of an arm in a table; None if it has none. command: that runs the task."""
    mine = [one for one in records if one.spec.arm == arm and one.spec.seed in table.protocol.seeds]
    mine.sort(key=lambda one: (one.spec.seed, one.status == "failed"))
    if not mine:
        return None
    by_metric, finished = scales(table), [one for one in mine if one.status == "finished"]
    targets = tuple(dict.fromkeys(name for one in finished for name in one.scores["test"].tasks))
    shown_targets = targets if len(targets) <= MOST_TARGETS else ()
    axis = Axis(*axis_limits(finished)) if any(len(one.history) > 1 for one in finished) else Axis(0, 1)
    select = table.metrics[0]
    return Opened(
        header=(
            "seed",
            "run",
            *(f"test {label_of(name)}" for name in table.metrics),
            *(f"valid {label_of(select)}", "selected epoch", "epochs", "time", "commit", "validation over epochs"),
        ),
        runs=tuple(_line(one, table.metrics, by_metric, axis) for one in mine),
        targets=tuple(map(visible_cell, shown_targets)),
        scores=tuple(_targets(one, shown_targets, select, by_metric[select]) for one in finished if shown_targets),
        settings=_settings(mine[0]),
        command=command_to_remake(command, [one.spec for one in mine]),
        count=len(mine),
    )


def _line(
    one: RunRecord, metrics: Sequence[str], by_metric: Mapping[str, float], axis: Axis
) -> tuple[str | Markup, ...]:
    origin = one.provenance
    commit = origin.commit[:12] + ("*" if origin.dirty else "")
    select = metrics[0]
    where = [(f"scored from {origin.scored_from}" if origin.scored_from else ""), visible_cell(one.error or "")]
    said = " ".join(filter(None, where))
    return (
        str(one.spec.seed),
        one.key,
        *(_score(one, "test", name, by_metric[name]) for name in metrics),
        _score(one, "valid", select, by_metric[select]),
        str(one.selection.epoch) if one.selection else "-",
        str(one.cost.epochs) if one.cost else "-",
        duration(one.cost.seconds if one.cost else None),
        commit or "-",
        f"{one.status}: {said}" if said else curve(one.history, one.selection.epoch if one.selection else None, axis),
    )


def _score(one: RunRecord, part: str, metric: str, scale: float) -> str:
    value = one.scores[part].metrics.get(metric) if part in one.scores else None
    return "-" if value is None else figure(value, scale)


def _targets(one: RunRecord, targets: Sequence[str], metric: str, scale: float) -> tuple[str, ...]:
    tasks = [one.scores["test"].tasks.get(name) for name in targets]
    values = [None if task is None else task.metrics.get(metric) for task in tasks]
    return (str(one.spec.seed), *("-" if value is None else figure(value, scale) for value in values))


def _settings(one: RunRecord) -> str:
    """Every field of model and method; those of the run that a control is paired with are in that run's row."""
    spec = one.spec
    changed = {name.rpartition(".")[2] for name in spec.changes}
    config = [f"{name}{'*' * (name in changed)} {value}" for name, value in spec.model_config.items()]
    settings = [f"{name}{'*' * (name in changed)} {shown(name, value)}" for name, value in spec.settings.items()]
    parts = [f"features {spec.featuriser}", *config]
    return visible_cell(f"{spec.model}: {', '.join(parts)}; {spec.method}: {', '.join(settings) or 'no settings'}")
