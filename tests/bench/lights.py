"""`idphoto --light face` on portraits under casts and exposures that are planted: how much of them is left, by skin.

The truth is the portrait before. Who has dark skin was marked by looking at all 240 portraits, whatever their light.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from curation.images.pixels import Image, decode_image, encode_image
from curation.photos.face_light import face_light, relit, skin_of
from models.faces.protocol import FaceFinder
from models.prediction.face_finder import face_finder
from tests.bench.measuring import say, sized
from tests.places import REAL_DATA

FOLDERS: Final = (REAL_DATA / "data" / "eg1800" / "images", REAL_DATA / "data" / "celebamask" / "CelebA-HQ-img")
DARK_SKIN: Final = frozenset(
    (
        *("02349", "02438", "02439", "02475", "02500", "02565", "02615"),
        *("1", "8", "16", "22", "33", "40", "48", "52", "54", "63", "66", "80"),
    )
)
"""Names of files; those of the two folders differ in length."""
PLANTED: Final = {
    "nothing": (1.0, 1.0, 1.0),
    "warm": (1.3, 0.95, 0.5),
    "cool": (0.65, 1.0, 1.4),
    "green": (0.8, 1.1, 0.75),
    "a third of the light": (0.35, 0.35, 0.35),
}
"""Factors of red, green and blue in linear light."""
QUALITY: Final = 92
"""Of the JPEG after planting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What is off before and after: the hue of the skin in logarithms of light, and its brightness in stops."""

    is_dark_skin: bool
    is_white_seen: bool
    hue: tuple[float, float]
    stops: tuple[float, float]


def bench() -> None:
    """Print a table."""
    if not all(folder.is_dir() for folder in FOLDERS):
        say("\nlight by the face: no real portraits here")
        return
    finder = face_finder(None, tell=say)
    files = [file for folder in FOLDERS for file in sorted(folder.iterdir())]
    say("\nlight by the face: medians before -> after; hue of those whose whites are seen, in logarithms of light")
    for name, factors in PLANTED.items():
        rows = list(left(files[: sized(len(files), short=4)], factors=factors, finder=finder))
        for is_dark in (True, False):
            told = _told([row for row in rows if row.is_dark_skin == is_dark])
            say(f"  {name:>20}, {'dark' if is_dark else 'light'} skin: {told}")


def left(files: list[Path], *, factors: tuple[float, float, float], finder: FaceFinder) -> Iterator[Left]:
    """Yield what is left of a planted light in each portrait, its face found under that light."""
    for file in files:
        image = decode_image(file.read_bytes(), file=file.name)
        seen = decode_image(encode_image(planted(image, factors=factors), quality=QUALITY), file=file.name)
        faces = finder.find(seen)
        if not faces:
            continue
        light = face_light(seen, face=faces[0])
        truth, before, after = (skin_of(one, face=faces[0]) for one in (image, seen, relit(seen, light=light)))
        yield Left(
            is_dark_skin=file.stem in DARK_SKIN,
            is_white_seen=light.cast is not None,
            hue=(_hue(before, truth), _hue(after, truth)),
            stops=(_stops(before, truth), _stops(after, truth)),
        )


def planted(image: Image, *, factors: tuple[float, float, float]) -> Image:
    """Return an image (h, w, 3) under other light, by the formula of IEC 61966-2-1."""
    light = np.clip(_light(image) * factors, 0, 1)
    shares = np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.maximum(light, 1e-9) ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(255 * shares), np.uint8)


def _light(levels: NDArray[np.generic]) -> NDArray[np.float64]:
    shares = np.asarray(levels, np.float64) / 255
    return np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)


def _hue(skin: NDArray[np.float64], truth: NDArray[np.float64]) -> float:
    red, green, blue = np.log(_light(skin)) - np.log(_light(truth))
    return float(np.hypot(red - green, blue - green))


def _stops(skin: NDArray[np.float64], truth: NDArray[np.float64]) -> float:
    return float(abs(np.log2(_light(skin).mean() / _light(truth).mean())))


def _told(rows: list[Left]) -> str:
    if not rows:
        return "none"
    hue = np.array([row.hue for row in rows if row.is_white_seen]).reshape(-1, 2)
    stops = np.array([row.stops for row in rows])
    hues = " -> ".join(f"{value:.2f}" for value in np.median(hue, axis=0)) if len(hue) else "none"
    worse = (hue[:, 1] > hue[:, 0] + 0.01).mean() if len(hue) else 0.0
    brightness = " -> ".join(f"{value:.2f}" for value in np.median(stops, axis=0))
    return f"whites seen in {len(hue)} of {len(rows)}, hue {hues} (worse in {worse:.0%}), stops {brightness}"
