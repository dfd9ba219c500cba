"""Whether a label lies as its image is stored or as it is shown, where EXIF turns the image.

Tools that do not know of EXIF draw labels on the stored pixels. Sizes tell that where the picture is turned on its side
and is no square; else the label's outline tells, which runs along edges of the image in the frame it was drawn in.
"""

from __future__ import annotations

import math
from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from curation.images.edges import edge_strength
from curation.images.header import ImageHeader
from curation.images.orientation import turned
from curation.images.pixels import Alpha, Image
from curation.labels.masks import HALF
from curation.quarantine import BadRecord, Code

LabelFrame = Literal["stored", "shown"]
SIDE_PX: Final = 400
"""The longer side at which the two are compared: more says no more."""
REACH_PX: Final = 1
"""An outline lies on an edge that is so near."""
LEAST_PX: Final = 20
"""A shorter outline, of a speck, says nothing."""
APART: Final = 0.01
"""Of the diagonal; outlines that are nearer to each other are one."""
AVERAGE: Final = 0.5
SAME: Final = 0.01
"""Share of the person's pixels; where fewer differ, both frames have the same label."""
CLEAR: Final = 0.06
"""So much more edge rank tells the frame. `python -m tests.bench frames`: of 1,280 turns of 320 real portraits
with real labels 1,270 are told and none wrongly, the worst is off by 0.02; of 10 it is said that nothing tells."""


def frame_is_open(header: ImageHeader) -> bool:
    """Tell whether EXIF turns the image in a way that its label's size does not show: a half turn, or of a square."""
    return header.orientation != 1 and (header.width, header.height) == (header.stored_width, header.stored_height)


def check_frame(image: Image, *, label: Alpha, orientation: int, file: str) -> BadRecord | None:
    """Return the finding about a label (h, w) of a turned image (h, w, 3), as displayed; None where all is well.

    Where the label fits the image as it is stored and not as it is shown, BadRecord LABEL_FRAME is raised; where
    nothing tells the two apart, it is returned.
    """
    other = turned(label, orientation=orientation)
    if np.count_nonzero((label > HALF) != (other > HALF)) <= SAME * np.count_nonzero(label > HALF):
        return None
    shown, stored = edge_ranks(image, one=label, other=other)
    ranks = f"its outline has edge rank {shown:.2f} as the image is shown, {stored:.2f} as it is stored"
    turns = f"EXIF orientation {orientation} turns the image"
    if stored - shown >= CLEAR:
        raise BadRecord(Code.LABEL_FRAME, f"{turns}, and its label is not turned: {ranks}", file=file)
    if shown - stored >= CLEAR:
        return None
    reason = f"{turns}; whether its label is turned too is not known; it was taken as it is: {ranks}"
    return BadRecord(Code.LABEL_FRAME, reason, file=file)


def edge_ranks(image: Image, *, one: Alpha, other: Alpha) -> tuple[float, float]:
    """Return how strong the edges are on the outlines of two labels, where these are apart; 0.5 where they never are.

    `image` is (h, w, 3) RGB, the labels (h, w), person above 127. The rank of an edge is the share, 0..1, of the
    image's pixels with a weaker one: 0.5 on average. Only outer outlines count, for holes are where labels err most.
    """
    image, (one, other) = _small(image, one, other)
    square = np.ones((2 * REACH_PX + 1, 2 * REACH_PX + 1), np.uint8)
    strength = np.asarray(cv2.dilate(edge_strength(image), square), np.float32)
    weaker = np.searchsorted(np.sort(strength, axis=None), strength) / strength.size
    outlines = _outline(one), _outline(other)
    reach = max(3.0, APART * math.hypot(*one.shape))
    ranks = []
    for outline, others in (outlines, outlines[::-1]):
        is_apart = outline & (_distance(others) > reach)
        ranks.append(float(weaker[is_apart].mean()) if is_apart.any() else AVERAGE)
    return ranks[0], ranks[1]


def _small(image: Image, one: Alpha, other: Alpha) -> tuple[Image, tuple[Alpha, Alpha]]:
    height, width = one.shape
    scale = SIDE_PX / max(height, width)
    if scale >= 1:
        return image, (one, other)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    image, one, other = (
        np.asarray(cv2.resize(array, size, interpolation=cv2.INTER_AREA), np.uint8) for array in (image, one, other)
    )
    return image, (one, other)


def _outline(label: Alpha) -> NDArray[np.bool_]:
    """Return where the outer outline runs, but for where the frame cuts the person off."""
    person = (label > HALF).astype(np.uint8)
    contours, _ = cv2.findContours(person, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    drawn = np.zeros(person.shape, np.uint8)
    cv2.drawContours(drawn, [one for one in contours if len(one) >= LEAST_PX], -1, 1)
    drawn[:2] = drawn[-2:] = drawn[:, :2] = drawn[:, -2:] = 0
    return drawn > 0


def _distance(outline: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the distance in pixels (h, w) to an outline (h, w), infinite without one."""
    if not outline.any():
        return np.full(outline.shape, np.inf, np.float32)
    return np.asarray(cv2.distanceTransform((~outline).astype(np.uint8), cv2.DIST_L2, 3), np.float32)
