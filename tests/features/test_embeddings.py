"""Vectors of a file of the user's, by InChIKey: what is read, refused, recorded and shown."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from own_tables import lines, write
from pbgraph import bench
from pbgraph.datasets.user.table import describe, to_dataset
from pbgraph.errors import DataError, UsageError
from pbgraph.execution import runner
from pbgraph.execution.fitting import RunOptions
from pbgraph.features.base import FEATURISERS
from pbgraph.features.embeddings import vectors
from pbgraph.files.hashing import sha256
from pbgraph.plans.plan import plan
from pbgraph.plans.settings import parse_assignment
from pbgraph.prediction.predict import load_predictor
from pbgraph.report.formats import to_markdown
from pbgraph.report.tables import make_table
from pbgraph.results.described import keep
from pbgraph.results.folder import ResultsFolder
from pbgraph.structures.facts import keys
from pbgraph.testing import featuriser_checks

SMILES = ["CCO", "c1ccccc1O", "CC(=O)N"]
STATED = "ten million molecules of nobody"


def written(path: Path, smiles: list[str] = SMILES, *, stated: str | None = STATED, **columns: object) -> Path:
    """A file with these molecules, the last one first, and two columns of numbers unless others are given."""
    rows = {"InChIKey": keys(smiles)[::-1]}
    rows |= columns or {"a": [float(len(one)) for one in smiles[::-1]], "b": [one.count("N") for one in smiles[::-1]]}
    metadata = None if stated is None else {"pretrained_on": stated}
    parquet.write_table(pa.table(rows).replace_schema_metadata(metadata), path)
    return path


def featurised(path: Path, smiles: list[str]) -> np.ndarray:
    return FEATURISERS.get(f"embeddings:{path}").featurise(smiles, np.zeros((len(smiles), 1))).x


def test_rows_are_found_by_what_the_structure_is(tmp_path):
    path = written(tmp_path / "e.parquet")
    np.testing.assert_array_equal(featurised(path, ["OCC", "CC(N)=O"]), [[3, 0], [7, 1]])
    assert vectors(path).pretrained_on == STATED
    assert vectors(written(path, stated=None)).pretrained_on == "not stated"


def test_a_molecule_may_be_there_twice_with_the_same_numbers(tmp_path):
    path = written(tmp_path / "e.parquet", ["CCO", "C", "OCC"], a=[1.0, np.nan, 1.0])
    np.testing.assert_array_equal(featurised(path, ["CCO", "C"]), [[1], [np.nan]])


def test_what_is_not_a_finite_number_is_undefined(tmp_path):
    path = written(tmp_path / "e.parquet", SMILES, a=[1.0, float("inf"), None], b=[1, 2, 3], c=[1e300, 0.0, np.nan])
    expected = [[np.nan, 3, np.nan], [np.nan, 2, 0], [1, 1, np.nan]]
    np.testing.assert_array_equal(featurised(path, SMILES), expected)


def test_molecules_without_a_vector_are_named(tmp_path):
    path = written(tmp_path / "e.parquet", SMILES[:1])
    with pytest.raises(DataError, match=r"e\.parquet has no vector of 2 of 3 molecules: c1ccccc1O \(ISWSIDIOOBJ.*, CC"):
        featurised(path, SMILES)
    with pytest.raises(DataError, match=r"of 9 of 9 molecules: .* and 6 more; add them to the file"):
        featurised(path, ["C" * n for n in range(3, 12)])


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"inchikey": ["x"] * 3}, "has 2 columns 'inchikey'"),
        ({"a": ["x"] * 3}, "column 'a' holds string; expected numbers"),
        ({"a": [[1.0]] * 3}, "column 'a' holds list"),
        ({"InChIKey": [1, 2, 3], "a": [1, 2, 3]}, "row 1 has no InChIKey"),
        ({"InChIKey": ["A", None, "B"], "a": [1, 2, 3]}, "row 2 has no InChIKey"),
        ({"InChIKey": ["A", "B", "A"], "a": [1, 2, 3]}, "rows 1 and 3 are both A, with other numbers"),
        ({"InChIKey": ["A", "B", "C"]}, "no column of numbers"),
        ({"InChIKey": None, "a": [1, 2, 3]}, "row 1 has no InChIKey"),
    ],
)
def test_a_file_of_another_form_is_refused(columns, said, tmp_path):
    filled = {name: pa.nulls(3) if cells is None else cells for name, cells in columns.items()}
    with pytest.raises(DataError, match=said):
        vectors(written(tmp_path / "e.parquet", SMILES, **filled))


def test_a_damaged_or_absent_file_is_named(tmp_path):
    path = written(tmp_path / "e.parquet")
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DataError, match=r"e\.parquet is damaged Parquet"):
        vectors(path)
    os.mkfifo(tmp_path / "pipe.parquet")
    for there in ("none.parquet", "", "pipe.parquet"):
        with pytest.raises(DataError, match="cannot be read"):
            vectors(tmp_path / there)
    for there in ("none.parquet", "pipe.parquet"):
        with pytest.raises(DataError, match=r"cannot be read .*; put it there, or name the features by where it is"):
            FEATURISERS.get(f"graph+embeddings:{tmp_path / there}").file_versions()


@pytest.mark.parametrize("name", ["e.csv", "", "a+b.parquet", "a,b.parquet", "a\nb.parquet"])
def test_what_is_no_such_path_is_refused(name):
    with pytest.raises(UsageError, match=r"expected embeddings:PATH\.parquet"):
        FEATURISERS.get(f"embeddings:{name}").featurise(SMILES, np.zeros((3, 1)))


def test_checks_that_try_other_molecules_are_refused(tmp_path):
    with pytest.raises(UsageError, match="knows the molecules of its file alone"):
        featuriser_checks(f"graph+embeddings:{written(tmp_path / 'e.parquet')}")


def planned(results: ResultsFolder, folder: Path, features: str, model: str, *settings: str):
    task = describe(write(folder), smiles="SMILES", targets=["toxic", "even"], id="name")
    keep(task, results)
    said = [parse_assignment(text) for text in (f"{model}.features={features}", *settings)]
    method = "fit" if model == "random-forest" else "backprop"
    return plan(to_dataset(task), "smoke", models=[model], methods=[method], seeds=[1], settings=said).specs


@pytest.mark.lengthy
@pytest.mark.parametrize(
    ("model", "joined", "settings"),
    [
        ("random-forest", "", ()),
        ("features-only", "graph+", ("features-only.head_members=2",)),
        ("snn", "graph+", ("snn.hidden=8", "snn.layers=2")),
        ("gin", "graph+", ("gin.head=packed", "gin.hidden=8", "gin.layers=1")),
    ],
)
def test_a_run_says_where_its_vectors_are_from_and_its_model_predicts_with_them(model, joined, settings, tmp_path):
    results, everything = ResultsFolder(tmp_path / "results"), [row[0] for row in lines()[1:]]
    path = written(tmp_path / "e.parquet", everything)
    features = f"{joined}embeddings:{path}"
    specs = planned(results, tmp_path, features, model, *settings)
    assert [spec.model for spec in specs] == [model, *(["features-only"] if model == "gin" else [])]
    digest = sha256(path.read_bytes())
    assert all(spec.versions[f"featuriser file embeddings:{path}"] == digest for spec in specs)
    options = RunOptions(results.root, save_models=True)
    record = runner.run(specs[0], options)
    assert record.error is None
    assert record.provenance.pretrained_on == STATED
    (read,) = results.records(specs[0].task)
    assert read == record
    table = to_markdown(make_table([record], arms=[record.spec.arm], seeds=[1]))
    assert f"pretrained elsewhere: {model} by {features}, on {STATED} (1 run)" in table
    predictor = load_predictor(results.model_path(record.spec))
    made = predictor(["C" * 40, *everything[:5]])
    assert made.errors[0].startswith(f"{tmp_path / 'e.parquet'} has no vector of 1 of 1 molecules")
    assert made.errors[1:] == ("",) * 5
    assert np.isfinite(made.mean[1:]).all()
    written(path, everything, stated="something else")
    assert planned(results, tmp_path, features, model, *settings)[0].key != specs[0].key
    with pytest.raises(DataError, match=r"featuriser file embeddings.* has changed"):
        runner.run(replace(specs[0], seed=2), options)
    with pytest.raises(DataError, match="was built from another featuriser file"):
        load_predictor(results.model_path(record.spec))


@pytest.mark.lengthy
def test_a_table_with_molecules_that_the_file_lacks_ends_with_one_line(tmp_path, capsys):
    path = written(tmp_path / "e.parquet", [row[0] for row in lines()[1:-1]])
    words = ["train", str(write(tmp_path)), "--smiles", "SMILES", "--targets", "toxic", "--models", "random-forest"]
    words += ["--set", f"random-forest.features=embeddings:{path}", "--preset", "smoke"]
    words += ["--results", str(tmp_path / "r")]
    assert bench.main(words) == 3
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith(f"pbgraph: {path} has no vector of 1 of 120 molecules: c1ccccc1CCCCCCCCCCN (")


def test_a_featuriser_with_files_can_be_a_key(tmp_path):
    featuriser = FEATURISERS.get(f"graph+embeddings:{written(tmp_path / 'e.parquet')}")
    assert {featuriser: 1}[featuriser] == 1
