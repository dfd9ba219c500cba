"""The rows that `curate convert` keeps beside a form, found again beside the folder that a command reads."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from curation.dataset.card import KEPT
from curation.dataset.dataset import FILE_COLUMNS, SCHEMA
from curation.errors import SecurityRefused
from curation.exchange.convert_dataset import ADDED, origin_column
from curation.exchange.converted_folder import Told, read_kept
from curation.exchange.rows import Rows
from curation.image_uri import image_uri
from curation.storage.files import fingerprint_file
from curation.storage.safe_id import check_ids

PLACE: Final = re.compile(r"[A-Za-z]\w*/[^/\\\x00]{1,255}")
"""Where a file of a data set lies: in one folder, which is not hidden."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KeptRows:
    """What stands in the `curate.parquet` of `folder`: `rows` by id, and `ids` by the path of the image there."""

    folder: Path
    told: Told
    rows: Rows
    ids: Mapping[str, str]
    schema: pa.Schema
    fingerprint: str

    def columns(self) -> dict[str, pa.DataType]:
        """Return the Arrow types of the columns that the data set had beyond those of every manifest."""
        ours = ADDED.union(SCHEMA.names)
        return {field.name: field.type for field in self.schema if field.name not in ours}

    def folders(self) -> set[str]:
        """Return the folders that the files of the data set lay in."""
        names = [origin_column(column) for column in FILE_COLUMNS if origin_column(column) in self.schema.names]
        return {
            str(row[name]).partition("/")[0] for row in self.rows.values() for name in names if row[name] is not None
        }


def kept_in(folder: Path) -> KeptRows | None:
    """Return the rows that are kept in a folder, None where there are none.

    Raises InputRefused for a damaged file, SecurityRefused for one whose ids or paths lead out of a data set.
    """
    path = folder / KEPT
    if not path.is_file():
        return None
    told, table = read_kept(path)
    check_ids(table, where=path)
    for column in FILE_COLUMNS:
        if origin_column(column) in table.column_names:
            _check_places(table[origin_column(column)].to_pylist(), where=path)
    ids = dict(zip(table["image"].to_pylist(), table["id"].to_pylist(), strict=True))
    return KeptRows(
        folder=folder,
        told=told,
        rows=Rows(table),
        ids=ids,
        schema=table.schema,
        fingerprint=fingerprint_file(path),
    )


def origin(row: Mapping[str, Any], column: str) -> str | None:
    """Return the path that a file had in the data set; None where there was none."""
    path = row.get(origin_column(column))
    return None if path is None else str(path)


def _check_places(paths: Sequence[str | None], *, where: Path) -> None:
    for path in paths:
        if path is None or image_uri(path) is not None:  # what comes back has images of its own
            continue
        if not (PLACE.fullmatch(path) and path.rpartition("/")[2] not in {".", ".."}):
            raise SecurityRefused(
                f"the path {path!r} could lead out of a data set",
                where=where,
                remedy="do not use this file: no command writes such a path; convert the data set again",
            )
