"""Label Studio: pre-labels there and masks back, compared with the ways that its SDK and its export offer.

Needs the server of `curate label serve` to be up, in its own folder or in `CURATE_LABEL_STUDIO_FOLDER`.
"""

from __future__ import annotations

import io
import os
import time
import uuid
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from label_studio_sdk import LabelStudio
from label_studio_sdk.converter.brush import mask2rle
from PIL import Image

from curation.errors import RemoteUnavailable
from labeling.label_tools.label_studio.drawing.regions import Frame
from labeling.label_tools.label_studio.project.project import Project, open_project
from labeling.label_tools.label_studio.project.tasks import fetch_answers, list_tasks, prediction_of, task_of
from labeling.label_tools.label_studio.pull.read_annotations import drawn_mask, submitted_of
from labeling.label_tools.label_studio.push.send_tasks import send_tasks
from labeling.label_tools.label_studio.server.access import Access, default_folder, find_access
from labeling.label_tools.label_studio.server.client import Client
from tests.bench.measuring import say
from tests.places import REAL_DATA

MASKS = int(os.environ.get("CURATE_BENCH_LABELS", "200"))
SINGLE_CALLS = 10
"""Of the slow way; each call takes the same."""


def bench() -> None:
    """Print how long pre-labels take to the server, and masks back, per mask."""
    try:
        access = find_access(Path(os.environ.get("CURATE_LABEL_STUDIO_FOLDER", default_folder())))
    except RemoteUnavailable as error:
        say(f"\nLabel Studio: left out; {error.reason}")
        return
    masks = _masks()
    say(f"\nLabel Studio, {len(masks)} masks of portraits; wall clock of client and server on this machine")
    with Client(access) as client:
        _bench_push(client, access=access, masks=masks)
        _bench_pull(client, masks=masks)


def _bench_push(client: Client, *, access: Access, masks: list[np.ndarray]) -> None:
    sdk = LabelStudio(base_url=access.url, api_key=access.token)
    ours = _timed(client, lambda project: _send(client, project=project, masks=masks))
    bulk = _timed(
        client, lambda p: sdk.projects.import_tasks(id=p.id, request=[_by_hand(m, n) for n, m in enumerate(masks)])
    )

    def one_by_one(project: Project) -> None:
        for number, mask in enumerate(masks[:SINGLE_CALLS]):
            sent = _by_hand(mask, number)
            task = sdk.tasks.create(project=project.id, data=sent["data"])
            sdk.predictions.create(task=task.id, **sent["predictions"][0])

    single = _timed(client, one_by_one) * len(masks) / SINGLE_CALLS
    for name, seconds in (("ours", ours), ("SDK, bulk import", bulk), ("SDK, one call per task", single)):
        say(f"  there: {name:<24} {1000 * seconds / len(masks):8.1f} ms a mask   {seconds / ours:5.1f} times")


def _bench_pull(client: Client, *, masks: list[np.ndarray]) -> None:
    project = open_project(client, title=f"bench {uuid.uuid4().hex[:8]}")
    try:
        _send(client, project=project, masks=masks, with_annotations=True)
        export = f"/api/projects/{project.id}/export?exportType=BRUSH_TO_PNG"
        times: dict[str, list[float]] = {"ours": [], "the server's PNG export": []}
        for _ in range(3):
            times["ours"].append(_seconds(lambda: _take(client, project=project, masks=masks)))
            times["the server's PNG export"].append(_seconds(lambda: _unpack(client.get_bytes(export))))
        ours = sorted(times["ours"])[1]
        for name, seconds in ((name, sorted(taken)[1]) for name, taken in times.items()):
            say(f"  back:  {name:<24} {1000 * seconds / len(masks):8.1f} ms a mask   {seconds / ours:5.1f} times")
    finally:
        client.delete(f"/api/projects/{project.id}/")


def _send(client: Client, *, project: Project, masks: list[np.ndarray], with_annotations: bool = False) -> None:
    tasks: list[dict[str, Any]] = []
    for number, mask in enumerate(masks):
        row = {"id": f"{number}", "sha256": "0" * 64, "label_version": 0}
        task = task_of(row, image="/x.jpg", predictions=[prediction_of(mask, model_version="m", score=0.5)])
        tasks.append(
            task | ({"annotations": [{"result": task["predictions"][0]["result"]}]} if with_annotations else {})
        )
    send_tasks(client, project=project.id, tasks=tasks, after=0)


def _take(client: Client, *, project: Project, masks: list[np.ndarray]) -> None:
    """List, fetch and decode all masks, and compare them."""
    tasks = list(list_tasks(client, project=project.id))
    for start in range(0, len(tasks), 100):
        page = tasks[start : start + 100]
        came = fetch_answers(client, project=project.id, tasks=[task.id for task in page])
        for task in page:
            truth = masks[int(task.sample_id)]
            frame = Frame(height=truth.shape[0], width=truth.shape[1], name="")
            assert np.array_equal(drawn_mask(submitted_of(came[task.id].annotations or [])[0], frame=frame)[0], truth)


def _unpack(data: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for name in archive.namelist():
            np.asarray(Image.open(io.BytesIO(archive.read(name))))


def _by_hand(mask: np.ndarray, number: int) -> dict[str, Any]:
    """Return a task as the SDK's own converter makes it."""
    height, width = mask.shape
    value = {"format": "rle", "rle": mask2rle(mask), "brushlabels": ["person"]}
    region = {"type": "brushlabels", "from_name": "mask", "to_name": "image", "value": value, "image_rotation": 0}
    size = {"original_width": width, "original_height": height}
    prediction = {"model_version": "m", "score": 0.5, "result": [region | size]}
    return {"data": {"image": "/x.jpg", "number": number}, "predictions": [prediction]}


def _timed(client: Client, action: Callable[[Project], Any]) -> float:
    """Return the seconds of an action on a project of its own, the faster of two."""
    taken = []
    for _ in range(2):
        project = open_project(client, title=f"bench {uuid.uuid4().hex[:8]}")
        try:
            taken.append(_seconds(lambda project=project: action(project)))  # type: ignore[misc]
        finally:
            client.delete(f"/api/projects/{project.id}/")
    return min(taken)


def _seconds(action: Callable[[], Any]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def _masks() -> list[np.ndarray]:
    folder = REAL_DATA / "data" / "portraits" / "masks"
    if folder.is_dir():
        found = [cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) for path in sorted(folder.iterdir())[:MASKS]]
        return [np.where(mask > 127, np.uint8(255), np.uint8(0)) for mask in found]
    empty = np.zeros((400, 300), np.uint8)
    return [
        np.asarray(cv2.ellipse(empty.copy(), (150, 300), (60 + n % 60, 200), 0, 0, 360, 255, -1)) for n in range(MASKS)
    ]
