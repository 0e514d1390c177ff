"""The cache: right or not used, never wrong, and never in the way."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier

import numpy as np
import pytest

import pbgraph.features.stored as stored
import pbgraph.files.cache as cache
import pbgraph.structures.smiles as smiles
from pbgraph.features.descriptors import DESCRIPTORS, ECFP4_DESCRIPTORS
from pbgraph.features.fingerprints import ECFP4
from pbgraph.features.graphs import GRAPH, TRIMNET_PAPER
from pbgraph.features.vectors import VectorStore
from pbgraph.molecules import Molecules

pytestmark = pytest.mark.lengthy

KEY = {"version": 1}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PBGRAPH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def never() -> bytes:
    raise AssertionError("made although it was cached")


def molecules(*smiles: str) -> Molecules:
    y = np.zeros((len(smiles), 2), dtype=np.float32)
    return Molecules("few", "0" * 64, ("a", "b"), tuple(smiles), tuple(smiles), np.arange(len(smiles)), y, ())


def test_what_was_made_is_read_back(folder: Path) -> None:
    assert cache.cached("thing", KEY, lambda: b"\n\x00content\n") == b"\n\x00content\n"
    assert cache.cached("thing", KEY, never) == b"\n\x00content\n"
    assert [path.name.startswith("thing-") for path in folder.iterdir()] == [True]


def test_another_key_or_name_is_another_file(folder: Path) -> None:
    cache.cached("thing", KEY, lambda: b"one")
    assert cache.cached("thing", {"version": 2}, lambda: b"two") == b"two"
    assert cache.cached("other", KEY, lambda: b"three") == b"three"
    assert len(list(folder.iterdir())) == 3


@pytest.mark.parametrize(
    "damage", [lambda b: b[:-3], lambda b: b[:-1] + b"X", lambda b: b"", lambda b: b[:20], lambda b: b"X" + b]
)
def test_a_damaged_file_is_made_again(folder: Path, damage, caplog: pytest.LogCaptureFixture) -> None:
    cache.cached("thing", KEY, lambda: b"content")
    (path,) = folder.iterdir()
    path.write_bytes(damage(path.read_bytes()))
    assert cache.cached("thing", KEY, lambda: b"content") == b"content"
    assert "making it again" in caplog.text
    assert cache.cached("thing", KEY, never) == b"content"


def test_a_file_of_another_key_is_not_taken(folder: Path) -> None:
    cache.cached("thing", KEY, lambda: b"one")
    (one,) = folder.iterdir()
    cache.cached("thing", {"version": 2}, lambda: b"two")
    (two,) = set(folder.iterdir()) - {one}
    two.write_bytes(one.read_bytes())
    assert cache.cached("thing", {"version": 2}, lambda: b"two") == b"two"


def test_a_folder_that_cannot_be_written_costs_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PBGRAPH_CACHE", str(tmp_path / "file" / "cache"))
    assert cache.cached("thing", KEY, lambda: b"content") == b"content"
    assert {record.levelno for record in caplog.records} == {logging.WARNING}
    assert "PBGRAPH_CACHE" in caplog.text


def test_of_two_that_want_the_same_at_once_the_second_waits_for_the_first(folder: Path) -> None:
    makers = []

    def make() -> bytes:
        makers.append(time.monotonic())
        time.sleep(0.5)  # the other one comes meanwhile
        return b"content" * 1000

    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(lambda _: cache.cached("thing", KEY, make), range(2)))
    assert made == [b"content" * 1000] * 2
    assert len(makers) == 1
    assert len(list(folder.glob("*.cache"))) == 1


def test_without_a_place_for_locks_both_make_it_and_both_have_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.mkdir(exist_ok=True)
    (folder / f"locks-{os.getuid()}").touch()
    together = Barrier(2)

    def make() -> bytes:
        together.wait(timeout=600)
        return b"content" * 1000

    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(lambda _: cache.cached("thing", KEY, make), range(2)))
    assert made == [b"content" * 1000] * 2
    assert len(list(folder.glob("*.cache"))) == 1
    assert cache.cached("thing", KEY, never) == b"content" * 1000


def test_a_failed_write_leaves_nothing_behind(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", refuse)
    assert cache.cached("thing", KEY, lambda: b"content") == b"content"
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("featuriser", [GRAPH, TRIMNET_PAPER, ECFP4], ids=lambda featuriser: featuriser.name)
def test_a_second_start_reads_the_same_features(folder: Path, featuriser, monkeypatch: pytest.MonkeyPatch) -> None:
    some = molecules("CCO", "[Zn+2]", "c1ccccc1")
    first = stored.featurised(featuriser, some)
    monkeypatch.setattr(cache, "_write", never)
    second = stored.featurised(featuriser, some)
    for name, array in first.arrays().items():
        np.testing.assert_array_equal(second.arrays()[name], array)
        assert second.arrays()[name].dtype == array.dtype
    assert second.y.dtype == np.float32


def test_arrays_are_kept_however_they_lie_in_memory() -> None:
    x = np.asfortranarray(np.random.default_rng(0).integers(0, 2, (5, 32)).astype(np.uint8))
    store = VectorStore(x, np.zeros((5, 1), dtype=np.float32))
    assert not store.arrays()["bits"].flags.c_contiguous
    np.testing.assert_array_equal(stored.unpacked(stored.packed(store), ECFP4, store.y).x, x)


def test_features_of_other_structures_versions_or_rdkit_are_made_anew(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored.featurised(GRAPH, molecules("CCO", "C"))
    assert len(stored.featurised(GRAPH, molecules("CCO")).node_type) == 3
    assert stored.featurised(GRAPH, molecules("C", "CCO")).node_ptr.tolist() == [0, 1, 4]
    monkeypatch.setattr(smiles, "rdkit_version", lambda: "0")
    stored.featurised(GRAPH, molecules("CCO", "C"))
    assert len(list(folder.iterdir())) == 4


def test_features_that_were_mended_are_made_anew(folder: Path) -> None:
    made = [stored.featurised(replace(ECFP4, mended=mended), molecules("CCO")) for mended in (0, 1, 1)]
    assert len(made) == 3
    assert len(list(folder.iterdir())) == 2
    assert DESCRIPTORS.mended == ECFP4_DESCRIPTORS.mended == 1


@pytest.mark.thorough
def test_a_second_start_needs_no_rdkit(folder: Path, shared: Path) -> None:
    program = """
import sys
from pathlib import Path
from pbgraph.datasets.load import load
from pbgraph.datasets.tox21 import TOX21
from pbgraph.features.stored import featurised
from pbgraph.features.descriptors import DESCRIPTORS, ECFP4_DESCRIPTORS
from pbgraph.features.fingerprints import ECFP4

featurised(ECFP4, load(TOX21, folder=Path(sys.argv[1]), offline=True))
print("rdkit" in sys.modules)
"""
    start = [sys.executable, "-c", program, str(shared / "data")]
    outputs = [subprocess.run(start, capture_output=True, text=True, check=True).stdout.strip() for _ in range(2)]
    assert outputs == ["True", "False"]
