"""From an image to what a network sees, and back: the one rule for training, evaluation, mining and export."""

from __future__ import annotations

from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from curation.images.pixels import Image, Mask, Probability
from curation.labels.masks import mask_of
from models.card import ModelCard

ORDERS: Final = {"RGB": (0, 1, 2), "BGR": (2, 1, 0)}
"""Where the channels of a card lie in an RGB image."""


def resized(image: Image, *, size: tuple[int, int]) -> Image:
    """Return an image at `size` (height, width): averaged over areas where it shrinks, bilinear where it grows.

    Sampling a large photograph bilinearly skips pixels, and thin things come and go with the phase of the grid.
    """
    height, width = size
    if image.shape[:2] == size:
        return image
    is_smaller = height <= image.shape[0] and width <= image.shape[1]
    how = cv2.INTER_AREA if is_smaller else cv2.INTER_LINEAR
    return cv2.resize(image, (width, height), interpolation=how).astype(np.uint8, copy=False)


def resized_mask(mask: Mask, *, size: tuple[int, int]) -> Mask:
    """Return a mask at `size` (height, width), holding 0 and 255: a pixel is person where at least half of it was."""
    return mask_of(resized(mask, size=size))


def normalised(image: Image, *, card: ModelCard) -> NDArray[Any]:
    """Return an RGB image at the card's size as the model's input: (3, h, w), or (h, w, 3) for NHWC.

    It is of the card's `dtype`, float32 where that is absent; uint8 are the pixels as they are.
    """
    planes = cv2.split(image)  # plane by plane it takes a tenth of the time
    if card.dtype == "uint8":
        pixels = [planes[channel] for channel in ORDERS[card.channels]]
        return np.stack(pixels, axis=-1 if card.layout == "NHWC" else 0)
    values = np.empty((3, *image.shape[:2]), dtype=np.float32)
    for value, channel, mean, std in zip(values, ORDERS[card.channels], card.mean, card.std):
        np.subtract(planes[channel], np.float32(mean), out=value)
        value /= np.float32(std)
    values = values.astype(card.dtype or np.float32, copy=False)
    return np.ascontiguousarray(values.transpose(1, 2, 0)) if card.layout == "NHWC" else values


def at_size(probability: Probability, *, size: tuple[int, int]) -> Probability:
    """Return a probability at `size` (height, width), bilinear, still in 0..1."""
    height, width = size
    if probability.shape == size:
        return probability
    return cv2.resize(probability, (width, height), interpolation=cv2.INTER_LINEAR).astype(np.float32, copy=False)
