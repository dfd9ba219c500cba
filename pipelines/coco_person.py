"""`curate coco-person`: images with large persons, with merged person masks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from curation.coco import CATEGORY_MEANING, PersonSelection, plan_persons
from curation.followed import FOLLOW_LINKS_MEANING
from pipelines.making import make_dataset
from pipelines.options import Result, RunOptions, setting


@dataclass(frozen=True, slots=True, kw_only=True)
class CocoPersonFlags:
    """The flags of `curate coco-person`."""

    annotations: tuple[Path, ...] = setting("Instances JSON file, 2014 or 2017; repeat for several.", metavar="JSON")
    images: tuple[Path, ...] = setting("Folder with its images; one for each --annotations, in turn.", metavar="DIR")
    out: Path = setting("Dataset to make.", metavar="D")
    min_area: float = setting("Least share of the frame that persons must cover together, 0..1.", default=0.05)
    max_persons: int | None = setting("Most persons in an image.", default=None, metavar="N")
    category: tuple[str, ...] = setting(CATEGORY_MEANING, default=(), metavar="NAME|ID")
    crowd: Literal["filter", "ignore", "persons"] = setting(
        "Images with a person crowd region: leave them out, mark those pixels 128 in ignores/<id>.png, or take each "
        "crowd for a person, since CVAT writes persons so.",
        default="filter",
    )
    keypoints: tuple[Path, ...] = setting(
        "person_keypoints JSON file, for --portrait; one for each --annotations, in turn.", default=(), metavar="JSON"
    )
    portrait: bool = setting("Keep only half-body portraits: face visible, upper body large.", default=False)
    verify: Literal["full", "structure"] = setting(
        "How images are checked: full (every pixel is decoded), or structure (quicker, misses damaged pixels).",
        default="full",
    )
    follow_links: tuple[Path, ...] = setting(FOLLOW_LINKS_MEANING, default=(), metavar="DIR")


def coco_person(settings: CocoPersonFlags, *, run: RunOptions) -> Result:
    """Keep the COCO images in which persons are large, with all person masks of an image merged into one.

    An image is kept when the union of its non-crowd person masks covers at least --min-area of the frame.
    Images are linked, not copied. Broken annotations and files are set aside in quarantine.jsonl.

    \b
    Example:  curate coco-person --annotations annotations/instances_train2017.json \\
                --images train2017 --out data/persons
    """
    selection = PersonSelection(
        annotations=settings.annotations,
        images=settings.images,
        min_area=settings.min_area,
        max_persons=settings.max_persons,
        crowd=settings.crowd,
        keypoints=settings.keypoints,
        portrait=settings.portrait,
        verify=settings.verify,
        limit=run.limit,
        category=settings.category,
        follow_links=settings.follow_links,
    )
    plan = plan_persons(selection, is_preview=run.dry_run, workers=run.workers)
    return make_dataset(plan, out=settings.out, run=run)
