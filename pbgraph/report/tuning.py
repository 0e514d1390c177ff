"""What searches found, as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from pbgraph.humanize import duration, figure, ranges
from pbgraph.metrics import label_of, scale_of
from pbgraph.report.markdown import markdown
from pbgraph.results.arms import as_changes, rounded
from pbgraph.results.tuning import Trial, best_of


def trials_table(trials: Sequence[Trial], *, larger_is_better: bool) -> str:
    """A row for each trial of one search, the best first, and what follows from them in a sentence."""
    first = trials[0]
    recipe = next((trial for trial in trials if trial.number == 0), None)
    sign = -1.0 if larger_is_better else 1.0
    order = {"finished": 0, "pruned": 1, "failed": 2}
    ordered = sorted(trials, key=lambda trial: (order[trial.state], sign * (trial.mean or 0.0), trial.number))
    metric = label_of(first.metric)
    lines = [
        f"### {first.model}/{first.method} on {first.task}",
        "",
        f"Preset {first.preset}, split {first.split}, {len(trials)} settings tried on the validation rows of seeds "
        f"{ranges(first.seeds)}.",
        "",
        f"| trial | valid {metric} | to the recipe | settings | parameters | seconds |",
        "|---:|---:|---:|---|---:|---:|",
        *(_row(trial, recipe) for trial in ordered),
        "",
        _verdict(trials, recipe, larger_is_better=larger_is_better),
    ]
    return "\n".join(lines) + "\n"


def searches_table(searches: Sequence[Sequence[Trial]], *, larger_is_better: bool) -> str:
    """A row for each search of one task: what its best trial came to beside the recipe's, and what it took."""
    metric = label_of(searches[0][0].metric)
    header = ("search", "seeds", "trials", "pruned", "failed", f"recipe's valid {metric}", "best", "to the recipe")
    rows = [_search_row(trials, larger_is_better=larger_is_better) for trials in searches]
    return markdown((*header, "time", "best settings"), rows, right=(2, 3, 4, 5, 6, 7, 8)) + "\n"


def _search_row(trials: Sequence[Trial], *, larger_is_better: bool) -> tuple[str, ...]:
    first, best = trials[0], best_of(trials, larger_is_better=larger_is_better)
    recipe = next((trial for trial in trials if trial.number == 0), None)
    states = [trial.state for trial in trials]
    return (
        f"{first.model}/{first.method}",
        ranges(first.seeds),
        str(len(trials)),
        str(states.count("pruned")),
        str(states.count("failed")),
        *("-" if trial is None or trial.mean is None else _score(trial) for trial in (recipe, best)),
        "-" if best is None else _difference(best, recipe),
        duration(sum(sum(trial.seconds) for trial in trials)),
        "-" if best is None else changes_text(best),
    )


def _row(trial: Trial, recipe: Trial | None) -> str:
    settings = changes_text(trial) + (f"; {trial.reason}" if trial.reason else "")
    cells = [
        str(trial.number),
        _score(trial),
        _difference(trial, recipe),
        settings.replace("|", "\\|").replace("\n", " "),
        "–" if trial.parameters is None else f"{trial.parameters:,}",
        f"{sum(trial.seconds):.0f}",
    ]
    return f"| {' | '.join(cells)} |"


def _score(trial: Trial) -> str:
    """Its mean, and of how many seeds where it is not of all."""
    marks = {"finished": "", "failed": " failed", "pruned": f" ({len(trial.scores)} of {len(trial.seeds)} seeds)"}
    return ("–" if trial.mean is None else _figure(trial, trial.mean)) + marks[trial.state]


def changes_text(trial: Trial) -> str:
    """What a trial set otherwise than its preset's recipe, in words."""
    changed = ", ".join(f"{name} {rounded(text)}" for name, text in as_changes(trial.changes))
    return changed or "the recipe"


def _difference(trial: Trial, recipe: Trial | None) -> str:
    """Of means on the seeds that both were run on."""
    if recipe is None or not trial.scores or not recipe.scores:
        return "–"
    pairs = list(zip(trial.scores, recipe.scores, strict=False))
    return _figure(trial, sum(mine - its for mine, its in pairs) / len(pairs), sign="+")


def _verdict(trials: Sequence[Trial], recipe: Trial | None, *, larger_is_better: bool) -> str:
    best = best_of(trials, larger_is_better=larger_is_better)
    if best is None or best.mean is None:
        return "No trial was finished."
    said = f"Best: trial {best.number}, {_figure(best, best.mean)}, {changes_text(best)}."
    spread = "Chosen on these seeds, it will do worse on others: only a table of other seeds says what it is worth."
    return said if recipe is best else f"{said} {spread}"


def _figure(trial: Trial, value: float, *, sign: str = "") -> str:
    scale = trial.mean if trial.mean is not None else value
    return figure(value, scale_of(trial.metric, [abs(scale)]), sign=sign)
