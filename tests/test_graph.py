"""Flat storage and batches against a plain loop over graphs, for random graphs of all odd kinds."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pbgraph.graph import GraphBatch, GraphStore, MolGraph

NODE_DIM, EDGE_DIM, TASKS = 3, 2, 4


@st.composite
def graphs(draw: st.DrawFn) -> MolGraph:
    """0 to 6 nodes, any set of directed edges, few distinct features."""
    n = draw(st.integers(0, 6))
    pairs = (
        draw(st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), unique=True, max_size=12)) if n else []
    )
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return MolGraph(
        x=rng.integers(-1, 2, (n, NODE_DIM)).astype(np.float32),
        edge_index=np.array(pairs, dtype=np.int64).reshape(-1, 2).T,
        edge_attr=rng.integers(0, 2, (len(pairs), EDGE_DIM)).astype(np.float32),
    )


@st.composite
def stores(draw: st.DrawFn) -> tuple[list[MolGraph], GraphStore]:
    drawn = draw(st.lists(graphs(), min_size=1, max_size=6))
    y = np.arange(len(drawn) * TASKS, dtype=np.float32).reshape(-1, TASKS)
    y[0, 0] = np.nan
    return drawn, GraphStore.from_graphs(drawn, y)


def indices(size: int) -> st.SearchStrategy[np.ndarray]:
    return st.lists(st.integers(0, size - 1), max_size=8).map(lambda rows: np.array(rows, dtype=np.int64))


def by_loop(parts: list[MolGraph]) -> dict[str, np.ndarray]:
    """What a batch must hold, graph after graph, edges in the order (receiver, sender)."""
    x, edges, attrs, batch, first = [], [], [], [], 0
    for number, graph in enumerate(parts):
        order = sorted(range(len(graph.edge_attr)), key=lambda e, g=graph: (g.edge_index[1, e], g.edge_index[0, e]))
        x += list(graph.x)
        edges += [graph.edge_index[:, e] + first for e in order]
        attrs += [graph.edge_attr[e] for e in order]
        batch += [number] * len(graph.x)
        first += len(graph.x)
    return {
        "x": np.array(x, dtype=np.float32).reshape(-1, NODE_DIM),
        "edge_index": np.array(edges, dtype=np.int64).reshape(-1, 2).T,
        "edge_attr": np.array(attrs, dtype=np.float32).reshape(-1, EDGE_DIM),
        "batch": np.array(batch, dtype=np.int64),
    }


def assert_consistent(batch: GraphBatch) -> None:
    """The pointers say the same as the edges and the graph numbers."""
    receivers = batch.edge_index[1]
    assert torch.equal(receivers, receivers.sort().values)
    assert torch.equal(batch.receiver_ptr.diff(), torch.bincount(receivers, minlength=len(batch.x)))
    assert torch.equal(batch.node_ptr.diff(), torch.bincount(batch.batch, minlength=batch.num_graphs))
    for integers in (batch.edge_index, batch.edge_type, batch.batch, batch.receiver_ptr, batch.node_ptr):
        assert integers.dtype == torch.int64


def assert_same(one: GraphBatch, other: GraphBatch) -> None:
    for name in ("x", "edge_index", "edge_attr", "batch", "receiver_ptr", "node_ptr"):
        assert torch.equal(getattr(one, name), getattr(other, name)), name
    assert torch.equal(one.y.nan_to_num(-1), other.y.nan_to_num(-1))
    assert one.num_graphs == other.num_graphs


@given(stores(), st.data())
def test_batch_is_the_loop_over_its_graphs(drawn: tuple[list[MolGraph], GraphStore], data: st.DataObject) -> None:
    parts, store = drawn
    index = data.draw(indices(len(parts)))
    batch = store.batch(index)
    for name, expected in by_loop([parts[i] for i in index]).items():
        np.testing.assert_array_equal(getattr(batch, name).numpy(), expected, err_msg=name)
    np.testing.assert_array_equal(batch.y.numpy(), store.y[index])
    assert batch.num_graphs == len(index)
    assert batch.x.dtype == batch.edge_table.dtype == batch.y.dtype == torch.float32
    assert_consistent(batch)


@given(stores(), st.data())
def test_selecting_twice_is_selecting_once(drawn: tuple[list[MolGraph], GraphStore], data: st.DataObject) -> None:
    store = drawn[1]
    first = data.draw(indices(len(store)))
    second = data.draw(indices(len(first))) if len(first) else np.array([], dtype=np.int64)
    part = store.select(first)
    assert len(part) == len(first)
    assert_same(part.batch(second), store.batch(first[second]))


@given(stores(), st.randoms(use_true_random=False))
def test_order_of_edges_given_is_immaterial(drawn: tuple[list[MolGraph], GraphStore], random) -> None:
    parts, store = drawn
    shuffled = []
    for graph in parts:
        order = random.sample(range(len(graph.edge_attr)), len(graph.edge_attr))
        shuffled.append(MolGraph(graph.x, graph.edge_index[:, order], graph.edge_attr[order]))
    assert_same(GraphStore.from_graphs(shuffled, store.y).as_batch(), store.as_batch())


@given(stores())
def test_arrays_bring_the_store_back(drawn: tuple[list[MolGraph], GraphStore]) -> None:
    store = drawn[1]
    back = GraphStore.from_arrays(store.arrays(), store.y)
    assert_same(back.as_batch(), store.as_batch())
    assert (back.node_dim, back.edge_dim) == (NODE_DIM, EDGE_DIM)


@given(stores())
def test_from_dense_restores_a_shuffled_batch(drawn: tuple[list[MolGraph], GraphStore]) -> None:
    batch = drawn[1].as_batch()
    order = torch.randperm(len(batch.edge_type), generator=torch.Generator().manual_seed(0))
    order = order[torch.argsort(batch.edge_index[0, order], stable=True)]  # by sender, as stable sorting restores
    dense = GraphBatch.from_dense(
        batch.x,
        batch.edge_index[:, order],
        batch.edge_attr[order],
        batch=batch.batch,
        num_graphs=batch.num_graphs,
        y=batch.y,
    )
    assert_same(dense, batch)
    assert_consistent(dense)


def test_from_dense_keeps_the_order_of_equal_receivers_and_the_float_type() -> None:
    edge_index = torch.tensor([[0, 1, 2, 0], [1, 0, 1, 0]])
    edge_attr = torch.tensor([[5.0], [6.0], [4.0], [5.0]], dtype=torch.float64)
    x = torch.zeros(3, 2, dtype=torch.float64)
    batch = GraphBatch.from_dense(x, edge_index, edge_attr, batch=torch.zeros(3, dtype=torch.int64), num_graphs=2)
    assert batch.edge_index.tolist() == [[1, 0, 0, 2], [0, 0, 1, 1]]
    assert batch.edge_attr.flatten().tolist() == [6.0, 5.0, 5.0, 4.0]
    assert batch.x.dtype == batch.edge_attr.dtype == torch.float64
    assert len(batch.edge_table) == 3
    assert batch.receiver_ptr.tolist() == [0, 2, 4, 4]
    assert batch.node_ptr.tolist() == [0, 3, 3]
    assert batch.y.shape == (2, 0)


@pytest.mark.parametrize("nodes", [0, 1])
def test_from_dense_without_edges(nodes: int) -> None:
    none = torch.empty(2, 0, dtype=torch.int64)
    batch = GraphBatch.from_dense(
        torch.ones(nodes, 3), none, torch.empty(0, 2), batch=torch.zeros(nodes, dtype=torch.int64), num_graphs=1
    )
    assert batch.edge_attr.shape == (0, 2)
    assert batch.receiver_ptr.tolist() == [0] * (nodes + 1)


def test_from_dense_with_edges_without_features() -> None:
    batch = GraphBatch.from_dense(
        torch.ones(2, 3),
        torch.tensor([[0, 1], [1, 0]]),
        torch.empty(2, 0),
        batch=torch.zeros(2, dtype=torch.int64),
        num_graphs=1,
    )
    assert batch.edge_attr.shape == (2, 0)
    assert batch.edge_index.tolist() == [[1, 0], [0, 1]]


@pytest.mark.parametrize("shape", [(2,), (1, 1), (3, 1), (2, 1, 1)])
def test_from_dense_refuses_labels_of_other_graphs(shape: tuple[int, ...]) -> None:
    none = torch.empty(2, 0, dtype=torch.int64)
    with pytest.raises(ValueError, match=r"y is .*expected \(2, \.\)"):
        GraphBatch.from_dense(
            torch.ones(2, 3), none, torch.empty(0, 2), batch=torch.tensor([0, 1]), num_graphs=2, y=torch.zeros(shape)
        )


@pytest.mark.parametrize(
    ("edges", "attrs", "batch"),
    [
        ([[0], [2]], 1, [0, 0]),  # no node 2
        ([[-1], [0]], 1, [0, 0]),
        ([[0], [1]], 2, [0, 0]),  # one edge, two rows of features
        ([[0], [1]], 1, [1, 0]),  # decreasing
        ([[0], [1]], 1, [0, 1]),  # graph 1 of 1
        ([[0], [1]], 1, [0]),
    ],
)
def test_from_dense_refuses_what_does_not_fit(edges: list[list[int]], attrs: int, batch: list[int]) -> None:
    with pytest.raises(ValueError, match=r"edge_index|batch"):
        GraphBatch.from_dense(
            torch.zeros(2, 1), torch.tensor(edges), torch.zeros(attrs, 1), batch=torch.tensor(batch), num_graphs=1
        )


def pair() -> MolGraph:
    return MolGraph(np.eye(2), np.array([[0, 1], [1, 0]]), np.ones((2, 3)))


def test_empty_index_gives_an_empty_batch() -> None:
    batch = GraphStore.from_graphs([pair()], np.zeros((1, TASKS))).batch(np.array([], dtype=np.int64))
    assert (batch.x.shape, batch.edge_attr.shape, batch.y.shape) == ((0, 2), (0, 3), (0, TASKS))
    assert (batch.num_graphs, batch.node_ptr.tolist(), batch.receiver_ptr.tolist()) == (0, [0], [0])


@pytest.mark.parametrize("index", [[1], [-1], [0, 5]])
def test_numbers_outside_the_store_are_refused(index: list[int]) -> None:
    with pytest.raises(IndexError, match=r"graphs 0 \.\. 0"):
        GraphStore.from_graphs([pair()], np.zeros((1, 1))).batch(np.array(index))


@pytest.mark.parametrize("index", [[True], [0.0], [[0]]])
def test_masks_floats_and_tables_are_no_index(index: list[object]) -> None:
    with pytest.raises(TypeError, match="expected"):
        GraphStore.from_graphs([pair()], np.zeros((1, 1))).select(np.array(index))


def test_labels_must_fit_the_graphs() -> None:
    with pytest.raises(ValueError, match=r"expected \(1, tasks\)"):
        GraphStore.from_graphs([pair()], np.zeros((2, 1)))
    with pytest.raises(ValueError, match="at least one graph"):
        GraphStore.from_graphs([], np.zeros((0, 1)))


def test_a_graph_with_edges_to_nowhere_is_refused() -> None:
    with pytest.raises(ValueError, match="outside 0"):
        MolGraph(np.eye(2), np.array([[0], [2]]), np.ones((1, 3)))
    with pytest.raises(ValueError, match="must be"):
        MolGraph(np.eye(2), np.array([[0, 1]]), np.ones((1, 3)))


@pytest.mark.gpu
def test_batches_on_a_gpu_equal_those_on_the_cpu() -> None:
    store = GraphStore.from_graphs([pair(), pair()], np.zeros((2, TASKS)))
    batch = store.to("cuda").batch(np.array([1, 0, 1]))
    assert {tensor.device.type for tensor in (batch.x, batch.edge_index, batch.edge_table, batch.y)} == {"cuda"}
    for name in ("x", "edge_index", "edge_attr", "batch", "receiver_ptr", "node_ptr", "y"):
        assert torch.equal(getattr(batch, name).cpu(), getattr(store.batch(np.array([1, 0, 1])), name)), name


@pytest.fixture
def whole():
    """Three graphs with features of whole molecules, one of them undefined."""
    bond = MolGraph(np.eye(2), np.array([[0, 1], [1, 0]]), np.ones((2, 3)))
    store = GraphStore.from_graphs([bond, bond, bond], np.zeros((3, 2)))
    return store.with_whole(np.array([[1.0, 2.0], [3.0, np.nan], [5.0, 6.0]]))


def test_features_of_whole_molecules_go_with_their_graphs(whole):
    assert whole.graph_dim == 2
    batch = whole.batch(np.array([2, 0, 2]))
    assert batch.graph_attr.tolist() == [[5.0, 6.0], [1.0, 2.0], [5.0, 6.0]]
    assert whole.with_whole(None).batch(np.array([0])).graph_attr is None
    assert whole.with_whole(None).graph_dim == 0


def test_features_of_whole_molecules_come_back_from_a_file(whole):
    again = GraphStore.from_arrays(whole.arrays(), whole.y)
    np.testing.assert_array_equal(again.graph_attr, whole.graph_attr)
    assert "graph_attr" not in whole.with_whole(None).arrays()


def test_features_of_whole_molecules_must_be_as_many_as_graphs(whole):
    with pytest.raises(ValueError, match=r"graph_attr is \(2, 2\), expected \(3, \.\)"):
        whole.with_whole(np.zeros((2, 2)))
    batch = whole.as_batch()
    with pytest.raises(ValueError, match=r"graph_attr is \(2, 2\), expected \(3, \.\)"):
        GraphBatch.from_dense(
            batch.x,
            batch.edge_index,
            batch.edge_attr,
            batch=batch.batch,
            num_graphs=3,
            graph_attr=torch.zeros(2, 2),
        )
