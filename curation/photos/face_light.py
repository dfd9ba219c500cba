"""White balance and exposure of a portrait by the face, without looking at how dark or of which hue its skin is.

The whites of the eyes tell the colour of the light, and the brightest hundredth of a face, whites, teeth and gloss, how
much of it there was. In portraits of EG1800 and CelebAMask-HQ the whites measure nearly alike beside dark skin (16) and
light skin (142): 0.22 and 0.19 in red over green, -0.17 and -0.04 in blue; so do the brightest: 208 and 212 of 255.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from curation.fusion.light import linear_light, with_curves
from curation.images.faces import Face
from curation.images.pixels import Image

WHITES: Final = (0.2, -0.06)
"""What the whites of eyes measure where the light is balanced, as logarithms of red and of blue over green in linear
light: medians of the portraits above. They are a little pink."""
CAST_FROM: Final = 0.25
"""Casts of less are left, and of larger ones so much is: portraits without a cast scatter by 0.2 around WHITES."""
MOST_CAST: Final = 0.8
"""The largest correction, in the same logarithms: that of a bulb under a balance for daylight."""
APART: Final = 0.3
"""By so much the whites differ from the skin in red and blue together; what differs less is a lid."""
SPREAD: Final = 0.12
"""Corners of eyes that differ more from their median, in the mean, show something else, such as a coloured light."""
CORNERS: Final = 3
"""Of the four at least so many must show white."""
LEAST_OPEN: Final = 0.2
USUAL_OPEN: Final = 0.3
"""Height over width of an eye below which no white is seen, and where a finder does not tell it."""
EYE: Final = (0.2, 0.19, 0.07)
"""Half the width of what is looked at, half its height as a multiple of the openness, and half the width of the iris,
in distances between the eyes: a slit of 30 mm, and irises of 12 mm, at 63 mm."""
FULL: Final = 250
"""From this level a pixel may be clipped: its colour is no longer that of the light."""
LEAST_RANGE: Final = 128
"""Grey levels that a face spans at least, seven bits. Source: ISO/IEC 19794-5:2005, 7.4.2.1, dynamic range."""
BRIGHTEST: Final = 99
"""Percentile."""
USUAL_BRIGHT: Final = 190
"""Grey level of the brightest hundredth of a face to which a dark one is raised: three of four portraits reach it."""
MOST_EXPOSURE: Final = 2.0
"""In linear light: one stop; noise goes up as well."""
CLIPPED: Final = 0.05
"""Share of a face without detail, in any channel, that is told; nothing brings it back."""
LUMINANCE: Final = (0.2126, 0.7152, 0.0722)


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceLight:
    """The light on a face, and how it is changed.

    `gains` are the factors of red, green and blue in linear light, `exposure` that part of them which is brightness.
    `cast` are the logarithms of red and of blue over green beside balanced light, None where no whites are seen;
    `clipped` is the share of the face that is clipped.
    """

    gains: tuple[float, float, float]
    exposure: float
    cast: tuple[float, float] | None
    clipped: float

    def lines(self) -> Iterator[str]:
        """Yield what was seen and done, to be read."""
        red, green, blue = (gain / self.exposure for gain in self.gains)
        if self.cast is None:
            yield "the whites of the eyes are not seen well enough to tell a cast; colours are kept"
        elif red == green == blue:
            yield "no cast beyond what portraits usually have; colours are kept"
        else:
            yield f"a cast is taken back: red {red:.2f}, green {green:.2f}, blue {blue:.2f} times"
        if self.exposure > 1:
            yield f"the face is too dark and is exposed {self.exposure:.2f} times as much"
        if self.clipped > CLIPPED:
            yield f"{self.clipped:.0%} of the face is overexposed; what is lost there does not come back"


def face_light(image: Image, *, face: Face) -> FaceLight:
    """Return the light on a face of an image (h, w, 3), and the factors that balance it."""
    part = _box(image, face=face)
    seen = whites_of(image, face=face)
    cast = None if seen is None else seen - WHITES
    balance = np.ones(3) if cast is None else _balance(cast)
    exposure = _exposure(part)
    red, green, blue = (float(gain) for gain in balance * exposure)
    return FaceLight(
        gains=(red, green, blue),
        exposure=exposure,
        cast=None if cast is None else (float(cast[0]), float(cast[1])),
        clipped=float((part.max(axis=2) >= FULL).mean()),
    )


def relit(image: Image, *, light: FaceLight) -> Image:
    """Return an image (h, w, 3) with the factors of a light; black stays black and white white."""
    return image if light.gains == (1.0, 1.0, 1.0) else with_curves(image, gains=np.array(light.gains))


def whites_of(image: Image, *, face: Face) -> NDArray[np.float64] | None:
    """Return what the whites of the eyes of a face in an image (h, w, 3) measure (2,), see WHITES; None where too few
    are seen.

    Of each corner of the eyes those pixels count that are bright, not clipped, and furthest from the skin in hue.
    """
    openness = face.openness or (USUAL_OPEN, USUAL_OPEN)
    if min(openness) < LEAST_OPEN:
        return None
    skin = _ratios(skin_of(image, face=face))
    found = [_white(corner, skin=skin) for corner in _corners(image, face=face, openness=openness)]
    corners = np.array([one for one in found if one is not None])
    if len(corners) < CORNERS:
        return None
    middle = np.median(corners, axis=0)
    is_white = (skin - middle) @ (1, -1) > APART
    return middle if is_white and np.abs(corners - middle).mean() < SPREAD else None


def skin_of(image: Image, *, face: Face) -> NDArray[np.float64]:
    """Return the median colour (3,) between eyes and mouth of a face in an image (h, w, 3): cheeks and nose."""
    unit, (x, y) = face.eye_distance, face.between_eyes
    rows = slice(max(0, round(y + 0.3 * unit)), max(1, round(face.mouth[1] - 0.1 * unit)))
    columns = slice(max(0, round(x - 0.6 * unit)), max(1, round(x + 0.6 * unit)))
    part = image[rows, columns].reshape(-1, 3)
    if not len(part):  # lying on a side
        part = image[min(max(0, round(y)), len(image) - 1), min(max(0, round(x)), image.shape[1] - 1)].reshape(1, 3)
    return np.asarray(np.median(part, axis=0), np.float64)


def _white(pixels: NDArray[np.uint8], *, skin: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Return the ratios (2,) of the white in pixels (n, 3) of the corner of an eye; None where there are too few."""
    pixels = pixels[pixels.max(axis=1, initial=0) < FULL]
    if len(pixels) < 6:
        return None
    bright = linear_light(pixels) @ LUMINANCE
    ratios = _ratios(pixels[bright >= 0.6 * np.quantile(bright, 0.9)])
    apart = (skin - ratios) @ (1, -1)
    return np.asarray(np.median(ratios[apart >= np.median(apart)], axis=0), np.float64)


