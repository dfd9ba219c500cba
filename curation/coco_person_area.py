"""Which images hold enough person: decided from bounds where these are clear, from pixels where they are not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from curation.coco_outlines import measure_outlines
from curation.coco_raster import count_pixels, rasterise
from curation.coco_segmentation import read_segmentation
from curation.quarantine import BadRecord

Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outlines:
    """The outlines of all people: `image` is the row of each one's image, rising, in `sizes` (height, width)."""

    raws: Sequence[msgspec.Raw]
    image: Integers
    sizes: Integers


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AreaDecision:
    """For each image whether its people cover enough of it, and what is broken, by the number of the outline.

    Images without a sound outline are never large. An image that was large by one outline alone has its other outlines
    unread, so `broken` is complete only for the rest.
    """

    is_large: NDArray[np.bool_]
    broken: dict[int, BadRecord]


def decide_areas(outlines: Outlines, *, min_area: float) -> AreaDecision:
    """Say which images are covered by at least `min_area` (0..1) of their pixels: the union of all sound outlines.

    The decisions are those that drawing every outline gives. First one outline of each image is bounded, the one with
    the longest text; it settles half of COCO's images. Then the others of the images still open are. What neither the
    lower bounds (the largest) nor the upper bounds (the sum) settle is drawn, about one image in ten.
    """
    count = len(outlines.sizes)
    pixels = outlines.sizes.prod(axis=1)
    lower, upper = np.zeros(count), np.zeros(count)
    broken: dict[int, BadRecord] = {}
    is_first = _longest_of_each_image(outlines)
    for is_first_round in (True, False):
        is_open = (lower / pixels < min_area)[outlines.image]
        rows = np.flatnonzero(is_open & (is_first == is_first_round))
        chosen = [outlines.raws[row] for row in rows]
        bounds = measure_outlines(chosen, sizes=outlines.sizes[outlines.image[rows]])
        np.maximum.at(lower, outlines.image[rows], bounds.lower)
        np.add.at(upper, outlines.image[rows], bounds.upper)
        broken |= {int(rows[index]): error for index, error in bounds.broken.items()}
    is_large = lower / pixels >= min_area
    for image in np.flatnonzero(~is_large & (upper / pixels >= min_area)):
        is_large[image] = _is_large_by_pixels(outlines, image=int(image), broken=broken, min_area=min_area)
    return AreaDecision(is_large=is_large & ~_only_broken(outlines, broken=broken), broken=broken)


def _longest_of_each_image(outlines: Outlines) -> NDArray[np.bool_]:
    lengths = np.fromiter((memoryview(raw).nbytes for raw in outlines.raws), np.int64, len(outlines.raws))
    order = np.lexsort((-lengths, outlines.image))
    is_first = np.zeros(len(lengths), np.bool_)
    is_first[order[np.diff(outlines.image[order], prepend=-1) > 0]] = True
    return is_first


def _only_broken(outlines: Outlines, *, broken: dict[int, BadRecord]) -> NDArray[np.bool_]:
    count = len(outlines.sizes)
    people = np.bincount(outlines.image, minlength=count)
    return np.equal(np.bincount(outlines.image[list(broken)], minlength=count), people)


def _is_large_by_pixels(outlines: Outlines, *, image: int, broken: dict[int, BadRecord], min_area: float) -> bool:
    height, width = (int(side) for side in outlines.sizes[image])
    first, last = np.searchsorted(outlines.image, (image, image + 1))
    sound = [
        read_segmentation(outlines.raws[row], size=(height, width)) for row in range(first, last) if row not in broken
    ]
    return bool(sound) and count_pixels(rasterise(sound, size=(height, width))) / (height * width) >= min_area
