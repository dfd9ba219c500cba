"""One sample of a dataset, what became of one input, and the plan of a command that makes a dataset."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol, runtime_checkable

import msgspec

from curation.quarantine import Code, QuarantineRecord
from curation.short_repr import short_repr
from curation.storage.safe_id import SafeId
from curation.storage.text_set import TextSet


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One row of `manifest.parquet`.

    Paths are POSIX and relative to the dataset folder. `width` and `height` are pixels as displayed (EXIF applied),
    `person_area` is a share of the frame in 0..1, `extra` holds the columns that a command adds.
    """

    id: SafeId
    image: str
    mask: str | None = None
    alpha: str | None = None
    trimap: str | None = None
    width: int
    height: int
    source: str
    source_id: str
    split: str | None = None
    person_area: float | None = None
    persons: int | None = None
    label_version: int = 0
    group: str
    license: str | None = None
    sha256: str
    extra: dict[str, Any] = {}


TOUCHED: Final = "touched"
"""Column that `coco-person` adds: the share of the persons' outline that touches annotations of other things, 0..1."""
FRAME_METRES: Final = "frame_metres"
"""Column that `coco-background` adds: metres that the height of the frame shows at most, null where nothing tells."""
COLUMNS: Final = tuple(name for name in Sample.__struct_fields__ if name != "extra")


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One input still to be worked on: the id its sample will have, and whatever the work function needs.

    `file` is the path to name when the work dies without a word.
    """

    id: SafeId
    payload: Any
    file: str = ""


@runtime_checkable
class LazyItems(Protocol):
    """Items that are made when they are asked for, but know their ids."""

    def ids(self) -> Iterator[str]:
        """Yield the id of each, in their order."""

    def without(self, done: TextSet) -> Sequence[Item]:
        """Return the items whose id is not among these."""


def ids_of(items: Sequence[Item]) -> Iterator[str]:
    """Yield the id of each item."""
    return items.ids() if isinstance(items, LazyItems) else (item.id for item in items)


def items_without(items: Sequence[Item], done: TextSet) -> Sequence[Item]:
    """Return the items whose id is not among these."""
    if isinstance(items, LazyItems):
        return items.without(done)
    return [item for item in items if item.id not in done]


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one item: exactly one of a sample, a filter reason, or the code of its quarantine.

    `records` are the lines for `quarantine.jsonl`: at least one when `broken` is set; lines beside a sample name
    broken parts (one annotation of many) that were left out.
    """

    id: SafeId
    sample: Sample | None = None
    filtered: str | None = None
    broken: Code | None = None
    records: tuple[QuarantineRecord, ...] = ()

    def __post_init__(self) -> None:
        """Refuse an outcome that is none, or more than one, of the three."""
        if sum(part is not None for part in (self.sample, self.filtered, self.broken)) != 1:
            raise ValueError(f"{self.id}: an outcome is one of sample, filtered, broken")


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Where data came from: its name, the path given, and a fingerprint that changes when the data does.

    `licenses` maps ids of licences in this source, or names, to what they mean; a row holds no id, but the meaning.
    """

    name: str
    path: str
    fingerprint: str
    licenses: dict[str, str] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a command decided before the first image is opened.

    `considered` counts every input; those not in `items` are in `filtered` or `quarantined`, each once.
    `records` are broken parts of inputs (say, one annotation of an image): they get a line, not a count.
    `work` makes the files of one item below the dataset folder, in `folders`, and must be picklable.
    `inputs` are the files and folders that the work reads: no dataset is made in place of them.
    `columns` gives the Arrow type of added columns whose type must not be guessed from the values (a merge keeps it).
    `finish` makes what belongs to the dataset as a whole, before the manifest is written; it may be called again.
    With `shards` the labels lie in a few tar files in the end, not each in a file of its own.
    """

    command: str
    settings: Mapping[str, Any]
    sources: Sequence[Source]
    considered: int
    items: Sequence[Item]
    work: Callable[[Item, Path], Outcome]
    filtered: Mapping[str, int] = field(default_factory=dict)
    quarantined: Sequence[QuarantineRecord] = ()
    records: Sequence[QuarantineRecord] = ()
    notes: Mapping[str, Any] = field(default_factory=dict)
    parents: Sequence[str] = ()
    inputs: Sequence[Path] = ()
    folders: tuple[str, ...] = ("images",)
    columns: Mapping[str, Any] = field(default_factory=dict)
    finish: Callable[[Path], None] | None = None
    shards: bool = False

    __repr__ = short_repr
