"""SUM-NET: every atom adds up its neighbours, twice; then the molecule adds up its atoms."""

from dataclasses import dataclass

from torch import nn
from torch.nn import functional as F

from pbgraph.models.base import Architecture
from pbgraph.ops.segment import segment_sum
from pbgraph.spaces import Choice


@dataclass(frozen=True)
class SumNetConfig:
    """hidden  channels of atoms"""

    hidden: int = 64


class SumNet(nn.Module):
    def __init__(self, dims, config):
        super().__init__()
        self.atoms = nn.Linear(dims.node, config.hidden)
        self.update = nn.Linear(config.hidden, config.hidden)
        self.logits = nn.Linear(config.hidden, dims.tasks)

    def forward(self, batch):
        sender, receiver = batch.edge_index
        h = F.relu(self.atoms(batch.x))
        for _ in range(2):
            h = F.relu(self.update(h + segment_sum(h[sender], receiver, len(h))))
        return self.logits(segment_sum(h, batch.batch, batch.num_graphs))


SUM_NET = Architecture(
    name="sum-net",
    version=1,
    config=SumNetConfig,
    build=SumNet,
    dendrite_sites=("atoms", "update", "logits"),
    width="hidden",
    recipe={"learning_rate": 5e-3, "batch_size": 32},
    space={"hidden": Choice(32, 64, 128)},
    source="where it comes from: a DOI, and the reference code with its commit",
)
