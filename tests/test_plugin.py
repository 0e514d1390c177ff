"""A third party's package, installed in an environment of its own: what a stranger's code can do and cannot break."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from isolated import PLUGIN, Here, Isolated, isolated
from pbgraph.execution.checkouts import files_sha256
from pbgraph.results.folder import ResultsFolder

pytestmark = pytest.mark.lengthy

RIVAL = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "rival"
version = "1.0"

[project.entry-points."pbgraph.models"]
sum-net = "rival:SUM_NET"
absent = "rival.not_there:NET"
no-model = "rival:SUM_NET"

[project.entry-points."pbgraph.methods"]
failing = "rival:NO_SUCH_THING"

[project.entry-points."pbgraph.metrics"]
unscored = "rival:NO_SUCH_THING"

[project.entry-points."pbgraph.splits"]
torn = "rival:NO_SUCH_THING"

[project.entry-points."pbgraph.datasets"]
gone = "rival:NO_SUCH_THING"
"""


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Isolated:
    """An environment with the package and with a rival that does everything wrong."""
    folder = tmp_path_factory.mktemp("crowded")
    (folder / "rival" / "rival").mkdir(parents=True)
    (folder / "rival" / "pyproject.toml").write_text(RIVAL)
    (folder / "rival" / "rival" / "__init__.py").write_text('SUM_NET = "no architecture"\n')
    return isolated(folder, PLUGIN, folder / "rival")


def listed(env: Isolated, cwd: Path) -> dict[tuple[str, str], dict]:
    done = env.run("ls", "--json", cwd=cwd)
    assert done.returncode == 0, done.stderr
    return {(kind, entry["name"]): entry for kind, entries in json.loads(done.stdout).items() for entry in entries}


@pytest.fixture(scope="module")
def crowded_listed(crowded: Isolated, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], dict]:
    return listed(crowded, tmp_path_factory.mktemp("listed"))


@pytest.fixture
def crowded_here(crowded, monkeypatch, capsys, tmp_path) -> Here:
    return crowded.here(monkeypatch, capsys, tmp_path)


def test_ls_shows_one_of_each_kind_with_its_package(toy, toy_here, tmp_path):
    entries = listed(toy, tmp_path)
    mine = {key for key, entry in entries.items() if entry["packages"] == ["toy-molecules"]}
    kinds = {"models": {"sum-net"}, "methods": {"restarts"}, "metrics": {"hits"}, "splits": {"by-row", "broken"}}
    kinds["tasks"] = {"toy", "toy-alcohols", "toy-hopeless"}
    kinds["presets"] = kinds["plans"] = {"sum-net-widths"}
    assert mine == {(kind, name) for kind, names in kinds.items() for name in names}
    assert not [entry for entry in entries.values() if entry["source"].startswith("broken")]
    assert "[package toy-molecules]" in toy_here("ls", "models").stdout


