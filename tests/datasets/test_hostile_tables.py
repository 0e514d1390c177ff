"""Tables made to do harm, by the hundred: an exit code and a sentence each, and every row is used or named."""

from __future__ import annotations

import contextlib
import csv
import io
import os
import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pbgraph import bench
from pbgraph.datasets.user.table import describe, to_dataset
from pbgraph.errors import PbgraphError
from pbgraph.prediction.molecule_files import read_chunks
from pbgraph.structures.smiles import examined

GOOD = ("CCO", "c1ccccc1O", "CC(=O)N", "C1CCNCC1", "[Na+].[Cl-]", "C/C=C/Cl", "N[C@@H](C)C(=O)O", "C")
PIECES = (
    *(
        "C",
        "c1",
        "1",
        "(",
        ")",
        "[",
        "]",
        "=",
        "#",
        "~",
        "*",
        ".",
        "->",
        "<-",
        "$",
        "/",
        "\\",
        "@",
        "%12",
        "%(99)",
        ">>",
    ),
    *("[#119]", "[#6]", "[2H]", "[C:7]", "[Fe+2]", "[C@TH9]", "[nH]", "[999C]", "[C+99]", "|^1:0|", " name", "{}", "О"),
    *("\u2212", "\u200b", "\xa0", "\t", "\n", "\r\n", "\x1b[2J", "\x7f", '"', '""', ",", ";", "'", "é", "\U0001f9ea"),
)
HOSTILE = st.lists(st.sampled_from(PIECES), max_size=8).map("".join)
STRUCTURES = st.one_of(st.sampled_from(GOOD), HOSTILE, st.text(st.characters(exclude_categories=["Cs"]), max_size=8))
LABELS = st.one_of(
    st.sampled_from(
        ["0", "1", "1.00", "+1", "1e0", "yes", "NO", "", "NA", "-1", "0.5", "1,037", "\u22121", ">10", "inf", "1e99"]
    ),
    HOSTILE,
)
NAMES = st.one_of(st.just("toxic"), st.sampled_from(["-logS", "a,b;c", "sol\n(log S)", "to\x1b[31mx", "=1+1", "naïve"]))
EXITS = {0, 2, 3}
CLASS = {"0": 0, "no": 0, "1.00": 1, "yes": 1, "": None}


@st.composite
def tables(draw: st.DrawFn, labels: st.SearchStrategy[str] = LABELS) -> tuple[str, list[list[str]], str]:
    """Name of the label column, rows of three cells, and a separator."""
    rows = draw(st.lists(st.tuples(STRUCTURES, labels, HOSTILE).map(list), min_size=1, max_size=25))
    return draw(NAMES), [[cell.replace("\0", "") for cell in row] for row in rows], draw(st.sampled_from(",;\t"))


def content(name: str, rows: list[list[str]], separator: str) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=separator, lineterminator="\n").writerows([["SMILES", name, "note"], *rows])
    return out.getvalue().encode()


def trained(path: Path, name: str) -> tuple[int, str]:
    """Exit code of a dry run of ``train``, and what it said."""
    said = io.StringIO()
    words = ["train", str(path), "--smiles", "SMILES", f"--targets={name}", "--models", "random-forest", "--dry-run"]
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
        code = bench.main(words)
    return code, said.getvalue()


def check_train(table: tuple[str, list[list[str]], str]) -> None:
    name, rows, separator = table
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "my.csv"
        path.write_bytes(content(name, rows, separator))
        code, said = trained(path, name)
    assert code in EXITS, said
    assert "Traceback" not in said
    assert "\x1b" not in said
    if code == 0:
        used, total = map(int, re.search(r"(\d+) of (\d+) rows can be used", said).groups())
        left_out = re.search(r"(\d+) of \d+ rows left out", said)
        assert total == len(rows)
        assert used + (int(left_out[1]) if left_out else 0) == len(rows)
        assert used == sum(reason is None for reason, _ in examined([row[0] for row in rows]))
    else:
        assert len(said) < 10_000
        assert "pbgraph: " in said


def check_rows(table: tuple[str, list[list[str]], str]) -> None:
    """Labels that are all right: the table is read, whatever else is in it, and so is it for predictions."""
    name, rows, separator = table
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "my.csv"
        path.write_bytes(content(name, rows, separator))
        smiles = [one for chunk in read_chunks(path, form="csv", smiles="SMILES") for one in chunk.smiles]
        found = examined(smiles)
        usable = [row for row, (reason, _) in enumerate(found) if reason is None]
        read = None
        with contextlib.suppress(PbgraphError):
            read = to_dataset(describe(path, smiles="SMILES", targets=[name], kind="classification")).load(None)
    assert len(smiles) == len(rows)
    if read is None:  # as it must be unless both classes are there
        assert len({CLASS[rows[row][1]] for row in usable} - {None}) < 2
        return
    assert read.rows.tolist() == usable
    assert [one.row for one in read.rejected] == [row for row in range(len(rows)) if row not in usable]
    assert all(one.reason for one in read.rejected)


def check_bytes(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "my.csv"
        path.write_bytes(data)
        code, said = trained(path, "toxic")
        assert code in EXITS, said
        assert "Traceback" not in said
        with contextlib.suppress(PbgraphError):
            for chunk in read_chunks(path, form="csv", smiles="SMILES"):
                assert len(chunk.smiles) == len(examined(chunk.smiles)) == len(chunk.errors)


@st.composite
def spoilt(draw: st.DrawFn) -> bytes:
    """The bytes of a table with some of them changed, put in, or cut off."""
    data = bytearray(content("toxic", draw(tables())[1], draw(st.sampled_from(",;\t"))))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(data)))
        data[at : at + draw(st.integers(0, 3))] = draw(
            st.sampled_from([b'"', b"\n", b"\r", b"\0", b"\xff", b",", b"\xc3", b";"])
        )
    head = draw(
        st.sampled_from([b"", b"", b"\xef\xbb\xbf", b"\xff\xfe", b"sep=;\n", b"PAR1", b"\x1f\x8b", b"PK\x03\x04"])
    )
    return head + bytes(data[: draw(st.integers(0, len(data)))] if draw(st.booleans()) else data)


GOOD_LABELS = st.sampled_from(list(CLASS))
CHECKS = {"train": (check_train, tables()), "rows": (check_rows, tables(GOOD_LABELS)), "bytes": (check_bytes, spoilt())}


def run(which: str, examples: int) -> None:
    check, strategy = CHECKS[which]
    checked = settings(
        max_examples=examples, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
    )
    checked(given(strategy)(check))()


@pytest.mark.parametrize("which", CHECKS)
def test_a_few_hostile_tables(which):
    run(which, 20)


@pytest.mark.slow
@pytest.mark.parametrize("which", CHECKS)
def test_hundreds_of_hostile_tables(which):
    run(which, int(os.environ.get("PBGRAPH_HOSTILE", "500")))
