"""The committed results: every number on show comes from a committed record."""

from __future__ import annotations

from pathlib import Path

import pytest

from pbgraph.formats import to_csv, to_markdown
from pbgraph.plan import plan, plan_study
from pbgraph.presets import preset, study
from pbgraph.records import ResultsFolder, RunRecord, sha256
from pbgraph.studies import study_csv, study_table
from pbgraph.studies import to_markdown as study_markdown
from pbgraph.tables import make_table

ROOT = Path(__file__).parents[1]
RESULTS = ResultsFolder(ROOT / "results")


@pytest.fixture(scope="module")
def records() -> list[RunRecord]:
    return [record for record in RESULTS.records("tox21") if record.spec.preset == "default"]


@pytest.fixture(scope="module")
def table(records):
    chosen = preset("default")
    return make_table(records, arms=["/".join(arm) for arm in chosen.arms], seeds=chosen.seeds)


def test_the_default_preset_is_complete(table):
    assert all(row.seeds == preset("default").seeds and not row.failed for row in table.rows)


def test_todays_plan_is_what_was_run(records):
    assert {spec.key for spec in plan("tox21").specs} == {record.key for record in records}


def test_records_come_from_a_clean_commit(records):
    assert all(record.provenance.commit and not record.provenance.dirty for record in records)
    assert all(len(record.provenance.rejected) == 8 for record in records)


def test_predictions_are_those_of_the_records(records):
    for record in records:
        content = RESULTS.predictions_path(record.spec).read_bytes()
        assert sha256(content) == record.predictions_sha256


def test_the_committed_tables_are_made_from_the_records(table):
    assert (ROOT / "results" / "tox21.md").read_text() == to_markdown(table)
    assert (ROOT / "results" / "tox21.csv").read_text() == to_csv(table)


def test_readme_shows_the_committed_table(table):
    readme = (ROOT / "README.md").read_text()
    assert to_markdown(table).split("\n", 2)[2].strip() in readme


def test_the_control_has_the_epochs_and_the_split_of_its_pair(records):
    by_key = {record.key: record for record in records}
    controls = [record for record in records if record.spec.control_of]
    assert len(controls) == 3
    for control in controls:
        pair = by_key[control.spec.control_of]
        assert control.cost.epochs == pair.cost.epochs
        assert control.provenance.split_sha256 == pair.provenance.split_sha256
        assert control.history[0].valid == pair.history[0].valid


def test_plain_trimnet_reaches_what_the_project_asks_of_it(table):
    (plain,) = [row for row in table.rows if row.arm == "trimnet/backprop"]
    assert plain.metrics["roc_auc"].mean >= 0.84


@pytest.fixture(scope="module")
def compression():
    return study_table(study("compression"), RESULTS.records("tox21"))


def test_the_compression_study_is_complete_and_is_todays(compression):
    assert all(not row.missing and not row.failed for table in compression.tables.values() for row in table.rows)
    names = {one.name for one in study("compression").presets}
    mine = [record for record in RESULTS.records("tox21") if record.spec.preset in names]
    assert {record.key for record in mine} == {spec.key for spec in plan_study("tox21", "compression").specs}
    assert all(record.provenance.commit and not record.provenance.dirty for record in mine)


def test_the_studys_committed_tables_are_made_from_the_records(compression):
    assert (ROOT / "results" / "tox21-compression.md").read_text() == study_markdown(compression)
    assert (ROOT / "results" / "tox21-compression.csv").read_text() == study_csv(compression)


def test_widened_controls_have_the_parameters_of_their_pairs(compression):
    for table in compression.tables.values():
        sizes = {row.method: row.parameters for row in table.rows}
        for control in ("widened", "widened-continued"):
            assert sizes[control] == pytest.approx(sizes["perforated"], rel=0.01)


def test_what_dendrites_learnt_is_kept_as_the_record_says(records):
    grown = [record for record in records if record.spec.method == "perforated"]
    assert len(grown) == 3
    for record in grown:
        content = RESULTS.dendrites_path(record.spec).read_bytes()
        assert sha256(content) == record.details["dendrites_sha256"]
