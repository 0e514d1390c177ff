"""Runs that leave each other their first neuron phase: which do, and that their records are what they were."""

from __future__ import annotations

from dataclasses import replace

import pytest

from own_tables import write
from pbgraph.datasets.user.table import describe, to_dataset
from pbgraph.execution import fitting, runner
from pbgraph.execution.fitting import RunOptions
from pbgraph.methods import first_phase
from pbgraph.plans.plan import plan
from pbgraph.results.described import keep
from pbgraph.results.folder import ResultsFolder

pytestmark = pytest.mark.lengthy

METHODS = ["backprop", "perforated", "continued"]


@pytest.fixture
def specs(tmp_path):
    """Of a small table of one's own with seeds 1 and 2, by method."""
    table = describe(write(tmp_path), smiles="SMILES", targets=["toxic", "even"], id="name")
    for folder in ("alone", "shared"):
        keep(table, ResultsFolder(tmp_path / folder))
    found = plan(to_dataset(table), "smoke", models=["gin"], methods=METHODS, seeds=[1, 2]).specs
    yield {(spec.method, spec.seed): spec for spec in found if spec.model == "gin"}
    fitting._loaded.cache_clear()


def by_code(monkeypatch, digest: str) -> None:
    monkeypatch.setattr(fitting, "source_code", lambda: digest)


def files(results) -> list:
    return sorted(ResultsFolder(results).first_phases_path.rglob("*.safetensors"))


def test_records_are_the_same_and_it_is_trained_once(specs, tmp_path, monkeypatch):
    with monkeypatch.context() as without:
        without.setattr(fitting, "_first_phases", lambda *_, **__: None)
        alone = [runner.run(specs[method, 1], RunOptions(tmp_path / "alone")) for method in METHODS]
    assert files(tmp_path / "alone") == []
    shared, counts, known = [], [], first_phase.known
    monkeypatch.setattr(first_phase, "known", lambda *a, **k: counts.append(known(*a, **k)) or counts[-1])
    for method in METHODS:
        shared.append(runner.run(specs[method, 1], RunOptions(tmp_path / "shared")))
        assert len(files(tmp_path / "shared")) == 1
    assert [found is not None for found in counts] == [False, True, True]
    for before, now in zip(alone, shared, strict=True):
        assert now.status == "finished"
        assert (now.scores, now.selection, now.history) == (before.scores, before.selection, before.history)
        assert (now.details, now.cost.parameters) == (before.details, before.cost.parameters)
        assert now.cost.epochs == before.cost.epochs


def test_runs_on_other_data_or_by_other_code_share_none(specs, tmp_path, monkeypatch):
    spec, options = specs["backprop", 1], RunOptions(tmp_path / "shared")
    data = fitting.prepare(spec, options)

    def folder(one=spec, platform: str = "here"):
        return fitting._first_phases(one, data, options, by=(platform, fitting._code(one)))

    by_code(monkeypatch, "c" * 64)
    mine = folder()
    assert mine == folder(specs["continued", 1]) is not None
    assert len({mine, folder(specs["backprop", 2]), folder(platform="there"), folder(replace(spec, split="x"))}) == 4
    by_code(monkeypatch, "d" * 64)
    assert folder() not in (None, mine)
    by_code(monkeypatch, "c" * 64)
    assert folder() == mine
    with monkeypatch.context() as other:
        other.setattr(fitting, "package_versions", lambda: {"rdkit": "1"})
        assert folder() not in (None, mine)
    monkeypatch.setattr(fitting, "code_of", lambda kind, name: "a" * 64 if kind == "method" else "")
    assert folder() is None
    monkeypatch.setattr(fitting, "code_of", lambda kind, name: "a" * 64 if kind == "model" else "")
    assert folder() not in (None, mine)
