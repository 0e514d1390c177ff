"""The house has one direction: a module imports only from modules below it."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import pbgraph

ROOT = Path(pbgraph.__file__).parent
TOP_TO_BOTTOM = (
    "bench",
    "cli",
    "api",
    "verify",
    "report",
    "execution",
    "plans",
    "prediction",
    "results",
    "testing",
    "deepchem",
    "methods",
    "dendrites",
    "models",
    "datasets",
    "splits",
    "features",
    "structures",
    "ops",
    "graph",
    "headroom",
    "insight",
    "decisions",
    "probabilities",
    "metrics",
    "molecules",
    "history",
    "spaces",
    "fields",
    "files",
    "stages",
    "streams",
    "terminal",
    "humanize",
    "registry",
    "errors",
)
KNOWS_NOTHING_OF_CHEMISTRY = ("rdkit", "pbgraph.graph", "pbgraph.models", "pbgraph.datasets", "pbgraph.features")


def imports(path: Path) -> set[str]:
    """Modules of pbgraph that a file imports, anywhere in it, by dotted name."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {name for name in found if name.startswith("pbgraph.") or name in ("pbgraph", "rdkit")}


def room(path: Path) -> str:
    return path.relative_to(ROOT).with_suffix("").parts[0]


def test_every_module_has_its_place():
    rooms = {room(path) for path in ROOT.rglob("*.py")} - {"__init__"}
    assert rooms == set(TOP_TO_BOTTOM)


@pytest.mark.parametrize("name", TOP_TO_BOTTOM)
def test_imports_go_down(name):
    below = set(TOP_TO_BOTTOM[TOP_TO_BOTTOM.index(name) :])
    for path in ROOT.rglob("*.py"):
        if room(path) == name:
            rooms = {module.split(".")[1] for module in imports(path) if module.count(".")} & set(TOP_TO_BOTTOM)
            assert rooms <= below, path


def test_dendrites_know_nothing_of_chemistry():
    for path in (ROOT / "dendrites").glob("*.py"):
        assert not [name for name in imports(path) if name.startswith(KNOWS_NOTHING_OF_CHEMISTRY)], path


@pytest.mark.lengthy
def test_what_reads_records_needs_no_torch():
    modules = ["bench", *(f"report.{path.stem}" for path in sorted((ROOT / "report").glob("[!_]*.py")))]
    code = """
import sys
from importlib import import_module
for name in sys.argv[1:]:
    import_module(f"pbgraph.{name}")
    if "torch" in sys.modules:
        sys.exit(f"pbgraph.{name} imports torch")
"""
    done = subprocess.run([sys.executable, "-c", code, *modules], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
