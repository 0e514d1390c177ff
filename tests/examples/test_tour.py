"""The notebook does what it shows."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

TOUR = Path(__file__).parents[2] / "examples" / "tour.ipynb"

pytestmark = [pytest.mark.lengthy, pytest.mark.thorough]


def shown(cell) -> list[str]:
    """Of what kind the results of a cell are; what is written while it runs depends on the machine."""
    return sorted(kind for one in cell.outputs if one.output_type == "execute_result" for kind in one.data)


def test_the_tour_runs_and_shows_what_it_was_committed_with(tmp_path, monkeypatch):
    nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed: the notebook was not executed")
    pytest.importorskip("ipykernel", reason="ipykernel is not installed: the notebook was not executed")
    nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed: the notebook was not executed")
    committed = nbformat.read(TOUR, as_version=4)
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    path = filter(None, [str(TOUR.parents[1]), os.environ.get("PYTHONPATH")])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path))
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    again = nbformat.from_dict(committed)
    nbclient.NotebookClient(again, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    cells = [pair for pair in zip(committed.cells, again.cells, strict=True) if pair[0].cell_type == "code"]
    assert [shown(new) for _, new in cells] == [shown(old) for old, _ in cells]
    assert [old.execution_count for old, _ in cells] == list(range(1, len(cells) + 1))
    (last,) = [new for _, new in cells if new.source.splitlines()[-1].startswith("again.records")]
    assert [one.data["text/plain"] for one in last.outputs if "data" in one] == ["(True, 4)"]
