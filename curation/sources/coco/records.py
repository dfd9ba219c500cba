"""The records of a COCO file. Source of the format: https://cocodataset.org/#format-data."""

from __future__ import annotations

import shlex
from collections.abc import Sequence, Set
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
PERSON: Final = "person"
PERSON_WORDS: Final = frozenset(
    {"person", "persons", "people", "human", "humans", "pedestrian", "man", "woman", "baby", "portrait", "foreground"}
)
"""What other data sets call them; shown first."""
CATEGORIES_SHOWN: Final = 30
ABSENT: Final = msgspec.Raw(b"")

RecordId = Annotated[int, msgspec.Meta(ge=-MAX_ID, le=MAX_ID)]
Side = Annotated[int, msgspec.Meta(ge=1, le=MAX_SIDE)]


class ImageEntry(msgspec.Struct, gc=False):
    """One record of `images`; `width` and `height` in pixels, 0 where the record does not state them."""

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
    iscrowd: Annotated[int, msgspec.Meta(ge=0, le=1)] | bool | msgspec.UnsetType | None = msgspec.UNSET
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

    def person_categories(self, named: Sequence[str] = ()) -> frozenset[int]:
        """Return the ids of the categories of persons: those that are `named`, by name or id; else that called person.

        Of several called person, that counts which has annotations: some tools put one above all others. Raises
        InputRefused, listing the categories, where that leaves none or more: with a wrong name pycocotools returns
        every image.
        """
        if named:
            return frozenset(one for text in named for one in self._named(text))
        found = [category.id for category in self.categories if category.name == PERSON]
        if len(found) > 1:
            used = {one.category_id for one in self.annotations} | {one.category_id for one in self.broken_annotations}
            found = [one for one in found if one in used] or found[:1]
        if len(found) == 1:
            return frozenset(found)
        if not found:
            raise self._refused(f"there is no category {PERSON!r}")
        raise self._refused(f"{len(found)} categories are called {PERSON!r} (ids {', '.join(map(str, found))})")

    def _named(self, text: str) -> list[int]:
        found = [category.id for category in self.categories if category.name == text]
        found = found or [category.id for category in self.categories if str(category.id) == text]
        if not found:
            raise self._refused(f"there is no category with the name or id {text!r}")
        return found

    def _refused(self, reason: str) -> InputRefused:
        likely = sorted(self.categories, key=lambda category: category.name.casefold() not in PERSON_WORDS)
        shown = ", ".join(repr(category.name) for category in likely[:CATEGORIES_SHOWN]) or "none"
        more = len(likely) - CATEGORIES_SHOWN
        shown += f" and {more} more" if more > 0 else ""
        first = likely[0].name if likely else PERSON
        remedy = (
            f"say which are persons: --category NAME or ID, repeated for several, e.g. --category {shlex.quote(first)}"
        )
        return InputRefused(reason, where=self.path, remedy=f"{remedy}; the file has: {shown}")

    def maybe_persons(self, persons: Set[int]) -> list[BrokenRecord]:
        """Return the broken annotations that are of the categories `persons`, or may be, as theirs is not certain."""
        return [
            broken for broken in self.broken_annotations if broken.category_id is None or broken.category_id in persons
        ]

    def has_unlinked(self, persons: Set[int]) -> bool:
        """Tell whether a person, or what may be one, names no image: then no image is known to show nobody."""
        return any(broken.image_id is None for broken in self.maybe_persons(persons))


class Records(msgspec.Struct):
    """A COCO file whose records are still raw JSON."""

    images: list[msgspec.Raw]
    annotations: list[msgspec.Raw]
    categories: msgspec.Raw
    licenses: msgspec.Raw = ABSENT
