"""`curate check-backgrounds`: the images of a dataset without persons in which a model sees one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import click
import pyarrow as pa

from curation.building.build_dataset import quarantine_limit
from curation.dataset.card import QUARANTINE
from curation.dataset.chosen_rows import first_rows
from curation.dataset.dataset import Dataset, read_dataset
from curation.dataset.manifest_files import quarantine_lines
from curation.duplicates.fingerprint_dataset import Picture, pictures_of
from curation.errors import InputRefused
from curation.operations.set_aside import SET_ASIDE, set_aside_samples
from curation.quarantine import BadRecord, Code, QuarantineRecord
from curation.storage.files import sha256_of, write_durable
from curation.storage.parquet import parquet_bytes
from models.evaluation.checked_model import CheckedModel
from models.evaluation.choose_sets import Model, identify
from models.evaluation.find_persons import TIMEOUT_S, Sighting, SightingOptions, find_persons
from models.prediction.checks.real_pictures import samples_of
from pipelines.command_line.options import Result, RunOptions, setting
from pipelines.command_line.progress import progress_bar
from pipelines.datasets.background_calibration import Calibration, Inputs, Looking, calibrated, data_of, trust_in
from reports.datasets.backgrounds_page import BackgroundsPage, write_backgrounds_page
from reports.page.report_folder import refuse_other_report, reporting_in, work_folder

KIND: Final = "check-backgrounds"
PAGE: Final = "backgrounds.html"
TABLE: Final = "sightings.parquet"
LISTED_SHOWN: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckBackgroundsFlags:
    """Which images to look at, with which model, and what to do about persons in them."""

    dataset: Path = setting("The dataset whose images are said to show nobody.", positional=True, metavar="D")
    model: Path = setting(
        "The model: a run folder of `curate train`, or an ONNX, TFLite or TensorFlow model with its card beside it."
    )
    clean: Path | None = setting(
        "A dataset of images that are known to show nobody: what the model sees in these are false alarms.",
        default=None,
        metavar="D",
    )
    persons: Path | None = setting(
        "A dataset of persons with masks or alphas, planted in clean images to test the model; goes with --clean.",
        default=None,
        metavar="D",
    )
    false_alarms: float = setting(
        "List an image when at most this share of clean images looks as much like a person.", default=0.05
    )
    min_area: float = setting("List an image when at least this share of it is taken for person.", default=0.002)
    out: Path | None = setting("Folder for the report.  [default: check-backgrounds in the dataset]", default=None)
    quarantine: bool = setting("Set the listed images aside: their rows become lines of the quarantine.", default=False)
    keep: tuple[str, ...] = setting("Ids that are not listed, whatever the model sees; may be repeated.", default=())
    images: int = setting("Largest number of images on the page.", default=500, metavar="N")

    def __post_init__(self) -> None:
        """Refuse numbers that can do nothing."""
        for flag, share in (("--min-area", self.min_area), ("--false-alarms", self.false_alarms)):
            if not 0 < share <= 1:
                raise click.UsageError(f"{flag} {share:g} is no share; give one above 0, up to 1")
        if (self.clean is None) != (self.persons is None):
            raise click.UsageError("--clean and --persons go together; give both, or neither")
        if self.images < 0:
            raise click.UsageError(f"--images {self.images} is negative; give 0 or more")


def check_backgrounds(settings: CheckBackgroundsFlags, *, run: RunOptions) -> Result:
    """List the images in which a model sees a person, though their dataset says that there is none.

    Every image is looked at in about a hundred windows at full resolution, which takes as many predictions.
    With --clean and --persons the model is tested first, with small persons planted in clean images: one that does not
    tell them from the rest (AUC under 0.9) is refused, with exit code 4. Writes backgrounds.html (image, and the
    outline of what looks most like a person, the strongest first) and sightings.parquet.
    Without --quarantine nothing else happens: look first, since models are wrong too. With it, the listed samples
    leave the dataset, as far as --max-quarantine allows; their files are moved into the folder set_aside.

    \b
    Example:  curate check-backgrounds data/backgrounds --model selfie.onnx --clean data/clean --persons data/portraits
    """
    out = settings.out if settings.out is not None else settings.dataset / KIND
    model, dataset = identify(settings.model), read_dataset(settings.dataset)
    pictures = pictures_of([dataset], limit=run.limit)
    check = _Check(settings=settings, model=model, dataset=dataset, pictures=pictures, run=run)
    check.refuse_unknown_ids()
    if run.dry_run:
        refuse_other_report(out, kind=KIND)
        return _result(check, found=check.results(work=work_folder(out, kind=KIND)), out=out)
    with reporting_in(out, kind=KIND) as work:
        found = check.results(work=work)
        write_durable(out / QUARANTINE, quarantine_lines(found.records))
        check.write(found, out=out)
        if settings.quarantine:
            check.set_aside(found, out=out)
    return _result(check, found=found, out=out)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Found:
    """What was seen, by the number of the picture; which of these are listed, the strongest first; and how sure."""

    seen: Mapping[int, Sighting]
    listed: Sequence[int]
    calibration: Calibration | None
    records: Sequence[QuarantineRecord]

    def share_as_strong(self, number: int) -> float | None:
        """Return the share of clean images that look as much like a person, None without a calibration."""
        return None if self.calibration is None else self.calibration.share_as_strong(self.seen[number].strength)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Check:
    """A dataset, those of its pictures that are looked at, and the model that looks at them."""

    settings: CheckBackgroundsFlags
    model: Model
    dataset: Dataset
    pictures: Sequence[Picture]
    run: RunOptions

    def results(self, *, work: Path) -> _Found:
        """Test and calibrate the model where that is asked for, then look at all pictures; some may be known."""
        options = replace(self.run.predicting, with_windows=True, item_timeout_s=TIMEOUT_S)
        samples = samples_of([(self.dataset.folder, first_rows(self.dataset.rows, limit=self.run.limit))])
        predict = CheckedModel(self.model, options=options, samples=samples)
        # what is seen depends on weights and card, and on nothing else
        name = sha256_of(f"{self.model.sha256} {self.model.card_sha256}".encode())[:16]
        journal = work / f"windows-{name}.jsonl"

        @contextmanager
        def looking(title: str, total: int) -> Iterator[SightingOptions]:
            with progress_bar(title, total=total, run=self.run) as show:
                yield SightingOptions(predict=predict, journal=journal, is_kept=not self.run.dry_run, progress=show)

        calibration = self._calibration(looking)
        with looking(KIND, len(self.pictures)) as looked:
            seen = find_persons(self.pictures, dataset=self.dataset, options=looked)
        records = [*(() if calibration is None else calibration.records), *seen.records]
        listed = self._listed(seen.found, calibration=calibration)
        return _Found(seen=seen.found, listed=listed, calibration=calibration, records=records)

    def _calibration(self, looking: Looking) -> Calibration | None:
        if self.settings.clean is None or self.settings.persons is None:
            return None
        inputs = Inputs(
            clean=read_dataset(self.settings.clean),
            persons=read_dataset(self.settings.persons),
            model=self.model.path,
            seed=self.run.seed,
        )
        return calibrated(inputs, looking=looking)

    def _listed(self, seen: Mapping[int, Sighting], *, calibration: Calibration | None) -> list[int]:
        """Return the numbers of the pictures with a person, the strongest first."""
        pictures, settings = self.pictures, self.settings
        kept = set(settings.keep)
        known = frozenset[str]() if calibration is None else calibration.known
        hits = [
            (-one.strength, pictures[number].id, number)
            for number, one in seen.items()
            if one.area >= settings.min_area
            and pictures[number].id not in kept
            and pictures[number].sha256 not in known
            and (calibration is None or calibration.is_stronger(one.strength, false_alarms=settings.false_alarms))
        ]
        return [number for _, _, number in sorted(hits)]

    def write(self, found: _Found, *, out: Path) -> None:
        """Write the table of sightings and the page."""
        write_durable(out / TABLE, _table(self.pictures, found=found))
        page = BackgroundsPage(
            dataset=self.dataset,
            model=self.model.name,
            pictures=self.pictures,
            seen=found.seen,
            records=found.records,
            listed={number: found.share_as_strong(number) for number in found.listed},
            trust=trust_in(found.calibration),
            is_calibrated=found.calibration is not None,
            images=self.settings.images,
        )
        write_backgrounds_page(page, out=out / PAGE, runner=self.run.runner)

    def set_aside(self, found: _Found, *, out: Path) -> None:
        """Take the listed samples out of the dataset; raises InputRefused when these are more than allowed."""
        pictures, listed = self.pictures, found.listed
        limit = quarantine_limit(self.run.max_quarantine, considered=len(pictures))
        if len(listed) > limit:
            raise InputRefused(
                f"the model sees a person in {len(listed)} of {len(pictures)} images, {limit} may be set aside",
                where=self.settings.dataset,
                remedy=f"look at {out / PAGE}: --max-quarantine N or N% allows more, --min-area and --keep list fewer",
            )
        problems = {pictures[number].id: self._problem(found.seen[number]) for number in listed}
        set_aside_samples(self.settings.dataset, problems, stage=KIND)

    def refuse_unknown_ids(self) -> None:
        """Raise InputRefused when --keep names an id that the dataset does not have."""
        unknown = set(self.settings.keep)
        for table in self.dataset.batches(["id"]) if unknown else ():
            unknown -= set(table["id"].to_pylist())
        aside = self.settings.dataset
        if unknown:
            raise InputRefused(f"--keep {min(unknown)}: no sample has this id", where=aside, remedy="correct the id")

    def _problem(self, one: Sighting) -> BadRecord:
        return BadRecord(
            Code.PERSON_SEEN,
            f"{self.model.name} sees a person on {one.area:.2%} of the image, with log-odds of {one.strength:.1f}",
        )


def _table(pictures: Sequence[Picture], *, found: _Found) -> bytes:
    seen, chosen = found.seen, set(found.listed)
    numbers = sorted(seen, key=lambda number: (-seen[number].strength, pictures[number].id))
    return parquet_bytes(
        pa.table(
            {
                "id": pa.array([pictures[number].id for number in numbers], pa.string()),
                "strength": pa.array([seen[number].strength for number in numbers], pa.float64()),
                "clean_as_strong": pa.array([found.share_as_strong(number) for number in numbers], pa.float64()),
                "area_seen": pa.array([seen[number].area for number in numbers], pa.float64()),
                "is_listed": pa.array([number in chosen for number in numbers], pa.bool_()),
            }
        )
    )


def _result(check: _Check, *, found: _Found, out: Path) -> Result:
    pictures, seen, listed = check.pictures, found.seen, found.listed
    is_moved = check.settings.quarantine and not check.run.dry_run and bool(listed)
    data: dict[str, Any] = {
        "command": KIND,
        "dataset": str(check.settings.dataset),
        "model": check.model.name,
        "out": str(out),
        "dry_run": check.run.dry_run,
        "images": len(pictures),
        "unreadable": len(found.records),
        "quarantined": len(listed) if is_moved else 0,
        "calibration": data_of(found.calibration),
        "listed": [
            {
                "id": pictures[number].id,
                "strength": seen[number].strength,
                "clean_as_strong": found.share_as_strong(number),
                "area_seen": seen[number].area,
            }
            for number in listed
        ],
    }
    dry = " (dry run, nothing is written)" if check.run.dry_run else ""
    lines = [f"{check.settings.dataset}: {check.model.name} sees a person in {len(listed)} of {len(pictures)}{dry}"]
    lines.append(f"  {trust_in(found.calibration)}")
    lines += [
        f"  {seen[n].strength:>5.1f} log-odds on {seen[n].area:>5.1%}  {pictures[n].id}" for n in listed[:LISTED_SHOWN]
    ]
    lines += [f"  ... {len(listed) - LISTED_SHOWN} more"] if len(listed) > LISTED_SHOWN else []
    lines += [f"  {len(found.records)} could not be looked at: {out / QUARANTINE}"] if found.records else []
    lines += [] if check.run.dry_run else [f"  look at them: {out / PAGE}; the table: {out / TABLE}"]
    if is_moved:
        lines.append(f"  set aside: {len(listed)} samples; their files are in {check.settings.dataset / SET_ASIDE}")
    elif listed and not check.settings.quarantine:
        lines.append("  nothing was changed; --quarantine sets them aside, --keep ID leaves one in")
    return Result.of(lines, data, set_aside=found.records or is_moved)
