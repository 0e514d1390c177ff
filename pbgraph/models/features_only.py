"""No graph at all: the head alone on features of whole molecules. The control of every network that has them.

A network whose features do better than this by nothing has learnt nothing from its graphs.

    logits = head(graph_attr)                      see `pbgraph.models.head`
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor, nn

from pbgraph.errors import UsageError
from pbgraph.fields import LATER
from pbgraph.graph import GraphBatch
from pbgraph.models.base import Architecture, Dims
from pbgraph.models.head import HEAD_SITES, HEAD_SPACE, Head, HeadConfig


@dataclass(frozen=True, kw_only=True)
class FeaturesOnlyConfig(HeadConfig):
    """Hyper-parameters: those of the head, which is "packed"."""

    head: Literal["packed"] = field(default="packed", metadata=LATER)


class FeaturesOnly(nn.Module):
    """The network of the module's equation: GraphBatch -> logits (G, T), or (k, G, T)."""

    def __init__(self, dims: Dims, config: FeaturesOnlyConfig) -> None:
        super().__init__()
        if not dims.graph:
            raise UsageError("features-only has no features: set features-only.features=graph+descriptors, or others")
        self.head = Head(0, dims.graph, dims.tasks, config)

    def forward(self, batch: GraphBatch) -> Tensor:
        """Logits."""
        logits: Tensor = self.head(None, batch.graph_attr)
        return logits


FEATURES_ONLY = Architecture(
    name="features-only",
    version=1,
    config=FeaturesOnlyConfig,
    build=FeaturesOnly,
    dendrite_sites=HEAD_SITES,
    width="head_hidden",
    source="control: the head of a network with features of whole molecules, without its graphs",
    featuriser="graph+descriptors",
    reads_graphs=False,
    space=HEAD_SPACE,
)
