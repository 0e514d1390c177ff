import os
from dataclasses import replace

import pytest

from made_records import make_failure, make_record
from pbgraph.errors import DataError, PbgraphError
from pbgraph.files.writing import new_file
from pbgraph.history import Epoch, Selection
from pbgraph.metrics import SplitScore, TaskScore
from pbgraph.molecules import Rejected
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.record_checks import problem
from pbgraph.results.record_file import read_record
from pbgraph.results.records import Cost, Provenance, RunRecord, RunSpec, ScoredFile

SPEC = RunSpec(
    task="tox21",
    split="random",
    split_seed=68,
    model="trimnet",
    method="backprop",
    seed=68,
    metric="roc_auc",
    featuriser="graph",
    preset="default",
    model_config={"hidden": 32, "dropout": 0.2},
    settings={"learning_rate": 1e-3, "epochs": 30},
    versions=dict.fromkeys(("task", "split", "featuriser", "model", "method", "metric"), 1),
)
PROVENANCE = Provenance(
    created="2026-01-01T00:00:00+00:00",
    pbgraph="0.1.0",
    commit="c" * 40,
    dirty=False,
    python="3.11.7",
    packages={"torch": "2.13.0"},
    platform="Linux",
    processor="x",
    device="cpu",
    threads=1,
    data_sha256="d" * 64,
    rows=7831,
    rejected=(Rejected(1, "TOX1", "because"),),
    rows_sha256="r" * 64,
    featuriser="graph v1",
    split_sha256="s" * 64,
)
RECORD = RunRecord(
    spec=SPEC,
    status="finished",
    provenance=PROVENANCE,
    selection=Selection("best", 3, 0.8),
    scores={
        "test": SplitScore(10, {"roc_auc": 0.8}, {"a": TaskScore({"roc_auc": None}, 10, positives=0)}),
        "valid": SplitScore(10, {"roc_auc": 0.7}, {}),
    },
    metrics={"roc_auc": 1},
    cost=Cost(100, 5, 1.5, 10**8, 1),
    history=(Epoch(0, "neuron", 0, 0.5, 0.7, 1e-3),),
    predictions_sha256="p" * 64,
)


def test_record_survives_writing_and_reading(tmp_path):
    results = ResultsFolder(tmp_path)
    path = results.write(RECORD)
    assert path == tmp_path / "records/tox21" / f"{SPEC.key}.json"
    assert results.records("tox21") == [RECORD]
    assert read_record(path).digest() == RECORD.digest()


@pytest.mark.parametrize(
    "change", [{"seed": 69}, {"split_seed": 69}, {"settings": {}}, {"versions": {}}, {"control_of": "k"}]
)
def test_key_covers_every_part_of_the_spec(change):
    assert replace(SPEC, **change).key != SPEC.key


def test_key_does_not_depend_on_the_order_of_settings():
    assert replace(SPEC, settings={"epochs": 30, "learning_rate": 1e-3}).key == SPEC.key


def test_digest_covers_results_but_neither_time_nor_machine():
    slower = replace(
        RECORD, cost=replace(RECORD.cost, seconds=99.0, sittings=3), provenance=replace(PROVENANCE, dirty=True)
    )
    assert slower.digest() == RECORD.digest()
    assert replace(RECORD, predictions_sha256="q" * 64).digest() != RECORD.digest()
    assert replace(RECORD, history=()).digest() != RECORD.digest()


def test_record_is_never_overwritten(tmp_path):
    results = ResultsFolder(tmp_path)
    path = results.write(RECORD)
    before = path.read_bytes()
    with pytest.raises(FileExistsError):
        results.write(replace(RECORD, details={"a": 1}))
    assert path.read_bytes() == before
    assert len(list(path.parent.iterdir())) == 1


def test_failures_are_numbered_and_give_way_to_a_finished_record(tmp_path):
    results = ResultsFolder(tmp_path)
    failure = RunRecord(SPEC, "failed", PROVENANCE, error="first")
    results.write(failure)
    results.write(replace(failure, error="second"))
    assert [record.error for record in results.records("tox21")] == ["second"]
    results.write(RECORD)
    assert results.records("tox21") == [RECORD]


def test_tenth_failure_comes_after_the_ninth(tmp_path):
    results = ResultsFolder(tmp_path)
    for number in range(1, 11):
        results.write(RunRecord(SPEC, "failed", PROVENANCE, error=str(number)))
    assert [record.error for record in results.records("tox21")] == ["10"]


def test_failing_write_leaves_nothing_behind(tmp_path):
    path = tmp_path / "folder" / "file"
    with pytest.raises(OSError, match="No space"), new_file(path) as part:  # noqa: PT012 (the block is the case)
        part.write_bytes(b"half")
        raise OSError(28, "No space left on device")
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"spec": 1}'])
def test_damaged_record_is_an_error_that_names_the_file(tmp_path, content):
    path = tmp_path / "0123.json"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"0123\.json is not a run record"):
        read_record(path)


