"""A real Ray cluster of two nodes on this machine: runs, losses and interruptions; all but one with a fake runner."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest

from fake_runner import Heard, make_spec, make_work
from pbgraph import bench
from pbgraph.errors import PbgraphError, UsageError
from pbgraph.execution.engines import on_ray, ray_node
from pbgraph.execution.engines.checkpoints import Checkpoints
from pbgraph.execution.engines.on_ray import OnRay, connected
from pbgraph.execution.engines.parcel import digest_of, unpacked
from pbgraph.execution.engines.ray_node import Order, differing
from pbgraph.execution.engines.ray_pairs import lend
from pbgraph.execution.options import RunOptions
from pbgraph.results.folder import ResultsFolder

HERE = Path(__file__).parent
LIGHT = "import pbgraph.execution.numerics as n; n._has_avx2 = lambda: False"  # workers that need no torch
NODE = {"num_cpus": 1, "object_store_memory": 100 * 2**20}


def no_parcel(work, options):
    return {}


def wait_for(condition):
    deadline = time.monotonic() + 600
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


@pytest.fixture
def temporary(monkeypatch):
    """The nodes' temporary folder: its name is short, since Ray makes sockets in it."""
    with tempfile.TemporaryDirectory(prefix="r-", ignore_cleanup_errors=True) as folder:
        monkeypatch.setenv("TMPDIR", folder)
        yield Path(folder)


@pytest.fixture
def cluster(temporary, monkeypatch):
    """A head without cores, so that it is spared, and two nodes; what they need is on their path."""
    pytest.importorskip("ray", reason="Ray is not installed (pip install -e '.[ray]')")
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(HERE), str(HERE.parents[2])]))
    made = Cluster(initialize_head=True, head_node_args={**NODE, "num_cpus": 0, "include_dashboard": False})
    made.nodes = [made.add_node(**NODE) for _ in range(2)]
    yield made
    made.shutdown()


@pytest.fixture
def ray(cluster):
    with connected(cluster.address) as found:
        yield found


class Watching(Heard):
    """A progress display that does something once a run has said how far it is."""

    def __init__(self, do=lambda: None):
        super().__init__()
        self.do, self.count = do, Counter()

    def reported(self, worker, report):
        self.count["reports"] += 1
        if self.count["reports"] == 1:
            self.do()


def run_all(ray, work, folder, *, heard=None, jobs=2, **engine):
    engine = OnRay(ray, pack=no_parcel, **engine)
    progress = heard or Heard()
    return engine(work, RunOptions(folder), jobs=jobs, device="cpu", progress=progress, runner="fake_runner")


@pytest.mark.slow
@pytest.mark.lengthy
def test_runs_come_back_as_records_controls_after_their_pairs(ray, tmp_path):
    pairs = [make_spec(seed=seed) for seed in range(3)]
    failing, dying = make_spec("fail", seed=3), make_spec("die once", seed=4)
    controls = [make_spec(seed=10 + spec.seed, control_of=spec.key) for spec in (*pairs, failing)]
    heard = Heard()
    records = run_all(ray, make_work(*controls, *pairs, failing, dying), tmp_path / "results", heard=heard)
    assert Counter(record.status for record in records) == {"finished": 7, "failed": 2}
    results = ResultsFolder(tmp_path / "results")
    assert len(results.records("tox21")) == 9
    order = [seed for what, seed in heard.events if what == "ended"]
    assert all(order.index(spec.seed) < order.index(10 + spec.seed) for spec in (*pairs, failing))
    assert len({record.details["pid"] for record in records if record.details}) <= 4
    assert not [path for path in (tmp_path / "results" / ".work").iterdir() if path.name.startswith(".ray.")]


@pytest.mark.slow
@pytest.mark.lengthy
def test_what_a_killed_node_was_at_is_done_on_the_other(ray, cluster, temporary, tmp_path):
    first, *rest = [make_spec("endless once", seed=seed) for seed in range(2)]
    node = cluster.nodes[1]
    work = make_work(first, *rest, *(make_spec(seed=seed) for seed in range(5, 9)))

    class StopsTheOther(Watching):
        """Which goes on for ever, too, until the loss of the node has been heard of."""

        def left(self, worker, reason):
            super().left(worker, reason)
            for sign in temporary.rglob("*.tries") if "lost" in reason else ():
                with suppress(ProcessLookupError):
                    os.kill(int(sign.read_text().split()[0]), signal.SIGKILL)

    heard = StopsTheOther(lambda: cluster.remove_node(node, allow_graceful=False))
    records = run_all(ray, work, tmp_path / "results", heard=heard)
    assert sorted(record.spec.seed for record in records) == [0, 1, 5, 6, 7, 8]
    assert {record.status for record in records} == {"finished"}
    assert any(what == "left" and "lost" in str(why) for what, why in heard.events)


