"""`curate aifenge`: AiFenGe cut-outs become a dataset of alphas, masks and trimaps."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from curation.aifenge import THRESHOLD, TRIMAP_KERNEL, AifengeSettings, plan_aifenge
from curation.followed import FOLLOW_LINKS_MEANING
from curation.label_frame import LABEL_FRAME_MEANING, LabelFrame
from curation.originals import Verify
from pipelines.making import make_dataset
from pipelines.options import Result, RunOptions, setting


@dataclass(frozen=True, slots=True, kw_only=True)
class AifengeFlags:
    """The flags of `curate aifenge`."""

    root: Path = setting("Folder that holds clip_img and matting.", metavar="DIR")
    out: Path = setting("Dataset to make.", metavar="D")
    threshold: int = setting("A pixel is of the person where its alpha (0..255) is larger.", default=THRESHOLD)
    trimap_kernel: str = setting(
        "Side of the trimap's ellipse in pixels; auto scales it with the person, none makes no trimaps.",
        default=TRIMAP_KERNEL,
        metavar="N|auto|none",
    )
    label_frame: LabelFrame | None = setting(LABEL_FRAME_MEANING, default=None)
    verify: Verify = setting(
        "How photographs are checked: full (every pixel is decoded), or structure (quicker, misses damaged pixels).",
        default="full",
    )
    follow_links: tuple[Path, ...] = setting(FOLLOW_LINKS_MEANING, default=(), metavar="DIR")


def aifenge(settings: AifengeFlags, *, run: RunOptions) -> Result:
    """Make alphas, masks and trimaps from AiFenGe (aisegment) cut-outs.

    Photographs and cut-outs are paired by batch, group and name, never by order. The photographs are linked, not
    encoded again; the alpha is kept as it is. Files without a partner, broken files and pairs of different sizes are
    set aside, each with its reason, in D/quarantine.jsonl.

    \b
    Example:  curate aifenge --root AiFenGe --out data/aifenge
    """
    plan = plan_aifenge(
        AifengeSettings(
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
