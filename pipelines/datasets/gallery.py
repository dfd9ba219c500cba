"""`curate gallery`: one HTML contact sheet of datasets."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from curation.dataset.dataset import read_dataset
from labeling.verdicts.verdict import VERDICTS
from pipelines.command_line.options import DONE_WITH_QUARANTINE, Result, RunOptions, setting
from pipelines.command_line.progress import progress_bar
from reports.datasets.gallery import GalleryOptions, gallery_items, write_gallery

SHOWN: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class GalleryFlags:
    """What to show, and where to put the page."""

    datasets: tuple[Path, ...] = setting("The datasets to show.", positional=True, metavar="D...")
    out: Path | None = setting("The HTML file.  [default: gallery.html in the first dataset]", default=None)
    where: str | None = setting("Show only rows for which this pandas query holds.", default=None, metavar="QUERY")


def gallery(settings: GalleryFlags, *, run: RunOptions) -> Result:
    """Make one HTML contact sheet: each image with the outline of its mask, its alpha and trimap.

    Hard cases of `curate mine` come the worst first, with prediction, errors, scores and verdict.

    The file holds everything, needs no network and opens from the disk. It shows 500 samples; --limit changes that.

    \b
    Example:  curate gallery data/training --where "split == 'test'" --out test.html
    """
    datasets = [read_dataset(folder) for folder in settings.datasets]
    out = settings.out if settings.out is not None else settings.datasets[0] / "gallery.html"
    limit = SHOWN if run.limit is None else run.limit
    options = GalleryOptions(limit=limit, query=settings.where, verdicts=VERDICTS)
    items = len(gallery_items(datasets, options=options))
    total = sum(map(len, datasets))
    none = f"no sample matches --where {settings.where!r}" if total else "there is no sample to show"
    warnings = () if items else (f"{out}: {none}",)
    if run.dry_run:
        return Result(
            summary=f"{out}: would show {items} of {total} samples (dry run, nothing is written)",
            data={"command": "gallery", "out": str(out), "shown": items, "dry_run": True},
            warnings=warnings,
        )
    with progress_bar("gallery", total=items, run=run) as show:
        made = write_gallery(datasets, out=out, options=options, runner=run.runner, progress=show)
    failed = f"; {made.failed} could not be drawn, see curate stats --verify" if made.failed else ""
    return Result(
        summary=f"{out}: {made.shown} of {made.total} samples, {made.size_bytes / 1e6:.1f} MB{failed}",
        data={
            "command": "gallery",
            "out": str(out),
            "shown": made.shown,
            "total": made.total,
            "failed": made.failed,
            "size_bytes": made.size_bytes,
        },
        exit_code=DONE_WITH_QUARANTINE if made.failed else 0,
        warnings=warnings,
    )
