"""Training steps as CUDA graphs: a step's kernels are recorded once for a size and replayed for every batch of it.

A batch is padded to the next of a few sizes with graphs of its own, whose labels are blank, so that they add nothing
to loss and gradients. That holds for networks in which no graph of a batch sees another, so for none with batch
normalisation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor, nn

from pbgraph.graph import GraphBatch
from pbgraph.methods.training import LossFunction

NODES, EDGES, GRAPHS = 512, 1024, 16  # sizes are multiples of these; GRAPHS share the nodes that are padding


def padded(batch: GraphBatch, size: int) -> GraphBatch:
    """The batch, with graphs without labels after its own: `size` + GRAPHS in all; nodes and edges to multiples."""
    device = batch.x.device
    nodes, edges = len(batch.x), batch.edge_index.shape[1]
    more_nodes = -(nodes + 1) % NODES + 1
    more_edges = -edges % EDGES
    graph = size + _spread(more_nodes, GRAPHS, device)
    loops = nodes + _spread(more_edges, more_nodes, device)
    receiver, kinds = torch.cat([batch.edge_index[1], loops]), batch.edge_type.new_zeros(more_edges)
    owner = torch.cat([batch.batch, graph])
    blank = batch.y.new_full((size + GRAPHS - batch.num_graphs, batch.y.shape[1]), torch.nan)
    return GraphBatch(
        x=torch.cat([batch.x, batch.x.new_zeros(more_nodes, batch.x.shape[1])]),
        edge_index=torch.stack([torch.cat([batch.edge_index[0], loops]), receiver]),
        edge_type=torch.cat([batch.edge_type, kinds]),
        edge_table=batch.edge_table,
        batch=owner,
        num_graphs=size + GRAPHS,
        y=torch.cat([batch.y, blank]),
        receiver_ptr=torch.searchsorted(receiver, torch.arange(nodes + more_nodes + 1, device=device)),
        node_ptr=torch.searchsorted(owner, torch.arange(size + GRAPHS + 1, device=device)),
    )


def _spread(count: int, bins: int, device: torch.device) -> Tensor:
    """(count,) int64, non-decreasing: bins 0 .. bins - 1, each as often as the others, but for one."""
    return torch.arange(count, device=device) * bins // max(count, 1)


@dataclass(eq=False)
class _Recorded:
    batch: GraphBatch
    graph: torch.cuda.CUDAGraph
    loss: Tensor


class CapturedTraining:
    """Training steps of a network with AdamW on a GPU, recorded for each size of batch that occurs.

    size  molecules of a batch, at the most
    """

    def __init__(self, model: nn.Module, loss_fn: LossFunction, size: int) -> None:
        self.model, self.loss_fn, self.size = model.train(), loss_fn, size
        rate = torch.tensor(1e-3, device="cuda")
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.0, fused=True, capturable=True)
        self.recorded: dict[tuple[int, int], _Recorded] = {}
        self.pool = torch.cuda.graph_pool_handle()
        self.stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]

    def step(self, batch: GraphBatch) -> Tensor:
        """One step; the loss before it, which the next step of this size overwrites."""
        batch = padded(batch, self.size)
        if not self.optimizer.state:
            return self._plain_step(batch)  # it makes the optimiser's state, which no recorded step may make
        size = len(batch.x), batch.edge_index.shape[1]
        if size not in self.recorded:
            self.recorded[size] = self._record(batch)
        known = self.recorded[size]
        for field in fields(batch):
            value = getattr(batch, field.name)
            if isinstance(value, Tensor):
                getattr(known.batch, field.name).copy_(value)
        known.graph.replay()
        return known.loss

    def _plain_step(self, batch: GraphBatch) -> Tensor:
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss_fn(self.model, batch)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        return loss.detach()

    def _record(self, batch: GraphBatch) -> _Recorded:
        tensors = {f.name: getattr(batch, f.name) for f in fields(batch) if isinstance(getattr(batch, f.name), Tensor)}
        own = replace(batch, **{name: value.clone() for name, value in tensors.items()})
        random = torch.cuda.get_rng_state()
        self._warm_up(own)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self.pool, stream=self.stream):
            loss = self._plain_step(own)
        torch.cuda.set_rng_state(random)
        return _Recorded(own, graph, loss)

    def _warm_up(self, batch: GraphBatch) -> None:
        """What libraries do when they are first called must not be recorded; weights stay as they are."""
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.stream):
            self.loss_fn(self.model, batch).backward()  # type: ignore[no-untyped-call]
        torch.cuda.current_stream().wait_stream(self.stream)
        self.optimizer.zero_grad(set_to_none=True)


def steps_of(training: CapturedTraining, batches: Callable[[], GraphBatch]) -> Callable[[int], float]:
    """Count -> mean loss of so many steps, waiting for the GPU at the end alone."""

    def steps(count: int) -> float:
        total = torch.zeros((), device="cuda")
        for _ in range(count):
            total += training.step(batches())
        return float(total) / count

    return steps
