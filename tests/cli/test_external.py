"""`score` and `splits`: results of other tools beside ours, from the files that they train on to the row."""

from __future__ import annotations

import csv
import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rdkit import Chem

from own_tables import write
from pbgraph import api, bench
from pbgraph.datasets.load import load
from pbgraph.report.leaderboard import leaderboard
from pbgraph.results.described import dataset_of, user_table_names
from pbgraph.results.folder import ResultsFolder, read_record
from pbgraph.splits import SPLITS

pytestmark = pytest.mark.lengthy

NAME = "chemprop 2.3"
ARM = f"{NAME}/external"
SEEDS = (5, 6)
TARGETS = ("toxic", "even")
COLUMNS = ("--smiles", "SMILES", "--targets", *TARGETS, "--id", "name")


def call(*argv: object) -> int:
    return bench.main([str(word) for word in argv])


@pytest.fixture(scope="module")
def ours(tmp_path_factory) -> Path:
    """A folder with my.csv, runs of knn on it, and split files."""
    folder = tmp_path_factory.mktemp("external")
    options = ("--models", "knn", "--preset", "smoke", "--seeds", "5-6", "--jobs", "1", "--results", folder / "results")
    assert call("train", write(folder), *COLUMNS, *options) == 0
    options = ("--seeds", "5-6", "--write", folder / "splits", "--results", folder / "results")
    assert call("splits", user_table_names(ResultsFolder(folder / "results"))[0], *options) == 0
    return folder


@pytest.fixture
def project(ours, tmp_path) -> Path:
    """A copy to be added to."""
    shutil.copytree(ours, tmp_path / "project")
    return tmp_path / "project"


def task(folder: Path) -> str:
    return user_table_names(ResultsFolder(folder / "results"))[0]


