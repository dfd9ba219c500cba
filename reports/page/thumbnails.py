"""Small pictures of samples: what a prediction gets wrong as vector paths, gray tiles of alpha and trimap.

Everything is drawn again from pixels, so no metadata of the source (place, camera, embedded preview) comes along.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from curation.images.pixels import Alpha, Gray, Mask, encode_gray
from curation.images.thumbnails import HALF, outline_path, scaled
from curation.labels.masks import mask_of


def error_paths(
    prediction: Gray, *, label: Mask, valid: NDArray[np.bool_] | None, size: tuple[int, int]
) -> tuple[str, str]:
    """Return two SVG paths at `size`: what is predicted but not labelled, and what is labelled but not predicted.

    `prediction` is 255 x the probability of person; where `valid` is False nothing counts. All are (h, w).
    """
    counts = True if valid is None else scaled(np.where(valid, np.uint8(255), np.uint8(0)), size=size) > HALF
    found, labelled = (scaled(mask_of(picture), size=size) > HALF for picture in (prediction, label))
    return tuple(  # type: ignore[return-value]
        outline_path(np.where(where & counts, np.uint8(255), np.uint8(0)), size=size)
        for where in (found & ~labelled, labelled & ~found)
    )


def prediction_path(prediction: Gray, *, size: tuple[int, int]) -> str:
    """Return the outline of the predicted person, where the probability is at least one half, as `outline_path`
    does.
    """
    return outline_path(mask_of(prediction), size=size)


def alpha_tile(alpha: Alpha, *, size: tuple[int, int]) -> bytes:
    """Return an alpha scaled to `size` (height, width) as gray PNG."""
    return encode_gray(scaled(alpha, size=size))


def trimap_tile(trimap: NDArray[np.uint8], *, size: tuple[int, int]) -> bytes:
    """Return a trimap (h, w) of 0, 128, 255 at `size` (height, width) as gray PNG; the unknown band stays visible."""
    small = scaled(trimap, size=size)
    tile = mask_of(small)
    unknown = scaled(np.where((trimap > 0) & (trimap < 255), np.uint8(255), np.uint8(0)), size=size)
    tile[unknown > HALF // 2] = 128
    return encode_gray(tile)
