"""The project of a dataset on a server: found by its title, known by an identity that no other project has."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from typing import Final

import msgspec

from curation.errors import InputRefused
from labeling.label_tools.label_studio.project.instructions import instruction
from labeling.label_tools.label_studio.project.label_config import CONFIG, FORMER_CONFIGS, hash_of
from labeling.label_tools.label_studio.server.client import Client, Outage
from labeling.label_tools.label_studio.server.responses import Control, ProjectEntry, ProjectPage

IDENTITY: Final = re.compile(r"curate:([0-9a-f]{32})")
DESCRIPTION: Final = "Made by curate, which knows this project by the next line.\ncurate:{identity}"
FIELDS: Final = "id,title,description,label_config,parsed_label_config,model_version"
PAGE: Final = 100
MAX_PAGES: Final = 1000
LONGEST_TITLE: Final = 50
"""Of Label Studio's own limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A project; `identity` stays the same where ids are given again, as after a restore from a backup.

    `config` is the hash of its label config as it is now.
    """

    id: int
    title: str
    identity: str
    config: str
    controls: dict[str, Control]
    model_version: str | None


def find_project(client: Client, *, title: str) -> Project | None:
    """Return the project of this title, None where there is none; of several the oldest, which all machines agree on.

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
    """Return the project of this title. Raises InputRefused where there is none."""
    project = find_project(client, title=title)
    if project is None:
        raise InputRefused(
            f"there is no project {title!r}",
            where=client.access.url,
            remedy="push first, with `curate label push D`, or name the project with --project",
        )
    return project


def open_project(client: Client, *, title: str) -> Project:
    """Return the project of this title, and make it where there is none; never a second one, whatever fails.

    One whose page is that of an earlier version gets ours; one whose page somebody changed keeps it.
    """
    page = {"label_config": CONFIG, "expert_instruction": instruction(), "show_instruction": True}
    body = {
        "title": title,
        **page,
        "show_collab_predictions": True,
        "sampling": "Sequential sampling",
        "description": DESCRIPTION.format(identity=uuid.uuid4().hex),
    }

    def make(outage: Outage) -> None:
        client.post("/api/projects", kind=msgspec.Raw, outage=outage, json=body)

    project = client.make_sure(lambda: find_project(client, title=title), make=make, what=f"the project {title!r}")
    if project.config in FORMER_CONFIGS:
        client.patch(f"/api/projects/{project.id}/", body=page)
        return the_project(client, title=title)
    return project


def checked_title(title: str) -> str:
    """Refuse a title that Label Studio cannot keep: it wants 3 to 50 characters."""
    if not 3 <= len(title) <= LONGEST_TITLE:
        raise InputRefused(f"the project name {title!r} has not 3 to 50 characters", remedy="choose another --project")
    return title


def _titled(client: Client, *, title: str) -> list[ProjectEntry]:
    """Return the projects of this very title; the server also lists those that have it in theirs."""
    found: dict[int, ProjectEntry] = {}
    for page in range(1, MAX_PAGES + 1):
        answer = client.get("/api/projects", kind=ProjectPage, title=title, page=page, page_size=PAGE, include=FIELDS)
        new = {entry.id: entry for entry in answer.results if entry.id not in found}
        found |= new
        if len(found) >= answer.count or not answer.results:
            return [entry for entry in found.values() if entry.title == title]
        if not new:
            raise client.unusable(f"page {page} of the projects holds those of the pages before it")
    raise client.unusable(f"the projects named like {title!r} have more than {MAX_PAGES} pages")


def _project(entry: ProjectEntry) -> Project | None:
    known = IDENTITY.search(entry.description or "")
    if known is None:
        return None
    return Project(
        id=entry.id,
        title=entry.title,
        identity=known.group(1),
        config=hash_of(entry.label_config or ""),
        controls=entry.parsed_label_config or {},
        model_version=entry.model_version or None,
    )
