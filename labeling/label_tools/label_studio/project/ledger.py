"""What this machine sent, and what came back: journals in the dataset's folder `labeling`, one line for each task.

The server stays the truth of what is there. The ledger tells what a machine did with it, so that a second push or
pull has nothing to do, and one that was killed continues.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from curation.quarantine import QuarantineRecord
from curation.storage.claimed_folder import lock_file
from curation.storage.files import make_folder
from curation.storage.journal import Journal
from labeling.label_tools.label_studio.project.tasks import Task
from labeling.label_tools.label_studio.server.responses import Id


def in_utc(moment: datetime) -> datetime:
    """Return a time of the server, which is of UTC where it does not say."""
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def server_time(moment: datetime) -> str:
    """Return a time as Label Studio writes it.

    >>> server_time(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    '2026-01-02T03:04:05Z'
    """
    return in_utc(moment).isoformat().replace("+00:00", "Z")


FOLDER: Final = "labeling"
STAGED: Final = "staged"
QUARANTINE: Final = "quarantine.jsonl"
IDENTITY_DIGITS: Final = 12
StagedName = Annotated[str, Meta(pattern=r"^[1-9][0-9]{0,18}\.png\Z")]
"""The number of an annotation, and nothing that could lead to another folder, whoever wrote the journal."""


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """A task that was sent: `id` is the uid of its sample; `golden` the file of a mask that the annotator is not shown.

    `config` is the hash of the label config that it was sent with.
    """

    id: str
    task: Id
    config: str
    model_version: str | None = None
    golden: str | None = None


class Came(msgspec.Struct, frozen=True, kw_only=True):
    """What came back for a task: `id` is the task with the time of its last change, so that each change is read once.

    `verdict` is the answer, `skipped` where the task was. `staged` names the file of the mask until it is in the
    dataset; None where there is no mask, as of a skipped task.
    `agreement` is the lowest IoU with what other annotators drew, None where there is no other.
    """

    id: str
    uid: str
    sample_id: str
    task: Id
    annotation: Id | None = None
    annotator: str | None = None
    verdict: str | None = None
    seconds: float | None = None
    annotated_at: str | None = None
    agreement: float | None = None
    staged: StagedName | None = None
    label_version: int = 0
    label_sha256: str | None = None
    problem: QuarantineRecord | None = None


def is_golden(tasks: Iterable[Task], *, sent: Mapping[str, Sent]) -> bool:
    """Tell whether the tasks of a sample are of a known mask: as they say themselves, or as it was noted here."""
    return any(task.is_golden or (task.uid in sent and sent[task.uid].golden is not None) for task in tasks)


def sent_journal(dataset: Path, *, identity: str) -> Journal[Sent]:
    """Return the journal of what was sent to a project."""
    journal = Journal(_file(dataset, name="sent", identity=identity), kind=Sent)
    journal.start(run_id=identity)
    return journal


def came_journal(dataset: Path, *, identity: str) -> Journal[Came]:
    """Return the journal of what came back from a project."""
    journal = Journal(_file(dataset, name="came", identity=identity), kind=Came)
    journal.start(run_id=identity)
    return journal


def lock_of(dataset: Path) -> Path:
    """Return the lock that a push or a pull of a dataset holds."""
    make_folder(dataset / FOLDER, below=dataset)
    return lock_file(dataset / FOLDER)


def _file(dataset: Path, *, name: str, identity: str) -> Path:
    make_folder(dataset / FOLDER, below=dataset)
    return dataset / FOLDER / f"{name}-{identity[:IDENTITY_DIGITS]}.jsonl"
