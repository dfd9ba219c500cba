"""How far the labeling of a dataset is: counts, agreement, minutes for each label, and scores of annotators."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from curation.dataset.dataset import Dataset
from curation.images.pixels import decode_mask
from curation.quarantine import BadRecord
from curation.storage.files import read_file
from labeling.answers import AGREEMENT, ANNOTATION, ANNOTATOR, SECONDS, STATUS
from labeling.label_tools.label_studio.drawing.regions import Frame
from labeling.label_tools.label_studio.project.ledger import IDENTITY_DIGITS, Sent, in_utc, is_golden, sent_journal
from labeling.label_tools.label_studio.project.project import Project, find_project, the_project
from labeling.label_tools.label_studio.project.tasks import Task, by_sample, fetch_answers, list_tasks, uid_of
from labeling.label_tools.label_studio.pull.read_annotations import (
    annotator_of,
    mask_iou,
    offered_of,
    submitted_of,
    taken_mask,
)
from labeling.label_tools.label_studio.server.client import Client
from labeling.label_tools.label_studio.server.responses import AnnotatedTask

PAGE: Final = 100
SECONDS_PER_MINUTE: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenScore:
    """How well an annotator draws known masks: the mean IoU over so many of them."""

    annotator: str
    masks: int
    iou: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Where this dataset's samples are that became tasks, each once; golden ones are counted apart.

    `waiting`, `in_progress` (a draft), `submitted` and `skipped` add up to `tasks`; `doubled` counts the tasks beyond
    the first of each sample. `pulled` of the submitted are in the dataset. `lost` were sent from here and are no longer
    on the server. `agreement` is the mean IoU of the samples that several annotators drew. Times are of what was
    pulled.
    """

    project: str
    tasks: int
    doubled: int
    waiting: int
    in_progress: int
    submitted: int
    skipped: int
    pulled: int
    golden: int
    lost: int
    agreement: float | None
    agreement_samples: int
    minutes_median: float | None
    minutes_total: float
    verdicts: dict[str, int]
    annotators: dict[str, int]
    golden_scores: tuple[GoldenScore, ...]


def status_of(dataset: Dataset, *, client: Client, title: str) -> Status:
    """Return how far a dataset's project is. Raises InputRefused where there is no such project."""
    project = the_project(client, title=title)
    sent = {one.id: one for one in sent_journal(dataset.folder, identity=project.identity).outcomes()}
    uids = {uid_of(row) for row in dataset.table.to_pylist()} | sent.keys()
    samples = {uid: tasks for uid, tasks in by_sample(list_tasks(client, project=project.id)).items() if uid in uids}
    golden = [task for tasks in samples.values() if is_golden(tasks, sent=sent) for task in tasks]
    own = [tasks for tasks in samples.values() if not is_golden(tasks, sent=sent)]
    drafts = {task.id for task in list_tasks(client, project=project.id, drafts_only=True)}
    states = [_state(tasks, drafts=drafts) for tasks in own]
    rows = [row for row in dataset.table.to_pylist() if _came_from(row.get(ANNOTATION), project=project)]
    minutes = [row[SECONDS] / SECONDS_PER_MINUTE for row in rows if row.get(SECONDS) is not None]
    agreement = [row[AGREEMENT] for row in rows if row.get(AGREEMENT) is not None]
    return Status(
        project=project.title,
        tasks=len(own),
        doubled=sum(map(len, own)) - len(own),
        waiting=states.count("waiting"),
        in_progress=states.count("in_progress"),
        submitted=states.count("submitted"),
        skipped=states.count("skipped"),
        pulled=len(rows),
        golden=len(samples) - len(own),
        lost=len(sent.keys() - samples.keys()),
        agreement=statistics.fmean(agreement) if agreement else None,
        agreement_samples=len(agreement),
        minutes_median=statistics.median(minutes) if minutes else None,
        minutes_total=sum(minutes),
        verdicts=_counted(row[STATUS] for row in rows),
        annotators=_counted(row[ANNOTATOR] for row in rows),
        golden_scores=_golden_scores(golden, sent=sent, client=client, project=project),
    )


def submitted_since(moment: datetime | None, *, client: Client, title: str) -> int:
    """Return how many samples of a project have a submitted task that was changed after a moment, None for ever.

    Where there is no such project yet, nothing was submitted.
    """
    project = find_project(client, title=title)
    tasks = () if project is None else list_tasks(client, project=project.id, since=moment)
    submitted = (task for task in tasks if task.submitted)
    return len({task.uid for task in submitted if moment is None or in_utc(task.updated_at) > moment})


def _state(tasks: Sequence[Task], *, drafts: set[int]) -> str:
    """Return where a sample is: a draft counts only where nothing was submitted, a skip only where nothing else is."""
    if any(task.submitted for task in tasks):
        return "submitted"
    if any(task.id in drafts for task in tasks):
        return "in_progress"
    return "skipped" if all(task.skipped for task in tasks) else "waiting"


def _came_from(annotation: str | None, *, project: Project) -> bool:
    return annotation is not None and annotation.startswith(project.identity[:IDENTITY_DIGITS])


def _counted(values: Iterator[str | None]) -> dict[str, int]:
    counts: defaultdict[str, int] = defaultdict(int)
    for value in values:
        counts[value or "unknown"] += 1
    return dict(sorted(counts.items(), key=lambda pair: -pair[1]))


def _golden_scores(
    golden: Sequence[Task], *, sent: dict[str, Sent], client: Client, project: Project
) -> tuple[GoldenScore, ...]:
    """Return the mean IoU of each annotator with the known masks that he or she drew."""
    found: defaultdict[str, list[float]] = defaultdict(list)
    done = [task for task in golden if task.submitted and task.uid in sent]  # the masks lie where they were pushed
    for start in range(0, len(done), PAGE):
        page = done[start : start + PAGE]
        answers = fetch_answers(client, project=project.id, tasks=[task.id for task in page])
        for task in page:
            truth = Path(str(sent[task.uid].golden))
            try:
                mask = decode_mask(read_file(truth), file=str(truth))
                frame = Frame(height=mask.shape[0], width=mask.shape[1], name=f"task {task.id}")
                answer = answers.get(task.id, AnnotatedTask(id=task.id))
                offered = offered_of(answer.predictions, frame=frame, task=task)
                for one in submitted_of(answer.annotations or []):
                    taken, _ = taken_mask(one, frame=frame, offered=offered)
                    found[annotator_of(one)].append(mask_iou(taken, second=mask))
            except BadRecord:  # the known mask was moved, or what was drawn is damaged: no score
                continue
    return tuple(
        GoldenScore(annotator=who, masks=len(ious), iou=statistics.fmean(ious)) for who, ious in sorted(found.items())
    )
