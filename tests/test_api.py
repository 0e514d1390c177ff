"""pbgraph from Python gives what the command line gives."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from made_records import make_failure, make_record
from own_tables import write
from pbgraph import api
from pbgraph.errors import DataError, UsageError
from pbgraph.prediction.predict import Predictor
from pbgraph.results.folder import ResultsFolder


@pytest.fixture
def results(tmp_path) -> api.Results:
    folder = ResultsFolder(tmp_path)
    for seed, plain, grown in [(68, 0.80, 0.85), (69, 0.82, 0.83), (70, 0.84, 0.88)]:
        folder.write(make_record("trimnet/backprop", seed, plain))
        folder.write(make_record("trimnet/perforated", seed, grown))
    folder.write(make_failure("gin/backprop", 68, "ValueError: no"))
    return api.read(tmp_path, "tox21")


def test_frames_have_a_row_for_each_run_task_and_epoch(results):
    frame = results.to_frame()
    assert len(frame) == 7
    assert frame.groupby("arm").test_roc_auc.mean()["trimnet/backprop"] == pytest.approx(0.82)
    assert list(frame[frame.status == "failed"].error) == ["ValueError: no"]
    assert {"config.hidden", "settings.epochs", "seconds", "commit", "valid_roc_auc"} <= set(frame.columns)
    assert len(results.histories()) == 12
    assert list(results.histories().columns[-7:])[:2] == ["epoch", "phase"]
    assert len(results.to_frame(per="task")) == 0
    with pytest.raises(UsageError, match="did you mean 'task'"):
        results.to_frame(per="tasks")


def test_of_no_run_there_is_an_empty_frame(tmp_path):
    none = api.read(tmp_path / "none", "tox21")
    assert len(none.to_frame()) == len(none.histories()) == 0
    with pytest.raises(UsageError, match="holds no run of tox21"):
        none.table()


def test_tables_comparisons_and_pictures_are_those_of_the_commands(results, tmp_path):
    assert re.search(r"\| trimnet +\| perforated \|", results.table())
    header = results.table(columns=["method", "roc_auc"]).splitlines()[4].split("|")
    assert [cell.strip() for cell in header] == ["", "method", "ROC-AUC", ""]
    assert "{method} & {ROC-AUC}" in results.table("tex", columns=["method", "roc_auc"])
    rows = json.loads(results.table("json", arms=["trimnet/backprop"], seeds=[68, 69]))["rows"]
    assert [row["seeds"] for row in rows] == [[68, 69]]
    assert results.compare("trimnet/perforated", "trimnet/backprop").mean == pytest.approx(0.1 / 3)
    every = results.compare_all(arms=["trimnet/perforated", "trimnet/backprop"])
    assert [str(arm) for arm in every.arms] == ["trimnet/perforated", "trimnet/backprop"]
    assert every.scores.shape == (3, 2)
    assert len(every.pairs) == 1
    path = results.draw(tmp_path / "curves.svg")
    assert path.read_text().startswith("<?xml")
    for wrong in (
        lambda: results.table("word"),
        lambda: results.table(columns=["words"]),
        lambda: results.table("csv", columns=["model"]),
        lambda: results.table(arms=["trimnet/perforatd"]),
        lambda: results.compare("trimnet/perforatd", "trimnet/backprop"),
        lambda: results.compare("trimnet", "trimnet/backprop"),
        lambda: results.draw(tmp_path / "curves.doc"),
        lambda: results.table(preset="paper"),
        lambda: api.read(tmp_path, "tox12"),
    ):
        with pytest.raises(UsageError):
            wrong()


def test_a_part_of_a_plan_is_judged_among_all_its_comparisons(tmp_path):
    """Of the committed runs, so that nothing is left to be trained."""
    folder, committed = ResultsFolder(tmp_path), ResultsFolder(Path(__file__).parents[1] / "results")
    for record in committed.records("tox21"):
        if record.spec.preset == "default" and not record.spec.external:
            folder.write(record)
    part = api.run("tox21", models=["trimnet"], methods=["backprop", "perforated"], results=tmp_path, jobs=1)
    assert {record.spec.arm.method for record in part.records} == {"backprop", "perforated"}
    of_part = part.compare("trimnet/perforated", "trimnet/backprop")
    of_all = api.read(tmp_path, "tox21").compare("trimnet/perforated", "trimnet/backprop")
    assert of_part.p_holm == of_all.p_holm > of_part.p
    assert "random-forest" not in part.table()


def test_what_a_plan_file_declares_holds_for_what_it_ran(tmp_path):
    """Of the committed runs, so that nothing is left to be trained."""
    folder, committed = ResultsFolder(tmp_path / "results"), ResultsFolder(Path(__file__).parents[1] / "results")
    for record in committed.records("tox21"):
        if record.spec.preset == "default" and not record.spec.external:
            folder.write(record)
    path = tmp_path / "mine.toml"
    path.write_text(
        'preset = "default"\ntask = "tox21"\nmargin = 0.02\nprimary = ["gin/backprop", "random-forest/fit"]\n'
        '[[arms]]\nmodel = "gin"\nmethod = "backprop"\n[[arms]]\nmodel = "random-forest"\nmethod = "fit"\n'
    )
    mine = api.run("tox21", preset=path, results=folder.root, jobs=1)
    assert mine.preset == str(path)
    assert "0.02 is the smallest difference that matters" in mine.table()
    assert "Primary comparison" in mine.table()
    assert mine.compare("gin/backprop", "random-forest/fit").margin.relevant == 0.02


@pytest.mark.lengthy
def test_a_table_of_ones_own_is_run_read_and_predicted_with(tmp_path):
    table = api.own_table(write(tmp_path), smiles="SMILES", targets=["toxic"])
    options = {
        "models": ["random-forest", "gin"],
        "methods": ["fit", "backprop"],
        "seeds": [1],
        "results": tmp_path / "r",
        "jobs": 1,
    }
    settings = ["gin.hidden=8"]
    made = api.run(table, "smoke", settings=settings, save_models=True, **options)
    assert set(made.to_frame().arm) == {"random-forest/fit", "gin/backprop:hidden=8"}
    again = api.run(table, "smoke", settings=settings, **options)  # nothing of it is done again
    assert again.records == made.records
    assert {one.key for one in api.read(tmp_path / "r", table.name).records} == {one.key for one in made.records}
    assert (
        made.table().count("| 1 of 1 |") + made.table().count("|     1 |") == 2
    )  # the plan's rows and seeds, no other
    assert made.draw(tmp_path / "curves.svg").exists()
    assert set(made.to_frame(per="task").target) == {"toxic"}
    folder = tmp_path / "r" / "models" / table.name
    found = api.predict(api.load_model(folder, arm="random-forest/fit"), ["CCN", "C1CC"])
    assert found.mean.shape == (2, 1)
    assert [bool(error) for error in found.errors] == [False, True]
    assert np.isnan(found.mean[1, 0])
    both = ["random-forest/fit", "gin/backprop:hidden=8"]
    together = made.average(*both, name="both")
    assert together.records[:2] == made.records
    assert [str(record.spec.arm) for record in together.records[2:]] == ["both/external"]
    assert "| both " in together.table()
    assert together.average(*both, name="both") == together, "it is there already"
    assert "both/external" in map(str, together.compare_all().arms)
    for arms, said in (
        (both[:1], "two arms at least"),
        ((both[0], both[0]), "each of them once"),
        ((both[0], "gin/backprp"), "gin/backprp"),
    ):
        with pytest.raises(UsageError, match=said):
            made.average(*arms)
    (one,) = [record.key for record in made.records if record.spec.model == "gin"]
    assert api.predict(folder / one, ["CCN"]).mean.shape == (1, 1)
    with pytest.raises(UsageError, match="several kinds of models"):
        api.load_model(folder)


def test_a_single_value_is_not_taken_for_several(results, tmp_path):
    path = write(tmp_path)
    for name, wrong in (
        ("models", lambda: api.run("tox21", models="gin", results=tmp_path)),
        ("methods", lambda: api.run("tox21", methods="all", results=tmp_path)),
        ("seeds", lambda: api.run("tox21", seeds=68, results=tmp_path)),
        ("settings", lambda: api.run("tox21", settings="gin.hidden=8", results=tmp_path)),
        ("models", lambda: results.table(models="trimnet")),
        ("arms", lambda: results.table(arms="trimnet/backprop")),
        ("metrics", lambda: results.table(metrics="mcc")),
        ("columns", lambda: results.table(columns="method")),
        ("seeds", lambda: results.compare("trimnet/perforated", "trimnet/backprop", seeds="68")),
        ("arms", lambda: results.compare_all(arms="trimnet/backprop")),
        ("seeds", lambda: results.draw(tmp_path / "a.svg", seeds=68)),
        ("targets", lambda: api.own_table(path, smiles="SMILES", targets="toxic")),
        ("missing", lambda: api.own_table(path, smiles="SMILES", targets=["toxic"], missing="NA")),
        ("smiles", lambda: api.predict(Predictor(()), "CCO")),
    ):
        with pytest.raises(UsageError, match=f"^{name}=.*: expected several, or a list of one"):
            wrong()


def test_what_is_wrong_is_said_before_anything_is_run(tmp_path):
    with pytest.raises(UsageError, match="did you mean 'trimnet'"):
        api.run("tox21", models=["trimnt"], results=tmp_path)
    with pytest.raises(UsageError, match="jobs=0"):
        api.run("tox21", jobs=0, results=tmp_path)
    with pytest.raises(UsageError, match=r"SCOPE\.FIELD=VALUE"):
        api.run("tox21", settings=["hidden"], results=tmp_path)
    with pytest.raises(UsageError, match="did you mean 'tox21'"):
        api.run("tox12", results=tmp_path)
    with pytest.raises(UsageError, match="holds no saved model"):
        api.load_model(tmp_path)
    assert list(Path(tmp_path).iterdir()) == []


def test_data_that_are_not_there_are_an_error_with_the_ways_to_get_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PBGRAPH_DATA", raising=False)
    monkeypatch.setenv("PBGRAPH_CACHE", str(tmp_path / "cache"))
    with pytest.raises(DataError, match="--data DIR"):
        api.run("tox21", results=tmp_path / "results", offline=True)
    assert not (tmp_path / "results").exists()
