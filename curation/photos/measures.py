"""What is measured of a face in a photograph, with the limits beyond which no office takes it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from curation.images.faces import Face
from curation.images.pixels import Image
from curation.photos.head_lines import Level, levelled
from curation.photos.sharpness import blur_of
from curation.photos.sizes import IdSize

MOST_TILT: Final = 15.0
"""Degrees; a head that leans more shows a neck and shoulders that no turn makes right."""
NODDED: Final = (-32.0, 18.0)
"""Degrees, beyond which a face looks up or down for certain. Foreheads slope: a level face measures about -8."""
LEAST_OPEN: Final = 0.2
"""Height over width of an eye. Open eyes measure 0.25 to 0.45, those whose lids almost touch under 0.2."""
LEAST_EYES_PX: Final = 40.0
"""Between the eyes in the photograph: below, the points of a face are a millimetre off."""
BLUR_EYES_PX: Final = 90
"""A face is brought to this distance between the eyes before its blur is measured, so that sizes do not matter; it is
what ISO/IEC 19794-5 asks for. Of 120 portraits of EG1800 the blur is 0.22 to 0.53; where a Gaussian takes away what is
smaller than 1 mm on the face 0.50 to 0.70, and 2 mm, 0.68 to 0.80."""
MOST_BLUR: Final = 0.65
DARK: Final = 0.65
"""Brightness around the eyes over that of the cheeks, of the brighter eye: without glasses 0.7 and more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One thing that was measured: its value, and the least and most that are allowed (None where nothing is asked).

    `remedy` is what helps where it is beyond them.
    """

    name: str
    value: float
    unit: str
    least: float | None = None
    most: float | None = None
    remedy: str = ""

    @property
    def is_met(self) -> bool:
        """Tell whether the value is within its limits."""
        return (self.least is None or self.value >= self.least) and (self.most is None or self.value <= self.most)

    @property
    def limits(self) -> str:
        """The limits in words.

        >>> Measure(name="head", value=33, unit="mm", least=32, most=36).limits
        '32 to 36'
        """
        if self.least is not None and self.most is not None:
            return f"{self.least:g} to {self.most:g}"
        if self.least is not None:
            return f"at least {self.least:g}"
        return "" if self.most is None else f"at most {self.most:g}"


def measures_of_face(face: Face, *, image: Image, size: IdSize) -> list[Measure]:
    """Return what is measured of a face in its photograph (h, w, 3), before anything is cut out.

    Of a face that is too small nothing else is measured.
    """
    nearer = "take the photograph from nearer, or with more pixels"
    name = "distance between the eyes in the photograph"
    apart = Measure(name=name, value=face.eye_distance, unit="px", least=LEAST_EYES_PX, remedy=nearer)
    if not apart.is_met:
        return [apart]
    level = levelled(image, alpha=np.zeros(image.shape[:2], np.uint8), face=face, reach=2.2 * face.eye_distance)
    return [
        apart,
        *_pose(face, turned=size.turned),
        *_eyes(face, level=level),
        Measure(
            name="blur of the face",
            value=blur_of(_face_alone(level)),
            unit="",
            most=MOST_BLUR,
            remedy="hold the camera still, focus on the eyes, and use more light",
        ),
    ]


def _pose(face: Face, *, turned: float) -> Iterator[Measure]:
    """Yield the angles of a face, as far as its finder tells them."""
    for name, value, (least, most), remedy in (
        ("tilt of the head in the photograph", face.tilt, (-MOST_TILT, MOST_TILT), "hold the head upright"),
        ("turn to the side", face.turned, (-turned, turned), "look straight into the camera"),
        ("nod", face.nodded, NODDED, "hold the camera at the height of the eyes"),
    ):
        if value is not None:
            yield Measure(name=name, value=value, unit="degrees", least=least, most=most, remedy=remedy)


def _eyes(face: Face, *, level: Level) -> Iterator[Measure]:
    """Yield whether the eyes are open, where that is told, and seen."""
    if face.openness is not None:
        name, remedy = "height of an eye", "keep both eyes open"
        yield Measure(name=name, value=min(face.openness), unit="of its width", least=LEAST_OPEN, remedy=remedy)
    yield Measure(
        name="brightness around the eyes",
        value=_around_eyes(level),
        unit="of the cheeks'",
        least=DARK,
        remedy="take off dark glasses, and let light fall on the eyes",
    )


def _face_alone(level: Level) -> Image:
    """Return the part of a level picture from brows to chin, with a fixed distance between the eyes."""
    left, top, right, bottom = (round(side) for side in level.face.box)
    part = level.image[max(0, top) : max(8, bottom), max(0, left) : max(8, right)]
    scale = BLUR_EYES_PX / level.face.eye_distance
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    size = max(8, round(part.shape[1] * scale)), max(8, round(part.shape[0] * scale))
    return np.asarray(cv2.resize(np.ascontiguousarray(part), size, interpolation=how), np.uint8)


def _around_eyes(level: Level) -> float:
    """Return how bright it is around the brighter eye, skin and white of the eye, over the cheeks."""
    gray = np.asarray(cv2.cvtColor(level.image, cv2.COLOR_RGB2GRAY), np.uint8)
    unit = level.face.eye_distance
    around, cheeks = [], []
    for x, y in level.face.eyes:
        around.append(float(np.percentile(_box(gray, x=x, y=y + 0.075 * unit, half=(0.225 * unit, 0.27 * unit)), 75)))
        cheeks.append(float(np.median(_box(gray, x=x, y=y + 0.625 * unit, half=(0.075 * unit, 0.1 * unit)))))
    return max(around) / max(1.0, sum(cheeks) / 2)


def _box(gray: NDArray[np.uint8], *, x: float, y: float, half: tuple[float, float]) -> NDArray[np.uint8]:
    """Return a part of a picture (h, w) around a point, `half` (height, width) to each side; a pixel at least."""
    rows, columns = slice(max(0, round(y - half[0])), None), slice(max(0, round(x - half[1])), None)
    part = gray[rows, columns][: max(1, round(2 * half[0])), : max(1, round(2 * half[1]))]
    return part if part.size else gray
