"""Records that were verified before are taken from what was kept, as long as their files are the same."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from made_records import make_record
from pbgraph.errors import DataError
from pbgraph.files.cache import cached_file
from pbgraph.report.tables import make_table
from pbgraph.results import folder, verified
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.record_file import record_bytes, said_by
from pbgraph.results.records import RunRecord

SEEDS = range(68, 73)


@pytest.fixture
def results(tmp_path, monkeypatch) -> ResultsFolder:
    """Five runs, kept from the first one on, however young they are."""
    monkeypatch.setattr(verified, "LEAST", 1)
    monkeypatch.setattr(verified, "SETTLED_SECONDS", -60.0)
    there = ResultsFolder(tmp_path / "results")
    for seed in SEEDS:
        there.write(make_record("gin/backprop", seed, 0.8 + seed / 1000))
    return there


@pytest.fixture
def read(monkeypatch) -> list[str]:
    """The names of the files that are verified from here on."""
    verify, names = folder.read_record, list[str]()
    monkeypatch.setattr(folder, "read_record", lambda path: names.append(path.name) or verify(path))
    return names


def paths(results: ResultsFolder) -> list[Path]:
    return sorted((results.root / "records" / "tox21").iterdir())


def kept_file(results: ResultsFolder) -> Path:
    where = os.path.realpath(results.root / "records" / "tox21")
    return cached_file("records", {"folder": os.fsencode(where).hex()})


def scored(records: list[RunRecord]) -> dict[int, float | None]:
    return {record.spec.seed: record.scores["test"].metrics["roc_auc"] for record in records}


def test_a_file_that_is_the_same_is_not_verified_again(results, read):
    first = results.records("tox21")
    again = results.records("tox21")
    assert len(read) == len(SEEDS)
    assert again == first
    assert [record.key for record in again] == [path.stem for path in paths(results)]
    assert [record.digest() for record in again] == [record.digest() for record in first]
    table = {"arms": [first[0].spec.arm], "seeds": list(SEEDS)}
    assert make_table(again, **table) == make_table(first, **table)
    assert not any("_whole" in record.__dict__ for record in results.records("tox21"))


def test_what_was_left_out_is_read_when_asked_for(results):
    first = {record.key: record for record in results.records("tox21")}
    for record in results.records("tox21"):
        assert record.history == first[record.key].history != ()
        assert said_by(record) == said_by(first[record.key])
        assert record_bytes(replace(record, error="E")) == record_bytes(replace(first[record.key], error="E"))
    assert first[record.key] == record != replace(record, error="E")


def edit(path: Path, content: bytes) -> None:
    """Change a file in its place; size and time of change of content are as before."""
    before = os.stat(path)
    assert len(content) == before.st_size
    while os.stat(path).st_ctime_ns == before.st_ctime_ns:  # as long as the clock of the file system has not moved
        path.write_bytes(content)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_an_edit_that_hides_its_time_is_noticed(results, caplog):
    results.records("tox21")
    path = paths(results)[0]
    edit(path, path.read_bytes().replace(b'"hidden":32', b'"hidden":64'))
    assert len(results.records("tox21")) == len(SEEDS) - 1
    assert f"{path} was edited" in caplog.text


def test_another_record_in_its_place_is_what_is_shown(results, read):
    results.records("tox21")
    path = results.record_path((old := make_record("gin/backprop", 70, 0.87)).spec)
    edit(
        path,
        record_bytes(replace(old, scores={**old.scores, "test": old.scores["valid"]})).ljust(os.stat(path).st_size),
    )
    del read[:]
    assert scored(results.records("tox21"))[70] == 0.8
    assert read == [path.name]


def test_what_comes_and_goes_is_noticed(results):
    results.records("tox21")
    paths(results)[0].unlink()
    failure = replace(make_record("gin/backprop", 99, 0.5), status="failed", error="E", scores={}, cost=None)
    results.write(failure)
    results.write(make_record("gin/backprop", 98, 0.5))
    for _ in range(2):
        assert len(records := results.records("tox21")) == len(SEEDS) + 1
        assert [one.error for one in records if one.spec.seed == 99] == ["E"]
    results.write(replace(failure, error="F"))
    assert "F" in [one.error for one in results.records("tox21")]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: path.write_bytes(b""),
        lambda path: path.unlink(),
        lambda path: (path.unlink(), path.mkdir()),
    ],
    ids=["truncated", "empty", "deleted", "folder"],
)
def test_without_what_was_kept_all_is_verified(results, read, spoil):
    first = results.records("tox21")
    spoil(kept_file(results))
    assert results.records("tox21") == first
    assert len(read) == 2 * len(SEEDS)


def test_what_other_code_has_verified_is_verified_again(results, read, monkeypatch):
    results.records("tox21")
    monkeypatch.setattr(verified, "_code", lambda: b"0" * 64)
    for _ in range(2):
        results.records("tox21")
    assert len(read) == 2 * len(SEEDS)


def test_a_copy_of_the_folder_is_verified(results, read, tmp_path):
    results.records("tox21")
    os.rename(results.root, tmp_path / "moved")
    assert len(ResultsFolder(tmp_path / "moved").records("tox21")) == len(SEEDS)
    assert len(read) == 2 * len(SEEDS)


def test_young_files_and_small_folders_are_not_kept(results, read, monkeypatch):
    monkeypatch.setattr(verified, "SETTLED_SECONDS", 3600.0)
    results.records("tox21")
    monkeypatch.setattr(verified, "SETTLED_SECONDS", -60.0)
    monkeypatch.setattr(verified, "LEAST", 6)
    results.records("tox21")
    assert not kept_file(results).exists()
    assert len(read) == 2 * len(SEEDS)


def test_two_readers_at_once_keep_what_both_have_read(results, read):
    where = results.root / "records" / "tox21"
    with verified.reader(where, folder.read_record) as one, verified.reader(where, folder.read_record) as other:
        for path in paths(results):
            assert one(path) == other(path)
    del read[:]
    assert len(results.records("tox21")) == len(SEEDS)
    assert read == []


def test_a_record_that_goes_before_its_history_is_asked_for_is_named(results):
    results.records("tox21")
    record = results.records("tox21")[0]
    paths(results)[0].unlink()
    with pytest.raises(DataError, match=r"is not a run record.*No such file"):
        record.history  # noqa: B018
