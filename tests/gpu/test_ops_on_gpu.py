"""Every operation on a GPU, where it is computed by its definition, against the CPU, where kernels compute it."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from importlib import import_module

import pytest
import torch
from torch import Tensor

import pbgraph.ops
from pbgraph.graph import GraphBatch
from pbgraph.ops import edges, segment
from pbgraph.ops.activations import celu
from pbgraph.ops.boosting import boosted_sum
from pbgraph.ops.dropout import dropout
from pbgraph.ops.gated_pairs import gated_pairs
from pbgraph.ops.gates import gated_mean
from pbgraph.ops.loss import masked_cross_entropy
from pbgraph.ops.messages import relu_sum
from pbgraph.ops.moments import moments
from pbgraph.ops.neighbours import neighbour_sum
from pbgraph.ops.pooling import graph_attention
from pbgraph.ops.recurrent import gru, gru_norm
from pbgraph.ops.running import gradients, take_in
from pbgraph.ops.statistics import edge_statistics
from pbgraph.ops.triplet import triplet_attention
from pbgraph.ops.walks import return_probabilities, walk_probabilities
from pbgraph.testing import as_batch, as_double, molecules

pytestmark = pytest.mark.gpu

DEVICE = "cuda"
N, H, C = 31, 3, 5
BATCH = as_double(as_batch(molecules([9, 1, 12, 2, 7])))
E, B = len(BATCH.edge_type), len(BATCH.edge_table)
BLANK = torch.where(torch.arange(20).view(5, 4) % 3 == 0, torch.nan, torch.arange(20.0).view(5, 4) % 2)

ON_NO_GPU = {"tanimoto", "largest"}  # they compare NumPy's bits


def taken_in(batch: GraphBatch, *rows: Tensor) -> tuple[Tensor, ...]:
    """Moments after a batch was taken into them."""
    running, mean, sums, *new = (row.detach().clone() for row in rows)
    patterns = torch.full_like(mean[0], 7)
    assert take_in(running, (mean, sums), new, before=3 * patterns, patterns=patterns, keep=0.9)
    return running, mean, sums


def of_covariance(batch: GraphBatch, running: Tensor, *errors: Tensor) -> tuple[Tensor, ...]:
    """Gradients of a covariance for errors of half the columns each, with columns second to last and last."""
    means, squares, covariance = running.detach().split([2, 2, 1])
    moments = torch.cat([means, squares.abs(), covariance])
    places = {"axes": [-2, -1], "starts": [0, C], "floor": 1e-6}
    return tuple(gradients(moments, torch.full_like(moments[0], 7), [one.detach() for one in errors], **places))


# name -> (shapes of what gets a gradient, function of a batch and these)
CASES: Mapping[str, tuple[list[tuple[int, ...]], Callable[..., object]]] = {
    "celu": ([(N, C)], lambda b, x: celu(x)),
    "gru": ([(N, 3 * C), (N, 3 * C), (N, C), (3 * C,), (3 * C,)], lambda b, *t: gru(*t)),
    "gru_norm": (
        [(N, 3 * C), (N, 3 * C), (N, C), (3 * C,), (3 * C,), (C,), (C,)],
        lambda b, *t: gru_norm(*t, 1e-5),
    ),
    "weighted_sum": ([(E, H), (N, H, C)], lambda b, w, v: edges.weighted_sum(w, v, edges.Edges.of(b))),
    "edge_scores": ([(N, H, C), (N, H, C)], lambda b, q, k: edges.edge_scores(q, k, edges.Edges.of(b))),
    "edge_softmax": ([(E, H)], lambda b, x: edges.edge_softmax(x, edges.Edges.of(b))),
    "to_graphs": ([(N, 1), (N, 1, C)], lambda b, w, v: edges.weighted_sum(w, v, edges.Edges.to_graphs(b))),
    "complete": ([(N, H, C)], lambda b, q: edges.edge_scores(q, q, edges.Edges.complete(b))),
    "triplet_attention": ([(N, H, C + 2), (B, H, C + 1)], lambda b, node, edge: triplet_attention(node, edge, b)),
    "graph_attention": ([(5, C), (N, C)], lambda b, q, x: graph_attention(q, x, b)),
    "neighbour_sum": ([(N, C)], lambda b, x: neighbour_sum(x, b)),
    "relu_sum": ([(N, C), (B, C)], lambda b, x, table: relu_sum(x, table, b)),
    "gated_mean": ([(E, C), (N, C)], lambda b, g, v: gated_mean(torch.sigmoid(g), v, edges.Edges.of(b))),
    "boosted_sum": ([(E, C)], lambda b, x: boosted_sum(x, edges.Edges.of(b))),
    "edge_statistics": ([(E, C)], lambda b, x: edge_statistics(x, edges.Edges.of(b))),
    "segment_mean": ([(N, C)], lambda b, x: segment.segment_mean(x, b.batch, 6)),
    "segment_max": ([(N, C)], lambda b, x: segment.segment_max(x, b.batch, b.node_ptr)),
    "moments": ([(N, C), (N, C)], lambda b, x, y: tuple(one.to(x.dtype) for one in moments(x, y))),
    "take_in": ([(5, C), (2, C), (3, C), (2, C), (3, C)], taken_in),
    "gradients": ([(5, 2 * C), (N, C, H), (N, C)], of_covariance),
    "gated_pairs": (
        [(N, C), (N, C), (E, 2 * C)],
        lambda b, q, k, own: gated_pairs(q, k, own, edges.Edges.of(b)),
    ),
    "walk_probabilities": ([], lambda b: walk_probabilities(b, edges.Edges.complete(b), 6)),
    "return_probabilities": ([], lambda b: return_probabilities(b, 6)),
    "masked_cross_entropy": ([(5, 4)], lambda b, x: masked_cross_entropy(x, BLANK.to(x.device, x.dtype))),
}


def on(device: str, batch: GraphBatch) -> GraphBatch:
    tensors = {field.name: getattr(batch, field.name) for field in fields(batch)}
    return replace(batch, **{name: t.to(device) for name, t in tensors.items() if isinstance(t, Tensor)})


def results(name: str, device: str) -> list[Tensor]:
    """Outputs, and gradients of a sum of them with weights, on the CPU."""
    shapes, function = CASES[name]
    generator = torch.Generator().manual_seed(1)
    drawn = [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]
    inputs = [one.to(device).requires_grad_() for one in drawn]
    made = function(on(device, BATCH), *inputs)
    outputs = list(made) if isinstance(made, tuple) else [made]
    weighted = [(y * torch.linspace(-1, 1, y.numel(), dtype=y.dtype, device=device).view_as(y)).sum() for y in outputs]
    gradients = torch.autograd.grad(sum(weighted), inputs) if weighted[0].requires_grad else ()
    return [one.detach().cpu() for one in (*outputs, *gradients)]


@pytest.mark.parametrize("name", CASES)
def test_a_gpu_computes_what_the_cpu_does(name: str) -> None:
    torch.testing.assert_close(results(name, DEVICE), results(name, "cpu"), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", CASES)
def test_a_gpu_computes_the_same_twice(name: str) -> None:
    assert all(map(torch.equal, results(name, DEVICE), results(name, DEVICE)))


def test_no_operation_with_a_definition_is_left_out() -> None:
    modules = [import_module(f"pbgraph.ops.{module.name}") for module in pkgutil.iter_modules(pbgraph.ops.__path__)]
    defined = {name.removesuffix("_definition") for module in modules for name in vars(module) if "_definition" in name}
    assert defined - ON_NO_GPU <= CASES.keys()
    assert defined >= ON_NO_GPU


def test_dropout_keeps_the_share_and_the_mean() -> None:
    x = torch.ones(10_000, device=DEVICE)
    made = dropout(x, 0.25, True)
    assert abs(float((made == 0).float().mean()) - 0.25) < 0.03
    assert set(made.unique().tolist()) <= {0.0, float(torch.tensor(1 / 0.75))}
    assert dropout(x, 0.25, False) is x
