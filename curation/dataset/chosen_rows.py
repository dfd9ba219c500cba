"""Some rows of many, in an order of one's own, each read when it is asked for."""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, compress, islice
from typing import Any, Final, TypeAlias, overload

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation.dataset.rows import Rows, blocks_of
from curation.sequences import batched
from curation.storage.text_set import TextSet

ROWS_AT_ONCE: Final = 1024
BLOCKS_KEPT: Final = 4
"""So many stay in memory: where rows of several datasets are in the order of their ids, these take turns."""
Row = dict[str, Any]
SomeRow: TypeAlias = Mapping[str, Any]

Rules: TypeAlias = Mapping[str, Callable[[int, SomeRow], bool]]
"""By the reason what tells of a row, by its number and some of its columns, that it is left out."""


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
            if first < last or not (len(wanted) or number):
                own = wanted[first:last] - start
                table = self.rows.block(number, names)
                yield table if len(own) == table.num_rows else table.take(pa.array(own))

    def column(self, name: str) -> Iterator[Any]:
        """Yield the values of one column, which alone is read, in the order of the rows."""
        read: dict[int, pa.Table] = {}
        for start in range(0, len(self), ROWS_AT_ONCE):
            places = self.places[start : start + ROWS_AT_ONCE]
            found = np.empty(len(places), dtype=object)
            for at, block, own in self._by_block(places):
                found[at] = self._block(block, [name], read=read)[name].take(pa.array(own)).to_pylist()
            yield from found.tolist()

    def at(self, numbers: NDArray[np.int64]) -> list[Row]:
        """Return rows by their numbers among these."""
        return self._read(self.places[numbers])

    def kept(self, is_kept: NDArray[np.bool_]) -> ChosenRows:
        """Return the rows for which the array, of a value for each row, holds True."""
        return ChosenRows(self.rows, self.places[is_kept])

    def having(self, are_kept: Callable[[Sequence[str]], Iterable[bool]]) -> ChosenRows:
        """Return the rows that are kept by their ids, of which many are asked for at once."""
        return self.kept(_asked(self, are_kept))

    def without(self, done: TextSet) -> ChosenRows:
        """Return the rows whose id is not among these."""
        return self.having(_unknown_to(done)) if len(done) else self

    def _read(self, places: NDArray[np.int64]) -> list[Row]:
        found: list[Row] = [{}] * len(places)
        for at, block, own in self._by_block(places):
            table = self._block(block, None, read=self._blocks)
            for index, row in zip(at.tolist(), table.take(pa.array(own)).to_pylist(), strict=True):
                found[index] = row
        return found

    def _by_block(self, places: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], int, NDArray[np.int64]]]:
        """Yield which of the places lie in one block, the block, and where in it they lie."""
        starts = np.asarray(self.rows.starts)
        blocks = np.searchsorted(starts, places, side="right") - 1
        for block in np.unique(blocks).tolist():
            at = np.flatnonzero(blocks == block)
            yield at, block, places[at] - starts[block]

    def _block(self, number: int, columns: Sequence[str] | None, *, read: dict[int, pa.Table]) -> pa.Table:
        if number not in read:
            while len(read) >= BLOCKS_KEPT:
                del read[next(iter(read))]
            read[number] = self.rows.block(number, columns)
        return read[number]


def first_rows(rows: Rows, *, limit: int | None = None) -> ChosenRows:
    """Return the first so many rows, or all."""
    return ChosenRows(rows, np.arange(rows.starts[-1])[:limit])


def places_left(rows: Rows, *, columns: Sequence[str], rules: Rules) -> tuple[NDArray[np.int64], Counter[str]]:
    """Return the numbers of the rows that no rule leaves out, and how many rows each does: the first that tells so.

    They are asked with those of these columns that there are.
    """
    names = [name for name in columns if name in rows.schema.names]
    places: list[NDArray[np.int64]] = [np.empty(0, dtype=np.int64)]
    counts = Counter[str]()
    for start, table in zip(rows.starts, blocks_of(rows, names)):
        left = []
        for place, row in enumerate(table.to_pylist(), start=start):
            reason = next((reason for reason, is_left_out in rules.items() if is_left_out(place, row)), None)
            if reason is None:
                left.append(place)
            else:
                counts[reason] += 1
        places.append(np.array(left, dtype=np.int64))
    return np.concatenate(places), counts


def column_of(rows: Sequence[SomeRow], name: str) -> Iterator[Any]:
    """Return the values of one column of some rows; of chosen rows nothing else is read."""
    return rows.column(name) if isinstance(rows, ChosenRows) else (row[name] for row in rows)


def rows_with(rows: Sequence[SomeRow], are_kept: Callable[[Sequence[str]], Iterable[bool]]) -> Sequence[SomeRow]:
    """Return the rows that are kept by their ids, of which many are asked for at once."""
    return rows_kept(rows, _asked(rows, are_kept))


def rows_kept(rows: Sequence[SomeRow], is_kept: NDArray[np.bool_]) -> Sequence[SomeRow]:
    """Return the rows for which the array, of a value for each row, holds True; chosen rows are not read."""
    return rows.kept(is_kept) if isinstance(rows, ChosenRows) else list(compress(rows, is_kept.tolist()))


def rows_without(rows: Sequence[SomeRow], done: TextSet) -> Sequence[SomeRow]:
    """Return the rows whose id is not among these."""
    return rows_with(rows, _unknown_to(done)) if len(done) else rows


def _unknown_to(done: TextSet) -> Callable[[Sequence[str]], Iterable[bool]]:
    return lambda ids: [not is_done for is_done in done.known(ids)]


def _asked(rows: Sequence[SomeRow], are_kept: Callable[[Sequence[str]], Iterable[bool]]) -> NDArray[np.bool_]:
    answers = (are_kept(some) for some in batched(column_of(rows, "id"), size=ROWS_AT_ONCE))
    return np.fromiter(chain.from_iterable(answers), dtype=np.bool_, count=len(rows))
