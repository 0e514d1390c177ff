"""What searches found, as a plan file: the best settings of each arm, to be run on the seeds of the preset."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from pbgraph.errors import PbgraphError, UsageError
from pbgraph.files.writing import replaced_file
from pbgraph.humanize import ranges
from pbgraph.plans.declaration import FoundBy
from pbgraph.plans.plan import seeds_taken
from pbgraph.plans.plan_text import recipe_lines, search_line, seed_lines, set_lines, toml_line
from pbgraph.plans.search.ledger import Ledger
from pbgraph.plans.search.search import Search, Values
from pbgraph.results.tuning import best_of
from pbgraph.splits import SPLITS


def check_plan_can_be_run(searches: Sequence[Search]) -> None:
    """Raises UsageError, now rather than after the search, for seeds that the plan would have and cannot be run with.

    Those that the search uses as well, or that its split does not take.
    """
    chosen, split = searches[0].preset, searches[0].split
    used = {seed for search in searches for seed in search.seeds}
    if both := sorted(used & set(chosen.seeds)):
        raise UsageError(
            f"the plan would be run on seeds {ranges(both)} of preset {chosen.name!r}, which the search "
            "chooses by; search on other seeds"
        )
    if (taken := seeds_taken(chosen, SPLITS.get(split))) != chosen.seeds:
        others = sorted(set(taken) - used)
        raise UsageError(
            f"the plan would be run on seeds {ranges(chosen.seeds)} of preset {chosen.name!r}, and split {split!r} "
            f"takes {ranges(taken)}; search without --write-plan, or with a plan file of seeds {ranges(others)} "
            "as --preset"
        )


def write_plan(path: Path, ledgers: Sequence[Ledger]) -> None:
    """Write the best trial of each search as an arm. Raises PbgraphError if one has no finished trial."""
    text = plan_text(ledgers)
    with replaced_file(path) as part:
        part.write_text(text, encoding="utf-8")


def plan_text(ledgers: Sequence[Ledger]) -> str:
    """The plan file's content."""
    search = ledgers[0].search
    lines = [
        "# the best settings by validation score that 'python -m pbgraph.bench tune' found",
        toml_line("task", search.dataset.name),
        toml_line("split", search.split),
        *seed_lines(search.preset.seeds, search.preset.again),
        *recipe_lines(search.preset),
    ]
    for ledger in ledgers:
        lines += ["", "[[arms]]", *_arm(ledger)]
    return "\n".join(lines) + "\n"


def _arm(ledger: Ledger) -> Iterator[str]:
    search, trials = ledger.search, ledger.trials()
    best = best_of(trials, larger_is_better=search.larger_is_better)
    if best is None:
        raise PbgraphError(f"{search.arm}: no trial was finished, so there is no plan to be written")
    yield toml_line("model", search.arm.model)
    yield toml_line("method", search.arm.method)
    if best.changes:
        yield toml_line("label", "tuned")
    yield from set_lines(search.runs(Values(best.config, best.settings), 0)[-1])
    yield search_line(FoundBy(str(ledger.path), best.number, len(trials), best.seeds))