def _corners(image: Image, *, face: Face, openness: tuple[float, float]) -> Iterator[NDArray[np.uint8]]:
    """Yield the pixels (n, 3) at the left and at the right of each iris, between the lids."""
    unit, tilt = face.eye_distance, np.radians(face.tilt)
    turn = np.array([[np.cos(tilt), -np.sin(tilt)], [np.sin(tilt), np.cos(tilt)]])
    for (x, y), opened in zip(face.eyes, openness, strict=True):
        left, top = max(0, int(x - 0.3 * unit)), max(0, int(y - 0.3 * unit))
        part = image[top : int(y + 0.3 * unit), left : int(x + 0.3 * unit)]
        rows, columns = np.mgrid[: part.shape[0], : part.shape[1]] + 0.5
        across, down = np.moveaxis(np.stack([columns + left - x, rows + top - y], axis=-1) @ turn, -1, 0)
        tall = max(1.5, EYE[1] * opened * unit)
        is_inside = (across / (EYE[0] * unit)) ** 2 + (down / tall) ** 2 <= 1
        for side in (-1, 1):
            yield part[is_inside & (side * across > EYE[2] * unit)]


def _balance(cast: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the factors (3,) that take back what a cast (2,) is more than usual; the whites stay as bright."""
    size = float(np.hypot(*cast))
    share = min(max(0.0, size - CAST_FROM), MOST_CAST) / max(size, 1e-9)
    if share == 0:
        return np.ones(3)
    red, blue = np.exp(-share * cast)
    white = np.exp([cast[0] + WHITES[0], 0.0, cast[1] + WHITES[1]])
    gains = np.array([red, 1.0, blue])
    return np.asarray(gains * (white @ LUMINANCE) / (gains * white @ LUMINANCE), np.float64)


def _exposure(part: Image) -> float:
    """Return the factor in linear light for a face (h, w, 3) that spans too few levels and is dark; 1 for others."""
    gray = np.asarray(cv2.cvtColor(part, cv2.COLOR_RGB2GRAY), np.uint8)
    darkest, brightest = np.percentile(gray, [100 - BRIGHTEST, BRIGHTEST])
    if brightest - darkest >= LEAST_RANGE or brightest >= USUAL_BRIGHT:
        return 1.0
    levels = linear_light(np.array([max(1, round(brightest)), USUAL_BRIGHT], np.uint8))
    return min(float(levels[1] / levels[0]), MOST_EXPOSURE)


def _box(image: Image, *, face: Face) -> Image:
    """Return the part of an image from brows to chin, without what is beside the cheeks."""
    left, top, right, bottom = (round(side) for side in face.box)
    beside = (right - left) // 10
    part = image[max(0, top) : max(1, bottom), max(0, left + beside) : max(1, right - beside)]
    return np.ascontiguousarray(part if part.size else image)


def _ratios(pixels: NDArray[Any]) -> NDArray[np.float64]:
    """Return the logarithms (..., 2) of red and of blue over green, in linear light, of levels (..., 3)."""
    red, green, blue = np.moveaxis(np.log(np.maximum(linear_light(pixels), 1e-4)), -1, 0)
    return np.stack([red - green, blue - green], axis=-1)
