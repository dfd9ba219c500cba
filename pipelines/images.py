"""`curate images`: a plain folder of photographs without labels becomes a dataset."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from curation.followed import FOLLOW_LINKS_MEANING
from curation.grouping import GROUP_BY_MEANING
from curation.originals import Verify
from curation.unlabelled import ImagesSettings, plan_images
from pipelines.making import make_dataset
from pipelines.options import Result, RunOptions, setting


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagesFlags:
    """The flags of `curate images`."""

    root: Path = setting("Folder of photographs; sub-folders are read too.", metavar="DIR")
    out: Path = setting("Dataset to make.", metavar="D")
    as_: Literal["pool", "background"] = setting(
        "What is known of them: nothing (pool), or that they show nobody (background).", default="pool"
    )
    source: str | None = setting("Name of the source.  [default: the folder's name, made unique]", default=None)
    split: Literal["train", "val", "test"] | None = setting("Split of every sample.", default=None)
    license: str | None = setting("Licence of every sample.", default=None)
    group_by: str | None = setting(GROUP_BY_MEANING, default=None, metavar="folder|REGEX")
    verify: Verify = setting(
        "How images are checked: full (every pixel is decoded), or structure (quicker, misses damaged pixels).",
        default="full",
    )
    follow_links: tuple[Path, ...] = setting(FOLLOW_LINKS_MEANING, default=(), metavar="DIR")


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
    plan = plan_images(
        ImagesSettings(
            root=settings.root,
            use=settings.as_,
            source=settings.source,
            split=settings.split,
            license=settings.license,
            group_by=settings.group_by,
            verify=settings.verify,
            limit=run.limit,
            follow_links=settings.follow_links,
        )
    )
    return make_dataset(plan, out=settings.out, run=run)
