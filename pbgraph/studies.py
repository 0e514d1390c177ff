"""A study's records -> one table and one picture. Works from records alone, as `pbgraph.tables` does.

Every preset of the study has a table of its own; p-values are corrected over the comparisons of all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pbgraph.errors import UsageError
from pbgraph.figures import COLOURS, saved
from pbgraph.formats import answers, comparisons_text, heading, markdown, notes, statistic_text, to_csv, to_json
from pbgraph.metrics import label_of
from pbgraph.presets import Study
from pbgraph.records import RunRecord
from pbgraph.stats import mean_interval
from pbgraph.tables import Row, Table, adjusted, make_table, test_share
from pbgraph.words import duration

COLUMNS = ("preset", "method", "seeds", "parameters", "epochs", "time")


@dataclass(frozen=True)
class StudyTable:
    """The study, and the table of each of its presets, by name and in its order."""

    study: Study
    tables: Mapping[str, Table]

    @property
    def metric(self) -> str:
        """Name of the metric that all tables show first."""
        return next(iter(self.tables.values())).metrics[0]


def study_table(study: Study, records: Sequence[RunRecord], *, seeds: Sequence[int] | None = None) -> StudyTable:
    """The tables of a study's presets, from records of one task and split; a preset without any run is left out.

    seeds  instead of those of the presets
    Raises UsageError if no preset has a finished run.
    """
    made = {}
    for preset in study.presets:
        mine = [record for record in records if record.spec.preset == preset.name]
        if any(record.status == "finished" for record in mine):
            declared = ["/".join(arm) for arm in preset.arms]
            arms = dict.fromkeys([*declared, *(record.spec.arm for record in mine)])
            made[preset.name] = make_table(mine, arms=list(arms), seeds=preset.seeds if seeds is None else seeds)
    if not made:
        raise UsageError(f"no run of study {study.name} is finished; '--study {study.name}' makes them")
    return StudyTable(study, _adjusted_together(made))


def _adjusted_together(tables: Mapping[str, Table]) -> dict[str, Table]:
    """With Holm's correction over the comparisons of all tables."""
    every = iter(adjusted([(one, table.yardstick) for table in tables.values() for one in table.comparisons]))
    return {
        name: replace(table, comparisons=tuple(next(every) for _ in table.comparisons))
        for name, table in tables.items()
    }


def to_markdown(made: StudyTable) -> str:
    """The table for people."""
