"""Merge datasets, or select rows of one: files are linked, rows keep every column they have."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, Final, Generic, TypeVar, overload

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curation.byte_range import TAR
from curation.dataset.chosen_rows import ROWS_AT_ONCE, ChosenRows, Row
from curation.dataset.dataset import FILE_COLUMNS, Dataset
from curation.dataset.licenses import FILTERED, LICENSE_COLUMNS, LicenseRules, row_licenses
from curation.dataset.manifest_files import MANIFEST
from curation.dataset.query import rows_where
from curation.dataset.sample import COLUMNS, Item, Outcome, Plan, Sample, Source
from curation.errors import ConfigurationProblem, InputRefused
from curation.image_uri import image_uri
from curation.labels.label_files import label_folder, plain_path
from curation.operations.join import Joined, join_tables
from curation.operations.leaks import refuse_leaks
from curation.quarantine import BadRecord, Code
from curation.storage.checksums import check_row_digest
from curation.storage.files import link_or_copy, read_file, safe_join
from curation.storage.safe_id import safe_id
from curation.storage.text_set import TextSet

T = TypeVar("T")
FOLDER_NAME: Final = re.compile(r"[A-Za-z]\w*")
"""Folders that a row may name; nothing hidden, so that no row reaches lock or journal."""
LEAK_REMEDY: Final = "give --drop-splits and split the result again, or leave one side out with --where"


def plan_merge(
    datasets: Sequence[Dataset],
    *,
    prefix: bool = False,
    query: str | None = None,
    drop_splits: bool = False,
    licenses: LicenseRules | None = None,
    limit: int | None = None,
) -> Plan:
    """Plan one dataset out of several, or, of one dataset and a query, a selection.

    `prefix` puts the folder name of its dataset before each id; groups keep their names, so that what belonged
    together still does. Rows for which `query` does not hold are filtered as `query`, rows with a licence that
    `licenses` does not allow as `license`, rows beyond `limit` as `limit`.
    Raises InputRefused on a dataset named twice, collisions of ids, columns of different types, and groups on two
    sides of a split.
    """
    refuse_twice(datasets)
    prefixes = prefixes_of(datasets, prefix=prefix)
    joined = join_tables(datasets, prefixes=prefixes)
    chosen, filtered = _selected(joined, like=datasets[0], query=query, licenses=licenses, limit=limit)
    if not drop_splits:
        refuse_leaks(chosen.batches, where=" + ".join(str(one.folder) for one in datasets), remedy=LEAK_REMEDY)
    manifests = [dataset.card.manifest_sha256[:16] for dataset in datasets]
    settings = {"prefix": prefix, "where": query, "drop_splits": drop_splits, "limit": limit, "manifests": manifests}
    return Plan(
        command="merge",
        settings=settings | ({} if licenses is None else {"licenses": msgspec.to_builtins(licenses)}),
        sources=joined_sources(source for dataset in datasets for source in dataset.card.sources),
        considered=len(joined),
        items=MadeOfRows(chosen, partial(_items, joined=joined, drop_splits=drop_splits)),
        work=merge_sample,
        filtered=filtered,
        parents=[parent_name(dataset) for dataset in datasets],
        inputs=[dataset.folder for dataset in datasets],
        folders=folders_of(chosen.batches(FILE_COLUMNS)),
        columns=joined.columns,
        notes=joined.notes,
    )


class MadeOfRows(Sequence[T], Generic[T]):
    """What is made of each of some rows, items or others, when it is asked for.

    `make` takes some of the rows, and their places among all that there are.
    """

    def __init__(self, rows: ChosenRows, make: Callable[[list[Row], NDArray[np.int64]], list[T]]) -> None:
        self.rows = rows
        self._make = make

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.rows)

    @overload
    def __getitem__(self, key: int) -> T: ...
    @overload
    def __getitem__(self, key: slice) -> list[T]: ...
    def __getitem__(self, key: int | slice) -> T | list[T]:
        """Return what is made of one row, or of several."""
        if isinstance(key, slice):
            return self._make(self.rows[key], self.rows.places[key])
        return self._make([self.rows[key]], self.rows.places[[key]])[0]

    def __iter__(self) -> Iterator[T]:
        """Yield what is made of each, in their order."""
        for start in range(0, len(self), ROWS_AT_ONCE):
            yield from self[start : start + ROWS_AT_ONCE]

    def ids(self) -> Iterator[str]:
        """Yield the id of each row, in their order."""
        return self.rows.column("id")

    def without(self, done: TextSet) -> MadeOfRows[T]:
        """Return what is made of rows whose id is not among these."""
        return MadeOfRows(self.rows.without(done), self._make)


def _items(rows: list[Row], places: NDArray[np.int64], *, joined: Joined, drop_splits: bool) -> list[Item]:
    without = {"split": None} if drop_splits else {}
    return [
        item_of(row | without, dataset=joined.datasets[owner], prefix=joined.prefixes[owner])
        for row, owner in zip(rows, joined.owners(places).tolist(), strict=True)
    ]


def merge_sample(item: Item, folder: Path) -> Outcome:
    """Link every file that one row names into `folder`, or copy it out of a tar file, and give its sample.

    Raises BadRecord: JSON_VALUE for a row that lacks something, CHECKSUM when a file changed since its import,
    MISSING_FILE, UNREADABLE, PATH_ESCAPE, NAME.
    """
    origin, prefix, row = Path(item.payload["folder"]), item.payload["prefix"], dict(item.payload["row"])
    for column in FILE_COLUMNS:
        if (relative := row.get(column)) is None or (column == "image" and image_uri(relative) is not None):
            continue  # an image of a URI stays where it is, and is compared with its SHA-256 when it is read
        source = safe_join(origin, relative)
        data = read_file(source, below=origin)
        check_row_digest(data, row=row, column=column, file=source)
        own = plain_path(relative, column=column, sample_id=item.id.removeprefix(prefix))
        place, _, name = own.rpartition("/")
        if not FOLDER_NAME.fullmatch(place):
            raise BadRecord(Code.NAME, "a file of a dataset lies in one folder, as in images/1.jpg", file=relative)
        row[column] = f"{place}/{prefix}{name}"
        link_or_copy(source, folder / row[column], below=origin, data=data)
    extra = {name: row.pop(name) for name in list(row) if name not in COLUMNS}
    try:
        return Outcome(id=item.id, sample=msgspec.convert({**row, "extra": extra}, Sample))
    except msgspec.ValidationError as error:
        hint = "make the dataset again; a row of its manifest lacks what each must have"
        raise BadRecord(Code.JSON_VALUE, str(error), file=origin / MANIFEST, hint=hint) from error


def merge_item(row: dict[str, Any], *, joined: Joined, datasets: Sequence[Dataset], prefixes: Sequence[str]) -> Item:
    """Return what `merge_sample` needs for one row of the joined table."""
    index = joined.owner[row["id"]]
    return item_of(row, dataset=datasets[index], prefix=prefixes[index])


def named_folders(table: pa.Table) -> tuple[str, ...]:
    """Return the folders below a dataset that the rows of a table name."""
    return folders_of([table.select([name for name in FILE_COLUMNS if name in table.column_names])])


def folders_of(tables: Iterable[pa.Table]) -> tuple[str, ...]:
    """Return the folders below a dataset that columns of files name."""
    named: set[str] = set()
    for table in tables:
        for column in table.column_names:
            paths = table[column].cast(pa.string()).drop_null()
            inside = paths.filter(pc.match_substring(paths, "/"))
            places = pc.unique(pc.replace_substring_regex(inside, "/[^/]*$", "")).to_pylist()
            named.update(label_folder(column) if place.endswith(TAR) else place for place in places)
    folders = {str(PurePosixPath(name)) for name in named}
    return tuple(sorted({"images", *(name for name in folders if FOLDER_NAME.fullmatch(name))}))


def item_of(row: Row, *, dataset: Dataset, prefix: str) -> Item:
    """Return what `merge_sample` needs for a row of a dataset, its id behind the prefix."""
    origin = dataset.folder.resolve()
    payload = {"folder": str(origin), "prefix": prefix, "row": row}
    return Item(id=row["id"], payload=payload, file=str(origin / str(row["image"])))


def joined_sources(sources: Iterable[Source]) -> list[Source]:
    """Return each source once, with all licences that any of its mentions knows."""
    found: dict[tuple[str, str, str], Source] = {}
    for source in sources:
        key = (source.name, source.path, source.fingerprint)
        known = found.setdefault(key, source)
        found[key] = msgspec.structs.replace(known, licenses={**source.licenses, **known.licenses})
    return list(found.values())


def parent_name(dataset: Dataset) -> str:
    """Return how a dataset is named among the parents of another: its name and the run that made it."""
    return f"{dataset.card.name}@{dataset.card.run}"


def prefixes_of(datasets: Sequence[Dataset], *, prefix: bool) -> list[str]:
    """Return what stands before the ids of each dataset: with `prefix` the name of its folder, else nothing.

    Raises ConfigurationProblem for a name that cannot be part of an id.
    """
    if not prefix:
        return [""] * len(datasets)
    try:
        return [f"{safe_id(dataset.folder.resolve().name)}-" for dataset in datasets]
    except BadRecord as problem:
        reason = f"--prefix: the folder's name cannot stand before ids: {problem.reason}"
        raise ConfigurationProblem(reason, remedy="rename the folder") from problem


def refuse_twice(datasets: Sequence[Dataset]) -> None:
    """Raise InputRefused when a dataset is named twice."""
    folders = Counter(dataset.folder.resolve() for dataset in datasets)
    twice = next((dataset.folder for dataset in datasets if folders[dataset.folder.resolve()] > 1), None)
    if twice is not None:
        raise InputRefused("this dataset is named twice", where=twice, remedy="name each dataset once")


def _selected(
    joined: Joined, *, like: Dataset, query: str | None, licenses: LicenseRules | None, limit: int | None
) -> tuple[ChosenRows, dict[str, int]]:
    """Return the rows that are kept, in the order of their ids, and how many are not, by reason."""
    holds: NDArray[np.bool_] = np.ones(len(joined), dtype=np.bool_)
    if query is not None:
        holds = rows_where(Dataset(folder=like.folder, card=like.card, rows=joined), query)
    asked = np.flatnonzero(holds)
    allowed = asked
    if licenses is not None:
        texts = (one for table in ChosenRows(joined, asked).batches(LICENSE_COLUMNS) for one in row_licenses(table))
        is_allowed = np.fromiter(map(licenses.allow_all, texts), dtype=np.bool_, count=len(asked))
        allowed = asked[is_allowed]
    kept = by_id(joined, places=allowed)[:limit]
    counts = {"query": len(joined) - len(asked), FILTERED: len(asked) - len(allowed), "limit": len(allowed) - len(kept)}
    return ChosenRows(joined, kept), {reason: number for reason, number in counts.items() if number}


def by_id(joined: Joined, *, places: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the places of rows in the order of their ids; those of one dataset are."""
    if len(joined.datasets) == 1:
        return places
    ids = [table["id"] for table in ChosenRows(joined, places).batches(["id"])]
    order = pc.sort_indices(pa.chunked_array([chunk for one in ids for chunk in one.chunks], pa.string()))
    return np.asarray(places[order.to_numpy()], dtype=np.int64)


def refuse_own_output(datasets: Sequence[Dataset], *, out: Path) -> None:
    """Raise InputRefused when `out` is one of the datasets: --overwrite would move it away before it is read."""
    for dataset in datasets:
        if dataset.folder.resolve() == out.resolve():
            raise InputRefused("this dataset is also an input", where=out, remedy="choose another --out")
