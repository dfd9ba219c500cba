"""Known label errors, planted in real masks: what annotators and conversions get wrong."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from curation.images.pixels import Mask

KINDS: Final = ("shifted", "eroded", "wrong person", "missing part", "filled", "swapped")


def planted(mask: Mask, *, kind: str, other: Mask, rng: np.random.Generator) -> Mask:
    """Return a mask (h, w) of 0 and 255 with an error of a kind; `other` is the mask of another image.

    Shifted by 12 to 30 % of the frame; eroded by 10 to 25 % of the person's side; mirrored and moved, as if it was
    somebody else; without 20 to 40 % of the person, cut along a line; grown over gaps by 15 to 35 % of its side; or the
    other image's mask.
    """
    height, width = mask.shape
    side = float(np.sqrt(np.count_nonzero(mask)))
    if kind == "shifted":
        angle, far = rng.uniform(0, 2 * np.pi), rng.uniform(0.12, 0.3)
        matrix = np.array([[1, 0, far * width * np.cos(angle)], [0, 1, far * height * np.sin(angle)]])
        return np.asarray(cv2.warpAffine(mask, matrix, (width, height), flags=cv2.INTER_NEAREST), np.uint8)
    if kind == "eroded":
        return np.asarray(cv2.erode(mask, _disc(side * rng.uniform(0.1, 0.25))), np.uint8)
    if kind == "filled":
        return np.asarray(cv2.dilate(mask, _disc(side * rng.uniform(0.15, 0.35))), np.uint8)
    if kind == "wrong person":
        return np.roll(mask[:, ::-1], int(rng.uniform(0.2, 0.5) * width), axis=1)
    if kind == "missing part":
        return _cut(mask, rng=rng)
    assert kind == "swapped", kind
    return np.asarray(cv2.resize(other, (width, height), interpolation=cv2.INTER_NEAREST), np.uint8)


def _disc(size: float) -> cv2.typing.MatLike:
    odd = max(3, int(size) | 1)
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (odd, odd))


def _cut(mask: Mask, *, rng: np.random.Generator) -> Mask:
    y, x = np.nonzero(mask)
    angle = rng.uniform(0, 2 * np.pi)
    along = (x - x.mean()) * np.cos(angle) + (y - y.mean()) * np.sin(angle)
    far = along > np.quantile(along, rng.uniform(0.6, 0.8))
    found = mask.copy()
    found[y[far], x[far]] = 0
    return found
