"""Several people on one background, painted from the furthest to the nearest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from curation.fusion.standing import shaded
from curation.images.pixels import Image
from curation.matting.composite import composite
from curation.photos.group_layout import Place
from curation.photos.group_member import Member, resized


def group_picture(
    members: Sequence[Member], *, places: Sequence[Place], background: Image, with_shadows: bool = False
) -> Image:
    """Return the background (h, w, 3) with the members at their places, which come from the furthest to the nearest.

    What of them lies beyond the frame is not seen. `with_shadows` whoever is seen down to the feet gets a shadow there.
    """
    picture = np.array(background)
    for place in places:
        member, size = members[place.index], (place.height, place.width)
        colours, alpha = resized(member.colours, size=size), resized(member.alpha, size=size)
        inside, seen = _overlap(place, frame=(picture.shape[0], picture.shape[1]))
        part = np.ascontiguousarray(picture[inside])
        if not part.size:
            continue
        if with_shadows and member.sunk is None:
            whole = np.zeros(picture.shape[:2], np.uint8)
            whole[inside] = alpha[seen]
            picture = np.array(shaded(picture, alpha=whole))
        part = np.ascontiguousarray(picture[inside])
        picture[inside] = composite(
            np.ascontiguousarray(colours[seen]), alpha=np.ascontiguousarray(alpha[seen]), background=part
        )
    return picture


def _overlap(place: Place, *, frame: tuple[int, int]) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Return the part of a `frame` (height, width) that a place covers, and which part of it is seen there."""
    corners, sizes = (place.top, place.left), (place.height, place.width)
    starts = [min(max(0, corner), side) for corner, side in zip(corners, frame)]
    stops = [max(start, min(corner + size, side)) for start, corner, size, side in zip(starts, corners, sizes, frame)]
    inside = slice(starts[0], stops[0]), slice(starts[1], stops[1])
    top, left = corners
    return inside, (slice(starts[0] - top, stops[0] - top), slice(starts[1] - left, stops[1] - left))
