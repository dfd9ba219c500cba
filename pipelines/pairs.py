"""`curate pairs`: any folder of images and masks, or alphas, becomes a dataset."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

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
    threshold: int = setting("With --alphas: a pixel is of the person where its alpha (0..255) is larger.", default=50)
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

    An image and its label have the same path below their folders, but for the suffix: a/0001.jpg and a/0001.png.
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
            trimap_kernel=settings.trimap_kernel,
            fit=settings.fit,
            label_frame=settings.label_frame,
            verify=settings.verify,
            limit=run.limit,
        )
    )
    return make_dataset(plan, out=settings.out, run=run)
