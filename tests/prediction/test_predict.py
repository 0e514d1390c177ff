"""Saved models: the numbers of the run that made them, for any file of molecules."""

from __future__ import annotations

import csv
import gzip
import io
import os
import shutil
from dataclasses import replace
from pathlib import Path
from threading import Thread

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from own_tables import lines, names_predicted, write
from pbgraph import bench
from pbgraph.datasets import text_table
from pbgraph.datasets.sheet import read_content
from pbgraph.datasets.user.table import describe, to_dataset
from pbgraph.errors import DataError, UsageError
from pbgraph.execution import runner
from pbgraph.execution.fitting import RunOptions
from pbgraph.models.base import MODELS, Estimator
from pbgraph.plans.plan import plan
from pbgraph.prediction import molecule_files
from pbgraph.prediction.molecule_files import read_chunks
from pbgraph.prediction.predict import load_predictor
from pbgraph.prediction.saved import read_model, write_model
from pbgraph.results.arms import Arm, parse_arm
from pbgraph.results.described import keep
from pbgraph.results.folder import ResultsFolder

pytestmark = pytest.mark.lengthy

SMILES = [row[0] for row in lines()[1:]]


def call(*argv: object) -> int:
    return bench.main([str(word) for word in argv])


def trained(folder: Path, targets: list[str], arms: dict[str, list[str]], seeds: list[int]) -> ResultsFolder:
    """Results with saved models of these arms, model -> methods, on the table of 120 molecules; forests are small."""
    results = ResultsFolder(folder / "results")
    task = describe(write(folder), smiles="SMILES", targets=targets, id="name")
    keep(task, results)
    options = RunOptions(results.root, save_models=True)
    for model, methods in arms.items():
        made = plan(to_dataset(task), "smoke", models=[model], methods=methods, seeds=seeds).specs
        few = {"trees": 20} if model == "random-forest" else {}
        specs = [replace(spec, model_config={**spec.model_config, **few}) for spec in made]
        assert {runner.run(spec, options).status for spec in specs} == {"finished"}
    return results


@pytest.fixture(scope="module")
def classes(tmp_path_factory) -> ResultsFolder:
    arms = {"gin": ["backprop", "ensemble"], "random-forest": ["fit"]}
    return trained(tmp_path_factory.mktemp("classes"), ["toxic", "even"], arms, [1])


@pytest.fixture(scope="module")
def values(tmp_path_factory) -> ResultsFolder:
    return trained(tmp_path_factory.mktemp("values"), ["logP"], {"gin": ["backprop"], "ridge": ["fit"]}, [1, 2])


def records(results: ResultsFolder):
    (task,) = [path.stem for path in (results.root / "tasks").iterdir()]
    return results.records(task)


def model_of(results: ResultsFolder, arm: str) -> Path:
    return next(results.model_path(record.spec) for record in records(results) if record.spec.arm == parse_arm(arm))


@pytest.mark.parametrize("which", ["classes", "values"])
def test_every_arm_predicts_what_its_run_did(which, request):
    results = request.getfixturevalue(which)
    names = {row[3]: row[0] for row in lines()[1:]}
    for record in records(results):
        predictor = load_predictor(results.model_path(record.spec))
        table = parquet.read_table(results.predictions_path(record.spec)).to_pydict()
        made = predictor([names[name] for name in names_predicted(results, record, table["row"])])
        column = [predictor.targets.index(task) for task in table["task"]]
        score = np.array(table["score"])
        np.testing.assert_allclose(
            made.mean[np.arange(len(column)), column], score, rtol=2e-3, atol=1e-6, err_msg=str(record.spec.arm)
        )
        assert made.sd is None
        assert set(made.errors) == {""}
    assert len(records(results)) == 4


def test_a_saved_network_has_its_dendrites(classes):
    grown = [record for record in records(classes) if record.spec.arm == Arm("gin", "perforated")]
    facts, state = read_model(classes.model_path(grown[0].spec))
    assert facts.spec == grown[0].spec
    assert (facts.targets, facts.kind, facts.smiles_column) == (("toxic", "even"), "classification", "SMILES")
    kept = {len(site["dendrites"]) for site in state["network"]["structure"].values()}
    assert kept == {grown[0].details["dendrites"]}


