"""A manifest in parts: `manifest/part-00000.parquet` and on, sorted by id, each with its SHA-256 in the card.

A data set of more than `PART_ROWS` rows is written so. Other tools read the folder as one table.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from io import BufferedReader
from itertools import accumulate, chain, islice
from pathlib import Path
from typing import IO, Final, cast

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curation.dataset.card import Part, part_name
from curation.errors import InputRefused
from curation.storage.files import cannot_write, fingerprint_file, sha256_of, sync_folder
from curation.storage.open_unfollowed import make_anew, open_unfollowed
from curation.storage.safe_id import check_ids

PARTS: Final = "manifest"
PART_ROWS: Final = 1_000_000
"""So many rows are one file; more are parts of so many each."""
BLOCK_ROWS: Final = 62_500
"""At most so many rows are a row group, which is read at once: some 25 MB with all columns."""
REMEDY: Final = "restore the file, or make the dataset again with --overwrite"


class PartProblem(Exception):
    """Why a part is not the one that the card names."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(reason)
        self.path = path
        self.reason = reason


class InParts:
    """Rows in parts: nothing is kept in memory but what was asked for whole.

    Each part is compared with its SHA-256 when it is opened first, and again where the file is another by then.
    """

    def __init__(self, folder: Path, parts: Sequence[Part]) -> None:
        self._folder = folder
        self._parts = parts
        self._checked: dict[str, tuple[int, ...]] = {}

    def check(self) -> None:
        """Compare all parts with their SHA-256; raises PartProblem for the first that is missing or changed."""
        for part in self._parts:
            with self._file(part):
                pass

    @cached_property
    def schema(self) -> pa.Schema:
        """The columns and their types."""
        return self._layout[0]

    @cached_property
    def starts(self) -> Sequence[int]:
        """The number of the first row of each block, and of all rows."""
        return (0, *accumulate(rows for _, _, rows in self._layout[1]))

    @property
    def is_in_memory(self) -> bool:
        """They are on the disk."""
        return False

    def block(self, number: int, columns: Sequence[str] | None = None) -> pa.Table:
        """Return one row group. Raises InputRefused where its part was changed, SecurityRefused for a hostile id."""
        part, group, _ = self._layout[1][number]
        with self._opened(part) as file:
            names = None if columns is None else list(columns)
            table = file.read_row_group(group, columns=names, use_threads=False)
        if "id" in table.column_names:
            self._check_ids(table["id"], part=part, group=group)
        return table if names is None else table.select(names)

    def whole(self) -> pa.Table:
        """Return all rows; they stay in memory for whoever asks again."""
        return self._whole

    @cached_property
    def _whole(self) -> pa.Table:
        return pa.concat_tables([self.block(number) for number in range(len(self.starts) - 1)])

    @cached_property
    def _layout(self) -> tuple[pa.Schema, list[tuple[Part, int, int]]]:
        """The columns; and of each block the part, the row group in it, and its number of rows."""
        blocks, schema = [], None
        for part in self._parts:
            with self._opened(part) as file:
                schema = schema or file.schema_arrow
                if not file.schema_arrow.equals(schema):
                    raise self._damaged(part, f"its columns are others than those of {self._parts[0].name}")
                rows = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
            if sum(rows) != part.rows:
                raise self._damaged(part, f"it holds {sum(rows)} rows; the card counts {part.rows}")
            blocks += [(part, group, number) for group, number in enumerate(rows)]
        assert schema is not None, "a manifest in parts has one at least"
        return schema, blocks

    def _check_ids(self, ids: pa.ChunkedArray, *, part: Part, group: int) -> None:
        """Refuse ids that are none, that repeat, or that lie outside the range which the card tells of the part."""
        check_ids(pa.table({"id": ids}), where=self._folder / part.name)
        names = ids.combine_chunks()
        if names.null_count or not _is_rising(names):
            raise self._damaged(part, f"rows of its row group {group} repeat an id, are not sorted, or have none")
        if len(names) and not part.first_id <= names[0].as_py() <= names[-1].as_py() <= part.last_id:
            raise self._damaged(part, f"it holds ids beyond {part.first_id!r} to {part.last_id!r}")

    @contextmanager
    def _opened(self, part: Part) -> Iterator[pq.ParquetFile]:
        """Open a part, without threads: those of pyarrow 25 abort the process now and then while it exits."""
        try:
            with self._file(part) as stream:
                yield pq.ParquetFile(stream, pre_buffer=False)
        except PartProblem as problem:
            raise InputRefused(
                f"another command changed the dataset while it was read: {problem.reason}",
                where=problem.path,
                remedy="run the same command again",
            ) from problem
        except (pa.ArrowException, OSError) as error:
            raise self._damaged(part, str(error)) from error

    @contextmanager
    def _file(self, part: Part) -> Iterator[IO[bytes]]:
        path = self._folder / part.name
        try:
            stream = cast(BufferedReader, open_unfollowed(path, "rb"))
        except FileNotFoundError:
            raise PartProblem(path, f"it is missing; its SHA-256 is {part.sha256}") from None
        except OSError as error:
            raise PartProblem(
                path, f"{(error.strerror or str(error)).lower()}; its SHA-256 is {part.sha256}"
            ) from error
        with stream:
            status = os.fstat(stream.fileno())
            known = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
            if self._checked.get(part.name) != known:
                if (found := hashlib.file_digest(stream, "sha256").hexdigest()) != part.sha256:
                    raise PartProblem(path, f"its SHA-256 is {found}, and {part.sha256} in the card")
                self._checked[part.name] = known
                stream.seek(0)
            yield stream

    def _damaged(self, part: Part, reason: str) -> InputRefused:
        return InputRefused(f"damaged: {reason}", where=self._folder / part.name, remedy=REMEDY)


