"""The few lines of Python on real data: flat in a file, from standard input and in a notebook they do the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.places import REAL_DATA, REPOSITORY

COCO, SINET = REAL_DATA / "data" / "coco", REAL_DATA / "models" / "sinet.onnx"
SCRIPT = f"""
import json
import pipelines as curate
from curation import read_dataset
from models import load_model

persons = curate.coco_person(annotations="{COCO}/annotations/instances_train2017.json", images="{COCO}/train2017",
                             out="persons", workers=2, limit=16).dataset
model = load_model("{SINET}")
probability = model.predict(persons[0].image)
hard = curate.mine(model="{SINET}", data=persons, out="hard", workers=2).dataset
worst = hard.frame.sort_values("miou").head()
assert probability.shape == persons[0].mask.shape and 0 <= probability.min() < 0.1 and 0.9 < probability.max() <= 1
assert read_dataset("hard")[worst["id"].iloc[0]].image.shape[:2] == (worst["height"].iloc[0], worst["width"].iloc[0])
print(json.dumps([len(persons), worst["id"].tolist(), worst["miou"].tolist()]))
"""
NOTEBOOK = """
import json, sys
import nbformat
from jupyter_client.manager import KernelManager
from nbclient import NotebookClient

notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code) for code in json.load(sys.stdin)])
kernel = KernelManager(transport="ipc", ip="kernel")
NotebookClient(notebook, km=kernel, timeout=600).execute()
print(json.dumps([cell.outputs for cell in notebook.cells]))
"""
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(REPOSITORY)}

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(
        not (COCO.is_dir() and SINET.is_file()),
        reason=f"no {COCO} or no {SINET}; set CURATE_REAL_DATA to the folder of real data",
    ),
]


def by_script(folder: Path, *arguments: str, text: str = "") -> str:
    done = subprocess.run(
        [sys.executable, *arguments], input=text, cwd=folder, env=ENVIRONMENT, text=True, capture_output=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def in_notebook(folder: Path, *, with_pictures: str) -> str:
    """Return what the script prints in a notebook; in a process of its own, which nbclient leaves with open sockets."""
    (folder / "notebook.py").write_text(NOTEBOOK)
    done = subprocess.run(
        [sys.executable, "notebook.py"],
        input=json.dumps([SCRIPT, with_pictures]),
        cwd=folder,
        env=ENVIRONMENT,
        text=True,
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr
    printed, shown = json.loads(done.stdout)
    assert shown[0]["data"]["text/html"].count("data:image/webp") == 6
    (told,) = printed
    return str(told["text"])


@pytest.mark.nightly  # half a minute of processor; test_readme.py runs all lines of Python of the pages
def test_the_lines_of_python_do_the_same_wherever_they_run(tmp_path: Path) -> None:
    pytest.importorskip("nbclient", reason="the extra `docs` is not installed")
    script, notebook = tmp_path / "script", tmp_path / "notebook"
    for folder in (script, notebook):
        folder.mkdir()
    told = by_script(script, "-", text=SCRIPT)
    assert in_notebook(notebook, with_pictures="persons") == told
    (script / "script.py").write_text(SCRIPT)
    assert by_script(script, "script.py") == told  # what the first made is found made
    number, ids, scores = json.loads(told)
    assert number == 16 and len(ids) == len(scores) == 5 and scores == sorted(scores) and scores[-1] < 0.8
