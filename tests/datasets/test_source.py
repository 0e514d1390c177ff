"""Finding, fetching and verifying files, without a network: addresses are file:// here."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

import pbgraph.datasets.source as source
from pbgraph.datasets.tox21 import TOX21
from pbgraph.errors import DataError
from pbgraph.files.hashing import sha256
from small_dataset import CSV, dataset


@pytest.fixture(autouse=True)
def _nothing_around(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty working folder, an empty cache, no PBGRAPH_DATA."""
    (tmp_path / "work" / "here").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "work" / "here")
    monkeypatch.setenv("PBGRAPH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("PBGRAPH_DATA", raising=False)


def put(folder: Path, content: bytes = CSV, name: str = "small.csv") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    return folder / name


def test_places_are_searched_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = [tmp_path / "one", tmp_path / "two"]
    monkeypatch.setenv("PBGRAPH_DATA", os.pathsep.join(map(str, listed)))
    places = [tmp_path / "given", *listed, Path("data"), Path("../shared/data"), tmp_path / "cache" / "data"]
    assert source.search_path(tmp_path / "given") == places
    for place in reversed(places):
        put(place)
        assert source.locate(dataset(), tmp_path / "given") == place / "small.csv"


@pytest.mark.parametrize("name", ["small.csv", "small.csv.gz"])
@pytest.mark.parametrize("pack", [lambda content: content, gzip.compress], ids=["plain", "gzip"])
def test_compression_is_told_by_content(tmp_path: Path, name: str, pack) -> None:
    put(tmp_path / "given", pack(CSV), name)
    assert source.find(dataset(), folder=tmp_path / "given", offline=True) == CSV


def test_wrong_content_is_an_error_with_both_hashes_and_no_other_place_is_tried(tmp_path: Path) -> None:
    put(tmp_path / "given", b"other\n1\n")
    put(Path("data"))
    with pytest.raises(DataError) as caught:
        source.find(dataset(), folder=tmp_path / "given")
    for part in (sha256(b"other\n1\n"), sha256(CSV), "1 rows, expected 5", str(tmp_path / "given" / "small.csv")):
        assert part in str(caught.value)


def test_the_other_tox21_file_is_recognised(tmp_path: Path) -> None:
    put(tmp_path / "given", b"smiles\n" + b"C\n" * 8014, "tox21.csv")
    with pytest.raises(DataError, match="it is the other Tox21 file in circulation"):
        source.find(TOX21, folder=tmp_path / "given")


@pytest.mark.parametrize(
    "copy",
    [CSV.replace(b"\n", b"\r\n"), CSV.replace(b"\n", b"\r"), b"\xef\xbb\xbf" + CSV, CSV.rstrip(b"\n"), CSV + b"\r\n"],
)
def test_a_copy_with_other_line_ends_is_told_apart_from_another_table(copy: bytes) -> None:
    with pytest.raises(DataError, match="its cells are the right ones, but its line ends are not"):
        source.verified(dataset(), copy, "a file")


def test_as_many_other_rows_are_not_said_to_be_too_many() -> None:
    other = CSV.replace(b"C", b"N")
    with pytest.raises(DataError, match=r"it has \d+ rows, as it should, but other cells"):
        source.verified(dataset(rows=CSV.count(b"\n") - 1), other, "a file")


def test_what_is_nowhere_can_be_supplied_in_three_ways() -> None:
    with pytest.raises(DataError) as caught:
        source.find(dataset(), offline=True)
    assert caught.value.exit_code == 3
    for way in ("--data DIR", "PBGRAPH_DATA=DIR", "data fetch "):
        assert way in str(caught.value)


def test_a_given_folder_must_exist(tmp_path: Path) -> None:
    put(Path("data"))
    with pytest.raises(DataError, match="is not a folder"):
        source.find(dataset(), folder=tmp_path / "absent")


@pytest.mark.parametrize(
    "content",
    [gzip.compress(CSV)[:-12], gzip.compress(CSV)[:20] + b"X" * 40, b"\x1f\x8b"],
    ids=["cut", "overwritten", "two bytes"],  # of the names that content would give, each process has others
)
def test_damaged_gzip_is_named(tmp_path: Path, content: bytes) -> None:
    put(tmp_path / "given", content, "small.csv.gz")
    with pytest.raises(DataError, match=r"small\.csv\.gz is damaged gzip"):
        source.find(dataset(), folder=tmp_path / "given")


@pytest.mark.parametrize("pack", [lambda content: content, gzip.compress], ids=["plain", "gzip bomb"])
def test_files_beyond_all_measure_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pack) -> None:
    monkeypatch.setattr(source, "MAX_BYTES", 2**17)
    put(tmp_path / "given", pack(b"0" * 1_000_000))
    with pytest.raises(DataError, match=r"more than 0\.125 MiB"):
        source.find(dataset(), folder=tmp_path / "given")


def test_fetching_keeps_the_verified_file(tmp_path: Path) -> None:
    origin = put(tmp_path / "origin", gzip.compress(CSV), "small.csv.gz")
    wanted = dataset(urls=(origin.as_uri(),))
    assert source.find(wanted) == CSV
    assert [path.name for path in (tmp_path / "cache" / "data").iterdir()] == ["small.csv"]
    origin.unlink()
    assert source.find(wanted, offline=True) == CSV


def test_the_next_address_is_tried_and_the_failure_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    wrong, right = put(tmp_path / "wrong", b"a page\n"), put(tmp_path / "right")
    wanted = dataset(urls=((tmp_path / "absent").as_uri(), wrong.as_uri(), right.as_uri()))
    assert source.find(wanted) == CSV
    assert sha256(b"a page\n") in caplog.text
    assert "absent" in caplog.text


def test_nothing_unverified_takes_the_name(tmp_path: Path) -> None:
    wrong = put(tmp_path / "wrong", b"a page\n")
    with pytest.raises(DataError) as caught:
        source.find(dataset(urls=(wrong.as_uri(),)))
    for part in (sha256(b"a page\n"), sha256(CSV), "three ways"):
        assert part in str(caught.value)
    assert not (tmp_path / "cache" / "data").exists()


@pytest.mark.parametrize("content", [b"", b"x" * 200_000, b"<html>\n" + b"y" * 200_000])
def test_what_is_no_table_at_all_is_told_by_both_hashes(content: bytes) -> None:
    with pytest.raises(DataError) as caught:
        source.verified(dataset(), content, "a file")
    assert sha256(content) in str(caught.value)
    assert "it has 0 rows" in str(caught.value) or "it has 1 rows" in str(caught.value)


def test_offline_does_not_fetch(tmp_path: Path) -> None:
    origin = put(tmp_path / "origin")
    with pytest.raises(DataError, match="none of the usual places"):
        source.find(dataset(urls=(origin.as_uri(),)), offline=True)


def test_a_cache_that_cannot_be_written_costs_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    origin = put(tmp_path / "origin")
    monkeypatch.setenv("PBGRAPH_CACHE", str(origin / "below-a-file"))
    assert source.fetch(dataset(urls=(origin.as_uri(),))) == CSV
    assert "fetched again next time" in caplog.text


@pytest.mark.network
def test_public_addresses_deliver_tox21() -> None:
    for url in TOX21.urls:
        assert source.verified(TOX21, source.decompressed(source.download(url), url), url)