def parts_sha256(parts: Sequence[Part]) -> str:
    """Return one SHA-256 for all parts."""
    return sha256_of("\n".join(part.sha256 for part in parts).encode())


def write_parts(folder: Path, rows: Iterable[pa.Table], *, part_rows: int) -> list[Part]:
    """Write rows that come sorted by id as parts into a new folder, and give their list, when all is on the disk.

    Equal rows give equal bytes, however they are divided. Raises EnvironmentProblem.
    """
    blocks = -(-part_rows // BLOCK_ROWS)
    tables = regular(rows, size=part_rows // blocks)
    parts: list[Part] = []
    try:
        folder.mkdir()
        for first in tables:
            parts.append(_write_part(folder / part_name(len(parts)), chain([first], islice(tables, blocks - 1))))
        sync_folder(folder)
    except OSError as error:
        raise cannot_write(folder, error) from error
    return parts


def _write_part(path: Path, tables: Iterator[pa.Table]) -> Part:
    first = next(tables)
    first_id = last_id = first["id"][0].as_py()
    number = 0
    with make_anew(path) as stream:
        with pq.ParquetWriter(stream, first.schema, compression="zstd") as writer:
            for table in chain([first], tables):
                ids = table["id"].combine_chunks()
                assert _is_rising(ids) and (not number or last_id < ids[0].as_py()), "ids repeat, or are not sorted"
                writer.write_table(table, row_group_size=table.num_rows)
                last_id, number = ids[-1].as_py(), number + table.num_rows
        stream.flush()
        os.fsync(stream.fileno())
    return Part(name=path.name, sha256=fingerprint_file(path), rows=number, first_id=first_id, last_id=last_id)


def _is_rising(ids: pa.Array) -> bool:
    """Tell whether each id comes after the one before it; ids that are none are not looked at."""
    return pc.all(pc.less(ids[:-1], ids[1:])).as_py() is not False


def regular(tables: Iterable[pa.Table], *, size: int) -> Iterator[pa.Table]:
    """Yield the same rows in tables of `size` rows, each in one piece; the last may hold fewer."""
    waiting: list[pa.Table] = []
    number = 0
    for table in tables:
        while number + table.num_rows >= size:
            cut = size - number
            yield pa.concat_tables([*waiting, table.slice(0, cut)]).combine_chunks()
            table, waiting, number = table.slice(cut), [], 0
        if table.num_rows:
            waiting.append(table)
            number += table.num_rows
    if number:
        yield pa.concat_tables(waiting).combine_chunks()
