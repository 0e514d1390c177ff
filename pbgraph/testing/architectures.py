"""What must hold for every architecture.

Each check builds the architecture for random small molecules (6 node columns, 3 edge columns, 2 tasks) from its
config's defaults.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pbgraph.dendrites.perforation import perforate, sites_of
from pbgraph.errors import UsageError
from pbgraph.features.base import JOINED
from pbgraph.graph import GraphBatch, GraphStore, MolGraph
from pbgraph.methods.training import own_recipe
from pbgraph.models.base import MODELS, Architecture, Dims, sites_in
from pbgraph.streams import seeded
from pbgraph.testing.base import Check, CheckFailed, checks_of, require, require_space

DIMS = Dims(node=6, edge=3, tasks=2)
LARGE = 500  # atoms of the largest molecule tried
OVERFIT_STEPS, OVERFIT_LOSS = 600, 0.05


def architecture_checks(architecture: str | Architecture) -> list[Check[Architecture]]:
    """All checks of an architecture, registered under this name or given itself.

    Raises UsageError for an unknown name or an estimator.
    """
    model = MODELS.get(architecture) if isinstance(architecture, str) else architecture
    if not isinstance(model, Architecture):
        raise UsageError(f"{architecture!r} fits itself: these are checks of architectures, see 'ls models'")
    return checks_of(model, ARCHITECTURE_CHECKS)


def molecule(nodes: int, rng: np.random.Generator) -> MolGraph:
    """A random tree of `nodes` atoms and up to two more bonds, every bond in both directions."""
    bonds = {(int(rng.integers(i)), i) for i in range(1, nodes)}
    bonds |= {(min(a, b), max(a, b)) for a, b in rng.integers(nodes, size=(2, 2)).tolist() if a != b}
    pairs = np.array(sorted(bonds), dtype=np.int64).reshape(-1, 2).T
    attributes = np.eye(DIMS.edge, dtype=np.float32)[rng.integers(DIMS.edge, size=pairs.shape[1])]
    return MolGraph(
        x=np.eye(DIMS.node, dtype=np.float32)[rng.integers(DIMS.node, size=nodes)],
        edge_index=np.concatenate([pairs, pairs[::-1]], axis=1),
        edge_attr=np.concatenate([attributes, attributes]),
    )


def molecules(sizes: Sequence[int], seed: int = 0) -> list[MolGraph]:
    """Random molecules with so many atoms."""
    rng = np.random.default_rng(seed)
    return [molecule(size, rng) for size in sizes]


def as_batch(graphs: Sequence[MolGraph], y: np.ndarray | None = None) -> GraphBatch:
    """The molecules as one batch with labels y (G, 2), all 0 unless given."""
    y = np.zeros((len(graphs), DIMS.tasks), dtype=np.float32) if y is None else y
    return _with_whole(GraphStore.from_graphs(graphs, y).as_batch())


def _with_whole(batch: GraphBatch) -> GraphBatch:
    """The batch with features of whole molecules: sums over their atoms, which no order of these changes."""
    sums = batch.x.new_zeros((batch.num_graphs, batch.x.shape[1])).index_add(0, batch.batch, batch.x)
    return replace(batch, graph_attr=sums / 10)


def as_double(batch: GraphBatch) -> GraphBatch:
    """The batch with features in float64."""
    whole = None if batch.graph_attr is None else batch.graph_attr.double()
    return replace(batch, x=batch.x.double(), edge_table=batch.edge_table.double(), graph_attr=whole)


def without_atoms(num_graphs: int, after: Sequence[MolGraph] = ()) -> GraphBatch:
    """The molecules `after`, and then so many graphs without a single node."""
    first = as_batch([*after, *molecules([1])])  # one atom too many, which gives the columns
    nodes = int(first.node_ptr[-2])
    batch = GraphBatch.from_dense(
        first.x[:nodes],
        first.edge_index,
        first.edge_attr,
        batch=first.batch[:nodes],
        num_graphs=len(after) + num_graphs,
    )
    return _with_whole(batch)


def dims_of(architecture: Architecture) -> Dims:
    """The sizes that checks build it for: with features of whole molecules where its own featuriser makes some."""
    return replace(DIMS, graph=DIMS.node) if JOINED in architecture.featuriser else DIMS


def built(architecture: Architecture, seed: int = 0, config: Mapping[str, Any] | None = None) -> nn.Module:
    """The network with its initial weights for this seed."""
    with seeded(seed, "init"):
        return architecture.build(dims_of(architecture), architecture.config(**(config or {})))


def called(model: nn.Module, batch: GraphBatch) -> Tensor:
    """Logits (G, T); of several members their mean."""
    output: Tensor = model(batch)
    return output.mean(0) if output.ndim == 3 else output


def logits(model: nn.Module, batch: GraphBatch) -> Tensor:
    """Logits (G, T) in float64, in evaluation mode."""
    with torch.no_grad():
        output = called(model.double().eval(), as_double(batch))
    return output


def check_shapes(architecture: Architecture) -> None:
    """Logits are finite and (graphs, tasks), also for one atom, no bond, no atom and no graph."""
    batches = {
        "one molecule": as_batch(molecules([7])),
        "one atom": as_batch(molecules([1])),
        "atoms without bonds": as_batch(molecules([1, 1, 1])),
        "graphs without atoms": without_atoms(3),
        "no graph": without_atoms(0),
        "a graph without atoms after others": without_atoms(1, molecules([4, 2])),
    }
    for training in (False, True):
        model = built(architecture).train(training)
        for what, batch in batches.items():
            try:
                output = called(model, batch)
            except ValueError as error:
                mode = "training" if training else "evaluation"
                one = "more than 1 value per channel" in str(error)
                advice = "; a batch can be as small as that: use pbgraph.models.layers.BatchNorm" if one else ""
                raise CheckFailed(f"{what}, in {mode}: {type(error).__name__}: {error}{advice}") from error
            expected = (batch.num_graphs, DIMS.tasks)
            require(output.shape == expected, f"{what}: logits are {tuple(output.shape)}, expected {expected}")
            require(bool(output.isfinite().all()), f"{what}: logits are not finite")
            output.sum().backward()  # type: ignore[no-untyped-call]
        bad = [name for name, p in model.named_parameters() if p.grad is not None and not p.grad.isfinite().all()]
        require(not bad, f"gradients of {', '.join(bad)} are not finite")


def check_permutation(architecture: Architecture) -> None:
    """The numbering of atoms and the order of bonds change nothing."""
    model, rng = built(architecture), np.random.default_rng(0)
    for graph in molecules([2, 5, 9, 12]):
        new, edges = rng.permutation(len(graph.x)), rng.permutation(graph.edge_index.shape[1])
        x = np.empty_like(graph.x)
        x[new] = graph.x
        permuted = MolGraph(x, new[graph.edge_index][:, edges], graph.edge_attr[edges])
        _require_close(logits(model, as_batch([permuted])), logits(model, as_batch([graph])), "renumbered molecule")


def check_batch_independence(architecture: Architecture) -> None:
    """In evaluation the logits of a molecule do not depend on what else is in its batch."""
    model, graphs = built(architecture), molecules([5, 1, 9, 3])
    alone = torch.cat([logits(model, as_batch([graph])) for graph in graphs])
    _require_close(logits(model, as_batch(graphs)), alone, "molecules together and alone")


def check_large_input(architecture: Architecture) -> None:
    """Logits of a molecule of 500 atoms are finite."""
    with torch.no_grad():
        output = built(architecture).eval()(as_batch(molecules([LARGE])))
    require(bool(output.isfinite().all()), f"logits of a molecule of {LARGE} atoms are {output.tolist()}")


def check_labels_unseen(architecture: Architecture) -> None:
    """Logits do not depend on labels, measured or blank."""
    model, graphs = built(architecture), molecules([5, 3])
    labels = [np.full((2, DIMS.tasks), value, dtype=np.float32) for value in (0.0, 1.0, np.nan)]
    zero, *others = (logits(model, as_batch(graphs, y)) for y in labels)
    require(all(torch.equal(zero, other) for other in others), "logits change with the labels")


def check_no_unused_parameter(architecture: Architecture) -> None:
    """Every parameter gets a gradient, in training or in evaluation mode."""
    model = built(architecture)
    for training in (True, False):  # where batch normalisation takes the mean away, the bias before it gets none
        model.train(training)
        F.binary_cross_entropy_with_logits(
            called(model, as_batch(molecules([5, 1, 7, 4]))), torch.ones(4, 2)
        ).backward()  # type: ignore[no-untyped-call]
    unused = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    require(not unused, f"no gradient reaches {', '.join(unused)}")


def check_determinism(architecture: Architecture) -> None:
    """The same seeds give the same weights, logits and gradients; another seed gives other weights."""
    batch, runs = as_batch(molecules([5, 3])), []
    for _ in range(2):
        model = built(architecture).train()
        with seeded(0, "dropout"):
            output = called(model, batch)
        output.sum().backward()  # type: ignore[no-untyped-call]
        runs.append([output.detach(), *(p.grad for p in model.parameters() if p.grad is not None)])
    require(all(map(torch.equal, *runs)), "two runs with the same seeds differ: draw from torch's generator alone")
    first, other = (built(architecture, seed).state_dict() for seed in (0, 1))
    require(any(not torch.equal(first[key], other[key]) for key in first), "weights do not depend on the seed")


def check_save_and_load(architecture: Architecture) -> None:
    """A network that is given the saved weights of another computes the same."""
    saved, other, batch = built(architecture), built(architecture, 1), as_batch(molecules([5, 3]))
    saved.train()(batch)  # so that running statistics are not those of a new network
    other.load_state_dict(saved.state_dict())
    same = torch.equal(logits(saved, batch), logits(other, batch))
    require(same, "logits change when weights are saved and loaded: keep all state in parameters and buffers")


def check_overfits(architecture: Architecture) -> None:
    """Without dropout it learns 64 molecules by heart."""
    rng = np.random.default_rng(0)
    graphs = molecules(rng.integers(6, 14, size=64).tolist())
    batch = as_batch(graphs, rng.integers(0, 2, size=(64, DIMS.tasks)).astype(np.float32))
    dropouts = {field.name: 0.0 for field in fields(architecture.config) if "dropout" in field.name}
    model = built(architecture, config=dropouts).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(OVERFIT_STEPS):
        optimizer.zero_grad()
        loss = F.binary_cross_entropy_with_logits(called(model, batch), batch.y)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if loss < OVERFIT_LOSS:
            return
    raise CheckFailed(
        f"after {OVERFIT_STEPS} steps of Adam at 3e-3 the loss on 64 molecules is still {loss:.3f}; chance is 0.693, "
        f"and {OVERFIT_LOSS} is asked for: does every part of it get gradients, and does it tell molecules apart?"
    )


def check_dendrite_sites(architecture: Architecture) -> None:
    """Its dendrite sites exist, can be copied with new weights, and are called."""
    network = built(architecture)
    model = perforate(network, sites_in(architecture, network))
    called(model, as_batch(molecules([6, 4])))
    idle = [name for name, site in sites_of(model).items() if site.channels is None]
    require(not idle, f"sites {', '.join(idle)} are never called")


def check_perforation(architecture: Architecture) -> None:
    """Sites and new dendrites leave logits as they are bit for bit, and the dendrites' weights get a gradient."""
    model, batch = built(architecture), as_batch(molecules([6, 1, 4]))
    plain = logits(model, batch)
    sites = sites_of(perforate(model, sites_in(architecture, model)))
    require(torch.equal(logits(model, batch), plain), "logits change when sites are made")
    with seeded(0, "dendrites"):
        for site in sites.values():
            site.accept(site.new_dendrite("tanh"))
    require(torch.equal(logits(model, batch), plain), "logits change when dendrites are accepted")
    model(as_double(batch)).sin().sum().backward()
    silent = [name for name, site in sites.items() if site.w[0].grad is None or not site.w[0].grad.any()]
    require(not silent, f"no gradient reaches the dendrites of {', '.join(silent)}")


