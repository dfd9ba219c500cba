"""How far predictions for one image are from each other."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from curation.images.pixels import Mask
from models.metrics.confusion import confusion, image_miou


def disagreement(masks: Sequence[Mask]) -> float:
    """Return 1 - the mean mIoU over all pairs of predicted masks (h, w) of 0 and 255.

    Between 0 (all are the same) and 1; 0 for one mask alone. A measure of this project, in the terms of the mIoU.

    >>> disagreement([np.array([[255, 0]], np.uint8), np.array([[0, 255]], np.uint8)])
    1.0
    """
    found = [1 - image_miou(confusion(first, truth=second)) for first, second in combinations(masks, 2)]
    return float(np.mean(found)) if found else 0.0