def test_an_estimator_is_recorded_as_computed_on_the_cpu_whatever_the_networks_compute_on(classes, tmp_path):
    (spec,) = [record.spec for record in records(classes) if record.spec.arm == Arm("random-forest", "fit")]
    shutil.copytree(classes.root / "tasks", tmp_path / "tasks")
    record = runner.run(spec, RunOptions(tmp_path, data=classes.root.parent), device="cuda")
    assert (record.status, record.provenance.device) == ("finished", "cpu")


def test_models_of_several_seeds_are_averaged(values):
    folder = model_of(values, "gin/backprop").parent
    there = "There are: arm gin/backprop, preset smoke, split random, seeds 1-2; arm ridge/fit, .* Choose with --arm"
    with pytest.raises(UsageError, match=there):
        load_predictor(folder)
    both = load_predictor(folder, [Arm("gin", "backprop")])(SMILES)
    singly = [load_predictor(values.model_path(r.spec))(SMILES).mean for r in records(values) if r.spec.model == "gin"]
    np.testing.assert_allclose(both.mean, np.mean(singly, axis=0))
    np.testing.assert_allclose(both.sd, np.std(singly, axis=0, ddof=1))


def test_arms_are_averaged_each_counting_alike_however_many_models_it_has(values, tmp_path, capsys):
    folder = model_of(values, "gin/backprop").parent
    arms = [Arm("gin", "backprop"), Arm("ridge", "fit")]
    singly = [load_predictor(folder, [arm])(SMILES) for arm in arms]
    np.testing.assert_allclose(load_predictor(folder, arms)(SMILES).mean, (singly[0].mean + singly[1].mean) / 2)
    shutil.copytree(folder, tmp_path / "models")
    shutil.rmtree(tmp_path / "models" / model_of(values, "ridge/fit").name)
    ridge = load_predictor(tmp_path / "models", arms[1:])
    three = load_predictor(tmp_path / "models", arms)
    assert (len(ridge.models), len(three.models)) == (1, 3)
    made = three(SMILES)
    np.testing.assert_allclose(made.mean, (singly[0].mean + ridge(SMILES).mean) / 2)
    every = [load_predictor(path)(SMILES).mean for path in (tmp_path / "models").iterdir()]
    np.testing.assert_allclose(made.sd, np.std(every, axis=0, ddof=1))
    source, out = write(tmp_path), tmp_path / "out.csv"
    capsys.readouterr()
    assert call("predict", tmp_path / "models", source, out, "--arm", "gin/backprop", "--arm", "ridge/fit") == 0
    assert "3 models gin/backprop and ridge/fit: " in capsys.readouterr().err
    header, *rows = csv.reader(out.open())
    assert header == ["name", "smiles", "logP", "logP_sd", "error"]
    by_smiles = {row[1]: row for row in rows}
    np.testing.assert_allclose([float(by_smiles[text][2]) for text in SMILES], made.mean[:, 0], rtol=1e-6)


def test_arms_that_do_not_predict_the_same_are_not_averaged(values, classes, tmp_path, capsys):
    folder = model_of(values, "gin/backprop").parent
    gin, ridge = Arm("gin", "backprop"), Arm("ridge", "fit")
    with pytest.raises(UsageError, match=r"gin/backprop is named twice"):
        load_predictor(folder, [gin, ridge, gin])
    with pytest.raises(
        UsageError, match=r"holds no model with arm ridge/other\. There are: arm gin/backprop, .*ridge/fit"
    ):
        load_predictor(folder, [gin, Arm("ridge", "other")])
    shutil.copytree(model_of(values, "gin/backprop"), tmp_path / "a")
    shutil.copytree(model_of(classes, "random-forest/fit"), tmp_path / "b")
    arms = [gin, Arm("random-forest", "fit")]
    with pytest.raises(UsageError, match=r"gin/backprop and random-forest/fit are not averaged: they differ in .*kind"):
        load_predictor(tmp_path, arms)
    shutil.rmtree(tmp_path / "b")
    copied(model_of(values, "ridge/fit"), tmp_path, preset="default")
    with pytest.raises(
        UsageError, match=r"gin/backprop and ridge/fit are not averaged: they differ in preset: smoke / "
    ):
        load_predictor(tmp_path, [gin, ridge])
    assert call("predict", folder, "-", "--embeddings", "--arm", "gin/backprop", "--arm", "ridge/fit") == 2
    assert "gin/backprop and ridge/fit: --embeddings are of one network; name one" in capsys.readouterr().err


