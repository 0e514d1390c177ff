"""SNN: a self-normalising network on features of whole molecules (Klambauer et al., NeurIPS 2017, arXiv:1706.02515).

    h⁰     = graph_attr
    hˡ⁺¹   = alpha_dropout(selu(W hˡ + b))                                l = 0 .. layers - 1
    logits = V hᴸ + c

selu(x) = λ x where x > 0, else λ α (e^x - 1), with λ = 1.0507 and α = 1.6733. Weights start from N(0, 1 / inputs) and
biases from 0, and inputs are standardised, so that channels of every layer have mean 0 and variance 1 at first; alpha
dropout puts the limit -λ α in the place of a channel, and scales and moves the others so that this stays.

    graph_attr (G, D) -> (G, T)

No graph is read: this is what became of DeepTox (Mayr et al. 2016, doi:10.3389/fenvs.2015.00080), networks on
descriptors and fingerprints. The paper's best one on Tox21 has 8 layers too. Deviation from it: 256 channels, for a few
hundred descriptors where the paper has some 12,000 features.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pbgraph.errors import UsageError
from pbgraph.fields import check_least, check_probabilities
from pbgraph.graph import GraphBatch
from pbgraph.models.base import Architecture, Dims
from pbgraph.spaces import Choice, Real, Whole


@dataclass(frozen=True)
class SNNConfig:
    """Hyper-parameters of an SNN.

    hidden   channels of every layer
    layers   before the last one
    dropout  probability of alpha dropout, after each of these
    """

    hidden: int = 256
    layers: int = 8
    dropout: float = 0.05

    def __post_init__(self) -> None:
        check_least(self, 1, "hidden", "layers")
        check_probabilities(self, "dropout")


class LeCunLinear(nn.Linear):
    """W x + b, where weights start from N(0, 1 / inputs) (LeCun et al. 1998), and biases from 0."""

    def reset_parameters(self) -> None:
        """Draw new weights."""
        nn.init.normal_(self.weight, std=1 / math.sqrt(self.in_features))
        nn.init.zeros_(self.bias)


class SNN(nn.Module):
    """The network of the module's equations: GraphBatch -> logits (G, T)."""

    def __init__(self, dims: Dims, config: SNNConfig) -> None:
        super().__init__()
        if not dims.graph:
            raise UsageError("snn has no features: set snn.features=graph+descriptors, or others")
        self.dropout = config.dropout
        widths = [dims.graph, *[config.hidden] * config.layers]
        self.hidden = nn.ModuleList(LeCunLinear(*sizes) for sizes in pairwise(widths))
        self.logits = LeCunLinear(config.hidden, dims.tasks)

    def encode(self, batch: GraphBatch) -> Tensor:
        """hᴸ, the channels of the last layer, (G, hidden)."""
        x = batch.x.new_zeros(batch.num_graphs, 0) if batch.graph_attr is None else batch.graph_attr
        for linear in self.hidden:
            x = F.alpha_dropout(torch.selu(linear(x)), self.dropout, self.training)
        return x

    def forward(self, batch: GraphBatch) -> Tensor:
        """Logits (G, T)."""
        logits: Tensor = self.logits(self.encode(batch))
        return logits


SNN_MODEL = Architecture(
    name="snn",
    version=1,
    config=SNNConfig,
    build=SNN,
    dendrite_sites=("hidden.*", "logits"),
    width="hidden",
    source="arXiv:1706.02515; doi:10.3389/fenvs.2015.00080",
    featuriser="graph+descriptors",
    reads_graphs=False,
    space={
        "hidden": Choice(128, 256, 512, 1024),
        "layers": Whole(2, 12),
        "dropout": Real(0.0, 0.2),
    },
)
