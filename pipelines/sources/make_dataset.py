"""From a plan to a dataset and its summary: the part that all commands share which make a dataset."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import msgspec

from curation.dataset.card import QUARANTINE, Counts, Tally, counts_of
from curation.dataset.sample import Plan, ids_of
from curation.errors import InputRefused
from curation.images.folders import NOT_ENTERED, TOLD, UNNAMED
from curation.storage.image_places import refuse_unallowed
from pipelines.command_line.options import Result, RunOptions

IDS_SHOWN: Final = 10
DECIDED_BY: Final = {
    "query": "--where",
    "person_too_small": "--min-area",
    "too_many_persons": "--max-persons",
    "crowd": "--crowd",
    "no_keypoints": "--keypoints",
    "not_portrait": "--portrait",
    "no_supercategory": "--supercategories",
    "not_hard": "--threshold, --pool-share",
}
"""The flag behind each filter reason that has one."""


def make_dataset(
    plan: Plan, *, out: Path, run: RunOptions, item_timeout_s: float = 20.0, shards: bool = False
) -> Result:
    """Make the dataset, with `shards` its labels in tar files, or with `--dry-run` only tell what would be made."""
    plan = replace(plan, shards=plan.shards or shards)
    if plan.settings.get("image_uris"):
        refuse_unallowed([*plan.inputs, *map(Path, plan.settings.get("follow_links", ()))])
    if run.dry_run:
        return _tell(plan, out=out)
    # imported here, since a dry run needs none of it and should answer at once
    from curation.building.build_dataset import BuildOptions, build_dataset
    from pipelines.command_line.progress import progress_bar

    with progress_bar(plan.command, total=len(plan.items), run=run) as show:
        options = BuildOptions(
            runner=replace(run.runner, item_timeout_s=item_timeout_s),
            overwrite=run.overwrite,
            max_quarantine=run.max_quarantine,
            progress=lambda done, _, kinds: show(done, kinds),
        )
        card = build_dataset(plan, out=out, options=options)
    data = {"command": plan.command, "out": str(out), **msgspec.to_builtins(card)}
    lines = [f"{out}: {card.counts.selected} samples", *count_lines(card.counts, records=card.records)]
    lines += [*unseen_lines(card.notes), *_nobody_line(out, settings=card.settings)]
    is_clean = not card.counts.quarantined and not card.records
    if not is_clean:
        lines.append(f"  each line with its reason: {out / QUARANTINE}")
    lines.append(f"  look at it: curate gallery {out}")
    return Result.of(lines, data, set_aside=not is_clean, warnings=empty_warning(card.counts, out=out))


def _nobody_line(out: Path, *, settings: Mapping[str, Any]) -> list[str]:
    """Return a line on samples whose mask shows nobody: more than expected are a slip in a setting."""
    from curation.dataset.dataset import read_dataset  # a dry run needs none of it

    number = nobody = masks = 0
    try:
        for table in read_dataset(out).batches(["persons", "person_area", "mask"]):
            rows = table.to_pylist()
            number += len(rows)
            masks += sum(row["mask"] is not None for row in rows)
            nobody += sum(row["persons"] == 0 or bool(row["mask"] and row["person_area"] == 0) for row in rows)
    except InputRefused:  # another command replaces the dataset, which is whole and let go of
        return []
    if not nobody or (nobody == number and not masks):
        return []
    asked = settings.get("person_value")
    why = "no pixel is of a person" if asked is None else f"no pixel has the --person-value {asked}"
    return [f"  show nobody  {nobody:>8}   {nobody / number:.1%} of the selected: {why}"]


def empty_warning(counts: Counts, *, out: Path) -> tuple[str, ...]:
    """Say of a dataset that holds nothing what became of the inputs, and which flags decided that."""
    if counts.selected:
        return ()
    if not counts.considered:
        return (f"{out} holds no sample: there was no input",)
    reasons = sorted((counts.filtered | counts.quarantined).items(), key=lambda pair: -pair[1])
    left_out = ", ".join(f"{reason} {number}" for reason, number in reasons)
    flags = [DECIDED_BY[reason] for reason, _ in reasons if reason in DECIDED_BY]
    change = f"; see {', '.join(flags)}" if flags else ""
    return (f"{out} holds no sample. Of {counts.considered} inputs all were left out: {left_out}{change}",)


def count_lines(counts: Counts, *, records: dict[str, int]) -> list[str]:
    """Return the counts as lines for people: considered = selected + filtered + quarantined."""
    return [
        f"  considered   {counts.considered:>8}",
        f"  selected     {counts.selected:>8}",
        f"  filtered     {sum(counts.filtered.values()):>8}{_reasons(counts.filtered)}",
        f"  quarantined  {sum(counts.quarantined.values()):>8}{_reasons(counts.quarantined)}",
        *([f"  broken parts {sum(records.values()):>8}{_reasons(records)}"] if records else []),
    ]


def unseen_lines(notes: Mapping[str, Any]) -> list[str]:
    """Return lines on how inputs were read, on folders that were not looked into, on files that no record names."""
    folders = notes.get(NOT_ENTERED, {})
    shown = ", ".join(f"{name} ({number} files)" for name, number in list(folders.items())[:IDS_SHOWN])
    more = f", ... {len(folders) - IDS_SHOWN} more" if len(folders) > IDS_SHOWN else ""
    lines = [f"  {said}" for said in notes.get(TOLD, [])]
    lines += [f"  not looked into: {shown}{more}"] if folders else []
    for folder, kinds in notes.get(UNNAMED, {}).items():
        counted = ", ".join(f"{kind} {of_kind['count']}" for kind, of_kind in kinds.items())
        lines.append(f"  {folder}: files that no record names, not looked at: {counted}")
    return lines


def _reasons(numbers: dict[str, int]) -> str:
    return "   " + ", ".join(f"{name} {number}" for name, number in numbers.items()) if numbers else ""


def _tell(plan: Plan, *, out: Path) -> Result:
    tally = Tally()
    tally.selected = len(plan.items)
    counts = counts_of(plan, tally=tally)
    records = dict(sorted(Counter(str(record.code) for record in plan.records).items()))
    ids = sorted(ids_of(plan.items))
    broken = [*plan.quarantined, *plan.records]
    data: dict[str, Any] = {
        "command": plan.command,
        "out": str(out),
        "dry_run": True,
        "counts": msgspec.to_builtins(counts),
        "records": records,
        "notes": dict(plan.notes),
        "samples": ids,
        "quarantine": msgspec.to_builtins(broken),
    }
    more = f", ... {len(ids) - IDS_SHOWN} more" if len(ids) > IDS_SHOWN else ""
    lines = [
        f"{out}: would hold {len(ids)} samples, if every file is sound (dry run, nothing is written)",
        *count_lines(counts, records=records),
        *unseen_lines(plan.notes),
        f"  {', '.join(ids[:IDS_SHOWN])}{more}",
    ]
    return Result.of(lines, data, set_aside=broken, warnings=empty_warning(counts, out=out))
