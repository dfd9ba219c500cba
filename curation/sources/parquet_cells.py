"""Single pictures out of parquet files, without more than some rows of a file in memory."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from curation.quarantine import BadRecord, Code
from curation.storage.files import read_file, safe_join

ROWS_AT_ONCE: Final = 16
OPEN: Final = 4
"""Files that a process keeps open: rows are asked for in their order, a few columns at a time."""


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """A row of a parquet file below `root`: row number `row` of row group `group`."""

    root: str
    name: str
    group: int
    row: int

    @property
    def place(self) -> str:
        """Return what a person finds the row by."""
        return f"{self.root}/{self.name}"


def picture_in(cell: Cell, *, column: str) -> bytes | None:
    """Return the bytes of the picture in a column; None where the row has none.

    Where it has a path alone, the file of that name is read, beside the parquet file or below the root.
    Raises BadRecord: UNREADABLE for a row that does not decode, PATH_ESCAPE, and MISSING_FILE.
    """
    try:
        value = _reader(cell.place, cell.group, column).value(cell.row)
    except (pa.ArrowException, OSError, StopIteration) as error:
        raise BadRecord(Code.UNREADABLE, f"row {cell.row} of group {cell.group}: {error}", file=cell.place) from error
    if not isinstance(value, dict):
        return None if value is None else bytes(value)
    if value.get("bytes") is not None:
        return bytes(value["bytes"])
    return None if value.get("path") is None else _named(str(value["path"]), cell=cell)


def _named(path: str, *, cell: Cell) -> bytes:
    root = Path(cell.root)
    for folder in (Path(cell.place).parent, root):
        file = safe_join(folder, path)
        if file.is_file():
            return read_file(file, below=folder)
    reason = f"the row names the file {path!r} and holds no picture; that file is not here"
    raise BadRecord(Code.MISSING_FILE, reason, file=cell.place, value=path)


class _Reader:
    """Reads one column of one row group, from its start on."""

    def __init__(self, path: str, *, group: int, column: str) -> None:
        self._path, self._group, self._column = path, group, column
        self._batches = self._opened()
        self._batch: pa.RecordBatch | None = None
        self._start = 0

    def value(self, row: int) -> Any:
        """Return the value of a row; raises StopIteration where there is no such row."""
        if row < self._start:
            self._batches, self._batch, self._start = self._opened(), None, 0
        while self._batch is None or row >= self._start + len(self._batch):
            self._start += 0 if self._batch is None else len(self._batch)
            self._batch = next(self._batches)
        return self._batch.column(0)[row - self._start].as_py()

    def _opened(self) -> Iterator[pa.RecordBatch]:
        file = pq.ParquetFile(self._path, memory_map=True, pre_buffer=False)
        batches: Iterator[pa.RecordBatch] = file.iter_batches(
            batch_size=ROWS_AT_ONCE, row_groups=[self._group], columns=[self._column], use_threads=False
        )
        return batches


@lru_cache(maxsize=OPEN)
def _reader(path: str, group: int, column: str) -> _Reader:
    return _Reader(path, group=group, column=column)
