"""`curate portrait2000`: the "Automatic Portrait Matting" pairs become a dataset of alphas, masks and trimaps."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from curation.sources.portrait2000 import Portrait2000Settings, plan_portrait2000
from curation.sources.shared_settings import shards_setting
from pipelines.command_line.options import Result, RunOptions, setting
from pipelines.sources.make_dataset import make_dataset


@dataclass(frozen=True, slots=True, kw_only=True)
class Portrait2000Flags(Portrait2000Settings):
    """The flags of `curate portrait2000`."""

    out: Path = setting("Dataset to make.", metavar="D")
    shards: bool = shards_setting()


def portrait2000(settings: Portrait2000Flags, *, run: RunOptions) -> Result:
    """Make alphas, masks and trimaps from the 1,700 + 300 pairs of "Automatic Portrait Matting".

    <n>.png is paired with <n>_matte.png. Pairs in folders named train (training) and test (testing) get that split,
    and ids such as train-00001. Files without a partner, broken files and pairs of different sizes are set aside,
    each with its reason, in D/quarantine.jsonl.

    \b
    Example:  curate portrait2000 --root portrait2000 --out data/portrait2000
    """
    plan = plan_portrait2000(replace(settings, limit=run.limit))
    return make_dataset(plan, out=settings.out, run=run, shards=settings.shards)
