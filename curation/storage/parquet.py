"""Tables as the bytes of Parquet files, and back."""

from __future__ import annotations

import io
from typing import get_args, get_type_hints

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq


def parquet_bytes(table: pa.Table) -> bytes:
    """Return a table as a Parquet file; equal tables give equal bytes."""
    stream = io.BytesIO()
    pq.write_table(table, stream, compression="zstd")
    return stream.getvalue()


def schema_of(kind: type[msgspec.Struct]) -> pa.Schema:
    """Return the columns of a table with a row for each struct of a kind: numbers, truth values and texts, or null.

    >>> class Row(msgspec.Struct):
    ...     name: str
    ...     area: float | None
    >>> [str(field.type) for field in schema_of(Row)]
    ['string', 'double']
    """
    types = {int: pa.int32(), float: pa.float64(), bool: pa.bool_()}
    hints = {name: next(iter(get_args(hint)), hint) for name, hint in get_type_hints(kind).items()}
    return pa.schema([(name, types.get(hint, pa.string())) for name, hint in hints.items()])


def table_in(data: bytes) -> pa.Table:
    """Return the table of a Parquet file, read in this thread; raises what pyarrow raises for one that is damaged."""
    # without threads: those of pyarrow 25 abort the process now and then while it exits
    return pq.ParquetFile(pa.BufferReader(data), pre_buffer=False).read(use_threads=False)
