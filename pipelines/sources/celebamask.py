"""`curate celebamask`: CelebAMask-HQ part masks become person masks and class maps."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from curation.sources.celebamask import CelebamaskSettings, plan_celebamask
from curation.sources.shared_settings import shards_setting
from pipelines.command_line.options import Result, RunOptions, setting
from pipelines.sources.make_dataset import make_dataset


@dataclass(frozen=True, slots=True, kw_only=True)
class CelebamaskFlags(CelebamaskSettings):
    """The flags of `curate celebamask`."""

    out: Path = setting("Dataset to make.", metavar="D")
    shards: bool = shards_setting()


def celebamask(settings: CelebamaskFlags, *, run: RunOptions) -> Result:
    """Merge the part masks of CelebAMask-HQ to person masks and 19-class maps.

    All labels have the size of the image (each annotated pixel becomes 2 x 2). masks/<id>.png is the union of all
    parts; classes/<id>.png holds 0 for background and 1..18 for the parts, in the data set's paint order; the card
    names them. Known duplicates share a group. Broken and incomplete records are set aside, each with its reason, in
    D/quarantine.jsonl.

    \b
    Example:  curate celebamask --root CelebAMask-HQ --out data/celebamask
    """
    plan = plan_celebamask(replace(settings, limit=run.limit))
    return make_dataset(plan, out=settings.out, run=run, shards=settings.shards)
