"""What must hold for every built-in architecture."""

from __future__ import annotations

from dataclasses import replace
from fnmatch import fnmatchcase

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pbgraph.dendrites import Growth, perforate, report_of
from pbgraph.dendrites.perforation import sites_of
from pbgraph.features.graphs import GRAPH
from pbgraph.graph import MolGraph
from pbgraph.methods.base import FitJob, PairedRun
from pbgraph.methods.training import build_model, parameter_count
from pbgraph.methods.widened import widened
from pbgraph.models.base import MODELS, Architecture, sites_in
from pbgraph.ops.kernels import definitions_only
from pbgraph.streams import seeded
from pbgraph.testing import DIMS, Check, architecture_checks, as_batch, as_double, molecules

pytestmark = pytest.mark.lengthy

NAMES = [  # of networks that read graphs; the others have tests of their own
    name for name in MODELS if isinstance(MODELS.get(name), Architecture) and MODELS.get(name).reads_graphs
]
sizes = st.lists(st.integers(1, 9), min_size=1, max_size=5)


def architecture(name: str) -> Architecture:
    found = MODELS.get(name)
    assert isinstance(found, Architecture)
    return found


def of_its_tier(check: Check):
    """Training until it overfits takes seconds, and is done by two networks in the default tier."""
    long = str(check) == "overfits" and check.subject.name not in ("trimnet", "gin")
    return pytest.param(check, id=f"{check.subject.name}-{check}", marks=[pytest.mark.thorough] if long else [])


@pytest.mark.parametrize("check", [of_its_tier(check) for name in NAMES for check in architecture_checks(name)])
def test_conforms(check: Check) -> None:
    check()


def build(name: str, seed: int = 0, **config: object) -> torch.nn.Module:
    with seeded(seed, "init"):
        return architecture(name).build(DIMS, architecture(name).config(**config))


def logits(model: torch.nn.Module, graphs: list[MolGraph]) -> torch.Tensor:
    with torch.no_grad():
        return model.double().eval()(as_double(as_batch(graphs)))


def sites(name: str, model: torch.nn.Module) -> list[str]:
    patterns = [pattern.split(".") for pattern in architecture(name).dendrite_sites]
    return [
        found
        for found, _ in model.named_modules()
        if any(
            len(pattern) == len(found.split(".")) and all(map(fnmatchcase, found.split("."), pattern))
            for pattern in patterns
        )
    ]


