"""What every form of another tool has in common: how a sample is placed, how parts are written, what comes last."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec

from curation.dataset.card import Card
from curation.exchange.travelling import Rules, Travelling
from curation.quarantine import QuarantineRecord

ALL: Final = "all"
"""The set of a data set that has no splits."""
UNASSIGNED: Final = "unassigned"
"""The set of samples without a split, where others have one."""
UNLABELLED: Final = "unlabelled"
"""The set of samples without a mask: beside labelled ones a reader would take them for images of nobody."""


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """Samples that are written together: some of one `set`, number `number` (from 0) of `of`."""

    set: str
    number: int
    of: int
    ids: tuple[str, ...]

    @property
    def id(self) -> str:
        """Return the name by which a journal knows the part."""
        return f"{self.set}-{self.number}"


class Placed(msgspec.Struct, frozen=True, kw_only=True):
    """Where a sample came to lie: `paths` by column, and the `facts` (JSON) that lists of the form need of it.

    `record` is the sample itself, where many share a file.
    """

    paths: dict[str, str]
    facts: dict[str, Any] = {}
    record: Any = None


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """A sample that was converted, as the journal keeps it."""

    id: str
    set: str
    paths: dict[str, str]
    sha256: str
    mask_pixels: str | None
    is_encoded_anew: bool
    facts: dict[str, Any] = {}


class DonePart(msgspec.Struct, frozen=True, kw_only=True):
    """A part that is on the disk: its samples, and the lines of those that are broken."""

    id: str
    taken: tuple[Taken, ...]
    broken: tuple[QuarantineRecord, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Conversion:
    """What the last files of a form are made from.

    `rows` gives the row of the manifest by id, `taken` are the samples in their order, and `sets` counts them, the sets
    in their order.
    """

    name: str
    card: Card
    rows: Mapping[str, Mapping[str, Any]]
    taken: Sequence[Taken]
    sets: Mapping[str, int]


class Form(Protocol):
    """A form of another tool. It is handed to processes, so it holds nothing but settings."""

    @property
    def name(self) -> str:
        """Return what `--to` calls it."""
        ...

    @property
    def samples_per_part(self) -> int:
        """Return how many samples share a file, or are noted at once."""
        ...

    @property
    def rules(self) -> Rules:
        """Return how images travel."""
        ...

    @property
    def folders(self) -> tuple[str, ...]:
        """Return the folders that are made before the first sample."""
        ...

    def place(self, sample: Travelling, *, folder: Path) -> Placed:
        """Write the files of one sample below `folder`, or return it as a record."""
        ...

    def writing(self, part: Part, *, folder: Path) -> AbstractContextManager[Callable[[Any], object]]:
        """Give what takes the records of a part in their order; the file stands when the block has ended."""
        ...

    def finish(self, conversion: Conversion, *, folder: Path) -> None:
        """Write lists, and what else speaks of all samples."""
        ...

    def way_back(self, folder: Path, *, sets: Mapping[str, int]) -> str:
        """Return the command that makes a data set of it again."""
        ...


def set_of(row: Mapping[str, Any], *, has_splits: bool) -> str:
    """Return the set of a sample: its split, or what stands for none.

    >>> set_of({"mask": "masks/a.png", "split": "val"}, has_splits=True), set_of({"mask": None}, has_splits=True)
    ('val', 'unlabelled')
    """
    if row["mask"] is None:
        return UNLABELLED
    return str(row["split"] or (UNASSIGNED if has_splits else ALL))