def test_embeddings_are_what_the_head_reads(values, tmp_path):
    """The numbers of GIN are a linear function of them, by the weights that are saved."""
    folder, out = model_of(values, "gin/backprop"), tmp_path / "vectors.csv"
    source = write(tmp_path)
    assert call("predict", folder, source, out, "--smiles", "SMILES", "--id", "name", "--embeddings") == 0
    header, *rows = csv.reader(out.open())
    width = len(header) - 3
    assert header == ["name", "smiles", *(f"e{number}" for number in range(width)), "error"]
    good = [row for row in rows if not row[-1]]
    vectors = np.array([row[2:-1] for row in good], dtype=np.float64)
    _, state = read_model(folder)
    weights = state["network"]
    weight = np.concatenate(
        [weights[f"logits.{i}.weight"].numpy() for i in range(state["config"]["layers"] + 1)], axis=1
    )
    bias = sum(weights[f"logits.{i}.bias"].numpy() for i in range(state["config"]["layers"] + 1))
    expected = (vectors @ weight.T + bias) * state["scale"]["std"].numpy() + state["scale"]["mean"].numpy()
    found = load_predictor(folder)([row[1] for row in good]).mean
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("which", "arm", "words"),
    [
        ("classes", "random-forest/fit", "random-forest fits itself"),
        ("classes", "gin/ensemble", "gin is an ensemble of several networks here"),
        ("values", "gin/backprop", "holds 2 such models, and --embeddings are of one network"),
    ],
)
def test_what_has_no_embeddings_says_so_in_a_line(which, arm, words, request, tmp_path, capsys):
    results, out = request.getfixturevalue(which), tmp_path / "out.csv"
    folder = model_of(results, arm).parent
    assert call("predict", folder, write(tmp_path), out, "--arm", arm, "--smiles", "SMILES", "--embeddings") == 2
    said = capsys.readouterr().err.strip()
    assert words in said
    assert "\n" not in said
    assert not out.exists()


def copied(model: Path, folder: Path, **changes) -> str:
    """Put a model into the folder as one whose spec differs in this; returns its key."""
    facts, state = read_model(model)
    spec = replace(facts.spec, **changes)
    write_model(folder / spec.key, replace(facts, spec=spec), state)
    return spec.key


def test_models_that_differ_in_more_than_their_seed_are_not_averaged(values, tmp_path, capsys):
    model, arm = model_of(values, "gin/backprop"), "gin/backprop"
    for seed in (1, 2):
        copied(model, tmp_path, seed=seed, split_seed=seed)
    copied(model, tmp_path, seed=3, preset="default")
    copied(model, tmp_path, seed=3, split="scaffold", split_seed=None)
    assert call("predict", tmp_path, tmp_path / "in.csv", "--arm", arm) == 2
    said = capsys.readouterr().err
    assert "several kinds of models with arm gin/backprop. There are: arm gin/backprop, preset default, split " in said
    assert "preset smoke, split random, seeds 1-2; arm gin/backprop, preset smoke, split scaffold, seeds 3." in said
    assert len(load_predictor(tmp_path, preset="smoke", split="random").models) == 2
    assert len(load_predictor(tmp_path, preset="default").models) == 1
    with pytest.raises(UsageError, match=r"holds no model with preset paper\. There are: arm gin/backprop, preset def"):
        load_predictor(tmp_path, preset="paper")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seed": 5, "settings": {}}, r"not averaged: they differ in settings: batch_size \d+ / absent"),
        ({"seed": 5, "metric": "mae"}, "not averaged: they differ in metric: rmse / mae"),
        ({"control_of": "other"}, "are both gin/backprop, seed 1, paired with runs (None and other|other and None)"),
    ],
)
def test_models_of_one_name_must_be_alike_but_for_their_seed(change, words, values, tmp_path):
    model = values.model_path(
        next(r.spec for r in records(values) if (r.spec.arm, r.spec.seed) == (Arm("gin", "backprop"), 1))
    )
    shutil.copytree(model, tmp_path / "0")
    copied(model, tmp_path, **change)
    with pytest.raises(UsageError, match=f"{words}.*Name the folder of one model"):
        load_predictor(tmp_path)


def test_a_model_that_was_never_finished_is_none(values, tmp_path):
    model = model_of(values, "gin/backprop")
    shutil.copytree(model, tmp_path / f".{model.name}.x1y2z3")
    with pytest.raises(UsageError, match="holds no saved model"):
        load_predictor(tmp_path)
    shutil.copytree(model, tmp_path / model.name)
    assert len(load_predictor(tmp_path).models) == 1


