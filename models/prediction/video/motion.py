"""How a video moves from frame to frame: dense optical flow on a small gray grid, what stays still, and scene cuts.

Source: Kroeger et al. 2016, "Fast Optical Flow using Dense Inverse Search".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from curation.images.pixels import Gray, Image

Plane: TypeAlias = NDArray[np.float32]
"""(height, width) float32."""
Flow: TypeAlias = NDArray[np.float32]
"""(height, width, 2) float32: where each pixel of a frame was in the last one, as pixels of the grid right and down."""

LONGER_PX: Final = 256
"""Of the grid: about as much as a small network sees."""
LEAST_PX: Final = 64
"""Below it, the flow has no coarse scale to begin with."""
BLUR_PX: Final = 1.5
"""Standard deviation of the blur before the flow is sought: noise of the camera is no motion."""
STILL_PX: Final = 0.5
"""What moves by less, of `LONGER_PX`, does not move: a five hundredth of the frame."""
MARGIN_PX: Final = 9
"""So near to what moves nothing counts as still: flow is not sharp at its borders."""
CHANGED: Final = 24.0
"""Where a gray value differs by more from that of the last frame, something was covered or uncovered."""
CUT: Final = 22.0
"""Gray values of a frame that differ by more on average from the last one, moved along with the flow, are of another
scene. Convention: neighbouring frames of one scene differ by 1 to 8, with heavy noise by 12."""
SUSPECT: Final = 10.0
"""From this difference on, without the flow, a frame may be of another scene: it is if the flow finds no way back."""
WAY_BACK_PX: Final = 3.0
"""Following the flow and then the flow of the opposite direction ends within so much of the start, where both see the
same thing."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Motion:
    """From the last frame to this one: the flow, what stays still, how far gray values differ after the flow was
    followed, and whether the scene changed."""

    flow: Flow
    is_still: NDArray[np.bool_]
    residual: Plane
    is_cut: bool


def grid_of(image: Image) -> Gray:
    """Return an image (h, w, 3) as the small gray picture on which motion is sought."""
    height, width = image.shape[:2]
    scale = LONGER_PX / max(height, width)
    size = max(LEAST_PX, round(width * scale)), max(LEAST_PX, round(height * scale))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = cv2.resize(image, size, interpolation=how)
    gray = cv2.cvtColor(np.asarray(small, np.uint8), cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.GaussianBlur(gray, (0, 0), BLUR_PX), np.uint8)


def motion(now: Gray, *, before: Gray) -> Motion:
    """Return how the grid of the last frame became that of this one, (h, w) each."""
    flow = _flow(now, before=before)
    followed = carried(before.astype(np.float32), flow=flow)
    residual = np.abs(now.astype(np.float32) - followed)
    moves = np.hypot(flow[..., 0], flow[..., 1]) > STILL_PX
    moves |= cv2.absdiff(now, before) > CHANGED
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * MARGIN_PX + 1, 2 * MARGIN_PX + 1))
    near = cv2.dilate(moves.astype(np.uint8), kernel)
    is_cut = float(residual.mean()) > CUT
    if not is_cut and float(cv2.absdiff(now, before).mean()) > SUSPECT:
        is_cut = _loses_its_way(flow, back=_flow(before, before=now))
    return Motion(flow=flow, is_still=near == 0, residual=residual, is_cut=is_cut)


def carried(plane: Plane, *, flow: Flow) -> Plane:
    """Return a plane (h, w) of the last frame moved to where its content is now; the flow may have another size."""
    height, width = plane.shape
    across, down = np.float32(width / flow.shape[1]), np.float32(height / flow.shape[0])
    if flow.shape[:2] != plane.shape:
        flow = np.asarray(cv2.resize(flow, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    x, y = columns + flow[..., 0] * across, rows + flow[..., 1] * down
    found = cv2.remap(plane, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(found, np.float32)


def _loses_its_way(flow: Flow, *, back: Flow) -> bool:
    """Tell whether most of a frame does not come back where it started, along the flow and back.

    Two textures that have nothing to do with each other have a flow, too: what is nearest in gray.
    """
    returned = np.stack([carried(np.ascontiguousarray(back[..., axis]), flow=flow) for axis in (0, 1)], axis=-1)
    off = np.hypot(*np.moveaxis(flow + returned, -1, 0))
    return float((off > WAY_BACK_PX).mean()) > 0.5


def _flow(now: Gray, *, before: Gray) -> Flow:
    """Return the flow, the same on every machine: several threads cut the frame into stripes, and each begins anew."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        zero = np.zeros((*now.shape, 2), np.float32)
        return np.asarray(search.calc(now, before, zero), np.float32)
    finally:
        cv2.setNumThreads(threads)
