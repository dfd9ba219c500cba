"""Tasks: how a sample is sent, and how the tasks of a project are listed.

A task holds, in its `data`, which sample it is (`sample_uid`: id and image), so that it is known again whatever ids
the server gives, and from any machine.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from curation.pixels import Mask
from labeling.label_studio.brush import encode_brush
from labeling.label_studio.client import Client
from labeling.label_studio.config import BRUSH, CONFIG_HASH, IMAGE, PERSON

LISTED: Final = 500
"""Tasks in one page of a listing; a page costs the server about a second, whatever it holds."""
SERVER_TIME: Final = "%Y-%m-%dT%H:%M:%S.%fZ"
UID_DIGITS: Final = 16
LISTED_FIELDS: Final = "id,data,updated_at,total_annotations,cancelled_annotations"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One task of a project as it is listed: which sample, and how many annotations of which kind it has."""

    id: int
    uid: str
    sample_id: str
    config: str
    label_version: int
    label_sha256: str | None
    submitted: int
    skipped: int
    updated_at: str


def uid_of(row: Mapping[str, Any]) -> str:
    """Give what a sample is known by: its id, where it was mined its id there, and the start of its image's SHA-256."""
    return f"{row.get('mined_id') or row['id']}@{row['sha256'][:UID_DIGITS]}"


def task_of(row: Mapping[str, Any], *, image: str, prediction: Mapping[str, Any] | None) -> dict[str, Any]:
    """Give a sample as the task to import; `image` is its address for the browser."""
    data = {
        "image": image,
        "sample_uid": uid_of(row),
        "sample_id": row["id"],
        "label_version": row["label_version"],
        "label_sha256": row.get("mask_sha256"),
        "config": CONFIG_HASH,
    }
    return {"data": data, "predictions": [] if prediction is None else [prediction]}


def prediction_of(mask: Mask, *, model_version: str, score: float | None) -> dict[str, Any]:
    """Give a mask as a pre-annotation; an empty one has no region."""
    region = region_of(mask)
    prediction = {"model_version": model_version, "result": [] if region is None else [region]}
    return prediction if score is None else prediction | {"score": score}


def region_of(mask: Mask) -> dict[str, Any] | None:
    """Give a mask as one region of the brush, None when it is empty: Label Studio has no region without a pixel."""
    if not mask.any():
        return None
    height, width = mask.shape
    return {
        "id": PERSON,
        "type": "brushlabels",
        "from_name": BRUSH,
        "to_name": IMAGE,
        "origin": "prediction",
        "original_width": width,
        "original_height": height,
        "image_rotation": 0,
        "value": {"format": "rle", "rle": encode_brush(mask), "brushlabels": [PERSON]},
    }


def list_tasks(
    client: Client, *, project: int, after: int = 0, drafts_only: bool = False, since: datetime | None = None
) -> Iterator[Task]:
    """Give the tasks of a project whose id is above `after`, by id; those that curate did not make are left out.

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
    for entry in _pages(client, project=project, items=items, include=LISTED_FIELDS):
        if (task := _task(entry)) is not None:
            yield task


def fetch_annotations(client: Client, *, project: int, tasks: list[int]) -> dict[int, list[dict[str, Any]]]:
    """Give the annotations of some tasks by the task's id, in one call.

    Asked for as a review, since the server would else also compute the texts of all columns that its page shows.
    """
    answer = client.get(
        "/api/tasks",
        project=project,
        page_size=len(tasks),
        fields="all",
        review="true",
        resolve_uri="false",
        include="id,annotations,result,completed_by,was_cancelled,lead_time,updated_at",
        query=json.dumps({"selectedItems": {"all": False, "included": tasks}}),
    )
    return {entry["id"]: entry.get("annotations") or [] for entry in answer["tasks"]}


def _pages(client: Client, *, project: int, items: list[dict[str, Any]], include: str) -> Iterator[dict[str, Any]]:
    """Give all tasks for which the conditions hold, each page starting after the last id of the one before.

    Pages by number would skip tasks while others are deleted.
    """
    while True:
        query = {"filters": {"conjunction": "and", "items": items}, "ordering": ["tasks:id"]}
        page = client.get(
            "/api/tasks",
            project=project,
            page_size=LISTED,
            resolve_uri="false",
            include=include,
            query=json.dumps(query),
        )["tasks"]
        yield from page
        if len(page) < LISTED:
            return
        items = [{**items[0], "value": page[-1]["id"]}, *items[1:]]


def _task(entry: dict[str, Any]) -> Task | None:
    data = entry.get("data") or {}
    uid = data.get("sample_uid")
    if not isinstance(uid, str) or not re.search(rf"@[0-9a-f]{{{UID_DIGITS}}}$", uid):
        return None
    return Task(
        id=entry["id"],
        uid=uid,
        sample_id=str(data.get("sample_id")),
        config=str(data.get("config")),
        label_version=int(data.get("label_version") or 0),
        label_sha256=data.get("label_sha256"),
        submitted=entry["total_annotations"],
        skipped=entry["cancelled_annotations"],
        updated_at=entry["updated_at"],
    )
