"""What `make test-fast` leaves out, and what is run first."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
STARTS = re.compile(r"sys\.executable\b.*[\],]|\bmp\.spawn\(|\bsubprocess\.Popen\(")
FILES = sorted(path for path in TESTS.rglob("test_*.py") if path != Path(__file__) and STARTS.search(path.read_text()))


def test_many_files_start_processes():
    assert len(FILES) > 10


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_that_starts_processes_says_which_of_its_tests_are_lengthy(path):
    assert "pytest.mark.lengthy" in path.read_text()


class Item:
    """As much of a test as the order of tests depends on."""

    def __init__(self, path: str, *fixturenames: str, marked: bool = False) -> None:
        self.path, self.fixturenames, self.marked = Path(path), fixturenames, marked

    def get_closest_marker(self, name: str) -> bool:
        return self.marked

    def add_marker(self, mark: pytest.MarkDecorator) -> None:
        self.marked = self.marked or mark.name == "lengthy"


def test_what_needs_whole_data_sets_is_lengthy_by_itself_and_its_file_comes_first(pytestconfig):
    tests = pytestconfig.pluginmanager.get_plugin(str(TESTS / "conftest.py"))
    quick, whole, beside, marked = Item("a"), Item("b", "tmp_path", "tox21"), Item("b"), Item("c", marked=True)
    items = [quick, beside, whole, marked]
    tests.pytest_collection_modifyitems(items)
    assert items == [beside, whole, marked, quick]
    assert [item.marked for item in items] == [False, True, True, False]
