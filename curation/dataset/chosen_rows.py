"""Some rows of many, in an order of one's own, each read when it is asked for."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Final, overload

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation.dataset.rows import Rows

ROWS_AT_ONCE: Final = 1024
BLOCKS_KEPT: Final = 4
"""So many stay in memory: where rows of several datasets are in the order of their ids, these take turns."""
Row = dict[str, Any]


class ChosenRows(Sequence[Row]):
    """Rows by their numbers. What is read of them is what a block holds; no list of rows is ever made.

    Reading raises InputRefused where a part was changed since its dataset was read.
    """

    def __init__(self, rows: Rows, places: NDArray[np.int64]) -> None:
        self.rows = rows
        self.places = places
        self._blocks: dict[int, pa.Table] = {}

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.places)

    @overload
    def __getitem__(self, key: int) -> Row: ...
    @overload
    def __getitem__(self, key: slice) -> list[Row]: ...
    def __getitem__(self, key: int | slice) -> Row | list[Row]:
        """Return one row, or a list of them; raises IndexError."""
        if isinstance(key, slice):
            return self._read(self.places[key])
        return self._read(self.places[[operator.index(key)]])[0]

    def __iter__(self) -> Iterator[Row]:
        """Yield the rows in their order."""
        for start in range(0, len(self), ROWS_AT_ONCE):
            yield from self._read(self.places[start : start + ROWS_AT_ONCE])

    def batches(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Yield these columns of the rows, as far as there are such, in the order of the manifest."""
        wanted = np.sort(self.places)
        names = [name for name in columns if name in self.rows.schema.names]
        starts = self.rows.starts
        for number, (start, end) in enumerate(zip(starts, islice(starts, 1, None), strict=False)):
            first, last = np.searchsorted(wanted, (start, end))
            if first < last or not len(wanted):
                own = wanted[first:last] - start
                table = self.rows.block(number, names)
                yield table if len(own) == table.num_rows else table.take(pa.array(own))

    def column(self, name: str) -> Iterator[Any]:
        """Yield the values of one column in the order of the rows."""
        for start in range(0, len(self), ROWS_AT_ONCE):
            places = self.places[start : start + ROWS_AT_ONCE]
            found = np.empty(len(places), dtype=object)
            for at, block, own in self._by_block(places):
                found[at] = self._block(block)[name].take(pa.array(own)).to_pylist()
            yield from found.tolist()

    def _read(self, places: NDArray[np.int64]) -> list[Row]:
        found: list[Row] = [{}] * len(places)
        for at, block, own in self._by_block(places):
            for index, row in zip(at.tolist(), self._block(block).take(pa.array(own)).to_pylist(), strict=True):
                found[index] = row
        return found

    def _by_block(self, places: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], int, NDArray[np.int64]]]:
        """Yield which of the places lie in one block, the block, and where in it they lie."""
        starts = np.asarray(self.rows.starts)
        blocks = np.searchsorted(starts, places, side="right") - 1
        for block in np.unique(blocks).tolist():
            at = np.flatnonzero(blocks == block)
            yield at, block, places[at] - starts[block]

    def _block(self, number: int) -> pa.Table:
        if number not in self._blocks:
            while len(self._blocks) >= BLOCKS_KEPT:
                del self._blocks[next(iter(self._blocks))]
            self._blocks[number] = self.rows.block(number)
        return self._blocks[number]
