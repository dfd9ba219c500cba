"""Push: samples of a dataset become tasks of a project, each once, the worst first, with a mask to start from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from curation.dataset.dataset import Dataset
from curation.errors import ConfigurationProblem, RemoteUnavailable
from curation.image_uri import FILE, image_uri
from curation.quarantine import BadRecord, QuarantineRecord
from curation.storage.files import named_file, read_file
from curation.storage.journal import Journal
from curation.storage.lock import exclusive
from labeling.findings import Findings
from labeling.label_tools.label_studio.project.golden import Golden, golden_start
from labeling.label_tools.label_studio.project.label_config import (
    BRUSH,
    CONFIG_HASH,
    OTHER,
    person_labels,
    unread_tools,
)
from labeling.label_tools.label_studio.project.ledger import Sent, lock_of, sent_journal
from labeling.label_tools.label_studio.project.project import Project, open_project
from labeling.label_tools.label_studio.project.tasks import (
    OFFERED,
    OFFERED_LABEL,
    START_VERSION,
    by_sample,
    list_tasks,
    prediction_of,
    task_of,
    uid_of,
)
from labeling.label_tools.label_studio.pull.read_annotations import mask_iou
from labeling.label_tools.label_studio.push.delivery import Delivery, Images, delivery_for
from labeling.label_tools.label_studio.push.doubles import settle_doubles
from labeling.label_tools.label_studio.push.prefill import Start, score_of, start_of
from labeling.label_tools.label_studio.push.send_tasks import missing_of, send_tasks
from labeling.label_tools.label_studio.push.share_pictures import shared_picture
from labeling.label_tools.label_studio.server.client import Client
from labeling.label_tools.label_studio.server.responses import Control
from labeling.selection.select import Prefill

STAGE: Final = "push"
CHUNK_TASKS: Final = 200
CHUNK_BYTES: Final = 16_000_000
"""Of pictures and run lengths in one request; Label Studio refuses more than 200 MB."""
ROUNDS: Final = 3
"""How often samples that the server lost after it had confirmed them are sent again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """What to push: the rows of the dataset in their order, and how.

    `image_url` stands before the path of each picture when `images` is `url`.
    """

    dataset: Dataset
    rows: Sequence[Mapping[str, Any]]
    title: str
    findings: Findings
    prefill: Prefill = "auto"
    model_version: str = ""
    images: Images = "auto"
    image_url: str = ""
    golden: Sequence[Golden] = ()


