"""The notebooks of the documentation run from the first cell to the last, and are kept without outputs."""

from __future__ import annotations

import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.places import REPOSITORY

NOTEBOOKS = sorted((REPOSITORY / "docs" / "notebooks").glob("*.ipynb"))
ENVIRONMENT = {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
MARKS = {"mine-and-relabel": pytest.mark.nightly}
"""It trains twice, in more than a minute of processor; the verbs that it calls have tests of their own."""


def stem(path: Path) -> str:
    return path.stem


def test_notebooks_are_kept_without_outputs() -> None:
    assert len(NOTEBOOKS) >= 2
    for path in NOTEBOOKS:
        cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
        assert all(cell.outputs == [] and cell.execution_count is None for cell in cells), path.name


@pytest.mark.filterwarnings("ignore")  # of the kernel's own packages
@pytest.mark.parametrize("path", [pytest.param(path, marks=MARKS.get(path.stem, ())) for path in NOTEBOOKS], ids=stem)
def test_a_notebook_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    notebook = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, timeout=500, kernel_name="python3", resources=resources, env=dict(os.environ)).execute()
    folder = tmp_path / path.stem
    assert {"training"} <= {entry.name for entry in folder.iterdir()}
    for made in ("model", "better") if path.stem.startswith("mine") else ("model",):
        assert (folder / made / "model.safetensors").exists()
