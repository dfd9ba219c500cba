"""Sizes of ID photos and of photo paper, by the names that people use or in mm, inches and pixels.

Source of head heights: ICAO Doc 9303 part 3 (the face takes 70 to 80 % of the height), and the rules that the states
named publish for their passports and visas; the middle of what they allow is taken.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

from curation.errors import ConfigurationProblem

MM_PER_INCH: Final = 25.4
GIVEN: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)x([0-9]+(?:\.[0-9]+)?)(mm|cm|in|px)")
MM_PER_UNIT: Final = {"mm": 1.0, "cm": 10.0, "in": MM_PER_INCH}
DPI_RANGE: Final = (72, 1200)
SIDE_RANGE_PX: Final = (32, 20_000)
Pixels = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class IdSize:
    """The size of an ID photo, and where the head goes, in shares of its height: from crown to chin, and above it."""

    width_mm: float
    height_mm: float
    head: float = 0.65
    above: float = 0.10
    pixels: Pixels | None = None

    def in_pixels(self, dpi: int) -> Pixels:
        """Return (height, width) in pixels."""
        return self.pixels or (_pixels(self.height_mm, dpi=dpi), _pixels(self.width_mm, dpi=dpi))


ID_SIZES: Final[dict[str, IdSize]] = {
    "1-inch": IdSize(width_mm=25, height_mm=35),
    "small-1-inch": IdSize(width_mm=22, height_mm=32),
    "large-1-inch": IdSize(width_mm=33, height_mm=48),
    "2-inch": IdSize(width_mm=35, height_mm=49),
    "small-2-inch": IdSize(width_mm=35, height_mm=45),
    "passport": IdSize(width_mm=35, height_mm=45, head=0.75, above=0.08),
    "schengen": IdSize(width_mm=35, height_mm=45, head=0.75, above=0.08),
    "eu": IdSize(width_mm=35, height_mm=45, head=0.75, above=0.08),
    "uk": IdSize(width_mm=35, height_mm=45, head=0.70, above=0.10),
    "australia": IdSize(width_mm=35, height_mm=45, head=0.75, above=0.08),
    "japan": IdSize(width_mm=35, height_mm=45, head=0.75, above=0.09),
    "china-passport": IdSize(width_mm=33, height_mm=48, head=0.64, above=0.08),
    "canada": IdSize(width_mm=50, height_mm=70, head=0.48, above=0.14),
    "us": IdSize(width_mm=50.8, height_mm=50.8, head=0.60, above=0.12),
    "us-visa": IdSize(width_mm=50.8, height_mm=50.8, head=0.60, above=0.12),
    "us-passport": IdSize(width_mm=50.8, height_mm=50.8, head=0.60, above=0.12),
    "india": IdSize(width_mm=50.8, height_mm=50.8, head=0.60, above=0.12),
}
PAPERS_MM: Final[dict[str, tuple[float, float]]] = {
    "3r": (88.9, 127.0),
    "4r": (101.6, 152.4),
    "5r": (127.0, 177.8),
    "6r": (152.4, 203.2),
    "a4": (210.0, 297.0),
    "a5": (148.0, 210.0),
    "a6": (105.0, 148.0),
    "letter": (215.9, 279.4),
}
"""(width, height)."""


def id_size(text: str, *, dpi: int) -> IdSize:
    """Return the size that a name means, or `WxHmm`, `WxHcm`, `WxHin` or `WxHpx`; raises ConfigurationProblem.

    >>> id_size("1-inch", dpi=300).in_pixels(300), id_size("35x45mm", dpi=300).in_pixels(300)
    ((413, 295), (531, 413))
    >>> id_size("600x600px", dpi=300).in_pixels(300)
    (600, 600)
    """
    if not DPI_RANGE[0] <= dpi <= DPI_RANGE[1]:
        raise ConfigurationProblem(f"--dpi {dpi} is outside {DPI_RANGE[0]} to {DPI_RANGE[1]}", remedy="300 is usual")
    size = ID_SIZES.get(text.lower())
    if size is None:
        width, height, pixels = _given(text, dpi=dpi, flag="--size", names=list(ID_SIZES))
        size = replace(IdSize(width_mm=width, height_mm=height), pixels=pixels)
    if not all(SIDE_RANGE_PX[0] <= side <= SIDE_RANGE_PX[1] for side in size.in_pixels(dpi)):
        height_px, width_px = size.in_pixels(dpi)
        raise ConfigurationProblem(
            f"--size {text} at {dpi} dpi is {width_px} x {height_px} pixels", remedy="give a side of 32 to 20000 pixels"
        )
    return size


def paper_size(text: str, *, dpi: int) -> Pixels:
    """Return (height, width) in pixels of photo paper, upright; raises ConfigurationProblem.

    >>> paper_size("4x6in", dpi=300), paper_size("A4", dpi=300)
    ((1800, 1200), (3508, 2480))
    """
    if (named := PAPERS_MM.get(text.lower())) is not None:
        width, height = named
    else:
        width, height, _ = _given(text, dpi=dpi, flag="--sheet", names=list(PAPERS_MM))
    return _pixels(max(width, height), dpi=dpi), _pixels(min(width, height), dpi=dpi)


def _given(text: str, *, dpi: int, flag: str, names: list[str]) -> tuple[float, float, Pixels | None]:
    """Return width and height in mm, and the size in pixels where it was given so."""
    found = GIVEN.fullmatch(text.lower().replace(" ", ""))
    if found is None:
        raise ConfigurationProblem(
            f"{flag} {text!r} is no size that is known",
            remedy=f"give one of {', '.join(names)}, or width x height as in 35x45mm, 2x2in, 600x600px",
        )
    width, height = float(found[1]), float(found[2])
    if found[3] == "px":
        return width * MM_PER_INCH / dpi, height * MM_PER_INCH / dpi, (round(height), round(width))
    return width * MM_PER_UNIT[found[3]], height * MM_PER_UNIT[found[3]], None


def _pixels(length_mm: float, *, dpi: int) -> int:
    return round(length_mm / MM_PER_INCH * dpi)
