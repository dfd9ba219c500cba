"""`curate pairs`: any folder of images and masks, or alphas, becomes a dataset."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from curation.sources.image_label_folders import PairsSettings, plan_pairs
from curation.sources.shared_settings import shards_setting
from pipelines.command_line.options import Result, RunOptions, setting
from pipelines.sources.kept import pairs_with_kept_rows
from pipelines.sources.make_dataset import make_dataset


@dataclass(frozen=True, slots=True, kw_only=True)
class PairsFlags(PairsSettings):
    """The flags of `curate pairs`."""

    out: Path = setting("Dataset to make.", metavar="D")
    shards: bool = shards_setting()


def pairs(settings: PairsFlags, *, run: RunOptions) -> Result:
    """Make a dataset from a folder of images and a folder of masks, or of alphas.

    An image and its label have the same path below their folders, but for the suffix (a/0001.jpg and a/0001.png, or
    a/0001.jpg.png) and for --label-suffix and --label-prefix. A mask of zeros says that the image shows nobody.
    Images are linked, not encoded again. Files without a partner, broken files, masks with other values than two and
    pairs of different sizes (but see --fit) are set aside, each with its reason, in D/quarantine.jsonl.
    What `curate convert` wrote as folders or voc comes back with the columns that it kept in curate.parquet.

    \b
    Example:  curate pairs --images photos --masks masks --out data/own
    """
    plan = pairs_with_kept_rows(plan_pairs(replace(settings, limit=run.limit)), settings=settings)
    return make_dataset(plan, out=settings.out, run=run, shards=settings.shards)