def test_edited_spec_is_noticed(tmp_path):
    path = ResultsFolder(tmp_path).write(RECORD)
    path.write_text(path.read_text().replace('"seed":68', '"seed":70'))
    with pytest.raises(DataError, match="edited or renamed"):
        read_record(path)


def test_unknown_schema_is_refused(tmp_path):
    path = ResultsFolder(tmp_path).write(replace(RECORD, schema=99))
    with pytest.raises(DataError, match=r"schema 99, .* up to 3: it was made by a newer pbgraph; update"):
        read_record(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="skipped: root may write anywhere, so no folder is unwritable")
def test_unwritable_folder_is_found_out_at_once(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(PbgraphError, match="cannot be written"):
        ResultsFolder(tmp_path / "results").check_writable()


def test_results_folder_that_is_a_file_is_found_out_at_once(tmp_path):
    (tmp_path / "results").write_text("")
    with pytest.raises(PbgraphError, match="give another with --results DIR"):
        ResultsFolder(tmp_path / "results").check_writable()


@pytest.mark.parametrize("name", ["records", "predictions", "models", "dendrites"])
@pytest.mark.parametrize("link", [False, True])
def test_a_file_or_a_dead_link_in_place_of_a_folder_of_results_is_found_out_at_once(name, link, tmp_path):
    (tmp_path / name).symlink_to(name) if link else (tmp_path / name).write_text("")
    with pytest.raises(PbgraphError, match=rf"{name} cannot be written .*; give another with --results DIR"):
        ResultsFolder(tmp_path).check_writable()


def test_an_edited_score_is_noticed(tmp_path):
    path = ResultsFolder(tmp_path).write(RECORD)
    text = path.read_text()
    assert text.count('"roc_auc":[0.8') == 1
    path.write_text(text.replace('"roc_auc":[0.8', '"roc_auc":[0.9'))
    with pytest.raises(DataError, match="was edited"):
        read_record(path)


def test_a_name_that_no_run_gives_is_left_out_and_named(tmp_path, caplog):
    folder = ResultsFolder(tmp_path)
    path = folder.write(RECORD)
    path.with_name("abc.failed-old.json").write_text("{}")
    assert folder.records(RECORD.spec.task) == [RECORD]
    assert "abc.failed-old.json is not named as a record" in caplog.text


def test_a_failure_is_never_given_the_number_of_another_one(tmp_path):
    folder = ResultsFolder(tmp_path)
    first, second = (folder.write(make_failure("trimnet/backprop", 1, words)) for words in ("once", "twice"))
    first.unlink()
    third = folder.write(make_failure("trimnet/backprop", 1, "thrice"))
    assert [path.name.split(".")[1] for path in (first, second, third)] == ["failed-1", "failed-2", "failed-3"]


def test_all_that_a_run_saved_of_its_state_is_dropped_and_nothing_of_others(tmp_path):
    folder = ResultsFolder(tmp_path)
    own, other = folder.checkpoint_path(SPEC), folder.checkpoint_path(SPEC).with_name("other.safetensors")
    own.parent.mkdir()
    for path in (own, own.with_name(f"{SPEC.key}.member-1.safetensors"), other, folder.lock_path(SPEC)):
        path.touch()
    folder.drop_checkpoints(SPEC)
    assert set(own.parent.iterdir()) == {other, folder.lock_path(SPEC)}


def test_records_of_an_earlier_schema_are_refused_by_its_number(tmp_path):
    path = tmp_path / f"{SPEC.key}.json"
    path.write_text('{"schema": 1, "scores": {"test": {"roc_auc": 0.8}}}')
    with pytest.raises(DataError, match="record schema 1, the oldest that this version reads is 2; move it away"):
        read_record(path)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        (("0" * 16, "1" * 16), None),
        (("0" * 16,), "expected keys of two other runs at least"),
        (("0" * 16, "0" * 16), "expected keys of two other runs at least"),
        (("0" * 16, "itself"), "expected keys of two other runs at least"),
        (("0" * 16, "\x1b[31m" + 9999 * "x"), r"\x1b[31mxxx"),
    ],
)
def test_an_average_names_other_runs(keys, words):
    """That of itself would be found to be the mean of what it is of."""
    plain = make_record("a tool/external", 1, 0.8)
    named = tuple(plain.key if key == "itself" else key for key in keys)
    origin = replace(plain.provenance, scored_from=ScoredFile("runs", "0" * 64), mean_of=named)
    said = problem(replace(plain, provenance=origin, cost=None))
    assert said is None if words is None else words in said and len(said) < 200
    ours = make_record("gin/backprop", 1, 0.8)
    ours = replace(ours, provenance=replace(ours.provenance, mean_of=("0" * 16, "1" * 16)))
    assert "external results alone" in problem(ours)
