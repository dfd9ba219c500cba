"""The project of a dataset on a server: found by its title, known by an identity that no other project has."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from typing import Any, Final

from curation.errors import InputRefused
from labeling.label_studio.client import Client, OutcomeUnknown
from labeling.label_studio.config import CONFIG, INSTRUCTION

IDENTITY: Final = re.compile(r"curate:([0-9a-f]{32})")
DESCRIPTION: Final = "Made by curate, which knows this project by the next line.\ncurate:{identity}"
FIELDS: Final = "id,title,description,parsed_label_config,model_version"
PAGE: Final = 100
LONGEST_TITLE: Final = 50
"""Of Label Studio's own limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A project; `identity` stays the same where ids are given anew, as after a restore from a backup."""

    id: int
    title: str
    identity: str
    labels: dict[str, Any]
    model_version: str | None


def find_project(client: Client, *, title: str) -> Project | None:
    """Give the project of this title, None where there is none; of several the oldest, which all machines agree on.

    Raises InputRefused for a project that curate did not make.
    """
    found = _titled(client, title=title)
    ours = [project for entry in found if (project := _project(entry)) is not None]
    if found and not ours:
        raise InputRefused(
            f"the project {title!r} was not made by curate, or its description was changed",
            where=client.access.url,
            remedy="choose another --project",
        )
    return min(ours, key=lambda project: project.id, default=None)


def the_project(client: Client, *, title: str) -> Project:
    """Give the project of this title. Raises InputRefused where there is none."""
    project = find_project(client, title=title)
    if project is None:
        raise InputRefused(
            f"there is no project {title!r}",
            where=client.access.url,
            remedy="push first, with `curate label push D`, or name the project with --project",
        )
    return project


def open_project(client: Client, *, title: str) -> Project:
    """Give the project of this title, and make it where there is none; never a second one, whatever fails."""
    outage = client.outage()
    body = {
        "title": title,
        "label_config": CONFIG,
        "expert_instruction": INSTRUCTION,
        "show_instruction": False,
        "show_collab_predictions": True,
        "sampling": "Sequential sampling",
        "description": DESCRIPTION.format(identity=uuid.uuid4().hex),
    }
    while (project := find_project(client, title=title)) is None:
        try:
            client.post("/api/projects", outage=outage, json=body)
        except OutcomeUnknown as error:
            outage.wait(error)
    return project


def checked_title(title: str) -> str:
    """Refuse a title that Label Studio cannot keep: it wants 3 to 50 characters."""
    if not 3 <= len(title) <= LONGEST_TITLE:
        raise InputRefused(f"the project name {title!r} has not 3 to 50 characters", remedy="choose another --project")
    return title


def _titled(client: Client, *, title: str) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = []
    page = 1
    while True:
        answer = client.get("/api/projects", title=title, page=page, page_size=PAGE, include=FIELDS)
        entries += answer["results"]
        if len(entries) >= answer["count"] or not answer["results"]:
            return [entry for entry in entries if entry["title"] == title]
        page += 1


def _project(entry: dict[str, Any]) -> Project | None:
    known = IDENTITY.search(entry.get("description") or "")
    if known is None:
        return None
    return Project(
        id=entry["id"],
        title=entry["title"],
        identity=known.group(1),
        labels=entry.get("parsed_label_config") or {},
        model_version=entry.get("model_version") or None,
    )
