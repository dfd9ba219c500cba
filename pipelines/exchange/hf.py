"""`curate hf`: a parquet data set with image and mask columns becomes a dataset."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curation.dataset.card import KEPT
from curation.dataset.sample import Item, Plan
from curation.quarantine import BadRecord, Code
from curation.sources.parquet_cells import picture_in
from curation.sources.parquet_columns import parquet_files
from curation.sources.parquet_data_set import HfSettings, plan_hf, rules_of
from curation.sources.parquet_rows import image_in, mask_in
from curation.sources.shared_settings import shards_setting
from pipelines.command_line.options import Result, RunOptions, setting
from pipelines.sources.make_dataset import make_dataset

if TYPE_CHECKING:
    from curation.exchange.kept_rows import KeptRows


@dataclass(frozen=True, slots=True, kw_only=True)
class HfFlags(HfSettings):
    """The flags of `curate hf`."""

    out: Path = setting("Dataset to make.", metavar="D")
    shards: bool = shards_setting()


def hf(settings: HfFlags, *, run: RunOptions) -> Result:
    """Make a dataset from parquet files with a column of images and one of masks, as Hugging Face keeps data sets.

    Pictures are columns of bytes, or of bytes and path. Ids are those of a column id, else the names in the images'
    paths; splits are those of a column split, else the names of the files. Images are written byte by byte. Rows
    without a label, broken pictures and masks with other values than two are set aside in D/quarantine.jsonl. What
    `curate convert --to hf` wrote comes back as it was.

    \b
    Example:  curate hf --root portraits-hf --out portraits
    """
    plan = plan_hf(replace(settings, limit=run.limit))
    if (settings.root / KEPT).is_file():
        plan = _restored(plan, settings=settings)
    return make_dataset(plan, out=settings.out, run=run, shards=settings.shards)


def _restored(plan: Plan, *, settings: HfFlags) -> Plan:
    from curation.exchange.restore import Reading, restored

    files, schema = parquet_files(settings.root)
    rules = rules_of(settings, files=files, schema=schema)
    reading = Reading(
        image=partial(image_in, columns=rules.columns), mask=partial(mask_in, rules=rules), label=_label_in_row
    )
    root = Path(os.path.abspath(settings.root))  # noqa: PTH100 - links stay as they are
    given = {name: getattr(settings, name) for name in ("split", "license", "source")}
    return restored(plan, folders=[root], reading=reading, find=_by_id, given=given)


def _by_id(item: Item, kept: KeptRows) -> str | None:
    return item.id if item.id in kept.rows else None


def _label_in_row(item: Item, *, row: Mapping[str, Any], column: str, folder: Path) -> bytes:
    data = picture_in(item.payload.cell, column=column)
    if data is None:
        raise BadRecord(
            Code.MISSING_FILE, f"the row has nothing in its column {column!r}", file=item.file, field=column
        )
    return data
