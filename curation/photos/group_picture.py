"""Several people on one background: of alike size, evenly spread, on one ground or cut off by one edge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from curation.fusion.head_shape import SOLID, Head, find_head
from curation.images.pixels import Alpha, Image
from curation.matting.composite import composite
from curation.photos.backdrop import cut_out
from curation.quarantine import BadRecord, Code

Alike = Literal["auto", "head", "body"]
GROUND: Final = 0.96
"""Where feet stand, as a share of the frame's height."""
TALLEST: Final = 0.82
WIDEST: Final = 0.94
"""Largest share of the frame's height for the tallest person, and of its width for all people side by side."""
MOST_ENLARGED: Final = 2.0
"""Largest factor by which a photograph is enlarged. All shares here are conventions."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Member:
    """A person cut out of a photograph: colours (h, w, 3) and alpha (h, w) of the box around them.

    `is_cut_off` says that the photograph's lower edge cuts the person off; `warnings` what a person should look at.
    """

    colours: Image
    alpha: Alpha
    head: Head
    is_cut_off: bool
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a member goes in the frame, in pixels: scaled by `scale`, with the upper left corner at (top, left)."""

    scale: float
    top: int
    left: int
    height: int
    width: int


def member_of(image: Image, *, alpha: Alpha, most_height: int, file: str = "") -> Member:
    """Return the people of an image (h, w, 3) as one member, no taller than `most_height` pixels.

    Raises BadRecord: EMPTY_ALPHA for nobody.
    """
    solid = alpha > SOLID
    rows, columns = np.flatnonzero(solid.any(axis=1)), np.flatnonzero(solid.any(axis=0))
    if not len(rows):
        raise BadRecord(Code.EMPTY_ALPHA, "there is no person", file=file)
    box = slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
    warnings = [
        f"the person is cut off at the {side} edge of the photograph, which shows"
        for side, edge in (("upper", solid[0]), ("left", solid[:, 0]), ("right", solid[:, -1]))
        if edge.any()
    ]
    colours, part = cut_out(image[box], alpha=alpha[box]), alpha[box]
    scale = min(1.0, most_height / part.shape[0])
    colours, part = _scaled(colours, scale=scale), _scaled(part, scale=scale)
    head = find_head(part)
    if head is None:  # thinner than a pixel at this size
        raise BadRecord(Code.EMPTY_ALPHA, "there is hardly a person", file=file)
    return Member(colours=colours, alpha=part, head=head, is_cut_off=bool(solid[-1].any()), warnings=tuple(warnings))


def places(members: Sequence[Member], *, size: tuple[int, int], alike: Alike) -> list[Place]:
    """Return where each member goes in a frame of `size` (height, width), from left to right.

    Heads are made alike in height, or bodies; `auto` takes bodies where every one is seen down to the feet.
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
    gap = (width - sum(one[1] for one in sizes)) / (len(members) + 1)
    found, left = [], gap
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
