"""What prose names is there: modules, their attributes, and files, in documents, docstrings and comments."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
TEXTS = sorted(
    path
    for path in (
        *ROOT.glob("*.md"),
        *(file for name in ("pbgraph", "tests", "benchmarks", "examples", "docs") for file in (ROOT / name).rglob("*")),
    )
    if path.suffix in (".py", ".md", ".toml")
)
NAME = re.compile(r"(?<![\w/.@-])pbgraph(?:\.(?!__)[A-Za-z_]\w*)+")
PATH = re.compile(r"(?<![\w/.<-])(?:(?:pbgraph|tests|benchmarks|docs)/|examples/with_)[\w/.-]*\w")
IN_BACKTICKS = re.compile(r"`((?:\w+/)+\w+\.\w+)`")  # of the repository, or from its package on, as `cli/options.py`
NOT_THERE = {"pbgraph.things", "pbgraph.words.figure", "pbgraph.metrics.ROC", "tests/words/test_figure.py"}  # of tests


@cache
def groups() -> frozenset[str]:
    """Names of the entry points' groups, not all of which are modules."""
    return frozenset(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"])


@cache
def statements(path: Path) -> list[ast.stmt]:
    return ast.parse(path.read_text(encoding="utf-8")).body


@cache
def is_there(name: str) -> bool:
    """Whether a dotted name is a module's, or an attribute's of one, or of a class in one."""
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        module = ROOT.joinpath(*parts[:count])
        for path in (module / "__init__.py", module.with_suffix(".py")):
            if path.is_file():
                return has(statements(path), parts[count:])
    return False


def has(body: Iterable[ast.stmt], attributes: Sequence[str]) -> bool:
    """Whether statements bind the first of these names, and if that is a class, its body the next."""
    if not attributes:
        return True
    for statement in body:
        for node in (statement, *(ast.walk(statement) if isinstance(statement, ast.If | ast.Try) else ())):
            if attributes[0] in bound(node):
                return not isinstance(node, ast.ClassDef) or has(node.body, attributes[1:])
    return False


def bound(node: ast.AST) -> set[str]:
    """The names that a statement binds."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {alias.asname or alias.name for alias in node.names}
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return {name.id for target in targets if target for name in ast.walk(target) if isinstance(name, ast.Name)}


def test_what_a_text_names_is_there():
    missing = []
    for path in TEXTS:
        text = path.read_text(encoding="utf-8")
        names = {name for name in set(NAME.findall(text)) - groups() - NOT_THERE if not is_there(name)}
        paths = {named for named in set(PATH.findall(text)) - NOT_THERE if not (ROOT / named).exists()}
        missing += [f"{path.relative_to(ROOT)}: {name}" for name in sorted(names | paths)]
    assert not missing


def test_files_that_documents_name_are_there():
    missing = []
    for path in (path for path in TEXTS if path.suffix == ".md"):
        places = (ROOT, ROOT / "pbgraph", path.parent)
        named = sorted(set(IN_BACKTICKS.findall(path.read_text(encoding="utf-8"))))
        missing += [f"{path.name}: {name}" for name in named if not any((place / name).exists() for place in places)]
    assert not missing


def test_what_is_not_there_is_noticed():
    assert is_there("pbgraph.metrics.ROC_AUC")
    assert is_there("pbgraph.metrics.Metric.relevant")
    assert not is_there("pbgraph.metrics.ROC")
    assert not is_there("pbgraph.words.figure")
    assert NAME.findall("see `pbgraph.words.figure`.") == ["pbgraph.words.figure"]
    assert PATH.findall("in tests/words/test_figure.py, and") == ["tests/words/test_figure.py"]
    assert IN_BACKTICKS.findall("see `cli/words.py`, not `words.py`") == ["cli/words.py"]
