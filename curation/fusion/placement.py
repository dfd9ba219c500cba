"""Where a person stands in a new frame: nothing is stretched, nobody is cut again.

A person cut off by the edge of the photograph stays at that edge: elsewhere in the frame, a straight cut would float.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from curation.fusion.standing import NEARLY_CUT, SHARES, Shot
from curation.images.pixels import Alpha, Image

SOLID: Final = 127
"""A person touches an edge of the frame where a pixel there has a larger alpha."""
SCALES: Final = (0.7, 1.3)
"""The range from which the scale of a person is drawn. A convention."""
MAX_ENLARGEMENT: Final = 1.5
"""Of a person that comes into the frame of another photograph: further enlarged, it is visibly soft."""

FEET_RANGE: Final = 0.25
"""A whole person stands in this lowest part of the frame: higher up it would float."""

Picture = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """A mirror image if `is_flipped`, then a scale, then a shift in pixels: x' = scale * x + right_px, y alike."""

    is_flipped: bool
    scale: float
    right_px: float
    down_px: float

    def matrix(self) -> NDArray[np.float64]:
        """Return it as the 2 x 3 matrix of OpenCV, whose pixel centres are whole numbers."""
        half = (self.scale - 1) / 2
        return np.array([[self.scale, 0, self.right_px + half], [0, self.scale, self.down_px + half]])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Axis:
    """The extent of a person along one side of the frame: from `start` to `stop` of `length` pixels.

    Where neither end is cut, it may come to stop at most `range_px` before the end of the frame.
    """

    start: int
    stop: int
    length: int
    is_cut_at_start: bool
    is_cut_at_stop: bool
    range_px: float

    @property
    def share(self) -> float:
        """Return the person's share of the side."""
        return max(1, self.stop - self.start) / self.length

    def corner(self, length: int) -> int | None:
        """Return where a photograph of this length begins in a frame that is as long or longer, with its cut at the
        edge.

        None where both ends are cut, and only one can lie at an edge.
        """
        if self.is_cut_at_start and self.is_cut_at_stop and length > self.length:
            return None
        return 0 if self.is_cut_at_start else length - self.length

    def scales(self) -> tuple[float, float]:
        """Return the least and the largest scale at which the person is neither cut again nor cut loose."""
        if self.is_cut_at_start and self.is_cut_at_stop:
            return 1.0, float("inf")
        return 0.0, max(1.0, self.length / max(1, self.stop - self.start))

    def shift(self, rng: np.random.Generator, *, scale: float) -> float:
        """Draw a shift after scaling that keeps the person in the frame, and at the edge that cuts it."""
        at_start, at_stop = 0.0, self.length - self.stop * scale
        if self.is_cut_at_start and self.is_cut_at_stop:
            return self.length * (1 - scale) / 2
        if self.is_cut_at_start or self.is_cut_at_stop:
            return at_start if self.is_cut_at_start else at_stop
        least, most = -self.start * scale, self.length - self.stop * scale
        return float(rng.uniform(max(min(least, most), most - self.range_px), max(least, most)))


def draw_placement(rng: np.random.Generator, *, alpha: Alpha, shot: Shot | None = None) -> Placement:
    """Draw where the person of an alpha (h, w) goes in a frame of the same size, as high as is plausible for a `shot`.

    A person of an unknown shot is scaled from the size in the photograph alone.
    """
    is_flipped = bool(rng.random() < 0.5)
    across, down = _axes(alpha[:, ::-1] if is_flipped else alpha)
    least = max(SCALES[0], across.scales()[0], down.scales()[0])
    low, high = (0.0, float("inf")) if shot is None else (share / down.share for share in SHARES[shot])
    most = min(max(SCALES[1], min(low, MAX_ENLARGEMENT)), across.scales()[1], down.scales()[1], max(high, least))
    most = max(least, most)
    least = max(least, min(low, most))
    scale = float(rng.uniform(least, most))
    return Placement(
        is_flipped=is_flipped,
        scale=scale,
        right_px=across.shift(rng, scale=scale),
        down_px=down.shift(rng, scale=scale),
    )


