"""Join the manifests of several datasets into one table; refuse what would overwrite, mix or leak."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from curation.dataset.class_names import CLASSES, class_names_of
from curation.dataset.dataset import FILE_COLUMNS, SCHEMA, Dataset
from curation.errors import InputRefused

NAMES_SHOWN: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Joined:
    """Rows of several datasets: the table, for each id the index of its dataset, and the types of added columns.

    `notes` are those of a card: what the values of class maps mean.
    """

    table: pa.Table
    owner: dict[str, int]
    columns: dict[str, pa.DataType]
    notes: dict[str, Any]


def join_tables(datasets: Sequence[Dataset], *, prefixes: Sequence[str]) -> Joined:
    """Return all rows, each id behind the prefix of its dataset, with the columns that any of the datasets has.

    Raises InputRefused when two datasets would write the same file or id, also where they differ only in case or in
    Unicode form (many file systems take these for one), or when they disagree on the type of an added column or on
    what a value of their class maps means.
    """
    columns = _added_columns(datasets)
    schema = pa.schema([*SCHEMA, *(pa.field(name, kind) for name, kind in columns.items())])
    tables = [_shaped(dataset, schema=schema, prefix=prefix) for dataset, prefix in zip(datasets, prefixes)]
    _refuse_collisions(datasets, tables=tables, prefixes=prefixes)
    owner = {id_: index for index, table in enumerate(tables) for id_ in table["id"].to_pylist()}
    return Joined(
        table=pa.concat_tables([schema.empty_table(), *tables]),
        owner=owner,
        columns=columns,
        notes=_class_notes(datasets),
    )


def _class_notes(datasets: Sequence[Dataset]) -> dict[str, Any]:
    """Return the note of a card that names the classes of class maps, {} where no dataset has them."""
    remedy = "do not join them: name both where data sets are used, as in `--data A B`"
    found = class_names_of(datasets, remedy=remedy)
    return {CLASSES: {name: value for value, name in found.items()}} if found else {}


def _added_columns(datasets: Sequence[Dataset]) -> dict[str, pa.DataType]:
    columns: dict[str, pa.DataType] = {}
    seen_in: dict[str, Dataset] = {}
    for dataset in datasets:
        for field in dataset.table.schema:
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


def _shaped(dataset: Dataset, *, schema: pa.Schema, prefix: str) -> pa.Table:
    table = dataset.table
    arrays = []
    for field in schema:
        if field.name not in table.column_names:
            arrays.append(pa.nulls(table.num_rows, field.type))
        elif field.name == "id":
            arrays.append(pa.array([prefix + id_ for id_ in table["id"].to_pylist()], pa.string()))
        else:
            arrays.append(_cast(table[field.name], field=field, dataset=dataset))
    return pa.table(arrays, schema=schema)


def _cast(column: pa.ChunkedArray, *, field: pa.Field, dataset: Dataset) -> pa.ChunkedArray:
    try:
        return column.cast(field.type)
    except pa.ArrowException as error:
        raise InputRefused(
            f"the column {field.name!r} holds {column.type}, not {field.type}: {error}",
            where=dataset.folder,
            remedy="make the dataset again with --overwrite",
        ) from error


def _refuse_collisions(datasets: Sequence[Dataset], *, tables: Sequence[pa.Table], prefixes: Sequence[str]) -> None:
    owner: dict[str, int] = {}
    clashing: dict[str, tuple[int, int]] = {}
    for index, table in enumerate(tables):
        for name in _names(table, prefix=prefixes[index]):
            first = owner.setdefault(unicodedata.normalize("NFC", name).casefold(), index)
            if first != index:
                clashing.setdefault(name, (first, index))
    if clashing:
        names = list(clashing)
        first, second = clashing[names[0]]
        more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
        raise InputRefused(
            f"names are taken twice: {', '.join(names[:NAMES_SHOWN])}{more}",
            where=f"{datasets[first].folder} and {datasets[second].folder}",
            remedy="give --prefix: it puts the name of each dataset's folder before its ids (these names must differ)",
        )


def _names(table: pa.Table, *, prefix: str) -> Iterator[str]:
    """Yield the ids, and the files whose name is not simply the id (these would only say the same again)."""
    ids = table["id"].to_pylist()
    yield from ids
    for column in FILE_COLUMNS:
        if column not in table.column_names:
            continue
        for id_, path in zip(ids, table[column].to_pylist(), strict=True):
            if path is None:
                continue
            folder, _, name = path.rpartition("/")
            if f"{prefix}{name}".rpartition(".")[0] != id_:
                yield f"{folder}/{prefix}{name}"
