"""Undo: a pull is taken back; the labels before it count again, and no file is deleted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from curation.building.shards import SETTING
from curation.byte_range import byte_range
from curation.dataset.dataset import Dataset
from curation.dataset.table import with_columns
from curation.errors import InputRefused
from curation.images.pixels import decode_mask
from curation.labels.label_files import FOLDERS
from curation.labels.masks import person_area
from curation.operations.rewrite import rewriting
from curation.quarantine import BadRecord
from curation.storage.checksums import digest_column
from curation.storage.files import read_file, safe_join, sha256_of
from curation.storage.lock import exclusive
from labeling.answers import ANNOTATION
from labeling.label_tools.label_studio.project.ledger import lock_of
from labeling.label_tools.label_studio.pull.apply import DERIVED, LABEL_COLUMNS, write_rows
from labeling.label_tools.label_studio.pull.batches import (
    UNNUMBERED,
    Batch,
    Change,
    State,
    change_of,
    read_batches,
    state_of,
    write_batch,
)

Rows = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Undone:
    """What became of an undo: rows whose label before counts again, and rows that were changed since, and kept."""

    batch: Batch
    restored: int
    changed_since: int


def batches_of(dataset: Dataset) -> list[tuple[Batch, int]]:
    """Return the batches of a dataset, each with the number of rows that are as it left them."""
    rows = {row["id"]: row for row in dataset.table.to_pylist()}
    batches = read_batches(dataset.folder)
    earlier = _unnumbered(dataset, rows=rows, batches=batches)
    found = [*([earlier] if earlier.changes else []), *batches]
    return [(batch, sum(change.is_in_force(rows.get(change.id)) for change in batch.changes)) for batch in found]


def take_back(folder: Path, *, number: int, is_trial: bool = False) -> Undone:
    """Take a batch back; rows that were changed since stay. Done again it changes nothing; killed, it continues.
    A trial writes nothing.

    Raises InputRefused where there is no such batch, and where a file that it needs is gone.
    """
    with exclusive(lock_of(folder)), rewriting(folder) as dataset:
        rows = {row["id"]: row for row in with_columns(dataset.table, types=LABEL_COLUMNS).to_pylist()}
        batches = read_batches(folder)
        batch = next((one for one in batches if one.number == number), None)
        if batch is None and number == UNNUMBERED:
            batch = _unnumbered(dataset, rows=rows, batches=batches)
        if batch is None or not batch.changes:
            raise InputRefused(
                f"no pull has the number {number}",
                where=folder,
                remedy="`curate label undo D` without --batch lists the pulls of a dataset",
            )
        wanted = [change for change in batch.changes if change.is_in_force(rows.get(change.id))]
        for change in wanted:
            _refuse_lost(change, folder=folder)
        if not (
            batch.is_taken_back or is_trial
        ):  # before the rows: else the next pull could bring in again what an undo began
            write_batch(folder, batch=msgspec.structs.replace(batch, is_taken_back=True))
        undone = [*batch.changes, *(change for one in batches if one.is_taken_back for change in one.changes)]
        by_state = {change.state: change for change in undone}
        for change in wanted:
            rows[change.id] |= _before_all(change, undone=by_state)
        if wanted and not is_trial:
            write_rows(dataset, rows=rows)
        restored = {change.id for change in wanted}
        since = [one for one in batch.changes if one.id not in restored and not _is_as_before(one, rows=rows)]
        return Undone(batch=batch, restored=len(wanted), changed_since=len(since))


def _before_all(change: Change, *, undone: dict[State, Change]) -> Mapping[str, Any]:
    """Return a row as it was before a change, and before those that led to it and are taken back as well.

    What was followed is taken out of `undone`: a record that leads back to itself ends there.
    """
    while (earlier := undone.pop(state_of(change.before, id_=change.id), None)) is not None:
        change = earlier
    return change.before


def _is_as_before(change: Change, *, rows: Rows) -> bool:
    row = rows.get(change.id)
    return row is not None and all(row.get(name) == value for name, value in change.before.items())


def _refuse_lost(change: Change, *, folder: Path) -> None:
    name = change.before["mask"]
    try:
        if name is None or (path := safe_join(folder, str(name))).is_file() or _is_in_tar(path, folder=folder):
            return
    except BadRecord as error:
        raise InputRefused(error.reason, where=folder / str(name), remedy="restore the record of the pull") from error
    raise InputRefused(
        "the label before the pull is gone", where=folder / str(name), remedy="restore the file; nothing was changed"
    )


def _is_in_tar(path: Path, *, folder: Path) -> bool:
    """Tell whether a tar file holds what a path names."""
    if byte_range(str(path)) is None:
        return False
    with suppress(BadRecord):
        read_file(path, below=folder)
        return True
    return False


def _unnumbered(dataset: Dataset, *, rows: Rows, batches: Sequence[Batch]) -> Batch:
    """Return what earlier versions pulled into this dataset, as its files tell: they noted no rows.

    They knew no labels in tar files.
    """
    if dataset.card.settings.get(SETTING):
        return Batch(number=UNNUMBERED, project="", pulled_at="", changes=[])
    numbered = {change.said for batch in batches for change in batch.changes}
    changes = []
    for row in rows.values():
        version = row["label_version"]
        if row.get(ANNOTATION) is None or row["mask"] != f"{FOLDERS['mask']}/{row['id']}.v{version}.png":
            continue
        change = change_of(row, before=_before(row, folder=dataset.folder))
        if change.said not in numbered:
            changes.append(change)
    return Batch(number=UNNUMBERED, project="", pulled_at="", changes=changes)


def _before(row: Mapping[str, Any], *, folder: Path) -> dict[str, Any]:
    """Return a row as it was before its label version: that of the next lower version whose file is there, or none."""
    id_ = row["id"]
    names = [(n, f"{FOLDERS['mask']}/{id_}" + (f".v{n}.png" if n else ".png")) for n in range(row["label_version"])]
    found = [(version, name) for version, name in names if (folder / name).is_file()]
    if not found:
        return {"label_version": 0}
    version, name = found[-1]
    data = read_file(folder / name, below=folder)
    before = {"mask": name, "label_version": version, digest_column("mask"): sha256_of(data)}
    before["person_area"] = person_area(decode_mask(data, file=name))
    for column in DERIVED if version == 0 else ():
        name = f"{FOLDERS[column]}/{id_}.png"
        if (folder / name).is_file():
            before |= {column: name, digest_column(column): sha256_of(read_file(folder / name, below=folder))}
    return before
