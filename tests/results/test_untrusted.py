"""Results folders, models and checkpoints that somebody else may have written: one line says what is wrong."""

from __future__ import annotations

import json
import os
import random
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from hostile import changed, damaged
from methods.tiny_task import tiny_task

from made_records import make_failure, make_record
from own_tables import lines
from pbgraph import bench
from pbgraph.errors import DataError, PbgraphError
from pbgraph.execution import fitting
from pbgraph.features.base import FEATURISERS
from pbgraph.files.reading import UnreadableError
from pbgraph.files.state_file import load_state, save_state
from pbgraph.methods.backprop import BACKPROP
from pbgraph.methods.perforated import PERFORATED, PerforatedSettings
from pbgraph.methods.training import TrainSettings
from pbgraph.metrics import ROC_AUC
from pbgraph.models.base import MODELS, Architecture, Dims
from pbgraph.plans.plan import plan
from pbgraph.prediction.predict import load_predictor
from pbgraph.prediction.saved import SavedModel, read_model, write_model
from pbgraph.results.arms import Arm
from pbgraph.results.compact import compact, whole
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.record_file import read_record, said_by
from pbgraph.results.records import RunRecord

pytestmark = pytest.mark.lengthy

FEW, MANY = range(50), range(50, 450)
TIERS = [pytest.param(FEW, id="few"), pytest.param(MANY, id="many", marks=pytest.mark.slow)]
CODES = {0, 1, 2, 3}
SMILES = [row[0] for row in lines()[1:]]


def call(*argv: object) -> int:
    return bench.main([str(word) for word in argv])


@pytest.fixture
def results(tmp_path: Path) -> ResultsFolder:
    folder = ResultsFolder(tmp_path / "results")
    for arm, seed in (("gin/backprop", 68), ("gin/backprop", 69), ("trimnet/backprop", 68), ("trimnet/backprop", 69)):
        folder.write(make_record(arm, seed, 0.8))
    folder.write(make_failure("trimnet/perforated", 68, "\x1b[31mit broke"))
    return folder


def put(folder: Path, content: object) -> None:
    """A record with this content under the name and with the digest that its author would give it."""
    path = folder / "0123456789abcdef.json"
    try:
        record = msgspec.convert(whole(content), RunRecord)
        content = compact(said_by(replace(record, written_digest=None, seal=None)))
        path = folder / f"{record.key}.json"
    except (msgspec.MsgspecError, UnreadableError, RecursionError, OverflowError, ValueError, TypeError):
        pass
    if not path.exists():
        path.write_text(json.dumps(content))


@pytest.mark.parametrize("tier", TIERS)
def test_no_record_ends_a_command(tier: range, results: ResultsFolder, capsys: pytest.CaptureFixture[str]) -> None:
    folder = results.root / "records" / "tox21"
    good = sorted(folder.glob("*.json"))
    plain = json.loads(good[0].read_text())
    commands = [["table", "tox21", "--format", kind] for kind in ("md", "tex", "csv", "html", "json")]
    commands += [["leaderboard"], ["compare", "tox21", "gin/backprop", "trimnet/backprop"]]
    commands += [["tox21", "--dry-run"], ["table", "tox21", "--study", "compression"], ["data", "ls"]]
    for number in tier:
        chance = random.Random(number)
        if number % 3:
            put(folder, changed(plain, chance))
        else:
            (folder / "0123456789abcdef.json").write_bytes(damaged(good[0].read_bytes(), chance))
        command = commands[number % len(commands)]
        assert call(*command, "--results", results.root) in CODES, (number, command)
        said = capsys.readouterr()
        assert "Traceback" not in said.err, number
        assert "\x1b" not in said.out + said.err, number
        shows = command[0] in ("table", "leaderboard")
        assert not shows or "<script>" not in said.out.split('<script>\n"use strict"', 1)[0], number
        for path in set(folder.glob("*.json")) - set(good):
            path.unlink()


KINDS_OF_FILES = {
    "pipe": os.mkfifo,
    "folder": Path.mkdir,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "loop": lambda path: path.symlink_to(path.name),
    "mac": lambda path: path.with_name(f"._{path.name}").write_bytes(b"\x00\x05\x16\x07"),
    "deep": lambda path: path.write_text("[" * 100_000),
    "latin": lambda path: path.write_bytes(b'{"schema": 2, "status": "\xe9"}'),
    "large": lambda path: os.truncate(os.open(path, os.O_CREAT | os.O_WRONLY), 2**40),
}


