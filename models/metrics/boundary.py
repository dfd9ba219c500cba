"""Boundary IoU: the intersection over union of two masks, looked at along their outlines alone."""

from __future__ import annotations

import math
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from curation.images.pixels import Mask
from models.metrics.confusion import confusion, person_iou

WIDTH_SHARE: Final = 0.02
"""Of the diagonal, as in the source: 16 pixels at 640 x 480."""


def boundary_width(size: tuple[int, int]) -> int:
    """Return how wide the boundary of a mask of `size` (height, width) is, in pixels: 2 % of the diagonal, at least 1.

    >>> boundary_width((800, 600)), boundary_width((10, 10))
    (20, 1)
    """
    return max(1, round(WIDTH_SHARE * math.hypot(*size)))


def inner_boundary(mask: Mask) -> Mask:
    """Return 255 where a person pixel lies within the boundary width of background or of the edge of the frame.

    Distance is the larger of the steps in x and in y: each erosion by 3 x 3 takes one pixel off on every side.
    """
    height, width = mask.shape
    return _inner(mask, width=boundary_width((height, width)))


def boundary_iou(prediction: Mask, *, truth: Mask, valid: NDArray[np.bool_] | None = None) -> float:
    """Return the IoU of the inner boundaries of two masks (h, w) of 0 and 255, over the pixels that are valid.

    It is 1 where neither has a person. Source: Cheng et al., "Boundary IoU: Improving Object-Centric Image
    Segmentation Evaluation", CVPR 2021; the edge of the frame counts as background.

    >>> square = np.zeros((9, 9), np.uint8)
    >>> square[3:6, 3:6] = 255
    >>> boundary_iou(square, truth=square)
    1.0
    """
    height, width = truth.shape
    left, top, across, down = cv2.boundingRect(cv2.bitwise_or(prediction, truth))
    if not across:
        return 1.0
    near = np.s_[top : top + down, left : left + across]  # where neither has a person there is nothing to count
    one, other = (_inner(mask[near], width=boundary_width((height, width))) for mask in (prediction, truth))
    return person_iou(confusion(one, truth=other, valid=None if valid is None else valid[near]))


def _inner(mask: Mask, *, width: int) -> Mask:
    framed = cv2.copyMakeBorder(mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    eroded = cv2.erode(framed, np.ones((3, 3), np.uint8), iterations=width)
    return mask - np.asarray(eroded[1:-1, 1:-1], dtype=np.uint8)
