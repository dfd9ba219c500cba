"""Trimaps: where a mask is certain (0 background, 255 foreground) and where matting has to look (128)."""

from __future__ import annotations

from typing import Final, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from curation.images.pixels import Alpha, Mask, histogram
from curation.labels.masks import ALPHA_THRESHOLD, mask_of
from curation.quarantine import BadRecord, Code

Trimap: TypeAlias = NDArray[np.uint8]
"""(height, width): 0 = background, 128 = unknown, 255 = foreground."""
UNKNOWN: Final = 128
DEFAULT_KERNEL_PX: Final = 6
"""Of the article on the AiFenGe data, whose frames are 600 x 800 pixels."""
DEFAULT_KERNEL_PERSON_PX: Final = 800
"""The person's height that belongs to it: AiFenGe portraits reach from near the top to the bottom of the frame."""
SMALLEST_KERNEL_PX: Final = 3
"""A smaller ellipse leaves no band on both sides of an outline."""


def trimap_from_mask(mask: Mask, *, kernel: int = DEFAULT_KERNEL_PX) -> Trimap:
    """Return 255 where the eroded mask is 255, 128 where only the dilated mask is, 0 elsewhere.

    Dilation and erosion take an ellipse of `kernel` x `kernel` pixels once; beyond the frame nothing is assumed.

    >>> trimap_from_mask(np.array([[0, 0, 0, 255, 255, 255]], dtype=np.uint8), kernel=3).tolist()
    [[0, 0, 128, 128, 255, 255]]
    """
    # whole frame, whole ellipse: cropping to the person, or an ellipse made of rectangles, costs more at 6 pixels
    ellipse = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (kernel, kernel))
    trimap = np.asarray(cv2.dilate(mask, ellipse), dtype=np.uint8)
    trimap &= UNKNOWN
    trimap |= np.asarray(cv2.erode(mask, ellipse), dtype=np.uint8)  # 128 | 255 is 255; the eroded lies in the dilated
    return trimap


def trimap_from_alpha(alpha: Alpha, *, threshold: int = ALPHA_THRESHOLD, kernel: int = DEFAULT_KERNEL_PX) -> Trimap:
    """Return the trimap of the alpha's mask in which, too, every soft pixel (0 < alpha < 255) is unknown.

    So foreground is only where alpha is 255, and background only where it is 0: `check_trimap` holds for it.
    """
    trimap = trimap_from_mask(mask_of(alpha, threshold=threshold), kernel=kernel)
    trimap[(alpha > 0) & (alpha < 255)] = UNKNOWN
    return trimap


def auto_kernel(mask: Mask) -> int:
    """Return the ellipse size in pixels that grows with the person: 6 for a person 800 pixels tall, at least 3.

    The person's height is that of the box around the mask; an empty mask has none.
    Source: the 6 pixels of the AiFenGe article at 600 x 800.

    >>> auto_kernel(np.full((1600, 10), 255, dtype=np.uint8))
    12
    """
    rows = np.flatnonzero(mask.any(axis=1))
    height = int(rows[-1] - rows[0] + 1) if len(rows) else 0
    return max(SMALLEST_KERNEL_PX, round(DEFAULT_KERNEL_PX * height / DEFAULT_KERNEL_PERSON_PX))


def check_trimap(trimap: Trimap, *, file: str = "") -> None:
    """Refuse a trimap that matting cannot start from.

    It must hold only 0, 128 and 255, and some certain foreground and background. Raises BadRecord: TRIMAP.
    """
    is_background, is_foreground = trimap == 0, trimap == 255
    if not (is_background | is_foreground | (trimap == UNKNOWN)).all():
        raise _bad(f"values other than 0, 128 and 255: {histogram(trimap)}", file=file)
    for name, is_certain in (("person", is_foreground), ("background", is_background)):
        if not is_certain.any():
            raise _bad(f"no pixel is certain {name}", file=file)


def _bad(reason: str, *, file: str) -> BadRecord:
    return BadRecord(Code.TRIMAP, reason, file=file)
