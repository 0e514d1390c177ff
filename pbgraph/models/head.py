"""The head: from a graph's vector and features of the whole molecule to logits, by k small networks side by side.

    h⁰     = [LayerNorm(vector) ‖ dropout(graph_attr)]
    hˡ⁺¹   = dropout(relu(LayerNorm(W hˡ + b)))             l = 0 .. layers - 1
    logits = W hᴸ + b

Every member has weights of its own; all see the same h⁰. Its loss is the mean of theirs, its prediction the mean of
their probabilities (of regression, of their values). One member is an MLP.

    vector (G, C), graph_attr (G, D) -> (G, T) of one member, (k, G, T) of several

Source: packed members as in Laurent et al. 2023, arXiv:2210.09184, without their groups; an encoder with features
beside it as in Yang et al. 2019, arXiv:1904.01561 (chemprop).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pbgraph.errors import UsageError
from pbgraph.fields import LATER, check_least, check_probabilities
from pbgraph.graph import GraphBatch
from pbgraph.metrics import Kind
from pbgraph.models.base import Architecture, Dims, Estimator, Model
from pbgraph.ops.dropout import dropout
from pbgraph.spaces import Choice, Real, Space, Whole

HEAD_PARTS = ("head", "hidden", "logits")  # names that the parts of a network after its encoder have
HEAD, PACKED = "head", "packed"  # the setting, and its value of a head that reads features of whole molecules
NO_FEATURES = "features of whole molecules need a head that reads them"


@dataclass(frozen=True, kw_only=True)
class HeadConfig:
    """What follows the encoder.

    head             "own": the architecture's own; "packed": small networks side by side, which see features of whole
                     molecules too
    head_members     how many
    head_hidden      channels of each of their layers
    head_layers      layers of each, the last not counted
    head_dropout     probability, after each of these layers
    feature_dropout  probability, on features of whole molecules
    """

    head: Literal["own", "packed"] = field(default="own", metadata=LATER)
    head_members: int = field(default=8, metadata=LATER)
    head_hidden: int = field(default=128, metadata=LATER)
    head_layers: int = field(default=2, metadata=LATER)
    head_dropout: float = field(default=0.3, metadata=LATER)
    feature_dropout: float = field(default=0.0, metadata=LATER)

    def __post_init__(self) -> None:
        if self.head not in ("own", PACKED):
            raise UsageError(f"head is {self.head!r}, expected 'own' or 'packed'")
        check_least(self, 1, "head_members", "head_hidden", "head_layers")
        check_probabilities(self, "head_dropout", "feature_dropout")


class PackedLinear(nn.Module):
    """k linear maps side by side: (G, k·inputs) -> (G, k·outputs), the m-th part by W_m and b_m.

    weight (k, inputs, outputs), bias (k, outputs), both from U(-1/√inputs, 1/√inputs), as of `nn.Linear`
    """

    def __init__(self, inputs: int, outputs: int, members: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(members, inputs, outputs))
        self.bias = nn.Parameter(torch.empty(members, outputs))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new weights."""
        bound = 1 / math.sqrt(self.weight.shape[1])
        nn.init.uniform_(self.weight, -bound, bound)
        nn.init.uniform_(self.bias, -bound, bound)

    def forward(self, x: Tensor) -> Tensor:
        """(G, k·inputs) -> (G, k·outputs)."""
        members, inputs, _ = self.weight.shape
        parts = x.view(len(x), members, inputs).transpose(0, 1)  # k x G x inputs
        return torch.baddbmm(self.bias[:, None], parts, self.weight).transpose(0, 1).flatten(1)


class PackedLayer(nn.Module):
    """LayerNorm(W x + b) of each member, the norm over its own channels.

    shared  whether all members read the same inputs: (G, inputs) rather than (G, k·inputs)
    """

    def __init__(self, inputs: int, outputs: int, members: int, *, shared: bool) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, members * outputs) if shared else PackedLinear(inputs, outputs, members)
        self.scale = nn.Parameter(torch.ones(members, outputs))
        self.shift = nn.Parameter(torch.zeros(members, outputs))

    def reset_parameters(self) -> None:
        """Draw new weights."""
        self.linear.reset_parameters()
        nn.init.ones_(self.scale)
        nn.init.zeros_(self.shift)

    def forward(self, x: Tensor) -> Tensor:
        """(G, inputs) or (G, k·inputs) -> (G, k·outputs)."""
        members, outputs = self.scale.shape
        parts = F.layer_norm(self.linear(x).view(len(x), members, outputs), (outputs,))
        return torch.addcmul(self.shift, parts, self.scale).flatten(1)


