"""`curate split`: give every sample of a dataset a split, in place."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curation.dataset.dataset import read_dataset
from curation.operations.leak_groups import batches_of
from curation.operations.split import SplitShares, draw_splits, split_in_place
from pipelines.command_line.options import Result, RunOptions, setting


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitFlags(SplitShares):
    """What to split, and how much goes where."""

    dataset: Path = setting("The dataset to split.", positional=True, metavar="D")
    from_train: bool = setting("Take what val lacks from the samples of train; those of test stay.", default=False)


def split(settings: SplitFlags, *, run: RunOptions) -> Result:
    """Split a dataset by group into train, val and test; a group, or an image that occurs twice, is never divided.

    Samples that have a split keep it, so that a test set stays frozen; --overwrite splits all again. --from-train
    makes a validation split beside a test set that is there. The same --seed gives the same split.

    \b
    Examples:
      curate split data/training --val 0.1 --test 0.1
      curate split data/training --val 0.1 --from-train
    """
    asked: dict[str, Any] = {"shares": settings, "seed": run.seed, "keep": not run.overwrite}
    asked["from_train"] = settings.from_train
    if run.dry_run:
        found = draw_splits(batches_of(read_dataset(settings.dataset)), **asked)
    else:
        _, found = split_in_place(settings.dataset, **asked)
    data = {
        "command": "split",
        "dataset": str(settings.dataset),
        "dry_run": run.dry_run,
        "seed": run.seed,
        "val": settings.val,
        "test": settings.test,
        "kept": 0 if run.overwrite else found.kept,
        "counts": found.counts,
    }
    warnings = () if len(found.now) else (f"{settings.dataset} holds no sample, so there is nothing to split",)
    return Result.of(_lines(settings, data=data), data, warnings=warnings)


def _lines(settings: SplitFlags, *, data: dict[str, Any]) -> list[str]:
    counts: dict[str, int] = data["counts"]
    total, kept = sum(counts.values()), data["kept"]
    dry = " (dry run, nothing is written)" if data["dry_run"] else ""
    lines = [f"{settings.dataset}: {total - kept} samples split with seed {data['seed']}{dry}"]
    lines += [f"  {name:<6} {number:>8}   {number / max(1, total):.1%}" for name, number in counts.items()]
    if kept:
        lines.append(f"  {kept} of them had a split already and keep it; --overwrite splits all again")
    empty = [name for name in ("val", "test") if getattr(settings, name) > 0 and not counts[name]]
    if empty and kept < total:
        lines.append(f"  nothing for {' and '.join(empty)}: too few groups; add data, or raise the share")
    elif "val" in empty and counts["train"]:
        lines.append("  nothing for val: --from-train takes it from the samples that are train")
    return lines
