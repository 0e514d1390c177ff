"""Records of earlier schemas, by two made-up ones: schema 1 had no unit of time, schema 0 one number for the scores."""

from __future__ import annotations

import json
from dataclasses import replace

import msgspec
import pytest

from made_records import make_record
from pbgraph.errors import DataError
from pbgraph.files.hashing import canonical_json, sha256
from pbgraph.results import upgrades
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.record_file import formatted, read_record, record_bytes
from pbgraph.results.records import WHOLE_FORM, RunRecord
from pbgraph.results.upgrades import Upgrade, oldest, seal_of

RECORD = replace(make_record("trimnet/backprop", 1, 0.8), schema=WHOLE_FORM)


def seconds(said: dict) -> dict:
    """Schema 1 counted milliseconds."""
    cost = {name: value for name, value in said["cost"].items() if name != "milliseconds"}
    return {**said, "cost": {**cost, "seconds": said["cost"]["milliseconds"] / 1000}}


def nested(said: dict) -> dict:
    """Schema 0 kept what it cost at the top."""
    return {**{name: value for name, value in said.items() if name != "took"}, "cost": said["took"]}


def digest(said: dict) -> str:
    return sha256(canonical_json((said["spec"], said["scores"])))


@pytest.fixture(autouse=True)
def _steps(monkeypatch):
    monkeypatch.setattr(upgrades, "UPGRADES", {1: Upgrade(seconds, digest), 0: Upgrade(nested)})


def of_schema(number: int, record: RunRecord = RECORD) -> dict:
    """What a record would have said in schema 1 or 0, with its seal."""
    said = json.loads(record_bytes(record))
    cost = said["cost"]
    cost["milliseconds"] = 1000 * cost.pop("seconds")
    if number == 0:
        said["took"] = said.pop("cost")
    said = {**said, "schema": number, "written_digest": digest(said)}
    return {**said, "seal": seal_of(said)}


def kept(folder, said: dict):
    path = ResultsFolder(folder).record_path(RECORD.spec)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(formatted(said))
    return path


@pytest.mark.parametrize("number", [0, 1])
def test_a_record_of_an_earlier_schema_is_read_as_one_of_this_and_its_file_stays(number, tmp_path):
    path = kept(tmp_path, of_schema(number))
    before = path.read_bytes()
    found = read_record(path)
    assert found == RECORD
    assert (found.schema, found.key, found.digest()) == (WHOLE_FORM, RECORD.key, RECORD.digest())
    assert ResultsFolder(tmp_path).finished("tox21", RECORD.key) == RECORD
    assert ResultsFolder(tmp_path).records("tox21") == [RECORD]
    assert path.read_bytes() == before
    assert read_record(ResultsFolder(tmp_path / "again").write(found)) == RECORD


@pytest.mark.parametrize("number", [0, 1])
def test_an_edit_is_noticed_by_the_seal(number, tmp_path):
    said = of_schema(number)
    said["scores"]["test"]["metrics"]["roc_auc"] = 0.9
    said["written_digest"] = digest(said)
    with pytest.raises(DataError, match="was edited"):
        read_record(kept(tmp_path, said))


def test_an_edit_is_noticed_by_the_digest_of_its_schema(tmp_path):
    said = {name: value for name, value in of_schema(1).items() if name != "seal"}
    assert read_record(kept(tmp_path, said)) == RECORD
    said["scores"]["test"]["metrics"]["roc_auc"] = 0.9
    with pytest.raises(DataError, match="its digest is another: it was edited"):
        read_record(kept(tmp_path, said))


@pytest.mark.parametrize(("number", "lacks"), [(0, ("seal",)), (1, ("seal", "written_digest"))])
def test_what_could_be_edited_unnoticed_is_refused(number, lacks, tmp_path):
    said = {name: value for name, value in of_schema(number).items() if name not in lacks}
    with pytest.raises(DataError, match="nothing by which an edit would be noticed; move it away"):
        read_record(kept(tmp_path, said))


def test_a_renamed_record_is_noticed(tmp_path):
    path = kept(tmp_path, of_schema(1))
    with pytest.raises(DataError, match="edited or renamed"):
        read_record(path.rename(path.with_name("0123456789abcdef.json")))


@pytest.mark.parametrize("change", [{"cost": None}, {"cost": []}, {"cost": {"milliseconds": "long"}}, {"history": 3}])
def test_what_cannot_be_upgraded_is_no_record_and_no_traceback(change, tmp_path):
    said = {**of_schema(1), **change}
    said = {**said, "seal": seal_of(said)}
    with pytest.raises(DataError, match=r"of schema 1, it cannot be upgraded .*; move it away"):
        read_record(kept(tmp_path, said))


@pytest.mark.parametrize("lost", ["spec", "scores"])
def test_what_has_no_digest_is_no_record_and_no_traceback(lost, tmp_path):
    said = {name: value for name, value in of_schema(1).items() if name != lost}
    with pytest.raises(DataError, match=f"it has no digest .KeyError: '{lost}'"):
        read_record(kept(tmp_path, said))


def test_an_upgrade_must_leave_the_key_alone(monkeypatch, tmp_path):
    def other(said: dict) -> dict:
        return {**seconds(said), "spec": {**said["spec"], "settings": {"epochs": 4}}}

    monkeypatch.setattr(upgrades, "UPGRADES", {1: Upgrade(other)})
    with pytest.raises(DataError, match="its key is another"):
        read_record(kept(tmp_path, of_schema(1)))


def test_the_chain_has_no_gap(monkeypatch, tmp_path):
    assert oldest() == 0
    monkeypatch.setattr(upgrades, "UPGRADES", {0: Upgrade(nested)})
    assert oldest() == WHOLE_FORM
    with pytest.raises(DataError, match="record schema 0, the oldest that this version reads is 2"):
        read_record(kept(tmp_path, of_schema(0)))


def test_a_record_says_in_json_what_its_key_is_made_of():
    """So that a later schema can compare the spec of a file with the key it is named by."""
    said = msgspec.json.decode(record_bytes(RECORD))
    assert sha256(canonical_json(said["spec"]))[:16] == RECORD.key
