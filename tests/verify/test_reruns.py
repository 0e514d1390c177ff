"""Runs done again: what must be equal bit for bit, what may differ by how much, and what is never allowed."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pbgraph import bench
from pbgraph.errors import DataError
from pbgraph.execution import again
from pbgraph.execution.scoring import scored_parts
from pbgraph.probabilities import of_logits
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.predictions import of_part, write_predictions
from pbgraph.results.records import FORMAT_VERSION, NumericPlatform, RunRecord
from pbgraph.verify.reruns import CLOSE, EXACT, NOTHING, drawn, one_platform, rerun
from pbgraph.verify.scores import read_predictions

pytestmark = pytest.mark.lengthy

COMMITTED = ResultsFolder(Path(__file__).parents[2] / "results")
PLATFORM = NumericPlatform(
    name="x86-64-avx2",
    products="OpenBLAS 0.3.30 Haswell",
    loops="AVX2",
    kernels="Numba 0.68.1 haswell",
    threads=1,
    torch="2.13.0+cpu",
    libm="glibc 2.36",
    probe="c678b72eca7b",
)
OTHER = {"numerics": replace(PLATFORM, name="x86_64 AVX512", loops="AVX512")}


@pytest.fixture(scope="module")
def records() -> list[RunRecord]:
    """As if they said by what their numbers were computed."""
    return [on_platform(one) for one in COMMITTED.records("tox21") if one.spec.preset == "default"]


def on_platform(record: RunRecord) -> RunRecord:
    return replace(record, provenance=replace(record.provenance, numerics=PLATFORM))


def scored(record: RunRecord, test: float) -> RunRecord:
    score = record.scores["test"]
    return replace(record, scores={**record.scores, "test": replace(score, metrics={**score.metrics, "roc_auc": test})})


def run_as(monkeypatch, change) -> list[list[str]]:
    """Runs that come out as `change` has it, with the record's own predictions; returns the rounds they are done in."""
    rounds = []

    def run(work, folders, **_):
        rounds.append([str(spec.arm) for spec in work.todo])
        made = []
        for spec in work.todo:
            if spec.control_of is not None:
                assert ResultsFolder(folders.results).finished(spec.task, spec.control_of) is not None
            path = ResultsFolder(folders.results).predictions_path(spec)
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(COMMITTED.predictions_path(spec), path)
            made.append(change(on_platform(COMMITTED.finished(spec.task, spec.key))))
        return made

    monkeypatch.setattr(again, "run_all", run)
    return rounds


def moved(record: RunRecord, by: float, **origin) -> RunRecord:
    again = scored(record, record.scores["test"].metrics["roc_auc"] + by)
    return replace(again, provenance=replace(record.provenance, **origin))


@pytest.mark.parametrize(
    ("change", "rule", "words"),
    [
        (lambda one: one, EXACT, None),
        (lambda one: moved(one, 1e-9), EXACT, "it is not the same in scores"),
        (lambda one: replace(one, history=one.history[:-1]), EXACT, "it is not the same in history"),
        (lambda one: replace(one, details={"x": 1}), EXACT, "it is not the same in details"),
        (
            lambda one: replace(one, cost=replace(one.cost, epochs=1)),
            EXACT,
            "it is not the same in parameters or epochs",
        ),
        (lambda one: replace(one, predictions_sha256="0" * 64), EXACT, "the file of the predictions"),
        (lambda one: moved(one, 0.01, **OTHER), CLOSE, None),
        (lambda one: moved(one, 0.2, **OTHER), CLOSE, "test ROC-AUC 0.81"),
        (lambda one: moved(one, 0.0, device="GPU"), EXACT, None),
        (lambda one: moved(one, 0.0, **OTHER), f"{EXACT}: equal, although the record is from another platform", None),
        (lambda one: moved(one, 0.0, numerics=None), f"{EXACT}: equal, although the rerun does not say", None),
        (lambda one: moved(one, 0.01, numerics=None), f"{CLOSE}: the rerun does not say", None),
        (lambda one: moved(one, 0.01, packages={**one.provenance.packages, "scikit-learn": "9"}), CLOSE, None),
        (lambda one: moved(one, 0.01, libraries={"xgboost": "9"}), CLOSE, None),
        (lambda one: moved(one, 1e-9, device="GPU"), CLOSE, None),
        (
            lambda one: moved(one, 0.01, split_sha256="other", **OTHER),
            CLOSE,
            "another experiment, record / rerun: split",
        ),
        (lambda one: RunRecord(one.spec, "failed", one.provenance, error="boom"), NOTHING, "the run failed: boom"),
    ],
)
def test_what_is_the_same_and_what_is_not(records, monkeypatch, change, rule, words):
    run_as(monkeypatch, change)
    (gin,) = [one for one in records if (str(one.spec.arm), one.spec.seed) == ("gin/backprop", 68)]
    (one,) = rerun(COMMITTED, [gin])
    assert one.rule.startswith(rule)
    assert one.digest == gin.digest()
    if words is None:
        assert one.wrong == ()
    else:
        assert words in one.wrong[0]
        assert gin.key in one.wrong[0]


