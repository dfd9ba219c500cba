"""How unsure a model is of its own prediction: by the entropy of the probability of person, and by its margin.

Taken from probabilities as they are stored, 8 bits each, so that whoever reads `predictions/<id>.png` gets the same
numbers; and a table of 256 entropies is six times faster than logarithms.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from curation.images.pixels import Gray, Mask
from curation.labels.masks import mask_of
from models.metrics.boundary import boundary_width
from models.metrics.levels import Counts, LevelCounts, count_levels

LEVELS: Final = np.arange(256) / 255
"""The probabilities that 8 bits can tell apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Uncertainty:
    """Mean binary entropy, 0 (sure) .. 1 (one half everywhere): over all pixels, and along the predicted outline.

    `closeness` is 1 - the margin along the outline: how close person and background come, 0 (sure) .. 1 (equal).
    Source: Settles 2009, Active Learning Literature Survey, section 3.1, for entropy and margin as uncertainty.
    """

    everywhere: float
    at_boundary: float
    closeness: float


def binary_entropy(probability: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the entropy in bits of events with probabilities (n,) in 0..1; 0 for the certain and the impossible.

    Source: Shannon 1948, A Mathematical Theory of Communication, section 6.

    >>> binary_entropy(np.array([0.0, 0.5, 1.0])).tolist()
    [0.0, 1.0, 0.0]
    """
    inside = np.clip(probability, np.finfo(np.float64).tiny, 1 - np.finfo(np.float64).eps)
    bits = -(inside * np.log2(inside) + (1 - inside) * np.log2(1 - inside))
    return np.where((probability > 0) & (probability < 1), bits, 0.0)


ENTROPIES: Final = binary_entropy(LEVELS)


def uncertainty(stored: Gray) -> Uncertainty:
    """Return the uncertainty of a prediction (h, w) uint8, 255 x the probability of person.

    The outline runs between pixels below 128 and those from 128 on; along it means: no further from it than the
    boundary width (2 % of the diagonal) on either side. Where nobody is found, or nothing else, there is no outline:
    it could be anywhere, so the mean over all pixels stands for it.

    >>> uncertainty(np.array([[0, 0], [255, 255]], np.uint8))
    Uncertainty(everywhere=0.0, at_boundary=0.0, closeness=0.0)
    """
    return uncertainty_of(count_levels(stored, chosen=outline_band(stored)))


def uncertainty_of(counts: LevelCounts) -> Uncertainty:
    """Return the same of counts (256,) of levels; those of the band around the outline are `chosen`."""
    at_boundary = counts.chosen if counts.chosen.any() else counts.everywhere
    return Uncertainty(
        everywhere=_mean(ENTROPIES, counts=counts.everywhere),
        at_boundary=_mean(ENTROPIES, counts=at_boundary),
        closeness=_mean(1 - np.abs(2 * LEVELS - 1), counts=at_boundary),
    )


def outline_band(stored: Gray) -> Mask:
    """Return a mask (h, w) of 255 along the predicted outline, on either side of it; all 0 where there is none."""
    person = mask_of(stored)
    height, width = stored.shape
    reach = boundary_width((height, width))
    left, top, across, down = cv2.boundingRect(person)
    band = np.zeros(stored.shape, np.uint8)
    if across:
        near = np.s_[max(0, top - reach) : top + down + reach, max(0, left - reach) : left + across + reach]
        square = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
        # the edge of the frame is no outline: OpenCV lets what lies outside change neither
        cv2.subtract(cv2.dilate(person[near], square), cv2.erode(person[near], square), dst=band[near])
    return band


def _mean(values: NDArray[np.float64], *, counts: Counts) -> float:
    return float(counts @ values / counts.sum())