@pytest.mark.parametrize("name", NAMES)
@given(counts=sizes, seed=st.integers(0, 1000))
@settings(max_examples=15)
def test_molecules_of_a_batch_do_not_see_each_other(name: str, counts: list[int], seed: int) -> None:
    model, graphs = build(name), molecules(counts, seed)
    alone = torch.cat([logits(model, [graph]) for graph in graphs])
    torch.testing.assert_close(logits(model, graphs), alone, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", NAMES)
@given(count=st.integers(1, 12), seed=st.integers(0, 1000))
@settings(max_examples=15)
def test_numbering_of_atoms_and_order_of_bonds_do_not_matter(name: str, count: int, seed: int) -> None:
    model, (graph,) = build(name), molecules([count], seed)
    rng = np.random.default_rng(seed)
    new, edges = rng.permutation(count), rng.permutation(graph.edge_index.shape[1])
    x = np.empty_like(graph.x)
    x[new] = graph.x
    permuted = MolGraph(x, new[graph.edge_index][:, edges], graph.edge_attr[edges])
    torch.testing.assert_close(logits(model, [permuted]), logits(model, [graph]), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", NAMES)
def test_logits_depend_on_atoms_and_bonds(name: str) -> None:
    model, (graph,) = build(name), molecules([6])
    moved = MolGraph(np.roll(graph.x, 1, axis=1), graph.edge_index, graph.edge_attr)
    severed = MolGraph(graph.x, graph.edge_index[:, :0], graph.edge_attr[:0])
    for other in (moved, severed):
        assert (logits(model, [graph]) - logits(model, [other])).abs().max() > 1e-4


@pytest.mark.parametrize("name", NAMES)
def test_fused_and_plain_operations_agree(name: str) -> None:
    model, batch = build(name).double().eval(), as_double(as_batch(molecules([9, 1, 4, 12])))
    fused = torch.autograd.grad(model(batch).sin().sum(), list(model.parameters()))
    with definitions_only():
        plain = torch.autograd.grad(model(batch).sin().sum(), list(model.parameters()))
    torch.testing.assert_close(fused, plain, rtol=1e-6, atol=1e-8)


NUMBERS_OF_SITES = {
    "attentive-fp": 8,
    "cmpnn": 9,
    "d-mpnn": 5,
    "gat": 4,
    "gatedgcn": 13,
    "gcn": 4,
    "gin": 16,
    "gine": 17,
    "gps": 56,
    "grit": 26,
    "mpnn": 6,
    "pna": 8,
    "trimnet": 10,
}


@pytest.mark.parametrize("name", NAMES)
def test_dendrite_sites_exist_and_hold_all_parameters(name: str) -> None:
    model = build(name)
    found = sites(name, model)
    assert len(found) == NUMBERS_OF_SITES[name]
    inside = {id(p) for site in found for p in model.get_submodule(site).parameters()}
    assert inside == {id(p) for p in model.parameters()}


@pytest.mark.parametrize("name", NAMES)
def test_sites_draw_new_weights_of_the_same_kind(name: str) -> None:
    model = build(name)
    for site in sites(name, model):
        module = model.get_submodule(site)
        before = [p.detach().clone() for p in module.parameters()]
        for parameter in module.parameters():
            torch.nn.init.constant_(parameter, 7.0)
        module.reset_parameters()
        for old, new in zip(before, module.parameters(), strict=True):
            assert not new.eq(7.0).any(), site
            assert old.std().item() == pytest.approx(new.std().item(), rel=0.7, abs=1e-3) or old.numel() < 40


@pytest.mark.parametrize("name", NAMES)
def test_unknown_sizes_are_refused(name: str) -> None:
    from pbgraph.errors import UsageError

    with pytest.raises(UsageError, match="at least 1"):
        architecture(name).config(hidden=0)
    with pytest.raises(UsageError, match=r"dropout is 1\.0"):
        architecture(name).config(dropout=1.0)


@pytest.mark.parametrize("name", NAMES)
def test_its_sites_are_found_and_grow(name: str) -> None:
    """Without a line of the architecture's own about dendrites: one cycle of one epoch per phase.

    The example shows which layers are never called, because only their weights are used.
    """
    batch, scores = as_batch(molecules([3, 5, 2, 4])), {}
    model = perforate(build(name, hidden=4), example=(batch,))
    grown = Growth(
        model,
        lambda groups: torch.optim.Adam(groups, lr=1e-2),
        max_dendrites=1,
        max_epochs=1,
        cycle_epochs=1,
        dendrite_max_epochs=1,
        priming_batches=0,
    )
    while not grown.finished:
        grown.step(lambda model, batch: (model(batch) - 1.0).square().mean(), batch)
        scores |= grown.epoch_end(float(grown.epoch)).site_scores
    assert scores.keys() == report_of(model).sites.keys()
    assert all(len(site.dendrites) == 1 for site in grown.sites.values())


@pytest.mark.parametrize("name", NAMES)
def test_it_can_be_widened_to_the_size_of_its_perforated_self(name: str) -> None:
    """Within 1 %, at its default sizes and twelve tasks, for one and for two dendrites."""
    store = GRAPH.featurise(["CCO", "c1ccccc1O"], np.zeros((2, 12), np.float32))
    job = FitJob(architecture(name), architecture(name).config(), None, store, store, 0, lambda y, scores: None)
    network = build_model(job)
    model = perforate(network, sites=sites_in(architecture(name), network))
    model(store.as_batch())
    for _ in range(2):
        for site in sites_of(model).values():
            site.accept(site.new_dendrite("tanh"))
        wanted = parameter_count(model)
        wide = widened(replace(job, paired=PairedRun(wanted, ())))
        assert parameter_count(build_model(wide)) == pytest.approx(wanted, rel=0.01)
