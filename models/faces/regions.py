"""Square parts of photographs as networks see them, and points brought back from there."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from curation.images.pixels import Image


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """A square of an image in its pixels, turned by `angle` radians around its middle; it may reach beyond."""

    x: float
    y: float
    side: float
    angle: float = 0.0

    def matrix(self, size: int) -> NDArray[np.float64]:
        """Return the affine map (2, 3) from a picture of `size` x `size` pixels of the region into the image."""
        scale = self.side / size
        cos, sin = scale * math.cos(self.angle), scale * math.sin(self.angle)
        half = size / 2
        turned = np.array([[cos, -sin], [sin, cos]])
        return np.column_stack([turned, np.array([self.x, self.y]) - turned @ (half, half)])


def whole(image: Image) -> Region:
    """Return the smallest square region around an image (h, w, 3)."""
    height, width = image.shape[:2]
    return Region(x=width / 2, y=height / 2, side=max(height, width))


def seen(image: Image, *, region: Region, size: int, is_black_beyond: bool) -> Image:
    """Return what a region of an image (h, w, 3) shows, as (size, size, 3); beyond the frame it is black, or goes on.

    Where it shrinks by more than two, the image is averaged over areas first: networks learnt from such pictures.
    """
    matrix = region.matrix(size)
    shrink = region.side / size
    if shrink > 2:
        small = 2 / shrink
        resized = cv2.resize(
            image,
            (max(1, round(image.shape[1] * small)), max(1, round(image.shape[0] * small))),
            interpolation=cv2.INTER_AREA,
        )
        ratios = np.array([resized.shape[1] / image.shape[1], resized.shape[0] / image.shape[0]])
        image, matrix = np.asarray(resized, np.uint8), matrix * ratios[:, None]
    # OpenCV counts from the centres of pixels, `matrix` from the corner of the frame
    centred = matrix.copy()
    centred[:, 2] += matrix[:, :2] @ (0.5, 0.5) - 0.5
    how = cv2.BORDER_CONSTANT if is_black_beyond else cv2.BORDER_REPLICATE
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(image, centred, (size, size), flags=flags, borderMode=how), np.uint8)


def brought_back(points: NDArray[np.float64], *, region: Region, size: int) -> NDArray[np.float64]:
    """Return points (n, 2) of a picture of a region in pixels of the image."""
    matrix = region.matrix(size)
    return points @ matrix[:, :2].T + matrix[:, 2]
