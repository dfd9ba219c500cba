"""`curate coco-background`: person-free images for fusion."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from curation.coco import CATEGORY_MEANING, BackgroundSelection, plan_backgrounds
from curation.followed import FOLLOW_LINKS_MEANING
from pipelines.making import make_dataset
from pipelines.options import Result, RunOptions, setting


@dataclass(frozen=True, slots=True, kw_only=True)
class CocoBackgroundFlags:
    """The flags of `curate coco-background`."""

    annotations: tuple[Path, ...] = setting("Instances JSON file, 2014 or 2017; repeat for several.", metavar="JSON")
    images: tuple[Path, ...] = setting("Folder with its images; one for each --annotations, in turn.", metavar="DIR")
    out: Path = setting("Dataset to make.", metavar="D")
    supercategories: str = setting(
        "At least one annotation of these COCO supercategories, separated by commas; any stands for all.",
        default="indoor,outdoor",
    )
    category: tuple[str, ...] = setting(CATEGORY_MEANING, default=(), metavar="NAME|ID")
    verify: Literal["full", "structure"] = setting(
        "How images are checked: full (every pixel is decoded), or structure (quicker, misses damaged pixels).",
        default="full",
    )
    follow_links: tuple[Path, ...] = setting(FOLLOW_LINKS_MEANING, default=(), metavar="DIR")


def coco_background(settings: CocoBackgroundFlags, *, run: RunOptions) -> Result:
    """Keep the COCO images that show things of the given kinds and no person at all, crowds included.

    COCO leaves some far people untagged, so look at the result before you trust it.

    \b
    Example:  curate coco-background --annotations annotations/instances_train2017.json \\
                --images train2017 --out data/backgrounds
    """
    selection = BackgroundSelection(
        annotations=settings.annotations,
        images=settings.images,
        supercategories=tuple(name.strip() for name in settings.supercategories.split(",")),
        verify=settings.verify,
        limit=run.limit,
        category=settings.category,
        follow_links=settings.follow_links,
    )
    return make_dataset(plan_backgrounds(selection, is_preview=run.dry_run), out=settings.out, run=run)
