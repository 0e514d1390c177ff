"""Does headroom predict what dendrites gain over as much training without them?

    python benchmarks/headroom_predicts.py [--seeds 0-2] [--minutes 30]

In each setting a network is trained for some epochs; then its headroom is measured, and it is trained in two ways for
as many epochs more: with a dendrite (a dendrite phase and a neuron phase), and as `continued` is, without any, from the
same weights and with the same restart of the learning rate. Epochs are chosen by validation rows; the gain is the
difference of the scores on rows that neither has seen, training rows put aside. A third way is `continued` for the
epochs of the neuron phase alone (`continued.counted=neuron`): it has as many updates of the network as the first, which
stands still while its dendrite is trained.

Every measurement is a line of headroom_predicts.jsonl beside this file, written as it comes; what is there is not made
again, so the same command goes on. Writes results/headroom.png and headroom_predicts.md.
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import product
from pathlib import Path
from statistics import fmean, median
from typing import Any

import headroom_problems as problems
import numpy as np
import torch
from headroom_problems import Problem
from scipy import stats
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler

from pbgraph.dendrites import Growth, export, headroom, perforate
from pbgraph.humanize import parse_seeds
from pbgraph.streams import seeded

HERE = Path(__file__).parent
LINES, TABLE = HERE / "headroom_predicts.jsonl", HERE / "headroom_predicts.md"
GAINS = "Means over measurements, of which a setting has one for each seed:"
FIGURE = HERE.parent / "results/headroom.png"
DENDRITE_EPOCHS, CYCLE_EPOCHS = 15, 20
FUNCTION_WIDTHS, TASK_WIDTHS, STAGES = (2, 4, 12), (6, 24), (3, 12, 48)  # stages: epochs before dendrites


@dataclass(frozen=True)
class Setting:
    """A network on a task, and how long it is trained before dendrites grow."""

    task: str
    width: int
    stage: int


@dataclass(frozen=True)
class Line:
    """One setting with one seed.

    share, ridge  the largest held-out share of headroom over the sites: of any learner, and of ridge regression
    above_chance  whether any site is
    before, perforated, continued, neuron_alone  scores on the rows that were put aside; the last is of `continued` for
                  the epochs of the neuron phase
    dendrites     that were kept
    """

    setting: Setting
    seed: int
    share: float
    ridge: float
    above_chance: bool
    before: float
    perforated: float
    continued: float
    neuron_alone: float
    dendrites: int
    seconds: float

    @property
    def gain(self) -> float:
        """Of dendrites over as much training."""
        return self.perforated - self.continued


Groups = Mapping[Setting, Sequence[Line]]


def settings() -> list[Setting]:
    """All of them, 54."""
    functions = product(problems.FUNCTIONS, FUNCTION_WIDTHS, STAGES)
    return [Setting(*one) for one in (*functions, *product(problems.TASKS, TASK_WIDTHS, STAGES))]


def measured(setting: Setting, seed: int) -> Line:
    """One line."""
    started = time.monotonic()
    made = problems.problem(setting.task, setting.width, seed)
    found: list[Any] = []

    def look(model: nn.Module) -> list[str]:
        found.append(
            (headroom(model, made.fixed, made.loss_fn, folds=3, epochs=10, hidden=8, seed=seed), export(model))
        )
        return list(found[0][0].sites)

    growth = Growth(
        perforate(made.network, sites=made.sites),
        lambda groups: torch.optim.Adam(groups, lr=made.rate),
        max_dendrites=1,
        max_tries=1,
        switching="fixed",
        max_epochs=setting.stage,
        cycle_epochs=CYCLE_EPOCHS,
        dendrite_max_epochs=DENDRITE_EPOCHS,
        priming_batches=5,
        seed=seed,
        make_scheduler=lambda optimizer, phase, dendrites: _schedule(made, optimizer, phase, dendrites),
        choose_sites=look,
    )
    with seeded(seed, "training"):
        while not growth.finished:
            for batch in made.batches(growth.epoch):
                growth.step(made.loss_fn, batch)
            growth.epoch_end(made.score(growth.model, "valid") if growth.phase == "neuron" else None)
    growth.restore_best()
    told, plain = found[0]
    before = made.score(plain, "check")
    continued, neuron_alone = (
        _continued(made, copy.deepcopy(plain), setting, epochs, seed)
        for epochs in (DENDRITE_EPOCHS + CYCLE_EPOCHS, CYCLE_EPOCHS)
    )
    return Line(
        setting,
        seed,
        share=told.share,
        ridge=max((site.ridge.held_out for site in told.sites.values() if site.ridge), default=0.0),
        above_chance=bool(told.above_chance()),
        before=before,
        perforated=made.score(growth.model, "check"),
        continued=continued,
        neuron_alone=neuron_alone,
        dendrites=growth.dendrites,
        seconds=time.monotonic() - started,
    )


def _schedule(made: Problem, optimizer: torch.optim.Optimizer, phase: str, dendrites: int) -> LRScheduler | None:
    """A constant rate at first and for candidates; after dendrites a cosine."""
    if phase == "dendrite" or not dendrites:
        return None
    return CosineAnnealingLR(optimizer, CYCLE_EPOCHS * len(made.fixed))


def _continued(made: Problem, model: nn.Module, setting: Setting, epochs: int, seed: int) -> float:
    """Train on without dendrites, for so many epochs; the score of the best epoch by validation rows."""
    optimizer = torch.optim.Adam(model.parameters(), lr=made.rate)
    schedule = CosineAnnealingLR(optimizer, epochs * len(made.fixed))
    best, score = made.score(model, "valid"), made.score(model, "check")
    with seeded(seed, "training/continued"):
        for epoch in range(setting.stage, setting.stage + epochs):
            model.train()
            for batch in made.batches(epoch):
                optimizer.zero_grad()
                made.loss_fn(model, batch).backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                schedule.step()
            if (valid := made.score(model, "valid")) > best:
                best, score = valid, made.score(model, "check")
    return score


def known() -> list[Line]:
    """What was measured already."""
    if not LINES.exists():
        return []
    rows = [json.loads(line) for line in LINES.read_text().splitlines() if line.endswith("}")]
    return [Line(**{**row, "setting": Setting(**row["setting"])}) for row in rows]


def missing(lines: Sequence[Line], seeds: Sequence[int]) -> Iterator[tuple[Setting, int]]:
    """Seed by seed, so that all settings are there soon."""
    there = {(line.setting, line.seed) for line in lines}
    return (pair for seed in seeds for pair in ((one, seed) for one in settings()) if pair not in there)


def by_setting(lines: Sequence[Line]) -> Groups:
    found: dict[Setting, list[Line]] = {}
    for line in lines:
        found.setdefault(line.setting, []).append(line)
    return found


@dataclass(frozen=True)
class Ranks:
    """Spearman's rank correlation of two figures over settings, with an interval of 95 % by the bootstrap."""

    rho: float
    low: float
    high: float

    @classmethod
    def of(cls, points: Sequence[tuple[float, float]]) -> Ranks:
        values = np.asarray(points)
        source = np.random.default_rng(0)
        draws = [_spearman(values[source.integers(len(values), size=len(values))]) for _ in range(2000)]
        low, high = np.nanquantile(draws, [0.025, 0.975])
        return cls(_spearman(values), float(low), float(high))

    def __str__(self) -> str:
        return f"{self.rho:+.2f} [{self.low:+.2f}, {self.high:+.2f}]"


