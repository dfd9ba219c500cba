"""The table of a manifest, made of samples, and columns that are added to it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.json as pj

from curation.dataset.dataset import SCHEMA
from curation.dataset.sample import Sample


def table_of(samples: list[Sample]) -> pa.Table:
    """Return samples as an Arrow table: the columns of the contract with their types, then the added ones."""
    if not samples:
        return pa.Table.from_batches([], SCHEMA)
    rows = [msgspec.structs.asdict(sample) for sample in samples]
    extra = [row.pop("extra") for row in rows]
    added = {name: [one.get(name) for one in extra] for name in sorted({name for one in extra for name in one})}
    plain = {name: kind for name, values in added.items() if (kind := _plain_type(values)) is not None}
    schema = pa.schema([*SCHEMA, *plain.items()])
    # as JSON, since pyarrow imports pandas to look at Python values: that takes longer than a small dataset
    lines = msgspec.json.Encoder().encode_lines(
        [row | {name: one.get(name) for name in plain} for row, one in zip(rows, extra, strict=True)]
    )
    table = pj.read_json(
        pa.BufferReader(lines),
        read_options=pj.ReadOptions(use_threads=False, block_size=len(lines)),
        parse_options=pj.ParseOptions(explicit_schema=schema, unexpected_field_behavior="error"),
    ).cast(schema)
    for name in added.keys() - plain.keys():
        table = table.append_column(name, pa.array(added[name]))
    return table.select([*SCHEMA.names, *added])


def _plain_type(values: list[Any]) -> pa.DataType | None:
    """Return the Arrow type of values that JSON holds as they are, None for others."""
    kinds = {type(value) for value in values if value is not None}
    if kinds == {float}:
        return pa.float64() if all(math.isfinite(value) for value in values if value is not None) else None
    plain = {bool: pa.bool_(), int: pa.int64(), str: pa.string()}
    return plain.get(kinds.pop()) if len(kinds) == 1 else None


def with_columns(table: pa.Table, *, types: Mapping[str, pa.DataType]) -> pa.Table:
    """Return the table with its added columns in these types; a column that is absent is added, empty."""
    for name, kind in types.items():
        if name in table.column_names:
            table = table.set_column(table.column_names.index(name), name, table[name].cast(kind))
        else:
            table = table.append_column(name, pa.nulls(table.num_rows, kind))
    return table
