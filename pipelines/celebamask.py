"""`curate celebamask`: CelebAMask-HQ part masks become person masks and class maps."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from curation.celebamask import CelebamaskSettings, plan_celebamask
from curation.followed import FOLLOW_LINKS_MEANING
from curation.known_bad import KnownBad
from curation.originals import Verify
from pipelines.making import make_dataset
from pipelines.options import Result, RunOptions, setting


@dataclass(frozen=True, slots=True, kw_only=True)
class CelebamaskFlags:
    """The flags of `curate celebamask`."""

    root: Path = setting("Folder that holds CelebA-HQ-img and CelebAMask-HQ-mask-anno.", metavar="DIR")
    out: Path = setting("Dataset to make.", metavar="D")
    white: bool = setting("Make pictures of the person on white, too: white/<id>.png.", default=False)
    known_bad: KnownBad = setting(
        "Records known to be bad: skip sets misaligned images aside and gives no class map where parts are missing; "
        "keep takes them as they are.",
        default="skip",
    )
    verify: Verify = setting(
        "How images are checked: full (every pixel is decoded), or structure (quicker, misses damaged pixels).",
        default="full",
    )
    follow_links: tuple[Path, ...] = setting(FOLLOW_LINKS_MEANING, default=(), metavar="DIR")


def celebamask(settings: CelebamaskFlags, *, run: RunOptions) -> Result:
    """Merge the part masks of CelebAMask-HQ to person masks and 19-class maps.

    All labels have the size of the image (each annotated pixel becomes 2 x 2). masks/<id>.png is the union of all
    parts; classes/<id>.png holds 0 for background and 1..18 for the parts, in the data set's paint order; the card
    names them. Known duplicates share a group. Broken and incomplete records are set aside, each with its reason, in
    D/quarantine.jsonl.

    \b
    Example:  curate celebamask --root CelebAMask-HQ --out data/celebamask
    """
    plan = plan_celebamask(
        CelebamaskSettings(
            root=settings.root,
            white=settings.white,
            known_bad=settings.known_bad,
            verify=settings.verify,
            limit=run.limit,
            follow_links=settings.follow_links,
        )
    )
    return make_dataset(plan, out=settings.out, run=run)
