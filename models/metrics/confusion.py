"""How many pixels a prediction got right and wrong, and the intersection over union that follows."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from curation.images.pixels import Mask


@dataclass(frozen=True, slots=True, kw_only=True)
class Confusion:
    """Numbers of valid pixels: person found (`tp`), background taken for person (`fp`), person missed (`fn`),
    background found (`tn`)."""

    tp: int
    fp: int
    fn: int
    tn: int

    def __add__(self, other: Confusion) -> Confusion:
        return Confusion(tp=self.tp + other.tp, fp=self.fp + other.fp, fn=self.fn + other.fn, tn=self.tn + other.tn)

    @property
    def valid(self) -> int:
        """The number of pixels that count."""
        return self.tp + self.fp + self.fn + self.tn


def confusion(prediction: Mask, *, truth: Mask, valid: NDArray[np.bool_] | None = None) -> Confusion:
    """Count the pixels of a predicted mask against its label; all (h, w), and whatever is not 0 is person.

    Pixels where `valid` is False do not count.

    >>> confusion(np.uint8([[255, 255, 0]]), truth=np.uint8([[255, 0, 0]]))
    Confusion(tp=1, fp=1, fn=0, tn=1)
    """
    assert prediction.shape == truth.shape, f"a prediction of {prediction.shape} for a label of {truth.shape}"
    total = prediction.size
    if valid is not None:
        assert valid.shape == truth.shape, f"valid pixels of {valid.shape} for a label of {truth.shape}"
        where = valid.view(np.uint8)
        prediction, truth, total = _lesser(prediction, where), _lesser(truth, where), int(np.count_nonzero(valid))
    predicted, labelled = cv2.countNonZero(prediction), cv2.countNonZero(truth)
    both = cv2.countNonZero(_lesser(prediction, truth))
    return Confusion(tp=both, fp=predicted - both, fn=labelled - both, tn=total - predicted - labelled + both)


def person_iou(counts: Confusion) -> float:
    """Return TP / (TP + FP + FN); 1 where there is no person and none was found.

    Source: Everingham et al. 2010, The Pascal Visual Object Classes (VOC) Challenge, its segmentation accuracy.

    >>> person_iou(Confusion(tp=2, fp=1, fn=1, tn=4))
    0.5
    """
    union = counts.tp + counts.fp + counts.fn
    return counts.tp / union if union else 1.0


def background_iou(counts: Confusion) -> float:
    """Return TN / (TN + FP + FN); 1 where there is no background and none was found.

    >>> background_iou(Confusion(tp=2, fp=1, fn=1, tn=2))
    0.5
    """
    union = counts.tn + counts.fp + counts.fn
    return counts.tn / union if union else 1.0


def image_miou(counts: Confusion) -> float:
    """Return the mean of the IoU of person and of background.

    A class that is absent from label and prediction is left out of the mean. Then the other class is right at every
    pixel: the mean is 1, so it needs no case of its own.

    >>> image_miou(Confusion(tp=2, fp=1, fn=1, tn=2)), image_miou(Confusion(tp=0, fp=0, fn=0, tn=9))
    (0.5, 1.0)
    """
    return (person_iou(counts) + background_iou(counts)) / 2


def _lesser(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(cv2.min(one, other), dtype=np.uint8)
