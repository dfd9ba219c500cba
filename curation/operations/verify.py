"""Check that a dataset's files are what its manifest says: there, unchanged, of the right size, with legal values.

Every picture is decoded: a damaged file may have the right structure, and the hash that it had when it was imported.

A dataset that was made before its labels had a SHA-256 is checked without.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation.building.workers import RunnerOptions, run_items
from curation.dataset.card import QUARANTINE
from curation.dataset.chosen_rows import first_rows
from curation.dataset.dataset import FILE_COLUMNS, Dataset, named_files, read_quarantine
from curation.dataset.sample import Item, Outcome
from curation.errors import InputRefused
from curation.images.folders import is_os_metadata
from curation.images.header import inspect
from curation.images.pixels import decode_gray, decode_image
from curation.labels.label_files import FOLDERS, plain_path
from curation.labels.source_images import IMAGES
from curation.operations.find_colours import STAGE as COLOURS
from curation.operations.find_colours import DatasetColours, colour_records, colours_of
from curation.operations.verify_shards import shard_problems
from curation.quarantine import BadRecord, Code, QuarantineRecord
from curation.sequences import Mapped
from curation.storage.checksums import check_row_digest
from curation.storage.files import named_file, read_file
from curation.storage.text_set import TextSet

PREDICTIONS: Final = "predictions"
STAGE: Final = "verify"
SOUND: Final = "sound"
VALUES: Final[dict[str, tuple[tuple[int, ...], Code]]] = {
    "mask": ((0, 255), Code.MASK_VALUES),
    "trimap": ((0, 128, 255), Code.TRIMAP),
    "ignore": ((0, 128), Code.MASK_VALUES),
}
"""The values that a column's files may hold, and the code of those that hold others."""
GRAY: Final = ("alpha", *VALUES)
"""Columns whose files are gray pictures of the size of the image."""
VERSION: Final = re.compile(r"\.v[0-9]+(?=\.[a-z]+$)")
"""What a relabel puts into the name of a label: `masks/1.v2.png` is the second version of `masks/1.png`."""
VALUES_SHOWN: Final = 8
AREA_TOLERANCE: Final = 1e-9
"""A share of the frame; less than one pixel of any image that is read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What reading every file of a dataset told: each problem, sorted by sample, and the colours of its images."""

    problems: list[QuarantineRecord]
    colours: DatasetColours


def verify(dataset: Dataset, *, runner: RunnerOptions, progress: Callable[[int], None] | None = None) -> Verified:
    """Read every file of the dataset once, and change nothing.

    `progress` is called with the number of samples done. A file that crashes its decoder is one of the problems.
    """
    items = Mapped(first_rows(dataset.rows), partial(_item, folder=dataset.folder))
    found = list(_own_problems(dataset))
    outcomes = run_items(items, work=verify_sample, folder=dataset.folder, stage=STAGE, options=runner)
    for done, outcome in enumerate(outcomes, start=1):
        found.extend(outcome.records)
        if progress is not None:
            progress(done)
    problems = [record for record in found if record.stage != COLOURS]
    return Verified(
        problems=sorted(problems, key=lambda record: (record.record_id or "", record.file, str(record.code))),
        colours=colours_of(record for record in found if record.stage == COLOURS),
    )


def verify_sample(item: Item, folder: Path) -> Outcome:
    """Check all files of one row; the outcome is filtered as `sound`, or broken with a record for each bad file, which
    come first; then the record of the colours of its image."""
    row: dict[str, Any] = item.payload
    records: list[QuarantineRecord] = []
    colours: tuple[QuarantineRecord, ...] = ()
    for column in FILE_COLUMNS:
        if row.get(column) is not None:
            try:
                path = named_file(folder, row[column])
                data = read_file(path, below=folder)
                if column == "image":
                    colours = colour_records(data, file=path, record_id=item.id)
                _check_file(data, row=row, column=column, file=path)
            except BadRecord as problem:
                file = folder / str(row[column])
                records.append(problem.record(stage=STAGE, file=file, record_id=item.id))
    if records:
        return Outcome(id=item.id, broken=records[0].code, records=(*records, *colours))
    return Outcome(id=item.id, filtered=SOUND, records=colours)


def _check_file(data: bytes, *, row: dict[str, Any], column: str, file: Path) -> None:
    if column == "image":
        _check_image(data, row=row, file=file)
        return
    if column in GRAY:
        _check_gray(data, row=row, column=column, file=file)
    else:
        picture = decode_image(data, file=str(file))
        if column == "white":
            _check_size((picture.shape[0], picture.shape[1]), row=row, file=file)
    # last: what is wrong with a label says more than that it is another
    check_row_digest(data, row=row, column=column, file=file)


def _check_image(data: bytes, *, row: dict[str, Any], file: Path) -> None:
    check_row_digest(data, row=row, column="image", file=file)
    header = inspect(data, file=str(file))
    _check_size((header.height, header.width), row=row, file=file)
    decode_image(data, file=str(file))


