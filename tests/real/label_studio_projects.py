"""What is pushed to a real Label Studio: real portraits, and annotations of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from curation.dataset.dataset import Dataset, read_dataset
from labeling.findings import findings_of
from labeling.label_tools.label_studio.drawing.brush import decode_brush
from labeling.label_tools.label_studio.project.project import the_project
from labeling.label_tools.label_studio.project.tasks import list_tasks, region_of
from labeling.label_tools.label_studio.push.push import Push
from labeling.label_tools.label_studio.server.client import Client
from labeling.label_tools.label_studio.stand_in import submit
from pipelines.command_line.options import RunOptions
from pipelines.sources.pairs import PairsFlags, pairs
from tests.places import REAL_DATA

PORTRAITS = REAL_DATA / "data" / "portraits"


def portraits(folder: Path, *, limit: int) -> Dataset:
    if not PORTRAITS.is_dir():
        pytest.skip(f"no {PORTRAITS}; set CURATE_REAL_DATA to the folder of real data")
    flags = PairsFlags(images=PORTRAITS / "images", masks=PORTRAITS / "masks", out=folder / "portraits")
    pairs(flags, run=RunOptions(workers=0, quiet=True, limit=limit))
    return read_dataset(folder / "portraits")


def whole(dataset: Dataset, *, title: str) -> Push:
    rows = dataset.table.to_pylist()
    findings = findings_of(dataset, scores=None)
    return Push(dataset=dataset, rows=rows, title=title, findings=findings, prefill="label", model_version="m1")


def submit_all(client: Client, *, title: str, turned: bool = False) -> None:
    """Submit each pre-annotation as the server holds it; `turned` upside down, so that it is a correction."""
    for task in list_tasks(client, project=the_project(client, title=title).id):
        (region,) = client.get(f"/api/tasks/{task.id}/", kind=dict)["predictions"][0]["result"]
        if turned:
            size = {"height": region["original_height"], "width": region["original_width"]}
            region = region_of(decode_brush(region["value"]["rle"], **size)[::-1])
        submit(client, task=task.id, body={"result": [region, answer("fixed" if turned else "right")]})


def answer(verdict: str) -> dict[str, Any]:
    """Return the choice of an annotator, as the page sends it."""
    return {"from_name": "verdict", "to_name": "image", "type": "choices", "value": {"choices": [verdict]}}
