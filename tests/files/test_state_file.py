import subprocess
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pbgraph.files.state_file import load_state, save_state

leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
trees = st.recursive(
    leaves,
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=20,
)


@given(tree=trees)
def test_any_nesting_of_plain_values_survives(tree, tmp_path_factory):
    path = tmp_path_factory.mktemp("state") / "state.safetensors"
    save_state(tree, path)
    assert load_state(path) == tree


def test_tensors_survive_bit_for_bit_and_shared_ones_are_allowed(tmp_path):
    shared = torch.randn(3, 4)
    state = {0: shared, "view": [shared[1:], shared.t()], "step": torch.tensor(3.0), "empty": torch.empty(0, 2)}
    save_state(state, tmp_path / "s")
    loaded = load_state(tmp_path / "s")
    assert torch.equal(loaded[0], shared)
    assert torch.equal(loaded["view"][0], shared[1:])
    assert torch.equal(loaded["view"][1], shared.t())
    assert loaded["step"].shape == ()
    assert loaded["empty"].shape == (0, 2)


def test_optimiser_state_survives(tmp_path):
    weight = torch.nn.Parameter(torch.randn(3))
    optimizer = torch.optim.AdamW([weight], fused=True)
    (weight**2).sum().backward()
    optimizer.step()
    save_state(optimizer.state_dict(), tmp_path / "s")
    again = torch.optim.AdamW([torch.nn.Parameter(weight.detach().clone())], fused=True)
    again.load_state_dict(load_state(tmp_path / "s"))
    assert torch.equal(again.state_dict()["state"][0]["exp_avg"], optimizer.state_dict()["state"][0]["exp_avg"])


def test_foreign_leaf_is_named_and_the_old_file_stays(tmp_path):
    path = tmp_path / "s"
    save_state({"a": 1}, path)
    with pytest.raises(TypeError, match=r"state\['a'\]\[1\] is a object"):
        save_state({"a": [1, object()]}, path)
    assert load_state(path) == {"a": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["s"]


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b"\x80\x04pickle" + b])
def test_damaged_file_is_an_error(tmp_path, damage):
    path = tmp_path / "s"
    save_state({"a": torch.randn(50)}, path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match="is not a saved state"):
        load_state(path)


FULL_DISK = """
import resource, signal, sys, torch
from pathlib import Path
from pbgraph.files.state_file import load_state, save_state
path = Path(sys.argv[1])
save_state({"a": 1}, path)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    save_state({"a": torch.zeros(10_000)}, path)
except OSError as error:
    print("cannot be written" in str(error), load_state(path), [file.name for file in path.parent.iterdir()])
"""


@pytest.mark.lengthy
def test_a_full_disk_is_an_error_of_the_system_and_keeps_the_older_file(tmp_path):
    command = [sys.executable, "-c", FULL_DISK, str(tmp_path / "state")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True {'a': 1} ['state']"
