"""DeepChem's loaders and splitters as tasks and splits, and ours held against them."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest

from pbgraph import bench, deepchem
from pbgraph.datasets.base import DATASETS
from pbgraph.datasets.load import load
from pbgraph.deepchem import to_deepchem
from pbgraph.errors import DataError, UsageError
from pbgraph.molecules import Molecules
from pbgraph.splits import SPLITS

pytestmark = [pytest.mark.lengthy, pytest.mark.thorough]

needs_deepchem = pytest.mark.skipif(
    find_spec("deepchem") is None, reason="deepchem is not installed: parity with its loaders and splitters was skipped"
)
SMILES = ("CCO", "c1ccccc1", "CC(=O)O", "CCN", "Cc1ccccc1", "C1CC1", "CCCC", "OCCO", "CS", "CF") * 4
SPLIT = ("train", "valid", "test")


@pytest.fixture(autouse=True)
def _theirs_is_in_shared(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "shared" in request.fixturenames:
        monkeypatch.setenv("PBGRAPH_DATA", str(request.getfixturevalue("shared") / "data"))


def theirs(name: str) -> Molecules:
    return load(DATASETS.get(f"deepchem:{name}"), offline=True)


def assert_same_sets(data: Molecules) -> None:
    ours, found = (SPLITS.get(name).split(data, None) for name in ("scaffold", "deepchem:scaffold"))
    for part in SPLIT:
        np.testing.assert_array_equal(np.sort(getattr(found, part)), getattr(ours, part))


@needs_deepchem
def test_tox21_is_read_as_deepchem_reads_it(tox21: Molecules) -> None:
    """Labels and weights of every row that RDKit accepts, and the same rows rejected."""
    found = theirs("tox21")
    assert found.smiles == tox21.smiles
    np.testing.assert_array_equal(found.y, tox21.y)
    np.testing.assert_array_equal(found.rows, tox21.rows)
    assert [row.reason for row in found.rejected] == [row.reason for row in tox21.rejected]
    data = to_deepchem(tox21)
    assert list(data.ids) == list(data.X) == list(tox21.smiles)
    assert (data.w.sum(), data.y.sum()) == (np.isfinite(tox21.y).sum(), np.nansum(tox21.y))
    assert not data.y[data.w == 0].any()


@needs_deepchem
@pytest.mark.parametrize(
    ("name", "rows", "rejected", "metric"),
    [("clintox", 1484, 4, "roc_auc"), ("delaney", 1128, 0, "rmse"), ("bace_regression", 1513, 0, "rmse")],
)
def test_scaffold_splits_are_deepchems(name: str, rows: int, rejected: int, metric: str, shared: object) -> None:
    dataset, data = DATASETS.get(f"deepchem:{name}"), theirs(name)
    assert (len(data) + len(data.rejected), len(data.rejected)) == (rows, rejected)
    assert (dataset.metric, dataset.split) == (metric, "scaffold")
    assert data.y.shape == (len(data), len(dataset.tasks))
    assert_same_sets(data)


@needs_deepchem
def test_scaffold_split_of_tox21_is_deepchems(tox21: Molecules) -> None:
    assert_same_sets(tox21)


@needs_deepchem
@pytest.mark.parametrize("name", ["butina", "fingerprint", "index", "max-min", "molecular-weight", "random-stratified"])
def test_every_splitter_gives_a_partition_that_its_seed_decides(name: str) -> None:
    splitter = SPLITS.get(f"deepchem:{name}")
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    few = Molecules("few", "", ("y",), SMILES, SMILES, np.arange(40), np.arange(40).reshape(-1, 1) % 2.0, ())
    made = splitter.split(few, 3 if splitter.seeded else None)
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002
    np.testing.assert_array_equal(np.sort(np.concatenate([getattr(made, part) for part in SPLIT])), np.arange(40))
    assert made.sha256 == splitter.split(few, 3 if splitter.seeded else None).sha256
    with pytest.raises(UsageError, match="seed"):
        splitter.split(few, None if splitter.seeded else 3)


@needs_deepchem
def test_names_files_and_kinds_that_will_not_do_are_explained(shared: object, tmp_path) -> None:
    with pytest.raises(UsageError, match=r"unknown data set of DeepChem 'tox12'; did you mean 'tox21'\?"):
        DATASETS.get("deepchem:tox12")
    with pytest.raises(UsageError, match="load_bbbc001 loads no molecules"):
        DATASETS.get("deepchem:bbbc001")
    with pytest.raises(UsageError, match=r"unknown splitter of DeepChem 'scafold'; did you mean 'scaffold'\?"):
        SPLITS.get("deepchem:scafold")
    with pytest.raises(DataError, match=r"gdb8.tar.gz is in none of the usual places.*data fetch TASK"):
        theirs("qm8")
    (tmp_path / "clintox.csv").write_text("smiles,another\nCCO,1\n")
    with pytest.raises(DataError, match=r"load_clintox cannot read clintox.csv.gz \(KeyError: 'FDA_APPROVED'\)"):
        load(DATASETS.get("deepchem:clintox"), folder=tmp_path, offline=True)


@needs_deepchem
def test_the_command_line_takes_them_and_only_then_imports_deepchem(shared: object, capsys, tmp_path) -> None:
    words = ["deepchem:clintox", "--preset", "smoke", "--split", "deepchem:scaffold", "--dry-run", "--results"]
    assert bench.main([*words, str(tmp_path)]) == 0
    assert "deepchem:clintox, preset smoke, split deepchem:scaffold: 2 runs" in capsys.readouterr().out
    assert bench.main(["data", "fetch", "deepchem:clintox", "--offline"]) == 0
    said = capsys.readouterr()
    assert "deepchem:clintox: read by DeepChem 2.8.0, dc.molnet.load_clintox, sha256" in said.out
    assert "normalization" not in said.err
    code = "import sys; from pbgraph import bench; bench.main(['ls']); sys.exit('deepchem' in sys.modules)"
    listed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert listed.returncode == 0, listed.stderr
    assert listed.stdout.count("deepchem:*") == 2


def test_without_deepchem_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    def absent(_: str) -> str:
        raise deepchem.PackageNotFoundError

    monkeypatch.setattr(deepchem, "version", absent)
    for registry, name in ((DATASETS, "deepchem:delaney"), (SPLITS, "deepchem:butina")):
        registry._loaded.pop(name, None)
        with pytest.raises(UsageError, match=rf"{name}: it needs the package deepchem.* -e '\.\[deepchem\]'"):
            registry.get(name)
    assert bench.main(["deepchem:delaney", "--dry-run"]) == 2
    assert "pip install -e '.[deepchem]', with Python 3.11" in capsys.readouterr().err
