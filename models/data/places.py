"""The places of faces on their way through augmentation: what moves the pixels of a sample moves its face with them.

Augmentations draw where they move pixels to and tell nobody. So x and y of every pixel go the same way, as labels, and
the affine map by which they went is fitted to where they came out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from models.data.soft_labels import SoftLabel
from models.faces.places import Place, no_place, seen_through
from models.losses.targets import IGNORED

STEP: Final = 4
"""Every fourth pixel each way: an affine map has six numbers."""
LEAST_POINTS: Final = 12


def moved(place: Place, *, size: tuple[int, int], vary: Callable[[SoftLabel], SoftLabel]) -> Place:
    """Return the place of a face in what `vary` makes of an image of `size` (height, width).

    `vary` gives a label (h, w) as it moves with the image, each time in the same way. Zeros stay zeros.
    """
    if not place.any():
        return place
    across, down = (vary(np.asarray(ramp, np.float32)) for ramp in np.meshgrid(*map(_middles, size[::-1])))
    to_frame = _fitted(across, down)
    return no_place() if to_frame is None else seen_through(place, to_frame)


def _middles(number: int) -> NDArray[np.float64]:
    """Return where the middles of so many pixels lie between 0 and 1, which labels can hold."""
    return (np.arange(number) + 0.5) / number


def _fitted(across: SoftLabel, down: SoftLabel) -> Place | None:
    """Return the affine map from a picture to the frame it came from; None where too little of that is left."""
    valid = (across != IGNORED) & (down != IGNORED)
    inside = cv2.erode(valid.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=0)  # edges are mixed with nothing
    rows, columns = (2 * _middles(number)[::STEP] - 1 for number in inside.shape)
    known = inside[::STEP, ::STEP] > 0
    x, y = np.meshgrid(columns, rows)
    points = np.stack([x[known], y[known], np.ones(np.count_nonzero(known))], axis=1)
    if len(points) < LEAST_POINTS or np.linalg.matrix_rank(points) < points.shape[1]:
        return None
    values = np.stack([across[::STEP, ::STEP][known], down[::STEP, ::STEP][known]], axis=1).astype(np.float64)
    found, *_ = np.linalg.lstsq(points, 2 * values - 1, rcond=None)
    return np.asarray(found.T)
