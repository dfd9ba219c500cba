"""Samples that are there twice: an import that was given up is carried out after all, or two machines push at once.

Of such tasks the oldest stays, on which all machines agree. Another one is deleted only where no person has left a
trace on it, and the server is asked to look again while it deletes. What cannot be proven untouched stays: of several
tasks of a sample, a pull takes the newest annotation, so that nothing counts twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from curation.errors import ConfigurationProblem, InputRefused
from labeling.label_tools.label_studio.project.ledger import in_utc
from labeling.label_tools.label_studio.project.tasks import SERVER_TIME, Task, by_sample, data_of, list_tasks
from labeling.label_tools.label_studio.server.client import Client, OutcomeUnknown
from labeling.label_tools.label_studio.server.responses import Deleted, WholeTask

TICK: Final = timedelta(microseconds=1)
"""The server's times are as fine as this; it compares with `less`."""

AS_MADE: Final = timedelta(milliseconds=100)
"""An import sets both times of a task one after the other; whatever comes later is a change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """The task of each sample by its uid, and how many others stay beside these."""

    kept: dict[str, Task]
    doubled: int


def settle_doubles(client: Client, *, project: int, known: Mapping[str, int], after: int) -> Settled:
    """Delete the untouched doubles among the tasks above the id `after`; `known` are the tasks up to it, by uid."""
    kept: dict[str, Task] = {}
    doubled = 0
    for uid, tasks in by_sample(list_tasks(client, project=project, after=after)).items():
        kept[uid] = tasks[0]
        others = tasks if uid in known else tasks[1:]
        stays = known.get(uid, tasks[0].id)
        doubled += sum(not _delete_untouched(task, client=client, project=project, stays=stays) for task in others)
    return Settled(kept=kept, doubled=doubled)


def _delete_untouched(task: Task, *, client: Client, project: int, stays: int) -> bool:
    """Delete a task on which nobody left a trace, where the other one of its sample, `stays`, is there; tell if so."""
    outage = client.outage()
    while True:
        other = _fetch(client, task=stays)
        if other is None or not _is_of(other, uid=task.uid, project=project, client=client):
            return False
        found = _fetch(client, task=task.id)
        if found is None:
            return True
        if not _is_of(found, uid=task.uid, project=project, client=client) or not is_untouched(found, listed=task):
            return False
        try:
            client.post(
                "/api/dm/actions",
                kind=Deleted,
                outage=outage,
                params={"id": "delete_tasks", "project": project},
                json=_condition(found),
            )
        except OutcomeUnknown as error:
            outage.wait(error)
        except (InputRefused, ConfigurationProblem):  # a server, or a user, that cannot delete with a condition
            return False
        else:
            return _fetch(client, task=task.id) is None


def is_untouched(task: WholeTask, *, listed: Task) -> bool:
    """Tell whether a task has no trace of a person, and is as it was listed; what the server does not tell is a trace.

    A person leaves: an annotation, skipped or not; a draft; a comment; a change of the task, which moves `updated_at`
    away from `created_at` (an import sets both within a millisecond).
    """
    lists = (task.annotations, task.drafts, task.annotators, task.updated_by)
    counts = (task.total_annotations, task.cancelled_annotations, task.comment_count)
    is_unmarked = all(one == [] for one in lists) and all(one == 0 for one in counts) and task.draft_exists is False
    if not is_unmarked or task.created_at is None or task.updated_at != listed.updated_at:
        return False
    return in_utc(task.updated_at) - in_utc(task.created_at) < AS_MADE


def _condition(task: WholeTask) -> dict[str, Any]:
    """Return the request to delete one task, if the server finds it, at that moment, as it was fetched."""
    before = (in_utc(task.updated_at) + TICK).strftime(SERVER_TIME)
    numbers: dict[str, Any] = {"id": task.id, "total_annotations": 0, "cancelled_annotations": 0, "comment_count": 0}
    conditions = [(name, "equal", "Number", value) for name, value in numbers.items()]
    conditions += [("draft_exists", "equal", "Boolean", "false"), ("updated_at", "less", "Datetime", before)]
    items = [
        {"filter": f"filter:tasks:{name}", "operator": operator, "type": type_, "value": value}
        for name, operator, type_, value in conditions
    ]
    return {
        "selectedItems": {"all": False, "included": [task.id]},
        "filters": {"conjunction": "and", "items": items},
        "ordering": [],
    }


def _fetch(client: Client, *, task: int) -> WholeTask | None:
    return client.find(f"/api/tasks/{task}/", kind=WholeTask)


def _is_of(task: WholeTask, *, uid: str, project: int, client: Client) -> bool:
    data = data_of(task.data, task=task.id, client=client)
    return data is not None and data.sample_uid == uid and task.project == project
