"""Pull: what annotators submitted becomes new label versions of a dataset.

Pages are read into a journal with the masks beside it, and only when all are read is the dataset changed, at once.
So nothing is half-applied, and a pull that was killed continues.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from curation.dataset.dataset import Dataset, read_dataset
from curation.images.pixels import encode_mask
from curation.quarantine import BadRecord, Code, QuarantineRecord
from curation.storage.files import make_folder, write_bytes, write_durable
from curation.storage.journal import Journal
from curation.storage.lock import exclusive
from labeling.label_tools.label_studio.drawing.regions import Frame
from labeling.label_tools.label_studio.project.label_config import OTHER, person_labels, unknown_labels, unread_tools
from labeling.label_tools.label_studio.project.ledger import (
    FOLDER,
    IDENTITY_DIGITS,
    QUARANTINE,
    STAGED,
    Came,
    Sent,
    came_journal,
    is_golden,
    lock_of,
    sent_journal,
    server_time,
)
from labeling.label_tools.label_studio.project.project import Project, the_project
from labeling.label_tools.label_studio.project.tasks import Task, by_sample, fetch_answers, list_tasks, uid_of
from labeling.label_tools.label_studio.pull.apply import Applied, apply_labels
from labeling.label_tools.label_studio.pull.read_annotations import (
    labels_in,
    offered_of,
    read_annotations,
    submitted_of,
)
from labeling.label_tools.label_studio.server.client import Client
from labeling.label_tools.label_studio.server.responses import AnnotatedTask, Annotation

STAGE: Final = "pull"
SKIPPED: Final = "skipped"
"""Stands in the ledger where an answer would."""
PAGE: Final = 100
"""Tasks whose annotations are fetched in one call: a few megabytes."""


@dataclass(slots=True, kw_only=True)
class Pulled:
    """What became of a pull. All count samples, of which each is a task, or several where it is there more than once.

    `doubled` counts the tasks beyond the first of each; `elsewhere` samples that this folder does not hold; `left_out`
    submitted ones of the folder that the table of the dataset leaves out; `unsent` those of which the server told that
    they are submitted, and then sent nothing that is; `unread_tools` the tools of the project whose regions are not
    read; `unmarked` submitted samples of which neither task nor ledger tells whether they are of known masks, since an
    earlier version pushed them from another folder. `unanswered` are the ids of samples that were submitted without an
    answer that fits, `contradicted` of those whose answer does not fit what was drawn; both are among the `broken`.
    `drafts` are the tasks with something that nobody submitted, which is left out; `answers` how often each was given.
    """

    project: Project
    tasks: int = 0
    doubled: int = 0
    unsent: int = 0
    submitted: int = 0
    skipped: int = 0
    golden: int = 0
    elsewhere: int = 0
    left_out: int = 0
    read: int = 0
    broken: list[QuarantineRecord] = field(default_factory=list)
    disagreeing: list[tuple[str, float]] = field(default_factory=list)
    unanswered: list[str] = field(default_factory=list)
    contradicted: list[str] = field(default_factory=list)
    drafts: list[int] = field(default_factory=list)
    answers: dict[str, int] = field(default_factory=dict)
    unread_tools: list[str] = field(default_factory=list)
    unmarked: int = 0
    applied: Applied = field(default_factory=Applied)


def pull(
    dataset: Dataset,
    *,
    client: Client,
    title: str,
    accepted: Sequence[str] = (),
    others: Sequence[str] = (),
    progress: Callable[[int], None] | None = None,
) -> Pulled:
    """Bring what was submitted into the dataset; `accepted` are labels that mean a person too, `others` that mean none.

    Where its table holds a part of the rows of its folder, the others stay as they are. Raises InputRefused for labels
    whose meaning is not known, RemoteUnavailable when the server is lost.
    """
    with exclusive(lock_of(dataset.folder)):
        project = the_project(client, title=title)
        persons = person_labels(project.controls, accepted=accepted, where=client.access.url)
        pulled = Pulled(project=project, unread_tools=unread_tools(project.controls))
        rows = {uid_of(row): row for row in dataset.table.to_pylist()}
        known = {uid_of(row) for row in read_dataset(dataset.folder).table.to_pylist()}
        sent = {one.id: one for one in sent_journal(dataset.folder, identity=project.identity).outcomes()}
        samples = by_sample(list_tasks(client, project=project.id))
        drafts = {task.id for task in list_tasks(client, project=project.id, drafts_only=True)}
        own = list(_own(samples, rows=rows, known=known, sent=sent, pulled=pulled))
        pulled.drafts = [task.id for tasks in own for task in tasks if task.id in drafts]
        wanted = [found for tasks in own if (found := [task for task in tasks if task.submitted])]
        pulled.unmarked = sum(
            found[0].uid not in sent and any(task.is_golden is None for task in found) for found in wanted
        )
        journal = came_journal(dataset.folder, identity=project.identity)
        _note_skipped(own, rows=rows, journal=journal)
        reader = _Reader(
            client=client,
            project=project,
            rows=rows,
            persons=persons,
            others=frozenset(others),
            journal=journal,
            folder=dataset.folder,
        )
        new = [tasks for tasks in wanted if key_of(tasks) not in journal.done]
        for start in range(0, len(new), PAGE):
            pulled.unsent += reader.read(new[start : start + PAGE])
            pulled.read = min(len(new), start + PAGE)
            if progress is not None:
                progress(pulled.read)
        current = {key_of(tasks) for tasks in wanted}
        came = [one for one in journal.outcomes() if one.id in current]
        ids = {uid: row["id"] for uid, row in rows.items()}
        pulled.applied = apply_labels(dataset.folder, came=came, rows_by_uid=ids, identity=project.identity)
        _tell(pulled, came=came, folder=dataset.folder)
    return pulled


def key_of(tasks: Sequence[Task]) -> str:
    """Return what the state of a sample's submitted tasks is known by: each later change gives another."""
    return "+".join(f"{task.id}@{server_time(task.updated_at)}" for task in tasks)


