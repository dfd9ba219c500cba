"""The pycocotools door: checked outlines to pixels. Nothing here accepts what `segmentation` has not passed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as native

from curation.sources.coco.check_outline import Polygons, Runs, canonical, decode_counts

RunLengths: TypeAlias = Any
"""A binary mask as pycocotools keeps it: `{"size": [height, width], "counts": bytes}`."""


def draw(outline: Polygons | Runs, *, size: tuple[int, int]) -> list[RunLengths]:
    """Draw one checked outline in an image of `size` (height, width): its parts, which may overlap."""
    height, width = size
    if isinstance(outline, np.ndarray):
        counts = canonical(outline).tolist()
        return [native.frPyObjects({"size": [height, width], "counts": counts}, height, width)]
    parts: list[RunLengths] = native.frPyObjects(outline, height, width)
    return parts


def merge(parts: Sequence[RunLengths]) -> RunLengths:
    """Return the union of masks of one size; there must be at least one.

    Of what `draw` returns it is, pixel for pixel, the union of pycocotools' `annToMask`. Merging run lengths touches
    only the edges of outlines, where joining arrays touches every pixel for every person.
    """
    return native.merge(list(parts))


def is_empty(parts: Sequence[RunLengths]) -> bool:
    """Say whether the masks have no pixel between them."""
    return not any(native.area(part) for part in parts)  # of a list of more than 255 it cannot tell the areas


def box_around(parts: Sequence[RunLengths]) -> tuple[float, float, float, float]:
    """Return left, top, right and bottom of masks together, in pixels; there must be at least one."""
    left, top, width, height = native.toBbox(merge(parts)).tolist()
    return left, top, left + width, top + height


def count_pixels(mask: RunLengths) -> int:
    """Return the number of person pixels."""
    return int(native.area(mask))


def to_array(mask: RunLengths) -> NDArray[np.uint8]:
    """Return the mask as an array (height, width): 0, and 255 at the person.

    pycocotools' own `decode` takes half as long again and warns under numpy 2.
    """
    height, width = mask["size"]
    runs = decode_counts(mask["counts"].decode("ascii"), total=height * width)
    levels = np.where(np.arange(len(runs)) % 2, 255, 0).astype(np.uint8)
    # run lengths go down the columns; OpenCV's blocked transpose is several times faster than numpy's copy
    by_column = np.repeat(levels, runs).reshape(width, height)
    return np.asarray(cv2.transpose(by_column), np.uint8)


def encode(mask: NDArray[np.uint8] | NDArray[np.bool_]) -> RunLengths:
    """Return an array (height, width), person where it is not 0, as run lengths; `to_array` is the way back."""
    return native.encode(np.asfortranarray(mask > 0, dtype=np.uint8))


def box_of(mask: RunLengths) -> list[float]:
    """Return left, top, width and height, in pixels, of the box around a mask; zeros where it is empty."""
    found: list[float] = native.toBbox(mask).tolist()
    return found