def _spearman(values: np.ndarray) -> float:
    return float(stats.spearmanr(values[:, 0], values[:, 1]).statistic)


FIGURES: Mapping[str, Callable[[Line], float]] = {
    "gain": lambda line: line.gain,
    "gain over as many updates": lambda line: line.perforated - line.neuron_alone,
    "what dendrites brought": lambda line: line.perforated - line.before,
    "what `continued` brought": lambda line: line.continued - line.before,
}


def points(groups: Groups, figure: Callable[[Line], float] = FIGURES["gain"]) -> list[tuple[float, float]]:
    """(Headroom, a figure) of each setting, means over its seeds."""
    return [(fmean(one.share for one in own), fmean(map(figure, own))) for own in groups.values()]


def parts(groups: Groups) -> dict[str, Groups]:
    """Settings of a kind, and of a stage of training."""
    chosen: dict[str, Callable[[Setting], bool]] = {
        "all": lambda setting: True,
        "functions": lambda setting: setting.task in problems.FUNCTIONS,
        "tasks of the registry": lambda setting: setting.task in problems.TASKS,
        **{f"{stage} epochs before": partial(_at_stage, stage) for stage in STAGES},
    }
    found = {name: {one: own for one, own in groups.items() if holds(one)} for name, holds in chosen.items()}
    return {name: own for name, own in found.items() if len(own) > 2}


def _at_stage(stage: int, setting: Setting) -> bool:
    return setting.stage == stage


