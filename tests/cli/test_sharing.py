"""Commands for many machines, as a user meets them."""

from __future__ import annotations

import subprocess
from types import SimpleNamespace

import pytest

from pbgraph import bench
from pbgraph.plans.plan import plan
from pbgraph.results.folder import ResultsFolder

PAIRED = plan("esol", "smoke", methods=["perforated", "continued"])
CONTROL = next(spec.key for spec in PAIRED.specs if spec.control_of)


def call(*argv: object) -> int:
    return bench.main([str(word) for word in argv])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("work", "toxx"), "unknown plan or task 'toxx'; did you mean 'tox21'?"),
        (("work", "smoke"), "plan smoke names no task; give one with --task"),
        (("work", "esol", "--task", "esol"), "--task esol: esol is a task itself"),
        (("work", "smoke", "--task", "esol", "--preset", "paper"), "has a recipe of its own"),
        (("work", "esol", "--until", "soon"), "--until soon: expected a time above 0, such as 3h50m"),
        (("work", "esol", "--heartbeat", "2h"), "--heartbeat: expected at most 3600 s"),
        (("work", "esol", "--runs", "nowhere.txt"), "--runs nowhere.txt cannot be read"),
        (("submit", "esol"), "submit: say what to: --slurm"),
        (("esol", "--address", "127.0.0.1:1"), "are for --engine ray"),
        (("esol", "--checkpoints", "states"), "are for --engine ray"),
        (("esol", "--engine", "ray", "--gpu-share", "2"), "--gpu-share 2: expected the share of a GPU"),
        (("esol", "--engine", "rai"), "unknown engine 'rai'; did you mean 'ray'?"),
    ],
)
def test_wrong_usage_is_one_line(tmp_path, monkeypatch, capsys, words, message):
    monkeypatch.chdir(tmp_path)
    assert call(*words, "--results", tmp_path / "results") == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "it is empty"), ("x\n", "'x' is no key of a run"), ("0123456789abcdef\n", "is no run of this plan (1 of 1")],
)
def test_a_list_of_runs_is_checked(tmp_path, capsys, text, message):
    (tmp_path / "keys.txt").write_text(text)
    assert call("work", "esol", "--runs", tmp_path / "keys.txt", "--results", tmp_path / "results") == 2
    assert message in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_said_before_any_run(tmp_path, capsys, shared):
    (tmp_path / "file").touch()
    words = ("work", "esol", "--preset", "smoke", "--data", shared / "data", "--results", tmp_path / "file" / "results")
    assert call(*words) == 1
    assert "cannot be written" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.slow
@pytest.mark.lengthy
def test_three_workers_make_the_records_of_the_local_engine(toy, tmp_path):
    options = ("toy", "--preset", "smoke", "--models", "gin", "gcn", "gat", "trimnet", "--jobs", "1")
    words = toy.words("work", *options, "--results", "shared")
    workers = [subprocess.Popen(words, env=toy.env, cwd=tmp_path) for _ in range(3)]
    assert [worker.wait(1800) for worker in workers] == [0, 0, 0]
    assert toy.run(*options, "--results", "local", cwd=tmp_path).returncode == 0
    local, there = (ResultsFolder(tmp_path / name).records("toy") for name in ("local", "shared"))
    assert [record.digest() for record in there] == [record.digest() for record in local]
    assert len(local) == 8
    assert not list((tmp_path / "shared" / ".work" / "leases").iterdir())


def test_only_the_runs_that_are_listed_are_meant(tmp_path, capsys, monkeypatch):
    from pbgraph.execution import benchmark

    asked = []
    monkeypatch.setattr(benchmark, "do_missing", lambda plan, *_, **__: asked.append(plan) or (plan, {}))
    specs = plan("esol", "smoke").specs
    (tmp_path / "keys.txt").write_text(f"{specs[1].key}\n\n")
    monkeypatch.setattr(type(plan("esol", "smoke")), "blocked", {}, raising=False)
    assert call("work", "esol", "--preset", "smoke", "--runs", tmp_path / "keys.txt", "--results", tmp_path) == 0
    assert [spec.key for spec in asked[0].specs] == [specs[1].key]
    assert "0 of 1 runs finished, 0 failed" in capsys.readouterr().err


def test_a_control_that_is_listed_without_what_it_is_paired_with_is_wrong_usage_and_no_failure(tmp_path, capsys):
    (tmp_path / "keys.txt").write_text(f"{CONTROL}\n")
    words = ("esol", "--preset", "smoke", "--methods", "perforated", "continued", "--results", tmp_path / "results")
    assert call("work", *words, "--runs", tmp_path / "keys.txt") == 2
    assert f"{CONTROL} is a control of " in capsys.readouterr().err
    assert not (tmp_path / "results").exists()


def test_a_worker_that_finds_what_is_no_record_in_the_place_of_one_does_the_rest_and_ends_with_1(
    tmp_path, capsys, monkeypatch
):
    from pbgraph.execution import benchmark

    results, specs = ResultsFolder(tmp_path), plan("esol", "smoke").specs

    def torn_meanwhile(left, *_, **__):
        results.record_path(specs[0]).parent.mkdir(parents=True)
        results.record_path(specs[0]).write_bytes(b"torn")
        return SimpleNamespace(blocked={}), {}

    monkeypatch.setattr(benchmark, "do_missing", torn_meanwhile)
    assert call("work", "esol", "--preset", "smoke", "--results", tmp_path) == 1
    assert f"0 of {len(specs)} runs finished" in capsys.readouterr().err
