"""How well a label fits what a model sees, without counting on the model's outline: for finding wrong labels.

Source: Lad and Mueller (2023), "Estimating label quality and errors in semantic segmentation data via any model":
the soft minimum over the pixels of an image of the probability that the model gives to the label of the pixel.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from curation.images.pixels import Gray, Mask
from models.metrics.levels import Counts

TEMPERATURE: Final = 0.1
"""Of the soft minimum, as in the source: smaller looks at the worst pixels only."""
PROBABILITIES: Final = np.arange(256) / 255
WEIGHTS: Final = np.exp((1 - PROBABILITIES) / TEMPERATURE)


def label_quality(stored: Gray, *, truth: Mask, valid: NDArray[np.bool_] | None = None) -> float:
    """Return the quality of a label (h, w) of 0 and 255, from 0 (wrong somewhere, for sure) to 1 (as predicted).

    `stored` is the prediction (h, w), 255 x the probability of person. Pixels that are not `valid` do not count; of an
    image without any that count, the quality is 1. Equal to the soft minimum over all pixels, from 256 counts.

    >>> label_quality(np.array([[255, 0]], np.uint8), truth=np.array([[255, 0]], np.uint8))
    1.0
    >>> round(label_quality(np.array([[255, 255]], np.uint8), truth=np.array([[255, 0]], np.uint8)), 4)
    0.0
    """
    given = np.where(truth > 0, stored, 255 - stored)
    return quality_of(np.bincount((given if valid is None else given[valid]).ravel(), minlength=256))


def quality_of(given: Counts) -> float:
    """Return the same of the counts of each probability, 0..255, that the label was given."""
    if not given.any():
        return 1.0
    weights = given * WEIGHTS
    return float(weights @ PROBABILITIES / weights.sum())