def rows_of(folder: Path, seed: int, part: str = "test") -> list[dict[str, str]]:
    with (folder / "splits" / f"{task(folder)}-random-{seed}" / f"{part}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def predicted(folder: Path, seed: int, part: str = "test", *, wrong: int = 2) -> list[dict[str, str]]:
    """What a tool that is right but for every so many molecules predicts."""
    return [
        {"name": row["name"], **{t: str(abs(float(row[t] or 0) - (0.75 if n % wrong else 0.25))) for t in TARGETS}}
        for n, row in enumerate(rows_of(folder, seed, part))
    ]


def write_rows(path: Path, rows: list[dict[str, str]]) -> Path:
    with path.open("w", newline="") as file:
        out = csv.DictWriter(file, list(rows[0]))
        out.writeheader()
        out.writerows(rows)
    return path


def score(folder: Path, *files: Path, seeds: str = "5", name: str = NAME, options: tuple[object, ...] = ()) -> int:
    words = ("--name", name, "--seeds", seeds, "--preset", "smoke", "--results", folder / "results", *options)
    return call("score", task(folder), *files, *words)


def scored(folder: Path, **what: object):
    return [one for one in ResultsFolder(folder / "results").records(task(folder)) if one.spec.external]


def test_a_row_of_another_tool_stands_beside_ours_everywhere(project, capsys):
    files = [write_rows(project / f"{seed}.csv", predicted(project, seed)) for seed in SEEDS]
    assert score(project, *files, seeds="5-6") == 0
    said = capsys.readouterr().out
    assert said.count(f"{ARM} seed") == said.count("average precision") == 2
    assert "ECE" not in said  # which tables do not show unasked either
    folder = ("--preset", "smoke", "--results", project / "results")
    for form in ("md", "csv", "html", "tex", "json"):
        assert call("table", task(project), *folder, "--format", form) == 0
        assert "external" in capsys.readouterr().out
    assert call("table", task(project), *folder, "--models", NAME) == 0
    alone = capsys.readouterr().out
    assert "scored from 5.csv, sha256" in alone
    assert "knn" not in alone
    assert "source commit" not in alone
    assert call("compare", task(project), ARM, "knn/fit", *folder) == 0
    assert f"| seed | {ARM} | knn/fit |" in capsys.readouterr().out
    assert call("runs", task(project), "--methods", "external", "--results", project / "results") == 0
    listed = capsys.readouterr().out
    assert listed.count(ARM) == 2
    frame = api.read(project / "results", task(project)).to_frame()
    assert sorted(frame[frame.scored_from.notna()].method) == ["external", "external"]
    assert NAME in leaderboard(ResultsFolder(project / "results"))


def test_it_is_verified_merged_shown_and_moved_away_like_a_run(project, tmp_path, capsys):
    assert score(project, write_rows(project / "5.csv", predicted(project, 5))) == 0
    (record,) = scored(project)
    assert call("verify", project / "results") == 0
    receipt = json.loads(capsys.readouterr().out.split("\n", 1)[1])
    assert receipt["checked"]["external results"] == 1
    assert call("merge", project / "results", "--results", tmp_path / "other") == 0
    merged = ResultsFolder(tmp_path / "other").finished(task(project), record.key)
    assert merged == record
    capsys.readouterr()
    assert call("show", record.key, "--results", project / "results") == 0
    shown = capsys.readouterr().out
    assert "predicted by another tool" in shown
    assert "from 5.csv, sha256" in shown
    assert call("rm", record.key, "--results", project / "results") == 0
    assert not scored(project)


def test_the_score_is_that_of_the_predictions(project):
    from sklearn.metrics import roc_auc_score

    rows = predicted(project, 5)
    assert score(project, write_rows(project / "5.csv", rows[::-1])) == 0
    (record,) = scored(project)
    for target in TARGETS:
        pairs = [
            (float(true[target]), float(said[target]))
            for true, said in zip(rows_of(project, 5), rows, strict=True)
            if true[target]
        ]
        expected = roc_auc_score(*zip(*pairs, strict=True))
        assert math.isclose(record.scores["test"].tasks[target].metrics["roc_auc"], expected)
    assert record.scores["valid"].size == len(rows_of(project, 5, "valid"))
    assert record.scores["valid"].metrics["roc_auc"] is None
    assert record.cost is None


def test_validation_rows_are_scored_where_all_are_there_and_training_rows_never(project):
    rows = [row for part in ("train", "valid", "test") for row in predicted(project, 5, part)]
    assert score(project, write_rows(project / "all.csv", rows)) == 0
    (record,) = scored(project)
    assert record.scores["valid"].metrics["roc_auc"] is not None
    assert set(record.scores) == {"valid", "test"}
    assert call("verify", project / "results") == 0


@pytest.mark.parametrize("spelling", ["as in the data", "another", "parquet"])
def test_molecules_are_found_by_structure_however_it_is_written(project, spelling):
    import pandas

    by_name = write_rows(project / "names.csv", predicted(project, 5))
    assert score(project, by_name, name="by name") == 0
    smiles = {row["name"]: row["SMILES"] for row in rows_of(project, 5)}
    if spelling == "another":
        smiles = {name: Chem.MolToSmiles(Chem.MolFromSmiles(s), rootedAtAtom=1) for name, s in smiles.items()}
    rows = [{"SMILES": smiles[row.pop("name")], **row} for row in predicted(project, 5)]
    path = write_rows(project / "structures.csv", rows)
    if spelling == "parquet":
        pandas.DataFrame(rows).to_parquet(path := project / "structures.parquet")
    assert score(project, path, name="by structure") == 0
    one, other = scored(project)
    assert one.scores == other.scores
    assert one.predictions_sha256 == other.predictions_sha256


def spoilt(rows: list[dict[str, str]], how: str) -> list[dict[str, str]]:
    first, *rest = rows
    return {
        "missing": rest,
        "twice": [*rows, first],
        "stranger": [{**first, "name": "M999"}, *rest],
        "no number": [{**first, "toxic": "high"}, *rest],
        "no probability": [{**first, "toxic": "-3.2"}, *rest],
        "blank": [{**first, "toxic": ""}, *rest],
        "no target": [{name: cell for name, cell in row.items() if name != "even"} for row in rows],
        "no name": [{"molecule" if name == "name" else name: cell for name, cell in row.items()} for row in rows],
    }[how]


@pytest.mark.parametrize(
    ("how", "code", "message"),
    [
        ("missing", 3, "1 of 12 test (split random, seed 5) molecules are not there: M"),
        ("twice", 3, "1 test (split random, seed 5) molecules are there more than once: M"),
        ("stranger", 3, "1 rows are of no molecule of my-"),
        ("no number", 3, "5.csv: expected a probability of class 1, in [0, 1], but line 2, column toxic: 'high'"),
        ("no probability", 3, "line 2, column toxic: '-3.2'"),
        ("blank", 3, "line 2, column toxic: ''"),
        ("no target", 2, "5.csv has no column even"),
        ("no name", 2, "say which with --id COL or --smiles COL"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_with_molecule_or_line(project, capsys, how, code, message):
    path = write_rows(project / "5.csv", spoilt(predicted(project, 5), how))
    assert score(project, path) == code
    assert message in capsys.readouterr().err
    assert not scored(project)


def test_the_split_of_another_seed_is_noticed(project, capsys):
    assert score(project, write_rows(project / "6.csv", predicted(project, 6)), seeds="5") == 3
    assert "see that --split and --seeds are those that the tool was trained with" in capsys.readouterr().err


def test_other_predictions_need_another_name(project, capsys):
    first, second = (write_rows(project / f"{wrong}.csv", predicted(project, 5, wrong=wrong)) for wrong in (2, 3))
    assert [score(project, first), score(project, first)] == [0, 0]
    assert "which was there already" in capsys.readouterr().out
    assert score(project, second) == 2
    assert "give this one another --name, or move that away with 'rm" in capsys.readouterr().err
    assert score(project, second, name="another") == 0
    assert len(scored(project)) == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--name", "a/b", "--seeds", "5"), "a name has 1 to 200 printable characters and no slash"),
        (("--name", " ", "--seeds", "5"), "the tool is called ' '"),
        (("--name", "a", "--seeds", "5-6"), "--seeds has 2 and there are 1 files"),
        (("--name", "a", "--seeds", "5", "--split", "skaffold"), "did you mean 'scaffold'?"),
        (("--name", "a", "--seeds", "5", "--id", "nme"), "--id nme: 5.csv has no such column"),
        (("--name", "a", "--seeds", "99", "--split", "cv5x5"), "takes seeds 0 to 24"),
    ],
)
def test_wrong_usage_is_said(project, capsys, words, message):
    path = write_rows(project / "5.csv", predicted(project, 5))
    assert call("score", task(project), path, *words, "--preset", "smoke", "--results", project / "results") == 2
    assert message in capsys.readouterr().err


def test_what_a_tool_was_trained_on_beside_is_said_in_tables(project, capsys):
    path = write_rows(project / "5.csv", predicted(project, 5))
    assert score(project, path, options=("--pretrained-on", "ZINC20")) == 0
    assert call("table", task(project), "--preset", "smoke", "--seeds", "5", "--results", project / "results") == 0
    assert f"pretrained elsewhere: {NAME} by its own, on ZINC20 (1 run)" in capsys.readouterr().out


def test_edits_are_found(project):
    assert score(project, write_rows(project / "5.csv", predicted(project, 5))) == 0
    results, (record,) = ResultsFolder(project / "results"), scored(project)
    results.record_path(record.spec).unlink()
    better = replace(record.scores["test"], metrics=dict.fromkeys(record.metrics, 1.0))
    results.write(replace(record, scores={**record.scores, "test": better}))
    assert read_record(results.record_path(record.spec)).scores["test"].metrics["roc_auc"] == 1.0
    assert call("verify", results.root) == 1


def test_splits_without_seeds_have_one_folder(project, capsys):
    words = ("--split", "butina", "--write", project / "more", "--results", project / "results")
    assert call("splits", task(project), *words) == 0
    names = {path.name for path in (project / "more").iterdir()}
    assert names == {f"{task(project)}.csv", f"{task(project)}-butina"}
    assert call("splits", task(project), *words, "--seeds", "5") == 2
    assert "takes no seed" in capsys.readouterr().err
    molecules = load(dataset_of(task(project), ResultsFolder(project / "results")))
    numbers = json.loads((project / "more" / f"{task(project)}-butina" / "splits.json").read_text())[0]
    np.testing.assert_array_equal(numbers["test"], SPLITS.get("butina").split(molecules, None).test)


def test_how_much_of_a_test_had_a_part_in_choices(ours, capsys):
    options = ("--results", ours / "results")
    assert call("splits", task(ours), "--seeds", "5-6", "5", "--chosen-by", "0", "2-3", *options) == 0
    out = capsys.readouterr().out
    dataset = dataset_of(task(ours), ResultsFolder(ours / "results"))
    rows = SPLITS.get("random")
    valid = {row for seed in (0, 2, 3) for row in rows.split(load(dataset), seed).valid.tolist()}
    for seed, line in zip((5, 6), out.splitlines()[2:-2], strict=True):
        tests = rows.split(load(dataset), seed).test.tolist()
        shared = sum(row in valid for row in tests)
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        assert cells == [str(seed), str(len(tests)), str(shared), f"{shared / len(tests):.1%}"]
    assert "validation rows of seeds 0, 2-3 among them" in out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--seeds", "5", "--chosen-by", "x"), "seed 'x' is neither a number nor a range"),
        (("--chosen-by", "0-2"), "split 'random' needs a seed"),
        (("--split", "scaffold", "--chosen-by", "0"), "split 'scaffold' takes no seed"),
        (("--seeds", "5", "--chosen-by", "0", "--write", "folder"), "not allowed with argument"),
        (("--seeds", "5"), "one of the arguments --write --chosen-by is required"),
    ],
)
def test_bad_questions_about_choices_are_one_line(ours, capsys, options, message):
    assert call("splits", task(ours), *options, "--results", ours / "results") == 2
    said = capsys.readouterr()
    assert message in said.err
    assert said.err.count("\n") == 1
    assert said.out == ""
