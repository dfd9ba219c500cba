"""Rows that are chosen by their numbers are those of a list, whichever way they are asked for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from curation.dataset.chosen_rows import ChosenRows, column_of, rows_with, rows_without
from curation.dataset.rows import InMemory
from curation.storage.text_set import TextSet


class InBlocks:
    """Rows in blocks of three, which note the columns that were read of them."""

    def __init__(self, table: pa.Table) -> None:
        self.table, self.schema, self.is_in_memory = table, table.schema, False
        self.starts = [*range(0, len(table), 3), len(table)]
        self.read: set[str] = set()

    def block(self, number: int, columns: Sequence[str] | None = None) -> pa.Table:
        names = self.schema.names if columns is None else columns
        self.read.update(names)
        return self.table.slice(self.starts[number], 3).select(names)

    def whole(self) -> pa.Table:
        return self.table


TABLE = pa.table({"id": [f"{at:02}" for at in range(10)], "mask": [None, "m"] * 5, "other": list(range(10))})
PLACES = np.array([7, 1, 9, 4, 0, 2])


def test_a_column_is_read_alone_in_the_order_of_the_rows() -> None:
    blocks = InBlocks(TABLE)
    rows = ChosenRows(blocks, PLACES)
    listed = [TABLE.to_pylist()[place] for place in PLACES]
    assert list(column_of(rows, "id")) == list(column_of(listed, "id")) == ["07", "01", "09", "04", "00", "02"]
    assert blocks.read == {"id"}
    assert rows[:] == list(rows) == rows.at(np.arange(6)) == listed
    assert rows.at(np.array([5, 0])) == [listed[5], listed[0]]


def test_rows_are_kept_by_their_ids_without_being_read() -> None:
    blocks = InBlocks(TABLE)
    rows, listed = ChosenRows(blocks, PLACES), [TABLE.to_pylist()[place] for place in PLACES]
    kept = rows_with(rows, lambda ids: [id_ > "01" for id_ in ids])
    left = rows_without(kept, TextSet(["09", "33"]))
    assert blocks.read == {"id"}
    assert list(left) == [row for row in listed if row["id"] in ("07", "04", "02")]
    assert rows_without(rows_with(listed, lambda ids: [id_ > "01" for id_ in ids]), TextSet(["09", "33"])) == list(left)
    assert list(rows.without(TextSet())) == listed


def test_of_no_rows_the_columns_are_there() -> None:
    (table,) = ChosenRows(InBlocks(TABLE), np.empty(0, np.int64)).batches(["id", "absent"])
    assert (table.num_rows, table.column_names) == (0, ["id"])
    assert len(ChosenRows(InMemory(TABLE), PLACES).kept(np.zeros(6, np.bool_))) == 0
