"""The committed results: they pass all that `verify` checks, and are complete, today's and from a clean commit."""

from __future__ import annotations

from math import ceil
from pathlib import Path

import pytest

from pbgraph.datasets.base import DATASETS
from pbgraph.plans.plan import plan, plan_study
from pbgraph.plans.presets import preset, study
from pbgraph.report.formats import to_markdown
from pbgraph.report.selection import TaskRuns, table_of
from pbgraph.report.studies import study_table
from pbgraph.report.tables import make_table
from pbgraph.results.arms import Arm
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.insights import DIGEST
from pbgraph.results.lookup import Choice
from pbgraph.results.predictions import is_earlier
from pbgraph.results.records import RunRecord
from pbgraph.verify.averages import check_averages
from pbgraph.verify.folder import Held, held_by
from pbgraph.verify.plans import check_plans
from pbgraph.verify.scores import check_scores, read_predictions
from pbgraph.verify.tables import check_tables

pytestmark = pytest.mark.lengthy

ROOT = Path(__file__).parents[2]
RESULTS = ResultsFolder(ROOT / "results")
TABLES = (
    "tox21",
    "tox21-compression",
    "tox21-answer-cv5x5",
    "bace-registry-others",
    "bbbp-registry-others",
    "esol-registry-others",
)  # beside the page
SAMPLE = 60  # runs scored again in the default tier, spread over all of them; all in the thorough one


@pytest.fixture(scope="module")
def held() -> Held:
    return held_by(RESULTS)


def test_every_file_is_as_it_was_written(held):
    assert held.findings.wrong == ()
    assert len(held.finished) == len(held.sound) == len(list((RESULTS.root / "records").rglob("*.json")))
    grown = [record for record in held.finished if "dendrites" in record.details]
    assert held.findings.counts["insights"] == len(grown) == len(list((RESULTS.root / "dendrites").glob("*/*.*")))
    assert grown
    assert all(DIGEST in record.details for record in grown)


def scores_of(record: RunRecord) -> int:
    """How many of a record's scores can be computed again: of its targets and their mean, by every metric."""
    earlier = is_earlier(read_predictions(RESULTS.predictions_path(record.spec)))
    parts, each = ("valid", "test") if earlier else ("test",), len(DATASETS.get(record.spec.task).tasks) + 1
    return sum(each * len(record.scores[part].metrics) for part in parts)


@pytest.mark.parametrize("sample", [SAMPLE, pytest.param(None, marks=pytest.mark.thorough)])
def test_every_score_is_that_of_its_predictions(held, sample):
    """Beside the labels and the splits of the data, where these are here."""
    records = held.checkable[:: ceil(len(held.checkable) / sample) if sample else 1]
    found = check_scores(RESULTS, records, offline=True)
    assert found.wrong == ()
    assert found.counts["scores"] == sum(map(scores_of, records))


def test_every_key_is_one_of_todays_plan(held):
    planned, found = check_plans(RESULTS, held.checkable)
    assert (found.wrong, found.unchecked) == ((), ())
    assert planned == held.sound - {record.key for record in held.finished if record.spec.external}


def test_an_average_is_the_mean_of_its_runs(held):
    found = check_averages(RESULTS, held.checkable)
    assert (found.wrong, found.unchecked) == ((), ())
    assert found.counts["averages"] == sum(bool(record.provenance.mean_of) for record in held.finished) >= 3


def test_a_table_beside_the_records_is_made_from_them():
    """One of them, of few runs: all are made anew by the thorough tier, and by `verify`."""
    runs = TaskRuns.read(RESULTS, "bbbp")
    table = table_of(runs, Choice(preset="registry-others"))[1]
    assert (RESULTS.root / "bbbp-registry-others.md").read_text() == to_markdown(table)


@pytest.mark.thorough
def test_every_cell_on_show_is_made_from_the_records(held):
    found = check_tables(RESULTS, held)
    assert found.wrong == ()
    assert found.counts == {"tables and pages": len(TABLES) * len(("md", "csv")) + 1, "tables in README": 1}
    assert all((RESULTS.root / f"{name}.{form}").exists() for name in TABLES for form in ("md", "csv"))


@pytest.fixture(scope="module")
def records() -> list[RunRecord]:
    every = RESULTS.records("tox21")
    return [record for record in every if record.spec.preset == "default" and not record.spec.external]


@pytest.fixture(scope="module")
def table(records):
    chosen = preset("default")
    return make_table(records, arms=chosen.arms, seeds=chosen.seeds)


def test_the_default_preset_is_complete(table):
    assert all(row.seeds == preset("default").seeds and not row.failed for row in table.rows)


def test_todays_plan_is_what_was_run(records):
    assert {spec.key for spec in plan("tox21").specs} == {record.key for record in records}


def test_records_come_from_a_clean_commit(records):
    assert all(record.provenance.commit and not record.provenance.dirty for record in records)
    assert all(len(record.provenance.rejected) == 8 for record in records)


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
    (plain,) = [row for row in table.rows if row.arm == Arm("trimnet", "backprop")]
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


def test_widened_controls_have_the_parameters_of_their_pairs(compression):
    for table in compression.tables.values():
        sizes = {row.arm.method: row.parameters for row in table.rows}
        for control in ("widened", "widened-continued"):
            assert sizes[control] == pytest.approx(sizes["perforated"], rel=0.01)
