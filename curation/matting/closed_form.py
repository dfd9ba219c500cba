"""Closed-form matting on the unknown pixels alone: nothing is computed where the trimap knows the answer.

Only the windows that touch an unknown pixel are looked at, and their colours are whitened by a Cholesky factor: the
product formula of pymatting loses up to ten digits where the colours of a window lie on a line. The pixels are numbered
along the band, so that their equations have few diagonals.
Source: Levin, Lischinski, Weiss 2008, "A Closed-Form Solution to Natural Image Matting", equations 11 to 13. The
quadratic term by which constraints are brought in there holds here, with a small weight, an alpha that is expected.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from curation.images.pixels import Alpha, Image
from curation.labels.trimaps import Trimap
from curation.matting.band import RIM, Band, band_of
from curation.matting.solve_band import Equations, solve

Plane = NDArray[np.float64]
EPSILON: Final = 1e-7
"""Regularisation of the colours' covariance, for colours of 0..1, as in pymatting."""
WINDOWS_AT_ONCE: Final = 1 << 14
"""What is worked on at once fits into a processor's cache."""
SIDE: Final = 3
AREA: Final = SIDE * SIDE
INSIDE: Final = tuple((y, x) for y in range(SIDE) for x in range(SIDE))
AHEAD: Final = tuple((y, x) for y in range(SIDE) for x in range(1 - SIDE, SIDE) if (y, x) >= (0, 0))
"""From a pixel to itself and to those after it, row by row, which share a window with it. The weight of two pixels is
kept once, with the first of them."""
PAIRS: Final = tuple(
    tuple((one, INSIDE.index((y + dy, x + dx))) for one, (y, x) in enumerate(INSIDE) if (y + dy, x + dx) in INSIDE)
    for dy, dx in AHEAD
)
"""For each of `AHEAD`, the pairs of pixels of a window that it leads from and to."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prior:
    """An alpha (h, w) that is expected, and what it weighs against the colours: pixels of one window weigh about 1.

    Where colours tell nothing, as between dark hair and a dark wall, it decides.
    """

    alpha: Alpha
    weight: float


def closed_form_alpha(image: Image, *, trimap: Trimap, prior: Prior | None = None) -> Plane:
    """Return alpha (h, w), 0..1, of an image (h, w, 3); it is exactly 0 or 1 where the trimap is 0 or 255.

    Raises ValueError when the equations have no solution.
    """
    is_unknown = (trimap > 0) & (trimap < 255)
    band = band_of(is_unknown)
    alpha: Plane = (trimap == 255).astype(np.float64)
    alpha[band.pixels] = np.clip(solve(_equations(image, trimap=trimap, band=band, prior=prior)), 0, 1)
    return alpha


def _equations(image: Image, *, trimap: Trimap, band: Band, prior: Prior | None) -> Equations:
    weights, right = _weights(image, trimap=trimap, band=band)
    if prior is not None:
        weights[AHEAD.index((0, 0))] += prior.weight
        right[:-1] += prior.weight * (prior.alpha[band.pixels] / 255)
    own = np.arange(band.size)
    others = band.numbers[band.places + np.array([y * band.width + x for y, x in AHEAD])[:, None]]
    is_unknown = others < band.size
    rows, columns = np.maximum(own, others)[is_unknown], np.minimum(own, others)[is_unknown]
    return Equations(rows=rows, columns=columns, values=weights[:, :-1][is_unknown], right=right[:-1])


def _weights(image: Image, *, trimap: Trimap, band: Band) -> tuple[Plane, Plane]:
    """Return the matting Laplacian as (13, n + 1), the weights ahead of each unknown pixel, and the right side (n + 1).

    The last of each is for pixels that are known: nobody asks for it.
    """
    planes = np.pad(image.transpose(2, 0, 1), ((0, 0), (RIM, RIM), (RIM, RIM))).reshape(3, -1)
    foreground = np.pad(trimap == 255, RIM).ravel().astype(np.float64)
    offsets = np.array([y * band.width + x for y, x in INSIDE])[:, None]
    places = _windows((trimap > 0) & (trimap < 255), width=band.width)
    weights, right = np.zeros((len(AHEAD), band.size + 1)), np.zeros(band.size + 1)
    for start in range(0, len(places), WINDOWS_AT_ONCE):
        inside = places[start : start + WINDOWS_AT_ONCE] + offsets
        numbers = band.numbers[inside]
        # one colour after the other: read in steps of three, each number costs several times as much
        white = _whitened(planes.take(inside, axis=1) / 255)
        pull = _pull(white, foreground=foreground[inside])
        right -= _summed(pull, numbers=numbers, size=len(right))
        for row, pairs in zip(weights, PAIRS):
            parts = np.array([_weight(white, one, other) for one, other in pairs])
            row += _summed(parts, numbers=numbers[[one for one, _ in pairs]], size=len(row))
    return weights, right


def _windows(is_unknown: NDArray[np.bool_], *, width: int) -> NDArray[np.int64]:
    """Return the flat place (n,) of the upper left pixel of each 3 x 3 window of (h, w) in which a pixel is unknown."""
    rows = is_unknown[:-2] | is_unknown[1:-1] | is_unknown[2:]
    y, x = np.nonzero(rows[:, :-2] | rows[:, 1:-1] | rows[:, 2:])
    return np.asarray((y + RIM) * width + x + RIM, np.int64)


def _whitened(colours: Plane) -> Plane:
    """Return the colours (3, 9, n) of windows so that the product of two is their share of the weight (3, 9, n)."""
    red, green, blue = colours - colours.mean(axis=1, keepdims=True)
    # the Cholesky factor of the covariance, which is taken over 9 pixels
    rr = np.sqrt(_covariance(red, red) + EPSILON / AREA)
    gr, br = _covariance(green, red) / rr, _covariance(blue, red) / rr
    gg = np.sqrt(_covariance(green, green) + EPSILON / AREA - gr * gr)
    bg = (_covariance(blue, green) - br * gr) / gg
    bb = np.sqrt(_covariance(blue, blue) + EPSILON / AREA - br * br - bg * bg)
    white = np.empty_like(colours)
    white[0] = red / rr
    white[1] = (green - gr * white[0]) / gg
    white[2] = (blue - br * white[0] - bg * white[1]) / bb
    white /= AREA**0.5
    return white


def _covariance(one: Plane, other: Plane) -> Plane:
    mean: Plane = (one * other).mean(axis=0)
    return mean


def _weight(white: Plane, one: int, other: int) -> Plane:
    """Return what windows add to the Laplacian for two of their pixels, (n,)."""
    first, second = white[:, one], white[:, other]
    alike: Plane = first[0] * second[0] + first[1] * second[1] + first[2] * second[2]
    return (one == other) - 1 / AREA - alike


def _pull(white: Plane, *, foreground: Plane) -> Plane:
    """Give, for each pixel of windows, the sum of its weights to those that are known as foreground, (9, n)."""
    alike = (white * (white * foreground).sum(axis=1, keepdims=True)).sum(axis=0)
    pull: Plane = foreground - foreground.sum(axis=0) / AREA - alike
    return pull


def _summed(parts: Plane, *, numbers: NDArray[np.int64], size: int) -> Plane:
    """Return the sum (size,) of the parts of each number; both (k, n). It is several times quicker than `np.add.at`."""
    total: Plane = np.bincount(numbers.ravel(), weights=parts.ravel(), minlength=size).astype(np.float64, copy=False)
    return total
