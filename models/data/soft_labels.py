"""Labels that are alphas: the share of person in each pixel, never cut at a threshold on the way to the network."""

from __future__ import annotations

from typing import Any, Final, TypeAlias, TypeGuard

import cv2
import numpy as np
from numpy.typing import NDArray

from curation.images.pixels import Alpha
from models.losses.targets import IGNORED

SoftLabel: TypeAlias = NDArray[np.float32]
"""(height, width), from 0 (background) to 1 (person), and 255 where a pixel is ignored."""
HALF: Final = 0.5
"""A pixel counts where at least half of what it was made of counts."""


def is_soft(label: NDArray[Any]) -> TypeGuard[SoftLabel]:
    """Tell whether a label holds alphas rather than classes."""
    return label.dtype == np.float32


def soft_label(alpha: Alpha) -> SoftLabel:
    """Return an alpha of 0..255 as a label."""
    return alpha.astype(np.float32) / np.float32(255)


def alpha_of(label: SoftLabel) -> Alpha:
    """Return a label as an alpha of 0..255; what is ignored is background."""
    alpha: Alpha = np.rint(np.where(label == IGNORED, np.float32(0), label) * 255).astype(np.uint8)
    return alpha


def fitted_soft(label: SoftLabel, *, size: tuple[int, int]) -> SoftLabel:
    """Return a label at `size` (height, width): averaged over areas where it shrinks, bilinear where it grows."""
    height, width = size
    if label.shape == size:
        return label
    is_smaller = height <= label.shape[0] and width <= label.shape[1]
    how = cv2.INTER_AREA if is_smaller else cv2.INTER_LINEAR
    return from_planes(np.asarray(cv2.resize(planes_of(label), (width, height), interpolation=how), np.float32))


def planes_of(label: SoftLabel) -> NDArray[np.float32]:
    """Return (height, width, 2), which may be interpolated: the share of person that counts, and whether it counts.

    What lies outside of an image is 0 in both. An ignored pixel so adds nothing to the alpha of its neighbours.
    """
    is_valid = label != IGNORED
    return np.stack([np.where(is_valid, label, np.float32(0)), is_valid.astype(np.float32)], axis=-1)


def from_planes(planes: NDArray[np.float32]) -> SoftLabel:
    """Return the label back: the mean alpha of what counts, and ignored where less than half of a pixel counts."""
    person, counted = planes[..., 0], planes[..., 1]
    share = np.clip(person / np.maximum(counted, np.float32(HALF)), 0, 1)
    return np.where(counted >= HALF, share, np.float32(IGNORED)).astype(np.float32)
