"""The compact form of a record's file: nothing is lost, little is written, and no hostile column takes memory."""

from __future__ import annotations

import json
from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from made_records import make_record, make_regression_record
from pbgraph.errors import DataError
from pbgraph.files.reading import UnreadableError
from pbgraph.history import Epoch
from pbgraph.metrics import SplitScore, TaskScore
from pbgraph.results.compact import compact, whole
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.record_file import read_record, record_bytes, said_by
from pbgraph.results.records import WHOLE_FORM, RunRecord

RECORD = make_record("trimnet/perforated", 1, 0.8)
NUMBER = st.one_of(st.none(), st.floats(-9, 9))
EPOCHS = st.lists(
    st.builds(
        Epoch,
        epoch=st.integers(0, 5),
        phase=st.sampled_from(["neuron", "dendrite"]),
        dendrites=st.integers(0, 2),
        train_loss=NUMBER,
        valid=NUMBER,
        learning_rate=st.floats(0, 1),
        score=NUMBER,
    ),
    max_size=12,
)
NAMES = st.lists(st.sampled_from("abcd"), unique=True, max_size=4)


@st.composite
def scores(draw) -> SplitScore:
    metrics = draw(st.lists(st.sampled_from(["roc_auc", "mcc"]), unique=True, min_size=1))
    values = st.fixed_dictionaries(dict.fromkeys(metrics, NUMBER))
    task = st.builds(TaskScore, metrics=values, labelled=st.integers(0, 9), positives=st.integers(0, 9))
    return SplitScore(draw(st.integers(0, 9)), draw(values), {name: draw(task) for name in draw(NAMES)})


@given(EPOCHS, scores(), scores(), st.dictionaries(st.sampled_from("abcd"), st.floats(0, 1)))
def test_nothing_is_lost(history, valid, test, known):
    thresholds = {"mcc": {name: at for name, at in known.items() if name in test.tasks}}
    record = replace(
        RECORD,
        history=tuple(history),
        scores={"valid": valid, "test": test},
        thresholds=thresholds if thresholds["mcc"] else {},
    )
    said = json.loads(json.dumps(compact(said_by(record))))
    assert msgspec.convert(whole(said), RunRecord) == record


@pytest.mark.parametrize("schema", [WHOLE_FORM, RECORD.schema])
def test_both_forms_are_read_and_only_the_compact_one_is_short(schema, tmp_path):
    record = replace(make_regression_record("gin/backprop", 1, 0.7), schema=schema)
    path = ResultsFolder(tmp_path).write(record)
    assert read_record(path) == record
    lines = path.read_text().splitlines()
    assert (len(lines) < 20) == (schema == RECORD.schema)
    assert ("error" in json.loads(path.read_text())) == (schema == WHOLE_FORM)


def test_thresholds_enter_the_digest_and_records_without_any_keep_theirs():
    assert replace(RECORD, schema=WHOLE_FORM).digest() == RECORD.digest()
    assert replace(RECORD, thresholds={"mcc": {"a": 0.5}}).digest() != RECORD.digest()


@pytest.mark.parametrize(
    "change",
    [
        lambda said: said["history"].update(phase=[["neuron", 10**12]]),
        lambda said: said["history"].update(epoch=[[0, 2], [5, -1], [7, 1]]),
        lambda said: said["history"].update(valid=[0.1]),
        lambda said: said["history"].pop("score"),
        lambda said: said["history"].update(train_loss="none"),
        lambda said: said["scores"]["test"]["metrics"].update(roc_auc=[]),
        lambda said: said["scores"]["test"].update(tasks=["a", "a"], labelled=[1, 1]),
        lambda said: said["scores"]["test"].update(tasks=["a"]),
        lambda said: said.update(scores=[]),
        lambda said: said.update(thresholds={"mcc": [0.1, 0.2]}),
    ],
)
def test_columns_that_do_not_fit_are_no_record(change, tmp_path):
    said = json.loads(record_bytes(RECORD))
    change(said)
    with pytest.raises(UnreadableError, match="its columns are none"):
        whole(said)
    path = ResultsFolder(tmp_path).write(RECORD)
    path.write_text(json.dumps(said))
    with pytest.raises(DataError, match="is not a run record: its columns are none"):
        read_record(path)


@pytest.mark.parametrize("at", [-0.1, 1.5, float("nan")])
def test_a_threshold_that_is_no_probability_makes_no_record(at, tmp_path):
    test = SplitScore(3, {"roc_auc": 0.8, "average_precision": 0.4}, {"a": TaskScore({"roc_auc": 0.8}, 3, 1)})
    scores = {**RECORD.scores, "test": test}
    path = ResultsFolder(tmp_path).write(replace(RECORD, scores=scores, thresholds={"mcc": {"a": at}}))
    with pytest.raises(DataError, match=r"is not a run record|was edited"):
        read_record(path)
