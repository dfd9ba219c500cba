"""`curate duplicates`: the copies among the images of datasets, and with `--fix` all of them on one side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import click

from curation.building.build_dataset import quarantine_limit
from curation.dataset.card import QUARANTINE
from curation.dataset.dataset import Dataset, read_dataset
from curation.dataset.manifest_files import quarantine_lines
from curation.duplicates.find_duplicates import Duplicates, find_duplicates, pairs_file
from curation.duplicates.fingerprint_dataset import LookOptions, Looks, look_at, pictures_of
from curation.duplicates.fix_duplicates import Change, apply_changes, change_counts, planned_changes
from curation.errors import InputRefused
from curation.operations.merge import refuse_twice
from curation.storage.files import write_durable
from pipelines.command_line.options import Result, RunOptions, setting
from pipelines.command_line.progress import progress_bar
from reports.datasets.duplicates_page import DuplicatesPage, write_duplicates_page
from reports.page.report_folder import refuse_other_report, reporting_in, work_folder

KIND: Final = "duplicates"
PAGE: Final = "duplicates.html"
PAIRS: Final = "pairs.parquet"
CHANGES_SHOWN: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class DuplicatesFlags:
    """Where to look for copies, and what to do about them."""

    datasets: tuple[Path, ...] = setting(
        "The datasets to compare, with each other too.", positional=True, metavar="D..."
    )
    out: Path | None = setting("Folder for the report.  [default: duplicates in the first dataset]", default=None)
    fix: bool = setting(
        "Give copies one group, and move them to the split of the copy that is held out.", default=False
    )
    pairs: int = setting("Largest number of pairs on the page.", default=300, metavar="N")

    def __post_init__(self) -> None:
        """Refuse a number that can do nothing."""
        if self.pairs < 0:
            raise click.UsageError(f"--pairs {self.pairs} is negative; give 0 or more")


def duplicates(settings: DuplicatesFlags, *, run: RunOptions) -> Result:
    """Find images that occur twice: the same file, the same pixels, or nearly the same (encoded again, resized,
    cropped by 5 %, brighter or darker, mirrored or upside down).

    Writes duplicates.html (pairs side by side, leaks between splits first) and pairs.parquet. With --fix, copies get
    one group and go to the side that is held out: test before val before train. Nothing is deleted. --limit looks at
    the first N samples of each dataset. What was seen is kept beside the report, so that the next run is quick.

    \b
    Example:  curate duplicates data/persons data/portraits --out copies
    """
    out = settings.out if settings.out is not None else settings.datasets[0] / KIND
    search = _Search(datasets=_read(settings.datasets), names=_names(settings.datasets), settings=settings, run=run)
    if run.dry_run:
        refuse_other_report(out, kind=KIND)
        found, seen = search.results(work=work_folder(out, kind=KIND))
        return _result(search, found=found, seen=seen, changes=search.changes(found), out=out)
    with reporting_in(out, kind=KIND) as work:
        found, seen = search.results(work=work)
        write_durable(out / QUARANTINE, quarantine_lines(seen.records))
        search.refuse_too_much_broken(seen, out=out)
        changes = search.changes(found)
        search.write(found, seen=seen, out=out)
        if settings.fix:
            apply_changes(changes, datasets=search.datasets)
    return _result(search, found=found, seen=seen, changes=changes, out=out)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Search:
    """The datasets that are searched, with their names, and how."""

    datasets: Sequence[Dataset]
    names: Sequence[str]
    settings: DuplicatesFlags
    run: RunOptions

    def results(self, *, work: Path) -> tuple[Duplicates, Looks]:
        """Look at all pictures, of which some may be known in `work`, and find the copies among them."""
        pictures = pictures_of(self.datasets, limit=self.run.limit)
        with progress_bar(KIND, total=len(pictures), run=self.run) as show:
            options = LookOptions(folder=work, is_kept=not self.run.dry_run, runner=self.run.runner, progress=show)
            seen = look_at(pictures, datasets=self.datasets, options=options)
        return find_duplicates(pictures, seen=seen), seen

    def changes(self, found: Duplicates) -> list[Change]:
        """Return what --fix changes."""
        return planned_changes(found, datasets=self.datasets) if self.settings.fix else []

    def write(self, found: Duplicates, *, seen: Looks, out: Path) -> None:
        """Write the table of pairs and the page."""
        write_durable(out / PAIRS, pairs_file(found, names=self.names))
        page = DuplicatesPage(
            found=found, datasets=self.datasets, names=self.names, records=seen.records, pairs=self.settings.pairs
        )
        write_duplicates_page(page, out=out / PAGE, runner=self.run.runner)

    def refuse_too_much_broken(self, seen: Looks, *, out: Path) -> None:
        """Raise InputRefused when more pictures cannot be read than allowed; their lines are written."""
        limit = quarantine_limit(self.run.max_quarantine, considered=len(seen.pixels))
        if len(seen.records) > limit:
            example = seen.records[0]
            told = f"{len(seen.records)} images cannot be read, {limit} are allowed"
            lines = f"the lines are in {out / QUARANTINE}; --max-quarantine N or N% allows more"
            raise InputRefused(
                f"{told}; e.g. {example.code}: {example.reason}",
                where=example.file,
                remedy=f"{example.hint}. {lines}; the work done so far is kept",
            )


def _read(folders: Sequence[Path]) -> list[Dataset]:
    datasets = [read_dataset(folder) for folder in folders]
    refuse_twice(datasets)
    return datasets


def _names(folders: Sequence[Path]) -> list[str]:
    names = [folder.resolve().name for folder in folders]
    return [name if names.count(name) == 1 else str(folder) for name, folder in zip(names, folders, strict=True)]


def _result(search: _Search, *, found: Duplicates, seen: Looks, changes: Sequence[Change], out: Path) -> Result:
    counts, is_fix = found.counts(), search.settings.fix
    data: dict[str, Any] = {
        "command": KIND,
        "datasets": [str(dataset.folder) for dataset in search.datasets],
        "out": str(out),
        "dry_run": search.run.dry_run,
        "images": len(found.pictures),
        "counts": counts,
        "unreadable": len(seen.records),
        "recall": None if found.recall is None else asdict(found.recall),
        "fixed": is_fix and not search.run.dry_run,
    }
    if is_fix:
        data["changes"] = change_counts(changes)
        data["changed"] = [
            {"dataset": str(search.datasets[change.dataset].folder)} | _told(change) for change in changes
        ]
    lines = _lines(counts, search=search, seen=seen, out=out)
    if (recall := found.recall) is not None:
        lines.append(
            f"  near ones were found by an index: {recall.found} of the {recall.pairs} near pairs of {recall.pictures} "
            "images that were compared with all"
        )
    lines += _change_lines(changes, search=search) if is_fix else []
    return Result.of(lines, data, set_aside=seen.records)


def _lines(counts: dict[str, int], *, search: _Search, seen: Looks, out: Path) -> list[str]:
    dry = " (dry run, nothing is written)" if search.run.dry_run else ""
    kinds = f"the same file {counts['exact_files']}, the same pixels {counts['exact_pixels']}"
    lines = [
        f"{', '.join(search.names)}: {counts['copies']} of {len(seen.pixels)} images are copies of others{dry}",
        f"  exact   {counts['exact']:>8}   {kinds}",
        f"  near    {counts['near']:>8}   of them mirrored, or upside down {counts['near_mirrored']}",
        f"  leaks   {counts['leaks']:>8}   pairs in two splits",
    ]
    if len(search.datasets) > 1:
        lines.append(f"  across  {counts['across_datasets']:>8}   pairs in two datasets")
    if seen.records:
        lines.append(f"  {len(seen.records)} could not be looked at: {out / QUARANTINE}")
    if not search.run.dry_run:
        lines.append(f"  look at them: {out / PAGE}; the table: {out / PAIRS}")
    if counts["clusters_across_splits"] and not search.settings.fix:
        lines.append(
            "  --fix brings the copies of a photograph to one side; with --dry-run it prints what it would change"
        )
    return lines


def _change_lines(changes: Sequence[Change], *, search: _Search) -> list[str]:
    if not changes:
        return ["  nothing to change: all copies share a group and a split"]
    counts = change_counts(changes)
    would = "would change" if search.run.dry_run else "changed"
    moves = ", ".join(f"{number} from {name}" for name, number in counts["moves"].items())
    lines = [f"  {would}: {counts['regrouped']} samples get the group of their copies; moved: {moves or 'none'}"]
    for change in changes[:CHANGES_SHOWN]:
        split = f", {change.old_split or 'none'} to {change.split}" if change.split != change.old_split else ""
        lines.append(f"    {search.names[change.dataset]} {change.id}: group {change.group}{split}")
    if len(changes) > CHANGES_SHOWN:
        lines.append(f"    ... {len(changes) - CHANGES_SHOWN} more; --json lists all")
    return lines


def _told(change: Change) -> dict[str, Any]:
    told = asdict(change)
    return {name: told[name] for name in ("id", "group", "split", "old_group", "old_split")}
