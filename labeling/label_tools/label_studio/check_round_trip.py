"""A probe: masks that are hard to carry go to the server and come back, and must be equal to the pixel."""

from __future__ import annotations

import io
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from curation.errors import CurateError
from curation.images.header import inspect
from curation.images.pixels import Image, Mask, encode_image
from curation.quarantine import BadRecord, printable
from labeling.answers import Answer
from labeling.label_tools.label_studio.drawing.regions import Frame
from labeling.label_tools.label_studio.project.label_config import VERDICT
from labeling.label_tools.label_studio.project.project import Project, find_project, open_project
from labeling.label_tools.label_studio.project.tasks import UID_DIGITS, fetch_answers, prediction_of, task_of
from labeling.label_tools.label_studio.pull.read_annotations import read_annotations
from labeling.label_tools.label_studio.push.delivery import Delivery, Images, delivery_for
from labeling.label_tools.label_studio.push.send_tasks import send_tasks
from labeling.label_tools.label_studio.push.share_pictures import shared_picture
from labeling.label_tools.label_studio.server.client import Client
from labeling.label_tools.label_studio.server.responses import AnnotatedTask, ProjectEntry, WholeTask
from labeling.label_tools.label_studio.stand_in import submit

TURNED: Final = 6
"""The EXIF orientation of a telephone that was held upright."""
EXIF: Final = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0" + bytes([TURNED]) + b"\0\0\0\0\0\0"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Probe:
    """A picture file and its mask, (height, width) as displayed."""

    name: str
    picture: bytes
    mask: Mask


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What became of one probe: whether mask and size of the picture came back as they were, and what did not."""

    name: str
    is_equal: bool
    reason: str


def check_server(client: Client, *, images: Images) -> list[Found]:
    """Send probes to a project of their own, submit them, take them back, and delete the project."""
    probes = draw_probes()
    with _probe_project(client) as project:
        delivery = delivery_for(client, project=project, images=images)
        addresses, ids = _send(probes, client=client, project=project, delivery=delivery)
        for probe in probes:
            _submit(client, task=ids[_uid(probe)])
        came = fetch_answers(client, project=project.id, tasks=list(ids.values()))
        return [
            _compare(
                probe,
                answer=came.get(ids[_uid(probe)]),
                picture=client.get_bytes(addresses[probe.name]),
            )
            for probe in probes
        ]


def draw_probes() -> list[Probe]:
    """Draw what has gone wrong before: holes, parts, thin lines, odd sizes, all or one pixel, a turned photograph."""
    ring = cv2.circle(np.zeros((97, 131), np.uint8), (60, 48), 40, 255, -1)
    cv2.circle(ring, (60, 48), 17, 0, -1)
    parts = cv2.rectangle(np.zeros((64, 64), np.uint8), (3, 3), (20, 60), 255, -1)
    cv2.rectangle(parts, (40, 10), (60, 30), 255, -1)
    lines = np.zeros((75, 50), np.uint8)
    lines[::7] = lines[:, ::11] = 255
    dot = np.zeros((1, 1), np.uint8) + np.uint8(255)
    noise = (np.random.default_rng(0).random((33, 257)) > 0.5).astype(np.uint8) * np.uint8(255)
    full = np.full((300, 251), 255, np.uint8)
    turned = cv2.ellipse(np.zeros((90, 60), np.uint8), (20, 60), (15, 25), 30, 0, 360, 255, -1)
    masks = {"hole": ring, "two-parts": parts, "thin-lines": lines, "one-pixel": dot, "noise": noise, "full": full}
    probes = [
        Probe(name=name, picture=encode_image(_photograph(mask.shape)), mask=np.asarray(mask, dtype=np.uint8))
        for name, mask in masks.items()
    ]
    return [*probes, Probe(name="turned", picture=_turned_jpeg(height=90, width=60), mask=np.asarray(turned, np.uint8))]


def _photograph(shape: tuple[int, ...]) -> Image:
    rows, columns = np.indices(shape[:2])
    return np.stack([rows % 256, columns % 256, (rows + columns) % 256], axis=2).astype(np.uint8)


def _turned_jpeg(*, height: int, width: int) -> bytes:
    """Return a JPEG that is displayed as height x width, and stored lying on its side."""
    data = encode_image(_photograph((width, height)), quality=90)
    segment = b"\xff\xe1" + (len(EXIF) + 2).to_bytes(2, "big") + EXIF
    return io.BytesIO(data[:2] + segment + data[2:]).getvalue()


@contextmanager
def _probe_project(client: Client) -> Iterator[Project]:
    """Open a project for a moment; it is deleted whatever happens, and nothing that was there before."""
    title = f"curate check {uuid.uuid4().hex}"
    if find_project(client, title=title) is not None:
        raise client.unusable(f"a project {title!r} is there, though nobody made it")
    try:
        project = open_project(client, title=title)
        place = None if client.access.files is None else client.access.files / project.identity
        if place is not None and place.exists():
            raise client.unusable(f"a new project was asked for, and {project.id} is an old one: its folder is there")
        try:
            yield project
        finally:
            if place is not None and place.is_dir():
                shutil.rmtree(place)
    except BaseException:
        with suppress(CurateError):  # the first fault is the one to report
            _delete_titled(client, title=title)
        raise
    _delete_titled(client, title=title)


def _delete_titled(client: Client, *, title: str) -> None:
    """Delete the project of a title that nobody else can have, where the server says twice that this is it."""
    found = find_project(client, title=title)
    path = "" if found is None else f"/api/projects/{found.id}/"
    if path and (whole := client.find(path, kind=ProjectEntry)) is not None and whole.title == title:
        client.delete(path)


def _send(
    probes: list[Probe], *, client: Client, project: Project, delivery: Delivery
) -> tuple[dict[str, str], dict[str, int]]:
    """Return the address of each picture by the probe's name, and the ids of the tasks by uid."""
    shared = {probe.name: shared_picture(probe.picture, file=probe.name) for probe in probes}
    reached = delivery.deliver(dict(shared.values()))
    addresses = {name: reached[file] for name, (file, _) in shared.items()}
    tasks = [
        task_of(
            {"id": probe.name, "sha256": "0" * 64, "label_version": 0},
            image=addresses[probe.name],
            predictions=[prediction_of(probe.mask, model_version="probe", score=0.5)],
        )
        for probe in probes
    ]
    return addresses, send_tasks(client, project=project.id, tasks=tasks, after=0)