def placed(image: Image, *, alpha: Alpha, placement: Placement) -> tuple[Image, Alpha]:
    """Return image and alpha as they lie in the new frame, of the same size; around the photograph alpha is 0."""
    return _moved(image, placement=placement), placed_alpha(alpha, placement=placement)


def placed_alpha(alpha: Alpha, *, placement: Placement) -> Alpha:
    """Return an alpha as it lies in the new frame (see `placed`)."""
    return _moved(_without_faint_edges(alpha), placement=placement)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fitted:
    """A photograph in a frame of another shape: colours (h, w, 3), alpha (h, w), and how it came there."""

    image: Image
    alpha: Alpha
    placement: Placement


def fitted(image: Image, *, alpha: Alpha, size: tuple[int, int]) -> Fitted | None:
    """Return a photograph (h, w, 3) and its alpha (h, w) scaled evenly into a frame of `size` (height, width).

    A side that cuts the person off lies at that edge of the frame; around the photograph alpha is 0. None where the
    photograph cuts the person off at two opposite sides that cannot both lie at an edge, or would be enlarged too much.
    """
    scale = min(size[0] / alpha.shape[0], size[1] / alpha.shape[1])
    if scale > MAX_ENLARGEMENT:
        return None
    new = max(1, round(alpha.shape[0] * scale)), max(1, round(alpha.shape[1] * scale))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    image, alpha = (np.asarray(cv2.resize(one, new[::-1], interpolation=how), np.uint8) for one in (image, alpha))
    across, down = _axes(alpha)
    top, left = down.corner(size[0]), across.corner(size[1])
    if top is None or left is None:
        return None
    sides = top, size[0] - new[0] - top, left, size[1] - new[1] - left
    edges: Any = cv2.copyMakeBorder(image, *sides, cv2.BORDER_REPLICATE)
    empty: Any = cv2.copyMakeBorder(_without_faint_edges(alpha), *sides, cv2.BORDER_CONSTANT, value=0)
    placement = Placement(is_flipped=False, scale=scale, right_px=left, down_px=top)
    return Fitted(
        image=edges.astype(np.uint8, copy=False), alpha=empty.astype(np.uint8, copy=False), placement=placement
    )


def _moved(picture: Picture, *, placement: Placement) -> Picture:
    picture = np.ascontiguousarray(picture[:, ::-1] if placement.is_flipped else picture)
    size = picture.shape[1], picture.shape[0]
    # the edge is repeated, so that a person that it cuts stays solid up to the last pixel
    edge = cv2.BORDER_REPLICATE
    # colours keep their sharpness; an alpha must not swing beyond its levels
    how = cv2.INTER_CUBIC if picture.ndim == 3 else cv2.INTER_LINEAR
    moved = cv2.warpAffine(picture, placement.matrix(), size, flags=how, borderMode=edge)
    return moved.astype(np.uint8, copy=False)


def _axes(alpha: Alpha) -> tuple[_Axis, _Axis]:
    """Return the extent of the person of an alpha (h, w) across the frame, and down it."""
    solid = alpha > SOLID
    across = _axis(np.asarray(solid.any(axis=0)), near=0.0, reach=1.0)
    return across, _axis(np.asarray(solid.any(axis=1)), near=NEARLY_CUT, reach=FEET_RANGE)


def _axis(is_solid: NDArray[np.bool_], *, near: float, reach: float) -> _Axis:
    """Return the extent of what is solid of (length,); `near` and `reach` are shares of that length (see above)."""
    places, length = np.flatnonzero(is_solid), len(is_solid)
    start, stop = (int(places[0]), int(places[-1]) + 1) if len(places) else (0, length)
    return _Axis(
        start=start,
        stop=stop,
        length=length,
        is_cut_at_start=start == 0 and len(places) > 0,
        is_cut_at_stop=length - stop <= near * length and len(places) > 0,
        range_px=reach * length,
    )


def _without_faint_edges(alpha: Alpha) -> Alpha:
    """Clear the edges of the frame that do not cut the person, so that repeating them adds nothing."""
    cleared = np.array(alpha)
    for edge in (cleared[0], cleared[-1], cleared[:, 0], cleared[:, -1]):
        if edge.max() <= SOLID:
            edge[:] = 0
    return cleared
