"""Merge datasets, or select rows of one: files are linked, rows keep every column they have."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Final

import msgspec
import pyarrow as pa

from curation.dataset.dataset import (
    FILE_COLUMNS,
    MANIFEST,
    SCHEMA,
    Dataset,
    named_files,
    select_rows,
)
from curation.dataset.licenses import FILTERED, LicenseRules, allowed_rows
from curation.dataset.sample import COLUMNS, Item, Outcome, Plan, Sample, Source
from curation.errors import ConfigurationProblem, InputRefused
from curation.operations.join import Joined, join_tables
from curation.operations.split import refuse_leaks
from curation.quarantine import BadRecord, Code
from curation.storage.checksums import check_row_digest
from curation.storage.files import fingerprint_file, link_or_copy, read_file, safe_join
from curation.storage.safe_id import safe_id

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
    kept, filtered = _selected(joined, like=datasets[0], query=query, licenses=licenses, limit=limit)
    if drop_splits:
        kept = kept.set_column(
            kept.column_names.index("split"), SCHEMA.field("split"), pa.nulls(len(kept), pa.string())
        )
    refuse_leaks(kept, where=" + ".join(str(dataset.folder) for dataset in datasets), remedy=LEAK_REMEDY)
    manifests = [fingerprint_file(dataset.folder / MANIFEST)[:16] for dataset in datasets]
    settings = {"prefix": prefix, "where": query, "drop_splits": drop_splits, "limit": limit, "manifests": manifests}
    return Plan(
        command="merge",
        settings=settings | ({} if licenses is None else {"licenses": msgspec.to_builtins(licenses)}),
        sources=joined_sources(source for dataset in datasets for source in dataset.card.sources),
        considered=joined.table.num_rows,
        items=[merge_item(row, joined=joined, datasets=datasets, prefixes=prefixes) for row in kept.to_pylist()],
        work=merge_sample,
        filtered=filtered,
        parents=[parent_name(dataset) for dataset in datasets],
        inputs=[dataset.folder for dataset in datasets],
        folders=named_folders(kept),
        columns=joined.columns,
        notes=joined.notes,
    )


def merge_sample(item: Item, folder: Path) -> Outcome:
    """Link every file that one row names into `folder` and give its sample.

    Raises BadRecord: JSON_VALUE for a row that lacks something, CHECKSUM when a file changed since its import,
    MISSING_FILE, UNREADABLE, PATH_ESCAPE, NAME.
    """
    origin, prefix, row = Path(item.payload["folder"]), item.payload["prefix"], dict(item.payload["row"])
    for column in FILE_COLUMNS:
        if (relative := row.get(column)) is None:
            continue
        source = safe_join(origin, relative)
        data = read_file(source, below=origin)
        check_row_digest(data, row=row, column=column, file=source)
        place, _, name = relative.rpartition("/")
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
    origin = datasets[index].folder.resolve()
    payload = {"folder": str(origin), "prefix": prefixes[index], "row": row}
    return Item(id=row["id"], payload=payload, file=str(origin / str(row["image"])))


def named_folders(table: pa.Table) -> tuple[str, ...]:
    """Return the folders below a dataset that the rows of a table name."""
    named = {str(PurePosixPath(path).parent) for path in named_files(table)}
    return tuple(sorted({"images", *(name for name in named if FOLDER_NAME.fullmatch(name))}))


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
) -> tuple[pa.Table, dict[str, int]]:
    table = joined.table
    if query is not None:
        table = select_rows(Dataset(folder=like.folder, card=like.card, table=table), query)
    asked = table.num_rows
    table = allowed_rows(table, rules=licenses)
    allowed = table.num_rows
    table = table.sort_by("id").slice(0, limit)
    counts = {"query": joined.table.num_rows - asked, FILTERED: asked - allowed, "limit": allowed - table.num_rows}
    return table, {reason: number for reason, number in counts.items() if number}


def refuse_own_output(datasets: Sequence[Dataset], *, out: Path) -> None:
    """Raise InputRefused when `out` is one of the datasets: --overwrite would move it away before it is read."""
    for dataset in datasets:
        if dataset.folder.resolve() == out.resolve():
            raise InputRefused("this dataset is also an input", where=out, remedy="choose another --out")
