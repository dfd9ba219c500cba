"""How far a predicted alpha is from the true one: SAD, MSE, gradient and connectivity errors.

Source: Rhemann et al., "A perceptually motivated online benchmark for image matting", CVPR 2009, with the constants
that later work reports. Alphas are compared as they are; neither is stretched to 0..1 first, as some programs do.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from curation.images.edges import slope_length
from curation.images.pixels import Alpha, Probability

SIGMA: Final = 1.4
"""Of the Gaussian whose derivative measures gradients, in pixels."""
KERNEL_END: Final = 0.01
"""The kernel is cut off where the Gaussian has fallen to this."""
LEVELS: Final = 10
"""Alpha is cut at 0.1, 0.2, ... 1.0 to see what is connected."""
LEAST_DISTANCE: Final = 0.15
"""A pixel that leaves its region by less is still taken for connected."""
THOUSAND: Final = 1000
"""Sums over pixels are given in thousands, as is the custom."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MattingErrors:
    """`sad`, `gradient` and `connectivity` are sums over pixels, divided by 1000; `mse` is a mean."""

    sad: float
    mse: float
    gradient: float
    connectivity: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ErrorMaps:
    """The errors at each pixel, (h, w) float32 all: |difference|, and what gradient and connectivity add up."""

    absolute: NDArray[np.float32]
    gradient: NDArray[np.float32]
    connectivity: NDArray[np.float32]

    def over(self, where: NDArray[np.bool_] | None = None) -> MattingErrors | None:
        """Return the errors over the pixels in `where` (h, w), such as the unknown band of a trimap, or over all.

        None where there is no such pixel.
        """
        parts = (self.absolute, self.gradient, self.connectivity)
        absolute, gradient, connectivity = (part.ravel() if where is None else part[where] for part in parts)
        if not absolute.size:
            return None
        return MattingErrors(
            sad=float(absolute.sum(dtype=np.float64)) / THOUSAND,
            mse=float(np.square(absolute, dtype=np.float64).mean()),
            gradient=float(gradient.sum(dtype=np.float64)) / THOUSAND,
            connectivity=float(connectivity.sum(dtype=np.float64)) / THOUSAND,
        )


def error_maps(prediction: Probability, *, truth: Alpha) -> ErrorMaps:
    """Compare a predicted alpha, (h, w) float32 in 0..1, with the true one, (h, w) uint8.

    >>> error_maps(np.float32([[0, 0.5]]), truth=np.uint8([[0, 255]])).over().sad
    0.0005
    """
    assert prediction.shape == truth.shape, f"a prediction of {prediction.shape} for an alpha of {truth.shape}"
    expected = truth.astype(np.float32) / np.float32(255)
    return ErrorMaps(
        absolute=np.abs(prediction - expected),
        gradient=np.square(gradient_size(prediction) - gradient_size(expected)),
        connectivity=np.abs(_disconnectedness(prediction, other=expected)),
    )


def gradient_size(alpha: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the size of the gradient of alpha (h, w), 0..1, at each pixel: (h, w), 0 or more.

    The kernels are derivatives of a Gaussian, each of Euclidean norm 1. Beyond the frame the outermost pixels repeat.
    """
    radius = math.ceil(SIGMA * math.sqrt(-2 * math.log(math.sqrt(2 * math.pi) * SIGMA * KERNEL_END)))
    x = np.arange(-radius, radius + 1, dtype=np.float64)
    smooth = np.exp(-(x**2) / (2 * SIGMA**2))
    slope = x * smooth
    smooth, slope = smooth / np.linalg.norm(smooth), slope / np.linalg.norm(slope)
    across = cv2.sepFilter2D(alpha, cv2.CV_32F, slope, smooth, borderType=cv2.BORDER_REPLICATE)
    down = cv2.sepFilter2D(alpha, cv2.CV_32F, smooth, slope, borderType=cv2.BORDER_REPLICATE)
    return slope_length(np.asarray(across, np.float32), down=np.asarray(down, np.float32))


def _disconnectedness(prediction: NDArray[np.float32], *, other: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return how much less connected one alpha (h, w), 0..1, is at each pixel than the other: (h, w) in -1..1."""
    level = connection_level(prediction, other)
    return _degree(prediction - level) - _degree(other - level)


def connection_level(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the highest level, 0..1, up to which each pixel stays in the region of both alphas (h, w): (h, w).

    The region at a level is the largest part, connected through the sides of pixels, in which both alphas reach it.
    """
    lesser = np.minimum(one, other)
    seed = _seed(lesser)
    levels_passed = np.zeros(lesser.shape, np.uint8)
    is_open = np.ones(lesser.shape, bool)
    for number in range(1, LEVELS + 1):
        is_open &= _largest_part(_region(lesser, number=number), seed=seed)
        levels_passed += is_open
    return levels_passed.astype(np.float32) / np.float32(LEVELS)


def _region(lesser: NDArray[np.float32], *, number: int) -> NDArray[np.bool_]:
    return np.asarray(lesser >= np.float32(number / LEVELS))


def _seed(lesser: NDArray[np.float32]) -> tuple[int, int] | None:
    """Return a pixel (y, x) of the largest part of the highest region that is not empty: it lies in all lower ones."""
    for number in range(LEVELS, 0, -1):
        region = _region(lesser, number=number)
        if region.any():
            y, x = divmod(int(_largest_part(region, seed=None).argmax()), region.shape[1])
            return y, x
    return None


def _largest_part(region: NDArray[np.bool_], *, seed: tuple[int, int] | None) -> NDArray[np.bool_]:
    """Return the largest connected part of a region (h, w); the first in reading order of several that are as large.

    The part around the seed, eight times as quick to find, is the one where it is more than half of the region.
    """
    inside = region.view(np.uint8)
    if seed is not None:
        flooded = inside.copy()
        area = cv2.floodFill(flooded, None, (seed[1], seed[0]), 2)[0] if region[seed] else 0
        if 2 * area > cv2.countNonZero(inside):
            return np.asarray(flooded == 2)
    count, numbers, sizes, _ = cv2.connectedComponentsWithStats(inside, connectivity=4)
    if count == 1:
        return np.zeros(region.shape, bool)
    return np.asarray(numbers == 1 + int(sizes[1:, cv2.CC_STAT_AREA].argmax()))


def _degree(distance: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.where(distance >= np.float32(LEAST_DISTANCE), 1 - distance, np.float32(1))
