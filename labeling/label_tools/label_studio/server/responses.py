"""What Label Studio answers, as types. Every answer is decoded into one of them at the border, or refused there.

Fields that we do not read are left out; what other people may write as they like (the data of a task, the regions of
an annotation) is `Any` here, and is decoded where one task can be set aside for it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

LARGEST: Final = 2**63 - 1
Id = Annotated[int, Meta(gt=0, le=LARGEST)]
"""The number of a project, a task, an annotation or a user: digits, so that no file name and no path can be in it."""
Count = Annotated[int, Meta(ge=0, le=LARGEST)]
HeaderText = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._~+/=-]{1,8192}\Z")]
"""A token (RFC 6750, section 2.1): nothing that could end the line of a header."""


class Control(msgspec.Struct, frozen=True):
    """One tool of a project's label config: its tag, the objects that it works on, and its labels."""

    type: str = ""
    to_name: list[str] = []
    labels: list[str] = []


class ProjectEntry(msgspec.Struct, frozen=True):
    """A project in a listing."""

    id: Id
    title: str
    description: str | None = None
    label_config: str | None = None
    parsed_label_config: dict[str, Control] | None = None
    model_version: str | None = None


class ProjectPage(msgspec.Struct, frozen=True):
    """A page of projects, and how many there are in all."""

    count: Count
    results: list[ProjectEntry]


class TaskEntry(msgspec.Struct, frozen=True):
    """A task in a listing; `data` is what was imported, by us or by others."""

    id: Id
    updated_at: datetime
    total_annotations: Count
    cancelled_annotations: Count
    data: Any = None


class TaskPage(msgspec.Struct, frozen=True):
    """A page of tasks."""

    tasks: list[TaskEntry]


class TaskData(msgspec.Struct, frozen=True):
    """The data of a task that curate made."""

    sample_uid: str
    sample_id: str = ""
    config: str = ""
    label_version: Count | None = None
    label_sha256: str | None = None
    with_start: bool = False
    mark: str | None = None


class Annotator(msgspec.Struct, frozen=True):
    """Who made an annotation; names and mail addresses are not read."""

    id: Id


class Annotation(msgspec.Struct, frozen=True):
    """One annotation of a task; the regions in `result` may be of any plugin's or script's making."""

    id: Id
    updated_at: datetime
    result: list[Any] | None = None
    completed_by: Id | Annotator | None = None
    was_cancelled: bool | None = None
    lead_time: float | None = None


class Prediction(msgspec.Struct, frozen=True):
    """A pre-annotation."""

    result: list[Any] | None = None
    model_version: str | None = None


class AnnotatedTask(msgspec.Struct, frozen=True):
    """A task with its annotations, and what its annotators were offered to begin with."""

    id: Id
    annotations: list[Annotation] | None = None
    predictions: list[Prediction] = []


class AnnotatedPage(msgspec.Struct, frozen=True):
    """Tasks with their annotations."""

    tasks: list[AnnotatedTask]


class WholeTask(msgspec.Struct, frozen=True):
    """A task with every trace that a person leaves on it; a trace that the server does not report is None."""

    id: Id
    updated_at: datetime
    created_at: datetime | None = None
    data: Any = None
    project: Id | None = None
    predictions: list[Prediction] = []
    annotations: list[Any] | None = None
    drafts: list[Any] | None = None
    draft_exists: bool | None = None
    total_annotations: Count | None = None
    cancelled_annotations: Count | None = None
    comment_count: Count | None = None
    annotators: list[Any] | None = None
    updated_by: list[Any] | None = None


class Imported(msgspec.Struct, frozen=True):
    """What became of an import: the new tasks, or the number of an import that the server does later."""

    task_ids: list[Id] | None = None
    later: Id | None = msgspec.field(default=None, name="import")


class LaterImport(msgspec.Struct, frozen=True):
    """How far an import is."""

    status: str
    error: Any = None


class Deleted(msgspec.Struct, frozen=True):
    """How many tasks an action has deleted."""

    processed_items: Count


class Uploaded(msgspec.Struct, frozen=True):
    """The numbers of uploaded files."""

    file_upload_ids: list[Id]


class Upload(msgspec.Struct, frozen=True):
    """An uploaded file: its place below `/data/`."""

    file: str


class Storage(msgspec.Struct, frozen=True):
    """A folder of which the server shows files."""

    path: str | None = None


class AccessToken(msgspec.Struct, frozen=True):
    """A token that lasts minutes."""

    access: HeaderText


class TokenClaims(msgspec.Struct, frozen=True):
    """The middle part of such a token: when it ends, in seconds since 1970 (RFC 7519, section 4.1.4)."""

    exp: float
