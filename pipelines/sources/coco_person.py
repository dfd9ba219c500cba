"""`curate coco-person`: images with large persons, with merged person masks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from curation.sources.coco import PersonSelection, plan_persons
from curation.sources.shared_settings import shards_setting
from pipelines.command_line.options import Result, RunOptions, setting
from pipelines.sources.kept import persons_with_kept_rows
from pipelines.sources.make_dataset import make_dataset


@dataclass(frozen=True, slots=True, kw_only=True)
class CocoPersonFlags(PersonSelection):
    """The flags of `curate coco-person`."""

    out: Path = setting("Dataset to make.", metavar="D")
    shards: bool = shards_setting()


def coco_person(settings: CocoPersonFlags, *, run: RunOptions) -> Result:
    """Keep the COCO images in which persons are large, with all person masks of an image merged into one.

    An image is kept when the union of its non-crowd person masks covers at least --min-area of the frame.
    Images are linked, not copied. Broken annotations and files are set aside in quarantine.jsonl. What `curate convert`
    wrote as coco comes back with the columns that it kept in curate.parquet. The column `touched` holds which share of
    the outline of the persons touches annotations of other things.

    \b
    Example:  curate coco-person --annotations annotations/instances_train2017.json \\
                --images train2017 --out data/persons
    """
    selection = replace(settings, limit=run.limit)
    plan = plan_persons(selection, is_preview=run.dry_run, workers=run.workers)
    if not run.dry_run:
        plan = persons_with_kept_rows(plan, images=settings.images)
    return make_dataset(plan, out=settings.out, run=run, shards=settings.shards)
