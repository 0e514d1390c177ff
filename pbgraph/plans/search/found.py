"""What searches found, as a plan file: the best settings of each arm, to be run on the seeds of the preset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pbgraph.errors import PbgraphError, UsageError
from pbgraph.files.writing import check_replaceable, replaced_file
from pbgraph.humanize import ranges
from pbgraph.plans.plan_text import toml_line
from pbgraph.plans.search.ledger import Ledger
from pbgraph.plans.search.search import Search, Values
from pbgraph.results.tuning import best_of


def check_plan_can_be_written(path: Path, searches: Sequence[Search]) -> None:
    """Raises UsageError now rather than after the search: for seeds that both use, and for a file that cannot be."""
    used = {seed for search in searches for seed in search.seeds}
    if both := sorted(used & set(searches[0].preset.seeds)):
        raise UsageError(
            f"the plan would be run on seeds {ranges(both)} of preset {searches[0].preset.name!r}, which the search "
            "chooses by; search on other seeds"
        )
    if not path.parent.is_dir():
        raise UsageError(f"{path} cannot be written: there is no folder {path.parent}")
    try:
        check_replaceable(path)
    except OSError as error:
        raise UsageError(f"{path} cannot be written ({error.strerror}); give another --write-plan FILE") from error


def write_plan(path: Path, ledgers: Sequence[Ledger]) -> None:
    """Write the best trial of each search as an arm. Raises PbgraphError if one has no finished trial."""
    text = plan_text(ledgers)
    with replaced_file(path) as part:
        part.write_text(text)


def plan_text(ledgers: Sequence[Ledger]) -> str:
    """The plan file's content."""
    search = ledgers[0].search
    head = {
        "preset": search.preset.name,
        "task": search.dataset.name,
        "split": search.split,
        "seeds": ranges(search.preset.seeds).replace(" ", ""),
    }
    lines = ["# the best settings by validation score that 'python -m pbgraph.bench tune' found", *_lines(head)]
    for ledger in ledgers:
        lines += ["", "[[arms]]", *_lines(_arm(ledger))]
    return "\n".join(lines) + "\n"


def _lines(values: Mapping[str, Any]) -> list[str]:
    return [toml_line(name, value) for name, value in values.items()]


def _arm(ledger: Ledger) -> dict[str, Any]:
    search, trials = ledger.search, ledger.trials()
    best = best_of(trials, larger_is_better=search.larger_is_better)
    if best is None:
        raise PbgraphError(f"{search.arm}: no trial was finished, so there is no plan to be written")
    spec, recipe = search.spec(Values(best.config, best.settings), 0), search.preset_recipe
    config = {name: value for name, value in spec.model_config.items() if recipe.model_config.get(name) != value}
    settings = {name: value for name, value in spec.settings.items() if recipe.settings.get(name) != value}
    return {
        "model": search.arm.model,
        "method": search.arm.method,
        "label": "tuned",
        **({"config": config} if config else {}),
        **({"settings": settings} if settings else {}),
        "search": {
            "file": str(ledger.path),
            "trial": best.number,
            "trials": len(trials),
            "seeds": ranges(best.seeds).replace(" ", ""),
        },
    }
