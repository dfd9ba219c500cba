"""`curate label status`: how far the labeling is."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.command_line.options import Result, RunOptions, setting
from pipelines.labels.server import PATIENCE, PROJECT, SERVER_FOLDER, connected, project_title

if TYPE_CHECKING:
    from labeling.label_tools.label_studio.pull.status import Status


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusFlags:
    """Which dataset, and which project."""

    dataset: Path = setting("The dataset that was pushed.", positional=True, metavar="D")
    project: str | None = setting(PROJECT, default=None, metavar="NAME")
    folder: Path | None = setting(SERVER_FOLDER, default=None, metavar="DIR")
    patience: float = setting(PATIENCE, default=60.0, metavar="S")


def status(settings: StatusFlags, *, run: RunOptions) -> Result:
    """Tell how many tasks wait, are in progress, submitted, skipped and pulled, how well annotators agree, and minutes.

    With known masks mixed in (`curate label push --golden`) each annotator has a score: the mean IoU with them.

    \b
    Example:  curate label status hard-cases
    """
    from curation.dataset.dataset import read_dataset
    from labeling.label_tools.label_studio.pull.status import status_of

    dataset = read_dataset(settings.dataset)
    title = project_title(dataset, project=settings.project)
    with connected(settings.folder, patience_s=settings.patience) as client:
        found = status_of(dataset, client=client, title=title)
    return Result.of(_lines(found), {"command": "label status"} | asdict(found))


def _lines(found: Status) -> list[str]:
    lines = [
        f"{found.project}: {found.tasks} tasks",
        f"  waiting      {found.waiting:>6}",
        f"  in progress  {found.in_progress:>6}   a draft that is not submitted",
        f"  submitted    {found.submitted:>6}   {found.pulled} of them pulled",
        f"  skipped      {found.skipped:>6}",
    ]
    if found.doubled:
        lines.append(
            f"  doubled      {found.doubled:>6}   more tasks of samples that have one; each sample counts once"
        )
    if found.lost:
        lines.append(f"  lost         {found.lost:>6}   sent from here, no longer there; push again to send them")
    if found.verdicts:
        lines.append("  verdicts     " + ", ".join(f"{name} {number}" for name, number in found.verdicts.items()))
    if found.minutes_median is not None:
        total = f"{found.minutes_total:.1f} in all"
        lines.append(f"  minutes      {found.minutes_median:.1f} per label in the median, {total}")
    if found.agreement is not None:
        lines.append(f"  agreement    IoU {found.agreement:.3f} over {found.agreement_samples} samples drawn twice")
    if found.golden:
        lines.append(f"  golden       {found.golden} known masks mixed in")
    lines += [f"    annotator {one.annotator}: IoU {one.iou:.3f} over {one.masks}" for one in found.golden_scores]
    return lines
