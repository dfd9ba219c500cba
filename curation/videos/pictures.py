"""A frame of a video as pixels: in RGB, and upright.

Source: ISO/IEC 14496-12, section 8.3.2, for the matrix that says how frames are turned for display.
"""

from __future__ import annotations

import struct
from contextlib import suppress
from typing import Any, Final

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace

from curation.images.pixels import Image

HD_LINES: Final = 720
"""From so many lines on, colours that are not named are those of BT.709, as players take them."""
UNNAMED: Final = 2
"""A colour property that a file does not name (ITU-T H.273)."""


def picture_of(frame: VideoFrame) -> Image:
    """Return a frame (h, w, 3) in RGB as it is displayed."""
    return _upright(_rgb(frame), matrix=_matrix(frame))


def _rgb(frame: VideoFrame) -> Image:
    """Return a frame (h, w, 3) in RGB, as it is stored; colours that it does not name are those of its size."""
    space = frame.colorspace
    if space in {UNNAMED, 0}:
        space = Colorspace.ITU709 if frame.height >= HD_LINES else Colorspace.ITU601
    whole = frame.color_range == ColorRange.JPEG or frame.format.name.startswith("yuvj")
    found = frame.reformat(
        format="rgb24",
        src_colorspace=int(space),
        src_color_range=ColorRange.JPEG if whole else ColorRange.MPEG,
        dst_color_range=ColorRange.JPEG,
    )
    return np.ascontiguousarray(found.to_ndarray(), dtype=np.uint8)


def _matrix(frame: VideoFrame) -> tuple[int, int, int, int]:
    """Return the signs of a, b, c, d, by which (x, y) is displayed at (ax + cy, bx + dy), of right angles alone."""
    sides: Any = frame.side_data
    with suppress(KeyError):
        values = struct.unpack_from("=9i", bytes(sides["DISPLAYMATRIX"]))
        a, b, c, d = (int(np.sign(values[place])) for place in (0, 1, 3, 4))
        if abs(a * d) + abs(b * c) == 1 and not (a * d and (b or c)):
            return a, b, c, d
    return 1, 0, 0, 1


def _upright(image: Image, *, matrix: tuple[int, int, int, int]) -> Image:
    """Return an image as its matrix displays it: its axes exchanged, and turned over.

    >>> corner = np.zeros((2, 3, 1), np.uint8); corner[0, 0] = 1
    >>> _upright(corner, matrix=(0, 1, -1, 0))[..., 0].tolist()  # a quarter turn to the right
    [[0, 1], [0, 0], [0, 0]]
    """
    a, b, c, d = matrix
    across, down = a, d
    if not a:
        image, across, down = image.swapaxes(0, 1), c, b
    return np.ascontiguousarray(image[:: -1 if down < 0 else 1, :: -1 if across < 0 else 1])
