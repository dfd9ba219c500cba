"""What is put behind a person: a colour, a picture, or nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from curation.errors import ConfigurationProblem, InputRefused
from curation.images.pixels import Alpha, Image, decode_image
from curation.matting.composite import composite, person_colours
from curation.quarantine import BadRecord
from curation.storage.files import read_file

Colour = tuple[int, int, int]
COLOURS: Final[dict[str, Colour]] = {
    "white": (255, 255, 255),
    "black": (0, 0, 0),
    "gray": (211, 211, 211),
    "blue": (67, 142, 219),
    "lightblue": (173, 216, 230),
    "red": (217, 0, 18),
    "green": (0, 177, 64),
    "magenta": (255, 0, 255),
}
"""Blue and red are those that ID photos have: #438EDB and #D90012."""
TRANSPARENT: Final = "transparent"
HEX: Final = re.compile(r"#?([0-9a-fA-F]{6}|[0-9a-fA-F]{3})")
AT_ONCE_PIXELS: Final = 2_000_000
TILE_PX: Final = 512
OVERLAP_PX: Final = 64
"""Colours are estimated from what is near; tiles of a large photograph share so many rows and columns."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Backdrop:
    """A colour, or a picture (h, w, 3); with neither, nothing: the result is transparent."""

    colour: Colour | None = None
    picture: Image | None = None

    @property
    def is_transparent(self) -> bool:
        """Tell whether nothing is put behind the person."""
        return self.colour is None and self.picture is None


def read_backdrop(text: str) -> Backdrop:
    """Return what a user named: a colour by name or as #RRGGBB, `transparent`, or an image file.

    Raises ConfigurationProblem for what is none of these, InputRefused for a file that holds no image.
    """
    if text == TRANSPARENT:
        return Backdrop()
    if text in COLOURS or HEX.fullmatch(text):
        return Backdrop(colour=colour_of(text))
    if not Path(text).exists():
        raise _no_backdrop(text)
    try:
        return Backdrop(picture=decode_image(read_file(Path(text)), file=text))
    except BadRecord as problem:
        raise InputRefused(problem.reason, where=text, remedy=problem.hint) from problem


def colour_of(text: str) -> Colour:
    """Return a colour by its name, or as #RRGGBB or #RGB; raises ConfigurationProblem.

    >>> colour_of("#ff8000"), colour_of("#fff")
    ((255, 128, 0), (255, 255, 255))
    """
    if text in COLOURS:
        return COLOURS[text]
    found = HEX.fullmatch(text)
    if found is None:
        raise _no_backdrop(text)
    digits = found[1] if len(found[1]) == 6 else "".join(2 * digit for digit in found[1])
    red, green, blue = bytes.fromhex(digits)
    return red, green, blue


def filled(backdrop: Backdrop, *, size: tuple[int, int]) -> Image:
    """Return the backdrop as a frame of `size` (height, width): a picture scaled evenly until it fills it, and cropped.

    A picture that is smaller than the frame is enlarged. Nothing is stretched: both sides are scaled alike.
    """
    height, width = size
    if backdrop.picture is None:
        assert backdrop.colour is not None, "an empty image cannot fill a frame"
        return np.full((height, width, 3), backdrop.colour, np.uint8)
    picture = backdrop.picture
    scale = max(height / picture.shape[0], width / picture.shape[1])
    # cropped before it is scaled, so that a small frame of a large picture costs little
    kept = min(picture.shape[0], round(height / scale)), min(picture.shape[1], round(width / scale))
    top, left = (picture.shape[0] - kept[0]) // 2, (picture.shape[1] - kept[1]) // 2
    part = np.ascontiguousarray(picture[top : top + kept[0], left : left + kept[1]])
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(part, (width, height), interpolation=how), np.uint8)


def cut_out(image: Image, *, alpha: Alpha) -> Image:
    """Return the colours of the person alone, as `person_colours`; of a large photograph only where the edge is soft.

    Tiles keep memory bounded, and those without a soft edge cost nothing.
    """
    if alpha.size <= AT_ONCE_PIXELS:
        return person_colours(image, alpha=alpha)
    colours = np.array(image)
    for top in range(0, alpha.shape[0], TILE_PX):
        for left in range(0, alpha.shape[1], TILE_PX):
            y, x = max(0, top - OVERLAP_PX), max(0, left - OVERLAP_PX)
            wide = slice(y, top + TILE_PX + OVERLAP_PX), slice(x, left + TILE_PX + OVERLAP_PX)
            tile = person_colours(image[wide], alpha=alpha[wide])
            inner = tile[top - y : top - y + TILE_PX, left - x : left - x + TILE_PX]
            colours[top : top + TILE_PX, left : left + TILE_PX] = inner
    return colours


def laid_on(image: Image, *, alpha: Alpha, backdrop: Backdrop) -> Image:
    """Return the person of an image on a backdrop, (h, w, 3), or, on none, with the alpha as (h, w, 4)."""
    colours = cut_out(image, alpha=alpha)
    if backdrop.is_transparent:
        return np.dstack([colours, alpha])
    return composite(colours, alpha=alpha, background=filled(backdrop, size=(alpha.shape[0], alpha.shape[1])))


def _no_backdrop(text: str) -> ConfigurationProblem:
    return ConfigurationProblem(
        f"{text!r} is no colour, and no such file exists",
        remedy=f"give one of {', '.join(COLOURS)}, a colour such as #438EDB, {TRANSPARENT}, or an image file",
    )
