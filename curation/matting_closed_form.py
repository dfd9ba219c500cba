"""Closed-form matting on the unknown pixels alone: nothing is computed where the trimap knows the answer.

pymatting sets up its matrix for every pixel of the frame and takes the unknown rows out of it, which costs more than to
solve it. Here only the windows that touch an unknown pixel are looked at, and their colours are whitened by a Cholesky
factor: the product formula of pymatting loses up to ten digits where the colours of a window lie on a line.
Source: Levin, Lischinski, Weiss 2008, "A Closed-Form Solution to Natural Image Matting", equations 11 to 13.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from curation.matting_equations import solve
from curation.pixels import Image
from curation.trimaps import Trimap

Plane = NDArray[np.float64]
EPSILON: Final = 1e-7
"""Regularisation of the colours' covariance, for colours of 0..1, as in pymatting."""
WINDOWS_AT_ONCE: Final = 1 << 13
"""So many windows fit into a processor's cache while they are worked on."""
SIDE: Final = 3
AREA: Final = SIDE * SIDE
REACH: Final = 5
"""Two pixels of one window are at most two apart, so a pixel meets those in 5 x 5 around it."""
INSIDE: Final = np.array([(y, x) for y in range(SIDE) for x in range(SIDE)])
AROUND: Final = np.array([(y, x) for y in range(-2, 3) for x in range(-2, 3)])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Band:
    """The unknown pixels of a frame, numbered row by row.

    `numbers` is (h + 4, w + 4), two pixels around the frame included; known pixels have the number after the last.
    """

    numbers: NDArray[np.int64]
    places: NDArray[np.int64]

    @property
    def size(self) -> int:
        return len(self.places)


def closed_form_alpha(image: Image, *, trimap: Trimap) -> Plane:
    """Give alpha (h, w), 0..1, of an image (h, w, 3); it is exactly 0 or 1 where the trimap is 0 or 255.

    Raises ValueError when the equations have no solution.
    """
    is_unknown = (trimap > 0) & (trimap < 255)
    band = _band(is_unknown)
    weights = _weights(image, is_unknown=is_unknown, band=band)
    matrix, right = _equations(weights, band=band, is_foreground=trimap == 255)
    alpha: Plane = (trimap == 255).astype(np.float64)
    alpha[is_unknown] = np.clip(solve(matrix, right=right), 0, 1)
    return alpha


def _band(is_unknown: NDArray[np.bool_]) -> _Band:
    places = np.argwhere(is_unknown)
    numbers = np.full((is_unknown.shape[0] + 4, is_unknown.shape[1] + 4), len(places))
    numbers[2:-2, 2:-2][is_unknown] = np.arange(len(places))
    return _Band(numbers=numbers, places=places)


def _weights(image: Image, *, is_unknown: NDArray[np.bool_], band: _Band) -> Plane:
    """Give the matting Laplacian as (25, n + 1): the weights around each unknown pixel, and one column to spare."""
    corners = np.argwhere(_window_has(is_unknown))
    weights = np.zeros((REACH * REACH, band.size + 1))
    for start in range(0, len(corners), WINDOWS_AT_ONCE):
        y, x = (corners[start : start + WINDOWS_AT_ONCE] + INSIDE[:, None]).transpose(2, 0, 1)
        colours = image[y, x].transpose(2, 0, 1) / 255.0
        numbers = band.numbers[y + 2, x + 2]
        parts = _window_weights(colours)
        for one in range(AREA):  # the same place in each window: no number comes twice, but the one to spare
            for other in range(AREA):
                offset = (INSIDE[other] - INSIDE[one] + 2) @ (REACH, 1)
                weights[offset][numbers[one]] += parts[one, other]
    return weights


def _window_has(is_unknown: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Tell, for the upper left pixel of each 3 x 3 window, whether a pixel in it is unknown."""
    rows = is_unknown[:-2] | is_unknown[1:-1] | is_unknown[2:]
    has: NDArray[np.bool_] = rows[:, :-2] | rows[:, 1:-1] | rows[:, 2:]
    return has


def _window_weights(colours: Plane) -> Plane:
    """Give what windows of colours (3, 9, n) add to the Laplacian: (9, 9, n)."""
    red, green, blue = colours - colours.mean(axis=1, keepdims=True)
    # the Cholesky factor of the covariance, and the colours that it whitens
    rr = np.sqrt(_covariance(red, red) + EPSILON / AREA)
    gr, br = _covariance(green, red) / rr, _covariance(blue, red) / rr
    gg = np.sqrt(_covariance(green, green) + EPSILON / AREA - gr * gr)
    bg = (_covariance(blue, green) - br * gr) / gg
    bb = np.sqrt(_covariance(blue, blue) + EPSILON / AREA - br * br - bg * bg)
    first = red / rr
    second = (green - gr * first) / gg
    third = (blue - br * first - bg * second) / bb
    parts = np.empty((AREA, AREA, colours.shape[2]))
    for one in range(AREA):
        for other in range(one + 1):
            alike = first[one] * first[other] + second[one] * second[other] + third[one] * third[other]
            parts[one, other] = parts[other, one] = (one == other) - (1 + alike) / AREA
    return parts


def _covariance(one: Plane, other: Plane) -> NDArray[np.float64]:
    mean: NDArray[np.float64] = (one * other).mean(axis=0)
    return mean


def _equations(weights: Plane, *, band: _Band, is_foreground: NDArray[np.bool_]) -> tuple[Any, Plane]:
    """Give the matrix in compressed columns, and the right side, to which everything known is moved."""
    from scipy.sparse import csc_matrix  # type: ignore[import-untyped]  # with pymatting, only where matting is done

    y, x = (band.places[:, None] + AROUND + 2).transpose(2, 0, 1)
    numbers, rows = band.numbers[y, x], weights[:, :-1].T
    right = -(rows * np.pad(is_foreground, 2)[y, x]).sum(axis=1)
    is_kept = numbers < band.size
    ends = np.concatenate([[0], np.cumsum(is_kept.sum(axis=1))])
    # symmetric, so that its rows are its columns
    matrix = csc_matrix((rows[is_kept], numbers[is_kept], ends), shape=(band.size, band.size))
    return matrix, right
