"""`curate aifenge`: AiFenGe cut-outs become a dataset of alphas, masks and trimaps."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from curation.sources.aifenge import AifengeSettings, plan_aifenge
from curation.sources.shared_settings import shards_setting
from pipelines.command_line.options import Result, RunOptions, setting
from pipelines.sources.make_dataset import make_dataset


@dataclass(frozen=True, slots=True, kw_only=True)
class AifengeFlags(AifengeSettings):
    """The flags of `curate aifenge`."""

    out: Path = setting("Dataset to make.", metavar="D")
    shards: bool = shards_setting()


def aifenge(settings: AifengeFlags, *, run: RunOptions) -> Result:
    """Make alphas, masks and trimaps from AiFenGe (aisegment) cut-outs.

    Photographs and cut-outs are paired by batch, group and name, never by order. The photographs are linked, not
    encoded again; the alpha is kept as it is. Files without a partner, broken files and pairs of different sizes are
    set aside, each with its reason, in D/quarantine.jsonl.

    \b
    Example:  curate aifenge --root AiFenGe --out data/aifenge
    """
    plan = plan_aifenge(replace(settings, limit=run.limit))
    return make_dataset(plan, out=settings.out, run=run, shards=settings.shards)
