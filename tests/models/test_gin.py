"""GIN's own: its equations written out, and both readouts."""

from __future__ import annotations

import pytest
import torch

from pbgraph.errors import UsageError
from pbgraph.models.gin import GIN
from pbgraph.models.layers import BatchNorm
from pbgraph.testing import DIMS, as_batch, molecules


def test_is_its_equations() -> None:
    model, batch = GIN.build(DIMS, GIN.config(layers=2, hidden=5)), as_batch(molecules([4, 1, 6]))
    model.eval()
    adjacency = torch.zeros(11, 11)
    adjacency[batch.edge_index[1], batch.edge_index[0]] = 1.0
    readout = torch.nn.functional.one_hot(batch.batch, 3).float().t()
    h, expected = batch.x, model.logits[0](readout @ batch.x)
    for layer, linear in zip(model.layers, model.logits[1:], strict=True):
        h = layer.update(layer.conv.nn(h + adjacency @ h).relu()).relu()
        expected = expected + linear(readout @ h)
    torch.testing.assert_close(model(batch), expected)


def test_mean_readout_ignores_copies_of_a_molecule() -> None:
    (graph,) = molecules([5])
    double = type(graph)(*(torch.cat([torch.from_numpy(a)] * 2).numpy() for a in (graph.x,)), *_twice(graph))
    for readout, same in (("mean", True), ("sum", False)):
        model = GIN.build(DIMS, GIN.config(readout=readout)).eval()
        assert torch.allclose(model(as_batch([graph])), model(as_batch([double])), atol=1e-5) == same


def _twice(graph):  # type: ignore[no-untyped-def]
    import numpy as np

    shifted = graph.edge_index + len(graph.x)
    return np.concatenate([graph.edge_index, shifted], axis=1), np.concatenate([graph.edge_attr] * 2)


def test_batch_norm_of_one_row_uses_running_statistics() -> None:
    norm = BatchNorm(3).train()
    norm.running_mean += 1.0
    torch.testing.assert_close(norm(torch.ones(1, 3)), torch.zeros(1, 3))
    assert norm(torch.randn(8, 3)).mean(0).abs().max() < 1e-5


def test_unknown_readout_is_refused() -> None:
    with pytest.raises(UsageError, match="readout is 'max'"):
        GIN.config(readout="max")
