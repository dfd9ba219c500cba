"""The work on one row of a parquet data set: its image and its label become files of a sample."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from curation.dataset.identity import photo_group
from curation.dataset.sample import Item, Outcome, Sample
from curation.images.header import ImageHeader, inspect
from curation.images.mask_values import MaskValues
from curation.images.pixels import (
    Alpha,
    Mask,
    decode_alpha,
    decode_image,
    decode_mask,
    decode_matte,
    decode_values,
    encode_gray,
    encode_mask,
)
from curation.labels.label_files import place_labels
from curation.labels.masks import person_area
from curation.quarantine import BadRecord, Code
from curation.sources.labels_from_alpha import IGNORED, LabelRules, labels_of_alpha, labels_of_mask
from curation.sources.parquet_cells import Cell, picture_in
from curation.sources.parquet_columns import Columns
from curation.storage.checksums import digest_column
from curation.storage.files import sha256_of, write_bytes

COMMAND: Final = "hf"
FOOTER_BYTES: Final = 1 << 16
"""The end of a parquet file says where everything in it lies: it is another where the data is."""
NO_LABEL: Final = "the row has no label"


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A row to work on: where it is, and what it says of itself."""

    cell: Cell
    source_id: str
    split: str | None
    license: str | None
    group: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HfRules:
    """How rows become samples."""

    columns: Columns
    labels: LabelRules
    values: MaskValues | None


def take_row(item: Item, folder: Path, *, rules: HfRules) -> Outcome:
    """Write image and labels of one row; raises BadRecord: whatever is wrong with them."""
    row: Row = item.payload
    file = f"{row.cell.place} row {row.source_id}"
    data = image_in(item, columns=rules.columns)
    header = inspect(data, file=file)
    decode_image(data, file=file)
    label, ignored = _label(row, rules=rules)
    _check_size(label, header=header, file=file)
    make = labels_of_alpha if rules.columns.is_alpha else labels_of_mask
    labels = make(label, rules=rules.labels, file=file)
    pictures = {"mask": encode_mask(labels.mask)}
    pictures |= {} if labels.alpha is None else {"alpha": encode_gray(labels.alpha)}
    pictures |= {} if ignored is None or not ignored.any() else {"ignore": encode_gray(ignored & np.uint8(IGNORED))}
    placed = place_labels(pictures, sample_id=item.id, folder=folder)
    image = f"images/{item.id}{header.extension}"
    write_bytes(folder / image, data)
    extra: dict[str, Any] = {} if ignored is None else {"ignore": None, digest_column("ignore"): None}
    extra |= {"ignore": placed.paths["ignore"]} if "ignore" in pictures else {}
    sha256 = sha256_of(data)
    group = row.group or photo_group(rules.labels.source, source_id=row.source_id, sha256=sha256)
    sample = Sample(
        id=item.id,
        image=image,
        mask=placed.paths["mask"],
        alpha=placed.paths.get("alpha"),
        width=header.width,
        height=header.height,
        source=rules.labels.source,
        source_id=row.source_id,
        split=row.split,
        person_area=person_area(labels.mask),
        persons=None if labels.mask.any() or "ignore" in pictures else 0,
        group=group,
        license=row.license,
        sha256=sha256,
        extra={**extra, **placed.digests},
    )
    return Outcome(id=item.id, sample=sample)


def _check_size(label: Alpha, *, header: ImageHeader, file: str) -> None:
    if label.shape != (header.height, header.width):
        sizes = f"{header.width} x {header.height}, its label {label.shape[1]} x {label.shape[0]} (width x height)"
        raise BadRecord(Code.SIZE_MISMATCH, f"the image is {sizes}", file=file)


def image_in(item: Item, *, columns: Columns) -> bytes:
    """Return the bytes of the image of a row; raises BadRecord: MISSING_FILE where there is none."""
    cell: Cell = item.payload.cell
    data = picture_in(cell, column=columns.image)
    if data is None:
        raise BadRecord(Code.MISSING_FILE, f"the row has nothing in its column {columns.image!r}", file=cell.place)
    return data


def mask_in(item: Item, *, rules: HfRules) -> Mask | None:
    """Return the mask of a row, None where alphas are read; raises BadRecord: NO_MASK, and those of the decoder."""
    return None if rules.columns.is_alpha else _label(item.payload, rules=rules)[0]


def _label(row: Row, *, rules: HfRules) -> tuple[Alpha, Mask | None]:
    """Return a mask, or an alpha, and what is not labelled, where the values of masks tell that."""
    column, cell = rules.columns.label, row.cell
    data, file = picture_in(cell, column=column), f"{cell.place} row {row.source_id} column {column}"
    if data is None:
        raise BadRecord(Code.NO_MASK, NO_LABEL, file=cell.place, field=column, record_id=row.source_id)
    if rules.columns.is_alpha:
        has_alpha = inspect(data, file=file).has_alpha
        return (decode_alpha if has_alpha else decode_matte)(data, file=file), None
    if rules.values is None:
        return decode_mask(data, file=file), None
    stored = decode_values(data, file=file)
    person = np.where(rules.values.is_person(stored), np.uint8(255), np.uint8(0))
    return person, np.where(np.isin(stored, rules.values.ignored), np.uint8(255), np.uint8(0))
