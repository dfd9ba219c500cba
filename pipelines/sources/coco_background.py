"""`curate coco-background`: person-free images for fusion."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from curation.sources.coco import BackgroundSelection, plan_backgrounds
from pipelines.command_line.options import Result, RunOptions, setting
from pipelines.sources.make_dataset import make_dataset


@dataclass(frozen=True, slots=True, kw_only=True)
class CocoBackgroundFlags(BackgroundSelection):
    """The flags of `curate coco-background`."""

    out: Path = setting("Dataset to make.", metavar="D")


def coco_background(settings: CocoBackgroundFlags, *, run: RunOptions) -> Result:
    """Keep the COCO images that show things of the given kinds and no person at all, crowds included.

    COCO leaves some far people untagged, so look at the result before you trust it.

    \b
    Example:  curate coco-background --annotations annotations/instances_train2017.json \\
                --images train2017 --out data/backgrounds
    """
    selection = replace(settings, limit=run.limit)
    return make_dataset(plan_backgrounds(selection, is_preview=run.dry_run), out=settings.out, run=run)
