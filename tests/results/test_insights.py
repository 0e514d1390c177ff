"""What dendrites learnt, as a file beside the record."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from made_records import make_insight, make_record, write_earlier, write_grown
from pbgraph.errors import DataError, UsageError
from pbgraph.files.hashing import sha256
from pbgraph.insight import DendriteInsight, Insight, SiteInsight, with_trials
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.insights import agree, insight_path, read_insight, write_insight
from pbgraph.results.merging import merge
from pbgraph.results.packing import pack
from pbgraph.results.records import RunRecord
from pbgraph.results.trash import files_of
from pbgraph.verify.comparable import _with_bits_of
from pbgraph.verify.folder import held_by


def test_what_is_written_is_read_with_eight_bits(tmp_path):
    results = ResultsFolder(tmp_path)
    record = write_grown(results, "trimnet/perforated", 68)
    found = read_insight(results, record)
    site, expected = found.sites["conv"], make_insight().sites["conv"]
    assert replace(site, dendrites=()) == replace(expected, dendrites=())
    assert [one.outcome for one in site.dendrites] == ["kept", "dropped"]
    assert site.dendrites[0].w == (1.234, -0.000123)
    assert site.dendrites[0].variance_share == expected.dendrites[0].variance_share
    assert site.dendrites[1].correlation == pytest.approx(expected.dendrites[1].correlation, rel=0.005)


def test_an_earlier_file_is_read_as_it_is(tmp_path):
    results = ResultsFolder(tmp_path)
    record = write_earlier(results, "trimnet/perforated", 68)
    assert results.dendrites_paths(record.spec)[1].suffix == ".json"
    assert read_insight(results, record) == make_insight()


@pytest.mark.parametrize("write", [write_grown, write_earlier])
def test_of_two_forms_that_which_the_record_has_the_hash_of_is_read(write, tmp_path):
    results = ResultsFolder(tmp_path)
    record = write(results, "trimnet/perforated", 68)
    mine = insight_path(results, record)
    (other,) = set(results.dendrites_paths(record.spec)) - {mine}
    other.write_bytes(b"{}")
    assert insight_path(results, record) == mine
    assert set(read_insight(results, record).sites) == {"conv", "out"}
    mine.write_bytes(b"{}")
    with pytest.raises(DataError, match=r"zst is not the file that record .* was written with; restore it"):
        read_insight(results, record)


def test_a_file_of_an_unfinished_run_is_replaced_whatever_its_form(tmp_path):
    path = tmp_path / "key.zst"
    first = write_insight(path, make_insight())
    assert write_insight(path, Insight({})) != first
    path.with_suffix(".json").write_text("{}")
    assert write_insight(path, make_insight()) == first
    assert [file.name for file in tmp_path.iterdir()] == ["key.zst"]


def test_what_is_not_there_says_what_to_do(tmp_path):
    results = ResultsFolder(tmp_path)
    with pytest.raises(UsageError, match="trimnet/backprop, seed 68, is a run without dendrites: name an arm"):
        read_insight(results, make_record("trimnet/backprop", 68, 0.8))
    old = replace(make_record("trimnet/perforated", 68, 0.8), details={"dendrites": 1})
    with pytest.raises(DataError, match=r"made by an earlier version; move .*json away to have the run done again"):
        read_insight(results, old)
    record = write_grown(results, "trimnet/perforated", 68)
    path = results.dendrites_path(record.spec)
    path.write_bytes(path.read_bytes() + b"!")
    with pytest.raises(DataError, match=r"is not the file that record .* was written with; restore it"):
        read_insight(results, record)
    path.unlink()
    with pytest.raises(DataError, match="is not there: copy it from where record"):
        read_insight(results, record)


def test_the_last_dendrite_of_a_number_is_the_one_in_the_network():
    kept = DendriteInsight(number=1, w=(0.5,), variance_share=(0.1,), covariance_share=(0.2,))
    trials = [
        DendriteInsight(number=1, outcome="failed", epoch=3),
        DendriteInsight(number=1, epoch=5, correlation=(0.3,)),
        DendriteInsight(number=1, epoch=9, correlation=(0.4,)),
        DendriteInsight(number=2, epoch=14, correlation=(0.6,)),
    ]
    found = with_trials(Insight({"conv": SiteInsight(1, 10, (kept,))}), {"conv": trials}).sites["conv"]
    assert found.dendrites == (
        trials[0],
        replace(trials[1], outcome="dropped"),
        replace(kept, epoch=9, correlation=(0.4,)),
        replace(trials[3], outcome="dropped"),
    )


def test_what_was_written_with_digits_says_the_same_as_with_bits():
    exact, kept = msgspec.to_builtins(make_insight()), msgspec.to_builtins(make_insight())
    dendrite = kept["sites"]["conv"]["dendrites"][0]
    dendrite["w"] = (1.234, -0.000123)
    assert agree(exact, kept)
    for name, other in (("w", (1.25, -0.000123)), ("w", (1.23,)), ("outcome", "dropped"), ("epoch", 41)):
        assert not agree(
            exact,
            {
                "sites": {
                    **kept["sites"],
                    "conv": {
                        **kept["sites"]["conv"],
                        "dendrites": [{**dendrite, name: other}, *kept["sites"]["conv"]["dendrites"][1:]],
                    },
                }
            },
        )


def with_predictions(results: ResultsFolder, record: RunRecord) -> RunRecord:
    """The same record, with a file of predictions beside it."""
    path = results.predictions_path(record.spec)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"scores")
    results.record_path(record.spec).unlink()
    record = replace(record, predictions=path.name, predictions_sha256=sha256(b"scores"))
    results.write(record)
    return record


def files(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.fixture(params=[write_grown, write_earlier], ids=["today", "earlier"])
def form(request):
    return request.param


def test_either_form_is_verified_and_moved_away_with_its_run(form, tmp_path):
    results = ResultsFolder(tmp_path)
    record = with_predictions(results, form(results, "trimnet/perforated", 68))
    assert not any("/dendrites/" in line for line in held_by(results).findings.wrong)
    assert held_by(results).findings.counts["insights"] == 1
    assert insight_path(results, record) in files_of(results, "tox21", record.key)
    insight_path(results, record).write_bytes(b"{}")
    (said,) = (line for line in held_by(results).findings.wrong if "/dendrites/" in line)
    assert "is not the file that record" in said


def test_verify_names_the_form_that_is_not_its_records(form, tmp_path):
    results = ResultsFolder(tmp_path)
    record = with_predictions(results, form(results, "trimnet/perforated", 68))
    (other,) = set(results.dendrites_paths(record.spec)) - {insight_path(results, record)}
    other.write_bytes(b"{}")
    (said,) = (line for line in held_by(results).findings.wrong if "/dendrites/" in line)
    assert said == f"{other}: record {record.key} does not know of it; move it away"


@pytest.mark.parametrize("packed", [False, True])
def test_either_form_is_merged_in_place_of_what_a_killed_run_left(form, packed, tmp_path):
    source, into = ResultsFolder(tmp_path / "a"), ResultsFolder(tmp_path / "into")
    record = with_predictions(source, form(source, "trimnet/perforated", 68))
    into.dendrites_path(record.spec).parent.mkdir(parents=True)
    for path in into.dendrites_paths(record.spec):
        path.write_bytes(b"{}")
    if packed:
        pack(source, tmp_path / "a.zip", {})
    merged = merge([tmp_path / "a.zip" if packed else source.root], into)
    assert [one.key for one in merged.new] == [record.key]
    assert files(into.root) == files(source.root)
    insight_path(source, record).write_bytes(b"{}")
    assert merge([source.root], ResultsFolder(tmp_path / "other")).refused


def test_of_two_forms_that_of_the_record_is_merged(form, tmp_path):
    source, into = ResultsFolder(tmp_path / "a"), ResultsFolder(tmp_path / "into")
    record = with_predictions(source, form(source, "trimnet/perforated", 68))
    mine = insight_path(source, record)
    (other,) = set(source.dendrites_paths(record.spec)) - {mine}
    other.write_bytes(b"{}")
    assert [one.key for one in merge([source.root], into).new] == [record.key]
    assert [path.name for path in (into.root / "dendrites" / "tox21").iterdir()] == [mine.name]


def test_a_rerun_of_an_earlier_record_says_the_same_in_bits(tmp_path):
    """As `comparable` has it, once metrics and predictions are those of today."""
    earlier, scratch = ResultsFolder(tmp_path / "earlier"), ResultsFolder(tmp_path / "scratch")
    record = write_earlier(earlier, "trimnet/perforated", 68)
    new = write_grown(scratch, "trimnet/perforated", 68)
    assert record.digest() != new.digest()
    assert _with_bits_of(earlier, record, scratch, theirs=new).digest() == new.digest()
    site = replace(make_insight().sites["conv"], rows=101)
    other = write_grown(ResultsFolder(tmp_path / "b"), "trimnet/perforated", 68, Insight({"conv": site}))
    assert _with_bits_of(earlier, record, ResultsFolder(tmp_path / "b"), theirs=other) == record
    assert _with_bits_of(scratch, new, ResultsFolder(tmp_path / "b"), theirs=other) == new