@pytest.mark.slow
@pytest.mark.lengthy
def test_a_node_that_cannot_do_runs_stops_the_work_in_one_line_when_no_other_is_left(ray, tmp_path):
    with pytest.raises(PbgraphError, match=r"no node can do runs; the last said: .*No space left on device"):
        run_all(ray, make_work(make_spec("full disk")), tmp_path / "results")
    assert not ResultsFolder(tmp_path / "results").records("tox21")


@pytest.mark.slow
@pytest.mark.lengthy
def test_a_node_with_other_versions_does_nothing(ray, tmp_path, monkeypatch):
    monkeypatch.setattr(on_ray, "versions", lambda: {**ray_node.versions(), "torch": "0.1"})
    with pytest.raises(PbgraphError, match=r"would give other numbers: torch 0\.1 here and .* there; install the same"):
        run_all(ray, make_work(make_spec()), tmp_path / "results")


PROGRAM = """
import sys
from pathlib import Path
from fake_runner import Heard, make_spec, make_work
from pbgraph.errors import Interrupted
from pbgraph.execution.engines.on_ray import OnRay, connected
from pbgraph.execution.options import RunOptions
work = make_work(make_spec("endless"), make_spec("endless", seed=1), make_spec(seed=2))
heard = Heard()
heard.reported = lambda worker, report: print("at it", flush=True)
try:
    with connected(sys.argv[1]) as ray:
        OnRay(ray, sys.argv[3], pack=lambda *_: {})(
            work, RunOptions(Path(sys.argv[2])), jobs=2, device="cpu", progress=heard, runner="fake_runner"
        )
except Interrupted as error:
    print(error)
    sys.exit(error.exit_code)
"""


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.slow
@pytest.mark.lengthy
def test_after_ctrl_c_nothing_runs_and_what_was_at_it_is_saved(cluster, temporary, tmp_path):
    words = [sys.executable, "-c", PROGRAM, cluster.address, str(tmp_path / "results"), str(tmp_path / "states")]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stdout.readline() == "at it\n"
    signs = list(temporary.rglob("*.tries"))
    wait_for(lambda: len(list(temporary.rglob("*.tries"))) == 2)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=600)
    assert process.returncode == 130
    assert "interrupted with 0 of 3 runs done" in said
    signs = list(temporary.rglob("*.tries"))
    wait_for(lambda: not any(alive(int(sign.read_text().split()[0])) for sign in signs))
    assert len(list(temporary.rglob("*.saved"))) == 2


