"""`curate browse`: datasets in FiftyOne, with masks, predictions, scores and saved views."""

from __future__ import annotations

import webbrowser
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from curation.dataset.dataset import Dataset, read_dataset
from curation.errors import Interrupted
from curation.quarantine import QuarantineRecord
from pipelines.command_line.options import Result, RunOptions, setting
from pipelines.command_line.progress import progress_bar, tell
from pipelines.labels.browse_database import browsing_database

if TYPE_CHECKING:
    from labeling.browsing.app import Loaded
    from labeling.browsing.fiftyone_dataset import Browsed

HIGHEST_PORT: Final = 65535
PICTURES: Final = "pictures"


@dataclass(frozen=True, slots=True, kw_only=True)
class BrowseFlags:
    """What to browse, and how the App is opened."""

    datasets: tuple[Path, ...] = setting("The datasets to browse together.", positional=True, metavar="D...")
    port: int | None = setting("Port of 127.0.0.1.  [default: the first free one from 5151 on]", default=None)
    no_open: bool = setting("Serve the App, but open no browser.", default=False)
    no_serve: bool = setting("Load the samples, print what was done, and end.", default=False)

    def __post_init__(self) -> None:
        """Refuse a port that cannot be."""
        if self.port is not None and not 0 <= self.port <= HIGHEST_PORT:
            raise click.UsageError(f"--port {self.port} is no port; give 1 to {HIGHEST_PORT}, or 0 for any")


def browse(settings: BrowseFlags, *, run: RunOptions) -> Result:
    """Browse datasets in FiftyOne until Ctrl-C: labels, predictions, probabilities, scores, verdicts.

    The first time this makes a dataset in FiftyOne, named for the folder; later it brings that up to date. Tags that
    you set there stay. Saved views: hard, likely label errors, worst boundaries, most uncertain, pool, by source.

    Set the tag `relabel` or `drop` on samples in the App, then read them back with `curate browse pull D`.

    Everything stays on this machine, on 127.0.0.1, and opens only by the address that is printed, which holds a token.
    Plugins and operators of FiftyOne are not served. FIFTYONE_DATABASE_URI names a MongoDB of your own; without it one
    with its files in your data folder runs while it is used.

    \b
    Examples:
      curate browse hard
      curate browse hard --no-open --port 5151     on a machine that you reach by ssh -L 5151:127.0.0.1:5151
      curate browse pull hard
    """
    datasets = [read_dataset(folder) for folder in settings.datasets]
    total = sum(map(len, datasets))
    if run.dry_run:
        return Result(
            summary=f"would show {total} samples (dry run, nothing is written)",
            data={"command": "browse", "samples": total, "dry_run": True},
        )
    with browsing_database(run=run) as place:
        from labeling.browsing.database import loading

        with loading(place.folder):
            loaded, broken = _load(datasets, folder=place.folder, run=run)
        result = _result(loaded, broken=broken)
        if not settings.no_serve:
            from labeling.browsing.serving import serving

            tell("the App is starting", run=run)
            shown = [*settings.datasets, *_made_folders(settings.datasets, folder=place.folder)]
            with serving(place.folder, uri=place.uri, loaded=loaded, folders=shown, port=settings.port) as app:
                told = replace(run, quiet=run.quiet and not settings.no_open)  # without its address it cannot be used
                tell(f"{result.summary}\n  {app.url}\n  Ctrl-C ends it; the tags that you set are kept", run=told)
                if not settings.no_open:
                    webbrowser.open(app.url_once)
                with suppress(KeyboardInterrupt, Interrupted):  # this is how it is meant to end
                    app.wait()
    return result


def _made_folders(datasets: Sequence[Path], *, folder: Path) -> list[Path]:
    from labeling.browsing.pictures import pictures_folder

    return [pictures_folder(dataset, folder=folder / PICTURES) for dataset in datasets]


def _load(datasets: Sequence[Dataset], *, folder: Path, run: RunOptions) -> tuple[Loaded, list[QuarantineRecord]]:
    wanted, broken = _prepared(datasets, folder=folder, run=run)
    from labeling.browsing.app import load
    from labeling.browsing.fiftyone_dataset import labels_of

    folders = [dataset.folder for dataset in datasets]
    with progress_bar("load", total=len(wanted.uids), run=run) as show:
        loaded = load(wanted, folders=dict(zip(labels_of(folders), folders, strict=True)), progress=show)
    return loaded, broken


def _prepared(datasets: Sequence[Dataset], *, folder: Path, run: RunOptions) -> tuple[Browsed, list[QuarantineRecord]]:
    """Make the pictures, and give all samples as they are to be shown."""
    from labeling.browsing.fiftyone_dataset import browsed
    from labeling.browsing.pictures import pictures_of

    pictures, broken = [], []
    with progress_bar("masks", total=sum(map(len, datasets)), run=run) as show:
        for index, dataset in enumerate(datasets):
            before = sum(map(len, datasets[:index]))
            made, lines = pictures_of(
                dataset,
                folder=folder / PICTURES,
                workers=run.workers,
                progress=partial(lambda before, done: show(before + done), before),
            )
            pictures.append(made)
            broken += lines
    return browsed(datasets, pictures=pictures), broken


def _result(loaded: Loaded, *, broken: Sequence[QuarantineRecord]) -> Result:
    lines = [
        f"{loaded.name}: {loaded.samples} samples in FiftyOne; {loaded.added} added, {loaded.changed} changed, "
        f"{loaded.removed} removed",
        f"  views: {', '.join(loaded.views)}",
    ]
    lines += [f"  {line.file}: {line.reason}; shown without it" for line in broken[:5]]
    if len(broken) > 5:
        lines.append(f"  and {len(broken) - 5} more")
    data: dict[str, Any] = {"command": "browse"} | asdict(loaded) | {"broken": [line.file for line in broken]}
    warnings = tuple(
        f"{name}: FiftyOne has a field of your own by this name; the column is not shown" for name in loaded.left_out
    )
    return Result.of(lines, data, set_aside=broken, warnings=warnings)
