"""How blurred a face is, without another picture of it to compare."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from curation.images.pixels import Image

KERNEL: Final = 11
"""Pixels over which a picture is blurred again; one that changes little by it was blurred before."""


def blur_of(picture: Image) -> float:
    """Return the blur of a picture (h, w, 3): 0 is sharp, 1 is blurred; that of a picture of one colour is 1.

    Source: Crete et al. 2007, "The blur effect: perception and estimation with a new no-reference perceptual blur
    metric", with a kernel of 11 pixels, down and across, of which the worse counts.
    """
    gray = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float64)
    return max(_blur_along(gray), _blur_along(np.ascontiguousarray(gray.T)))


def _blur_along(gray: NDArray[np.float64]) -> float:
    """Return the blur down the columns of a picture (h, w)."""
    again = cv2.blur(gray, (1, KERNEL), borderType=cv2.BORDER_REFLECT)
    before, after = np.abs(np.diff(gray, axis=0)), np.abs(np.diff(again, axis=0))
    total = float(before.sum())
    lost = float(np.maximum(0.0, before - after).sum())
    return 1.0 if total == 0 else (total - lost) / total
