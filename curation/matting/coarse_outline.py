"""Outlines drawn so coarsely that the old background stands inside of them: taken back to where the person begins.

Polygons of COCO run up to ten pixels beyond a person. Laid on another background, what lies between is a halo.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from curation.images.pixels import Image, Mask

REACH: Final = 1 / 40
"""How far inside of an outline the background is looked for, as a share of the root of the person's area."""
LEAST_REACH_PX: Final = 2
"""Of smaller persons, of less than 6,400 pixels, an outline is never coarse: single pixels would decide."""
COARSE: Final = 0.008
"""An outline is coarse where at least this share of the person is background: of masks drawn to the pixel (EG1800) it
is 0.2 % in the median, 0.6 % in the worst tenth; of their polygons, 8 pixels off, 0.9 % in the best tenth."""
ROUNDS: Final = 6
SMOOTHED_PX: Final = 2.0
"""What is left ends in single pixels, and is smoothed by so much."""
APART: Final = 25.0
"""Person and background that differ by less, in Lab of OpenCV's 0..255, are not told apart."""
NEARER: Final = 0.5
"""A pixel is background where its colour is so many times as near to that outside as to that further inside."""
BESIDE_PX: Final = 2
"""Pixels outside of the outline that are not looked at: they may be the person's."""
LOOKED_AT: Final = 8
"""Colours around a place are those of every pixel up to a reach of so many, of a picture made smaller beyond."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Around:
    """The mean colour (n, 3) of a part of a picture around each of n places, and whether there is any of it."""

    colours: NDArray[np.float32]
    is_there: NDArray[np.bool_]


def without_background(image: Image, *, mask: Mask) -> Mask:
    """Return the mask (h, w) of a person in an image (h, w, 3) without the background along its outline, where the
    outline is coarse; any other as it is.

    A pixel near the outline is background where its colour is that of the background near it rather than that of the
    person further inside, and where it hangs together with the outside. What is left is looked at again, up to ROUNDS
    times, since such a border may be broad.
    """
    person = np.asarray(mask > 0, np.uint8)
    area = int(np.count_nonzero(person))
    if REACH * area**0.5 < LEAST_REACH_PX:
        return mask
    lab = cv2.cvtColor(cv2.GaussianBlur(image, (0, 0), 1), cv2.COLOR_RGB2LAB)
    for _ in range(ROUNDS):
        kept = _without(_background(lab, person=person), person=person)
        taken = np.count_nonzero(person) - np.count_nonzero(kept)
        if taken < COARSE * area:
            break
        person = kept
    if np.count_nonzero(person) == area:
        return mask
    smooth = cv2.GaussianBlur(person.astype(np.float32), (0, 0), SMOOTHED_PX, borderType=cv2.BORDER_REPLICATE) > 0.5
    return np.where(smooth, mask, np.uint8(0))


def _background(lab: NDArray[Any], *, person: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return where near the outline of a person (h, w) colours (h, w, 3) are those of the background: 1, else 0."""
    found = np.zeros_like(person)
    reach = max(LEAST_REACH_PX + 1, round(REACH * np.count_nonzero(person) ** 0.5))
    sure = cv2.erode(person, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1,) * 2))
    outside = cv2.dilate(person, np.ones((2 * BESIDE_PX + 1,) * 2, np.uint8)) == 0
    rows, columns = np.nonzero((person > 0) & (sure == 0))
    if not len(rows):
        return found
    inner, outer = (
        _around(lab, where=np.asarray(part > 0), at=(rows, columns), reach=2 * reach) for part in (sure, outside)
    )
    own = lab[rows, columns].astype(np.float32)
    to_inner, to_outer, between = (
        np.linalg.norm(one - other, axis=1)
        for one, other in ((own, inner.colours), (own, outer.colours), (inner.colours, outer.colours))
    )
    is_background = inner.is_there & outer.is_there & (between > APART) & (to_outer < NEARER * to_inner)
    found[rows[is_background], columns[is_background]] = 1
    return found


def _without(found: NDArray[np.uint8], *, person: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a person (h, w) without what was found, as far as this is no speck, and reaches the outside."""
    found = np.asarray(cv2.morphologyEx(found, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)), np.uint8)
    number, labels = cv2.connectedComponents(np.asarray((person == 0) | (found > 0), np.uint8), connectivity=4)
    is_outside = np.zeros(number, np.bool_)
    is_outside[np.unique(labels[person == 0])] = True
    return np.asarray((person > 0) & ~is_outside[labels], np.uint8)


def _around(
    lab: NDArray[Any], *, where: NDArray[np.bool_], at: tuple[NDArray[np.int64], NDArray[np.int64]], reach: int
) -> _Around:
    """Return the mean colour of what `where` (h, w) shows within `reach` pixels of each place `at` (rows, columns)."""
    step = max(1, reach // LOOKED_AT)
    size = max(1, lab.shape[1] // step), max(1, lab.shape[0] // step)
    small = cv2.resize(lab, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    shown = cv2.resize(np.asarray(where, np.float32), size, interpolation=cv2.INTER_AREA) > 0.99
    side = (2 * max(2, round(reach / step)) + 1,) * 2
    weight = np.asarray(shown, np.float32)
    summed = cv2.boxFilter(np.dstack([small * weight[:, :, None], weight]), -1, side, normalize=False, borderType=0)
    rows, columns = (
        np.minimum(places * length // full, length - 1)
        for places, length, full in zip(at, summed.shape[:2], lab.shape[:2], strict=True)
    )
    sums = summed[rows, columns]
    return _Around(colours=sums[:, :3] / np.maximum(sums[:, 3:], 1e-6), is_there=sums[:, 3] > 0.5)
