"""Join the manifests of several datasets into one table; refuse what would overwrite, mix or leak."""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import accumulate
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curation.byte_range import byte_range
from curation.dataset.class_names import CLASSES, class_names_of
from curation.dataset.dataset import FILE_COLUMNS, SCHEMA, Dataset
from curation.dataset.rows import blocks_of
from curation.errors import InputRefused
from curation.storage.text_keys import in_order, keys_of

NAMES_SHOWN: Final = 5


class Joined:
    """Rows of several datasets, one dataset after the other, each id behind the prefix of its dataset.

    They are read when they are asked for (see `curation.dataset.rows`). `columns` are the types of added columns,
    `notes` those of a card: what the values of class maps mean.
    """

    def __init__(self, datasets: Sequence[Dataset], *, prefixes: Sequence[str]) -> None:
        self.datasets = datasets
        self.prefixes = prefixes
        self.columns = _added_columns(datasets)
        self.schema = pa.schema([*SCHEMA, *(pa.field(name, kind) for name, kind in self.columns.items())])
        self.notes = _class_notes(datasets)
        blocks = [len(dataset.rows.starts) - 1 for dataset in datasets]
        self._first_blocks = [0, *accumulate(blocks)]
        self._firsts = [0, *accumulate(map(len, datasets))]
        starts = (first + start for first, one in zip(self._firsts, datasets) for start in one.rows.starts[:-1])
        self.starts = [*starts, self._firsts[-1]]

    def __len__(self) -> int:
        """Return the number of rows."""
        return self.starts[-1]

    @cached_property
    def table(self) -> pa.Table:
        """All rows in memory."""
        return pa.concat_tables([self.schema.empty_table(), *blocks_of(self)])

    @cached_property
    def owner(self) -> dict[str, int]:
        """For each id the index of its dataset."""
        return {
            id_: self.owner_of(block)
            for block in range(len(self.starts) - 1)
            for id_ in self.block(block, ["id"])["id"].to_pylist()
        }

    @property
    def is_in_memory(self) -> bool:
        """Tell whether the rows of all datasets are in memory anyway."""
        return all(dataset.rows.is_in_memory for dataset in self.datasets)

    def owner_of(self, block: int) -> int:
        """Return the index of the dataset of a block."""
        return bisect_right(self._first_blocks, block) - 1

    def owners(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the index of the dataset of each row, by its number among all."""
        return np.searchsorted(self._firsts, places, side="right") - 1

    def places_of(self, dataset: int, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the numbers among all rows of some rows of one dataset, by their numbers in it."""
        return places + self._firsts[dataset]

    def block(self, number: int, columns: Sequence[str] | None = None) -> pa.Table:
        """Return the rows of one block, with these columns alone where they are named."""
        owner = self.owner_of(number)
        dataset, prefix = self.datasets[owner], self.prefixes[owner]
        fields = [self.schema.field(name) for name in (self.schema.names if columns is None else columns)]
        own = [field.name for field in fields if field.name in dataset.schema.names]
        table = dataset.rows.block(number - self._first_blocks[owner], own or ["id"])
        arrays = [_shaped(table, field=field, dataset=dataset, prefix=prefix) for field in fields]
        return pa.table(arrays, schema=pa.schema(fields))

    def whole(self) -> pa.Table:
        """Return all rows in memory."""
        return self.table


def join_tables(datasets: Sequence[Dataset], *, prefixes: Sequence[str]) -> Joined:
    """Return all rows, each id behind the prefix of its dataset, with the columns that any of the datasets has.

    Raises InputRefused when two datasets would write the same file or id, also where they differ only in case or in
    Unicode form (many file systems take these for one), or when they disagree on the type of an added column or on
    what a value of their class maps means.
    """
    joined = Joined(datasets, prefixes=prefixes)
    for index, dataset in enumerate(datasets):
        others = [field.name for field in joined.schema if _is_of_other_type(field, dataset=dataset)]
        for table in dataset.batches(others) if others else ():
            for name in others:
                _cast(table[name], field=joined.schema.field(name), dataset=datasets[index])
    if len(datasets) > 1:
        _refuse_collisions(joined)
    return joined


def _is_of_other_type(field: pa.Field, *, dataset: Dataset) -> bool:
    return field.name in dataset.schema.names and dataset.schema.field(field.name).type != field.type


def _class_notes(datasets: Sequence[Dataset]) -> dict[str, Any]:
    """Return the note of a card that names the classes of class maps, {} where no dataset has them."""
    remedy = "do not join them: name both where data sets are used, as in `--data A B`"
    found = class_names_of(datasets, remedy=remedy)
    return {CLASSES: {name: value for value, name in found.items()}} if found else {}


def _added_columns(datasets: Sequence[Dataset]) -> dict[str, pa.DataType]:
    columns: dict[str, pa.DataType] = {}
    seen_in: dict[str, Dataset] = {}
    for dataset in datasets:
        for field in dataset.schema:
            if field.name in SCHEMA.names:
                continue
            _refuse_unkept(field, dataset=dataset)
            known = columns.get(field.name, pa.null())
            if known == pa.null():
                columns[field.name], seen_in[field.name] = field.type, dataset
            elif field.type not in (known, pa.null()):
                raise InputRefused(
                    f"the column {field.name!r} holds {field.type} here and {known} in {seen_in[field.name].folder}",
                    where=dataset.folder,
                    remedy="rename or convert the column in one of the datasets, then merge again",
                )
    return columns


def _refuse_unkept(field: pa.Field, *, dataset: Dataset) -> None:
    """Refuse types that would come back from the journal as something else."""
    kind = field.type
    while pa.types.is_list(kind) or pa.types.is_large_list(kind):
        kind = kind.value_type
    kept = (pa.types.is_null, pa.types.is_boolean, pa.types.is_integer, pa.types.is_floating, pa.types.is_string)
    if not any(is_kept(kind) for is_kept in (*kept, pa.types.is_large_string)):
        raise InputRefused(
            f"the column {field.name!r} holds {field.type}, which a merge does not keep",
            where=dataset.folder,
            remedy="store it as text or numbers, or leave the column out",
        )


def _shaped(table: pa.Table, *, field: pa.Field, dataset: Dataset, prefix: str) -> pa.ChunkedArray | pa.Array:
    if field.name not in dataset.schema.names:
        return pa.nulls(table.num_rows, field.type)
    column = _cast(table[field.name], field=field, dataset=dataset)
    if field.name != "id" or not prefix:
        return column
    return pc.binary_join_element_wise(prefix, column, "")


def _cast(column: pa.ChunkedArray, *, field: pa.Field, dataset: Dataset) -> pa.ChunkedArray:
    try:
        return column.cast(field.type)
    except pa.ArrowException as error:
        raise InputRefused(
            f"the column {field.name!r} holds {column.type}, not {field.type}: {error}",
            where=dataset.folder,
            remedy="make the dataset again with --overwrite",
        ) from error


def _refuse_collisions(joined: Joined) -> None:
    keys, owners = [], []
    for owner, names in _names_of(joined):
        keys.append(keys_of(map(_folded, names)))
        owners.append(np.full(len(names), owner, dtype=np.int32))
    order, is_equal = in_order(np.concatenate(keys))
    owner_of = np.concatenate(owners)
    firsts = owner_of[order][~is_equal][np.cumsum(~is_equal) - 1]  # equal keys keep their order
    clashes = np.full(len(order), -1, dtype=np.int32)
    clashes[order] = np.where(firsts != owner_of[order], firsts, -1)
    if (clashes >= 0).any():
        raise _collision(joined, clashes=clashes)


def _collision(joined: Joined, *, clashes: NDArray[np.int32]) -> InputRefused:
    """Return the refusal; `clashes` tells of each name which dataset before its own has it, -1 where none has."""
    clashing: dict[str, tuple[int, int]] = {}
    start = 0
    for owner, names in _names_of(joined):
        for name, first in zip(names, clashes[start : start + len(names)].tolist(), strict=True):
            if first >= 0:
                clashing.setdefault(name, (first, owner))
        start += len(names)
    names = list(clashing)
    first, second = clashing[names[0]]
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return InputRefused(
        f"names are taken twice: {', '.join(names[:NAMES_SHOWN])}{more}",
        where=f"{joined.datasets[first].folder} and {joined.datasets[second].folder}",
        remedy="put the name of each dataset's folder before its ids (these names must differ): --prefix of merge, "
        "mine and prelabel does so; for another command join them first, with `curate merge --prefix`",
    )


def _names_of(joined: Joined) -> Iterator[tuple[int, list[str]]]:
    """Yield the names that each block takes, and the index of its dataset."""
    columns = ["id", *(name for name in FILE_COLUMNS if name in joined.schema.names)]
    for number in range(len(joined.starts) - 1):
        owner = joined.owner_of(number)
        yield owner, list(_names(joined.block(number, columns), prefix=joined.prefixes[owner]))


def _folded(name: str) -> bytes:
    return unicodedata.normalize("NFC", name).casefold().encode()


def _names(table: pa.Table, *, prefix: str) -> Iterator[str]:
    """Yield the ids, and the files whose name is not simply the id (these would only say the same again)."""
    ids = table["id"].to_pylist()
    yield from ids
    for column in FILE_COLUMNS:
        if column not in table.column_names:
            continue
        for id_, path in zip(ids, table[column].to_pylist(), strict=True):
            if path is None or byte_range(path) is not None:  # which gets the id for its name
                continue
            folder, _, name = path.rpartition("/")
            if f"{prefix}{name}".rpartition(".")[0] != id_:
                yield f"{folder}/{prefix}{name}"
