"""The rows of a manifest, wherever they lie: in memory, or in parts on the disk that are read when they are wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import pyarrow as pa

Batches: TypeAlias = Callable[[Sequence[str]], Iterable[pa.Table]]
"""Gives rows, some at a time, with those of the named columns that there are; the same whenever it is called."""


class Rows(Protocol):
    """Rows sorted by id, in blocks; a block is what is read at once."""

    @property
    def schema(self) -> pa.Schema:
        """The columns and their types."""

    @property
    def starts(self) -> Sequence[int]:
        """The number of the first row of each block, from 0, and behind them the number of all rows."""

    @property
    def is_in_memory(self) -> bool:
        """Tell whether all rows are in memory anyway."""

    def block(self, number: int, columns: Sequence[str] | None = None) -> pa.Table:
        """Return one block, with these columns alone where they are named. Raises what `read_dataset` raises."""

    def whole(self) -> pa.Table:
        """Return all rows with all columns."""


@dataclass(frozen=True, slots=True)
class InMemory:
    """The rows of a table: one block."""

    table: pa.Table

    @property
    def schema(self) -> pa.Schema:
        """The columns and their types."""
        return self.table.schema

    @property
    def starts(self) -> Sequence[int]:
        """The one block begins at 0."""
        return (0, self.table.num_rows)

    @property
    def is_in_memory(self) -> bool:
        """They are."""
        return True

    def block(self, number: int, columns: Sequence[str] | None = None) -> pa.Table:
        """Return the table, or these columns of it."""
        assert number == 0, "a table in memory is one block"
        return self.table if columns is None else self.table.select(list(columns))

    def whole(self) -> pa.Table:
        """Return the table."""
        return self.table


def blocks_of(rows: Rows, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
    """Yield all blocks of some rows, one after the other; there is at least one, which may be empty."""
    for number in range(len(rows.starts) - 1):
        yield rows.block(number, columns)