def test_what_cannot_be_parsed_has_a_reason_and_changes_nothing(classes):
    predictor = load_predictor(model_of(classes, "gin/backprop"))
    bad = ["C1CC", "", "CCO ethanol", "C" * 5000]
    made = predictor([*bad, *SMILES[:5]])
    assert [bool(error) for error in made.errors] == [True] * 4 + [False] * 5
    assert np.isnan(made.mean[:4]).all()
    np.testing.assert_allclose(made.mean[4:], predictor(SMILES[:5]).mean, atol=1e-6)
    assert predictor(bad).mean.shape == (4, 2)
    assert predictor([]).mean.shape == (0, 2)


def write_input(folder: Path, form: str) -> tuple[Path, list[str]]:
    """A file of 120 molecules, the second of which is broken, and options to read it with."""
    smiles = [SMILES[0], "C1CC", *SMILES[2:]]
    names = [f"M{row}" for row in range(len(smiles))]
    table = "id;SMILES\r\n" + "".join(f"{name};{text}\r\n" for name, text in zip(names, smiles, strict=True))
    match form:
        case "csv":
            (folder / "in.csv").write_bytes(("\ufeff" + table).encode())
            return folder / "in.csv", ["--id", "id"]
        case "latin-1.csv":
            (folder / "in.csv").write_bytes(table.replace("id;", "é;", 1).encode("latin-1"))
            return folder / "in.csv", ["--id", "é"]
        case "utf-16.csv":
            (folder / "in.csv").write_bytes(table.replace("id;", "é;", 1).encode("utf-16"))
            return folder / "in.csv", ["--id", "é"]
        case "blank lines.csv":
            (folder / "in.csv").write_bytes(b"\r\n \r\n" + table.replace("\n", "\n\r\n").encode())
            return folder / "in.csv", ["--id", "id"]
        case "csv.gz":
            (folder / "in.csv.gz").write_bytes(gzip.compress(table.encode()))
            return folder / "in.csv.gz", ["--id", "id"]
        case "smi":
            listed = "".join(f"{text}\t{name}\n" for name, text in zip(names, smiles, strict=True))
            (folder / "in.smi").write_text(listed)
            return folder / "in.smi", []
        case "parquet" | "parquet.csv":
            parquet.write_table(pa.table({"id": names, "SMILES": smiles}), folder / f"in.{form}")
            return folder / f"in.{form}", ["--id", "id"]
    raise AssertionError(form)


FORMS = ["csv", "latin-1.csv", "csv.gz", "smi", "parquet"]
OUTPUTS = ["out.csv", "out.csv.gz", "out.parquet", "-"]
ODD = ["utf-16.csv", "blank lines.csv", "parquet.csv"]  # that `train` reads too


@pytest.fixture(scope="module")
def expected(classes) -> np.ndarray:
    """What a model gives all of SMILES at once."""
    return load_predictor(model_of(classes, "gin/backprop"))(SMILES).mean