def draw(groups: Groups) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 4.5), layout="constrained")
    axes = figure.subplots()
    for task in dict.fromkeys(setting.task for setting in groups):
        own = points({setting: lines for setting, lines in groups.items() if setting.task == task})
        shares, gains = zip(*own, strict=True)
        axes.scatter(shares, gains, label=task, s=22, marker="o" if task in problems.FUNCTIONS else "^")
    axes.axhline(0, color="0.6", linewidth=0.8)
    axes.axvline(0, color="0.6", linewidth=0.8)
    axes.set_xscale("symlog", linthresh=0.02)
    axes.set_yscale("symlog", linthresh=0.01)
    axes.margins(0.08)
    axes.set_xlabel("headroom: largest held-out share of δ's variance over the sites")
    axes.set_ylabel("gain of dendrites over `continued` (R² or ROC-AUC)")
    axes.set_title(f"rank correlation {Ranks.of(points(groups))}, {len(groups)} settings", fontsize=10)
    axes.legend(fontsize="small", ncols=2)
    figure.savefig(FIGURE, dpi=150)


def table(groups: Groups) -> str:
    ranks = [
        f"| {name} | {len(own)} | {' | '.join(str(Ranks.of(points(own, figure))) for figure in FIGURES.values())} |"
        for name, own in parts(groups).items()
    ]
    lines = [one for own in groups.values() for one in own]
    rows = [
        f"| {s.task} | {s.width} | {s.stage} | {len(own)} | {fmean(o.share for o in own):.4f} "
        f"| {fmean(o.before for o in own):.4f} | {fmean(o.perforated for o in own):.4f} "
        f"| {fmean(o.continued for o in own):.4f} | {fmean(o.neuron_alone for o in own):.4f} "
        f"| {fmean(o.gain for o in own):+.4f} |"
        for s, own in groups.items()
    ]
    head = f"# Does headroom predict what dendrites gain?\n\n{(__doc__ or '').split('    python')[0].strip()}\n"
    how = (__doc__ or "").split("\n\n")[2]
    said = (
        "Spearman's rank correlation of headroom with each, over settings, with an interval of 95 % by the bootstrap:"
    )
    ranked = f"| settings | | {' | '.join(FIGURES)} |\n|---|---:|{'---|' * len(FIGURES)}"
    header = "| task | width | epochs before | seeds | headroom | before | perforated | continued "
    header += "| as many updates | gain |"
    rule = "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|"
    return "\n".join(
        [head, how, "", said, "", ranked, *ranks, "", GAINS, "", *by_task(lines), "", header, rule, *rows, ""]
    )


def by_task(lines: Sequence[Line]) -> list[str]:
    """Gains where headroom is above chance and where none is, of each task, and over tasks: a table."""
    named = {name: figure for name, figure in FIGURES.items() if "gain" in name}
    gains = list(named.values())
    header = "".join(f" | {which} | {' | '.join(named)}" for which in ("with headroom", "without"))
    shown = [f"| task{header} |", f"|---{'|---:' * 2 * (1 + len(gains))}|"]
    parts = [[one for one in lines if one.above_chance is which] for which in (True, False)]
    for task in dict.fromkeys(line.setting.task for line in lines):
        own = [[one for one in part if one.setting.task == task] for part in parts]
        shown.append(f"| {task}{''.join(_cells(part, gains, fmean) for part in own)} |")
    shown.append(f"| median{''.join(_cells(part, gains, median) for part in parts)} |")
    shown.append(f"| above 0{''.join(_cells(part, gains, _share_above, '.0%') for part in parts)} |")
    return shown


def _cells(
    lines: Sequence[Line],
    figures: Sequence[Callable[[Line], float]],
    summary: Callable[[Sequence[float]], float],
    form: str = "+.4f",
) -> str:
    told = [format(summary([figure(one) for one in lines]), form) if lines else "-" for figure in figures]
    return "".join(f" | {cell}" for cell in (len(lines), *told))


def _share_above(values: Sequence[float]) -> float:
    return fmean(value > 0 for value in values)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=parse_seeds, default=[0, 1, 2], help="development seeds (default: 0-2)")
    parser.add_argument("--minutes", type=float, default=60.0, help="begin nothing after so many (default: 60)")
    args = parser.parse_args()
    torch.set_num_threads(1)
    lines, end = known(), time.monotonic() + 60 * args.minutes
    for setting, seed in missing(lines, args.seeds):
        if time.monotonic() > end:
            break
        lines.append(measured(setting, seed))
        with LINES.open("a") as file:
            file.write(json.dumps(asdict(lines[-1])) + "\n")
    groups = by_setting(lines)
    if len(groups) > 2:
        draw(groups)
        TABLE.write_text(table(groups))
        print(f"rank correlation of headroom and gain: {Ranks.of(points(groups))}")


if __name__ == "__main__":
    main()