@pytest.mark.parametrize("kind", KINDS_OF_FILES)
def test_what_is_no_record_is_named_and_the_rest_is_shown(kind: str, results: ResultsFolder, capsys) -> None:
    KINDS_OF_FILES[kind](results.root / "records" / "tox21" / "0123456789abcdef.json")
    (results.root / "records" / "lonely").mkdir()
    os.mkfifo(results.root / "records" / "pipe")
    os.mkfifo(results.root / "published.csv")
    for command in (["table", "tox21", "--seeds", "68-69"], ["leaderboard"]):
        assert call(*command, "--results", results.root) == 0
        said = capsys.readouterr()
        assert "trimnet" in said.out
        assert ("0123456789abcdef" in said.err) == (kind != "mac"), said.err
    assert "published.csv is no CSV" in said.err


@pytest.mark.parametrize(
    ("part", "value"), [("status", "done"), ("phase", "axon"), ("status", "\x1b[31m" + 9999 * "x")]
)
def test_a_status_or_phase_that_there_is_not_makes_no_record(part: str, value: str, results: ResultsFolder) -> None:
    path = results.record_path(next(iter(results.records("tox21"))).spec)
    said = json.loads(path.read_text())
    if part == "status":
        said["status"] = value
    else:
        said["history"]["phase"][0][0] = value
    path.write_text(json.dumps(said))
    with pytest.raises(DataError, match=r"is not a run record: Invalid enum value '.*; move it away") as refused:
        read_record(path)
    assert len(str(refused.value)) < len(str(path)) + 400


@pytest.mark.parametrize("content", [b'task,"model\n', b"\xe9", b"", b"[" * 100])
def test_values_of_papers_that_cannot_be_read_are_named(content: bytes, results: ResultsFolder, capsys) -> None:
    (results.root / "published.csv").write_bytes(content)
    assert call("leaderboard", "--results", results.root) == 0
    assert "left out: " in capsys.readouterr().err


def test_a_planned_run_whose_place_is_taken_is_left_and_so_is_its_control(tmp_path: Path, capsys) -> None:
    made = plan("tox21", models=["trimnet"], seeds=[68])
    grown = next(spec for spec in made.specs if spec.method == "perforated")
    path = ResultsFolder(tmp_path).record_path(grown)
    path.mkdir(parents=True)
    assert call("tox21", "--models", "trimnet", "--seeds", "68", "--dry-run", "--results", tmp_path) == 0
    said = capsys.readouterr()
    assert f"{grown.key}: {path} is no record of it; move it away" in said.out
    assert f"the run it is paired with, {grown.key}, cannot be done" in said.out
    assert "5 runs, 0 finished, 0 failed, 3 to do" in said.out


def test_descriptions_of_tasks_are_read_as_little_trusting(results: ResultsFolder, capsys) -> None:
    folder = results.root / "tasks"
    folder.mkdir()
    os.mkfifo(folder / "pipe.json")
    fine = {"path": "x", "sha256": "", "smiles": "s", "targets": ["t"], "kind": "no kind"}
    (folder / "x-0.json").write_text(json.dumps(fine))
    (folder / "deep.json").write_text("[" * 100_000)
    (folder / "._x.json").write_bytes(b"\xff")
    assert call("data", "ls", "--results", results.root) == 0
    said = capsys.readouterr().err
    assert all(name in said for name in ("pipe.json", "x-0.json", "deep.json"))
    assert "._x" not in said


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[SavedModel, object]]:
    """Saved models that were hardly trained: (what they are, their states)."""
    folder, made = tmp_path_factory.mktemp("models"), {}
    arms = [("gin", "backprop"), ("random-forest", "fit"), ("lightgbm", "fit"), ("logistic-regression", "fit")]
    for spec in [plan("tox21", "smoke", models=[m], methods=[n], seeds=[1]).specs[-1] for m, n in arms]:
        model, featuriser = MODELS.get(spec.model), FEATURISERS.get(spec.featuriser)
        y = np.array([[float("N" in one), float(len(one) % 2)] for one in SMILES], dtype=np.float32)
        store = featuriser.featurise(SMILES, y)
        config = model.config(**spec.model_config)
        if isinstance(model, Architecture):
            dims = Dims(store.node_dim, store.edge_dim, 2)
            state = {
                "form": "network",
                "dims": [dims.node, dims.edge, dims.tasks],
                "config": dict(spec.model_config),
                "scale": None,
                "network": dict(model.build(dims, config).state_dict()),
            }
        else:
            small = {"trees": 10} if hasattr(config, "trees") else {}
            fitted = model.fit_classifier(store.x, y, replace(config, **small), 1)
            state = {"form": "estimator", "estimator": fitted.state()}
        write_model(folder / spec.model, SavedModel(spec, ("a", "b"), "classification", "smiles", {}, ""), state)
        made[spec.model] = read_model(folder / spec.model)
    return made