def staged_folder(folder: Path, *, identity: str) -> Path:
    """Return where masks of a project wait until they are in the dataset."""
    return folder / FOLDER / f"{STAGED}-{identity[:IDENTITY_DIGITS]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reader:
    """Reads the annotations of tasks into the journal."""

    client: Client
    project: Project
    rows: Mapping[str, Mapping[str, Any]]
    persons: frozenset[str]
    others: frozenset[str]
    journal: Journal[Came]
    folder: Path

    def read(self, samples: Sequence[Sequence[Task]]) -> int:
        """Read one page, and return of how many samples nothing submitted came; these are asked for again next time.

        Raises InputRefused for a label whose meaning is not known.
        """
        asked = [task.id for tasks in samples for task in tasks]
        found = fetch_answers(self.client, project=self.project.id, tasks=asked)
        submitted = {id_: submitted_of(task.annotations or []) for id_, task in found.items()}
        labels = {label for one in submitted.values() for label in labels_in(one, persons=self.persons)}
        if unknown := labels - self.others - {OTHER}:
            raise unknown_labels(unknown, where=f"{self.client.access.url}, project {self.project.title!r}")
        place = staged_folder(self.folder, identity=self.project.identity)
        make_folder(place, below=self.folder)
        unsent = 0
        for tasks in samples:
            if any(submitted.get(task.id) for task in tasks):
                self.journal.add(self._one(tasks, found=found, submitted=submitted, place=place))
            else:
                unsent += 1
        self.journal.commit()
        return unsent

    def _one(
        self,
        tasks: Sequence[Task],
        *,
        found: Mapping[int, AnnotatedTask],
        submitted: Mapping[int, Sequence[Annotation]],
        place: Path,
    ) -> Came:
        """Read the annotations of a sample, of all its tasks together: the newest counts."""
        of_task = {one.id: task for task in tasks for one in submitted.get(task.id, ())}
        annotations = submitted_of(one for task in tasks for one in submitted.get(task.id, ()))
        task = of_task[annotations[0].id]
        row = self.rows[task.uid]
        name = f"{self.client.access.url}, task {task.id}"
        frame = Frame(height=row["height"], width=row["width"], name=name)
        came = _came(tasks, task=task, rows=self.rows)
        try:
            offered = offered_of(found[task.id].predictions, frame=frame, task=task)
            reading = read_annotations(annotations, frame=frame, persons=self.persons, offered=offered)
        except BadRecord as problem:
            return msgspec.structs.replace(came, problem=problem.record(stage=STAGE, record_id=row["id"]))
        assert reading is not None, "something is submitted"
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


def _own(
    samples: Mapping[str, Sequence[Task]],
    *,
    rows: Mapping[str, Mapping[str, Any]],
    known: Collection[str],
    sent: Mapping[str, Sent],
    pulled: Pulled,
) -> Iterator[list[Task]]:
    """Yield the tasks of each sample of this dataset that is not of a known mask, and count all samples."""
    for uid, tasks in samples.items():
        pulled.tasks += 1
        pulled.doubled += len(tasks) - 1
        pulled.skipped += _is_skipped(tasks)
        pulled.submitted += any(task.submitted for task in tasks)
        if is_golden(tasks, sent=sent):
            pulled.golden += 1
        elif uid not in known:
            pulled.elsewhere += 1
        elif uid in rows:
            yield list(tasks)
        else:
            pulled.left_out += any(task.submitted for task in tasks)


def _is_skipped(tasks: Sequence[Task]) -> bool:
    return all(task.skipped and not task.submitted for task in tasks)


def _note_skipped(
    samples: Sequence[Sequence[Task]], *, rows: Mapping[str, Mapping[str, Any]], journal: Journal[Came]
) -> None:
    """Note the samples that were skipped, each once: nobody judged them, as opposed to those that are `ambiguous`."""
    for tasks in samples:
        if _is_skipped(tasks) and key_of(tasks) not in journal.done:
            journal.add(_came(tasks, task=tasks[0], rows=rows, verdict=SKIPPED))
    journal.commit()


def _came(
    tasks: Sequence[Task], *, task: Task, rows: Mapping[str, Mapping[str, Any]], verdict: str | None = None
) -> Came:
    """Return the line of the ledger for the tasks of a sample, of which `task` counts."""
    return Came(
        id=key_of(tasks),
        uid=task.uid,
        sample_id=rows[task.uid]["id"],
        task=task.id,
        verdict=verdict,
        label_version=task.label_version,
        label_sha256=task.label_sha256,
    )


def _tell(pulled: Pulled, *, came: Sequence[Came], folder: Path) -> None:
    pulled.answers = dict(Counter(one.verdict for one in came if one.verdict is not None))
    pulled.broken = [one.problem for one in came if one.problem is not None]
    for code, ids in ((Code.UNANSWERED, pulled.unanswered), (Code.CONTRADICTION, pulled.contradicted)):
        ids.extend(str(one.record_id) for one in pulled.broken if one.code == code)
    pulled.disagreeing = sorted(
        ((one.sample_id, one.agreement) for one in came if one.agreement is not None), key=lambda pair: pair[1]
    )
    lines = b"".join(msgspec.json.encode(record) + b"\n" for record in pulled.broken)
    if lines or (folder / FOLDER / QUARANTINE).exists():
        write_durable(folder / FOLDER / QUARANTINE, lines)
