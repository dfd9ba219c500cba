"""`curate split`: give every sample of a dataset a split, in place."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curation.dataset import read_dataset
from curation.splitting import SplitShares, assign_splits, split_counts, split_dataset
from pipelines.options import Result, RunOptions, setting


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitFlags:
    """What to split, and how much goes where."""

    dataset: Path = setting("The dataset to split.", positional=True, metavar="D")
    val: float = setting("Share of the samples for validation.", default=0.1)
    test: float = setting("Share of the samples for the test set.", default=0.1)


def split(settings: SplitFlags, *, run: RunOptions) -> Result:
    """Split a dataset by group into train, val and test; a group, or an image that is there twice, is never divided.

    Samples that have a split keep it, so that a test set stays frozen; --overwrite splits all anew. The same --seed
    gives the same split.

    \b
    Example:  curate split data/training --val 0.1 --test 0.1
    """
    shares = SplitShares(val=settings.val, test=settings.test)
    table = read_dataset(settings.dataset).table
    kept = 0 if run.overwrite else table.num_rows - table["split"].null_count
    if run.dry_run:
        table = assign_splits(table, shares=shares, seed=run.seed, keep=not run.overwrite)
    else:
        split_dataset(settings.dataset, shares=shares, seed=run.seed, keep=not run.overwrite)
        table = read_dataset(settings.dataset).table
    data = {
        "command": "split",
        "dataset": str(settings.dataset),
        "dry_run": run.dry_run,
        "seed": run.seed,
        "val": settings.val,
        "test": settings.test,
        "kept": kept,
        "counts": split_counts(table),
    }
    warnings = () if len(table) else (f"{settings.dataset} holds no sample, so there is nothing to split",)
    return Result(summary="\n".join(_lines(settings, data=data)), data=data, warnings=warnings)


def _lines(settings: SplitFlags, *, data: dict[str, Any]) -> list[str]:
    counts: dict[str, int] = data["counts"]
    total, kept = sum(counts.values()), data["kept"]
    dry = " (dry run, nothing is written)" if data["dry_run"] else ""
    lines = [f"{settings.dataset}: {total - kept} samples split with seed {data['seed']}{dry}"]
    lines += [f"  {name:<6} {number:>8}   {number / max(1, total):.1%}" for name, number in counts.items()]
    if kept:
        lines.append(f"  {kept} of them had a split already and keep it; --overwrite splits all anew")
    empty = [name for name in ("val", "test") if getattr(settings, name) > 0 and not counts[name]]
    if empty and kept < total:
        lines.append(f"  nothing for {' and '.join(empty)}: too few groups; add data, or raise the share")
    return lines
