"""Pull: what annotators submitted becomes new label versions of a dataset.

Pages are read into a journal with the masks beside it, and only when all are read is the dataset changed, at once.
So nothing is half-applied, and a pull that was killed goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from curation.dataset import Dataset
from curation.files import make_folder, write_bytes, write_durable
from curation.journal import Journal
from curation.lock import exclusive
from curation.pixels import encode_mask
from curation.quarantine import BadRecord, QuarantineRecord
from labeling.label_studio.applying import Applied, apply_labels
from labeling.label_studio.client import Client
from labeling.label_studio.config import person_labels, unknown_labels
from labeling.label_studio.ledger import (
    FOLDER,
    IDENTITY_DIGITS,
    QUARANTINE,
    STAGED,
    Came,
    Sent,
    came_journal,
    lock_of,
    sent_journal,
)
from labeling.label_studio.project import Project, the_project
from labeling.label_studio.reading import Frame, labels_in, read_annotations, submitted_of
from labeling.label_studio.tasks import Task, fetch_annotations, list_tasks, uid_of

STAGE: Final = "pull"
PAGE: Final = 100
"""Tasks whose annotations are fetched in one call: a few megabytes."""


@dataclass(slots=True, kw_only=True)
class Pulled:
    """What became of a pull. `elsewhere` counts tasks of samples that this dataset does not hold."""

    project: Project
    tasks: int = 0
    submitted: int = 0
    skipped: int = 0
    golden: int = 0
    elsewhere: int = 0
    read: int = 0
    broken: list[QuarantineRecord] = field(default_factory=list)
    disagreeing: list[tuple[str, float]] = field(default_factory=list)
    applied: Applied = field(default_factory=Applied)


def pull(
    dataset: Dataset,
    *,
    client: Client,
    title: str,
    accepted: Sequence[str] = (),
    progress: Callable[[int], None] | None = None,
) -> Pulled:
    """Bring what was submitted into the dataset; `accepted` are labels that mean a person as well.

    Raises InputRefused for labels that nobody told the meaning of, RemoteUnavailable when the server is lost.
    """
    with exclusive(lock_of(dataset.folder)):
        project = the_project(client, title=title)
        labels = person_labels(project.labels, accepted=accepted, where=client.access.url)
        pulled = Pulled(project=project)
        rows = {uid_of(row): row for row in dataset.table.to_pylist()}
        sent = {one.id: one for one in sent_journal(dataset.folder, identity=project.identity).outcomes()}
        tasks = list(_wanted(list_tasks(client, project=project.id), rows=rows, sent=sent, pulled=pulled))
        journal = came_journal(dataset.folder, identity=project.identity)
        reader = _Reader(
            client=client, project=project, rows=rows, labels=labels, journal=journal, folder=dataset.folder
        )
        new = [task for task in tasks if key_of(task) not in journal.done]
        for start in range(0, len(new), PAGE):
            reader.read(new[start : start + PAGE])
            pulled.read = min(len(new), start + PAGE)
            if progress is not None:
                progress(pulled.read)
        current = {key_of(task) for task in tasks}
        came = [one for one in journal.outcomes() if one.id in current]
        pulled.applied = apply_labels(dataset.folder, came=came, rows_by_uid=_ids(rows), identity=project.identity)
        _tell(pulled, came=came, folder=dataset.folder)
    return pulled


def key_of(task: Task) -> str:
    """Give what a state of a task is known by: each later change gives another."""
    return f"{task.id}@{task.updated_at}"


def staged_folder(folder: Path, *, identity: str) -> Path:
    """Give where masks of a project wait until they are in the dataset."""
    return folder / FOLDER / f"{STAGED}-{identity[:IDENTITY_DIGITS]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reader:
    """Reads the annotations of tasks into the journal."""

    client: Client
    project: Project
    rows: Mapping[str, Mapping[str, Any]]
    labels: frozenset[str]
    journal: Journal[Came]
    folder: Path

    def read(self, tasks: Sequence[Task]) -> None:
        """Read one page. Raises InputRefused for a label that nobody told the meaning of."""
        found = fetch_annotations(self.client, project=self.project.id, tasks=[task.id for task in tasks])
        if unknown := {label for one in found.values() for label in labels_in(submitted_of(one))} - self.labels:
            raise unknown_labels(unknown, where=f"{self.client.access.url}, project {self.project.title!r}")
        place = staged_folder(self.folder, identity=self.project.identity)
        make_folder(place)
        for task in tasks:
            self.journal.add(self._one(task, annotations=found.get(task.id, []), place=place))
        self.journal.commit()

    def _one(self, task: Task, *, annotations: Sequence[Mapping[str, Any]], place: Path) -> Came:
        row = self.rows[task.uid]
        name = f"{self.client.access.url}, task {task.id}"
        frame = Frame(height=row["height"], width=row["width"], name=name)
        came = Came(
            id=key_of(task),
            uid=task.uid,
            sample_id=row["id"],
            task=task.id,
            label_version=task.label_version,
            label_sha256=task.label_sha256,
        )
        try:
            reading = read_annotations(annotations, frame=frame)
        except BadRecord as problem:
            return msgspec.structs.replace(came, problem=problem.record(stage=STAGE, record_id=row["id"]))
        if reading is None:
            return came
        staged = None
        if reading.mask is not None:
            staged = f"{reading.annotation}.png"
            write_bytes(place / staged, encode_mask(reading.mask))
        return msgspec.structs.replace(
            came,
            annotation=reading.annotation,
            annotator=reading.annotator,
            verdict=None if reading.verdict is None else str(reading.verdict),
            seconds=reading.seconds,
            annotated_at=reading.annotated_at,
            agreement=reading.agreement,
            staged=staged,
        )


def _wanted(
    tasks: Iterable[Task], *, rows: Mapping[str, Mapping[str, Any]], sent: Mapping[str, Sent], pulled: Pulled
) -> Iterator[Task]:
    """Give the tasks with something submitted for a sample of this dataset, and count the others."""
    for task in tasks:
        pulled.tasks += 1
        pulled.skipped += task.submitted == 0 and task.skipped > 0
        pulled.submitted += task.submitted > 0
        if task.uid in sent and sent[task.uid].golden is not None:
            pulled.golden += 1
        elif task.uid not in rows:
            pulled.elsewhere += 1
        elif task.submitted:
            yield task


def _ids(rows: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    return {uid: row["id"] for uid, row in rows.items()}


def _tell(pulled: Pulled, *, came: Sequence[Came], folder: Path) -> None:
    pulled.broken = [one.problem for one in came if one.problem is not None]
    pulled.disagreeing = sorted(
        ((one.sample_id, one.agreement) for one in came if one.agreement is not None), key=lambda pair: pair[1]
    )
    lines = b"".join(msgspec.json.encode(record) + b"\n" for record in pulled.broken)
    if lines or (folder / FOLDER / QUARANTINE).exists():
        write_durable(folder / FOLDER / QUARANTINE, lines)
