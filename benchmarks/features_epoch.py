"""TrimNet with features of whole molecules and a packed head, against TrimNet without: an epoch, one thread.

    python benchmarks/features_epoch.py [--repeats 7]

Both have 32 channels and two blocks, on the same graphs in the same batches. "packed" is the packed head without
features, to tell what the head costs from what the features do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from workload import EPOCH, PART, Training, endless_batches, fit_job, timing  # isort: skip (sets the number of threads)
from timing import Result, in_turn, row_of

from pbgraph.features.base import FEATURISERS
from pbgraph.features.graphs import GRAPH
from pbgraph.features.preparation import fitted_to
from pbgraph.methods.optimizers import make_optimizer
from pbgraph.methods.training import TrainSettings, build_model, graphs_of, make_loss
from pbgraph.models.trimnet import TRIMNET, TrimNetConfig

FEATURES = FEATURISERS.get("graph+descriptors+neighbours")
OWN = TrimNetConfig(hidden=32, depth=2, logits_per_task=1)
PACKED = replace(OWN, head="packed")


def with_features() -> Training:
    """Training with features fitted to the training rows."""
    job = fit_job(TRIMNET, TrainSettings(), PACKED, featuriser=FEATURES)
    train, whole = fitted_to(job.train, job.kind)
    assert whole is not None
    job = replace(job, train=train, valid=whole(graphs_of(job.valid)))
    model = build_model(job)
    optimizer = make_optimizer(job.settings, model)(model.parameters())
    return Training(job, model, optimizer, make_loss(job), endless_batches(graphs_of(train)))


def measure(repeats: int) -> Sequence[Result]:
    times = in_turn(
        {
            "ours": with_features().steps,
            "packed": Training.of(TRIMNET, PACKED, featuriser=GRAPH).steps,
            "peer": Training.of(TRIMNET, OWN, featuriser=GRAPH).steps,
            "copy": with_features().steps,
        },
        repeats,
    )
    what, scale = "TrimNet training epoch / without features and packed head", EPOCH / PART
    return [
        row_of(f"{what}, descriptors and neighbours", times, "ours", "peer", target=1.15, scale=scale),
        row_of(f"{what}, packed head alone", times, "packed", "peer", target=1.15, scale=scale),
    ]


if __name__ == "__main__":
    timing.main(measure, __doc__)
