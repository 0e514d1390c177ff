from __future__ import annotations

import numpy as np
import pytest

from pbgraph.errors import DataError, UsageError
from pbgraph.features.base import FEATURISERS
from pbgraph.features.composed import featurise_to_predict
from pbgraph.features.descriptors import DESCRIPTORS
from pbgraph.features.fingerprints import ECFP4
from pbgraph.features.graphs import GRAPH
from pbgraph.features.preparation import WholeFeatures, fitted_to
from pbgraph.features.stored import featurised, packed, unpacked
from pbgraph.files.state_file import load_state, save_state
from pbgraph.molecules import Molecules

SMILES = ["CCO", "CCCO", "c1ccccc1O", "CC(=O)O", "CCN", "CCCCN", "C1CC1", "[Na+].[Cl-]"]
NAME = "graph+descriptors+neighbours"


@pytest.fixture
def y():
    y = np.random.default_rng(0).integers(0, 2, (len(SMILES), 3)).astype(np.float32)
    y[::3, 1] = np.nan
    return y


@pytest.fixture
def store(y):
    return FEATURISERS.get(NAME).featurise(SMILES, y)


def test_parts_stand_beside_the_graphs_in_the_order_of_their_names(store, y):
    graphs, descriptors = GRAPH.featurise(SMILES, y), DESCRIPTORS.featurise(SMILES, y).x
    np.testing.assert_array_equal(store.graph_attr, descriptors)
    np.testing.assert_array_equal(store.node_type, graphs.node_type)
    assert len(store.fingerprints) == len(SMILES)
    both = FEATURISERS.get("graph+ecfp4+descriptors").featurise(SMILES, y).graph_attr.numpy()
    np.testing.assert_array_equal(both, np.concatenate([ECFP4.featurise(SMILES, y).x, descriptors], axis=1))


def test_a_joined_name_is_registered_if_its_parts_are():
    assert NAME in FEATURISERS
    assert "graph+nothing" not in FEATURISERS
    assert NAME not in FEATURISERS.names()
    made = FEATURISERS.get(NAME)
    assert (made.name, made.version) == (NAME, 1_001_001)
    assert FEATURISERS.entry(NAME) == FEATURISERS.entry("graph")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("graph+descriptor", "did you mean 'descriptors'"),
        ("graph+descriptors+descriptors", "a part twice"),
        ("graph+", "unknown featuriser ''"),
        ("descriptors+graph", "makes no graphs; begin with graph"),
        ("graph+trimnet-paper", "'trimnet-paper' makes no columns"),
    ],
)
def test_what_cannot_be_put_together_is_named(name, said, y):
    with pytest.raises(UsageError, match=said):
        FEATURISERS.get(name).featurise(SMILES, y)


