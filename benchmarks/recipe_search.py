"""Which training recipe for TrimNet on Tox21, which settings of a baseline? Judged by validation ROC-AUC alone; test
rows are never read.

    python benchmarks/recipe_search.py --seeds 0-2 --jobs 2
    python benchmarks/recipe_search.py --recipes xgboost lightgbm ... --base xgboost

Development seeds (0, 1, ...) are not among the seeds that the project reports (68, 69, ...). Every finished
run adds a line to recipe_search.jsonl, so an interrupted search goes on where it was; the table at the end
gives mean, standard deviation over seeds, and the paired difference to the first recipe.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from pbgraph.plans.presets import preset

OUT = Path(__file__).with_suffix(".jsonl")


@dataclass(frozen=True)
class Recipe:
    """Overrides of the base: of the model's config, of training, and of growth (None: method `backprop`).

    featuriser  "graph", or the one of an estimator, which fits itself
    """

    model: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    growth: Mapping[str, Any] | None = None
    architecture: str = "trimnet"
    featuriser: str = "graph"


MODEL = {"trimnet": {"logits_per_task": 1}}  # elsewhere the model's defaults
TRAINING = {
    "epochs": 30,
    "patience": 30,
    "batch_size": 128,
    "learning_rate": 2e-3,
    "weight_decay": 1e-2,
    "schedule": "cosine",
    "warmup_epochs": 1.0,
    "clip_norm": 1.0,
}
GROWTH = {
    "max_dendrites": 1,
    "max_tries": 1,
    "cycle_epochs": 30,
    "dendrite_epochs": 12,
    "dendrite_patience": 4,
    "threshold": 0.05,
    "priming_batches": 10,
}
AUTHORS = {
    "epochs": 75,
    "patience": 75,
    "learning_rate": 1e-3,
    "weight_decay": 0.0,
    "schedule": "constant",
    "warmup_epochs": 0.0,
    "clip_norm": 0.0,
    "loss": "class-weighted",
}
LONG = {"epochs": 40, "patience": 40}
SHORT = {"epochs": 20, "patience": 20}
TWO = {"max_dendrites": 2, "cycle_epochs": 15, "dendrite_epochs": 6}


def tiny(**growth: Any) -> Recipe:
    """A TrimNet of 1,252 parameters, where dendrites have something to do, with two of them."""
    return Recipe(preset("compression-1k").recipe.models["trimnet"], SHORT | {"learning_rate": 2e-2}, TWO | growth)


def plain(size: str, rate: float) -> Recipe:
    """A TrimNet of the compression study, without dendrites."""
    return Recipe(preset(f"compression-{size}").recipe.models["trimnet"], LONG | {"learning_rate": rate})


def estimator(model: str, config: Mapping[str, Any], featuriser: str = "ecfp4-descriptors") -> Recipe:
    """A baseline on fingerprints."""
    return Recipe(config, architecture=model, featuriser=featuriser)


FEW_COLUMNS = {"column_fraction": 0.1, "l2": 10.0}
BOOSTED = {  # settings that both libraries of boosted trees have
    "100 trees, rate 0.05": {"trees": 100, "learning_rate": 0.05, "column_fraction": 0.5, "l2": 1.0},
    "200 trees, rate 0.05": {"trees": 200, "learning_rate": 0.05, "column_fraction": 0.5, "l2": 1.0},
    "400 trees, rate 0.025": {"trees": 400, "learning_rate": 0.025, "column_fraction": 0.5, "l2": 1.0},
    "200 trees, fifth of columns": {"trees": 200, "learning_rate": 0.05, "column_fraction": 0.2, "l2": 1.0},
    "200 trees, fifth of columns, l2 10": {"trees": 200, "learning_rate": 0.05, "column_fraction": 0.2, "l2": 10.0},
    "400 trees, rate 0.025, tenth of columns, l2 10": {"trees": 400, "learning_rate": 0.025, **FEW_COLUMNS},
}
SMALLER = {"lightgbm": {"leaves": 15}, "xgboost": {"depth": 4}}
FOREST: Mapping[str, tuple[str, Mapping[str, Any]]] = {  # features, settings
    "forest, bits": ("ecfp4", {}),
    "forest, bits, leaves of 1": ("ecfp4", {"min_samples_leaf": 1}),
    "forest, bits, leaves of 3": ("ecfp4", {"min_samples_leaf": 3}),
    "forest, bits, balanced": ("ecfp4", {"class_weight": "balanced"}),
    "forest": ("ecfp4-descriptors", {}),
    "forest, leaves of 1": ("ecfp4-descriptors", {"min_samples_leaf": 1}),
    "forest, leaves of 3": ("ecfp4-descriptors", {"min_samples_leaf": 3}),
    "forest, balanced": ("ecfp4-descriptors", {"class_weight": "balanced"}),
}

RECIPES = {
    "base": Recipe(),
    "authors": Recipe({"logits_per_task": 2}, AUTHORS),
    "class-weighted": Recipe({}, {"loss": "class-weighted"}),
    "constant rate 1e-3": Recipe({}, {"schedule": "constant", "learning_rate": 1e-3}),
    "rate 1e-3": Recipe({}, {"learning_rate": 1e-3}),
    "rate 4e-3": Recipe({}, {"learning_rate": 4e-3}),
    "20 epochs": Recipe({}, {"epochs": 20}),
    "40 epochs, dropout 0.3": Recipe({"dropout": 0.3}, {"epochs": 40, "patience": 40}),
    "batch 64": Recipe({}, {"batch_size": 64}),
    "decay 1e-1": Recipe({}, {"weight_decay": 1e-1}),
    "dropout 0.1": Recipe({"dropout": 0.1}),
    "dropout 0.3": Recipe({"dropout": 0.3}),
    "hidden 64": Recipe({"hidden": 64}),
    "hidden 64, depth 2": Recipe({"hidden": 64, "depth": 2}),
    "depth 2": Recipe({"depth": 2}),
    "depth 2, dropout 0.1": Recipe({"depth": 2, "dropout": 0.1}),
    "depth 2, constant rate 1e-3": Recipe({"depth": 2}, {"schedule": "constant", "learning_rate": 1e-3}),
    "depth 2, 40 epochs": Recipe({"depth": 2}, {"epochs": 40, "patience": 40}),
    "depth 2, decay 1e-1": Recipe({"depth": 2}, {"weight_decay": 1e-1}),
    "depth 2, rate 1e-3": Recipe({"depth": 2}, {"learning_rate": 1e-3}),
    "depth 2, rate 1e-3, decay 1e-1": Recipe({"depth": 2}, {"learning_rate": 1e-3, "weight_decay": 1e-1}),
    "gin": Recipe({}, {"epochs": 60, "patience": 60}, architecture="gin"),
    "gin, constant rate 1e-3": Recipe(
        {}, {"epochs": 60, "patience": 60, "schedule": "constant", "learning_rate": 1e-3}, architecture="gin"
    ),
    "gin, dropout 0.2": Recipe({"dropout": 0.2}, {"epochs": 60, "patience": 60}, architecture="gin"),
    "gin, mean readout": Recipe({"readout": "mean"}, {"epochs": 60, "patience": 60}, architecture="gin"),
    "depth 2, one dendrite": Recipe({"depth": 2}, growth={}),
    "depth 2, one dendrite, sigmoid": Recipe({"depth": 2}, growth={"activation": "sigmoid"}),
    "depth 2, one dendrite, raw objective": Recipe({"depth": 2}, growth={"objective": "raw"}),
    "depth 2, one dendrite, pool of 4": Recipe({"depth": 2}, growth={"pool": 4}),
    "tiny": tiny(),
    "tiny, raw objective": tiny(objective="raw"),
    "tiny, sigmoid": tiny(activation="sigmoid"),
    "tiny, relu": tiny(activation="relu"),
    "tiny, pool of 4": tiny(pool=4),
    "tiny, snapshot per neuron": tiny(snapshot="neuron"),
    "tiny, w starts at 0.01": tiny(initial_w=0.01),
    "tiny, w starts at 0.1": tiny(initial_w=0.1),
    "tiny, dendrites trainable": tiny(dendrites_trainable=True),
    "tiny, initial weights halved": tiny(init_scale=0.5),
    "tiny, initial weights doubled": tiny(init_scale=2.0),
    "tiny, dendrite phase of 15 epochs": tiny(dendrite_epochs=15, dendrite_patience=15),
}
RATES = {"1k": (2e-3, 1e-2, 2e-2, 4e-2), "2k": (1e-2, 2e-2, 4e-2), "8k": (5e-3, 1e-2, 2e-2), "25k": (2e-3, 5e-3, 1e-2)}
RECIPES |= {f"{size}, rate {rate:g}": plain(size, rate) for size, rates in RATES.items() for rate in rates}
for model, smaller in SMALLER.items():
    RECIPES |= {f"{model}, {name}": estimator(model, config) for name, config in BOOSTED.items()}
    RECIPES[f"{model}, 400 smaller trees"] = estimator(
        model, {"trees": 400, "learning_rate": 0.025, **smaller, **FEW_COLUMNS}
    )
RECIPES |= {name: estimator("random-forest", config, features) for name, (features, config) in FOREST.items()}
RECIPES |= {f"logistic, c {c:g}": estimator("logistic-regression", {"c": c}) for c in (1e-4, 3e-4, 1e-3, 3e-3, 1e-2)}


def one_run(name: str, seed: int) -> dict[str, Any]:
    """Train recipe `name` on the random split of `seed`; returns its best validation score."""
    import torch

    torch.set_num_threads(1)
    from pbgraph.datasets.base import DATASETS
    from pbgraph.datasets.load import load
    from pbgraph.features.base import FEATURISERS
    from pbgraph.features.stored import featurised
    from pbgraph.methods.base import METHODS, FitJob
    from pbgraph.metrics import ROC_AUC, mean_over_tasks
    from pbgraph.models.base import MODELS, Estimator
    from pbgraph.splits import RANDOM

    molecules = load(DATASETS.get("tox21"))
    recipe = RECIPES[name]
    store, split = featurised(FEATURISERS.get(recipe.featuriser), molecules), RANDOM.split(molecules, seed)
    model = MODELS.get(recipe.architecture)
    config, settings = {**MODEL.get(recipe.architecture, {}), **recipe.model}, {**TRAINING, **recipe.training}
    method = METHODS.get("backprop")
    if isinstance(model, Estimator):
        method, settings = METHODS.get("fit"), {}
    elif recipe.growth is not None:
        method, settings = METHODS.get("perforated"), {**settings, **GROWTH, **recipe.growth}
    started = time.monotonic()
    fitted = method.fit(
        FitJob(
            model=model,
            config=model.config(**config),
            settings=method.settings(**settings),
            train=store.select(split.train),
            valid=store.select(split.valid),
            seed=seed,
            metric=lambda y, scores: mean_over_tasks(ROC_AUC, y, scores),
        )
    )
    return {
        "recipe": name,
        "seed": seed,
        "valid": fitted.selection.score,
        "best_epoch": fitted.selection.epoch,
        "epochs": fitted.epochs,
        "seconds": round(time.monotonic() - started, 1),
        "curve": [None if line.valid is None else round(line.valid, 4) for line in fitted.history],
        "config": config,
        "settings": settings,
    }


def search(names: list[str], seeds: list[int], jobs: int) -> list[dict[str, Any]]:
    """All runs of the grid, those on file included."""
    lines = [json.loads(line) for line in OUT.read_text().splitlines()] if OUT.exists() else []
    done = {(line["recipe"], line["seed"]) for line in lines}
    todo = [(name, seed) for seed in seeds for name in names if (name, seed) not in done]
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        for future in as_completed([pool.submit(one_run, *run) for run in todo]):
            lines.append(future.result())
            with OUT.open("a") as file:
                file.write(json.dumps(lines[-1]) + "\n")
            print(lines[-1]["recipe"], lines[-1]["seed"], lines[-1]["valid"], lines[-1]["seconds"], flush=True)
    return lines


def table(lines: list[dict[str, Any]], base: str) -> str:
    """Markdown rows: recipe, seeds, mean validation ROC-AUC, its SD, difference to the base on shared seeds."""
    scores: dict[str, dict[int, float]] = {}
    for line in lines:
        scores.setdefault(str(line["recipe"]), {})[int(line["seed"])] = float(line["valid"])
    rows = [f"| recipe | seeds | valid ROC-AUC | SD | paired difference to {base} |", "|---|---|---:|---:|---:|"]
    for name, by_seed in sorted(scores.items(), key=lambda item: -statistics.mean(item[1].values())):
        values = list(by_seed.values())
        spread = f"{statistics.stdev(values):.4f}" if len(values) > 1 else "–"
        shared = [value - scores[base][seed] for seed, value in by_seed.items() if seed in scores.get(base, {})]
        gain = f"{statistics.mean(shared):+.4f}" if shared else "–"
        rows.append(f"| {name} | {len(values)} | {statistics.mean(values):.4f} | {spread} | {gain} |")
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipes", nargs="+", default=list(RECIPES), choices=list(RECIPES))
    parser.add_argument("--seeds", default="0-2", help="first-last")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--base", default="base", choices=list(RECIPES), help="what the others are compared with")
    given = parser.parse_args()
    first, last = map(int, given.seeds.split("-"))
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    lines = search(given.recipes, list(range(first, last + 1)), given.jobs)
    print(table([line for line in lines if line["recipe"] in (*given.recipes, given.base)], given.base))


if __name__ == "__main__":
    main()
