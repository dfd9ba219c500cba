"""New label versions in a dataset: files beside the old ones, then the manifest, at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from curation.dataset.dataset import Dataset, read_quarantine, write_dataset
from curation.dataset.label_sources import LABEL_LICENSE, LABEL_SOURCE
from curation.dataset.table import with_columns
from curation.errors import InputRefused
from curation.images.pixels import Mask, decode_mask
from curation.labels.label_files import FOLDERS
from curation.labels.masks import person_area
from curation.operations.rewrite import rewriting
from curation.quarantine import BadRecord
from curation.storage.checksums import digest_column
from curation.storage.files import make_folder, read_file, safe_join, sha256_of, write_bytes
from labeling.answers import AGREEMENT, ANNOTATED_AT, ANNOTATION, ANNOTATOR, SECONDS, STATUS, Answer
from labeling.label_tools.label_studio.project.ledger import FOLDER, IDENTITY_DIGITS, STAGED, Came
from labeling.label_tools.label_studio.pull.batches import (
    Batch,
    Change,
    change_of,
    next_number,
    read_batches,
    taken_back,
    write_batch,
)

LABEL_COLUMNS: Final = {
    STATUS: pa.string(),
    ANNOTATOR: pa.string(),
    SECONDS: pa.float64(),
    ANNOTATED_AT: pa.string(),
    ANNOTATION: pa.string(),
    AGREEMENT: pa.float64(),
}
DERIVED: Final = ("alpha", "trimap")
"""Labels that were made from, or with, the old mask; they are no longer true of a new one."""
OF_MODELS: Final = (LABEL_SOURCE, LABEL_LICENSE)
"""Columns that tell of which models a label is: of none, once a person drew it. One that is right stays theirs."""
DRAWN: Final = frozenset({Answer.FIXED, Answer.NO_PERSON})


@dataclass(slots=True, kw_only=True)
class Applied:
    """What became of what came back: new label versions, labels confirmed as they are, and what was left alone.

    `newer_here` are samples whose label in the dataset is newer than the annotation; `taken_back` those of which
    `curate label undo` took this annotation back. `batch` is the number of what was changed, None where nothing was.
    `standing` are the label versions that count meanwhile, by the ids of samples whose later answer is set aside.
    """

    written: int = 0
    confirmed: int = 0
    set_aside: int = 0
    already: int = 0
    newer_here: int = 0
    taken_back: int = 0
    batch: int | None = None
    standing: dict[str, int] = field(default_factory=dict)


def apply_labels(folder: Path, *, came: Sequence[Came], rows_by_uid: Mapping[str, str], identity: str) -> Applied:
    """Write what came back into the dataset, once; the masks wait in the folder of the ledger until then.

    A label that a person made here after the annotation is never replaced, and no file is ever overwritten.
    """
    applied = Applied()
    place = folder / FOLDER / f"{STAGED}-{identity[:IDENTITY_DIGITS]}"
    usable = [one for one in came if one.annotation is not None and one.uid in rows_by_uid]
    with rewriting(folder) as dataset:
        rows = {row["id"]: row for row in with_columns(dataset.table, types=LABEL_COLUMNS).to_pylist()}
        batches = read_batches(folder)
        number, gone = next_number(batches, rows=rows), taken_back(batches)
        changes: list[Change] = []
        for one in usable:
            row = rows.get(rows_by_uid[one.uid])
            if row is None:
                continue
            if (_key(one, identity=identity), one.annotated_at) in gone:
                applied.taken_back += 1
                continue
            before = dict(row)
            if _apply(one, row=row, dataset=dataset, place=place, identity=identity, applied=applied):
                changes.append(change_of(row, before=before))
        if changes:
            now = datetime.now(UTC).isoformat(timespec="seconds")
            write_batch(folder, batch=Batch(number=number, project=identity, pulled_at=now, changes=changes))
            write_rows(dataset, rows=rows)
            applied.batch = number
        applied.standing = _standing(rows, came=came, identity=identity)
    for one in usable:
        if one.staged is not None:
            (place / one.staged).unlink(missing_ok=True)
    if place.is_dir() and not any(place.iterdir()):
        place.rmdir()
    return applied


def _standing(rows: Mapping[str, Mapping[str, Any]], *, came: Sequence[Came], identity: str) -> dict[str, int]:
    return {
        one.sample_id: row["label_version"]
        for one in came
        if one.problem is not None and (row := rows.get(one.sample_id)) is not None
        if str(row.get(ANNOTATION)).startswith(_key_of_task(one, identity=identity))
    }


def _apply(one: Came, *, row: dict[str, Any], dataset: Dataset, place: Path, identity: str, applied: Applied) -> bool:
    """Change one row; tells whether it is another now."""
    key = _key(one, identity=identity)
    if row[ANNOTATION] == key and row[ANNOTATED_AT] == one.annotated_at:
        applied.already += 1
        return False
    if _is_newer_here(row, came=one):
        applied.newer_here += 1
        return False
    staged = None if one.staged is None else place / one.staged
    if staged is not None and not staged.exists():
        applied.already += 1  # applied before; the dataset was changed since
        return False
    is_new = staged is not None and _relabel(row, data=staged.read_bytes(), dataset=dataset)
    said = None if one.verdict == Answer.OTHER else one.verdict  # the other mask may be the label
    row[STATUS] = said or str(Answer.FIXED if is_new else Answer.RIGHT)
    if row[STATUS] in DRAWN:
        row |= {name: None for name in OF_MODELS if name in row}
    row |= {ANNOTATOR: one.annotator, SECONDS: one.seconds, ANNOTATED_AT: one.annotated_at}
    row |= {ANNOTATION: key, AGREEMENT: one.agreement}
    applied.written += is_new
    applied.confirmed += staged is not None and not is_new
    applied.set_aside += staged is None
    return True


def _key(one: Came, *, identity: str) -> str:
    """Return what an annotation is known by in the column `label_annotation`."""
    return f"{_key_of_task(one, identity=identity)}{one.annotation}"


def _key_of_task(one: Came, *, identity: str) -> str:
    return f"{identity[:IDENTITY_DIGITS]}/{one.task}/"


def _is_newer_here(row: Mapping[str, Any], *, came: Came) -> bool:
    """Tell whether a person labelled this sample here later than the annotation was made.

    A label whose time is known is compared by that. Another one is newer when its version was raised since the push.
    """
    if came.annotated_at is None:
        return True
    if row[ANNOTATED_AT] is not None:
        return _moment(row[ANNOTATED_AT]) >= _moment(came.annotated_at)
    return bool(row["label_version"] > came.label_version)


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise InputRefused(
            f"{text!r} is no time",
            where=f"column {ANNOTATED_AT}",
            remedy="restore the manifest, or the journal, of the dataset",
        ) from error
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _relabel(row: dict[str, Any], *, data: bytes, dataset: Dataset) -> bool:
    """Return the row the mask as a new version; False where it has this very mask already."""
    mask = decode_mask(data, file=row["id"])
    if row["mask"] is not None and _is_same(mask, row=row, dataset=dataset):
        return False
    make_folder(dataset.folder / FOLDERS["mask"], below=dataset.folder)
    version = row["label_version"] + 1
    while (path := dataset.folder / f"{FOLDERS['mask']}/{row['id']}.v{version}.png").exists():
        if path.read_bytes() == data:  # written by a pull that was killed
            break
        version += 1
    if not path.exists():
        write_bytes(path, data)
    row |= {"mask": f"{FOLDERS['mask']}/{path.name}", "label_version": version, "person_area": person_area(mask)}
    row[digest_column("mask")] = sha256_of(data)
    for column in DERIVED:
        row[column] = None
        if digest_column(column) in row:
            row[digest_column(column)] = None
    return True


def _is_same(mask: Mask, *, row: Mapping[str, Any], dataset: Dataset) -> bool:
    path = safe_join(dataset.folder, row["mask"])
    try:
        old = decode_mask(read_file(path, below=dataset.folder), file=str(path))
    except BadRecord:  # a damaged label is replaced
        return False
    return np.array_equal(old, mask)


def write_rows(dataset: Dataset, *, rows: Mapping[str, Mapping[str, Any]]) -> None:
    """Write the labels of rows into the manifest, and leave all else as it is."""
    types = {**LABEL_COLUMNS, digest_column("mask"): pa.string()}
    table = with_columns(dataset.table, types=types)
    ordered = [rows[id_] for id_ in table["id"].to_pylist()]
    derived = [name for column in DERIVED for name in (column, digest_column(column)) if name in table.column_names]
    told = [name for name in OF_MODELS if name in table.column_names]
    for name in ("mask", "label_version", "person_area", *derived, *told, *types):
        index = table.column_names.index(name)
        column = pa.array([row.get(name) for row in ordered], type=table.schema.field(name).type)
        table = table.set_column(index, table.schema.field(name), column)
    write_dataset(dataset.folder, card=dataset.card, table=table, quarantine=read_quarantine(dataset.folder))
