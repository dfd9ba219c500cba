"""Tasks: how a sample is sent, and how the tasks of a project are listed.

A task holds, in its `data`, which sample it is (`sample_uid`: id and image), so that it is known again whatever ids
the server gives, and from any machine.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import cv2
import msgspec
import numpy as np

from curation.images.pixels import Mask
from curation.storage.files import sha256_of
from labeling.label_tools.label_studio.drawing.brush import encode_brush
from labeling.label_tools.label_studio.project.label_config import BRUSH, CONFIG_HASH, IMAGE, OTHER, PERSON
from labeling.label_tools.label_studio.server.client import Client
from labeling.label_tools.label_studio.server.responses import (
    AnnotatedPage,
    AnnotatedTask,
    TaskData,
    TaskEntry,
    TaskPage,
)

LISTED: Final = 500
"""Tasks in one page of a listing; a page costs the server about a second, whatever it holds."""
SERVER_TIME: Final = "%Y-%m-%dT%H:%M:%S.%fZ"
UID_DIGITS: Final = 16
UID: Final = re.compile(rf"@[0-9a-f]{{{UID_DIGITS}}}\Z")
MAX_TASKS: Final = 1_000_000
"""Of one project; nobody labels as many by hand, and a server that makes tasks up must end somewhere."""
LISTED_FIELDS: Final = "id,data,updated_at,total_annotations,cancelled_annotations"
ANSWER_FIELDS: Final = "id,annotations,predictions,result,model_version,completed_by,was_cancelled,lead_time,updated_at"
START_VERSION: Final = "start"
OFFERED: Final = "other: "
"""How the versions of masks begin that are offered beside the one to start from. Label Studio's page of one task after
the other begins with the masks of one version only, whatever model they are of."""
OFFERED_LABEL: Final = f"{OFFERED}label"
"""The version of a label that is offered beside a prediction."""
OUTLINE: Final = 400
"""An outline is as wide as the longer side of the picture over this, and 2 pixels at least: 2 to 4 on a screen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One task of a project as it is listed: which sample, and how many annotations of which kind it has.

    `with_start` tells whether it came with a mask to start from; that is not noted in tasks of earlier versions, nor is
    whether a task is of a known mask, of which `is_golden` is None there.
    """

    id: int
    uid: str
    sample_id: str
    config: str
    label_version: int
    label_sha256: str | None
    with_start: bool
    is_golden: bool | None
    submitted: int
    skipped: int
    updated_at: datetime


def uid_of(row: Mapping[str, Any]) -> str:
    """Return what a sample is known by: its id, where it was mined its id there, and the start of its image's
    SHA-256.
    """
    return f"{row.get('mined_id') or row['id']}@{row['sha256'][:UID_DIGITS]}"


def task_of(
    row: Mapping[str, Any],
    *,
    image: str,
    predictions: Sequence[Mapping[str, Any]],
    is_golden: bool = False,
) -> dict[str, Any]:
    """Return a sample as the task to import; `image` is its address for the browser.

    Whether it is of a known mask stands in its mark, which no annotator can read: every task has one.
    """
    uid = uid_of(row)
    data = {
        "image": image,
        "sample_uid": uid,
        "sample_id": row["id"],
        "label_version": row["label_version"],
        "label_sha256": row.get("mask_sha256"),
        "config": CONFIG_HASH,
        "with_start": bool(predictions),
        "mark": _mark(uid, is_golden=is_golden),
    }
    return {"data": data, "predictions": list(predictions)}


def prediction_of(mask: Mask, *, model_version: str, score: float | None, beside: Mask | None = None) -> dict[str, Any]:
    """Return a mask as a pre-annotation, with the outline of another one; an empty one has no region."""
    regions = [region_of(mask), None if beside is None else outline_of(beside)]
    prediction = {"model_version": model_version, "result": [one for one in regions if one is not None]}
    return prediction if score is None else prediction | {"score": score}


def outline_of(mask: Mask) -> dict[str, Any] | None:
    """Return the outline of a mask as a locked region that is of no person, None when the mask is empty."""
    side = 1 + max(2, round(max(mask.shape) / OUTLINE))
    line = cv2.morphologyEx(mask, cv2.MORPH_GRADIENT, np.ones((side, side), np.uint8))
    region = region_of(np.asarray(line if line.any() else mask, np.uint8), label=OTHER)
    return None if region is None else region | {"readonly": True}


def region_of(mask: Mask, *, label: str = PERSON) -> dict[str, Any] | None:
    """Return a mask as one region of the brush, None when it is empty: Label Studio has no region without a pixel."""
    if not mask.any():
        return None
    height, width = mask.shape
    return {
        "id": label.replace(" ", "-"),
        "type": "brushlabels",
        "from_name": BRUSH,
        "to_name": IMAGE,
        "origin": "prediction",
        "original_width": width,
        "original_height": height,
        "image_rotation": 0,
        "value": {"format": "rle", "rle": encode_brush(mask), "brushlabels": [label]},
    }


def list_tasks(
    client: Client, *, project: int, after: int = 0, drafts_only: bool = False, since: datetime | None = None
) -> Iterator[Task]:
    """Yield the tasks of a project whose id is above `after`, by id; those that curate did not make are left out.

    With `since` those that were changed later than that.
    """
    items: list[dict[str, Any]] = [
        {"filter": "filter:tasks:id", "operator": "greater", "type": "Number", "value": after}
    ]
    if since is not None:
        told = since.astimezone(UTC).strftime(SERVER_TIME)
        items.append({"filter": "filter:tasks:updated_at", "operator": "greater", "type": "Datetime", "value": told})
    if drafts_only:
        items.append({"filter": "filter:tasks:draft_exists", "operator": "equal", "type": "Boolean", "value": "true"})
    for entry in _pages(client, project=project, items=items, include=LISTED_FIELDS, after=after):
        if (task := _task(entry, client=client)) is not None:
            yield task


def by_sample(tasks: Iterable[Task]) -> dict[str, list[Task]]:
    """Return the tasks of each sample by its uid: one, or several where two pushes met or an import came late."""
    found: dict[str, list[Task]] = {}
    for task in tasks:
        found.setdefault(task.uid, []).append(task)
    return found


def fetch_answers(client: Client, *, project: int, tasks: list[int]) -> dict[int, AnnotatedTask]:
    """Return some tasks with their annotations by the task's id, in one call; one that is gone by now is left out.

    Asked for as a review, since the server would else also compute the texts of all columns that its page shows.
    """
    answer = client.get(
        "/api/tasks",
        kind=AnnotatedPage,
        project=project,
        page_size=len(tasks),
        fields="all",
        review="true",
        resolve_uri="false",
        include=ANSWER_FIELDS,
        query=json.dumps({"selectedItems": {"all": False, "included": tasks}}),
    )
    asked = set(tasks)
    return {entry.id: entry for entry in answer.tasks if entry.id in asked}


def _pages(
    client: Client, *, project: int, items: list[dict[str, Any]], include: str, after: int
) -> Iterator[TaskEntry]:
    """Yield all tasks for which the conditions hold, each page starting after the last id of the one before.

    Pages by number would skip tasks while others are deleted.
    """
    for _ in range(MAX_TASKS // LISTED):
        query = {"filters": {"conjunction": "and", "items": items}, "ordering": ["tasks:id"]}
        page = client.get(
            "/api/tasks",
            kind=TaskPage,
            project=project,
            page_size=LISTED,
            resolve_uri="false",
            include=include,
            query=json.dumps(query),
        ).tasks
        for entry in page:
            if entry.id <= after:
                raise client.unusable(f"task {entry.id} is listed, though those above {after} were asked for, in order")
            after = entry.id
            yield entry
        if len(page) < LISTED:
            return
        items = [{**items[0], "value": after}, *items[1:]]
    raise client.unusable(f"project {project} lists more than {MAX_TASKS:,} tasks")


def _task(entry: TaskEntry, *, client: Client) -> Task | None:
    """Return a task that curate made, None for another."""
    if (data := data_of(entry.data, task=entry.id, client=client)) is None:
        return None
    return Task(
        id=entry.id,
        uid=data.sample_uid,
        sample_id=data.sample_id,
        config=data.config,
        label_version=data.label_version or 0,
        label_sha256=data.label_sha256,
        with_start=data.with_start,
        is_golden=None if data.mark is None else data.mark == _mark(data.sample_uid, is_golden=True),
        submitted=entry.total_annotations,
        skipped=entry.cancelled_annotations,
        updated_at=entry.updated_at,
    )


def data_of(data: Any, *, task: int, client: Client) -> TaskData | None:
    """Return the data of a task that curate made, None for another.

    Raises RemoteUnavailable for one of ours that somebody changed: to leave it out would lose its label in silence.
    """
    uid = data.get("sample_uid") if isinstance(data, dict) else None
    if not isinstance(uid, str) or not UID.search(uid):
        return None
    try:
        return msgspec.convert(data, TaskData)
    except msgspec.ValidationError as error:
        raise client.unusable(f"the data of task {task} was changed: {error}") from error


def _mark(uid: str, *, is_golden: bool) -> str:
    return sha256_of(f"{'golden' if is_golden else 'plain'} {uid}".encode())[:UID_DIGITS]