@pytest.mark.parametrize("tier", TIERS)
def test_no_model_folder_ends_the_process(tier: range, models, tmp_path: Path) -> None:
    outcomes = {"predicted": 0, "refused": 0}
    for number in tier:
        chance = random.Random(number)
        facts, state = models[sorted(models)[number % len(models)]]
        folder = tmp_path / str(number)
        try:
            state = changed(state, chance)
            write_model(folder, facts, state)  # with the digests of what it holds
        except (TypeError, RecursionError):  # what cannot be kept in a file
            continue
        if number % 5 == 0:
            path = folder / chance.choice(["model.json", "model.safetensors"])
            path.write_bytes(damaged(path.read_bytes(), chance))
        try:
            load_predictor(folder)(["CCO", "c1ccccc1", "C"])
            outcomes["predicted"] += 1
        except PbgraphError:
            outcomes["refused"] += 1
    assert min(outcomes.values()) > 0, outcomes


def forest(models, **arrays: torch.Tensor) -> tuple[SavedModel, dict]:
    facts, state = models["random-forest"]
    first, *rest = state["estimator"]["tasks"]
    return facts, {**state, "estimator": {"tasks": [{**first, **arrays}, *rest]}}


@pytest.mark.parametrize("child", [0, -(2**31), 2**31 - 1])
def test_a_forest_that_leads_nowhere_is_refused(child: int, models, tmp_path: Path) -> None:
    left = models["random-forest"][1]["estimator"]["tasks"][0]["right"].clone()
    left[0] = child
    write_model(tmp_path / "m", *forest(models, right=left))
    with pytest.raises(DataError, match="no node below it"):
        load_predictor(tmp_path / "m")


def test_an_edited_description_is_noticed_and_an_old_one_is_warned_of(models, tmp_path: Path, caplog) -> None:
    folder = tmp_path / "m"
    write_model(folder, *models["gin"])
    path = folder / "model.json"
    facts = json.loads(path.read_text())
    path.write_text(json.dumps({**facts, "targets": ["b", "a"]}))
    with pytest.raises(DataError, match=r"model\.json was edited"):
        load_predictor(folder)
    del facts["digest"]
    path.write_text(json.dumps(facts))
    assert load_predictor(folder).targets == ("a", "b")
    assert "has no digest, as earlier versions wrote it" in caplog.text
    path.write_text(json.dumps({**facts, "kind": "regression"}))
    with pytest.raises(DataError, match="said to be of regression, but roc_auc selected it"):
        load_predictor(folder)


@pytest.mark.parametrize("change", [{"layers": 10**9}, {"hidden": 10**9}, {"hidden": 10**4}, {"hidden": "x"}, {"y": 1}])
def test_a_network_larger_than_its_weights_is_never_built(change: dict, models, tmp_path: Path) -> None:
    facts, state = models["gin"]
    write_model(tmp_path / "m", facts, {**state, "config": {**state["config"], **change}})
    with pytest.raises(DataError, match="holds no model that can predict"):
        load_predictor(tmp_path / "m")


def test_of_many_models_only_those_that_were_chosen_are_read(models, tmp_path: Path) -> None:
    for name, (facts, state) in models.items():
        write_model(tmp_path / name, facts, state)
    os.unlink(tmp_path / "random-forest" / "model.safetensors")
    assert load_predictor(tmp_path, [Arm("gin", "backprop")]).models[0].spec.model == "gin"


