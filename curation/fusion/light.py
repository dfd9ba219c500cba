"""Colours of a person brought nearer to the light of a new background, and a blur that hides the seam."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from curation.images.pixels import Alpha, Image

MOST_CONTRAST = 1.5
"""How much the spread of a channel may change at most, so that a flat background does not flatten a face.

A convention."""


def light_matched(foreground: Image, *, alpha: Alpha, background: Image, strength: float) -> Image:
    """Return the foreground with mean and spread of its colours moved towards the background's by `strength`, 0..1.

    Only what alpha shows counts as foreground; means and standard deviations are those of L, a and b.
    Source: Reinhard et al. 2001, "Color Transfer between Images", in CIE L*a*b* instead of l-alpha-beta.
    """
    shown = alpha > 0
    if strength == 0 or not shown.any():
        return foreground
    lab = cv2.cvtColor(foreground, cv2.COLOR_RGB2LAB)
    mean, spread = _moments(lab, where=shown.view(np.uint8))
    new_mean, new_spread = _moments(cv2.cvtColor(background, cv2.COLOR_RGB2LAB))
    gain = np.clip(new_spread / np.maximum(spread, 1), 1 / MOST_CONTRAST, MOST_CONTRAST)
    # channels move one by one, so that a table of 256 values for each says all
    values = np.arange(256)[:, None]
    moved = (values - mean) * (1 + strength * (gain - 1)) + mean + strength * (new_mean - mean)
    table = np.clip(np.rint(moved), 0, 255).astype(np.uint8)[None]
    return np.asarray(cv2.cvtColor(cv2.LUT(lab, table), cv2.COLOR_LAB2RGB), dtype=np.uint8)


def softened(image: Image, *, sigma_px: float) -> Image:
    """Return the image blurred by a Gaussian of `sigma_px` pixels, person and background alike; 0 changes nothing."""
    if sigma_px == 0:
        return image
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma_px), dtype=np.uint8)


def _moments(
    picture: cv2.typing.MatLike, *, where: cv2.typing.MatLike | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    mean, spread = cv2.meanStdDev(picture, mask=where)
    return np.asarray(mean, np.float64).ravel(), np.asarray(spread, np.float64).ravel()
