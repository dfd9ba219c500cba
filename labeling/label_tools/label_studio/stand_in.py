"""A scripted annotator: submits known masks through the server's API, where a demo or a trial has no person at hand."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np

from curation.images.pixels import Mask
from labeling.answers import Answer
from labeling.label_tools.label_studio.drawing.regions import Frame
from labeling.label_tools.label_studio.project.label_config import IMAGE, VERDICT
from labeling.label_tools.label_studio.project.project import the_project
from labeling.label_tools.label_studio.project.tasks import Task, list_tasks, region_of
from labeling.label_tools.label_studio.pull.read_annotations import offered_of
from labeling.label_tools.label_studio.server.client import Client, OutcomeUnknown
from labeling.label_tools.label_studio.server.responses import Annotation, WholeTask

Truth = Callable[[Task], Mask]


def annotate(client: Client, *, title: str, truth: Truth) -> int:
    """Submit the true mask of every task of a project that nobody submitted yet, and give how many that were.

    The choice is `right` where the pre-annotation is that very mask, else `fixed`, or `no person`. Raises InputRefused
    where there is no such project.
    """
    project = the_project(client, title=title)
    waiting = [task for task in list_tasks(client, project=project.id) if not task.submitted]
    for task in waiting:
        began = time.monotonic()
        mask = truth(task)
        region = region_of(mask)
        verdict = Answer.NO_PERSON
        if region is not None:
            shown = _shown(client, task=task, like=mask)
            is_right = shown is not None and np.array_equal(shown, mask)
            verdict = Answer.RIGHT if is_right else Answer.FIXED
        choice = {"from_name": VERDICT, "to_name": IMAGE, "type": "choices", "value": {"choices": [verdict]}}
        result = [choice] if region is None else [region, choice]
        submit(client, task=task.id, body={"result": result, "lead_time": time.monotonic() - began})
    return len(waiting)


def _shown(client: Client, *, task: Task, like: Mask) -> Mask | None:
    """Return the mask that the page begins with."""
    predictions = client.get(f"/api/tasks/{task.id}/", kind=WholeTask).predictions
    frame = Frame(height=like.shape[0], width=like.shape[1], name=f"task {task.id}")
    return offered_of(predictions, frame=frame, task=task).start


def submit(client: Client, *, task: int, body: dict[str, Any]) -> None:
    """Submit once, whatever is lost on the way: after an unknown outcome it is asked for first."""
    outage = client.outage()
    while True:
        try:
            client.post(f"/api/tasks/{task}/annotations/", kind=msgspec.Raw, outage=outage, json=body)
            return
        except OutcomeUnknown as error:
            outage.wait(error)
            if client.get(f"/api/tasks/{task}/annotations/", kind=list[Annotation]):
                return