class Head(nn.Module):
    """The head of the module's equations; where vector_dim or graph_dim is 0, that part is not read."""

    def __init__(self, vector_dim: int, graph_dim: int, tasks: int, config: HeadConfig) -> None:
        super().__init__()
        self.config, self.tasks, self.graph_dim = config, tasks, graph_dim
        members, hidden = config.head_members, config.head_hidden
        self.norm = nn.LayerNorm(vector_dim) if vector_dim else None
        widths = [vector_dim + graph_dim, *[hidden] * config.head_layers]
        self.layers = nn.ModuleList(
            PackedLayer(inputs, outputs, members, shared=number == 0)
            for number, (inputs, outputs) in enumerate(pairwise(widths))
        )
        self.logits = PackedLinear(hidden, tasks, members)

    def forward(self, vector: Tensor | None, graph_attr: Tensor | None) -> Tensor:
        """Vector (G, C) and features (G, D) -> logits (G, T), or (k, G, T) of k members."""
        parts = [] if self.norm is None or vector is None else [self.norm(vector)]
        if self.graph_dim and graph_attr is not None:
            parts.append(dropout(graph_attr, self.config.feature_dropout, self.training))
        x = torch.cat(parts, dim=1)
        for layer in self.layers:
            x = dropout(F.relu(layer(x)), self.config.head_dropout, self.training)
        logits: Tensor = self.logits(x).view(len(x), self.config.head_members, self.tasks)
        return logits.squeeze(1) if self.config.head_members == 1 else logits.transpose(0, 1)


class EncoderAndHead(nn.Module, ABC):
    """A network that encodes graphs and predicts from that: by the head of its paper, or by a packed one.

    A subclass has `encode` and `own_logits`, and keeps its config as `config`.
    """

    config: Any  # a HeadConfig with fields of its own
    head: Head

    def packs_head(self, model: str, vector_dim: int, dims: Dims) -> bool:
        """Build the packed head on vectors of this width, if the config asks for it; whether it does.

        Raises UsageError for features of whole molecules, which the other head does not read; model: whose setting.
        """
        if self.config.head == PACKED:
            self.head = Head(vector_dim, dims.graph, dims.tasks, self.config)
        elif dims.graph:
            raise UsageError(f"{NO_FEATURES}: set {model}.head=packed, or features of graphs alone")
        return bool(self.config.head == PACKED)

    @abstractmethod
    def encode(self, batch: GraphBatch) -> Tensor:
        """One vector per graph, (G, C)."""

    @abstractmethod
    def own_logits(self, batch: GraphBatch) -> Tensor:
        """Logits (G, T) by the head of its paper."""

    def forward(self, batch: GraphBatch) -> Tensor:
        """Logits (G, T); of several members (k, G, T)."""
        if self.config.head == PACKED:
            packed: Tensor = self.head(self.encode(batch), batch.graph_attr)
            return packed
        return self.own_logits(batch)


class EncoderAndNarrowingHead(EncoderAndHead):
    """With a head that halves its channels twice: C -> C/2 -> C/4 -> T, rounded up, ReLU between."""

    hidden: nn.ModuleList
    logits: nn.Linear

    def build_head(self, model: str, channels: int, dims: Dims, *, readout: int | None = None) -> None:
        """The last thing that a subclass builds; readout: channels of the first layer instead of C/2."""
        if self.packs_head(model, channels, dims):
            return
        widths = [channels, readout or -(-channels // 2), -(-channels // 4)]
        self.hidden = nn.ModuleList(nn.Linear(*sizes) for sizes in pairwise(widths))
        self.logits = nn.Linear(widths[-1], dims.tasks)

    def own_logits(self, batch: GraphBatch) -> Tensor:
        """Logits (G, T)."""
        vectors = self.encode(batch)
        for linear in self.hidden:
            vectors = F.relu(linear(vectors))
        logits: Tensor = self.logits(vectors)
        return logits


class EncoderAndHiddenLayer(EncoderAndHead):
    """With a head of one hidden layer: V₂ dropout(relu(V₁ g + c₁)) + c₂."""

    hidden: nn.Linear
    logits: nn.Linear

    def build_head(self, model: str, channels: int, dims: Dims, *, hidden: int) -> None:
        """The last thing that a subclass builds; hidden: channels of the layer."""
        if self.packs_head(model, channels, dims):
            return
        self.hidden = nn.Linear(channels, hidden)
        self.logits = nn.Linear(hidden, dims.tasks)

    def own_logits(self, batch: GraphBatch) -> Tensor:
        """Logits (G, T)."""
        hidden = F.relu(self.hidden(self.encode(batch)))  # G x hidden
        logits: Tensor = self.logits(dropout(hidden, self.config.dropout, self.training))
        return logits


HEAD_SITES = ("head.layers.*", "head.logits")

HEAD_SPACE: Space = {
    "head_members": Choice(1, 4, 8),
    "head_hidden": Choice(64, 128, 256),
    "head_layers": Whole(1, 3),
    "head_dropout": Real(0.0, 0.6),
    "feature_dropout": Real(0.0, 0.5),
}


def space_of_packed_head(model: Model) -> Space:
    """Where `tune` searches the packed head of a model, if it may have one."""
    return HEAD_SPACE if isinstance(model, Architecture) and issubclass(model.config, HeadConfig) else {}


def searched(model: Model, config: Any, kind: Kind = "classification") -> Space:
    """Where `tune` searches a model with such a config on tasks of this kind: a packed head, and not the one that it
    replaces.

    A space of the model's own goes before that of the head.
    """
    if isinstance(model, Architecture) and getattr(config, HEAD, None) == PACKED:
        read = {name: range_ for name, range_ in model.space.items() if name not in model.own_head}
        return {**HEAD_SPACE, **read}
    return model.of_kind(model.space, kind) if isinstance(model, Estimator) else model.space
