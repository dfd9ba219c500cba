"""Sizes of ID photos and of photo paper, by the names that people use or in mm, inches and pixels.

Each size of an office names the page that its limits are from. Where the office leaves the eyes open, they are those of
ISO/IEC 39794-5 (as before of 19794-5), which ICAO Doc 9303 part 3 builds on: 50 to 70 % of the height above the lower
edge. What no office sets is a convention. Where the pages of an office could not be read, the limits were compared with
what photographers publish of them, and `source` says what these do not say: compare them before photos are sent in.
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


Limits = tuple[float, float]
"""The least and the most, both allowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IdSize:
    """The size of an ID photo, and the limits of what is measured in it, in mm; what has none is None.

    `head` is from crown to chin, with the hair where `is_hair_counted`, else to where the crown must be under it;
    `above` from the upper edge to the crown, `below` from the chin to the lower edge, `eyes` from these to it.
    `turned` is in degrees. `space` is how far the hair stays from the upper edge where nothing hinders.
    """

    width_mm: float
    height_mm: float
    head: Limits
    space: float
    above: Limits | None = None
    below: Limits | None = None
    eyes: Limits | None = None
    turned: float = 15.0
    is_hair_counted: bool = True
    pixels: Pixels | None = None
    source: str = "a convention"

    def in_pixels(self, dpi: int) -> Pixels:
        """Return (height, width) in pixels."""
        return self.pixels or (_pixels(self.height_mm, dpi=dpi), _pixels(self.width_mm, dpi=dpi))


def _plain(width_mm: float, height_mm: float) -> IdSize:
    """Return a size for which no office sets a head: 60 to 70 % of the height, and 10 % above it."""
    head = 0.60 * height_mm, 0.70 * height_mm
    return IdSize(width_mm=width_mm, height_mm=height_mm, head=head, space=0.10 * height_mm)


STRICT: Final = 10.0
"""Degrees to the side that a face of an office's photo may be turned: ISO/IEC 39794-5 allows 5, and a network that sees
one picture is some degrees off."""
_ICAO: Final = IdSize(
    width_mm=35,
    height_mm=45,
    head=(32, 36),
    space=3.5,
    eyes=(22.5, 31.5),
    turned=STRICT,
    is_hair_counted=False,
    source="ICAO Doc 9303 part 3: the face takes 70 to 80 % of the height; hair is left out, as the sample board of "
    "the Bundesdruckerei for German passports (Foto-Mustertafel) says",
)
_US: Final = IdSize(
    width_mm=50.8,
    height_mm=50.8,
    head=(25, 35),
    space=5.0,
    eyes=(28, 35),
    turned=STRICT,
    source="U.S. Department of State, Photo Composition Template: 1 to 1 3/8 inches from the chin to the top of the "
    "head with the hair, eyes 1 1/8 to 1 3/8 inches above the lower edge",
)
ID_SIZES: Final[dict[str, IdSize]] = {
    "1-inch": _plain(25, 35),
    "small-1-inch": _plain(22, 32),
    "large-1-inch": _plain(33, 48),
    "2-inch": _plain(35, 49),
    "small-2-inch": _plain(35, 45),
    "passport": _ICAO,
    "schengen": _ICAO,
    "eu": _ICAO,
    "uk": replace(
        _ICAO,
        head=(29, 34),
        space=4.5,
        source="HM Passport Office, gov.uk/photos-for-passports: 29 to 34 mm, crown to chin, as the government of the "
        "Turks and Caicos Islands quotes it; that hair is left out is taken from ICAO",
    ),
    "australia": replace(
        _ICAO, source="Australian Passport Office, passports.gov.au, photo guidelines: 32 to 36 mm, chin to crown"
    ),
    "japan": replace(
        _ICAO,
        above=(2, 6),
        below=(5, 9),
        source="Ministry of Foreign Affairs of Japan, photographs for passports: 34 +- 2 mm from crown to chin, 4 +- 2 "
        "mm above, 7 +- 2 mm below, as the city of Noboribetsu quotes it; whether hair counts is not said, here it is "
        "left out",
    ),
    "china-passport": IdSize(
        width_mm=33,
        height_mm=48,
        head=(28, 33),
        space=3.0,
        above=(3, 5),
        below=(7, 48),
        turned=STRICT,
        is_hair_counted=False,
        source="National Immigration Administration of China, photographs for travel documents: 28 to 33 mm, 3 to 5 mm "
        "above, at least 7 mm below the chin",
    ),
    "canada": IdSize(
        width_mm=50,
        height_mm=70,
        head=(31, 36),
        space=10.0,
        turned=STRICT,
        is_hair_counted=False,
        source="Immigration, Refugees and Citizenship Canada, passport photos: 31 to 36 mm from the chin to the "
        "natural top of the head",
    ),
    "us": _US,
    "us-visa": _US,
    "us-passport": _US,
    "india": replace(
        _US,
        source="Ministry of Home Affairs of India, OCI photographs: 25 to 35 mm from the chin to the top of the hair, "
        "eyes 28 to 35 mm above the lower edge; the embassy in Harare asks 1.4 to 1.6 inches (36 to 41 mm) from the "
        "edge of the forehead to the chin instead: ask the one that you send it to",
    ),
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
        size = replace(_plain(width, height), pixels=pixels)
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
