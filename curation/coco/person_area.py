"""Which images hold enough person: decided from bounds where these are clear, from pixels where they are not."""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from curation.coco.json_text import without_collection
from curation.coco.outlines import OutlineBounds, measure_outlines
from curation.coco.raster import count_pixels, rasterise
from curation.coco.segmentation import read_segmentation
from curation.coco.texts import Texts
from curation.coco.unions import least_union
from curation.quarantine import BadRecord

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outlines:
    """The outlines of all people: `image` is the row of each one's image, rising, in `sizes` (height, width)."""

    texts: Texts
    image: Integers
    sizes: Integers

    def take(self, rows: Integers) -> Outlines:
        """Give some of the outlines."""
        return Outlines(texts=self.texts.take(rows), image=self.image[rows], sizes=self.sizes)

    def of_images(self, images: Integers) -> Outlines:
        """Give the outlines of some images, rising, alone."""
        found = self.take(np.flatnonzero(np.isin(self.image, images)))
        return Outlines(texts=found.texts, image=np.searchsorted(images, found.image), sizes=self.sizes[images])


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
    least, boxes = np.zeros(len(outlines.image)), np.zeros((len(outlines.image), 4))
    broken: dict[int, BadRecord] = {}
    is_first = _longest_of_each_image(outlines)
    for is_first_round in (True, False):
        is_open = (lower / pixels < min_area)[outlines.image]
        rows = np.flatnonzero(is_open & (is_first == is_first_round))
        for part, bounds in _bound_in_halves(outlines, rows=rows, beside=beside):
            least[part], boxes[part] = bounds.lower, bounds.boxes
            np.add.at(upper, outlines.image[part], bounds.upper)
            broken |= {int(part[index]): error for index, error in bounds.broken.items()}
        known = np.flatnonzero(is_open & is_first if is_first_round else is_open)
        found = least_union(least[known], boxes=boxes[known], owners=outlines.image[known], count=count)
        lower = np.maximum(lower, found)
    is_large = lower / pixels >= min_area
    undecided = np.flatnonzero(~is_large & (upper / pixels >= min_area))
    sound = outlines.take(np.setdiff1d(np.arange(len(outlines.image)), list(broken)))
    first_images, second_images = np.array_split(undecided, 2)
    second = beside.submit(_count_pixels, sound.of_images(second_images))
    drawn = np.concatenate((_count_pixels(sound.of_images(first_images)), second.result()))
    is_large[undecided] = drawn / pixels[undecided] >= min_area
    return AreaDecision(is_large=is_large & ~_only_broken(outlines, broken=broken), broken=broken)


def _longest_of_each_image(outlines: Outlines) -> NDArray[np.bool_]:
    lengths = outlines.texts.lengths
    order = np.lexsort((-lengths, outlines.image))
    is_first = np.zeros(len(lengths), np.bool_)
    is_first[order[np.diff(outlines.image[order], prepend=-1) > 0]] = True
    return is_first


def _only_broken(outlines: Outlines, *, broken: dict[int, BadRecord]) -> NDArray[np.bool_]:
    count = len(outlines.sizes)
    people = np.bincount(outlines.image, minlength=count)
    return np.equal(np.bincount(outlines.image[list(broken)], minlength=count), people)


def _bound_in_halves(
    outlines: Outlines, *, rows: Integers, beside: Executor
) -> tuple[tuple[Integers, OutlineBounds], tuple[Integers, OutlineBounds]]:
    bytes_before = np.cumsum(outlines.texts.lengths[rows])
    middle = int(np.searchsorted(bytes_before, bytes_before[-1] / 2)) if len(rows) else 0
    first, second = rows[:middle], rows[middle:]
    later = beside.submit(_bound, outlines.take(second))
    return (first, _bound(outlines.take(first))), (second, later.result())


def _bound(outlines: Outlines) -> OutlineBounds:
    with without_collection():
        return measure_outlines(outlines.texts.load(), sizes=outlines.sizes[outlines.image])


def _count_pixels(outlines: Outlines) -> Integers:
    """Give the pixels of the union of the outlines of each image."""
    counts = np.zeros(len(outlines.sizes), np.int64)
    raws = outlines.texts.load()
    bounds = np.searchsorted(outlines.image, np.arange(len(counts) + 1)).tolist()
    for row, (height, width) in enumerate(outlines.sizes.tolist()):
        found = raws[bounds[row] : bounds[row + 1]]
        size = (height, width)
        if found:
            counts[row] = count_pixels(rasterise([read_segmentation(raw, size=size) for raw in found], size=size))
    return counts
