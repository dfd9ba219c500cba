"""Whether a file of a dataset is still the one that was imported."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from curation.quarantine import BadRecord, Code
from curation.storage.files import named_file, read_file, sha256_of


def digest_column(column: str) -> str:
    """Return the name of the column that holds the SHA-256 of the files in another.

    >>> digest_column("image"), digest_column("mask")
    ('sha256', 'mask_sha256')
    """
    return "sha256" if column == "image" else f"{column}_sha256"


def read_named(row: Mapping[str, Any], *, column: str, folder: Path) -> bytes:
    """Return the bytes of the file that the row of a manifest in `folder` names, which are those of its import.

    Raises BadRecord: CHECKSUM, and what `named_file` and `read_file` raise.
    """
    path = named_file(folder, str(row[column]))
    data = read_file(path, below=folder)
    check_row_digest(data, row=row, column=column, file=path)
    return data


def check_row_digest(data: bytes, *, row: Mapping[str, Any], column: str, file: Path) -> None:
    """Refuse the bytes of `file`, which the row of a manifest names in `column`, where they changed since the import.

    An image always has a SHA-256; labels that were made before these had one pass. Raises BadRecord: CHECKSUM.
    """
    field = digest_column(column)
    expected = str(row[field]) if column == "image" else row.get(field)
    check_digest(data, expected=expected, file=file, field=field)


def check_digest(data: bytes, *, expected: str | None, file: Path, field: str | None = None) -> None:
    """Refuse bytes that have another SHA-256 than expected; raises BadRecord: CHECKSUM."""
    if expected is not None and (digest := sha256_of(data)) != expected:
        raise BadRecord(Code.CHECKSUM, f"sha256 is {digest}, the manifest says {expected}", file=file, field=field)
