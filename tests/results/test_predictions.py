"""Files of predictions: what is written, what of earlier ones is read, and pairs of either form."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from made_records import make_record
from pbgraph.errors import DataError
from pbgraph.files.hashing import sha256
from pbgraph.probabilities import of_logits
from pbgraph.report.stability import rank_stability
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.predictions import (
    aligned_predictions,
    as_kept,
    kept_scores,
    paired_predictions,
    predictions_in,
    write_predictions,
)

NAMES = ("m7", "m1", "m4", "m2")
Y = np.array([[0, 1], [np.nan, np.nan], [1, np.nan], [0, 0]], np.float32)  # the second molecule has no label
LOGITS = {arm: np.random.default_rng(number).normal(size=Y.shape) for number, arm in enumerate("ab")}
TASKS = ("t", "s")


def written(results: ResultsFolder, arm: str, y: np.ndarray = Y, *, logits: np.ndarray | None = None, **changes):
    record = make_record(f"{arm}/backprop", 1, 0.8, **changes)
    kept = kept_scores(of_logits(LOGITS[arm] if logits is None else logits), "classification")
    digest = write_predictions(results.predictions_path(record.spec), y, kept, tasks=TASKS)
    return replace(record, predictions_sha256=digest)


def earlier(results: ResultsFolder, arm: str, *, logits: np.ndarray | None = None):
    """As earlier runs wrote them: validation rows, names and logits."""
    record = make_record(f"{arm}/backprop", 1, 0.8)
    row, task = np.nonzero(~np.isnan(Y))
    columns = {
        "split": ["valid", *["test"] * len(row)],
        "mol_id": ["m0", *(NAMES[i] for i in row)],
        "task": ["t", *(TASKS[t] for t in task)],
        "y": pa.array([1.0, *Y[row, task]], pa.float32()),
        "score": [0.5, *(LOGITS[arm] if logits is None else logits)[row, task]],
    }
    path = results.predictions_path(record.spec)
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pa.table(columns), path)
    return replace(record, predictions_sha256=sha256(path.read_bytes()))


@pytest.fixture
def results(tmp_path: Path) -> ResultsFolder:
    return ResultsFolder(tmp_path)


def test_a_file_has_the_measured_cells_of_the_test_rows(results):
    path = results.predictions_path(written(results, "a").spec)
    table = predictions_in(path.read_bytes(), path)
    assert table.select(["row", "task", "y"]).to_pydict() == {
        "row": [0, 0, 2, 3, 3],
        "task": ["t", "s", "t", "t", "s"],
        "y": [0, 1, 1, 0, 0],
    }
    p = of_logits(LOGITS["a"])[~np.isnan(Y)]
    assert table.column("score").to_numpy() == pytest.approx(p, rel=2**-10)


@pytest.mark.parametrize("makers", [(written, written), (earlier, written), (written, earlier), (earlier, earlier)])
def test_runs_of_either_form_are_paired(makers, results):
    a, b = (maker(results, arm) for maker, arm in zip(makers, "ab", strict=True))
    found = paired_predictions(results, a, b)
    rows = np.array([0, 2, 3])
    if makers == (earlier, earlier):
        assert found.mol_ids == tuple(sorted(NAMES[row] for row in rows))
        rows = rows[np.argsort([NAMES[row] for row in rows])]
    else:
        assert (found.mol_ids, found.places) == ((), (0, 2, 3) if makers[0] is makers[1] else found.places)
    assert np.array_equal(found.y, Y[rows][:, [1, 0]], equal_nan=True)  # tasks by name
    for scores, arm, maker in zip((found.a, found.b), "ab", makers, strict=True):
        expected = LOGITS[arm] if maker is earlier else of_logits(LOGITS[arm])
        assert scores[~np.isnan(found.y)] == pytest.approx(expected[rows][:, [1, 0]][~np.isnan(found.y)], rel=2**-10)
    assert found.select(np.array([1])).y.shape == (1, 2)


@pytest.mark.parametrize("makers", [(earlier, written), (written, earlier), (earlier, earlier), (written, written)])
def test_runs_of_either_form_have_their_rows_in_one_order(makers, results):
    """Arms that predict alike share the first place, whichever forms their files have."""
    perfect = np.nan_to_num(Y)
    runs = [maker(results, arm, logits=perfect) for maker, arm in zip(makers, "ab", strict=True)]
    first, other = aligned_predictions(results, runs)
    assert np.array_equal(first.y, other.y, equal_nan=True)
    assert (first.mol_ids, first.places) == (other.mol_ids, other.places)
    found = rank_stability([run.spec.arm for run in runs], [1], runs, results)
    assert [one.first for one in found.values()] == [0.5, 0.5]


def test_runs_of_other_cells_or_splits_are_not_paired(results):
    a = written(results, "a")
    other = written(results, "b", y=1 - Y)
    with pytest.raises(DataError, match="not of the same cells"):
        paired_predictions(results, a, other)
    b = written(results, "b")
    elsewhere = replace(b, provenance=replace(b.provenance, split_sha256="another"))
    with pytest.raises(DataError, match="they had different splits"):
        paired_predictions(results, a, elsewhere)


def test_logits_of_networks_are_kept_as_probabilities_and_what_was_one_stays():
    record = make_record("a/backprop", 1, 0.8)
    assert as_kept(record.spec, np.array([0.0]), "classification").tolist() == [0.5]
    for method in ("fit", "ensemble", "external"):
        spec = make_record(f"a/{method}", 1, 0.8).spec
        assert as_kept(spec, np.array([0.25]), "classification").tolist() == [0.25]
    assert as_kept(record.spec, np.array([-3.5]), "regression").tolist() == [-3.5]


def test_columns_of_neither_form_are_refused(results):
    path = results.root / "p.parquet"
    parquet.write_table(pa.table({"row": pa.array([0], pa.int64()), "task": ["t"], "y": [0.0], "score": [0.5]}), path)
    with pytest.raises(DataError, match=r"has the columns row \(int64\).*, expected row \(int32\)"):
        predictions_in(path.read_bytes(), path)


def test_a_file_is_replaced_but_never_half_written(results):
    record = written(results, "a")
    assert written(results, "a") == record
    assert [file.name for file in results.predictions_path(record.spec).parent.iterdir()] == [f"{record.key}.parquet"]
