"""`curate portrait2000`: the "Automatic Portrait Matting" pairs become a dataset of alphas, masks and trimaps."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from curation.followed import FOLLOW_LINKS_MEANING
from curation.label_frame import LABEL_FRAME_MEANING, LabelFrame
from curation.originals import Verify
from curation.portrait2000 import THRESHOLD, TRIMAP_KERNEL, Portrait2000Settings, plan_portrait2000
from pipelines.making import make_dataset
from pipelines.options import Result, RunOptions, setting


@dataclass(frozen=True, slots=True, kw_only=True)
class Portrait2000Flags:
    """The flags of `curate portrait2000`."""

    root: Path = setting("Folder that holds <n>.png and <n>_matte.png, or train and test folders.", metavar="DIR")
    out: Path = setting("Dataset to make.", metavar="D")
    threshold: int = setting("A pixel is of the person where its matte (0..255) is larger.", default=THRESHOLD)
    trimap_kernel: str = setting(
        "Side of the trimap's ellipse in pixels; auto scales it with the person, none makes no trimaps.",
        default=TRIMAP_KERNEL,
        metavar="N|auto|none",
    )
    label_frame: LabelFrame | None = setting(LABEL_FRAME_MEANING, default=None)
    verify: Verify = setting(
        "How portraits are checked: full (every pixel is decoded), or structure (quicker, misses damaged pixels).",
        default="full",
    )
    follow_links: tuple[Path, ...] = setting(FOLLOW_LINKS_MEANING, default=(), metavar="DIR")


def portrait2000(settings: Portrait2000Flags, *, run: RunOptions) -> Result:
    """Make alphas, masks and trimaps from the 1,700 + 300 pairs of "Automatic Portrait Matting".

    <n>.png is paired with <n>_matte.png. Pairs in folders named train (training) and test (testing) get that split,
    and ids such as train-00001. Files without a partner, broken files and pairs of different sizes are set aside,
    each with its reason, in D/quarantine.jsonl.

    \b
    Example:  curate portrait2000 --root portrait2000 --out data/portrait2000
    """
    plan = plan_portrait2000(
        Portrait2000Settings(
            root=settings.root,
            threshold=settings.threshold,
            trimap_kernel=settings.trimap_kernel,
            label_frame=settings.label_frame,
            verify=settings.verify,
            limit=run.limit,
            follow_links=settings.follow_links,
        )
    )
    return make_dataset(plan, out=settings.out, run=run)