@pytest.mark.slow
@pytest.mark.lengthy
def test_a_plan_of_four_networks_has_the_records_of_the_local_engine_though_a_node_is_killed(cluster, tmp_path, shared):
    data = ("--data", shared / "data")
    plan = ("esol", "--preset", "smoke", "--models", "gin", "gcn", "gat", "trimnet", *data)
    words = [sys.executable, "-m", "pbgraph.bench", *map(str, plan)]
    there = [*words, "--engine", "ray", "--address", cluster.address, "--results", str(tmp_path / "there")]
    there += ["--checkpoints", str(tmp_path / "states")]
    process = subprocess.Popen(there, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    wait_for(lambda: len(ResultsFolder(tmp_path / "there").records("esol")) >= 2 or process.poll() is not None)
    cluster.remove_node(cluster.nodes[1], allow_graceful=False)
    out, err = process.communicate(timeout=1800)
    assert process.returncode == 0, err
    assert "gat" in out
    subprocess.run([*words, "--results", str(tmp_path / "local")], check=True, capture_output=True, timeout=1800)
    local, remote = (ResultsFolder(tmp_path / name).records("esol") for name in ("local", "there"))
    assert len(local) == 8
    assert [record.digest() for record in remote] == [record.digest() for record in local]
    assert bench.main(["verify", str(tmp_path / "there"), *map(str, data), "--offline"]) == 0


def test_without_ray_it_is_said_how_to_get_it(monkeypatch, capsys, tmp_path):
    monkeypatch.setitem(sys.modules, "ray", None)
    assert bench.main(["esol", "--engine", "ray", "--results", str(tmp_path)]) == 2
    assert "pip install -e '.[ray]'" in capsys.readouterr().err


@pytest.mark.parametrize("address", ["127.0.0.1:1", "nowhere", "127.0.0.1:99999999", "ray://127.0.0.1:1", "host:port"])
def test_an_address_that_does_not_answer_is_said_at_once(address):
    with pytest.raises(UsageError, match=r"^--address .*ray start --head"):
        on_ray._probe(address)


def test_what_differs_between_machines_is_named():
    assert not differing(ray_node.versions(), ray_node.versions())
    assert re.fullmatch("[0-9a-f]{12}", ray_node.versions()["code of pbgraph"])


def test_a_parcel_is_unpacked_once(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    parcel, fetched = {"data/a.csv": b"a", "cache/b.cache": b"b"}, []

    def fetch():
        fetched.append(1)
        return parcel

    for _ in range(2):
        folder = unpacked(digest_of(parcel), fetch)
    assert fetched == [1]
    assert (folder / "data" / "a.csv").read_bytes() == b"a"
    assert (folder / "cache" / "b.cache").read_bytes() == b"b"


def test_a_control_gets_the_record_that_its_driver_has_whatever_an_earlier_one_left(temporary, tmp_path):
    (tmp_path / "data").mkdir()
    name = "records/toy/0123456789abcdef.json"
    for content in (b"of an earlier driver", b"of this one"):
        order = Order(make_spec(), "runner", "cpu", {}, "parcel", paired={name: content})
        doing = ray_node._Doing(order, tmp_path, ("host", "node"))
        doing._bring_what_it_needs()
        assert (doing.results.root / name).read_bytes() == content


def test_what_controls_are_paired_with_goes_with_the_last_of_them(tmp_path):
    files = {"records/toy/0123456789abcdef.json": b"a pair"}
    path = tmp_path / "records" / "toy" / "0123456789abcdef.json"
    first, second = lend(tmp_path, files), lend(tmp_path, files)
    first()
    assert path.read_bytes() == b"a pair"
    third = lend(tmp_path, dict.fromkeys(files, b"of another driver"))
    second()
    assert path.read_bytes() == b"of another driver"
    third()
    assert not [one for one in tmp_path.rglob("*") if one.is_file()]


def test_a_run_of_other_code_is_another_run(temporary, tmp_path):
    (tmp_path / "data").mkdir()
    orders = [Order(make_spec(), "runner", "cpu", {"code of pbgraph": code}, "parcel") for code in ("one", "two")]
    folders = {ray_node._Doing(order, tmp_path, ("host", "node")).results.root for order in (*orders, *orders)}
    assert len(folders) == 2


@pytest.mark.parametrize("address", ["{}", "file://{}"])
def test_saved_states_survive_their_machine(tmp_path, address):
    states = Checkpoints(address.format(tmp_path / "shared"))
    here, there = ResultsFolder(tmp_path / "here"), ResultsFolder(tmp_path / "there")
    (here.root / ".work").mkdir(parents=True)
    for name in ("k", "k.best", "other"):
        (here.root / ".work" / f"{name}.safetensors").write_bytes(name.encode())
    for _ in range(2):
        states.save("k", here)
    Checkpoints(address.format(tmp_path / "shared")).restore("k", there)
    assert [path.name for path in there.saved_state("k")] == ["k.best.safetensors", "k.safetensors"]
    assert not there.saved_state("other")
    (there.root / ".work" / "k.safetensors").write_bytes(b"newer")
    states.restore("k", there)
    assert (there.root / ".work" / "k.safetensors").read_bytes() == b"newer"
    states.drop("k")
    assert not list((tmp_path / "shared").iterdir())


@pytest.mark.parametrize("address", ["nosuchstore://bucket/states", "/proc/no/such/folder"])
def test_a_store_that_cannot_be_used_is_said_in_one_line(address):
    with pytest.raises(UsageError, match=r"--checkpoints .*cannot be used") as error:
        Checkpoints(address)
    assert "\n" not in str(error.value)
