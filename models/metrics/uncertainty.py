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

from curation.pixels import Gray
from models.metrics.boundary import boundary_width

LEVELS: Final = np.arange(256) / 255
"""The probabilities that 8 bits can tell apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Uncertainty:
    """Mean binary entropy, 0 (sure) .. 1 (one half everywhere): over all pixels, and along the predicted outline.

    `closeness` is 1 - the margin along the outline: how close person and background come, 0 (sure) .. 1 (equal).
    """

    everywhere: float
    at_boundary: float
    closeness: float


def binary_entropy(probability: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the entropy in bits of events of these probabilities; 0 for the certain and the impossible.

    >>> binary_entropy(np.array([0.0, 0.5, 1.0])).tolist()
    [0.0, 1.0, 0.0]
    """
    inside = np.clip(probability, np.finfo(np.float64).tiny, 1 - np.finfo(np.float64).eps)
    bits = -(inside * np.log2(inside) + (1 - inside) * np.log2(1 - inside))
    return np.where((probability > 0) & (probability < 1), bits, 0.0)


def uncertainty(stored: Gray) -> Uncertainty:
    """Give the uncertainty of a prediction (h, w) uint8, 255 x the probability of person.

    The outline runs between pixels below 128 and those from 128 on; along it means: no further from it than the
    boundary width (2 % of the diagonal) on either side. Where nobody is found, or nothing else, there is no outline:
    it could be anywhere, so the mean over all pixels stands for it.

    >>> uncertainty(np.array([[0, 0], [255, 255]], np.uint8))
    Uncertainty(everywhere=0.0, at_boundary=0.0, closeness=0.0)
    """
    counts = _histogram(stored)
    at_boundary = _histogram(stored, where=_outline_band(stored))
    if not at_boundary.any():
        at_boundary = counts
    return Uncertainty(
        everywhere=_mean(binary_entropy(LEVELS), counts=counts),
        at_boundary=_mean(binary_entropy(LEVELS), counts=at_boundary),
        closeness=_mean(1 - np.abs(2 * LEVELS - 1), counts=at_boundary),
    )


def _outline_band(stored: Gray) -> Gray:
    person = cv2.threshold(stored, 127, 255, cv2.THRESH_BINARY)[1]
    height, width = stored.shape
    size = 2 * boundary_width((height, width)) + 1
    square = np.ones((size, size), np.uint8)
    # the edge of the frame is no outline: OpenCV lets what lies outside change neither
    return np.asarray(cv2.dilate(person, square) - cv2.erode(person, square), dtype=np.uint8)


def _histogram(stored: Gray, *, where: Gray | None = None) -> NDArray[np.float64]:
    return cv2.calcHist([stored], [0], where, [256], [0, 256]).ravel().astype(np.float64)


def _mean(values: NDArray[np.float64], *, counts: NDArray[np.float64]) -> float:
    return float(counts @ values / counts.sum())
