"""Rows of a manifest that come in the order of the work, and are given back in that of their ids.

Of very many, sorted runs are laid down beside the journal and merged when they are wanted, so that few are in memory.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curation.dataset.table import table_of, with_columns
from curation.storage.files import make_folder, telling_where
from curation.storage.open_unfollowed import make_anew, open_unfollowed

RUN_ROWS: Final = 250_000
"""So many rows are sorted in memory: some 200 MB while it is done."""
READ_AT_ONCE: Final = 8192
"""Rows of each run that are in memory while the runs are merged."""


class SortedRows:
    """Rows that are added table by table; `folder` is this command's own, and is gone after `close`.

    They have the columns of `schema`, those of a sample where none is given, and any others.
    """

    def __init__(self, folder: Path, *, schema: pa.Schema | None = None, run_rows: int = RUN_ROWS) -> None:
        self._folder, self._run_rows = folder, run_rows
        self._none = table_of([]) if schema is None else schema.empty_table()
        self._waiting: list[pa.Table] = [self._none]
        self._schemas: list[pa.Schema] = [self._none.schema]
        self._runs: list[Path] = []
        drop_rows(folder)

    def add(self, table: pa.Table) -> None:
        """Add rows, in any order; raises EnvironmentProblem where there is no space for them."""
        self._waiting.append(table)
        if table.schema not in self._schemas:
            self._schemas.append(table.schema)
        if sum(map(len, self._waiting)) >= self._run_rows:
            self._lay_down()

    def columns(self, names: Sequence[str]) -> Iterator[pa.Table]:
        """Yield these columns of all rows, as far as there are such, in no order."""
        for run in self._runs:
            with telling_where(run), open_unfollowed(run, "rb") as stream:
                file = pq.ParquetFile(stream, pre_buffer=False)
                own = [name for name in names if name in file.schema_arrow.names]
                for group in range(file.num_row_groups):
                    yield file.read_row_group(group, columns=own, use_threads=False)
        for table in self._waiting:
            yield table.select([name for name in names if name in table.column_names])

    def blocks(self, *, types: Mapping[str, pa.DataType]) -> Iterator[pa.Table]:
        """Yield all rows sorted by id, at least once, with the same columns each time; added ones in these types."""
        schema = pa.unify_schemas(self._schemas, promote_options="permissive")
        if self._runs:
            self._lay_down()  # not held while the runs are merged
        rest = pa.concat_tables(self._waiting, promote_options="permissive").sort_by("id")
        with ExitStack() as stack:
            sources = [self._tables(run, stack=stack) for run in self._runs]
            for table in _merged([*sources, iter([rest])]):
                yield with_columns(_in_shape(table, schema=schema), types=types)

    def close(self) -> None:
        """Drop what was laid down."""
        drop_rows(self._folder)

    def _lay_down(self) -> None:
        make_folder(self._folder)
        path = self._folder / f"{len(self._runs):05}.parquet"
        table = pa.concat_tables(self._waiting, promote_options="permissive").sort_by("id")
        with telling_where(path), make_anew(path) as stream:
            pq.write_table(table, stream, row_group_size=READ_AT_ONCE, compression="zstd")
        self._runs.append(path)
        self._waiting = [self._none]

    def _tables(self, run: Path, *, stack: ExitStack) -> Iterator[pa.Table]:
        file = pq.ParquetFile(stack.enter_context(open_unfollowed(run, "rb")), pre_buffer=False)
        for group in range(file.num_row_groups):
            yield file.read_row_group(group, use_threads=False)


def drop_rows(folder: Path) -> None:
    """Delete rows that a command laid down, or one that was killed."""
    if folder.is_symlink():
        folder.unlink()
    elif folder.is_dir():
        shutil.rmtree(folder)


def _merged(sources: Sequence[Iterator[pa.Table]]) -> Iterator[pa.Table]:
    """Yield the rows of several sources, each sorted by id, sorted by id."""
    fronts = [(next(source), source) for source in sources]
    while len(fronts) > 1:
        # up to the first end no row can come any more but from what is here
        end = min((front["id"][-1].as_py() for front, _ in fronts if len(front)), default="")
        pieces, left = [], []
        for front, source in fronts:
            number = pc.sum(pc.less_equal(front["id"], end)).as_py() or 0
            pieces.append(front.slice(0, number))
            following = front.slice(number) if number < len(front) else next(source, None)
            if following is not None:
                left.append((following, source))
        fronts = left
        yield pa.concat_tables(pieces, promote_options="permissive").sort_by("id")
    for front, source in fronts:
        yield front
        yield from source


def _in_shape(table: pa.Table, *, schema: pa.Schema) -> pa.Table:
    columns = [
        table[field.name].cast(field.type) if field.name in table.column_names else pa.nulls(len(table), field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)