@dataclass(slots=True, kw_only=True)
class Pushed:
    """What became of a push; `there` were on the server before it, `prefilled` are the tasks with a mask to start from.

    `doubled` counts tasks beyond the first of their sample, that stay since somebody may have worked on them;
    `unread_tools` the tools of the project whose regions a pull does not read.
    """

    project: Project
    considered: int = 0
    sent: int = 0
    prefilled: set[int] = field(default_factory=set)
    there: int = 0
    golden: int = 0
    broken: list[QuarantineRecord] = field(default_factory=list)
    doubled: int = 0
    unread_tools: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A sample that is ready to go: its task but for the address of the picture."""

    row: Mapping[str, Any]
    predictions: list[dict[str, Any]]
    picture: str
    data: bytes
    golden: str | None

    def __len__(self) -> int:
        """Return about how many bytes travel."""
        regions = [region for one in self.predictions for region in one["result"]]
        return len(self.data) + sum(4 * len(region["value"]["rle"]) for region in regions)


def push(plan: Push, *, client: Client, progress: Callable[[int], None] | None = None) -> Pushed:
    """Send what the project does not have yet, and give what became of it; `progress` is called with the number done.

    Raises RemoteUnavailable when the server is lost: what arrived stays, and the next push sends the rest.
    """
    with exclusive(lock_of(plan.dataset.folder)):
        project = open_project(client, title=plan.title)
        person_labels(project.controls, accepted=(), where=client.access.url)
        known = {uid: tasks[0].id for uid, tasks in by_sample(list_tasks(client, project=project.id)).items()}
        pushed = Pushed(project=project, considered=len(plan.rows) + len(plan.golden))
        pushed.unread_tools = unread_tools(project.controls)
        journal = sent_journal(plan.dataset.folder, identity=project.identity)
        after = max(known.values(), default=0)
        waiting = [one for one in _in_order(plan) if uid_of(one[0]) not in known]
        pushed.there = pushed.considered - len(waiting)
        for _ in range(ROUNDS):
            run = _Run(plan=plan, client=client, project=project, pushed=pushed, journal=journal, after=after)
            waiting = run.send(waiting, known=known, progress=progress)
            if not waiting:
                break
        else:
            raise RemoteUnavailable(
                f"{len(waiting)} tasks were confirmed and are not there",
                where=client.access.url,
                remedy="look at the server's log; then run the same command again, it sends what is missing",
            )
        _show_predictions(client, project=project, pushed=pushed)
    return pushed


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """One round of sending; `after` is the id of the last task that was there before the push."""

    plan: Push
    client: Client
    project: Project
    pushed: Pushed
    journal: Journal[Sent]
    after: int

    def send(
        self,
        waiting: Sequence[tuple[Mapping[str, Any], Golden | None]],
        *,
        known: Mapping[str, int],
        progress: Callable[[int], None] | None,
    ) -> list[tuple[Mapping[str, Any], Golden | None]]:
        """Send all that waits, settle what is there twice, and give what the server has not kept."""
        if not waiting:
            return []
        delivery = None
        if self.plan.images != "url":
            delivery = delivery_for(self.client, project=self.project, images=self.plan.images)
        confirmed: dict[str, int] = {}
        done = 0
        for ready, looked_at in _chunks(self._ready(waiting)):
            if ready:
                confirmed |= self._send_chunk(ready, delivery=delivery)
            done += looked_at
            if progress is not None:
                progress(self.pushed.there + done)
        settled = settle_doubles(self.client, project=self.project.id, known=known, after=self.after)
        self.pushed.doubled = settled.doubled
        self.pushed.prefilled &= {task.id for task in settled.kept.values()}
        lost = set(missing_of(confirmed, present=settled.kept))
        self.pushed.sent += len(confirmed) - len(lost)
        return [one for one in waiting if uid_of(one[0]) in lost]

    def _ready(self, waiting: Sequence[tuple[Mapping[str, Any], Golden | None]]) -> Iterator[Ready | None]:
        """Yield each sample made ready, None for one that is broken, which is noted."""
        for row, golden in waiting:
            try:
                yield self._one(row, golden=golden)
            except BadRecord as problem:
                self.pushed.broken.append(problem.record(stage=STAGE, record_id=row["id"]))
                yield None

    def _one(self, row: Mapping[str, Any], *, golden: Golden | None) -> Ready:
        dataset = self.plan.dataset if golden is None else golden.dataset
        how: dict[str, Any] = {"findings": self.plan.findings, "prefill": self.plan.prefill}
        start = start_of(row, dataset=dataset, **how) if golden is None else golden_start(golden, **how)
        name, data = row["image"], b""
        if self.plan.images != "url":
            path = named_file(dataset.folder, row["image"])
            name, data = shared_picture(read_file(path, below=dataset.folder), file=str(path))
        truth = None if golden is None else str(golden.mask)
        return Ready(
            row=row,
            predictions=self._predictions(row, start=start),
            picture=name,
            data=data,
            golden=truth,
        )

    def _predictions(self, row: Mapping[str, Any], *, start: Start | None) -> list[dict[str, Any]]:
        """Return what the task offers: the mask to start from last, whose version an empty project then shows."""
        if start is None:
            return []
        score, other = score_of(row, findings=self.plan.findings), start.other
        if score is None and other is not None:
            score = mask_iou(start.mask, second=other)
        can_show = OTHER in self.project.controls.get(BRUSH, Control()).labels
        version = _start_version(self.project)
        first = prediction_of(start.mask, model_version=version, score=score, beside=other if can_show else None)
        if other is None:
            return [first]
        offered = f"{OFFERED}{self.plan.model_version}" if start.source == "label" else OFFERED_LABEL
        return [prediction_of(other, model_version=offered, score=None), first]

    def _send_chunk(self, chunk: Sequence[Ready], *, delivery: Delivery | None) -> dict[str, int]:
        if delivery is None:
            addresses = {ready.picture: _address(ready.picture, start=self.plan.image_url) for ready in chunk}
        else:
            addresses = delivery.deliver({ready.picture: ready.data for ready in chunk})
        tasks = [
            task_of(
                ready.row,
                image=addresses[ready.picture],
                predictions=ready.predictions,
                is_golden=ready.golden is not None,
            )
            for ready in chunk
        ]
        arrived = send_tasks(self.client, project=self.project.id, tasks=tasks, after=self.after)
        for ready in chunk:
            uid = uid_of(ready.row)
            version = self.plan.model_version if ready.predictions else None
            self.journal.add(
                Sent(id=uid, task=arrived[uid], config=CONFIG_HASH, model_version=version, golden=ready.golden)
            )
            self.pushed.golden += ready.golden is not None
            self.pushed.prefilled |= {arrived[uid]} if ready.predictions else set()
        self.journal.commit()
        return arrived


def _address(picture: str, *, start: str) -> str:
    """Return the address of a picture: its own, where a manifest names it by one, else its path behind `start`.

    Raises ConfigurationProblem for one that a browser elsewhere cannot open.
    """
    if (uri := image_uri(picture)) is None:
        return f"{start}{picture}"
    if uri.startswith(FILE):
        reason = "this image lies on this machine, and has no path behind --image-url"
        raise ConfigurationProblem(
            reason, where=uri, remedy="leave out --images and --image-url: pictures are then sent"
        )
    return uri


def _in_order(plan: Push) -> list[tuple[Mapping[str, Any], Golden | None]]:
    """Return the samples with the golden ones spread evenly among them."""
    order: list[tuple[Mapping[str, Any], Golden | None]] = [(row, None) for row in plan.rows]
    for number, golden in enumerate(plan.golden):
        order.insert((number + 1) * (len(plan.rows) + 1) // (len(plan.golden) + 1) + number, (golden.row, golden))
    return order


def _chunks(samples: Iterator[Ready | None]) -> Iterator[tuple[list[Ready], int]]:
    """Yield what goes into one request each, with the number of samples that were looked at for it."""
    chunk: list[Ready] = []
    size = looked_at = 0
    for ready in samples:
        looked_at += 1
        if ready is not None:
            chunk.append(ready)
            size += len(ready)
        if len(chunk) == CHUNK_TASKS or size > CHUNK_BYTES:
            yield chunk, looked_at
            chunk, size, looked_at = [], 0, 0
    if looked_at:
        yield chunk, looked_at


def _show_predictions(client: Client, *, project: Project, pushed: Pushed) -> None:
    """Have the page of a new project begin with our masks: it shows one version only, and none that has no mask."""
    version = _start_version(project)
    if pushed.prefilled and project.model_version != version:
        client.patch(f"/api/projects/{project.id}/", body={"model_version": version})


def _start_version(project: Project) -> str:
    """Return the version of the masks to start from: that of the project's earlier tasks, which stay shown."""
    version = project.model_version or START_VERSION
    return START_VERSION if version.startswith(OFFERED) else version
