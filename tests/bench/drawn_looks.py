"""Looks of drawn pictures, quickly: frequencies are drawn, and what a crop does to them is a matrix."""

from __future__ import annotations

from functools import cache
from itertools import product
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from curation.duplicates.fingerprint import CROP, FREQUENCIES, THUMBNAIL_PX, _cropped
from curation.duplicates.near_duplicates import SIGNS

DRAWN: Final = 16
"""Frequencies of each axis that a drawn picture has."""
FALL: Final = 1.5
"""How steeply they fall: so of 1,000 drawn pairs eight lie as near as a copy might, which is between what holds for
photographs of anything and for portraits that were taken in one way."""
COPIES: Final = 0.1
"""Share of the pictures that are copies of another: cropped, turned, and encoded again."""
AT_ONCE: Final = 4096
CUTS: Final = list(product((0.0, CROP), repeat=4))


def drawn_looks(number: int, *, seed: int = 0) -> NDArray[np.float16]:
    """Return the looks (n, 16, 64) of so many drawn pictures, the copies last."""
    rng = np.random.default_rng(seed)
    crops = _crops()
    looks = np.empty((number, len(CUTS), FREQUENCIES**2), np.float16)
    rows, columns = np.mgrid[:DRAWN, :DRAWN]
    falling = 1 / np.maximum(np.hypot(rows, columns), 1) ** FALL
    originals = (rng.standard_normal((number - int(COPIES * number), DRAWN**2)) * falling.ravel()).astype(np.float32)
    signs = np.ones((len(SIGNS), DRAWN, DRAWN), np.float32)
    signs[:, :FREQUENCIES, :FREQUENCIES] = SIGNS.reshape(-1, FREQUENCIES, FREQUENCIES)
    signs[:, FREQUENCIES:] = signs[:, : DRAWN - FREQUENCIES]
    signs[:, :, FREQUENCIES:] = signs[:, :, : DRAWN - FREQUENCIES]
    for start in range(0, number, AT_ONCE):
        own = originals[start : start + AT_ONCE]
        if missing := min(AT_ONCE, number - start) - len(own):
            copied = originals[rng.integers(len(originals), size=missing)]
            cut = crops[rng.integers(len(CUTS), size=missing)]
            copied = np.einsum("ni,nij->nj", copied, cut) * signs[rng.integers(len(SIGNS), size=missing)].reshape(
                missing, -1
            )
            noise = rng.standard_normal(copied.shape, dtype=np.float32) * falling.ravel() * 0.05
            own = np.concatenate([own, copied + noise.astype(np.float32)])
        looks[start : start + len(own)] = _looks(own, crops=crops)
    return looks


def _looks(pictures: NDArray[np.float32], *, crops: NDArray[np.float32]) -> NDArray[np.float16]:
    seen = np.stack([pictures @ crop for crop in crops], axis=1).reshape(len(pictures), len(crops), DRAWN, DRAWN)
    vectors = seen[:, :, :FREQUENCIES, :FREQUENCIES].reshape(len(pictures), len(crops), -1).copy()
    vectors[:, :, 0] = 0
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float16)


@cache
def _crops() -> NDArray[np.float32]:
    return np.stack([_cut(cut) for cut in CUTS])


def _cut(cut: tuple[float, ...]) -> NDArray[np.float32]:
    """Return what cutting a picture does to its frequencies, as a matrix from those before to those after."""
    rows = []
    for frequency in range(DRAWN**2):
        one = np.zeros((THUMBNAIL_PX, THUMBNAIL_PX), np.float32)
        one[divmod(frequency, DRAWN)] = 1
        rows.append(cv2.dct(_cropped(cv2.idct(one), cut))[:DRAWN, :DRAWN].ravel())
    return np.stack(rows)
