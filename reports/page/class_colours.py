"""Class maps as people look at them: a colour for each class, and a legend with their names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from curation.images.pixels import Image, encode_image
from curation.images.thumbnails import scaled

IGNORED: Final = 255
SHARE_OF_COLOUR: Final = 0.65
"""What a colour counts where it lies over an image."""
ROW_PX: Final = 18
LEGEND_PX: Final = 130
GAP_PX: Final = 4
HEIGHT_PX: Final = 256
"""Of a sample in a picture of several."""


def palette() -> NDArray[np.uint8]:
    """Return (256, 3) RGB: neighbouring numbers have colours far apart, 0 is black, 255 light gray.

    Source: Everingham et al. 2010, The Pascal Visual Object Classes (VOC) Challenge: its development kit spreads the
    bits of a number over the high bits of red, green and blue.

    >>> palette()[[0, 1, 2, 3]].tolist()
    [[0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0]]
    """
    numbers = np.arange(256)
    colours = np.zeros((256, 3), np.uint8)
    for place in range(8):
        for channel in range(3):
            colours[:, channel] |= (((numbers >> (3 * place + channel)) & 1) << (7 - place)).astype(np.uint8)
    colours[IGNORED] = 224
    return colours


def coloured(classes: NDArray[np.uint8]) -> Image:
    """Return a class map (h, w) in colours, (h, w, 3)."""
    return palette()[classes]


def laid_over(image: Image, *, classes: NDArray[np.uint8]) -> Image:
    """Return an image with the colours of its classes over it, but for background."""
    mixed = (1 - SHARE_OF_COLOUR) * image + SHARE_OF_COLOUR * coloured(classes)
    return np.where(classes[..., None] > 0, np.rint(mixed).astype(np.uint8), image)


def class_tile(image: Image, *, classes: NDArray[np.uint8], size: tuple[int, int]) -> bytes:
    """Return an image with the colours of its class map over it at `size` (height, width), as PNG."""
    small = scaled(image, size=size)
    nearest = cv2.resize(classes, size[::-1], interpolation=cv2.INTER_NEAREST).astype(np.uint8, copy=False)
    return encode_image(laid_over(small, classes=nearest))


def legend(names: Sequence[str], *, height: int, first: int = 0) -> Image:
    """Return a picture of `height` pixels or more with the colour and name of each class, from number `first` on."""
    picture = np.full((max(height, ROW_PX * len(names)), LEGEND_PX, 3), 255, np.uint8)
    for number, name in enumerate(names):
        top = number * ROW_PX
        picture[top + 3 : top + 15, 4:22] = palette()[first + number]
        plain = name.encode("ascii", "replace").decode()  # OpenCV draws no other letters
        cv2.putText(picture, plain, (28, top + 13), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (40, 40, 40), 1, cv2.LINE_AA)
    return picture


def class_rows(samples: Sequence[tuple[Image, NDArray[np.uint8], NDArray[np.uint8]]], *, names: Sequence[str]) -> Image:
    """Return samples as one picture: a row each with image, predicted and true classes; beside them the legend."""
    rows = [_row(*sample) for sample in samples]
    width = max(row.shape[1] for row in rows)
    padded = [np.pad(row, ((0, GAP_PX), (0, width - row.shape[1]), (0, 0)), constant_values=255) for row in rows]
    whole = np.vstack(padded)
    key = legend(names, height=whole.shape[0])
    whole = np.pad(whole, ((0, key.shape[0] - whole.shape[0]), (0, 0), (0, 0)), constant_values=255)
    return np.hstack([whole, key])


def _row(image: Image, prediction: NDArray[np.uint8], truth: NDArray[np.uint8]) -> Image:
    size = (max(1, round(image.shape[1] * HEIGHT_PX / image.shape[0])), HEIGHT_PX)
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    maps = [cv2.resize(one, size, interpolation=cv2.INTER_NEAREST).astype(np.uint8) for one in (prediction, truth)]
    gap = np.full((HEIGHT_PX, GAP_PX, 3), 255, np.uint8)
    return np.hstack([small, gap, laid_over(small, classes=maps[0]), gap, laid_over(small, classes=maps[1])])
