"""`curate images`: a plain folder of photographs without labels becomes a dataset."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from curation.sources.image_folder import ImagesSettings, plan_images
from pipelines.command_line.options import Result, RunOptions, setting
from pipelines.sources.make_dataset import make_dataset


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagesFlags(ImagesSettings):
    """The flags of `curate images`."""

    out: Path = setting("Dataset to make.", metavar="D")


def images(settings: ImagesFlags, *, run: RunOptions) -> Result:
    """Make a dataset of photographs that have no labels.

    As a pool they have no mask, and `curate mine` finds those of which a model is least sure. As backgrounds they are
    said to show nobody: `curate fuse` lays persons on them, and `curate check-backgrounds` finds those in which a model
    sees somebody all the same. Images are linked, not encoded again; broken files are set aside in quarantine.jsonl.

    \b
    Examples:
      curate images --root photos --out data/pool
      curate images --root rooms --as background --out data/rooms
    """
    plan = plan_images(replace(settings, limit=run.limit))
    return make_dataset(plan, out=settings.out, run=run)
