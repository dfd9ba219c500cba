"""`curate browse pull`: the tags that a person set in FiftyOne, written into the dataset."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curation.dataset.dataset import read_dataset
from curation.errors import InputRefused
from pipelines.command_line.options import Result, RunOptions, setting
from pipelines.labels.browse_database import browsing_database

if TYPE_CHECKING:
    from labeling.browsing.reviews import Reviewed

NAMES_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class PullFlags:
    """Which datasets were browsed."""

    datasets: tuple[Path, ...] = setting("The datasets that were browsed.", positional=True, metavar="D...")


def browse_pull(settings: PullFlags, *, run: RunOptions) -> Result:
    """Read the tags `relabel` and `drop` back from FiftyOne into the column `review` of each dataset.

    The App may stay open. Where a tag was removed, the review is removed. Where a sample has both tags, drop
    counts.

    \b
    Examples:
      curate browse pull hard
      curate merge hard --where "review != 'drop'" --out kept
    """
    for folder in settings.datasets:
        read_dataset(folder)
    with browsing_database(run=run):
        from labeling.browsing.app import read_tags
        from labeling.browsing.reviews import write_reviews

        tags = {folder: read_tags(folder) for folder in settings.datasets}
        for folder, found in tags.items():
            if not found:
                raise InputRefused(
                    "FiftyOne does not know this dataset", where=folder, remedy=f"run `curate browse {folder}` first"
                )
        done = {folder: write_reviews(folder, tags=tags[folder], is_trial=run.dry_run) for folder in settings.datasets}
    data: dict[str, Any] = {
        "command": "browse pull",
        "dry_run": run.dry_run,
        "datasets": [
            {"dataset": str(folder), "changed": one.changed, "unseen": one.unseen} | dict(one.counts)
            for folder, one in done.items()
        ],
    }
    both = [f"{folder}: {_named(one)} have both tags; drop counts" for folder, one in done.items() if one.both]
    lines = [line for folder, one in done.items() for line in _lines(folder, reviewed=one, run=run)]
    return Result.of(lines, data, warnings=both)


def _named(reviewed: Reviewed) -> str:
    more = "" if len(reviewed.both) <= NAMES_SHOWN else f" and {len(reviewed.both) - NAMES_SHOWN} more"
    return ", ".join(reviewed.both[:NAMES_SHOWN]) + more


def _lines(folder: Path, *, reviewed: Reviewed, run: RunOptions) -> list[str]:
    counts = ", ".join(f"{number} to {review}" for review, number in reviewed.counts.items())
    dry = " (dry run, nothing is written)" if run.dry_run else ""
    lines = [f"{folder}: {counts}; {reviewed.changed} changed{dry}"]
    if reviewed.unseen:
        lines.append(f"  {reviewed.unseen} samples are not in FiftyOne; run `curate browse` again to see them")
    return lines
