"""The guided filter: a plane that follows the edges of a photograph, at a small share of the cost of matting.

Source: He, Sun, Tang 2013, "Guided Image Filtering", equations 19 to 21, for a guide in colour; He and Sun 2015, "Fast
Guided Filter" (arXiv 1505.00996), algorithm 2, for the subsampling.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from curation.images.pixels import Image

Plane = NDArray[np.float32]
Values = NDArray[np.float64]
PAIRS: Final = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))
"""Of the colours, each once, as the covariance is symmetric."""
CHANNELS: Final = 3


def guided_filter(plane: Plane, *, guide: Image, radius: int, epsilon: float, subsample: int = 1) -> Plane:
    """Return a plane (h, w) of 0..1 as a local linear function of the colours (h, w, 3) of its photograph, in 0..1.

    Windows are squares of 2 `radius` + 1 pixels, cut off at the frame; `epsilon` is what a variance of colours of 0..1
    has to exceed to count as an edge. The coefficients are computed with every `subsample`-th pixel in each direction,
    averaged, and enlarged; with 1 the filter is exact. Raises ValueError for sizes that differ and numbers below 1.
    """
    if plane.shape != guide.shape[:2]:
        raise ValueError(f"the plane is {plane.shape}, its guide {guide.shape[:2]} (height, width)")
    if radius < 1 or subsample < 1 or not epsilon > 0:
        raise ValueError(f"radius {radius} and subsample {subsample} must be 1 or more, epsilon {epsilon} above 0")
    height, width = plane.shape
    size = max(1, round(width / subsample)), max(1, round(height / subsample))
    small, small_guide = plane, guide
    if subsample > 1:
        small = np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), np.float32)
        small_guide = np.asarray(cv2.resize(guide, size, interpolation=cv2.INTER_AREA), np.uint8)
    slopes, offset = _coefficients(small, guide=small_guide, radius=max(1, round(radius / subsample)), epsilon=epsilon)
    result = _enlarged(offset, size=(width, height))
    for slope, colour in zip(slopes, cv2.split(guide)):
        result += _enlarged(slope, size=(width, height)) * (colour.astype(np.float32) / np.float32(255))
    return np.clip(result, 0, 1, out=result)


def _coefficients(plane: Plane, *, guide: Image, radius: int, epsilon: float) -> tuple[list[Values], Values]:
    """Return the slope of each colour and the offset, averaged over the windows that hold a pixel, all (h, w)."""
    # in double precision: variances are small differences of large products
    colours = [channel.astype(np.float64) / 255 for channel in cv2.split(guide)]
    values = plane.astype(np.float64)
    counts = _summed(np.ones_like(values), radius=radius)

    def mean(of: Values) -> Values:
        return _summed(of, radius=radius) / counts

    means, level = [mean(colour) for colour in colours], mean(values)
    covariances = [mean(colour * values) - average * level for colour, average in zip(colours, means)]
    inner = {(i, j): mean(colours[i] * colours[j]) - means[i] * means[j] for i, j in PAIRS}
    for channel in range(CHANNELS):
        inner[channel, channel] += epsilon
    slopes = _solved(inner, right=covariances)
    offset = level - sum(slope * average for slope, average in zip(slopes, means))
    return [mean(slope) for slope in slopes], mean(offset)


def _solved(inner: dict[tuple[int, int], Values], *, right: list[Values]) -> list[Values]:
    """Return, at each pixel, the solution of a symmetric system of three equations, by Cramer's rule."""
    rr, rg, rb = inner[0, 0], inner[0, 1], inner[0, 2]
    gg, gb, bb = inner[1, 1], inner[1, 2], inner[2, 2]
    cofactors = (
        (gg * bb - gb * gb, gb * rb - rg * bb, rg * gb - gg * rb),
        (gb * rb - rg * bb, rr * bb - rb * rb, rb * rg - rr * gb),
        (rg * gb - gg * rb, rb * rg - rr * gb, rr * gg - rg * rg),
    )
    determinant = rr * cofactors[0][0] + rg * cofactors[0][1] + rb * cofactors[0][2]
    red, green, blue = right
    return [(a * red + b * green + c * blue) / determinant for a, b, c in cofactors]


def _summed(values: Values, *, radius: int) -> Values:
    """Return the sum over the window around each pixel; nothing lies beyond the frame."""
    side = 2 * radius + 1
    summed = cv2.boxFilter(values, cv2.CV_64F, (side, side), normalize=False, borderType=cv2.BORDER_CONSTANT)
    return np.asarray(summed, np.float64)


def _enlarged(values: Values, *, size: tuple[int, int]) -> Plane:
    """Return values at `size` (width, height), bilinear."""
    plane = values.astype(np.float32)
    if plane.shape == size[::-1]:
        return plane
    return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR), np.float32)
