"""`curate merge`: join datasets into one, or select rows of one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from curation.dataset.dataset import read_dataset
from curation.dataset.licenses import LICENSE_COLUMNS, flagged_counts, row_licenses
from curation.operations.merge import MadeOfRows, plan_merge, refuse_own_output
from curation.sources.shared_settings import shards_setting
from pipelines.command_line.license_rules import LICENSES_MEANING, read_license_rules, with_flags
from pipelines.command_line.options import Result, RunOptions, setting
from pipelines.sources.make_dataset import make_dataset


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeFlags:
    """What to join, and which rows to keep."""

    datasets: tuple[Path, ...] = setting("The datasets to join.", positional=True, metavar="D...")
    out: Path = setting("Dataset to make.", metavar="D")
    where: str | None = setting(
        "Keep only rows for which this pandas query holds, e.g. 'person_area > 0.2'.", default=None, metavar="QUERY"
    )
    licenses: Path | None = setting(LICENSES_MEANING, default=None, metavar="FILE")
    prefix: bool = setting("Put the name of its dataset before each id; needed where ids collide.", default=False)
    drop_splits: bool = setting("Forget the splits, where those of the datasets do not fit together.", default=False)
    shards: bool = shards_setting()


def merge(settings: MergeFlags, *, run: RunOptions) -> Result:
    """Join datasets into one. Files are linked, not copied, and columns that commands added are kept.

    With one dataset and --where it is a selection. Samples under a licence that forbids commercial use, or derived
    pictures, are counted in a warning.

    \b
    Example:  curate merge coco --where 'person_area > 0.2 and persons == 1' --out single
    """
    datasets = [read_dataset(folder) for folder in settings.datasets]
    refuse_own_output(datasets, out=settings.out)
    plan = plan_merge(
        datasets,
        prefix=settings.prefix,
        query=settings.where,
        drop_splits=settings.drop_splits,
        licenses=read_license_rules(settings.licenses),
        limit=run.limit,
    )
    assert isinstance(plan.items, MadeOfRows), "a merge is planned row by row"
    rows = plan.items.rows
    licenses = (one for table in rows.batches(LICENSE_COLUMNS) for one in row_licenses(table))
    made = make_dataset(plan, out=settings.out, run=run, shards=settings.shards)
    result = with_flags(made, counts=flagged_counts(licenses), samples=len(rows))
    tables = rows.batches(["split"]) if run.dry_run else read_dataset(settings.out).batches(["split"])
    number = without = 0
    for table in tables:
        number += len(table)
        without += table.num_rows if run.dry_run and settings.drop_splits else table["split"].null_count
    if not 0 < without < number:
        return result
    cure = f"curate split {settings.out} gives them one, the others keep theirs"
    told = f"  no split     {without:>8}   of {number}; {cure}"
    return replace(result, summary=f"{result.summary}\n{told}", data=result.data | {"without_split": without})
