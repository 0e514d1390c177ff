"""Triplet attention over the edges that each node receives (TrimNet), with its bilinear message.

For the edge from j to i of type t, and each head separately (head index left out)::

    l_ij = leaky_relu(r_i + b_t + s_j, 0.2)         r, s: terms of receiver and sender; b: term of the edge
    α_ij = exp(l_ij) / Σ_{j'} exp(l_ij')            softmax over the edges that i receives
    y_i  = Σ_j α_ij · e_t ⊙ v_j                     e, v: (C,) vectors of edge type and sender

Nodes and edge types come as one array each, as a single matrix product leaves them::

    node (N, H, C + 2)    v, r and s of every head
    edge (B, H, C + 1)    e and b of every head

Source: Li et al. 2021, doi:10.1093/bib/bbaa266, equations 2-4. The paper writes the logit as a·[x_i ‖ e_ij ‖ x_j];
a scalar product of a concatenation is a sum of scalar products, one of each part.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from pbgraph.graph import GraphBatch
from pbgraph.ops.kernels import Kernel, fused
from pbgraph.ops.segment import segment_softmax, segment_sum, spread

NEGATIVE_SLOPE = 0.2


def triplet_attention_definition(node: Tensor, edge: Tensor, batch: GraphBatch) -> Tensor:
    """The definition in plain PyTorch, for any device; `triplet_attention` gives the same faster."""
    (sender, receiver), kind = batch.edge_index, batch.edge_type
    ptr, senders, kinds = batch.receiver_ptr, spread(node, sender), spread(edge, kind)  # E x H x (C + 2), ... (C + 1)
    r = spread(node[..., -2], receiver, ptr)
    logits = F.leaky_relu(r + kinds[..., -1] + senders[..., -1], NEGATIVE_SLOPE)  # E x H
    alpha = segment_softmax(logits, receiver, len(node), ptr)
    messages = alpha.unsqueeze(2) * kinds[..., :-1] * senders[..., :-2]  # E x H x C
    return segment_sum(messages, receiver, len(node), ptr)


def triplet_attention(node: Tensor, edge: Tensor, batch: GraphBatch) -> Tensor:
    """Attention-weighted messages y.

    node   (N, H, C + 2) float, edge (B, H, C + 1) float, as above
    batch  of N nodes and E edges with types below B
    Returns (N, H, C); a node that receives no edge gets 0. Raises ValueError if batch has not N nodes.
    """
    if len(batch.receiver_ptr) != len(node) + 1:
        raise ValueError(f"{len(node)} nodes for a batch of {len(batch.receiver_ptr) - 1}")
    if not fused((_attend, _attend_backward), node, edge):
        return triplet_attention_definition(node, edge, batch)
    return _Attention.apply(node, edge, batch.edge_index[0], batch.edge_type, batch.receiver_ptr)  # type: ignore[no-any-return, no-untyped-call]


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *inputs: Tensor) -> Tensor:
        node, edge, sender, kind, ptr = (t.contiguous() for t in inputs)
        alpha = node.new_empty(len(sender), node.shape[1])
        out = node.new_empty(*node.shape[:2], node.shape[2] - 2)
        _attend(node, edge, sender, kind, ptr, NEGATIVE_SLOPE, alpha, out)
        ctx.save_for_backward(node, edge, sender, kind, ptr, alpha)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        node, edge, sender, kind, ptr, alpha = ctx.saved_tensors
        d_node, d_edge = torch.zeros_like(node), torch.zeros_like(edge)
        edge_too = ctx.needs_input_grad[1]
        _attend_backward(
            node, edge, sender, kind, ptr, NEGATIVE_SLOPE, alpha, grad.contiguous(), d_node, d_edge, edge_too
        )
        return d_node, d_edge if edge_too else None, None, None, None


_attend = Kernel("triplet_kernels", "attend", "f3 f3 i1 i1 i1 s f2 f3", "N,H,C+2 B,H,C+1 E<N E<B N+1@E - E,H N,H,C")
_attend_backward = Kernel(
    "triplet_kernels",
    "attend_backward",
    "f3 f3 i1 i1 i1 s f2 f3 f3 f3 b",
    "N,H,C+2 B,H,C+1 E<N E<B N+1@E - E,H N,H,C N,H,C+2 B,H,C+1 -",
)