def test_each_part_is_kept_by_itself_and_comes_back(store, y, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    again = unpacked(packed(store), FEATURISERS.get(NAME), y)
    np.testing.assert_array_equal(again.graph_attr, store.graph_attr)
    np.testing.assert_array_equal(again.fingerprints.packed, store.fingerprints.packed)
    ids = tuple(map(str, range(len(SMILES))))
    molecules = Molecules("toy", "", ("a", "b", "c"), ids, tuple(SMILES), np.arange(len(SMILES)), y, ())
    for _ in range(2):
        kept = featurised(FEATURISERS.get(NAME), molecules)
        np.testing.assert_array_equal(kept.graph_attr, store.graph_attr)
        np.testing.assert_array_equal(kept.fingerprints.parent, store.fingerprints.parent)


def test_a_store_without_features_of_whole_molecules_stays_as_it_is(y):
    graphs = GRAPH.featurise(SMILES, y)
    assert fitted_to(graphs, "classification") == (graphs, None)
    vectors = ECFP4.featurise(SMILES, y)
    assert fitted_to(vectors, "classification") == (vectors, None)


def test_only_training_rows_decide_what_is_made_of_others(store, y):
    train, test = np.arange(5), np.arange(5, len(SMILES))
    made, features = fitted_to(store.select(train), "classification")
    assert made.graph_dim == features(store.select(test)).graph_dim
    blank = y.copy()
    blank[test] = np.nan
    blanked = FEATURISERS.get(NAME).featurise(SMILES, blank)
    again, features_again = fitted_to(blanked.select(train), "classification")
    np.testing.assert_array_equal(again.graph_attr, made.graph_attr)
    np.testing.assert_array_equal(
        features_again(blanked.select(test)).graph_attr, features(store.select(test)).graph_attr
    )
    one_by_one = [features(store.select(np.array([row]))).graph_attr[0].numpy() for row in test]
    np.testing.assert_array_equal(features(store.select(test)).graph_attr, one_by_one)


def test_a_training_row_is_not_made_as_another_row_would_be(store):
    """Its own label is in what others see of it, and not in its own features."""
    train = np.arange(5)
    made, features = fitted_to(store.select(train), "classification")
    as_others = features(store.select(train))
    width = features.columns.width
    np.testing.assert_array_equal(made.graph_attr[:, :width], as_others.graph_attr[:, :width])
    assert not np.array_equal(made.graph_attr[:, width:], as_others.graph_attr[:, width:])
    assert np.isfinite(made.graph_attr.numpy()).all()


@pytest.mark.parametrize("name", ["descriptors+neighbours", "ecfp4+neighbours", "ecfp4+descriptors+neighbours"])
def test_vectors_have_what_labels_of_neighbours_say_after_their_own_columns(name, store, y):
    """The same numbers as beside graphs, from training rows alone."""
    train, test = np.arange(5), np.arange(5, len(SMILES))
    vectors = FEATURISERS.get(name).featurise(SMILES, y)
    again = unpacked(packed(vectors), FEATURISERS.get(name), y)
    own = FEATURISERS.get(name.removesuffix("+neighbours")).featurise(SMILES, y).x
    np.testing.assert_array_equal(again.x, own)
    made, features = fitted_to(again.select(train), "classification")
    beside_graphs, of_graphs = fitted_to(store.select(train), "classification")
    width = of_graphs.columns.width
    for got, ours, rows in [
        (made, beside_graphs, train),
        (features(vectors.select(test)), of_graphs(store.select(test)), test),
    ]:
        np.testing.assert_array_equal(got.x[:, : own.shape[1]], own[rows])
        np.testing.assert_array_equal(got.x[:, own.shape[1] :], ours.graph_attr[:, width:])
        assert got.fingerprints is None
        assert got.bits == (0 if name.startswith("descriptors") else 2048)
    lighter = featurise_to_predict(FEATURISERS.get(name), SMILES, y)
    np.testing.assert_array_equal(features(lighter).x, features(vectors).x)
    with pytest.raises(DataError, match="no fingerprints"):
        features(ECFP4.featurise(SMILES, y))


def test_it_comes_back_from_a_file(store, tmp_path):
    _, features = fitted_to(store.select(np.arange(5)), "classification")
    save_state(features.state(), tmp_path / "features.safetensors")
    again = WholeFeatures.from_state(load_state(tmp_path / "features.safetensors"))
    others = store.select(np.arange(5, len(SMILES)))
    np.testing.assert_array_equal(again(others).graph_attr, features(others).graph_attr)
    with pytest.raises(DataError, match="the saved features are none"):
        WholeFeatures.from_state({**features.state(), "columns": 3})


def test_other_features_than_those_of_the_training_are_refused(store, y):
    _, features = fitted_to(store.select(np.arange(5)), "classification")
    with pytest.raises(DataError, match="trained with 217 features of whole molecules, and is given 0"):
        features(FEATURISERS.get("graph+neighbours").featurise(SMILES, y))
    with pytest.raises(DataError, match="no fingerprints"):
        features(FEATURISERS.get("graph+descriptors").featurise(SMILES, y))


def test_what_is_predicted_has_the_same_features_without_what_only_a_fit_reads(store, y):
    _, features = fitted_to(store.select(np.arange(5)), "classification")
    lighter = featurise_to_predict(FEATURISERS.get(NAME), SMILES, y)
    np.testing.assert_array_equal(features(lighter).graph_attr, features(store).graph_attr)
    assert len(set(lighter.fingerprints.parent.tolist())) == len(SMILES)


def test_columns_of_a_table_come_with_the_molecules(y):
    columns = np.array([[1.0, np.inf]] * len(SMILES))
    store = featurise_to_predict(FEATURISERS.get("graph+columns"), SMILES, y, columns)
    np.testing.assert_array_equal(store.graph_attr, np.array([[1.0, np.nan]] * len(SMILES), dtype=np.float32))
    vectors = featurise_to_predict(FEATURISERS.get("ecfp4+columns+descriptors"), SMILES, y, columns)
    assert vectors.bits == 2048
    np.testing.assert_array_equal(vectors.x[:, 2049], np.nan)
    np.testing.assert_array_equal(vectors.x[:, 2050:], DESCRIPTORS.featurise(SMILES, y).x)
    assert "columns" in FEATURISERS
    assert "graph+columns" in FEATURISERS
    assert "columns" not in FEATURISERS.names()
    with pytest.raises(UsageError, match="these molecules have none; name them with 'train TABLE --graph-columns"):
        FEATURISERS.get("graph+columns").featurise(SMILES, y)
