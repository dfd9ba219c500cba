"""`curate label pull`: corrected masks into the dataset."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from pipelines.command_line.options import Result, RunOptions, setting
from pipelines.command_line.progress import progress_bar
from pipelines.labels.server import PATIENCE, PROJECT, SERVER_FOLDER, connected, project_title, unread_warnings

if TYPE_CHECKING:
    from labeling.label_tools.label_studio.pull.pull import Pulled

SHOWN: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class PullFlags:
    """Which dataset takes the labels, and from which project."""

    dataset: Path = setting(
        "The dataset that was pushed, or the one that it was mined from.", positional=True, metavar="D"
    )
    project: str | None = setting(PROJECT, default=None, metavar="NAME")
    where: str | None = setting(
        "Take labels only into rows for which this pandas query holds.", default=None, metavar="QUERY"
    )
    person_label: tuple[str, ...] = setting(
        "A label that means a person, in a project whose labels were renamed; may be repeated.",
        default=(),
        metavar="NAME",
    )
    other_label: tuple[str, ...] = setting(
        "A label that means no person, in a project with labels of its own: its regions are left out; may be repeated.",
        default=(),
        metavar="NAME",
    )
    folder: Path | None = setting(SERVER_FOLDER, default=None, metavar="DIR")
    patience: float = setting(PATIENCE, default=60.0, metavar="S")


def pull(settings: PullFlags, *, run: RunOptions) -> Result:
    """Bring what annotators submitted into a dataset, as new label versions; no label is ever overwritten.

    Of each task the newest submitted annotation counts: brush, bitmask, polygons, ellipses and rectangles, united; a
    task with anything else is set aside. Drafts and skipped tasks change nothing; an empty mask is only taken where the
    annotator chose "no person". A mask that is still the one to start from counts only where the answer is "right";
    else the task is set aside as unanswered. An answer that does not fit what was drawn is set aside too: strokes
    beside "right" or "other right", or one of these for a mask with less than a tenth of the label that it would
    replace. A label that was corrected here later than there is kept. Pulling twice
    changes nothing the second time. Each pull that changes something has a number, by which `curate label undo` takes
    it back.

    \b
    Example:  curate label pull hard-cases
    """
    from curation.dataset.dataset import read_dataset
    from curation.dataset.query import select_rows
    from curation.dataset.rows import InMemory
    from labeling.label_tools.label_studio.pull.pull import pull as pull_labels

    dataset = read_dataset(settings.dataset)
    title = project_title(dataset, project=settings.project)
    if settings.where is not None:
        dataset = replace(dataset, rows=InMemory(select_rows(dataset, settings.where)))
    with (
        connected(settings.folder, patience_s=settings.patience) as client,
        progress_bar("pull", total=len(dataset), run=run) as show,
    ):
        pulled = pull_labels(
            dataset,
            client=client,
            title=title,
            accepted=settings.person_label,
            others=settings.other_label,
            progress=show,
        )
        address = f"{client.access.url}/projects/{pulled.project.id}/data"
    return _result(pulled, settings=settings, address=address)


def _result(pulled: Pulled, *, settings: PullFlags, address: str) -> Result:
    folder = settings.dataset
    applied, broken = pulled.applied, pulled.broken
    quarantine = f"{folder}/labeling/quarantine.jsonl"
    lines = [f"{folder}: {applied.written} new label versions from {pulled.project.title!r}"]
    if applied.batch is not None:
        lines.append(f"  batch {applied.batch}; to take it back: curate label undo {folder} --batch {applied.batch}")
    lines += [
        f"  {applied.confirmed} labels confirmed, {applied.set_aside} judged without a mask, "
        f"{applied.already} pulled before, {applied.newer_here} newer here and kept, {applied.taken_back} taken back",
        f"  of {pulled.tasks} tasks {pulled.submitted} are submitted, {pulled.skipped} skipped",
        *_task_lines(pulled, address=address),
    ]
    if broken:
        lines.append(f"  {len(broken)} annotations are set aside; each with its reason: {quarantine}")
        lines += [
            f"    {one.code}  {one.record_id}, {one.file}: {one.reason}\n      what to do: {one.hint}"
            + _standing(pulled, id_=one.record_id)
            for one in broken[:SHOWN]
        ]
    return Result.of(
        lines,
        _data(pulled, quarantine=quarantine),
        set_aside=broken,
        warnings=(
            *unread_warnings(pulled.unread_tools),
            *_left_out_warnings(pulled, settings=settings),
            *_unmarked_warnings(pulled),
        ),
    )


def _standing(pulled: Pulled, *, id_: str | None) -> str:
    version = pulled.applied.standing.get(id_ or "")
    return "" if version is None else f"\n      until then version {version} counts, by an earlier answer in this task"


def _task_lines(pulled: Pulled, *, address: str) -> list[str]:
    """Return the lines about answers, and about tasks that bring no label, or more than one."""
    counted = {
        "more {} of samples that have one already; of each the newest label counts": pulled.doubled,
        "are marked as submitted, but came without a label: pull again": pulled.unsent,
        "{} of samples that this dataset does not hold": pulled.elsewhere,
        "{} of known masks, which stay as they are": pulled.golden,
        "{} unanswered: submitted without an answer that fits": len(pulled.unanswered),
        "{} contradicted: the answer does not fit what was drawn": len(pulled.contradicted),
    }
    lines = [
        f"  {number} {told.format('task is' if number == 1 else 'tasks are')}"
        for told, number in counted.items()
        if number
    ]
    if pulled.answers:
        answers = ", ".join(f"{number} {answer}" for answer, number in sorted(pulled.answers.items()))
        lines.insert(0, f"  answers: {answers}")
    if pulled.drafts:
        shown = ", ".join(map(str, pulled.drafts[:SHOWN])) + (", ..." if len(pulled.drafts) > SHOWN else "")
        drafts, them, tasks = ("draft is", "it", "task") if len(pulled.drafts) == 1 else ("drafts are", "them", "tasks")
        told = f"{len(pulled.drafts)} {drafts} left out, since nobody submitted {them}"
        lines.append(f"  {told}: {address}, {tasks} {shown}")
    if pulled.disagreeing:
        lines.append("  drawn by several annotators, with their IoU, the lowest first:")
        lines += [f"    {iou:.3f}  {id_}" for id_, iou in pulled.disagreeing[:SHOWN]]
    return lines


def _left_out_warnings(pulled: Pulled, *, settings: PullFlags) -> tuple[str, ...]:
    if not pulled.left_out:
        return ()
    told = f"{pulled.left_out} submitted labels are not taken: for their samples {settings.where} does not hold"
    return (f"{settings.dataset}: {told}",)


def _unmarked_warnings(pulled: Pulled) -> tuple[str, ...]:
    if not pulled.unmarked:
        return ()
    return (
        f"{pulled.unmarked} tasks were pushed by an earlier version from another folder, which did not note in the "
        "task whether its mask is a known one (--golden); if some were, take this pull back with `curate label undo`, "
        "and pull into the folder that was pushed",
    )


def _data(pulled: Pulled, *, quarantine: str) -> dict[str, Any]:
    applied = pulled.applied
    return {
        "command": "label pull",
        "project": pulled.project.title,
        "tasks": pulled.tasks,
        "doubled": pulled.doubled,
        "unsent": pulled.unsent,
        "unread_tools": pulled.unread_tools,
        "submitted": pulled.submitted,
        "skipped": pulled.skipped,
        "elsewhere": pulled.elsewhere,
        "left_out": pulled.left_out,
        "golden": pulled.golden,
        "unanswered": pulled.unanswered,
        "contradicted": pulled.contradicted,
        "standing": pulled.applied.standing,
        "answers": pulled.answers,
        "drafts": pulled.drafts,
        "batch": applied.batch,
        "taken_back": applied.taken_back,
        "written": applied.written,
        "confirmed": applied.confirmed,
        "without_mask": applied.set_aside,
        "already": applied.already,
        "newer_here": applied.newer_here,
        "disagreeing": dict(pulled.disagreeing),
        "quarantined": msgspec.to_builtins(pulled.broken),
        "quarantine": quarantine,
    }
