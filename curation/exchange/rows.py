"""The rows of a table one at a time: as Python objects all of them would take a hundred times the space."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, overload

import pyarrow as pa

from curation.dataset.sample import Item
from curation.exchange.form import Part
from curation.storage.safe_id import SafeId


class Rows(Mapping[str, Mapping[str, Any]]):
    """Rows by id."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table.combine_chunks()
        self._places = {id_: place for place, id_ in enumerate(table["id"].to_pylist())}

    def __getitem__(self, id_: str) -> dict[str, Any]:
        """Return the row of an id; raises KeyError."""
        (row,) = self._table.slice(self._places[id_], 1).to_pylist()
        return dict(row)

    def __iter__(self) -> Iterator[str]:
        """Yield the ids."""
        return iter(self._places)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self._places)


class Items(Sequence[Item]):
    """The samples of some parts as items, in the order of the parts."""

    def __init__(self, rows: Rows, *, parts: Sequence[Part], folder: Path) -> None:
        self._rows = rows
        self._named = [(id_, part.set) for part in parts for id_ in part.ids]
        self._folder = folder

    @overload
    def __getitem__(self, place: int) -> Item: ...

    @overload
    def __getitem__(self, place: slice) -> list[Item]: ...

    def __getitem__(self, place: int | slice) -> Item | list[Item]:
        """Return an item, or several."""
        if isinstance(place, slice):
            return [self._item(*named) for named in self._named[place]]
        return self._item(*self._named[place])

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self._named)

    def _item(self, id_: str, set_: str) -> Item:
        row = self._rows[id_]
        return Item(id=SafeId(id_), payload={"row": row, "set": set_}, file=str(self._folder / str(row["image"])))