def test_a_control_is_matched_to_the_record_of_its_pair_and_never_to_a_rerun(records, monkeypatch):
    rounds = run_as(monkeypatch, lambda one: one)
    mine = [one for one in records if one.spec.seed == 68]
    found = rerun(COMMITTED, mine)
    assert [one.key for one in found] == [one.key for one in mine]
    assert rounds[1] == ["trimnet/continued"]
    assert "trimnet/perforated" in rounds[0]


def test_the_tolerance_is_that_of_the_score_on_its_molecules(records, monkeypatch):
    run_as(monkeypatch, lambda one: moved(one, 0.001, **OTHER))
    (one,) = rerun(COMMITTED, [records[0]])
    tolerances = {name: tolerance for name, (_, _, tolerance) in one.scores.items()}
    assert 0.02 < tolerances["test ROC-AUC"] < 0.06
    assert tolerances["test average precision"] > tolerances["test ROC-AUC"]


def test_the_same_seed_draws_the_same_runs_in_whatever_order_they_come(records):
    first = [one.key for one in drawn(records, 4, 7)]
    assert first == [one.key for one in drawn(records[::-1], 4, 7)]
    assert len(set(first)) == 4
    assert len({tuple(one.key for one in drawn(records, 4, seed)) for seed in range(9)}) > 1
    assert len(drawn(records, 99, 7)) == len(records)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({}, None),
        ({"processor": "Another Processor, 64 cores", "platform": "another", "python": "3.99"}, None),
        (OTHER, "numeric platform: name x86-64-avx2 / x86_64 AVX512, loops AVX2 / AVX512"),
        ({"numerics": replace(PLATFORM, probe="0" * 12)}, "probe c678b72eca7b / 000000000000"),
        ({"packages": {"rdkit": "1"}}, "packages: numba 0.68.1 / absent"),
        ({"libraries": {"xgboost": "3.0.0"}}, "libraries: xgboost absent / 3.0.0"),
        ({"device": "GPU"}, "they were made on cpu and GPU"),
        ({"numerics": None}, "the rerun does not say by what its numbers were computed"),
    ],
)
def test_runs_must_be_equal_by_one_numeric_platform_and_one_set_of_versions(records, changed, why):
    origin = next(record for record in records if record.spec.model == "gin").provenance
    same, said = one_platform(origin, replace(origin, **changed))
    assert same == (why is None)
    assert (why or "the same platform") in said


def test_records_that_do_not_say_by_what_they_were_computed_are_held_to_the_spread(records):
    trained = (record for record in COMMITTED.records("tox21") if not record.spec.external)
    old = next(record for record in trained if record.provenance.numerics is None)
    same, why = one_platform(old.provenance, records[0].provenance)
    assert (same, why) == (False, "the record does not say by what its numbers were computed")


def test_that_runs_cannot_be_done_here_is_named_and_found_wrong_is_only_the_folder(copy, monkeypatch, capsys):
    def run(*_, **__):
        raise DataError("no data here")

    monkeypatch.setattr(again, "run_all", run)
    assert bench.main(["verify", str(copy.root), "--offline", "--rerun", "2", "--seed", "1"]) == 3
    said = capsys.readouterr()
    assert "not checked: reruns: no data here" in said.err
    assert "running again 2 of 9 runs, drawn with --seed 1:" in said.err


