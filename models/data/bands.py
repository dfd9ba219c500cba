"""The unknown band of trimaps that train a network: wide enough to be learnt, whatever the data has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np

from curation.quarantine import BadRecord
from models.data.choose_samples import LabelledImage
from models.data.read_labels import Label, read_image, read_label
from models.losses.alphas import band_reach
from models.losses.targets import IGNORED, UNKNOWN

AUTO: Final = "auto"
AS_STORED: Final = "none"
LEAST_UNKNOWN: Final = 0.05
"""Of the pixels: of a narrower band a network sees so little that it calls nothing unknown."""
LOOKED_AT: Final = 8
"""In each dataset, to see how wide the bands are."""


def widened(label: Label, *, kernel: str) -> Label:
    """Return the label of a trimap (h, w) with its band widened on both sides, by a square of pixels.

    `kernel` is `auto`, which reaches as far as the band that alpha networks learn from (a fortieth of the longer side),
    a side in pixels, or `none`. What is soft in an alpha stays unknown, and what is ignored stays so.

    >>> widened(np.array([[0, 0, 1, 2, 2]], np.uint8), kernel="3").tolist()
    [[0, 1, 1, 1, 2]]
    """
    if kernel == AS_STORED:
        return label
    side = 2 * band_reach(label.shape[0], label.shape[1]) + 1 if kernel == AUTO else int(kernel)
    near = cv2.dilate((label == UNKNOWN).astype(np.uint8), np.ones((side, side), np.uint8))
    return np.where((near > 0) & (label != IGNORED), np.uint8(UNKNOWN), label)


def warnings_of_bands(samples: Sequence[LabelledImage], *, kernel: str) -> list[str]:
    """Say of which datasets the bands, as they train, hold too few pixels to be learnt."""
    warnings = []
    for folder in dict.fromkeys(sample.folder for sample in samples):
        own = [sample for sample in samples if sample.folder == folder]
        shares = [share for sample in own[:: -(-len(own) // LOOKED_AT)] if (share := _unknown(sample, kernel)) >= 0]
        mean = float(np.mean(shares)) if shares else 1.0
        if mean < LEAST_UNKNOWN:
            warnings.append(
                f"{folder}: {mean:.1%} of the pixels are unknown ({len(shares)} of {len(own)} looked at), too few to "
                f"learn a band from; give --trimap-kernel auto, or a larger one than {kernel}"
            )
    return warnings


def _unknown(sample: LabelledImage, kernel: str) -> float:
    """Return the share of a trimap that is unknown, -1 where it is broken: the training itself will name it."""
    try:
        image = read_image(sample)
        label = read_label(sample, classes=3, size=(image.shape[0], image.shape[1]))
    except BadRecord:
        return -1.0
    return float((widened(label, kernel=kernel) == UNKNOWN).mean())
