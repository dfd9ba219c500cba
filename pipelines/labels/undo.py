"""`curate label undo`: a pull is taken back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.command_line.options import Result, RunOptions, setting
from pipelines.labels.server import SERVER_FOLDER

if TYPE_CHECKING:
    from labeling.label_tools.label_studio.pull.batches import Batch


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoFlags:
    """Which dataset, and which of its pulls."""

    dataset: Path = setting("The dataset that took the labels.", positional=True, metavar="D")
    batch: int | None = setting(
        "The number of the pull, as `label pull` printed it; 0 is all that was pulled before pulls had numbers.  "
        "[default: list the pulls]",
        default=None,
        metavar="N",
    )
    folder: Path | None = setting(
        f"{SERVER_FOLDER}  No server is asked: a pull is taken back here.", default=None, metavar="DIR"
    )


def undo(settings: UndoFlags, *, run: RunOptions) -> Result:
    """Undo a pull: the labels before it count again. Without --batch: list the pulls of a dataset.

    No file is deleted: the labels that were pulled stay beside the others, as masks/<id>.v1.png. Rows that were changed
    since keep what they have. What was undone comes in again only when an annotator submits it again. Done twice, it
    changes nothing the second time.

    \b
    Example:  curate label undo hard-cases --batch 3
    """
    from curation.dataset.dataset import read_dataset
    from labeling.label_tools.label_studio.pull.undo import batches_of, take_back

    if settings.batch is None:
        found = batches_of(read_dataset(settings.dataset))
        lines = [
            f"{settings.dataset}: pulls that can be taken back: {len(found)}",
            *(f"  {_line(one, number)}" for one, number in found),
        ]
        batches: list[dict[str, Any]] = [
            {"batch": one.number, "pulled_at": one.pulled_at, "rows": len(one.changes), "in_force": number}
            | {"taken_back": one.is_taken_back}
            for one, number in found
        ]
        return Result.of(lines, {"command": "label undo", "batches": batches})
    done = take_back(settings.dataset, number=settings.batch, is_trial=run.dry_run)
    told = " (dry run, nothing is written)" if run.dry_run else ""
    lines = [f"{settings.dataset}: the labels before batch {settings.batch} count again for {done.restored} rows{told}"]
    if done.restored:
        lines.append("  what annotators submitted counts again when they submit it again; the files of its labels stay")
    if done.changed_since:
        lines.append(f"  {done.changed_since} rows were changed by later pulls, and keep what they have")
    data = {"command": "label undo", "batch": settings.batch, "dry_run": run.dry_run}
    return Result.of(lines, data | {"restored": done.restored, "changed_since": done.changed_since})


def _line(batch: Batch, in_force: int) -> str:
    when = batch.pulled_at or "before pulls had numbers"
    said = ", taken back" if batch.is_taken_back else ""
    return f"batch {batch.number:>3}   {when:<25}   {len(batch.changes)} rows, {in_force} of them as it left them{said}"
