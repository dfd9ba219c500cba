"""Everything that was made from a photograph: copies, relabelled and hard cases of it, and fused samples.

A photograph is followed by the SHA-256 of its image, which survives every command, also where ids change, and by the
group that `curate duplicates --fix` gives to its copies.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from curation.dataset.dataset import Dataset
from curation.errors import InputRefused
from curation.operations.join import NAMES_SHOWN

PARTS: Final = {
    "": "itself",
    "foreground_": "as foreground",
    "background_": "as background",
    "second_": "as second person",
}
"""Beginnings of the columns that name a photograph, and how a sample shows it."""
COPY: Final = "a copy"
COPIES: Final = "copies-"
"""How the groups begin that `duplicates --fix` makes."""
NAMING_COLUMNS: Final = ("id", "source_id", "sha256")
SHORT_HASH: Final = 12
"""So many digits of a SHA-256 are enough to mean one image."""


class Descendant(msgspec.Struct, frozen=True, kw_only=True):
    """One sample that shows a photograph, and how: `itself`, `a copy`, `as foreground`, `as background` or `as second
    person`.

    `command` and `parents` are those of its dataset; `of` is the SHA-256 of the photograph's image.
    """

    dataset: str
    id: str
    shown: str
    command: str
    parents: list[str]
    source: str | None
    split: str | None
    label_version: int | None
    image: str | None
    of: str


def trace(datasets: Sequence[Dataset], *, names: Sequence[str]) -> list[Descendant]:
    """Return the samples made from the photographs of these names, in the order of datasets and ids.

    A name is an id, an id in a source, or the SHA-256 of an image (12 digits are enough); it counts for samples
    themselves, and for all photographs that fused ones show. Raises InputRefused when nothing has one of the names.
    """
    rows = [(dataset, row) for dataset in datasets for row in dataset.table.to_pylist()]
    named: set[str] = set()
    for name in names:
        meant = {row[f"{part}sha256"] for _, row in rows for part in PARTS if _is_named(row, part=part, name=name)}
        if not (meant := meant - {None}):
            raise InputRefused(
                f"nothing here is called {name!r}, or made from what is",
                where=", ".join(str(dataset.folder) for dataset in datasets[:NAMES_SHOWN]),
                remedy="give an id, an id in its source, or the SHA-256 of an image; `curate gallery D` shows the ids",
            )
        named |= meant
    followed = named | _copies(named, rows=[row for _, row in rows])
    return [
        _descendant(row, dataset=dataset, part=part, named=named)
        for dataset, row in rows
        for part in PARTS
        if row.get(f"{part}sha256") in followed
    ]


def photographs(found: Sequence[Descendant]) -> list[str]:
    """Return the SHA-256 of each photograph that the names meant; more than one where two sources use the same id."""
    return sorted({one.of for one in found} - {one.of for one in found if one.shown == COPY})


def without(found: Sequence[Descendant], *, dataset: Dataset) -> str:
    """Return the query that keeps the other samples of a dataset, for `curate merge --where`."""
    ids = sorted({one.id for one in found if one.dataset == str(dataset.folder)})
    return f"id not in {ids!r}"


def _is_named(row: dict[str, Any], *, part: str, name: str) -> bool:
    id_, source_id, digest = (row.get(f"{part}{column}") for column in NAMING_COLUMNS)
    is_fused = row.get("foreground_id") is not None
    if is_fused and not part:
        source_id = None  # it is that of the foreground
    is_short_hash = len(name) >= SHORT_HASH and isinstance(digest, str) and digest.startswith(name.lower())
    return is_short_hash or name in (id_, source_id)


def _copies(named: set[str], *, rows: Sequence[dict[str, Any]]) -> set[str]:
    """Return the SHA-256 of the images that `duplicates --fix` found to be copies of the named ones."""
    plain = [row for row in rows if row.get("foreground_id") is None]  # a fused one is in the group of its person
    joined = {row["group"] for row in plain if row["sha256"] in named and str(row["group"]).startswith(COPIES)}
    return {row["sha256"] for row in plain if row["group"] in joined}


def _descendant(row: dict[str, Any], *, dataset: Dataset, part: str, named: set[str]) -> Descendant:
    digest = row[f"{part}sha256"]
    return Descendant(
        dataset=str(dataset.folder),
        id=row["id"],
        shown=PARTS[part] if part or digest in named else COPY,
        command=dataset.card.command,
        parents=list(dataset.card.parents),
        source=row["source"],
        split=row["split"],
        label_version=row["label_version"],
        image=row["image"],
        of=digest,
    )