@pytest.mark.parametrize(
    ("form", "out"), [*((form, out) for form in FORMS for out in OUTPUTS), *((form, "out.csv") for form in ODD)]
)
def test_one_row_out_per_row_in_and_in_order(form, out, classes, expected, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(molecule_files, "CHUNK", 50)
    path, options = write_input(tmp_path, form)
    target = out if out == "-" else tmp_path / out
    assert call("predict", model_of(classes, "gin/backprop"), path, target, *options) == 0
    said = capsys.readouterr()
    assert "model gin/backprop: 120 rows, 1 without a prediction" in said.err
    if out == "out.parquet":
        rows = parquet.read_table(target).to_pylist()
    else:
        content = said.out.encode() if out == "-" else target.read_bytes()
        text = (gzip.decompress(content) if out.endswith("gz") else content).decode()
        rows = list(csv.DictReader(io.StringIO(text)))
    assert list(rows[0]) == ["name", "smiles", "toxic", "even", "error"]
    assert [row["name"] for row in rows] == [f"M{row}" for row in range(120)]
    assert [row["smiles"] for row in rows] == [SMILES[0], "C1CC", *SMILES[2:]]
    assert (rows[1]["toxic"] or None, rows[1]["error"]) == (None, "not a valid SMILES")
    good = [row for row in range(120) if row != 1]
    np.testing.assert_allclose([float(rows[row]["even"]) for row in good], expected[good, 1], rtol=1e-5)
    assert not list(tmp_path.glob("*.part"))


def test_stdin_is_read(values, capsys, monkeypatch):
    stdin = io.TextIOWrapper(io.BufferedReader(io.BytesIO(b"CCO ethanol\nC1CC\n")))
    monkeypatch.setattr("sys.stdin", stdin)
    model = model_of(values, "gin/backprop")
    assert call("predict", model.parent, "-", "--input-format", "smi", "--arm", "gin/backprop") == 0
    rows = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert rows[0] == ["name", "smiles", "logP", "logP_sd", "error"]
    assert [row[:2] for row in rows[1:]] == [["ethanol", "CCO"], ["", "C1CC"]]
    assert rows[2][2:] == ["", "", "not a valid SMILES"]


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_parquet_from_stdin_is_refused_whatever_it_is_called(form, monkeypatch):
    stdin = io.TextIOWrapper(io.BufferedReader(io.BytesIO(b"PAR1\x15\x04\xff")))
    monkeypatch.setattr("sys.stdin", stdin)
    with pytest.raises(UsageError, match="Parquet cannot be read from stdin, which can be read once"):
        list(read_chunks(Path("-"), form=form, smiles="smiles"))


@pytest.mark.parametrize("name", ["a.csv", "a.smi", "a.parquet"])
def test_a_file_that_may_not_be_read_is_said_as_in_training(name, tmp_path, monkeypatch):
    def refuse(path, *_, **__):
        raise PermissionError(13, "Permission denied", str(path))

    (tmp_path / name).touch()
    monkeypatch.setattr(Path, "open", refuse)
    for read in (read_content, lambda path: list(read_chunks(path, form="csv", smiles="smiles"))):
        with pytest.raises(DataError, match=rf"{name} cannot be read .Permission denied.; make it readable"):
            read(tmp_path / name)


def test_a_pipe_is_read_as_stdin_is(values, tmp_path, capsys):
    os.mkfifo(tmp_path / "pipe")
    writing = Thread(target=(tmp_path / "pipe").write_bytes, args=("SMILES\r\nCCO\r\n".encode("utf-16"),))
    writing.start()
    assert call("predict", model_of(values, "ridge/fit"), tmp_path / "pipe") == 0
    writing.join()
    assert capsys.readouterr().out.splitlines()[1].startswith(",CCO,")


@pytest.mark.parametrize(
    ("name", "rest"), [("in.csv", b"C"), ("in.csv.gz", b"C"), ("in.smi", b"C"), ("in.csv", b'"\n",')]
)
def test_a_row_without_end_is_stopped_at_the_limit(name, rest, classes, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(text_table, "LONGEST_LINE", 2**16)
    content = (b"" if name == "in.smi" else b"SMILES,id\n") + rest * 2**18
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    assert call("predict", model_of(classes, "random-forest/fit"), tmp_path / name, tmp_path / "out.csv") == 3
    assert "has a row of 65536 characters or more" in capsys.readouterr().err
    assert not (tmp_path / "out.csv").exists()


def test_a_short_row_is_a_row_with_a_reason(classes, tmp_path, capsys):
    (tmp_path / "in.csv").write_text("SMILES,id\nCCO,a\nCCN\nC,b,c\n\nCC,d\n")
    assert call("predict", model_of(classes, "gin/backprop"), tmp_path / "in.csv", "--id", "id") == 0
    errors = [row["error"] for row in csv.DictReader(io.StringIO(capsys.readouterr().out))]
    assert errors == ["", "1 cells under a header of 2", "3 cells under a header of 2", ""]


@pytest.mark.parametrize(
    ("options", "content", "code", "words"),
    [
        (["--smiles", "smils"], "smiles\nC\n", 2, "did you mean 'smiles'?"),
        (["--id", "nam"], "SMILES,name\nC,a\n", 2, "did you mean 'name'?"),
        (["--input-format", "sdf"], "C\n", 2, "unknown input format 'sdf'"),
        ([], "", 3, "in.csv is empty"),
        ([], 'SMILES\n"C\n', 3, "is not CSV"),
        ([], None, 3, "there is no file"),
        ([], "PK\3\4", 3, "is an Excel workbook or a ZIP archive; save the table as CSV"),
        ([], "SMILES,id,SMILES\nC,a,C\n", 3, "2 columns are called 'SMILES'; rename all but one"),
        ([], "SMILES\nC\0\n", 3, "is not a table in text"),
    ],
)
def test_bad_input_leaves_no_output(options, content, code, words, classes, tmp_path, capsys):
    path = tmp_path / "in.csv"
    if content is not None:
        path.write_text(content)
    assert call("predict", model_of(classes, "gin/backprop"), path, tmp_path / "out.csv", *options) == code
    said = capsys.readouterr()
    assert words in said.err
    assert "Traceback" not in said.err
    assert {each.name for each in tmp_path.iterdir()} <= {"in.csv"}


def test_a_missing_input_is_said_whatever_the_output(classes, tmp_path, capsys):
    output = write(tmp_path, name="out.csv")
    assert call("predict", model_of(classes, "gin/backprop"), tmp_path / "in.csv", output) == 3
    assert f"there is no file {tmp_path / 'in.csv'}" in capsys.readouterr().err


def test_input_and_output_must_make_sense(classes, tmp_path, capsys):
    path = write(tmp_path)
    model = model_of(classes, "gin/backprop")
    for words, arguments in {
        "would be overwritten": (path, path),
        "is a folder; name the file to be written": (path, tmp_path),
        "is a folder; name the file in it": (tmp_path,),
    }.items():
        assert call("predict", model, *arguments) == 2
        assert words in capsys.readouterr().err
    (tmp_path / "cut.csv.gz").write_bytes(gzip.compress(path.read_bytes())[:-30])
    assert call("predict", model, tmp_path / "cut.csv.gz", tmp_path / "out.csv") == 3
    assert "damaged gzip" in capsys.readouterr().err
    assert not (tmp_path / "out.csv").exists()


def test_a_folder_without_a_model_says_how_to_get_one(classes, tmp_path, capsys):
    assert call("predict", tmp_path, tmp_path / "in.csv") == 2
    assert "holds no saved model; models are saved by 'train'" in capsys.readouterr().err
    shutil.copytree(classes.root, tmp_path / "results")
    (model, *_) = (tmp_path / "results" / "models").glob("*/*")
    shutil.rmtree(model)
    assert call("predict", model, tmp_path / "in.csv") == 2
    said = capsys.readouterr().err
    assert "this run is finished, but its model was not saved" in said
    assert "with --save-models" in said
    table = write(tmp_path)
    words = ("--smiles", "SMILES", "--targets", "toxic", "even", "--id", "name", "--preset", "smoke", "--seeds", "1")
    shutil.rmtree(model.parent)
    arm = ("--models", "gin", "--methods", "ensemble", "--results", tmp_path / "results")
    assert call("train", table, *words, *arm) == 0
    assert "2 finished runs have no saved model, and a record holds no weights" in capsys.readouterr().err


def test_a_damaged_or_foreign_model_is_refused(classes, tmp_path):
    good = model_of(classes, "gin/backprop")

    def spoilt(name: str, change) -> Path:
        folder = tmp_path / name
        shutil.copytree(good, folder)
        change(folder)
        return folder

    def edit(old: str, new: str):
        return lambda folder: (folder / "model.json").write_text((folder / "model.json").read_text().replace(old, new))

    cases = {
        "is not the file that model.json was written with": lambda f: (f / "model.safetensors").write_bytes(b"x"),
        "cannot be read": lambda f: (f / "model.safetensors").unlink(),
        "does not describe a saved model": lambda f: (f / "model.json").write_text("{}"),
        "has format 9, this version reads 1": edit('"format": 1', '"format": 9'),
        "was edited": edit('"model": 1', '"model": 7'),
    }
    for number, (words, change) in enumerate(cases.items()):
        with pytest.raises(DataError, match=words):
            load_predictor(spoilt(str(number), change))
    facts, state = read_model(good)
    state["config"]["hidden"] += 1
    write_model(tmp_path / "other", facts, state)
    with pytest.raises(DataError, match="are not those of this gin"):
        load_predictor(tmp_path / "other")


def test_every_estimator_can_be_saved():
    estimators = [MODELS.get(name) for name in MODELS if isinstance(MODELS.get(name), Estimator)]
    assert len(estimators) >= 4
    assert [estimator.name for estimator in estimators if estimator.restore is None] == []
