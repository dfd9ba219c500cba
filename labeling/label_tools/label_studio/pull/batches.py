"""Batches: what each pull changed in a dataset, numbered from 1, so that a pull can be taken back.

Each has a file `labeling/batches/<number>.json` with the rows as they were before. It is written before the dataset
is; so one of a pull that was killed in between may list changes that were not made, and the next pull replaces it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from curation.dataset.label_sources import LABEL_LICENSE, LABEL_SOURCE
from curation.errors import InputRefused
from curation.storage.checksums import digest_column
from curation.storage.files import make_folder, write_durable
from labeling.answers import AGREEMENT, ANNOTATED_AT, ANNOTATION, ANNOTATOR, SECONDS, STATUS
from labeling.label_tools.label_studio.project.ledger import FOLDER

BATCHES: Final = "batches"
UNNUMBERED: Final = 0
"""Stands for all that was pulled before pulls were numbered."""
LABELS: Final = ("mask", "alpha", "trimap")
KEPT: Final = (
    *(name for column in LABELS for name in (column, digest_column(column))),
    *(LABEL_SOURCE, LABEL_LICENSE),
    *("label_version", "person_area", STATUS, ANNOTATOR, SECONDS, ANNOTATED_AT, ANNOTATION, AGREEMENT),
)
"""The columns that a pull changes."""


State = tuple[str, str | None, str | None, int]


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One row that a pull changed: its columns `before`, and by what the change is known."""

    id: str
    before: dict[str, str | int | float | None]
    annotation: str
    annotated_at: str | None
    label_version: int

    @property
    def said(self) -> tuple[str, str | None]:
        """The annotation, as it was at that time."""
        return self.annotation, self.annotated_at

    def is_in_force(self, row: Mapping[str, Any] | None) -> bool:
        """Tell whether the row is still as this change left it."""
        return row is not None and state_of(row, id_=self.id) == self.state

    @property
    def state(self) -> State:
        """What the row is known by after the change."""
        return self.id, self.annotation, self.annotated_at, self.label_version


def state_of(row: Mapping[str, Any], *, id_: str) -> State:
    """Return what a row is known by as it is: its id, the annotation that counts and its time, and its version."""
    return id_, row.get(ANNOTATION), row.get(ANNOTATED_AT), row["label_version"]


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """What one pull changed, and whether it was taken back."""

    number: int
    project: str
    pulled_at: str
    changes: list[Change]
    is_taken_back: bool = False


def change_of(row: Mapping[str, Any], *, before: Mapping[str, Any]) -> Change:
    """Return the change of a row by an annotation."""
    return Change(
        id=row["id"],
        before={name: before.get(name) for name in KEPT},
        annotation=row[ANNOTATION],
        annotated_at=row[ANNOTATED_AT],
        label_version=row["label_version"],
    )


def read_batches(dataset: Path) -> list[Batch]:
    """Return the batches of a dataset by number. Raises InputRefused for a file that is none."""
    found = []
    for path in (dataset / FOLDER / BATCHES).glob("*.json"):
        try:
            found.append(msgspec.json.decode(path.read_bytes(), type=Batch))
        except (OSError, msgspec.DecodeError) as error:
            raise InputRefused(
                f"it is no record of a pull: {error}",
                where=path,
                remedy="restore the file; without it this pull cannot be undone, but all others can: then delete it",
            ) from error
    return sorted(found, key=lambda batch: batch.number)


def write_batch(dataset: Path, *, batch: Batch) -> None:
    """Write the file of a batch, whole or not at all."""
    make_folder(dataset / FOLDER / BATCHES, below=dataset)
    write_durable(dataset / FOLDER / BATCHES / f"{batch.number}.json", msgspec.json.encode(batch))


def next_number(batches: Sequence[Batch], *, rows: Mapping[str, Mapping[str, Any]]) -> int:
    """Return the number of the next batch: that of the last one where a kill left nothing of it in the rows."""
    if not batches:
        return 1
    last = batches[-1]
    is_there = last.is_taken_back or any(change.is_in_force(rows.get(change.id)) for change in last.changes)
    return last.number + is_there


def taken_back(batches: Sequence[Batch]) -> set[tuple[str, str | None]]:
    """Return the annotations that were taken back: they come in again only when somebody changes them."""
    return {change.said for batch in batches if batch.is_taken_back for change in batch.changes}
