"""An image shrunk into its frame, for a network that takes one size only, and what is predicted for it brought back."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from curation.images.pixels import Image
from models.prediction.outputs import Scores
from models.prediction.windows import Window
from models.preprocessing import at_size, resized

SCALE: Final = 0.9
"""Of 0.75, 0.85 and 0.9, with the mirror image, the nearest to 1 - mIoU on 200 real portraits (rank correlation 0.83,
0.86, 0.87 with one network), and within 0.02 of the best on 78 COCO persons and with another network."""


def framed(image: Image, *, size: tuple[int, int], scale: float) -> Image:
    """Return an image at `scale` in the middle of a frame of `size` (height, width), mirrored into what is around
    it.
    """
    top, left, height, width = _inside(size, scale=scale)
    bottom, right = size[0] - top - height, size[1] - left - width
    small = resized(image, size=(height, width))
    return np.asarray(cv2.copyMakeBorder(small, top, bottom, left, right, cv2.BORDER_REFLECT_101), np.uint8)


def window_of_frame(size: tuple[int, int], *, scale: float) -> tuple[Window, tuple[int, int]]:
    """Return the frame as a window of the image in it, and the size (height, width) of that image, in pixels."""
    top, left, height, width = _inside(size, scale=scale)
    return (-top, -left, *size), (height, width)


def unframed(score: Scores, *, size: tuple[int, int], scale: float) -> Scores:
    """Return what lies over the image, of the scores (h, w) for such a frame, again (h, w)."""
    top, left, height, width = _inside(size, scale=scale)
    whole = at_size(score, size=size)
    return at_size(whole[top : top + height, left : left + width], size=(score.shape[0], score.shape[1]))


def _inside(size: tuple[int, int], *, scale: float) -> tuple[int, int, int, int]:
    """Return (top, left, height, width) of the image in its frame."""
    height, width = (max(1, round(scale * side)) for side in size)
    return (size[0] - height) // 2, (size[1] - width) // 2, height, width
