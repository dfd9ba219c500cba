"""How strong the edges of an image are, pixel by pixel."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from curation.images.pixels import Image

SMOOTHING_PX: Final = 1.0
"""Sigma, so that noise and JPEG blocks are no edges."""


def slope_length(across: NDArray[np.float32], *, down: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the length of slopes (h, w). `cv2.magnitude` rounds as arrays happen to lie in memory: not the same twice.

    >>> slope_length(np.float32([[3]]), down=np.float32([[4]])).tolist()
    [[5.0]]
    """
    return np.asarray(np.sqrt(across * across + down * down), np.float32)


def edge_strength(image: Image) -> NDArray[np.float32]:
    """Return the length of the gradient in Lab, (h, w), of an image (h, w, 3) RGB that is smoothed a little.

    >>> picture = np.zeros((9, 9, 3), np.uint8)
    >>> picture[:, 5:] = 255
    >>> int(edge_strength(picture)[4].argmax())
    4
    """
    lab = cv2.cvtColor(cv2.GaussianBlur(image, (0, 0), SMOOTHING_PX), cv2.COLOR_RGB2LAB)
    across, down = (np.asarray(cv2.Sobel(lab, cv2.CV_32F, *by), np.float32) for by in ((1, 0), (0, 1)))
    return np.asarray(np.sqrt((across**2 + down**2).sum(axis=2)), np.float32)
