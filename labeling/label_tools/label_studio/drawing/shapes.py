"""Polygons and ellipses as masks. A pixel belongs to a shape when its centre lies inside.

Points are (x, y) in pixels, from the outer corner of the first pixel, so that the centre of pixel (column, row) is
(column + 0.5, row + 0.5); x grows to the right, y downwards, and a positive angle turns clockwise, as on a canvas.
Source: HTML Living Standard, 4.12.5 (canvas): the fill rule of a path is `nonzero`; no half-covered pixels here.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from curation.images.pixels import Mask

ON: Final = np.uint8(255)
Points = NDArray[np.float64]


def polygon_mask(points: Points, *, height: int, width: int) -> Mask:
    """Return the mask (height, width) of a closed polygon (n, 2); where it crosses itself, both loops are filled.

    A centre on a left or an upper edge is inside, one on a right or a lower edge is not: two polygons that share an
    edge share no pixel.

    >>> polygon_mask(np.array([[1.0, 0.0], [3.0, 0.0], [3.0, 2.0], [1.0, 2.0]]), height=3, width=4).tolist()
    [[0, 255, 255, 0], [0, 255, 255, 0], [0, 0, 0, 0]]
    """
    windings = np.zeros((height, width + 1), np.int32)
    for (x0, y0), (x1, y1) in zip(points, np.roll(points, -1, axis=0), strict=True):
        (left, top), (right, bottom), turn = ((x0, y0), (x1, y1), 1) if y0 < y1 else ((x1, y1), (x0, y0), -1)
        rows = np.arange(_first_centre(top, limit=height), _first_centre(bottom, limit=height))
        if rows.size:
            crossings = left + (rows + 0.5 - top) / (bottom - top) * (right - left)
            windings[rows, np.clip(np.ceil(crossings - 0.5), 0, width).astype(np.int64)] += turn
    inside = np.cumsum(windings[:, :width], axis=1) != 0
    return np.asarray(inside * ON, dtype=np.uint8)


def rectangle_corners(*, x: float, y: float, width: float, height: float, degrees: float) -> Points:
    """Return the corners (4, 2) of a rectangle that is turned about its first corner (x, y).

    >>> rectangle_corners(x=5, y=1, width=4, height=2, degrees=90).round(9).tolist()
    [[5.0, 1.0], [5.0, 5.0], [3.0, 5.0], [3.0, 1.0]]
    """
    right, down = _axes(degrees)
    corner = np.array([x, y], dtype=np.float64)
    return np.stack([corner, corner + width * right, corner + width * right + height * down, corner + height * down])


def ellipse_mask(*, x: float, y: float, radii: tuple[float, float], degrees: float, height: int, width: int) -> Mask:
    """Return the mask (height, width) of an ellipse about (x, y), turned about it; without a radius it covers nothing.

    >>> int(np.count_nonzero(ellipse_mask(x=2, y=2, radii=(1.5, 1.5), degrees=0, height=4, width=4)))
    4
    """
    if min(radii) <= 0:
        return np.zeros((height, width), np.uint8)
    right, down = _axes(degrees)
    mask = np.zeros((height, width), np.uint8)
    across = np.arange(width) + 0.5 - x
    reach = max(radii)
    for row in range(_first_centre(y - reach, limit=height), _first_centre(y + reach + 1, limit=height)):
        along = row + 0.5 - y
        first, second = across * right[0] + along * right[1], across * down[0] + along * down[1]
        mask[row] = ((first / radii[0]) ** 2 + (second / radii[1]) ** 2 <= 1) * ON
    return mask


def _first_centre(edge: Any, *, limit: int) -> int:
    """Return the first pixel, 0 to `limit`, whose centre is not before an edge."""
    return int(np.clip(np.ceil(edge - 0.5), 0, limit))


def _axes(degrees: float) -> tuple[Points, Points]:
    """Return the directions to the right and downwards, turned clockwise; whole quarter turns are exact."""
    quarters, rest = divmod(degrees, 90.0)
    cosine, sine = np.cos(np.radians(rest)), np.sin(np.radians(rest))
    for _ in range(int(quarters) % 4):
        cosine, sine = -sine, cosine
    return np.array([cosine, sine]), np.array([-sine, cosine])
