"""What several predictions and the image say of any label for it: of the one that it has, and of wrong ones.

Everything is seen at a small size, so that a label is heard in milliseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from curation.images.pixels import Gray, Image, Mask
from curation.labels.masks import mask_of
from labeling.verdicts.outline_support import outline_support
from models.metrics.confusion import confusion, image_miou

LONGEST_PX: Final = 384
EDGES: Final = 0.25
"""Weight of the outlines. Chosen on 60 plantings of 24 errors each among 200 real portraits, and on as many among 120
of EG1800: of eight ways to put the same numbers together the best on the former; on the latter nearly all are alike."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Witnesses:
    """An image (h, w, 3), the `masks` (h, w) that models predict, and the best outline support of one of them."""

    image: Image
    masks: Sequence[Mask]
    support: float
    valid: NDArray[np.bool_] | None


def witnesses_of(image: Image, *, predictions: Sequence[Gray], valid: NDArray[np.bool_] | None = None) -> Witnesses:
    """Return what can be heard about labels of an image; `predictions` hold 255 x the probability of person.

    Pixels that are not `valid` (h, w) do not count.
    """
    scale = min(1.0, LONGEST_PX / max(predictions[0].shape))
    height, width = (max(1, round(side * scale)) for side in predictions[0].shape)

    def small(picture: Image | Gray) -> NDArray[np.uint8]:
        return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.uint8)

    counted = None if valid is None else np.asarray(small(valid.astype(np.uint8) * 255) > 127, np.bool_)
    seen, masks = small(image), [mask_of(small(one)) for one in predictions]
    if counted is not None:
        masks = [np.asarray(mask * counted, np.uint8) for mask in masks]
    support = max(outline_support(seen, mask) for mask in masks)
    return Witnesses(image=seen, masks=masks, support=support, valid=counted)


def heard(label: Mask, *, witnesses: Witnesses) -> Mask:
    """Return a label (H, W) at the size at which it is compared, (h, w), 0 where pixels do not count."""
    height, width = witnesses.image.shape[:2]
    small = np.asarray(cv2.resize(label, (width, height), interpolation=cv2.INTER_NEAREST), np.uint8)
    return small if witnesses.valid is None else np.asarray(small * witnesses.valid, np.uint8)


def deep_doubt(label: Mask, *, witnesses: Witnesses) -> float:
    """Return the doubt about a label (h, w) of the size of the witnesses, -0.25..1.25, higher = look first.

    It is high where no model agrees with the label, and where the outline of what a model predicts follows the edges of
    the image better than that of the label: 1 - best mIoU + 0.25 x (their best outline support - its own). The formula
    is ours.

    >>> picture = np.zeros((60, 60, 3), np.uint8)
    >>> picture[20:50, 20:40] = 255
    >>> person = picture[:, :, 0].copy()
    >>> around = witnesses_of(picture, predictions=[person])
    >>> deep_doubt(person, witnesses=around), round(deep_doubt(np.roll(person, 20, axis=1), witnesses=around), 2)
    (0.0, 0.92)
    """
    best = max(image_miou(confusion(mask, truth=label, valid=witnesses.valid)) for mask in witnesses.masks)
    return 1 - best + EDGES * (witnesses.support - outline_support(witnesses.image, label))
