"""How far predictions for one image are from each other."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Final

import numpy as np

from curation.pixels import Gray
from models.metrics.confusion import confusion, image_miou

HALF: Final = 128


def disagreement(predictions: Sequence[Gray]) -> float:
    """Give 1 - the mean mIoU over all pairs of predictions (h, w), each 255 x the probability of person.

    Between 0 (all give the same mask) and 1; 0 for one prediction alone.

    >>> disagreement([np.array([[255, 0]], np.uint8), np.array([[0, 255]], np.uint8)])
    1.0
    """
    masks = [np.where(stored >= HALF, 255, 0).astype(np.uint8) for stored in predictions]
    found = [1 - image_miou(confusion(first, truth=second)) for first, second in combinations(masks, 2)]
    return float(np.mean(found)) if found else 0.0
