"""A small network that passes every check of pbgraph.testing, and for each check one that it must reject."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor, nn

from pbgraph.graph import GraphBatch
from pbgraph.models.base import Architecture, Dims
from pbgraph.ops.segment import segment_sum
from pbgraph.spaces import Choice


@dataclass(frozen=True)
class Config:
    hidden: int = 64


class Sound(nn.Module):
    """Two rounds of relu(W [h_i ‖ Σ_j h_j ‖ Σ_j e_ij] + b), and a linear layer on the sum over nodes."""

    def __init__(self, dims: Dims, config: Config) -> None:
        super().__init__()
        widths = [dims.node, config.hidden, config.hidden]
        self.layers = nn.ModuleList(nn.Linear(2 * n + dims.edge, out) for n, out in pairwise(widths))
        self.logits = nn.Linear(config.hidden, dims.tasks)

    def nodes(self, batch: GraphBatch) -> Tensor:
        x, (sender, receiver) = batch.x, batch.edge_index
        bonds = segment_sum(batch.edge_attr, receiver, len(x))
        for layer in self.layers:
            x = layer(torch.cat([x, segment_sum(x[sender], receiver, len(x)), bonds], dim=1)).relu()
        return x

    def forward(self, batch: GraphBatch) -> Tensor:
        return self.logits(segment_sum(self.nodes(batch), batch.batch, batch.num_graphs))


class InfersGraphs(Sound):
    def forward(self, batch: GraphBatch) -> Tensor:
        num_graphs = int(batch.batch.max()) + 1 if len(batch.batch) else 0
        return self.logits(segment_sum(self.nodes(batch), batch.batch, num_graphs))


class ReadsPositions(Sound):
    def nodes(self, batch: GraphBatch) -> Tensor:
        place = torch.arange(len(batch.x)) - batch.node_ptr[batch.batch]
        return super().nodes(batch) * place.to(batch.x.dtype).unsqueeze(1)


class SubtractsTheBatchMean(Sound):
    def nodes(self, batch: GraphBatch) -> Tensor:
        x = super().nodes(batch)
        return x - x.sum(0) / max(len(x), 1)


class Overflows(Sound):
    def nodes(self, batch: GraphBatch) -> Tensor:
        sizes = batch.node_ptr.diff()[batch.batch].to(batch.x.dtype)
        return super().nodes(batch) * sizes.exp().unsqueeze(1)


class ReadsLabels(Sound):
    def forward(self, batch: GraphBatch) -> Tensor:
        return super().forward(batch) + batch.y.nan_to_num().sum(1, keepdim=True)


class HasSpareLayer(Sound):
    def __init__(self, dims: Dims, config: Config) -> None:
        super().__init__(dims, config)
        self.spare = nn.Linear(3, 3)


class DrawsElsewhere(Sound):
    def forward(self, batch: GraphBatch) -> Tensor:
        return super().forward(batch) * (1 + random.random())


class HidesState(Sound):
    def __init__(self, dims: Dims, config: Config) -> None:
        super().__init__(dims, config)
        self.scale = float(torch.rand(()))

    def forward(self, batch: GraphBatch) -> Tensor:
        return super().forward(batch) * self.scale


class CountsAtomsAlone(Sound):
    def nodes(self, batch: GraphBatch) -> Tensor:
        constant = GraphBatch.from_dense(
            torch.ones_like(batch.x),
            batch.edge_index[:, :0],
            batch.edge_attr[:0],
            batch=batch.batch,
            num_graphs=batch.num_graphs,
        )
        return super().nodes(constant)


class CountsItsModules(Sound):
    def forward(self, batch: GraphBatch) -> Tensor:
        return super().forward(batch) * len(list(self.modules()))


class WritesIntoFloat32(Sound):
    def forward(self, batch: GraphBatch) -> Tensor:
        graphs = torch.zeros(batch.num_graphs, self.logits.out_features, dtype=batch.x.dtype)
        return graphs.index_add(0, batch.batch, self.logits(self.nodes(batch)))


SOUND = Architecture(
    name="sound",
    version=1,
    config=Config,
    build=Sound,
    dendrite_sites=("layers.*", "logits"),
    width="hidden",
    source="none",
)

MUTANTS: dict[str, Architecture] = {
    check: replace(SOUND, name=build.__name__, build=build)
    for check, build in {
        "shapes": InfersGraphs,
        "permutation": ReadsPositions,
        "batch-independence": SubtractsTheBatchMean,
        "large-input": Overflows,
        "labels-unseen": ReadsLabels,
        "no-unused-parameter": HasSpareLayer,
        "determinism": DrawsElsewhere,
        "save-and-load": HidesState,
        "overfits": CountsAtomsAlone,
        "perforation": CountsItsModules,
        "autocast": WritesIntoFloat32,
    }.items()
} | {
    "dendrite-sites": replace(SOUND, name="NamesNoSite", dendrite_sites=("convs.*",)),
    "space": replace(SOUND, name="SearchesNothingThereIs", space={"hiden": Choice(1, 2)}),
    "recipe": replace(SOUND, name="TrainsByNothingThereIs", recipe={"learning_rat": 1e-3}),
}
