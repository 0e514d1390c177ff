from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbgraph.features import neighbours
from pbgraph.features.neighbours import LEAST, NeighbourLabels
from pbgraph.features.similarity import NEIGHBOURS
from pbgraph.molecules import Fingerprints

SMILES = ["CCO", "CCO", "CCCO", "CCCCO", "c1ccccc1", "c1ccccc1O", "CC(=O)O", "CC(=O)[O-].[Na+]", "CCN", "CCCN"]


def fingerprints(smiles=SMILES):
    return NEIGHBOURS.featurise(smiles, np.zeros((len(smiles), 1))).fingerprints


def labels(n, tasks=2, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, (n, tasks)).astype(np.float32)
    y[rng.random((n, tasks)) < 0.3] = np.nan
    return y


def similarity(a: np.ndarray, b: np.ndarray) -> float:
    a, b = np.unpackbits(a).astype(int), np.unpackbits(b).astype(int)
    union = np.maximum(a, b).sum()
    return np.minimum(a, b).sum() / union if union else 0.0


def by_definition(train: Fingerprints, y, query: Fingerprints, *, hide: bool):
    """The module's equations, molecule by molecule."""
    rows = []
    for q in range(len(query)):
        seen = [j for j in range(len(train)) if not (hide and train.parent[j] == query.parent[q])]
        s = {j: similarity(query.packed[q], train.packed[j]) for j in seen}
        nearest = sorted(seen, key=lambda j: (-s[j], j))
        everything, near = [], []
        for t in range(y.shape[1]):
            measured = [j for j in seen if not np.isnan(y[j, t])]
            mean = np.mean([y[j, t] for j in measured]) if measured else 0.0
            everything.append(
                (sum(s[j] ** 8 * y[j, t] for j in measured) + 0.05 * mean) / (sum(s[j] ** 8 for j in measured) + 0.05)
            )
            close = [j for j in nearest if j in measured][:8]
            near.append((sum(s[j] ** 4 * y[j, t] for j in close) + 0.1 * mean) / (sum(s[j] ** 4 for j in close) + 0.1))
        p = np.clip([*everything, *near], LEAST, 1 - LEAST)
        ordered = [s[j] for j in nearest] + [0.0] * len(train)
        places = [ordered[min(place, len(train)) - 1] for place in (1, 3, 8)]
        rows.append([*np.log(p / (1 - p)), *places])
    return np.array(rows)


@pytest.mark.parametrize("seed", range(3))
def test_features_are_those_of_the_equations(seed):
    train, y = fingerprints(), labels(len(SMILES), seed=seed)
    fitted = NeighbourLabels(train, y, "classification")
    np.testing.assert_allclose(fitted.of_training(), by_definition(train, y, train, hide=True), atol=1e-6)
    others = fingerprints(["CCCCCO", "CCO", "N", "c1ccccc1N"])
    found = fitted(others)
    np.testing.assert_allclose(found, by_definition(train, y, others, hide=False), atol=1e-6)
    assert found.shape == (4, fitted.width)


def test_blocks_change_nothing(monkeypatch):
    fitted = NeighbourLabels(fingerprints(), labels(len(SMILES)), "classification")
    whole = fitted.of_training()
    monkeypatch.setattr(neighbours, "BLOCK", 3)
    np.testing.assert_array_equal(fitted.of_training(), whole)


@given(st.integers(0, len(SMILES) - 1), st.integers(0, 1), st.sampled_from([0.0, 1.0, np.nan]))
def test_a_training_row_sees_neither_its_own_labels_nor_those_of_its_parent_compound(row, task, label):
    train, y = fingerprints(), labels(len(SMILES))
    family = train.parent == train.parent[row]
    changed = y.copy()
    changed[family, task] = label
    mine = NeighbourLabels(train, y, "classification").of_training()[row]
    np.testing.assert_array_equal(NeighbourLabels(train, changed, "classification").of_training()[row], mine)


def test_salts_and_copies_are_of_one_parent_compound():
    parent = fingerprints().parent
    assert parent[0] == parent[1]
    assert parent[6] == parent[7]
    assert len(set(parent.tolist())) == 8


def test_similarity_counts_neighbourhoods_up_to_three_times():
    one, two, five, six = fingerprints(["CC", "CCCC", "CCCCCCCCCC", "CCCCCCCCCCC"]).packed
    assert similarity(one, two) < 1
    assert similarity(five, six) == 1


def test_of_regression_values_stay_values():
    y = np.array([[5.0], [7.0], [-3.0]], dtype=np.float32)
    found = NeighbourLabels(fingerprints(["CCO", "CCCO", "c1ccccc1"]), y, "regression")(fingerprints(["CCCCO"]))
    assert -3 <= found[0, 0] <= 7


def test_it_comes_back_from_its_state():
    fitted = NeighbourLabels(fingerprints(), labels(len(SMILES)), "classification")
    again = NeighbourLabels.from_state(fitted.state())
    others = fingerprints(["CCCCCO", "N"])
    np.testing.assert_array_equal(again(others), fitted(others))
    with pytest.raises(ValueError, match="do not fit"):
        NeighbourLabels.from_state({**fitted.state(), "y": fitted.state()["y"][:2]})