@pytest.mark.parametrize("model", [name for name in MODELS if isinstance(MODELS.get(name), Architecture)])
def test_every_architecture_can_be_sized_without_memory(model: str) -> None:
    found = MODELS.get(model)
    with torch.device("meta"):
        assert all(
            one.is_meta
            for one in found.build(Dims(39, 10, 12, 0 if found.reads_graphs else 7), found.config()).parameters()
        )


@pytest.mark.parametrize("tier", TIERS)
def test_any_flipped_bit_of_a_checkpoint_is_noticed(tier: range, tmp_path: Path) -> None:
    path = tmp_path / "state"
    state = {"epoch": 3, "weights": {"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor([1, 2])}, "list": [1, "x"]}
    save_state(state, path)
    content = path.read_bytes()
    for number in tier:
        chance = random.Random(number)
        place, bit = chance.randrange(len(content)), chance.randrange(8)
        path.write_bytes(content[:place] + bytes([content[place] ^ (1 << bit)]) + content[place + 1 :])
        try:
            loaded = load_state(path)
        except ValueError:
            continue
        assert str(loaded) == str(state), number  # where white space of the header was hit


SHORT = {"epochs": 3, "patience": 3, "batch_size": 16}


def saved(tmp_path: Path, method, settings) -> tuple[object, dict]:
    """A task whose run was left after a few steps, and its checkpoint."""
    steps = []

    def leave(report) -> None:
        steps.append(report)
        raise KeyboardInterrupt

    task = tiny_task(settings, checkpoint=tmp_path / "key.safetensors", report=leave)
    with pytest.raises(KeyboardInterrupt):
        method.fit(task)
    return replace(task, report=lambda _: None), load_state(task.checkpoint)


@pytest.mark.parametrize("tier", TIERS)
def test_no_checkpoint_ends_a_run(tier: range, tmp_path: Path) -> None:
    task, state = saved(tmp_path, BACKPROP, TrainSettings(**SHORT))
    for number in tier[: len(tier) // 2]:
        try:
            save_state(changed(state, random.Random(number)), task.checkpoint)
        except (TypeError, RecursionError):
            continue
        try:
            fitting.fit_as_planned("backprop", task, ROC_AUC)
        except PbgraphError:
            continue  # a loss that is not finite: the run says so


def test_a_checkpoint_of_another_run_is_not_taken_up(tmp_path: Path, caplog) -> None:
    task, _ = saved(tmp_path, BACKPROP, TrainSettings(**SHORT))
    other = replace(task, checkpoint=tmp_path / "other.safetensors")
    task.checkpoint.rename(other.checkpoint)
    assert BACKPROP.fit(other).sittings == 1
    assert "was saved as 'key.safetensors', for another run" in caplog.text


def test_a_checkpoint_of_another_numeric_platform_is_not_taken_up(tmp_path: Path, caplog) -> None:
    task, _ = saved(tmp_path, BACKPROP, TrainSettings(**SHORT))
    assert BACKPROP.fit(task).sittings == 2
    assert BACKPROP.fit(replace(task, platform="arm64")).sittings == 1
    assert "was saved on platform '', and this is 'arm64'" in caplog.text


def test_a_checkpoint_of_other_code_is_not_taken_up(tmp_path: Path, caplog) -> None:
    task, _ = saved(tmp_path, BACKPROP, TrainSettings(**SHORT))
    assert BACKPROP.fit(replace(task, code="c" * 64)).sittings == 1
    assert "was saved by other code than this" in caplog.text


def test_a_folder_in_the_place_of_a_checkpoint_is_named(tmp_path: Path, caplog) -> None:
    task = tiny_task(TrainSettings(**SHORT), checkpoint=tmp_path / "key.safetensors")
    task.checkpoint.mkdir()
    assert BACKPROP.fit(task).sittings == 1
    assert "it is a folder and no regular file" in caplog.text


def test_a_checkpoint_with_more_dendrites_than_weights_is_not_taken_up(tmp_path: Path, caplog) -> None:
    settings = PerforatedSettings(**SHORT, max_dendrites=1, dendrite_epochs=3)
    task, state = saved(tmp_path, PERFORATED, settings)
    state["parts"]["growth"]["network"]["structure"]["encode"]["dendrites"] = ["tanh"] * 10**5
    save_state(state, task.checkpoint)
    assert PERFORATED.fit(task).sittings == 1
    assert "has weights for 0 dendrites at site 'encode'" in caplog.text
