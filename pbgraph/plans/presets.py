"""Plans by name: presets, which are for any task, and studies of several of them.

Those of other packages are registered by entry points, as everything is; what a plan file says, `read_plan` makes one.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pbgraph.errors import UsageError, unknown_name
from pbgraph.plans.declaration import Preset, Study
from pbgraph.registry import Registry

if TYPE_CHECKING:
    from pbgraph.datasets.base import Dataset
    from pbgraph.results.records import RunSpec

PLANS: Registry[Preset | Study] = Registry("plan", "pbgraph.plans", (Preset, Study))
FILE = ".toml"  # what the name of a plan file ends in
USUAL = "default"  # the preset that is run where none is named


def presets() -> Mapping[str, Preset]:
    """Every preset by name, those of studies left out."""
    return {preset.name: preset for preset in PLANS.working() if isinstance(preset, Preset)}


def studies() -> Mapping[str, Study]:
    """Every study by name."""
    return {study.name: study for study in PLANS.working() if isinstance(study, Study)}


def preset(name: str) -> Preset:
    """The preset called `name`, the part of a study, or what a plan file declares, NAME.toml.

    Raises UsageError with the nearest name if there is none, and for a file that declares no preset.

    >>> preset("smoke").seeds
    (68,)
    """
    if name.endswith(FILE):
        from pbgraph.plans.plan_file import read_plan

        if isinstance(declared := read_plan(Path(name)), Preset):
            return declared
        raise UsageError(f"{name} is a study, not a preset: 'python -m pbgraph.bench run {name}' runs it")
    if name in PLANS and isinstance(value := PLANS.get(name), Preset):
        return value
    known = known_presets()
    if name not in known:
        raise unknown_name("preset", name, known)
    return known[name]


def preset_of(specs: Sequence[RunSpec]) -> Preset:
    """The preset that all these runs are of, with those of their seeds that are a second initialisation on a split.

    Raises UsageError if it is not known here.
    """
    again = (spec.seed for spec in specs if spec.split_seed not in (None, spec.seed))
    return replace(preset(specs[0].preset), again=frozenset(again))


def preset_or_none(name: str) -> Preset | None:
    """The preset called so, if this machine has one; a record may be of another's."""
    return known_presets().get(name)


def command_to_run(named: str, declared: Preset | Study, dataset: Dataset, split: str) -> str:
    """The command that does all runs of a plan on a task and split; named: by its name, or by its file.

    Raises UsageError for a plan of another task.
    """
    first = declared.presets[0] if isinstance(declared, Study) else declared
    words = ["python", "-m", "pbgraph.bench", "run", named]
    usual = first.split_on(dataset, None)
    words += [] if first.task else ["--task", dataset.name]
    return shlex.join([*words, *([] if split == usual else ["--split", split])])


def judged_alone(declared: Preset) -> bool:
    """Whether a plan's rows are judged by themselves and as it says, since they are those of no preset known here.

    It has others than the preset of its recipe, comparisons that it is made for, or a recipe that only its file has.
    """
    return declared.has_rows_of_its_own or preset_or_none(declared.recipe.name) != declared


def known_presets() -> Mapping[str, Preset]:
    """All presets by name, then the parts of all studies in their order."""
    return {**presets(), **{part.name: part for study in studies().values() for part in study.presets}}


def study(name: str) -> Study:
    """The study called `name`; raises UsageError with the nearest name if there is none.

    >>> [str(arm) for arm in study("compression").presets[0].arms][:2]
    ['trimnet/backprop', 'trimnet/perforated']
    """
    if name in PLANS and isinstance(value := PLANS.get(name), Study):
        return value
    raise unknown_name("study", name, studies())
