"""How much of a person a photograph shows, what share of a frame she plausibly takes, and her shadow.

The ratios below are conventions of drawing and of photography, not from a paper.
"""

from __future__ import annotations

from typing import Final, Literal

import cv2
import numpy as np

from curation.fusion.head_shape import SOLID, find_head
from curation.images.pixels import Alpha, Image

Shot = Literal["head", "half", "whole"]
NEARLY_CUT: Final = 0.02
"""A person that ends so near to the bottom, a share of the height, is taken for cut: some photographs have a rim."""
HEADS_OF_WHOLE: Final = 4.5
"""A person is seven to eight heads tall, a child five; who is not cut off and shorter sits or is hidden."""
HEADS_OF_HALF: Final = 2.6
"""Who is cut off below and shows less than this many heads is a portrait of head and shoulders."""
SHARES: Final[dict[Shot, tuple[float, float]]] = {"head": (0.45, 1.0), "half": (0.5, 1.0), "whole": (0.4, 0.95)}
"""Of the frame's height, by the class of shot."""
LEAST_METRES: Final[dict[Shot | None, float]] = {"head": 0.4, "half": 0.85, None: 1.3, "whole": 1.8}
"""Metres that a frame must show (see `frame_metres`) to lie behind a person: as much of her as the shot shows, 1.7 m of
a whole one on 95 % of the frame. Who ends inside the frame without standing sits."""
FEET: Final = 0.06
"""What reaches so near to the lowest row, a share of the person's height, is on the ground."""
CONTACT: Final = (0.012, 0.006)
"""Blur of the dark line under the feet, across and down, as shares of the person's height."""
AROUND: Final = (0.07, 0.02)
"""Blur of the wide shadow around it."""
DARKEST: Final = (0.4, 0.25)
"""How much light the line and the wide shadow take away at most."""


def shot_of(alpha: Alpha) -> Shot | None:
    """Return how much of a person an alpha (h, w) shows.

    None for nobody, and for who ends inside the frame without standing: she sits, or something hides her.
    """
    rows, head = np.flatnonzero((alpha > SOLID).any(axis=1)), find_head(alpha)
    if head is None:
        return None
    heads = (rows[-1] + 1 - rows[0]) / head.height
    if len(alpha) - rows[-1] - 1 <= NEARLY_CUT * len(alpha):
        return "head" if heads < HEADS_OF_HALF else "half"
    return "whole" if heads >= HEADS_OF_WHOLE else None


def shaded(frame: Image, *, alpha: Alpha) -> Image:
    """Return the frame (h, w, 3) with the shadow at the feet of the person of an alpha (h, w) who stands before it."""
    solid = alpha > SOLID
    rows = np.flatnonzero(solid.any(axis=1))
    if not len(rows):
        return frame
    tall = int(rows[-1]) + 1 - int(rows[0])
    lowest = len(solid) - 1 - solid[::-1].argmax(axis=0)
    columns = np.flatnonzero(solid.any(axis=0) & (lowest >= rows[-1] - FEET * tall))
    top = max(0, int(rows[-1]) - round((FEET + 4 * AROUND[1]) * tall))
    ground = np.zeros((len(solid) - top, solid.shape[1]), np.float32)
    thick = max(1, round(CONTACT[1] * tall))
    for column in columns:
        ground[max(0, lowest[column] - thick - top) : lowest[column] + thick + 1 - top, column] = 1
    light = np.ones_like(ground)
    for (across, down), dark in zip((CONTACT, AROUND), DARKEST, strict=True):
        blurred = cv2.GaussianBlur(ground, (0, 0), sigmaX=max(0.5, across * tall), sigmaY=max(0.5, down * tall))
        light *= 1 - dark * blurred / max(float(blurred.max()), 1e-6)
    result = frame.copy()
    result[top:] = np.rint(frame[top:] * light[:, :, None]).astype(np.uint8)
    return result
