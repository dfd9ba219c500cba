"""`curate check-backgrounds`: the images of a dataset without persons in which a model sees one."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click
import pyarrow as pa
import pyarrow.parquet as pq

from curation.building import quarantine_limit
from curation.card import QUARANTINE
from curation.dataset import Dataset, quarantine_lines, read_dataset
from curation.duplicates_looks import Picture, pictures_of
from curation.errors import InputRefused
from curation.files import sha256_of, write_durable
from curation.quarantine import BadRecord, Code
from curation.runner import RunnerOptions
from curation.setting_aside import SET_ASIDE, set_aside_samples
from models.checked_model import CheckedModel
from models.evaluation_sets import Model, identify
from models.prediction.protocol import EngineOptions
from models.prediction.real_pictures import samples_of
from models.sightings import SightingOptions, Sightings, find_persons
from pipelines.options import DONE_WITH_QUARANTINE, Result, RunOptions, setting
from pipelines.progress import progress_bar
from reports.backgrounds import BackgroundsPage, write_backgrounds_page
from reports.report_folder import refuse_foreign, reporting_in, work_folder

KIND: Final = "check-backgrounds"
PAGE: Final = "backgrounds.html"
TABLE: Final = "sightings.parquet"
LISTED_SHOWN: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckBackgroundsFlags:
    """Which images to look at, with which model, and what to do about persons in them."""

    dataset: Path = setting("The dataset whose images are said to show nobody.", positional=True, metavar="D")
    model: Path = setting("The model: a run folder of `curate train`, or an ONNX file with its card beside it.")
    min_area: float = setting("List an image when at least this share of it is taken for person.", default=0.01)
    out: Path | None = setting("Folder for the report.  [default: check-backgrounds in the dataset]", default=None)
    quarantine: bool = setting("Set the listed images aside: their rows become lines of the quarantine.", default=False)
    keep: tuple[str, ...] = setting("Ids that are not listed, whatever the model sees; may be repeated.", default=())
    images: int = setting("Show so many images on the page.", default=500, metavar="N")

    def __post_init__(self) -> None:
        """Refuse numbers that can do nothing."""
        if not 0 < self.min_area <= 1:
            raise click.UsageError(f"--min-area {self.min_area:g} is no share of an image; give one above 0, up to 1")
        if self.images < 0:
            raise click.UsageError(f"--images {self.images} is negative; give 0 or more")


def check_backgrounds(settings: CheckBackgroundsFlags, *, run: RunOptions) -> Result:
    """List the images in which a model sees a person, though their dataset says that there is none.

    Writes backgrounds.html (image, and the outline of what the model saw, the largest first) and sightings.parquet.
    Nothing else happens without --quarantine: look first, since models are wrong too. With it, the listed samples
    leave the dataset, as far as --max-quarantine allows; their files are moved into the folder set_aside.

    \b
    Example:  curate check-backgrounds data/backgrounds --model sinet.onnx
    """
    out = settings.out if settings.out is not None else settings.dataset / KIND
    model, dataset = identify(settings.model), read_dataset(settings.dataset)
    pictures = pictures_of([dataset], limit=run.limit)
    check = _Check(settings=settings, model=model, dataset=dataset, pictures=pictures, run=run)
    check.refuse_unknown_ids()
    if run.dry_run:
        refuse_foreign(out, kind=KIND)
        seen = check.seen(work=work_folder(out, kind=KIND))
        return _result(check, seen=seen, listed=check.listed(seen), out=out)
    with reporting_in(out, kind=KIND) as work:
        seen = check.seen(work=work)
        listed = check.listed(seen)
        write_durable(out / QUARANTINE, quarantine_lines(seen.records))
        check.write(seen, listed=listed, out=out)
        if settings.quarantine:
            check.set_aside(seen, listed=listed, out=out)
    return _result(check, seen=seen, listed=listed, out=out)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Check:
    """A dataset, those of its pictures that are looked at, and the model that looks at them."""

    settings: CheckBackgroundsFlags
    model: Model
    dataset: Dataset
    pictures: Sequence[Picture]
    run: RunOptions

    def seen(self, *, work: Path) -> Sightings:
        """Predict all pictures, of which some may be known in `work`."""
        pictures = self.pictures
        options = EngineOptions(device=self.run.device, workers=self.run.workers)
        samples = samples_of([(self.dataset.folder, self.dataset.table.to_pylist()[: self.run.limit])])
        # what is seen depends on weights and card, and on nothing else
        name = sha256_of(f"{self.model.sha256} {self.model.card_sha256}".encode())[:16]
        with progress_bar(KIND, total=len(pictures), run=self.run) as show:
            return find_persons(
                pictures,
                dataset=self.dataset,
                options=SightingOptions(
                    predict=CheckedModel(self.model, options=options, samples=samples),
                    journal=work / f"sightings-{name}.jsonl",
                    is_kept=not self.run.dry_run,
                    progress=show,
                ),
            )

    def listed(self, seen: Sightings) -> list[int]:
        """Give the numbers of the pictures with a person, the largest first."""
        pictures, kept = self.pictures, set(self.settings.keep)
        hits = [
            (-one.area, pictures[number].id, number)
            for number, one in seen.found.items()
            if one.area >= self.settings.min_area and pictures[number].id not in kept
        ]
        return [number for _, _, number in sorted(hits)]

    def write(self, seen: Sightings, *, listed: Sequence[int], out: Path) -> None:
        """Write the table of sightings and the page."""
        write_durable(out / TABLE, _table(self.pictures, seen=seen, listed=listed))
        page = BackgroundsPage(
            dataset=self.dataset,
            model=self.model.name,
            pictures=self.pictures,
            seen=seen,
            listed=listed,
            min_area=self.settings.min_area,
            images=self.settings.images,
        )
        write_backgrounds_page(page, out=out / PAGE, runner=RunnerOptions(workers=self.run.workers))

    def set_aside(self, seen: Sightings, *, listed: Sequence[int], out: Path) -> None:
        """Take the listed samples out of the dataset; raises InputRefused when these are more than allowed."""
        pictures = self.pictures
        limit = quarantine_limit(self.run.max_quarantine, considered=len(pictures))
        if len(listed) > limit:
            raise InputRefused(
                f"the model sees a person in {len(listed)} of {len(pictures)} images, {limit} may be set aside",
                where=self.settings.dataset,
                remedy=f"look at {out / PAGE}: --max-quarantine N or N% allows more, --min-area and --keep list fewer",
            )
        problems = {pictures[number].id: self._problem(seen.found[number].area) for number in listed}
        set_aside_samples(self.settings.dataset, problems, stage=KIND)

    def refuse_unknown_ids(self) -> None:
        """Raise InputRefused when --keep names an id that the dataset does not have."""
        known = set(self.dataset.table["id"].to_pylist())
        aside = self.settings.dataset
        if unknown := sorted(set(self.settings.keep) - known):
            raise InputRefused(f"--keep {unknown[0]}: no sample has this id", where=aside, remedy="correct the id")

    def _problem(self, area: float) -> BadRecord:
        return BadRecord(Code.PERSON_SEEN, f"{self.model.name} takes {area:.2%} of the image for person")


def _table(pictures: Sequence[Picture], *, seen: Sightings, listed: Sequence[int]) -> bytes:
    chosen = set(listed)
    numbers = sorted(seen.found, key=lambda number: (-seen.found[number].area, pictures[number].id))
    table = pa.table(
        {
            "id": pa.array([pictures[number].id for number in numbers], pa.string()),
            "area_seen": pa.array([seen.found[number].area for number in numbers], pa.float64()),
            "is_listed": pa.array([number in chosen for number in numbers], pa.bool_()),
        }
    )
    stream = io.BytesIO()
    pq.write_table(table, stream, compression="zstd")
    return stream.getvalue()


def _result(check: _Check, *, seen: Sightings, listed: Sequence[int], out: Path) -> Result:
    pictures = check.pictures
    is_moved = check.settings.quarantine and not check.run.dry_run and bool(listed)
    data: dict[str, Any] = {
        "command": KIND,
        "dataset": str(check.settings.dataset),
        "model": check.model.name,
        "out": str(out),
        "dry_run": check.run.dry_run,
        "images": len(pictures),
        "unreadable": len(seen.records),
        "quarantined": len(listed) if is_moved else 0,
        "listed": [{"id": pictures[number].id, "area_seen": seen.found[number].area} for number in listed],
    }
    dry = " (dry run, nothing is written)" if check.run.dry_run else ""
    share = f"at least {check.settings.min_area:.2g} of the image"
    lines = [f"{check.settings.dataset}: {check.model.name} sees a person in {len(listed)} of {len(pictures)}{dry}"]
    lines += [f"  {seen.found[n].area:>6.1%}  {pictures[n].id}" for n in listed[:LISTED_SHOWN]]
    lines += [f"  ... {len(listed) - LISTED_SHOWN} more, {share}"] if len(listed) > LISTED_SHOWN else []
    lines += [f"  {len(seen.records)} could not be looked at: {out / QUARANTINE}"] if seen.records else []
    lines += [] if check.run.dry_run else [f"  look at them: {out / PAGE}; the table: {out / TABLE}"]
    if is_moved:
        lines.append(f"  set aside: {len(listed)} samples; their files are in {check.settings.dataset / SET_ASIDE}")
    elif listed and not check.settings.quarantine:
        lines.append("  nothing was changed; --quarantine sets them aside, --keep ID leaves one in")
    code = DONE_WITH_QUARANTINE if seen.records or is_moved else 0
    return Result(summary="\n".join(lines), data=data, exit_code=code)