@pytest.mark.slow
def test_two_of_the_committed_runs_come_out_again(shared, capsys):
    argv = ["verify", str(COMMITTED.root), "--offline", "--data", str(shared / "data"), "--rerun", "2"]
    assert bench.main(argv) == 0, capsys.readouterr()


def of_today(record: RunRecord, scratch: ResultsFolder, spoil: float = 0.0) -> RunRecord:
    """The rerun of an earlier record that today's code makes, from its own predictions, scored by every metric."""
    table = read_predictions(COMMITTED.predictions_path(record.spec))
    cells, scores = {}, {}
    for part in ("valid", "test"):
        mine = of_part(table, part)
        order = {name: place for place, name in enumerate(dict.fromkeys(mine.column("mol_id").to_pylist()))}
        tasks = tuple(record.scores[part].tasks)
        row = [order[name] for name in mine.column("mol_id").to_pylist()]
        column = [tasks.index(name) for name in mine.column("task").to_pylist()]
        cells[part], scores[part] = np.full((2, len(order), len(tasks)), np.nan)
        cells[part][row, column], scores[part][row, column] = mine.column("y"), mine.column("score")
    values = {part: of_logits(logits) for part, logits in scores.items()}
    values["test"][0] = np.minimum(values["test"][0] + spoil, 1)
    made = scored_parts(cells, values, tasks, kind="classification", selected_by=scores["valid"])
    path = scratch.predictions_path(record.spec)
    path.parent.mkdir(parents=True, exist_ok=True)
    return replace(
        record,
        schema=FORMAT_VERSION,
        scores={part: replace(score, size=record.scores[part].size) for part, score in made.scores.items()},
        metrics=made.metrics,
        thresholds=made.thresholds,
        history=tuple(line.rounded for line in record.history),
        predictions_sha256=write_predictions(path, cells["test"].astype(np.float32), made.kept, tasks=tasks),
    )


@pytest.mark.parametrize(("spoil", "words"), [(0.0, None), (0.25, "it is not the same in scores, predictions")])
def test_an_earlier_record_is_compared_by_its_own_metrics_with_a_rerun_of_today(monkeypatch, spoil, words):
    """One of two metrics, and of predictions with names and logits."""

    def run(work, folders, **_):
        scratch = ResultsFolder(folders.results)
        return [of_today(on_platform(COMMITTED.finished(one.task, one.key)), scratch, spoil) for one in work.todo]

    monkeypatch.setattr(again, "run_all", run)
    ours = [one.spec for one in COMMITTED.records("tox21") if one.spec.preset == "compression-1k"]
    (spec,) = [one for one in ours if (str(one.arm), one.seed) == ("trimnet/backprop", 68)]
    old = on_platform(COMMITTED.finished(spec.task, spec.key))
    (one,) = rerun(COMMITTED, [old])
    assert one.rule.startswith(EXACT)
    assert one.digest == old.digest() != one.again
    assert set(one.scores) == {
        f"{part} {name}" for part in ("valid", "test") for name in ("ROC-AUC", "average precision")
    }
    assert (one.wrong == ()) if words is None else (words in one.wrong[0])


def test_a_metric_that_is_not_here_any_more_fails_no_rerun(records, monkeypatch):
    def without(one: RunRecord) -> RunRecord:
        scores = {
            part: replace(
                score,
                metrics={"roc_auc": score.metrics["roc_auc"]},
                tasks={
                    name: replace(task, metrics={"roc_auc": task.metrics["roc_auc"]})
                    for name, task in score.tasks.items()
                },
            )
            for part, score in one.scores.items()
        }
        return replace(one, scores=scores, metrics={"roc_auc": 1})

    run_as(monkeypatch, without)
    (one,) = rerun(COMMITTED, [records[0]])
    assert (one.wrong, set(one.scores)) == ((), {"valid ROC-AUC", "test ROC-AUC"})
