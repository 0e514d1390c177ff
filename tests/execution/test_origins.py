"""Whose code a run is made of: found for a package of any shape, and told apart where only the name is the same."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from dataclasses import replace
from importlib.metadata import PathDistribution
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from made_records import PROVENANCE, arms, make_record
from pbgraph.errors import DataError, UsageError
from pbgraph.execution import runner
from pbgraph.execution.benchmark import do_missing
from pbgraph.execution.engines.progress import shown
from pbgraph.execution.engines.schedule import describe, survey
from pbgraph.execution.fitting import RunOptions
from pbgraph.execution.origins import (
    LIBRARIES,
    code_of,
    files_sha256,
    library_versions,
    origins_of,
    package_of,
    source_of,
)
from pbgraph.features.base import FEATURISERS
from pbgraph.features.stored import featurised
from pbgraph.models.base import MODELS, file_versions
from pbgraph.models.gin import GIN
from pbgraph.plans.plan import plan
from pbgraph.plans.settings import parse_assignment
from pbgraph.report.formats import to_markdown
from pbgraph.report.html import to_html
from pbgraph.report.tables import make_table
from pbgraph.results.arms import Arm
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.records import Source
from pbgraph.verify.plans import check_plans

ARM, OTHER = arms("sum-net/backprop", "gin/backprop")


@pytest.fixture
def package(tmp_path, monkeypatch):
    """(name, files) -> a package in a folder of its own that can be imported."""

    def make(name: str, files: dict[str, str]) -> Path:
        folder = tmp_path / name
        for file, text in files.items():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_text(text)
        monkeypatch.syspath_prepend(str(folder))
        importlib.invalidate_caches()
        return folder

    yield make
    source_of.cache_clear()


def git(folder: Path, *words: str) -> str:
    who = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
    done = subprocess.run(["git", "-C", str(folder), *who, *words], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_one_changed_byte_anywhere_in_the_code_is_another_source(tmp_path):
    root = tmp_path / "net"
    (root / "inner").mkdir(parents=True)
    (root / "__init__.py").write_text("A = 1\n")
    (root / "inner" / "layer.py").write_text("B = 1\n")
    (root / "notes.txt").write_text("no code\n")
    first = files_sha256(root)
    (root / "notes.txt").write_text("still no code\n")
    assert files_sha256(root) == first
    (root / "inner" / "layer.py").write_text("B = 2\n")
    second = files_sha256(root)
    (root / "inner" / "layer.py").rename(root / "layer.py")
    assert len({first, second, files_sha256(root)}) == 3
    assert files_sha256(root / "layer.py") != ""
    (tmp_path / "empty").mkdir()
    assert files_sha256(tmp_path / "empty") == ""


def test_a_package_of_no_distribution_in_a_checkout_has_its_commit(package):
    folder = package("one_net", {"one_net/__init__.py": "", "one_net/net.py": "A = 1\n"})
    git(folder, "init", "-q")
    assert source_of("one_net") == Source("", "", files_sha256(folder / "one_net"))
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "first")
    source_of.cache_clear()
    assert (source_of("one_net").commit, source_of("one_net").dirty) == (git(folder, "rev-parse", "HEAD"), False)
    (folder / "one_net" / "net.py").write_text("A = 2\n")
    assert not source_of("one_net").dirty, "a process goes on with what it has imported"
    source_of.cache_clear()
    assert source_of("one_net").dirty


def test_a_package_within_somebody_elses_checkout_is_not_of_its_commit(package):
    folder = package("two_net", {"site/two_net/__init__.py": "", ".gitignore": "site\n", "own.py": ""})
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "first")
    sys.path.insert(0, str(folder / "site"))
    try:
        assert source_of("two_net").commit == ""
    finally:
        sys.path.remove(str(folder / "site"))


def test_namespaces_and_single_files_are_found_and_what_is_not_there_is_said(package):
    folder = package("space", {"space/net/__init__.py": "", "space/net/deep.py": "", "single_net.py": "A = 1\n"})
    assert package_of("space.net.deep") == "space.net"
    assert source_of("space.net").sha256 == files_sha256(folder / "space" / "net")
    assert source_of("single_net").sha256 == files_sha256(folder / "single_net.py")
    unknown = source_of("nowhere_to_be_found")
    assert unknown.sha256 == ""
    assert "nowhere_to_be_found has no file" in unknown.note
    assert "files unknown (ImportError" in str(unknown)


@pytest.mark.parametrize(
    ("said", "commit"),
    [
        ({"url": "https://x", "vcs_info": {"vcs": "git", "commit_id": "c0ffee"}}, "c0ffee"),
        ({"url": "file:///x", "dir_info": {"editable": True}}, ""),
        ("no object", ""),
        (None, ""),
    ],
)
def test_the_commit_that_pip_noted_is_the_packages(package, said, commit):
    info = {"METADATA": "Name: three-net\nVersion: 1.5\n"}
    if said is not None:
        info["direct_url.json"] = json.dumps(said)
    files = {f"three_net-1.5.dist-info/{name}": text for name, text in info.items()}
    folder = package("three", {**files, "three_net/__init__.py": ""})
    found = source_of("three_net", PathDistribution(folder / "three_net-1.5.dist-info"))
    assert (found.distribution, found.version, found.commit) == ("three-net", "1.5", commit)


def test_a_registered_model_that_borrows_its_code_names_both_packages(package, monkeypatch):
    package("four", {"four_net/__init__.py": "def build(dims, config):\n    return None\n"})
    build = importlib.import_module("four_net").build
    monkeypatch.setitem(MODELS._loaded, "gin", replace(GIN, build=build))
    found = origins_of(plan("tox21", models=["gin"]).specs[0], {})
    assert found.components["model"] == ("pbgraph", "four_net")
    assert set(found.sources) == {"pbgraph", "four_net"}
    assert found.components["task"] == ("pbgraph",)


def test_features_of_other_code_are_made_again(package, monkeypatch):
    first = package("five", {"five_features/__init__.py": "def featurise(smiles, y):\n    return None\n"})
    assert code_of("featuriser", "ecfp4") == ""
    own = FEATURISERS.get("ecfp4")
    theirs = replace(own, featurise=importlib.import_module("five_features").featurise)
    monkeypatch.setitem(FEATURISERS._loaded, "ecfp4", theirs)
    codes = [code_of("featuriser", "ecfp4")]
    (first / "five_features" / "__init__.py").write_text("changed = True\n")
    source_of.cache_clear()
    codes.append(code_of("featuriser", "ecfp4"))
    made = []

    def featurise(smiles, y):
        made.append(smiles)
        return own.featurise(smiles, y)

    molecules = SimpleNamespace(dataset="five", smiles=("CCO",), y=np.zeros((1, 1), np.float32))
    for code in (*codes, *codes):
        featurised(replace(own, featurise=featurise), molecules, code=lambda _, code=code: code)
    assert len(set(codes)) == len(made) == 2


def test_of_features_that_are_put_together_the_code_of_each_counts(package, monkeypatch):
    code = "from pbgraph.features.fingerprints import ECFP4", "def featurise(*of):", "    return ECFP4.featurise(*of)"
    package("six", {"six_features/__init__.py": "\n".join(code)})
    theirs = replace(FEATURISERS.get("ecfp4"), featurise=importlib.import_module("six_features").featurise)
    monkeypatch.setitem(FEATURISERS._loaded, "ecfp4", theirs)
    settings = [parse_assignment("trimnet.features=graph+ecfp4"), parse_assignment("trimnet.head=packed")]
    spec = plan("tox21", models=["trimnet"], methods=["backprop"], settings=settings).specs[0]
    assert origins_of(spec, {}).components["featuriser"] == ("pbgraph", "six_features")
    assert code_of("featuriser", "graph+ecfp4") == code_of("featuriser", "ecfp4") != ""
    assert code_of("featuriser", "graph+descriptors") == ""
    asked = []
    molecules = SimpleNamespace(dataset="six", smiles=("CCO",), y=np.zeros((1, 1), np.float32))
    featurised(FEATURISERS.get("graph+descriptors"), molecules, code=lambda name: asked.append(name) or "")
    assert asked == ["graph", "descriptors"]


def test_a_component_that_cannot_be_loaded_has_no_known_origin():
    spec = replace(plan("tox21", models=["gin"]).specs[0], model="no-such-model")
    assert origins_of(spec, {}).components["model"] == ()


def test_libraries_are_those_declared_and_those_imported_during_the_run():
    spec = plan("tox21", models=["lightgbm"]).specs[0]
    found = origins_of(spec, {})
    assert set(library_versions(found.declared, LIBRARIES)) == {"lightgbm"}
    forest = origins_of(plan("tox21", models=["random-forest"]).specs[0], {})
    assert {"scikit-learn", "scipy"} <= set(library_versions(forest.declared, ()))
    assert library_versions({"not-installed-at-all"}, LIBRARIES) == {}


def made(seed: int, digest: str, *, arm: Arm = ARM, component: str = "model"):
    source = Source("nets", "1.0", digest, note="" if digest else "unreadable")
    own = dict.fromkeys(("task", "split", "featuriser", "model", "method", "metric"), ("pbgraph",))
    sources = {"nets": source, "pbgraph": Source("pbgraph", "0", f"{seed}")}
    origin = replace(PROVENANCE, components={**own, component: ("nets",)}, sources=sources)
    return make_record(arm, seed, 0.8, provenance=origin)


@pytest.mark.parametrize("component", ["model", "method", "featuriser"])
def test_runs_of_one_arm_with_other_code_do_not_share_a_table(component):
    records = [made(seed, digest, component=component) for seed, digest in ((68, "a" * 64), (69, "b" * 64))]
    with pytest.raises(UsageError, match=f"runs of {ARM} do not share one protocol.*code of {component}.*nets a+ / b+"):
        make_table(records, arms=[ARM], seeds=[68, 69])


@pytest.fixture
def planned(package):
    """A plan of two seeds, and a finished run of the first, by a package whose files are others now."""
    package("three_net", {"three_net/__init__.py": "A = 1\n"})
    todo = plan("tox21", "smoke", models=["gin"], methods=["backprop"], seeds=[68, 69])
    record = replace(made(68, "a" * 64), spec=todo.specs[0])
    sources = {"three_net": Source("", "", "a" * 64), "gone_net": Source("", "", "b" * 64)}
    components = {**record.provenance.components, "model": ("three_net", "gone_net")}
    return todo, replace(record, provenance=replace(record.provenance, components=components, sources=sources))


def test_seeds_that_no_table_would_show_beside_finished_ones_are_not_run(planned, tmp_path):
    todo, record = planned
    results = ResultsFolder(tmp_path / "results")
    results.write(record)
    now = source_of("three_net").sha256[:12]
    how = f"seeds 68 were run with other files of three_net (aaaaaaaaaaaa) than are here ({now})"
    assert f"  gin/backprop: {how}" in describe(survey(todo, results), 1)
    with pytest.raises(UsageError, match=f"rm {record.key}") as raised:
        do_missing(todo, RunOptions(results.root), jobs=1, device="cpu", shown=shown)
    assert f"gin/backprop: {how}, and no table has them beside seeds 69" in str(raised.value)
    (line,) = check_plans(results, [record])[1].unchecked
    assert f"seeds 68: run with other files of three_net (aaaaaaaaaaaa) than are here ({now})" in line


def test_finished_runs_by_the_code_that_is_here_are_silent(planned, tmp_path):
    todo, record = planned
    results = ResultsFolder(tmp_path / "results")
    same = {"three_net": source_of("three_net")}
    results.write(replace(record, provenance=replace(record.provenance, sources=same)))
    assert not survey(todo, results).changed


def test_code_of_other_packages_is_named_in_every_table():
    records = [made(68, "a" * 64), made(69, "a" * 64), made(68, "b" * 64, arm=OTHER, component="task")]
    table = make_table(records, arms=[ARM, OTHER], seeds=[68, 69])
    line = "code of other packages: nets 1.0, files aaaaaaaaaaaa (2 runs); nets 1.0, files bbbbbbbbbbbb (1 run)"
    assert f"- {line}\n" in to_markdown(table)
    assert line in to_html(table)


def test_unknown_origins_are_said_and_older_records_are_silent():
    unknown = replace(made(68, "a" * 64).provenance, components={"model": ()})
    table = make_table([make_record(ARM, 68, 0.8, provenance=unknown)], arms=[ARM], seeds=[68])
    assert "code of other packages: unknown, of model (1 run)" in to_markdown(table)
    unreadable = make_table([made(68, "")], arms=[ARM], seeds=[68])
    assert "files unknown (unreadable)" in to_markdown(unreadable)
    assert "other packages" not in to_markdown(make_table([make_record(ARM, 68, 0.8)], arms=[ARM], seeds=[68]))


@pytest.fixture
def weighted(tmp_path, monkeypatch) -> Path:
    """A file that gin is built from."""
    path = tmp_path / "weights.safetensors"
    path.write_bytes(b"first")
    monkeypatch.setitem(MODELS._loaded, "gin", replace(GIN, files={"weights": path}))
    return path


def test_a_file_that_a_model_is_built_from_is_in_its_key(weighted, monkeypatch):
    first = plan("tox21", models=["gin"]).specs[0]
    assert first.versions["model file weights"] == file_versions(MODELS.get("gin"))["model file weights"]
    weighted.write_bytes(b"second")
    second = plan("tox21", models=["gin"]).specs[0]
    monkeypatch.setitem(MODELS._loaded, "gin", GIN)
    plain = plan("tox21", models=["gin"]).specs[0]
    assert len({first.key, second.key, plain.key}) == 3
    assert plain.key == "8dd09920574227d8"  # as committed


@pytest.mark.thorough
def test_a_run_whose_file_has_changed_since_it_was_planned_is_not_done(weighted, tmp_path, tox21, shared):
    spec = plan("tox21", "smoke", models=["gin"]).specs[0]
    weighted.write_bytes(b"second")
    with pytest.raises(DataError, match="model file weights of model 'gin' has changed"):
        runner.run(spec, RunOptions(tmp_path / "results", data=shared / "data", offline=True))


def test_a_model_without_its_file_cannot_be_planned(weighted):
    weighted.unlink()
    with pytest.raises(UsageError, match=r"built from .*weights\.safetensors, which is not there"):
        plan("tox21", models=["gin"])
    assert plan("tox21", models=["gin", "trimnet"], methods=["backprop"]).refused[0].arm == OTHER
    with pytest.raises(DataError, match="cannot be read"):
        file_versions(MODELS.get("gin"))
