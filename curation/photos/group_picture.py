"""Several people on one background: of alike size, evenly spread, on one ground, and cut off only by its edges."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from curation.fusion.head_shape import SOLID, Head, find_head
from curation.images.faces import Face
from curation.images.pixels import Alpha, Image
from curation.matting.composite import composite
from curation.photos.backdrop import cut_out
from curation.photos.head_lines import CROWN, HEAD_HALF
from curation.quarantine import BadRecord, Code

Alike = Literal["auto", "head", "body"]
Side = Literal["left", "right"]
GROUND: Final = 0.96
"""Where feet stand, as a share of the frame's height."""
TALLEST: Final = 0.82
WIDEST: Final = 0.94
"""Largest share of the frame's height for the tallest person, and of its width for all people side by side."""
MOST_ENLARGED: Final = 2.0
"""Largest factor by which a photograph is enlarged. All shares here are conventions."""

NO_FACE: Final = "no face is found, so the head is found from the outline; check that it is as large as the others"
AT_THE_EDGE: Final = "put it first or last, where the picture's edge cuts the person off too, or show both shoulders"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Member:
    """A person cut out of a photograph: colours (h, w, 3) and alpha (h, w) of the box around them.

    `is_cut_off` says that the photograph's lower edge cuts the person off, `cut_sides` which of its sides do;
    `warnings` what a person should look at.
    """

    colours: Image
    alpha: Alpha
    head: Head
    is_cut_off: bool
    cut_sides: frozenset[Side] = frozenset()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a member goes in the frame, in pixels: scaled by `scale`, with the upper left corner at (top, left)."""

    scale: float
    top: int
    left: int
    height: int
    width: int


def member_of(image: Image, *, alpha: Alpha, most_height: int, faces: Sequence[Face] = (), file: str = "") -> Member:
    """Return the people of an image (h, w, 3) as one member, no taller than `most_height` pixels.

    The head is that of the largest of `faces` on the person, else that of the outline. Raises BadRecord: EMPTY_ALPHA
    for nobody, UNSUITABLE where the photograph cuts off the head.
    """
    solid = alpha > SOLID
    rows, columns = np.flatnonzero(solid.any(axis=1)), np.flatnonzero(solid.any(axis=0))
    if not len(rows):
        raise BadRecord(Code.EMPTY_ALPHA, "there is no person", file=file)
    box = slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
    if solid[0].any():
        reason = "the person touches the upper edge of the photograph, so that the head is cut off or has no space"
        raise BadRecord(Code.UNSUITABLE, reason, file=file, hint="use a photograph with space above the head")
    edges: tuple[tuple[Side, int], ...] = (("left", 0), ("right", -1))
    cut_sides = frozenset(side for side, column in edges if solid[:, column].any())
    face = max(faces_on(alpha, faces=faces), key=lambda one: one.eye_distance, default=None)
    warnings = () if face is not None else (NO_FACE,)
    colours, part = cut_out(image[box], alpha=alpha[box]), alpha[box]
    scale = min(1.0, most_height / part.shape[0])
    colours, part = _scaled(colours, scale=scale), _scaled(part, scale=scale)
    head = find_head(part)
    if head is None:  # thinner than a pixel at this size
        raise BadRecord(Code.EMPTY_ALPHA, "there is hardly a person", file=file)
    if face is not None:
        to_part = np.array([[scale, 0.0, -scale * columns[0]], [0.0, scale, -scale * rows[0]]])
        head = _head_of(face.moved(to_part), alpha=part)
    return Member(
        colours=colours,
        alpha=part,
        head=head,
        is_cut_off=bool(solid[-1].any()),
        cut_sides=cut_sides,
        warnings=warnings,
    )


def faces_on(alpha: Alpha, *, faces: Sequence[Face]) -> list[Face]:
    """Return the faces whose eyes lie on the person of an alpha (h, w)."""
    found = []
    for face in faces:
        x, y = (int(one) for one in face.between_eyes)
        if 0 <= y < alpha.shape[0] and 0 <= x < alpha.shape[1] and alpha[y, x] > SOLID:
            found.append(face)
    return found


def _head_of(face: Face, *, alpha: Alpha) -> Head:
    """Return the head of a face: the crown as the eyes tell it, or the top of the person where that is lower."""
    middle, eyes = face.between_eyes
    unit = face.eye_distance
    columns = slice(max(0, round(middle - HEAD_HALF * unit)), max(1, round(middle + HEAD_HALF * unit)))
    rows = np.flatnonzero((alpha[:, columns] > SOLID).any(axis=1))
    top = float(rows[0]) if len(rows) else 0.0
    crown = round(max(0.0, top, eyes - CROWN * unit))
    return Head(crown=crown, chin=max(crown + 1, round(face.chin[1])), middle=middle, is_sure=True)


def without_cuts(members: Sequence[Member]) -> tuple[list[int], dict[int, str]]:
    """Return the indices of the members that can stand beside each other, and why others cannot.

    Whom a side of the photograph cuts off can only stand at that edge of the picture, where it goes on being cut.
    """
    kept, reasons = list(range(len(members))), {}
    while (wrong := next(_inside_and_cut(members, kept=kept), None)) is not None:
        index, side = wrong
        kept.remove(index)
        reasons[index] = f"the photograph cuts the person off at its {side} edge, and nothing hides that in the picture"
    return kept, reasons


def _inside_and_cut(members: Sequence[Member], *, kept: Sequence[int]) -> Iterator[tuple[int, Side]]:
    for index in kept:
        if "left" in members[index].cut_sides and index != kept[0]:
            yield index, "left"
        if "right" in members[index].cut_sides and index != kept[-1]:
            yield index, "right"


def places(members: Sequence[Member], *, size: tuple[int, int], alike: Alike) -> list[Place]:
    """Return where each member goes in a frame of `size` (height, width), from left to right.

    Heads are made alike in height, or bodies; `auto` takes bodies where every one is seen down to the feet. Whom the
    left side of a photograph cuts off stands first, at that edge; whom the right side does, last.
    """
    height, width = size
    by_head = alike == "head" or (alike == "auto" and any(member.is_cut_off for member in members))
    scales = np.array([1 / (member.head.height if by_head else member.alpha.shape[0]) for member in members])
    tall = scales * [member.alpha.shape[0] for member in members]
    wide = scales * [member.alpha.shape[1] for member in members]
    scales *= min(TALLEST * height / tall.max(), WIDEST * width / wide.sum(), MOST_ENLARGED / scales.max())
    sizes = [
        (max(1, round(scale * member.alpha.shape[0])), max(1, round(scale * member.alpha.shape[1])))
        for scale, member in zip(scales, members)
    ]
    flush = ("left" in members[0].cut_sides, "right" in members[-1].cut_sides)
    spaces = len(members) + 1 - sum(flush)
    gap = (width - sum(one[1] for one in sizes)) / max(1, spaces)
    found, left = [], 0.0 if flush[0] else gap
    for member, scale, (rows, columns) in zip(members, scales, sizes):
        foot = height if member.is_cut_off else round(GROUND * height)
        place = Place(scale=float(scale), top=foot - rows, left=round(left), height=rows, width=columns)
        found.append(place)
        left += columns + gap
    return found


def group_picture(members: Sequence[Member], *, background: Image, alike: Alike = "auto") -> Image:
    """Return the background (h, w, 3) with the members on it, the first at the left."""
    picture = np.array(background)
    frame = (picture.shape[0], picture.shape[1])
    for member, place in zip(members, places(members, size=frame, alike=alike)):
        size = (place.height, place.width)
        colours, alpha = _resized(member.colours, size=size), _resized(member.alpha, size=size)
        box = slice(place.top, place.top + place.height), slice(place.left, place.left + place.width)
        picture[box] = composite(colours, alpha=alpha, background=np.ascontiguousarray(picture[box]))
    return picture


def _scaled(picture: NDArray[np.uint8], *, scale: float) -> NDArray[np.uint8]:
    size = max(1, round(picture.shape[0] * scale)), max(1, round(picture.shape[1] * scale))
    return _resized(picture, size=size)


def _resized(picture: NDArray[np.uint8], *, size: tuple[int, int]) -> NDArray[np.uint8]:
    how = cv2.INTER_AREA if size[0] <= picture.shape[0] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(np.ascontiguousarray(picture), size[::-1], interpolation=how), np.uint8)
