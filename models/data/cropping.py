"""The crop of the `crop` policy: a patch or the whole, a little nearer or further away."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from curation.pixels import Image
from models.data.labels import Label, fitted
from models.losses import IGNORED

SCALES: Final = (0.75, 1.25)
PATCH_SHARE: Final = 0.5
"""How often a patch is taken rather than the whole image."""
OUTSIDE: Final = (124, 116, 104)
"""The mean of ImageNet, 0 to a network: what lies outside of an image tells nothing."""


def cropped(
    image: Image, label: Label, *, size: tuple[int, int], classes: int, rng: np.random.Generator
) -> tuple[Image, Label]:
    """Cut a window out of an image and give it at `size` (height, width).

    The window is as large as the image or (a patch) as `size`, divided by a scale of 0.75 to 1.25. Where it is larger
    than the image, the image lies somewhere in it, and what is outside of the image is ignored.
    """
    scale = rng.uniform(*SCALES)
    extent = size if rng.random() < PATCH_SHARE else image.shape[:2]
    height, width = (max(1, round(length / scale)) for length in extent)
    top, bottom = _span(image.shape[0], length=height, rng=rng)
    left, right = _span(image.shape[1], length=width, rng=rng)
    inside = (slice(max(0, top), bottom), slice(max(0, left), right))
    margins = (max(0, -top), max(0, bottom - image.shape[0]), max(0, -left), max(0, right - image.shape[1]))
    window, window_label = image[inside], label[inside]
    if any(margins):
        window = cv2.copyMakeBorder(window, *margins, cv2.BORDER_CONSTANT, value=OUTSIDE).astype(np.uint8, copy=False)
        padded = cv2.copyMakeBorder(window_label, *margins, cv2.BORDER_CONSTANT, value=(IGNORED,))
        window_label = padded.astype(np.uint8, copy=False)
    return fitted(np.ascontiguousarray(window), np.ascontiguousarray(window_label), size=size, classes=classes)


def _span(available: int, *, length: int, rng: np.random.Generator) -> tuple[int, int]:
    """Give where a window of `length` begins and ends: inside of what is available, or around it."""
    room = available - length
    begin = int(rng.integers(min(0, room), max(0, room) + 1))
    return begin, begin + length
