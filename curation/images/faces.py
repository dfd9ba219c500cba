"""A face as data: where it is, how it is turned, and how sure its finder is.

Faces are found by `models.faces`; what measures, crops or places people takes them from here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Point = tuple[float, float]
"""(x, y) in pixels; (0, 0) is the upper left corner of the frame, (0.5, 0.5) the centre of its first pixel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Face:
    """A face in pixels of its image.

    `box` is xyxy, from the brows to the chin; `eyes` are their middles, that at the left of the picture first; `chin`
    is the lowest point of the chin, where `is_chin_seen`, else it follows from eyes and mouth. What a finder does not
    tell is None: `turned` (degrees to the side) and `nodded` (degrees up or down, which is less sure), and `openness`
    (of both eyes, in the order of `eyes`: the height between the lids over the width of the eye).
    """

    box: tuple[float, float, float, float]
    confidence: float
    eyes: tuple[Point, Point]
    mouth: Point
    chin: Point
    is_chin_seen: bool
    turned: float | None = None
    nodded: float | None = None
    openness: tuple[float, float] | None = None

    @property
    def between_eyes(self) -> Point:
        """The point halfway between the eyes."""
        (left_x, left_y), (right_x, right_y) = self.eyes
        return (left_x + right_x) / 2, (left_y + right_y) / 2

    @property
    def eye_distance(self) -> float:
        """Pixels from the middle of one eye to that of the other."""
        return math.dist(*self.eyes)

    @property
    def tilt(self) -> float:
        """Degrees by which the line of the eyes leans: above 0 where the eye at the right is the lower one.

        >>> eyes = (2, 2), (6, 6)
        >>> round(Face(box=(0, 0, 9, 9), confidence=1, eyes=eyes, mouth=(4, 6), chin=(4, 8), is_chin_seen=True).tilt)
        45
        """
        (left_x, left_y), (right_x, right_y) = self.eyes
        return math.degrees(math.atan2(right_y - left_y, right_x - left_x))

    def moved(self, matrix: NDArray[np.float64]) -> Face:
        """Return the face where an affine map (2, 3) of the image takes it; the box is that around its corners."""
        left, top, right, bottom = self.box
        corners = [_moved(corner, matrix) for corner in ((left, top), (right, top), (left, bottom), (right, bottom))]
        across, down = zip(*corners)
        return replace(
            self,
            box=(min(across), min(down), max(across), max(down)),
            eyes=(_moved(self.eyes[0], matrix), _moved(self.eyes[1], matrix)),
            mouth=_moved(self.mouth, matrix),
            chin=_moved(self.chin, matrix),
        )


def _moved(point: Point, matrix: NDArray[np.float64]) -> Point:
    x, y = matrix @ (*point, 1.0)
    return float(x), float(y)
