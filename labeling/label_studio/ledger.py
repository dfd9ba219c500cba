"""What this machine sent, and what came back: journals in the dataset's folder `labeling`, one line for each task.

The server stays the truth of what is there. The ledger tells what a machine did with it, so that a second push or
pull has nothing to do, and one that was killed goes on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from curation.files import make_folder
from curation.journal import Journal
from curation.quarantine import QuarantineRecord
from labeling.label_studio.answers import Id
from labeling.label_studio.tasks import Task

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

    `staged` names the file of the mask until it is in the dataset; None where there is no mask, as of a skipped task.
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
    """Give the journal of what was sent to a project."""
    journal = Journal(_file(dataset, name="sent", identity=identity), kind=Sent)
    journal.start(run_id=identity)
    return journal


def came_journal(dataset: Path, *, identity: str) -> Journal[Came]:
    """Give the journal of what came back from a project."""
    journal = Journal(_file(dataset, name="came", identity=identity), kind=Came)
    journal.start(run_id=identity)
    return journal


def lock_of(dataset: Path) -> Path:
    """Give the lock that a push or a pull of a dataset holds."""
    make_folder(dataset / FOLDER, below=dataset)
    return dataset / FOLDER / ".curate" / "lock"


def _file(dataset: Path, *, name: str, identity: str) -> Path:
    make_folder(dataset / FOLDER, below=dataset)
    return dataset / FOLDER / f"{name}-{identity[:IDENTITY_DIGITS]}.jsonl"
