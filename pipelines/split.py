"""`curate split`: give every sample of a dataset a split, in place."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curation.dataset import read_dataset
from curation.splitting import SplitShares, assign_splits, noted_card, split_dataset
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
    """
    shares = SplitShares(val=settings.val, test=settings.test)
    if run.dry_run:
        dataset = read_dataset(settings.dataset)
        table = assign_splits(dataset.table, shares=shares, seed=run.seed, keep=not run.overwrite)
        card = noted_card(dataset, table=table, shares=shares, seed=run.seed)
    else:
        card = split_dataset(settings.dataset, shares=shares, seed=run.seed, keep=not run.overwrite)
    note: dict[str, Any] = card.notes["split"]
    data = {"command": "split", "dataset": str(settings.dataset), "dry_run": run.dry_run, **note}
    return Result(summary="\n".join(_lines(settings, note=note, is_dry=run.dry_run)), data=data)


def _lines(settings: SplitFlags, *, note: dict[str, Any], is_dry: bool) -> list[str]:
    counts: dict[str, int] = note["counts"]
    total = sum(counts.values()) or 1
    dry = " (dry run, nothing is written)" if is_dry else ""
    lines = [f"{settings.dataset}: split with seed {note['seed']}{dry}"]
    lines += [f"  {name:<6} {number:>8}   {number / total:.1%}" for name, number in counts.items()]
    empty = [name for name in ("val", "test") if getattr(settings, name) > 0 and not counts[name]]
    if empty:
        lines.append(f"  nothing for {' and '.join(empty)}: too few groups; add data, or raise the share")
    return lines
