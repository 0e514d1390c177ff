"""The command that does runs again, from their records: in another folder, where it comes to the same numbers."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from pbgraph.errors import PbgraphError
from pbgraph.files.hashing import Scalar
from pbgraph.humanize import ranges
from pbgraph.plans.presets import preset_or_none
from pbgraph.results.arms import as_changes
from pbgraph.results.records import RunSpec

AGAIN = "again"  # folder of results in which they are done


def command_to_remake(command: str, specs: Sequence[RunSpec]) -> str:
    """The command for these runs of one arm; it may do others of its model beside them.

    command  that runs their task, as of `pbgraph.results.described.written_command_of`
    "" for results of other tools, for settings of what is not installed here, which cannot be named, and for second
    initialisations on splits that their preset does not declare, as a plan file may.
    """
    spec, seeds = specs[0], [one.seed for one in specs]
    if spec.external or not all(map(_is_on_its_split, specs)):
        return ""
    words = [
        *("--preset", spec.preset, "--split", spec.split, "--seeds", ranges(seeds).replace(" ", "")),
        *("--models", spec.model, "--methods", spec.method),
    ]
    if spec.changes and not _is_declared(spec):
        try:
            words += ["--set", *_assigned(spec)]
        except PbgraphError:
            return ""
    return f"{command} {shlex.join([*words, '--results', AGAIN])}"


def _is_on_its_split(spec: RunSpec) -> bool:
    """Whether a run of its preset with its seed is on the split that it was on."""
    preset = preset_or_none(spec.preset)
    return spec.split_seed in (None, preset.split_seed(spec.seed) if preset else spec.seed)


def _is_declared(spec: RunSpec) -> bool:
    """Whether the preset has a row with these changes, so that nothing needs to be set."""
    preset = preset_or_none(spec.preset)
    rows = [row for row in preset.rows if row.model == spec.model and spec.method in row.methods] if preset else []
    return any(_changes_of(row.config, row.settings) == spec.arm.changes for row in rows)


def _changes_of(config: Mapping[str, Any], settings: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    plain = all(not isinstance(value, Mapping) for value in settings.values())
    return as_changes({**config, **settings}) if plain else ()


def _assigned(spec: RunSpec) -> list[str]:
    """SCOPE.FIELD=VALUE of every change. Raises PbgraphError if the model or the method is not here."""
    from pbgraph.plans.resolve import assignments_of

    return [f"{one.scope}.{one.name}={_text(one.value)}" for one in assignments_of(spec)]


def _text(value: Scalar) -> str:
    if value is None:
        return "none"
    return str(value).lower() if isinstance(value, bool) else str(value)
