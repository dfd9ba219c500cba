"""The outline of one annotated person, as it stands in the file and as pixels."""

from __future__ import annotations

from typing import Any

import msgspec

from curation.coco.entries import ABSENT, Annotation
from curation.coco.raster import RunLengths, draw, is_empty
from curation.coco.segmentation import read_segmentation
from curation.quarantine import BadRecord, Code


class RawPerson(msgspec.Struct, frozen=True):
    """The outline of one annotation as it stands in the file, with what else says where she is."""

    annotation_id: int
    segmentation: msgspec.Raw
    bbox: msgspec.Raw = ABSENT
    area: Any = None

    @classmethod
    def of(cls, annotation: Annotation) -> RawPerson:
        """Take the outline out of a record; it still stands in the mapped file."""
        return cls(annotation.id, annotation.segmentation, annotation.bbox, annotation.area)

    def copy(self) -> RawPerson:
        """Return the same in memory of its own, which no longer hangs on the file."""
        return RawPerson(self.annotation_id, self.segmentation.copy(), self.bbox.copy(), self.area)


def draw_outline(segmentation: msgspec.Raw | bytes, *, size: tuple[int, int]) -> list[RunLengths]:
    """Return the parts of a person in an image of `size` (height, width); one of them has a pixel at least.

    Raises BadRecord as `read_segmentation`, and ZERO_AREA.
    """
    parts = draw(read_segmentation(segmentation, size=size), size=size)
    if is_empty(parts):
        raise BadRecord(Code.ZERO_AREA, "the outline covers no pixel of the image", field="segmentation")
    return parts
