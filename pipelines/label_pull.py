"""`curate label pull`: corrected masks into the dataset."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from pipelines.labeling import PATIENCE, PROJECT, SERVER_FOLDER, connected, project_title, unread_warnings
from pipelines.options import DONE_WITH_QUARANTINE, Result, RunOptions, setting
from pipelines.progress import progress_bar

if TYPE_CHECKING:
    from labeling.label_studio.pulling import Pulled

SHOWN: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class PullFlags:
    """Which dataset takes the labels, and from which project."""

    dataset: Path = setting(
        "The dataset that was pushed, or the one that it was mined from.", positional=True, metavar="D"
    )
    project: str | None = setting(PROJECT, default=None, metavar="NAME")
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
    """Bring what annotators submitted into a dataset, as new label versions; no label is ever written over.

    Of each task the newest submitted annotation counts: brush, bitmask, polygons, ellipses and rectangles, united; a
    task with anything else is set aside. Drafts and skipped tasks change nothing; an empty mask is only taken where the
    annotator chose "no person". A mask that is still the one to start from counts only where the answer is "right";
    else the task is set aside as unanswered. A label that was corrected here later than there is kept. Pulling twice
    changes nothing the second time. Each pull that changes something has a number, by which `curate label undo` takes
    it back.

    \b
    Example:  curate label pull hard-cases
    """
    from curation.dataset import read_dataset
    from labeling.label_studio.pulling import pull as pull_labels

    dataset = read_dataset(settings.dataset)
    title = project_title(dataset, project=settings.project)
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
    return _result(pulled, folder=settings.dataset)


def _result(pulled: Pulled, *, folder: Path) -> Result:
    applied, broken = pulled.applied, pulled.broken
    lines = [f"{folder}: {applied.written} new label versions from {pulled.project.title!r}"]
    if applied.batch is not None:
        lines.append(f"  batch {applied.batch}; to take it back: curate label undo {folder} --batch {applied.batch}")
    lines += [
        f"  {applied.confirmed} labels confirmed, {applied.set_aside} judged without a mask, "
        f"{applied.already} pulled before, {applied.newer_here} newer here and kept, {applied.taken_back} taken back",
        f"  of {pulled.tasks} tasks {pulled.submitted} are submitted, {pulled.skipped} skipped",
        *_task_lines(pulled),
    ]
    if broken:
        lines.append(
            f"  {len(broken)} annotations are set aside; each with its reason: {folder}/labeling/quarantine.jsonl"
        )
        lines += [f"    {one.code}  {one.file}: {one.reason}\n      what to do: {one.hint}" for one in broken[:SHOWN]]
    return Result(
        summary="\n".join(lines),
        data=_data(pulled),
        exit_code=DONE_WITH_QUARANTINE if broken else 0,
        warnings=(*unread_warnings(pulled.unread_tools), *_unmarked_warnings(pulled)),
    )


def _task_lines(pulled: Pulled) -> list[str]:
    """Return what is told of tasks that bring no label, or more than one."""
    counted = {
        "more tasks are of samples that have one already; of each the newest label counts": pulled.doubled,
        "were told to be submitted, and came without a label: pull again": pulled.unsent,
        "tasks are of samples that this dataset does not hold": pulled.elsewhere,
        "tasks are of known masks, which stay as they are": pulled.golden,
        "tasks are unanswered: submitted without an answer that fits; they change nothing till somebody answers": len(
            pulled.unanswered
        ),
    }
    lines = [f"  {number} {told}" for told, number in counted.items() if number]
    if pulled.disagreeing:
        lines.append("  drawn by several annotators, with their IoU, the lowest first:")
        lines += [f"    {iou:.3f}  {id_}" for id_, iou in pulled.disagreeing[:SHOWN]]
    return lines


def _unmarked_warnings(pulled: Pulled) -> tuple[str, ...]:
    if not pulled.unmarked:
        return ()
    return (
        f"{pulled.unmarked} tasks were pushed by an earlier version from another folder, which did not note in the "
        "task whether its mask is a known one (--golden); if some were, take this pull back with `curate label undo`, "
        "and pull into the folder that was pushed",
    )


def _data(pulled: Pulled) -> dict[str, Any]:
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
        "golden": pulled.golden,
        "unanswered": pulled.unanswered,
        "batch": applied.batch,
        "taken_back": applied.taken_back,
        "written": applied.written,
        "confirmed": applied.confirmed,
        "without_mask": applied.set_aside,
        "already": applied.already,
        "newer_here": applied.newer_here,
        "disagreeing": dict(pulled.disagreeing),
        "quarantined": msgspec.to_builtins(pulled.broken),
    }