def check_autocast(architecture: Architecture) -> None:
    """It computes finite logits and gradients under autocast to bfloat16."""
    model = built(architecture).train()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = called(model, as_batch(molecules([5, 1, 7])))
        output.float().sum().backward()  # type: ignore[no-untyped-call]
    require(bool(output.isfinite().all()), "logits are not finite under autocast")


def check_space(architecture: Architecture) -> None:
    """What it offers to be searched are fields of its config, in ranges that these take."""
    require_space(architecture.space, architecture.config)
    unknown = sorted({*architecture.own_head} - {field.name for field in fields(architecture.config)})
    require(not unknown, f"own_head names {', '.join(unknown)}, which {architecture.config.__name__} has not")


def check_recipe(architecture: Architecture) -> None:
    """What its recipe sets are settings of training, of the right type and in their range."""
    try:
        own_recipe(architecture)
    except UsageError as error:
        raise CheckFailed(str(error)) from error


ARCHITECTURE_CHECKS: Mapping[str, Callable[[Architecture], None]] = {
    "shapes": check_shapes,
    "permutation": check_permutation,
    "batch-independence": check_batch_independence,
    "large-input": check_large_input,
    "labels-unseen": check_labels_unseen,
    "no-unused-parameter": check_no_unused_parameter,
    "determinism": check_determinism,
    "save-and-load": check_save_and_load,
    "overfits": check_overfits,
    "dendrite-sites": check_dendrite_sites,
    "perforation": check_perforation,
    "autocast": check_autocast,
    "space": check_space,
    "recipe": check_recipe,
}


def _require_close(output: Tensor, expected: Tensor, what: str) -> None:
    if not torch.allclose(output, expected, rtol=1e-6, atol=1e-8):
        raise CheckFailed(f"{what}: logits differ by up to {float((output - expected).abs().max()):.1e}")
