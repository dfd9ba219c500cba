"""`curate pairs`: any folder of images and masks, or alphas, becomes a dataset."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from curation.followed import FOLLOW_LINKS_MEANING
from curation.grouping import GROUP_BY_MEANING
from curation.label_frame import LABEL_FRAME_MEANING, LabelFrame
from curation.originals import Verify
from curation.pairs import PairsSettings, Split, plan_pairs
from pipelines.making import make_dataset
from pipelines.options import Result, RunOptions, setting


@dataclass(frozen=True, slots=True, kw_only=True)
class PairsFlags:
    """The flags of `curate pairs`."""

    images: Path = setting("Folder of images; sub-folders are read too.", metavar="DIR")
    out: Path = setting("Dataset to make.", metavar="D")
    masks: Path | None = setting("Folder of binary masks, 255 (or 1) = person.", default=None, metavar="DIR")
    alphas: Path | None = setting("Folder of alphas: RGBA cut-outs or gray mattes.", default=None, metavar="DIR")
    source: str | None = setting(
        "Name of the source.  [default: the images folder's name, made unique]",
        default=None,
    )
    split: Split | None = setting("Split of every sample.", default=None)
    license: str | None = setting("Licence of every sample.", default=None)
    threshold: int | None = setting(
        "A pixel is of the person where its alpha (0..255) is larger.  [default: 50] Where it is given, mattes of "
        "JPEG files are taken, and --masks that are not of two values are cut.",
        default=None,
    )
    person_value: str | None = setting(
        "With --masks: the value of the person in masks of other values than 0 and 255; 255 beside it (102, 127, 128 "
        "beside 255) is not labelled, all else is background.",
        default=None,
        metavar="V|A-B",
    )
    label_suffix: str = setting(
        "What names of labels have behind that of their image: _mask.", default="", metavar="TEXT"
    )
    label_prefix: str = setting(
        "What names of labels have before that of their image: mask_.", default="", metavar="TEXT"
    )
    group_by: str | None = setting(GROUP_BY_MEANING, default=None, metavar="folder|REGEX")
    follow_links: tuple[Path, ...] = setting(FOLLOW_LINKS_MEANING, default=(), metavar="DIR")
    trimap_kernel: str = setting(
        "Side of the trimap's ellipse in pixels; auto scales it with the person, none makes no trimaps.",
        default="none",
        metavar="N|auto|none",
    )
    fit: bool = setting("Scale a label that has another size than its image but the same shape.", default=False)
    label_frame: LabelFrame | None = setting(LABEL_FRAME_MEANING, default=None)
    verify: Verify = setting(
        "How images are checked: full (every pixel is decoded), or structure (quicker, misses damaged pixels).",
        default="full",
    )


def pairs(settings: PairsFlags, *, run: RunOptions) -> Result:
    """Make a dataset from a folder of images and a folder of masks, or of alphas.

    An image and its label have the same path below their folders, but for the suffix (a/0001.jpg and a/0001.png, or
    a/0001.jpg.png) and for --label-suffix and --label-prefix. A mask of 0 alone says that the image shows nobody.
    Images are linked, not encoded again. Files without a partner, broken files, masks with other values than two and
    pairs of different sizes (but see --fit) are set aside, each with its reason, in D/quarantine.jsonl.

    \b
    Example:  curate pairs --images photos --masks masks --out data/own
    """
    plan = plan_pairs(
        PairsSettings(
            images=settings.images,
            masks=settings.masks,
            alphas=settings.alphas,
            source=settings.source,
            split=settings.split,
            license=settings.license,
            threshold=settings.threshold,
            person_value=settings.person_value,
            label_suffix=settings.label_suffix,
            label_prefix=settings.label_prefix,
            group_by=settings.group_by,
            follow_links=settings.follow_links,
            trimap_kernel=settings.trimap_kernel,
            fit=settings.fit,
            label_frame=settings.label_frame,
            verify=settings.verify,
            limit=run.limit,
        )
    )
    return make_dataset(plan, out=settings.out, run=run)
