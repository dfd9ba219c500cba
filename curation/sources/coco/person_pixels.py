"""One annotated person as pixels: where she certainly is, and where she may be as well, since her outline is broken."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import cv2
import msgspec
import numpy as np

from curation.images.pixels import Mask
from curation.quarantine import BadRecord, Code
from curation.sources.coco.check_outline import (
    MAX_COORDINATE,
    MAX_OUTLINE_BYTES,
    MIN_NUMBERS,
    Polygons,
    Runs,
    check_polygons,
    read_segmentation,
)
from curation.sources.coco.rasterise import RunLengths, box_around, count_pixels, draw, is_empty, merge, to_array
from curation.sources.coco.records import RawPerson

MARGIN: Final = 2.0
"""Pixels by which a box may be too small: what is written is rounded, and an edge pixel counts where it is touched."""
TOUCHING_PX: Final = 3
"""Outlines that lie nearer to one another touch: they are drawn by hand, with gaps."""
Box = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels."""


class Person(NamedTuple):
    """What is known of one person.

    `parts` certainly show her. `doubt` covers the pixels that may show her too: empty when there are none, None when
    nobody can tell where. `problem` says what is broken.
    """

    parts: list[RunLengths]
    doubt: list[RunLengths] | None
    problem: BadRecord | None = None


def draw_outline(outline: Polygons | Runs, *, size: tuple[int, int]) -> list[RunLengths]:
    """Return the parts of a checked outline in an image of `size` (height, width); one of them has a pixel at least.

    Raises BadRecord: ZERO_AREA.
    """
    parts = draw(outline, size=size)
    if is_empty(parts):
        raise BadRecord(Code.ZERO_AREA, "the outline covers no pixel of the image", field="segmentation")
    return parts


def _flat(polygons: Polygons | Runs, *, parts: list[RunLengths]) -> list[Box]:
    """Return the boxes around the polygons that cover no pixel."""
    drawn = zip(polygons, parts, strict=True)
    return [_around(polygon) for polygon, part in drawn if not count_pixels(part)]


def _refuse_lines(outline: Polygons | Runs, *, parts: list[RunLengths]) -> None:
    """Raise BadRecord (ZERO_AREA) where a polygon beside others covers no pixel, though it is too long for a speck."""
    flat = [] if len(parts) < 2 else _flat(outline, parts=parts)
    lines = sum(max(right - left, bottom - top) > MARGIN for left, top, right, bottom in flat)
    if lines:
        reason = f"{lines} of the {len(parts)} polygons of the outline cover no pixel of the image"
        raise BadRecord(Code.ZERO_AREA, reason, field="segmentation")


def _are_shares(box: Box) -> bool:
    """Tell whether numbers look like shares of the frame, 0..1, which say nothing when they are read as pixels."""
    return min(box) >= 0 and max(box) <= 1


def read_person(person: RawPerson, *, size: tuple[int, int]) -> Person:
    """Return what is known of a person in an image of `size` (height, width).

    A broken outline is drawn as far as its polygons are sound. The rest of her lies in her box, where this can be
    believed. Without a box the rest is known only of a stub beside sound polygons, and of polygons that cover no pixel,
    unless they are written as shares of the frame.
    """
    try:
        outline = read_segmentation(person.segmentation, size=size)
        parts = draw_outline(outline, size=size)
        _refuse_lines(outline, parts=parts)
        return Person(parts, [])
    except BadRecord as error:
        problem = error
    sound, stubs, is_all = _pieces(person.segmentation, size=size)
    drawn = draw(sound, size=size) if sound else []
    flat = _flat(sound, parts=drawn)
    parts = [part for part in drawn if count_pixels(part)]
    box = _box_of(person, size=size, parts=parts)
    places = stubs + flat
    if box is not None:
        places.append(box)
    elif not is_all or not (parts or flat) or (not parts and any(map(_are_shares, places))):
        return Person(parts, None, problem)
    return Person(parts, [part for place in places for part in _fill(place, size=size)], problem)


def _pieces(segmentation: msgspec.Raw, *, size: tuple[int, int]) -> tuple[Polygons, list[Box], bool]:
    """Return the sound polygons of an outline, the boxes around stubs of 2 or 4 numbers, and whether that is all."""
    if len(segmentation) > MAX_OUTLINE_BYTES:
        return [], [], False
    try:
        found = msgspec.json.decode(segmentation or b"null")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return [], [], False
    pieces = [piece if _is_points(piece) else None for piece in found] if isinstance(found, list) else [None]
    whole = [piece for piece in pieces if piece]
    long = [piece for piece in whole if len(piece) >= MIN_NUMBERS]
    sound = [piece for piece in long if _is_sound([piece], size=size)]
    stubs = [box for piece in whole if len(piece) < MIN_NUMBERS for box in _stub_boxes(piece)]
    is_all = None not in pieces and len(sound) == len(long) and all(_is_near(box, size=size) for box in stubs)
    return (sound, stubs, is_all) if _is_sound(sound, size=size) else ([], [], False)


