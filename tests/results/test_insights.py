"""What dendrites learnt, as a file beside the record."""

from __future__ import annotations

import json
from dataclasses import replace

import msgspec
import pytest

from made_records import make_insight, make_record, write_grown
from pbgraph.errors import DataError, UsageError
from pbgraph.insight import DendriteInsight, Insight, SiteInsight, with_trials
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.insights import agree, read_insight, write_insight


def test_what_is_written_is_read_with_three_digits(tmp_path):
    results = ResultsFolder(tmp_path)
    record = write_grown(results, "trimnet/perforated", 68)
    found = read_insight(results, record)
    site, expected = found.sites["conv"], make_insight().sites["conv"]
    assert replace(site, dendrites=()) == replace(expected, dendrites=())
    assert [one.outcome for one in site.dendrites] == ["kept", "dropped"]
    assert site.dendrites[0].w == (1.23, -0.000123)
    assert site.dendrites[1] == expected.dendrites[1]
    content = json.loads(results.dendrites_path(record.spec).read_text())
    assert content["sites"]["conv"]["dendrites"][0]["w"] == [1.23, -0.000123]


def test_a_file_of_an_unfinished_run_is_replaced(tmp_path):
    path = tmp_path / "key.json"
    first = write_insight(path, make_insight())
    assert write_insight(path, Insight({})) != first
    assert write_insight(path, make_insight()) == first
    assert [file.name for file in tmp_path.iterdir()] == ["key.json"]


def test_what_is_not_there_says_what_to_do(tmp_path):
    results = ResultsFolder(tmp_path)
    with pytest.raises(UsageError, match="trimnet/backprop, seed 68, is a run without dendrites: name an arm"):
        read_insight(results, make_record("trimnet/backprop", 68, 0.8))
    old = replace(make_record("trimnet/perforated", 68, 0.8), details={"dendrites": 1})
    with pytest.raises(DataError, match=r"made by an earlier version; move .*json away to have the run done again"):
        read_insight(results, old)
    record = write_grown(results, "trimnet/perforated", 68)
    path = results.dendrites_path(record.spec)
    path.write_text(path.read_text().replace("1.23", "9.99"))
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


def test_what_was_written_with_more_digits_says_the_same():
    exact, kept = msgspec.to_builtins(make_insight()), msgspec.to_builtins(make_insight())
    dendrite = kept["sites"]["conv"]["dendrites"][0]
    dendrite["w"] = (1.23, -0.000123)
    assert agree(exact, kept)
    for name, other in (("w", (1.24, -0.000123)), ("w", (1.23,)), ("outcome", "dropped"), ("epoch", 41)):
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
