"""Check that tar files of labels are whole as tar files: what reads them without our manifest finds the same labels.

The bytes of each label are compared with its SHA-256 elsewhere; here it is the headers between them that are read.
"""

from __future__ import annotations

import os
import tarfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from curation.byte_range import byte_range
from curation.dataset.dataset import FILE_COLUMNS, Dataset
from curation.quarantine import BadRecord, Code
from curation.storage.files import safe_join
from curation.storage.opened import TAR_HINT, opened
from curation.storage.tar_members import key_of


def shard_problems(dataset: Dataset) -> Iterator[BadRecord]:
    """Yield the tar files in which a label has not the member that it was written as.

    A file that is missing, or no file, is left out: each of its labels tells that.
    """
    for name, members in _members(dataset).items():
        try:
            path = safe_join(dataset.folder, name)
            found = _found(path, below=dataset.folder) if path.is_file() else None
        except BadRecord:
            continue
        if found is None:
            continue
        lacking = [member for place, member in sorted(members.items()) if found.get(place) != member]
        if lacking:
            reason = f"{len(lacking)} of {len(members)} labels are no members of this tar file any more: {lacking[0]}"
            yield BadRecord(Code.CHECKSUM, reason, file=path, hint=TAR_HINT)


def _members(dataset: Dataset) -> dict[str, dict[tuple[int, int], str]]:
    """Return the names of the members of each tar file that rows name, by (start, size) in bytes."""
    found: dict[str, dict[tuple[int, int], str]] = defaultdict(dict)
    columns = [column for column in FILE_COLUMNS if column in dataset.schema.names]
    for table in dataset.batches(["id", *columns]):
        for row in table.to_pylist():
            for column in columns:
                place = None if row[column] is None else byte_range(row[column])
                if place is not None:
                    member = f"{key_of(row['id'])}.{column}{place.suffix}"
                    found[place.file][place.start, place.size] = member
    return found


def _found(path: Path, *, below: Path) -> dict[tuple[int, int], str]:
    """Return what members a tar file has, up to the first that cannot be read."""
    members: dict[tuple[int, int], str] = {}
    with os.fdopen(opened(path, below=below).descriptor, "rb") as stream:
        try:
            with tarfile.open(fileobj=stream, mode="r:") as archive:
                for one in archive:
                    members[one.offset_data, one.size] = one.name
        except tarfile.TarError:
            pass
    return members
