"""The labels of a data set in shards, `labels/part-00000.tar`: a few large files in place of several for each sample.

A shard is what WebDataset reads. Its members are `<key>.mask.png`, `<key>.alpha.png`, ..., those of one sample beside
each other, samples sorted by id. The manifest names which bytes of a shard a label is (see `byte_range`), so that any
one is read at once. The bytes depend on the samples alone: a run that was killed while it packed packs anew.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path, PurePosixPath
from typing import IO, Any, Final

import pyarrow as pa

from curation.byte_range import ByteRange, known_suffix
from curation.dataset.sample import Outcome
from curation.errors import EnvironmentProblem, InputRefused
from curation.labels.label_files import FOLDERS
from curation.quarantine import BadRecord
from curation.storage.checksums import check_row_digest, digest_column
from curation.storage.files import read_file, safe_join, telling_where
from curation.storage.tar_members import END, header_of, key_of, padded, tar_file

SHARDS: Final = "labels"
"""The folder of a dataset that holds them."""
SETTING: Final = "shards"
"""The setting of a card that tells of them."""
SHARD_BYTES: Final = 256_000_000
"""No shard is larger, but one of a single sample: few for a file system, and soon fetched where all of it is read."""


def refuse_taken(folders: Collection[str], *, out: Path) -> None:
    """Raise InputRefused where files of samples are to lie in the folder of shards."""
    if SHARDS in folders:
        reason = f"files of these samples lie in a folder {SHARDS}, where their shards would"
        raise InputRefused(reason, where=out / SHARDS, remedy="leave out --shards")


def in_shards(blocks: Iterable[pa.Table], *, out: Path, shard_bytes: int = SHARD_BYTES) -> Iterator[pa.Table]:
    """Yield rows sorted by id with their labels in shards below `out`, all on the disk once the last row was taken.

    The files that they were in stay: see `drop_packed`.
    Raises EnvironmentProblem, also for a label that is gone or is not the one that was made.
    """
    with ExitStack() as open_shard:
        shards = _Shards(out / SHARDS, open_shard=open_shard, shard_bytes=shard_bytes)
        for table in blocks:
            yield _packed(table, out=out, shards=shards)


def drop_packed(outcomes: Iterable[Outcome], *, out: Path) -> None:
    """Delete the label files that outcomes name, which lie in shards now, and the folders that are empty then."""
    folders = set()
    with telling_where(out):
        for outcome in outcomes:
            for name in _label_files(outcome):
                with suppress(BadRecord):  # a path that leads elsewhere is none of ours
                    path = safe_join(out, name)
                    path.unlink(missing_ok=True)
                    folders.add(path.parent)
        for folder in folders - {out}:
            with suppress(OSError):
                folder.rmdir()


class _Shards:
    """Writes shards into a folder, one after the other; `open_shard` holds the one that is written to."""

    def __init__(self, folder: Path, *, open_shard: ExitStack, shard_bytes: int) -> None:
        self._folder, self._open_shard, self._shard_bytes = folder, open_shard, shard_bytes
        self._number = -1
        self._size = 0
        self._stream: IO[bytes] | None = None

    def add(self, id_: str, labels: Mapping[str, tuple[str, bytes]]) -> dict[str, str]:
        """Write the labels of a sample, by column the suffix and the bytes of each; return their paths by column."""
        key = key_of(id_)
        members = [
            (column, suffix, header_of(f"{key}.{column}{suffix}", size=len(data)), data)
            for column, (suffix, data) in sorted(labels.items())
        ]
        needed = sum(len(header) + len(padded(data)) for _, _, header, data in members)
        stream = self._stream_for(needed)
        paths = {}
        for column, suffix, header, data in members:
            file = f"{SHARDS}/{_name(self._number)}"
            paths[column] = str(ByteRange(file, self._size + len(header), len(data), suffix))
            self._size += stream.write(header + padded(data))
        return paths

    def _stream_for(self, needed: int) -> IO[bytes]:
        """Return the shard that takes so many bytes more: the one that is open, or the next."""
        is_full = self._size > 0 and self._size + needed + len(END) > self._shard_bytes
        if self._stream is None or is_full:
            self._open_shard.close()
            self._number, self._size = self._number + 1, 0
            self._stream = self._open_shard.enter_context(tar_file(self._folder / _name(self._number)))
        return self._stream


def _name(number: int) -> str:
    return f"part-{number:05}.tar"


def _packed(table: pa.Table, *, out: Path, shards: _Shards) -> pa.Table:
    columns = [column for column in FOLDERS if column in table.column_names]
    digests = [name for name in map(digest_column, columns) if name in table.column_names]
    paths: list[dict[str, str]] = []
    for row in table.select(["id", *columns, *digests]).to_pylist():
        labels = {name: _read(row, column=name, out=out) for name in columns if row[name] is not None}
        paths.append(shards.add(row["id"], labels) if labels else {})
    for column in columns:
        place = table.column_names.index(column)
        named = pa.array([one.get(column) for one in paths], table.schema.field(column).type)
        table = table.set_column(place, table.schema.field(column), named)
    return table


def _read(row: Mapping[str, Any], *, column: str, out: Path) -> tuple[str, bytes]:
    file = out / row[column]
    try:
        data = read_file(file, below=out)
        check_row_digest(data, row=row, column=column, file=file)
    except BadRecord as problem:
        reason = f"a label that this run made is gone or was changed: {problem.reason}"
        remedy = f"delete {out}, which is unfinished, and run the same command again"
        raise EnvironmentProblem(reason, where=file, remedy=remedy) from problem
    return known_suffix(PurePosixPath(row[column]).suffix), data


def _label_files(outcome: Outcome) -> Iterator[str]:
    if (sample := outcome.sample) is not None:
        named = {column: getattr(sample, column, sample.extra.get(column)) for column in FOLDERS}
        yield from (path for path in named.values() if path is not None)