def test_its_architecture_is_trained_perforated_and_tabulated(toy, toy_here, tmp_path):
    """On its data set, with its split and its method; `tests/test_contributing.py` puts it through its checks."""
    arms = ("--models", "sum-net", "--methods", "backprop", "perforated", "restarts")
    done = toy.run("toy", "--preset", "smoke", "--split", "by-row", *arms, "--jobs", 1, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "toy v1, 240 of 240 rows; split by-row v1" in done.stdout
    made = toy_here("table", "toy", "--preset", "smoke", "--split", "by-row", "--format", "json")
    rows = {row["method"]: row for row in json.loads(made.stdout)["rows"] if row["model"] == "sum-net"}
    assert {"backprop", "perforated", "restarts"} <= set(rows)
    assert all(rows[method]["seeds"] == [68] for method in ("backprop", "perforated", "restarts"))
    records = {record.spec.method: record for record in ResultsFolder(tmp_path / "results").records("toy")}
    assert 0 <= records["restarts"].scores["test"].metrics["hits"] <= 1
    assert {line.phase for line in records["perforated"].history} == {"neuron", "dendrite"}
    origin = records["restarts"].provenance
    theirs = {name for name, packages in origin.components.items() if packages[0] == "toy_molecules"}
    assert theirs == {"task", "split", "model", "method", "metric hits"}
    assert origin.components["featuriser"] == origin.components["metric"] == ("pbgraph",)
    mine = origin.sources["toy_molecules"]
    assert (mine.distribution, mine.version, mine.commit) == ("toy-molecules", "1.0", "")
    assert mine.sha256 == files_sha256(PLUGIN / "toy_molecules")
    assert origin.sources["pbgraph"].sha256
    assert f"code of other packages: {mine}" in done.stdout


def test_a_plan_on_seeds_that_its_search_has_seen_is_refused(toy_here, tmp_path):
    searched = 'search = { file = "trials.jsonl", trial = 0, trials = 5, seeds = "10-12" }'
    head, arm = 'task = "toy"\npreset = "smoke"', f'[[arms]]\nmodel = "sum-net"\nmethod = "backprop"\n{searched}'
    for seeds, said in {"12-13": "take seeds that the search has not seen", "2-3": "are development seeds"}.items():
        (tmp_path / "seen.toml").write_text(f'{head}\nseeds = "{seeds}"\n\n{arm}\n')
        refused = toy_here("run", "seen.toml")
        assert (refused.returncode, said in refused.stderr, refused.stdout) == (2, True, "")
    assert [path.name for path in tmp_path.iterdir()] == ["seen.toml"]


def test_a_data_set_that_is_read_in_a_way_of_its_own_is_a_task_like_any_other(toy_here):
    run = ("toy-alcohols", "--preset", "smoke", "--models", "random-forest", "--jobs", 1)
    done = toy_here(*run)
    assert done.returncode == 0, done.stderr
    assert "toy-alcohols v1, 60 of 60 rows" in done.stdout


def test_a_name_that_two_packages_claim_names_both(crowded_listed, crowded_here):
    source = crowded_listed["models", "sum-net"]["source"]
    both = "model 'sum-net' is registered by"
    assert both in source
    assert all(claim in source for claim in ("toy-molecules (toy_molecules.sum_net:SUM_NET)", "rival (rival:SUM_NET)"))
    asked = crowded_here("toy", "--models", "sum-net", "--dry-run")
    assert (asked.returncode, both in asked.stderr) == (2, True)


def test_what_cannot_be_loaded_is_reported_and_breaks_nothing_else(crowded_listed, crowded_here):
    entries = crowded_listed
    absent, wrong = entries["models", "absent"]["source"], entries["models", "no-model"]["source"]
    assert "'absent' of package rival (rival.not_there:NET) cannot be imported: ModuleNotFoundError" in absent
    assert "'no-model' of package rival (rival:SUM_NET) is a str; expected: Architecture or Estimator" in wrong
    assert entries["models", "trimnet"]["version"] is not None
    every = crowded_here("toy", "--preset", "smoke", "--models", "all", "--methods", "all", "--dry-run")
    assert every.returncode == 0, every.stderr
    assert "trimnet/perforated" in every.stdout
    assert all(f"left out: model '{name}'" in every.stderr for name in ("absent", "no-model", "sum-net"))
    assert "left out: method 'failing'" in every.stderr
    done = crowded_here("toy", "--preset", "smoke", "--models", "gin", "--methods", "backprop")
    assert (done.returncode, "left out: metric 'unscored'" in done.stderr) == (0, True), done.stderr
    data = crowded_here("data", "ls")
    assert (data.returncode, "left out: data set 'gone'" in data.stderr) == (0, True)
    assert re.search(r"^tox21 +7831 rows", data.stdout, re.MULTILINE)
    audit = crowded_here("data", "audit", "toy")
    assert (audit.returncode, "left out: split 'torn'" in audit.stderr) == (0, True), audit.stderr
    assert "it failed: ValueError: cannot split 240" in audit.stdout
