"""The work on one row of a parquet data set: its image and its label become files of a sample."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import msgspec
from numpy.typing import NDArray

from curation.dataset.sample import Item, Outcome
from curation.images.mask_values import MaskValues
from curation.images.pixels import Mask, decode_values
from curation.labels.source_images import check_bytes
from curation.quarantine import BadRecord, Code
from curation.sources.image_label_folders import decode_label, decode_soft
from curation.sources.labels_from_alpha import Drawn, PairRules, place_label
from curation.sources.parquet_cells import Cell, picture_in
from curation.sources.parquet_columns import Columns

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
    """How rows become samples; each says its licence itself, and `labels` are the rules of all others."""

    columns: Columns
    labels: PairRules
    values: MaskValues | None


def take_row(item: Item, folder: Path, *, rules: HfRules) -> Outcome:
    """Write image and labels of one row; raises BadRecord: whatever is wrong with them."""
    row: Row = item.payload
    original = check_bytes(image_in(item, columns=rules.columns), file=f"{row.cell.place} row {row.source_id}")
    labels = replace(rules.labels, labels=replace(rules.labels.labels, license=row.license))
    data, file = _label(row, columns=rules.columns)
    if rules.columns.is_alpha:
        alpha, labels = decode_soft(data, file=file, rules=labels)
        drawn = Drawn(label=alpha, file=file)
    else:
        mask, ignored = decode_label(data, file=file, values=rules.values)
        drawn = Drawn(label=mask, ignored=ignored, file=file)
    return place_label(item, folder, original=original, drawn=drawn, rules=labels)


def image_in(item: Item, *, columns: Columns) -> bytes:
    """Return the bytes of the image of a row; raises BadRecord: MISSING_FILE where there is none."""
    cell: Cell = item.payload.cell
    data = picture_in(cell, column=columns.image)
    if data is None:
        raise BadRecord(Code.MISSING_FILE, f"the row has nothing in its column {columns.image!r}", file=cell.place)
    return data


def mask_in(item: Item, *, rules: HfRules) -> Mask | None:
    """Return the mask of a row, None where alphas are read; raises BadRecord: NO_MASK, and those of the decoder."""
    if rules.columns.is_alpha:
        return None
    data, file = _label(item.payload, columns=rules.columns)
    return decode_label(data, file=file, values=rules.values)[0]


def stored_masks(items: Sequence[Item], *, columns: Columns) -> Iterator[NDArray[Any]]:
    """Yield the values (h, w) of the masks that can be read."""
    for item in items:
        with suppress(BadRecord):
            data, file = _label(item.payload, columns=columns)
            yield decode_values(data, file=file)


def _label(row: Row, *, columns: Columns) -> tuple[bytes, str]:
    """Return the bytes of the label of a row, and what a message names them by; raises BadRecord: NO_MASK."""
    column, cell = columns.label, row.cell
    data = picture_in(cell, column=column)
    if data is None:
        raise BadRecord(Code.NO_MASK, NO_LABEL, file=cell.place, field=column, record_id=row.source_id)
    return data, f"{cell.place} row {row.source_id} column {column}"
