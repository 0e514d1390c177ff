"""`pbgraph.dendrites` could be published alone: it needs little of pbgraph, and does without fast kernels."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import pbgraph.dendrites
from pbgraph.dendrites.moments import FASTER, moments, plain_moments

FOLDER = Path(pbgraph.dendrites.__file__).parent
ADAPTERS = {
    "lightning.py": {"lightning", "pytorch_lightning"},
    "huggingface.py": {"transformers"},
    "skorch.py": {"skorch"},
}
PLOTS = {"plotting.py": {"matplotlib"}, "journal.py": {"matplotlib"}}
THIRD = {"torch", "numpy", "safetensors"}
GROUND = {
    "pbgraph.streams",
    "pbgraph.files.state_file",
    "pbgraph.errors",
    "pbgraph.headroom",
    "pbgraph.insight",
    "pbgraph.stages",
}


def imported(path):
    """Modules that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, path
            found |= (
                {f"{node.module}.{alias.name}" for alias in node.names} if node.module == "pbgraph" else {node.module}
            )
    return found


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.py")), ids=lambda path: path.name)
def test_it_imports_little(path):
    allowed = THIRD | ADAPTERS.get(path.name, set()) | PLOTS.get(path.name, set()) | sys.stdlib_module_names
    for module in imported(path):
        ours = module.split(".")[:2] == ["pbgraph", "dendrites"] or module in GROUND
        assert ours or module.split(".")[0] in allowed, f"{path.name} imports {module}"


def run(code):
    made = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=600)
    assert made.returncode == 0, made.stderr


@pytest.mark.lengthy
def test_importing_it_loads_the_ground_alone():
    run(
        f"""
import sys
import pbgraph.dendrites
ground = {sorted(GROUND)} + ["pbgraph.files", "pbgraph.files.reading", "pbgraph.files.writing"]
loaded = [name for name in sys.modules if name.startswith("pbgraph.") and not name.startswith("pbgraph.dendrites")]
assert set(loaded) <= set(ground), loaded
assert "numba" not in sys.modules and "matplotlib" not in sys.modules
"""
    )


@pytest.mark.lengthy
@pytest.mark.thorough
def test_it_works_without_fast_kernels():
    run(
        """
import sys
sys.modules["pbgraph.ops"] = None
import torch
from torch import nn
from pbgraph.dendrites import Growth, perforate
from pbgraph.dendrites.faster import faster
from pbgraph.dendrites.joined import FASTER as RUNNING
from pbgraph.dendrites.moments import FASTER
model = perforate(nn.Sequential(nn.Conv1d(1, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(4, 1)))
growth = Growth(model, torch.optim.Adam, max_dendrites=1, max_epochs=1, dendrite_max_epochs=1, priming_batches=0)
x = torch.randn(9, 1, 3)
while not growth.dendrites:
    growth.step(lambda model, batch: model(batch).square().mean(), x)
    growth.epoch_end(float(growth.epoch))
assert faster(FASTER) is None and faster(RUNNING) is None
"""
    )


@pytest.mark.thorough
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_the_plain_definition_is_that_of_the_kernels(dtype):
    definition = sys.modules.get(FASTER) or __import__(FASTER, fromlist=["moments"])
    torch.manual_seed(0)
    a, delta = torch.randn(50, 3).to(dtype), torch.randn(50, 3).to(dtype)
    for found, expected in zip(plain_moments(a, delta), definition.moments_definition(a, delta), strict=True):
        assert torch.equal(found, expected)
    for found, expected in zip(moments(a, delta), definition.moments(a, delta), strict=True):
        assert torch.equal(found, expected)
