"""Tasks on their way to the server: each arrives once, whatever happens between the server and us."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from curation.errors import InputRefused
from curation.quarantine import printable
from labeling.label_tools.label_studio.project.tasks import list_tasks
from labeling.label_tools.label_studio.server.client import Client, Outage, OutcomeUnknown
from labeling.label_tools.label_studio.server.responses import Imported, LaterImport

IMPORT_FAILED: Final = "failed"
IMPORT_DONE: Final = "completed"


def send_tasks(client: Client, *, project: int, tasks: Sequence[Mapping[str, Any]], after: int) -> dict[str, int]:
    """Import tasks in their order, and give the id of each by its sample's uid.

    Where the outcome of an import is unknown, the tasks above the id `after` are listed, and only those that are not
    there are sent again. Raises RemoteUnavailable when patience ends; what arrived stays.
    """
    outage = client.outage()
    waiting = {task["data"]["sample_uid"]: task for task in tasks}
    arrived: dict[str, int] = {}
    while waiting:
        try:
            ids = _import(client, project=project, tasks=list(waiting.values()), outage=outage)
        except OutcomeUnknown as error:
            outage.wait(error)
            ids = []
        if len(set(ids)) == len(ids) == len(waiting) and min(ids) > after:
            return arrived | dict(zip(waiting, ids, strict=True))
        # the outcome is unknown, or the import was partial, or the server imports later and gives no ids
        found = {task.uid: task.id for task in list_tasks(client, project=project, after=after)}
        arrived |= {uid: found[uid] for uid in waiting if uid in found}
        left = {uid: task for uid, task in waiting.items() if uid not in found}
        if len(left) == len(waiting):
            outage.wait("the tasks did not arrive")
        else:
            outage = client.outage()
        waiting = left
    return arrived


def missing_of(uids: Iterable[str], *, present: Iterable[str]) -> list[str]:
    """Return the uids that are not present, in their order."""
    there = set(present)
    return [uid for uid in uids if uid not in there]


def _import(client: Client, *, project: int, tasks: list[Mapping[str, Any]], outage: Outage) -> list[int]:
    answer = client.post(
        f"/api/projects/{project}/import",
        kind=Imported,
        outage=outage,
        params={"return_task_ids": "true"},
        json=tasks,
    )
    if answer.later is not None:  # the server imports in its own time, as Label Studio Enterprise does
        _wait_for_import(client, project=project, number=answer.later, outage=outage)
    return answer.task_ids or []


def _wait_for_import(client: Client, *, project: int, number: int, outage: Outage) -> None:
    path = f"/api/projects/{project}/imports/{number}"
    while (found := client.get(path, kind=LaterImport)).status != IMPORT_DONE:
        if found.status == IMPORT_FAILED:
            raise InputRefused(
                f"Label Studio refuses an import: {printable(str(found.error))}", where=client.access.url
            )
        outage.wait(f"import {number} is {found.status}")