def _uid(probe: Probe) -> str:
    return f"{probe.name}@{'0' * UID_DIGITS}"


def _submit(client: Client, *, task: int) -> None:
    """Submit what the server holds as the pre-annotation of a task, as an annotator would who finds it right."""
    predictions = client.get(f"/api/tasks/{task}/", kind=WholeTask).predictions
    kept = predictions[0].result if predictions else None
    choice = {"from_name": VERDICT, "to_name": "image", "type": "choices", "value": {"choices": [Answer.RIGHT]}}
    submit(client, task=task, body={"result": [*(kept or []), choice], "lead_time": 1.0})


def _compare(probe: Probe, *, answer: AnnotatedTask | None, picture: bytes) -> Found:
    height, width = probe.mask.shape
    frame = Frame(height=height, width=width, name=probe.name)
    reasons = []
    try:
        reading = None if answer is None else read_annotations(answer.annotations or [], frame=frame)
        if reading is None or reading.mask is None or not np.array_equal(reading.mask, probe.mask):
            reasons.append("the mask is another")
        header = inspect(picture, file=probe.name)
        if (header.stored_height, header.stored_width, header.orientation) != (height, width, 1):
            reasons.append(
                f"the picture is {header.stored_width} x {header.stored_height} with EXIF orientation "
                f"{header.orientation}, the mask {width} x {height}"
            )
    except BadRecord as problem:
        reasons.append(printable(problem.reason))
    return Found(name=probe.name, is_equal=not reasons, reason="; ".join(reasons))
