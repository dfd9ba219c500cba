"""What goes to a printer: JPEGs that know their size, within a number of kilobytes, and sheets with cut marks."""

from __future__ import annotations

import struct
from typing import Final

import numpy as np

from curation.errors import ConfigurationProblem
from curation.images.pixels import Image, encode_image
from curation.photos.sizes import MM_PER_INCH, Pixels

BEST_QUALITY: Final = 95
WORST_QUALITY: Final = 10
GAP_MM: Final = 2.0
EDGE_MM: Final = 3.0
"""Printers leave so much at the edge of the paper white."""
MARK_GRAY: Final = 160
KILOBYTE: Final = 1000
"""The lesser of the two in use: a file that fits counts as small enough wherever it is sent."""
JFIF_DENSITY: Final = slice(13, 18)
"""Unit (1: dots per inch) and density in both directions, in a file that begins with a JFIF segment (ITU-T T.871)."""


def printable_jpeg(picture: Image, *, dpi: int, max_kb: float | None = None) -> bytes:
    """Return a picture (h, w, 3) as JPEG that says its dots per inch, at the best quality within `max_kb` x 1,000
    bytes.

    Raises ConfigurationProblem when the worst quality that is worth looking at is still too large.
    """
    best = encode_image(picture, quality=BEST_QUALITY)
    if max_kb is None or len(best) <= max_kb * KILOBYTE:
        return _with_density(best, dpi=dpi)
    low, high = WORST_QUALITY, BEST_QUALITY
    found = encode_image(picture, quality=low)
    if len(found) > max_kb * KILOBYTE:
        raise ConfigurationProblem(
            f"--max-kb {max_kb:g} is too little: at the lowest quality the photo has {len(found) / KILOBYTE:.1f} KB",
            remedy="give a larger --max-kb, or a smaller --size or --dpi",
        )
    while high - low > 1:
        middle = (low + high) // 2
        data = encode_image(picture, quality=middle)
        if len(data) <= max_kb * KILOBYTE:
            low, found = middle, data
        else:
            high = middle
    return _with_density(found, dpi=dpi)


def sheet_of(photo: Image, *, paper: Pixels, dpi: int) -> tuple[Image, int]:
    """Return a white sheet with as many copies of a photo as fit, with cut marks, and their number.

    `paper` is (height, width) in pixels, upright; it is turned where more fit. Raises ConfigurationProblem for none.
    """
    upright, turned = paper, (paper[1], paper[0])
    size = max((upright, turned), key=lambda one: np.prod(_fitting(photo, paper=one, dpi=dpi)))
    rows, columns = _fitting(photo, paper=size, dpi=dpi)
    if rows * columns == 0:
        raise ConfigurationProblem(
            f"a photo of {photo.shape[1]} x {photo.shape[0]} pixels does not fit on --sheet, {size[1]} x {size[0]}",
            remedy="give a larger sheet, such as A4",
        )
    gap = _px(GAP_MM, dpi=dpi)
    height, width = rows * (photo.shape[0] + gap) - gap, columns * (photo.shape[1] + gap) - gap
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    sheet = np.full((*size, 3), 255, np.uint8)
    places = [
        (top + row * (photo.shape[0] + gap), left + column * (photo.shape[1] + gap))
        for row in range(rows)
        for column in range(columns)
    ]
    for y, x in places:
        _mark(sheet, y=y, x=x, size=(photo.shape[0], photo.shape[1]), length=gap)
    for y, x in places:
        sheet[y : y + photo.shape[0], x : x + photo.shape[1]] = photo
    return sheet, len(places)


def _fitting(photo: Image, *, paper: Pixels, dpi: int) -> tuple[int, int]:
    """Return the rows and columns of photos that a sheet holds."""
    gap, edge = _px(GAP_MM, dpi=dpi), _px(EDGE_MM, dpi=dpi)
    rows, columns = ((side - 2 * edge + gap) // (length + gap) for side, length in zip(paper, photo.shape))
    return max(0, rows), max(0, columns)


def _mark(sheet: Image, *, y: int, x: int, size: Pixels, length: int) -> None:
    """Draw thin lines that go on from the sides of a photo, `length` pixels beyond each corner."""
    for row in (y - 1, y + size[0]):
        sheet[row, x - length : x + size[1] + length] = MARK_GRAY
    for column in (x - 1, x + size[1]):
        sheet[y - length : y + size[0] + length, column] = MARK_GRAY


def _with_density(jpeg: bytes, *, dpi: int) -> bytes:
    assert jpeg[6:11] == b"JFIF\0", "OpenCV writes a JFIF segment first"
    return jpeg[: JFIF_DENSITY.start] + struct.pack(">BHH", 1, dpi, dpi) + jpeg[JFIF_DENSITY.stop :]


def _px(length_mm: float, *, dpi: int) -> int:
    return max(1, round(length_mm / MM_PER_INCH * dpi))