def _is_points(piece: Any) -> bool:
    return isinstance(piece, list) and len(piece) % 2 == 0 and all(map(_is_number, piece))


def _is_sound(polygons: Polygons, *, size: tuple[int, int]) -> bool:
    try:
        check_polygons(polygons, size=size)
    except BadRecord as error:
        return error.code is Code.EMPTY_SEG
    return True


def _stub_boxes(numbers: list[float]) -> list[Box]:
    """Return the boxes that 2 or 4 numbers may mean: pycocotools takes 4 for left, top, width and height."""
    boxes = [_around(numbers)]
    if len(numbers) == MIN_NUMBERS - 2:
        left, top, width, height = numbers
        boxes.append((left, top, left + width, top + height))
    return boxes


def _box_of(person: RawPerson, *, size: tuple[int, int], parts: list[RunLengths]) -> Box | None:
    """Return the box of a person where nothing speaks against it.

    It must lie on the image, hold the parts that are certain, and be as large as the area that the record gives.
    """
    try:
        found = msgspec.json.decode(person.bbox or b"null")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if not isinstance(found, list) or len(found) != 4 or not all(map(_is_number, found)):
        return None
    left, top, width, height = found
    box = (left, top, left + width, top + height)
    touches = left < size[1] and top < size[0] and box[2] > 0 and box[3] > 0
    # what covers no pixel has a side of 0; without an area that says so this is a box that nobody filled in
    is_flat = width == 0 or height == 0
    if not touches or not _is_near(box, size=size) or _are_shares(box):
        return None
    if is_flat and (width == height or not _is_number(person.area)):
        return None
    if _is_number(person.area) and person.area > width * height + MARGIN * (width + height + MARGIN):
        return None
    return box if not parts or _holds(box, inner=box_around(parts)) else None


def _holds(box: Box, *, inner: Box) -> bool:
    return all(low <= part + MARGIN for low, part in zip(box[:2], inner[:2], strict=True)) and all(
        high >= part - MARGIN for high, part in zip(box[2:], inner[2:], strict=True)
    )


def _around(numbers: list[float]) -> Box:
    return min(numbers[0::2]), min(numbers[1::2]), max(numbers[0::2]), max(numbers[1::2])


def _fill(box: Box, *, size: tuple[int, int]) -> list[RunLengths]:
    """Return the pixels of a box and a margin around it, as far as they are on the image."""
    height, width = size
    left, right = (min(max(x, 0.0), width) for x in (math.floor(box[0] - MARGIN), math.ceil(box[2] + MARGIN)))
    top, bottom = (min(max(y, 0.0), height) for y in (math.floor(box[1] - MARGIN), math.ceil(box[3] + MARGIN)))
    if left >= right or top >= bottom:
        return []
    return draw([[left, top, right, top, right, bottom, left, bottom]], size=size)


def _is_near(box: Box, *, size: tuple[int, int]) -> bool:
    """Tell whether a box is on the image, or beside it by no more than its size."""
    return -size[1] <= box[0] <= box[2] <= 2 * size[1] and -size[0] <= box[1] <= box[3] <= 2 * size[0]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= MAX_COORDINATE**2


def touched_share(mask: Mask, *, others: Sequence[RawPerson]) -> float:
    """Return the share of the outline of a mask (h, w) within the frame that touches another annotation, 0..1.

    Nothing tells which of the two is in front. What an annotation and the mask both cover is worn or held, and does not
    count; broken annotations are left out.
    """
    person = np.asarray(mask > 0, np.uint8)
    outline = (person > 0) & (cv2.erode(person, np.ones((3, 3), np.uint8)) == 0)  # the frame itself erodes nothing
    drawn = [part for other in others for part in drawn_if_sound(other, size=(mask.shape[0], mask.shape[1]))]
    if not drawn or not outline.any():
        return 0.0
    beside = np.asarray((to_array(merge(drawn)) > 0) & (person == 0), np.uint8)
    near = cv2.dilate(beside, np.ones((2 * TOUCHING_PX + 1,) * 2, np.uint8)) > 0
    return float(np.count_nonzero(outline & near) / np.count_nonzero(outline))


def drawn_if_sound(other: RawPerson, *, size: tuple[int, int]) -> list[RunLengths]:
    """Return the parts of an annotation in an image of `size` (height, width); none of a broken one."""
    try:
        return draw(read_segmentation(other.segmentation, size=size), size=size)
    except BadRecord:
        return []
