"""The records of a COCO file. Source of the format: https://cocodataset.org/#format-data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec

from curation.errors import InputRefused
from curation.quarantine import QuarantineRecord

MAX_SIDE: Final = 65_535
"""Pixels; the longest side a JPEG can have."""
MAX_ID: Final = 2**53
"""Ids beyond this are not exact in JavaScript and in float64 columns."""
ABSENT: Final = msgspec.Raw(b"")

RecordId = Annotated[int, msgspec.Meta(ge=-MAX_ID, le=MAX_ID)]
Side = Annotated[int, msgspec.Meta(ge=1, le=MAX_SIDE)]


class ImageEntry(msgspec.Struct, gc=False):
    """One record of `images`; `width` and `height` in pixels."""

    id: RecordId
    file_name: str
    width: Side
    height: Side
    license: int | str | None = None


class Annotation(msgspec.Struct, gc=False):
    """One record of `annotations`.

    `segmentation` is raw JSON, empty when absent. `area` and `bbox` are not read: they can lie, the outline cannot.
    """

    id: RecordId
    image_id: RecordId
    category_id: RecordId
    iscrowd: Annotated[int, msgspec.Meta(ge=0, le=1)] | bool | msgspec.UnsetType = msgspec.UNSET
    segmentation: msgspec.Raw = ABSENT


class Category(msgspec.Struct, frozen=True):
    """One record of `categories`."""

    id: RecordId
    name: str
    supercategory: str | None = None


class License(msgspec.Struct, frozen=True):
    """One record of `licenses`."""

    id: int | str
    name: str | None = None
    url: str | None = None


class RawPerson(msgspec.Struct, frozen=True):
    """The outline of one annotation, raw JSON; with box and area, where the outline may not be enough."""

    annotation_id: int | str
    segmentation: msgspec.Raw
    bbox: msgspec.Raw = ABSENT
    area: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenRecord:
    """A record that is set aside: its line, and what it claims, as far as that is certain.

    `image_id` and `category_id` are None where no image, or no category, of the file is named for certain. `outline` is
    that of an annotation.
    """

    line: QuarantineRecord
    outline: RawPerson
    image_id: int | None = None
    category_id: int | None = None
    is_crowd: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CocoFile:
    """A COCO file: its sound records, which are unique by id and name each other, and the broken ones.

    `annotations` name only images in `images` or in `broken_images`. Their outlines stand in the mapped file: they are
    good for as long as its time of change is `changed_ns`.
    `repeats` counts records that say the same as one before them, and are left out; `relinked` those annotations whose
    `image_id` is the number of an image, but written as text or with a decimal point.
    """

    path: Path
    changed_ns: int
    images: Sequence[ImageEntry]
    annotations: Sequence[Annotation]
    categories: tuple[Category, ...]
    licenses: dict[str, str]
    broken_images: tuple[BrokenRecord, ...] = ()
    broken_annotations: tuple[BrokenRecord, ...] = ()
    repeats: dict[str, int] = field(default_factory=dict)
    relinked: int = 0

    def category_named(self, name: str) -> int:
        """Return the id of the only category of that name.

        Raises InputRefused, listing the categories, when it is missing or there twice: with a wrong name pycocotools
        returns every image.
        """
        found = [category.id for category in self.categories if category.name == name]
        if len(found) == 1:
            return found[0]
        reason = f"there is no category {name!r}" if not found else f"there are {len(found)} categories {name!r}"
        present = ", ".join(repr(category.name) for category in self.categories) or "none"
        remedy = f"give the category exactly this name, once; the file has: {present}"
        raise InputRefused(reason, where=self.path, remedy=remedy)

    def maybe_persons(self, person: int) -> list[BrokenRecord]:
        """Return the broken annotations that are of the category `person`, or may be, as theirs is not certain."""
        return [broken for broken in self.broken_annotations if broken.category_id in (person, None)]

    def has_unlinked(self, person: int) -> bool:
        """Tell whether a person, or what may be one, names no image: then no image is known to show nobody."""
        return any(broken.image_id is None for broken in self.maybe_persons(person))


class Records(msgspec.Struct):
    """A COCO file whose records are still raw JSON."""

    images: list[msgspec.Raw]
    annotations: list[msgspec.Raw]
    categories: msgspec.Raw
    licenses: msgspec.Raw = ABSENT
