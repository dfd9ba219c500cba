"""Which images hold enough person: decided from bounds where these are clear, from pixels where they are not."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from curation.coco.outlines import OutlineBounds, measure_outlines
from curation.coco.raster import count_pixels, rasterise
from curation.coco.segmentation import read_segmentation
from curation.coco.unions import least_union
from curation.quarantine import BadRecord

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outlines:
    """The outlines of all people: `image` is the row of each one's image, rising, in `sizes` (height, width)."""

    raws: Sequence[msgspec.Raw]
    image: Integers
    sizes: Integers


class _Drawing(NamedTuple):
    """All sound raw outlines of one image."""

    raws: list[bytes]
    height: int
    width: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AreaDecision:
    """For each image whether its people cover enough of it, and what is broken, by the number of the outline.

    Images without a sound outline are never large. An image that was large by one outline alone has its other outlines
    unread, so `broken` is complete only for the rest.
    """

    is_large: NDArray[np.bool_]
    broken: dict[int, BadRecord]


def decide_areas(outlines: Outlines, *, min_area: float, beside: Executor) -> AreaDecision:
    """Say which images are covered by at least `min_area` (0..1) of their pixels: the union of all sound outlines.

    The decisions are those that drawing every outline gives. First one outline of each image is bounded, the one with
    the longest text; it settles half of COCO's images. Then the others of the images still open are. What neither the
    lower bounds (`least_union`) nor the upper bounds (the sum) settle is drawn.
    """
    count = len(outlines.sizes)
    pixels = outlines.sizes.prod(axis=1)
    lower: Floats = np.zeros(count)
    upper: Floats = np.zeros(count)
    least, boxes = np.zeros(len(outlines.raws)), np.zeros((len(outlines.raws), 4))
    broken: dict[int, BadRecord] = {}
    is_first = _longest_of_each_image(outlines)
    for is_first_round in (True, False):
        is_open = (lower / pixels < min_area)[outlines.image]
        rows = np.flatnonzero(is_open & (is_first == is_first_round))
        for part, bounds in _bound_in_halves(outlines, rows=rows, beside=beside):
            least[part], boxes[part] = bounds.lower, bounds.boxes
            np.add.at(upper, outlines.image[part], bounds.upper)
            broken |= {int(part[index]): error for index, error in bounds.broken.items()}
        lower = least_union(least, boxes=boxes, owners=outlines.image, count=count)
    is_large = lower / pixels >= min_area
    undecided = np.flatnonzero(~is_large & (upper / pixels >= min_area))
    drawings = [_drawing(outlines, image=image, broken=broken) for image in undecided.tolist()]
    middle = len(drawings) // 2
    second = beside.submit(_count_pixels, drawings[middle:])
    drawn = np.concatenate((_count_pixels(drawings[:middle]), second.result()))
    is_large[undecided] = drawn / pixels[undecided] >= min_area
    return AreaDecision(is_large=is_large & ~_only_broken(outlines, broken=broken), broken=broken)


def _longest_of_each_image(outlines: Outlines) -> NDArray[np.bool_]:
    lengths = np.fromiter(map(len, outlines.raws), np.int64, len(outlines.raws))
    order = np.lexsort((-lengths, outlines.image))
    is_first = np.zeros(len(lengths), np.bool_)
    is_first[order[np.diff(outlines.image[order], prepend=-1) > 0]] = True
    return is_first


def _only_broken(outlines: Outlines, *, broken: dict[int, BadRecord]) -> NDArray[np.bool_]:
    count = len(outlines.sizes)
    people = np.bincount(outlines.image, minlength=count)
    return np.equal(np.bincount(outlines.image[list(broken)], minlength=count), people)


def _drawing(outlines: Outlines, *, image: int, broken: dict[int, BadRecord]) -> _Drawing:
    first, last = np.searchsorted(outlines.image, (image, image + 1))
    sound = [bytes(outlines.raws[row]) for row in range(first, last) if row not in broken]
    return _Drawing(sound, *outlines.sizes[image].tolist())


def _bound_in_halves(
    outlines: Outlines, *, rows: Integers, beside: Executor
) -> tuple[tuple[Integers, OutlineBounds], tuple[Integers, OutlineBounds]]:
    first, second = np.array_split(rows, 2)
    sizes = outlines.sizes[outlines.image]
    raws = outlines.raws
    later = beside.submit(measure_outlines, [bytes(raws[row]) for row in second.tolist()], sizes=sizes[second])
    bounds = measure_outlines([raws[row] for row in first.tolist()], sizes=sizes[first])
    return (first, bounds), (second, later.result())


def _count_pixels(drawings: list[_Drawing]) -> Integers:
    """Give the pixels of the union of the outlines of each image."""
    counts = np.zeros(len(drawings), np.int64)
    for row, drawing in enumerate(drawings):
        size = (drawing.height, drawing.width)
        if drawing.raws:
            counts[row] = count_pixels(
                rasterise([read_segmentation(raw, size=size) for raw in drawing.raws], size=size)
            )
    return counts
