"""From the probability that a network gives to an alpha, and to the trimap from which matting finds a better one."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from curation.images.pixels import Alpha, Mask, Probability
from curation.labels.masks import mask_of
from curation.labels.trimaps import UNKNOWN, Trimap, trimap_from_mask
from curation.matting.matte import SURE, band_px

RAMP: Final = (0.3, 0.7)
"""A probability in here is a soft edge; beyond, a faint trace of the background would show as a veil."""
CERTAIN: Final = 0.9
"""A probability above this, or below 1 - this, is certain. A convention."""
GROWN_AT_ONCE: Final = 1_000_000
KEPT: Final = 0.5
"""A matte that keeps less of a part of the person has taken it for background."""
NETWORK_PIXELS: Final = 3.0
"""How far a network's outline may be off, in pixels of its own input."""


def alpha_of(probability: Probability) -> Alpha:
    """Return the alpha of a prediction (h, w): its soft edge made steeper, and nothing far from the person.

    An image without a person has an alpha of 0 everywhere.
    """
    mask = mask_of(probability, specks=False)
    low, high = RAMP
    ramp = probability - np.float32(low)  # in place from here: a large photograph has 64 million of these
    ramp *= np.float32(SURE / (high - low))
    np.clip(ramp, 0, SURE, out=ramp)
    alpha: Alpha = np.rint(ramp, out=ramp).astype(np.uint8)
    alpha[_around(mask, reach=band_px(mask)) == 0] = 0
    return alpha


def _around(mask: Mask, *, reach: int) -> Mask:
    """Return the mask grown by about `reach` pixels; of a large one at a smaller size, where a pixel is no matter."""
    shrink = max(1, int((mask.size / GROWN_AT_ONCE) ** 0.5))
    size = mask.shape[1] // shrink + 1, mask.shape[0] // shrink + 1
    small = cv2.resize(mask, size, interpolation=cv2.INTER_AREA)
    side = 2 * (reach // shrink + 1) + 1
    grown = cv2.dilate(np.asarray(small > 0, np.uint8), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))
    return np.asarray(cv2.resize(grown, mask.shape[::-1], interpolation=cv2.INTER_NEAREST), np.uint8)


def trimap_of(probability: Probability, *, input_size: tuple[int, int]) -> Trimap:
    """Return the trimap of a prediction (h, w) by a network that looks at `input_size` (height, width) pixels.

    Unknown is a band along the outline, as wide as the network is coarse, and what the network is unsure of outside it.
    The band is nowhere wider than half of the part that it runs along, so that no part of the person, such as a face
    that is far away, is left without sure foreground: its colours would be taken for the background's.
    """
    mask = mask_of(probability, specks=False)
    height, width = mask.shape
    coarse = max(height / input_size[0], width / input_size[1])
    kernel = max(band_px(mask), round(2 * NETWORK_PIXELS * coarse))
    trimap = trimap_from_mask(mask, kernel=kernel)
    trimap[_core(mask, kernel=kernel)] = SURE
    is_unsure = (mask == 0) & (probability > 1 - CERTAIN)
    trimap[is_unsure & (_around(mask, reach=kernel) > 0)] = UNKNOWN
    return trimap


def loses_a_part(alpha: Alpha, *, mask: Mask) -> bool:
    """Say whether an alpha (h, w) keeps less than `KEPT` of a part of the mask (h, w, 0 and 255) that it was made of.

    >>> mask = np.array([[255, 255, 0, 255]], np.uint8)
    >>> [loses_a_part(np.array([values], np.uint8), mask=mask) for values in ([255, 200, 0, 140], [255, 255, 0, 90])]
    [False, True]
    """
    number, labels = cv2.connectedComponents(mask, connectivity=8)
    whole = np.bincount(labels.ravel(), minlength=number)
    kept = np.bincount(labels.ravel(), weights=alpha.ravel(), minlength=number) / SURE
    return bool((kept[1:] < KEPT * whole[1:]).any())


def _core(mask: Mask, *, kernel: int) -> NDArray[np.bool_]:
    """Return where the mask is deeper than half of how deep it gets within half a kernel: its inner half everywhere."""
    padded = cv2.copyMakeBorder(mask, 1, 1, 1, 1, cv2.BORDER_REPLICATE)  # a person goes on beyond the frame
    depth = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    deepest = cv2.dilate(depth, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (kernel | 1, kernel | 1)))
    return np.asarray((depth > deepest / 2) & (depth > 1))


def trimap_of_classes(background: Probability, *, person: Probability) -> Trimap:
    """Return the trimap of a network of three classes: what is neither background nor person is unknown.

    Each pixel gets the class of the highest probability.

    >>> background, person = (np.array([values], np.float32) for values in ([0.7, 0.2, 0.1], [0.1, 0.2, 0.8]))
    >>> trimap_of_classes(background, person=person).tolist()
    [[0, 128, 255]]
    """
    unknown = 1 - background - person
    is_person = (person > background) & (person > unknown)
    is_background = (background >= person) & (background > unknown)
    return np.where(is_person, SURE, np.where(is_background, 0, UNKNOWN)).astype(np.uint8)
