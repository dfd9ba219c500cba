"""What predictions, taken together, say about a label: where they contradict it for sure, and whether they agree."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from curation.images.pixels import Gray, Mask
from curation.labels.masks import mask_of
from models.metrics.boundary import boundary_width
from models.metrics.confusion import confusion, image_miou
from models.metrics.disagreement import disagreement

SURE: Final = 0.95
"""Mean probability of the predictions from which on they contradict a label for sure."""
ROUNDING: Final = 1e-6
"""Tolerance for 255 x SURE, which floating point does not hold exactly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What predictions say about one label; shares are of the union of label and predicted person.

    `contradicted`: the predictions are sure, together, that the label is wrong there, away from outlines.
    `interior_error`: the first prediction differs from the label there, away from the label's outline.
    `disagreement`: 1 - the mean mIoU between predictions, None for one alone. `best_other`: the highest mIoU of another
    prediction with the label, None without. `outline_support` is that of the label where somebody looked, see there.
    `predictions` is how many there are.
    """

    contradicted: float
    interior_error: float
    disagreement: float | None
    best_other: float | None
    outline_support: float | None = None
    predictions: int = 1


def evidence_of(
    prediction: Gray, *, others: Sequence[Gray], truth: Mask, valid: NDArray[np.bool_] | None = None
) -> Evidence:
    """Return the evidence of a prediction, and of others for the same image, about a label of 0 and 255; all (h, w).

    Predictions hold 255 x the probability of person.

    >>> label = np.zeros((40, 40), np.uint8)
    >>> label[:20] = 255
    >>> [evidence_of(sure, others=[], truth=label).contradicted for sure in (label, 255 - label)]
    [0.0, 1.0]
    """
    label = truth if valid is None else _counted(truth, valid=valid)
    found = (
        [prediction, *others] if valid is None else [_counted(stored, valid=valid) for stored in (prediction, *others)]
    )
    total = found[0] if len(found) == 1 else np.asarray(np.sum(found, axis=0, dtype=np.uint16), np.uint16)
    whole = 255 * len(found)
    is_person = label > 0
    union = max(1, int(np.count_nonzero(is_person | (total >= (whole + 1) // 2))))
    masks = [mask_of(stored) for stored in found]
    return Evidence(
        contradicted=_away_from_outlines(_sure_against(total, whole=whole, is_person=is_person)) / union,
        interior_error=_away_from_outlines(masks[0] != label) / union,
        disagreement=disagreement(masks) if others else None,
        best_other=max((image_miou(confusion(mask, truth=label)) for mask in masks[1:]), default=None),
        predictions=len(found),
    )


def _counted(picture: Gray, *, valid: NDArray[np.bool_]) -> Gray:
    return np.asarray(picture * valid.view(np.uint8), dtype=np.uint8)


def _sure_against(total: NDArray[np.unsignedinteger], *, whole: int, is_person: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Tell where the sum of predictions (h, w), 0..whole, is sure of the opposite of what the label (h, w) says."""
    least = math.ceil(whole * SURE - ROUNDING)
    return np.asarray((is_person & (total <= whole - least)) | (~is_person & (total >= least)))


def _away_from_outlines(where: NDArray[np.bool_]) -> int:
    """Count the pixels of (h, w) in regions that are wider than the band in which outlines may differ."""
    height, width = where.shape
    size = boundary_width((height, width)) | 1
    square = np.ones((size, size), np.uint8)
    left, top, across, down = cv2.boundingRect(where.view(np.uint8))
    if not across:
        return 0
    # with a pixel around it, the region ends within the part just as it does in the whole
    near = np.s_[max(0, top - 1) : top + down + 1, max(0, left - 1) : left + across + 1]
    return cv2.countNonZero(cv2.morphologyEx(where[near].view(np.uint8), cv2.MORPH_OPEN, square))
