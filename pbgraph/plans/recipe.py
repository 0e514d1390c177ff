"""Settings that presets and studies share, found on validation rows of seeds 0-2 alone; see benchmarks/recipes.md."""

from __future__ import annotations

from pbgraph.plans.declaration import Overrides

RECIPE: Overrides = {
    "batch_size": 128,
    "learning_rate": 2e-3,
    "weight_decay": 1e-2,
    "schedule": "cosine",
    "warmup_epochs": 1.0,
    "clip_norm": 1.0,
}
GROWTH: Overrides = {
    "max_dendrites": 2,
    "max_tries": 1,
    "cycle_epochs": 30,
    "dendrite_epochs": 12,
    "dendrite_patience": 4,
    "threshold": 0.05,
    "priming_batches": 10,
}
