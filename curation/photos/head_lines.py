"""A photograph made level by its face, and the rows in it that an ID photo is measured by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from curation.images.faces import Face
from curation.images.pixels import Alpha, Image

SOLID: Final = 127
LEVEL_FROM: Final = 0.3
"""Degrees of tilt from which a photograph is turned; below, nothing is seen of it, and no pixel is mixed."""
CROWN: Final = 1.75
"""A bare crown lies so many distances between the eyes above them: 121 mm (Farkas 1994, v-en of men) over 63 mm, less
the tenth by which a crown behind the face looks lower from a camera a metre away. Heads without hair among the
portraits of EG1800 show 1.5 to 1.75."""
LOWEST_CROWN: Final = 1.4
"""Where less than this of a head is seen above the eyes, its top is missing."""
STRANDS: Final = 0.2
"""Hair begins at the first row of the person that is so wide, in distances between the eyes; strands do not count."""
HEAD_HALF: Final = 1.5
"""Half the width, in distances between the eyes, in which hair is looked for: a head is 155 mm wide."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadLines:
    """Rows and a column of a level picture, in pixels: the top of the hair, the crown, the eyes, the chin, the middle.

    `crown` is that of the bare head: an estimate from the eyes, and the top of what is seen where that is lower.
    """

    hair: float
    crown: float
    eyes: float
    chin: float
    middle: float
    eye_distance: float

    @property
    def with_hair(self) -> float:
        """Pixels from the top of the hair to the chin."""
        return self.chin - self.hair

    @property
    def bare(self) -> float:
        """Pixels from the crown to the chin."""
        return self.chin - self.crown


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Level:
    """A part of a photograph around a head, turned until its eyes are level.

    `image` (h, w, 3) and `alpha` (h, w), which is 0 beyond the frame; `missing` (h, w) is True where the person would
    be seen if the photograph went on; `matrix` (2, 3) leads from the photograph to here.
    """

    image: Image
    alpha: Alpha
    missing: NDArray[np.bool_]
    face: Face
    matrix: NDArray[np.float64]


def levelled(image: Image, *, alpha: Alpha, face: Face, reach: float) -> Level:
    """Return the part of a photograph (h, w, 3) that lies within `reach` pixels of the middle of the eyes, level.

    A part that needs no turn keeps its pixels; beyond the frame colours go on.
    """
    x, y = face.between_eyes
    angle = face.tilt if abs(face.tilt) >= LEVEL_FROM else 0.0
    matrix = np.asarray(cv2.getRotationMatrix2D((x, y), angle, 1.0), np.float64)
    side = int(np.ceil(reach))
    matrix[:, 2] += side - np.floor((x, y))
    size = (2 * side, 2 * side)
    turned = cv2.warpAffine(image, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    goes_on = cv2.warpAffine(alpha, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    inside = cv2.warpAffine(np.full_like(alpha, 255), matrix, size, flags=cv2.INTER_NEAREST) > 0
    ours = _of_the_face(np.asarray(goes_on, np.uint8), face=(moved := face.moved(matrix)))
    return Level(
        image=np.asarray(turned, np.uint8),
        alpha=np.where(inside, ours, 0).astype(np.uint8),
        missing=(ours > SOLID) & ~inside,
        face=moved,
        matrix=matrix,
    )


def _of_the_face(alpha: Alpha, *, face: Face) -> Alpha:
    """Return the alpha (h, w) without persons that do not touch the one with the face."""
    _, labels = cv2.connectedComponents(np.asarray(alpha > 0, np.uint8), connectivity=8)
    rows, columns = _rows_and_columns(face, shape=alpha.shape)
    inside = labels[rows, columns]
    counts = np.bincount(inside[inside > 0], minlength=2)
    if not counts[1:].any():
        return np.zeros_like(alpha)
    return np.where(labels == counts[1:].argmax() + 1, alpha, 0).astype(np.uint8)


def _rows_and_columns(face: Face, *, shape: tuple[int, ...]) -> tuple[slice, slice]:
    left, top, right, bottom = (round(side) for side in face.box)
    return slice(max(0, top), min(shape[0], bottom)), slice(max(0, left), min(shape[1], right))


def head_lines(level: Level) -> HeadLines | None:
    """Return the lines of the head in a level picture; None where no person is seen around the face."""
    face = level.face
    middle, eyes = face.between_eyes
    distance = face.eye_distance
    columns = slice(max(0, round(middle - HEAD_HALF * distance)), round(middle + HEAD_HALF * distance))
    person = (level.alpha[:, columns] > SOLID) | level.missing[:, columns]
    rows = np.flatnonzero(person.sum(axis=1) >= max(1.0, STRANDS * distance))
    if not len(rows) or rows[0] >= eyes:
        return None
    hair = float(rows[0])
    return HeadLines(
        hair=hair,
        crown=max(hair, eyes - CROWN * distance),
        eyes=eyes,
        chin=face.chin[1],
        middle=middle,
        eye_distance=distance,
    )