def _check_gray(data: bytes, *, row: dict[str, Any], column: str, file: Path) -> None:
    picture = decode_gray(data, file=str(file))
    _check_size((picture.shape[0], picture.shape[1]), row=row, file=file)
    if column in VALUES:
        allowed, code = VALUES[column]
        counts = np.bincount(picture.ravel(), minlength=256)
        strange = [value for value in np.flatnonzero(counts).tolist() if value not in allowed]
        if strange:
            shown = ", ".join(f"{value}: {counts[value]} px" for value in strange[:VALUES_SHOWN])
            more = f", and {len(strange) - VALUES_SHOWN} more values" if len(strange) > VALUES_SHOWN else ""
            legal = ", ".join(map(str, allowed))
            raise BadRecord(code, f"holds values other than {legal}: {shown}{more}", file=file, field=column)
    if column == "mask":
        _check_area(picture, row=row, file=file)


def _check_area(mask: NDArray[np.uint8], *, row: dict[str, Any], file: Path) -> None:
    """Refuse a mask (h, w), 0 where nobody is, that covers another share of the frame than when it was imported."""
    area = float(np.count_nonzero(mask)) / mask.size
    # written so that a NaN fails as well
    if row["person_area"] is not None and not abs(area - row["person_area"]) <= AREA_TOLERANCE:
        reason = f"the person covers {area:.4%} of the frame, the manifest says {row['person_area']:.4%}"
        raise BadRecord(Code.CHECKSUM, reason, file=file, field="person_area")


def _check_size(size: tuple[int, int], *, row: dict[str, Any], file: Path) -> None:
    height, width = size
    if (width, height) != (row["width"], row["height"]):
        reason = f"is {width} x {height}, the manifest says {row['width']} x {row['height']} (width x height)"
        raise BadRecord(Code.SIZE_MISMATCH, reason, file=file, field="width,height")


def _own_problems(dataset: Dataset) -> Iterator[QuarantineRecord]:
    """Yield what is wrong with the dataset itself: rows or lines that do not fit the card, files that no row names."""
    if dataset.card.counts.selected != len(dataset):
        reason = f"the card counts {dataset.card.counts.selected} samples, the manifest holds {len(dataset)}"
        hint = "a change was stopped half-way; run it again"
        problem = BadRecord(Code.CHECKSUM, reason, file=dataset.folder, field="counts", hint=hint)
        yield problem.record(stage=STAGE)
    if (missing := _quarantine_problem(dataset)) is not None:
        yield missing.record(stage=STAGE)
    yield from (problem.record(stage=STAGE) for problem in shard_problems(dataset))
    for path in _strays(dataset):
        yield BadRecord(Code.STRAY_FILE, "no sample of the dataset names it", file=path).record(stage=STAGE)


def _quarantine_problem(dataset: Dataset) -> BadRecord | None:
    path = dataset.folder / QUARANTINE
    try:
        read_quarantine(dataset.folder)
    except InputRefused as error:
        code = Code.CHECKSUM if path.exists() else Code.MISSING_FILE
        hint = "restore the file, or make the dataset again with --overwrite; it tells what was set aside, and why"
        return BadRecord(code, error.reason, file=path, hint=hint)
    return None


def _strays(dataset: Dataset) -> Iterator[Path]:
    """Yield the files in the dataset's folders that no row names; older versions of a label that one names are kept."""
    first_versions, used = TextSet(), set()
    for table in dataset.batches(["id", *(name for name in FILE_COLUMNS if name in dataset.schema.names)]):
        named = named_files(table)
        first_versions.add_all([VERSION.sub("", path) for path in (*named, *_files_of_their_own(table))])
        used |= {path.rpartition("/")[0] for path in named}
    # mining keeps the predictions of all samples that it looked at, also of those that are no row
    for folder in sorted((used | {IMAGES, *FOLDERS.values()}) - {PREDICTIONS}):
        place = dataset.folder / folder
        if place.is_symlink() or not place.is_dir():
            continue  # named files in it are not read either, which is reported for each
        for path in sorted(place.iterdir()):
            relative = f"{folder}/{path.name}"
            is_known = relative in used or VERSION.sub("", relative) in first_versions
            if not is_known and not is_os_metadata(path.name):
                yield path


def _files_of_their_own(table: pa.Table) -> Iterator[str]:
    """Yield the paths of all files that rows name; of labels in tar files, those that they would have alone."""
    for column in [name for name in FILE_COLUMNS if name in table.column_names]:
        for id_, path in zip(table["id"].to_pylist(), table[column].to_pylist(), strict=True):
            if path is not None:
                yield plain_path(path, column=column, sample_id=id_)


def _item(row: dict[str, Any], *, folder: Path) -> Item:
    return Item(id=row["id"], payload=row, file=str(folder / str(row["image"])))
