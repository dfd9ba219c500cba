"""Whether a photograph makes an ID photo of a size: what it measures, where it is cut out, or why it cannot be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np

from curation.images.faces import Face
from curation.images.pixels import Alpha, Image
from curation.photos.head_lines import LOWEST_CROWN, SOLID, HeadLines, Level, head_lines, levelled
from curation.photos.measures import Measure, measures_of_face
from curation.photos.placing import HIGH, Cut, Wanted, is_hair_high, place, placed, reach_of
from curation.photos.sizes import IdSize

SECOND_FACE: Final = 0.25
"""A face of so many times the largest one's height that is part of the person who is cut out is a second person."""
MOST_ENLARGED: Final = 2.0
"""A photograph that has to be enlarged more shows pixels, not a person."""
SOFT_FROM: Final = 1.15
"""A photograph enlarged by a larger factor gets a warning. A convention."""
ENOUGH_EYES_PX: Final = 400.0
"""Between the eyes; a photograph with more is made smaller first, so that memory is bounded. On paper, at 600 dots per
inch, they are 230 apart."""
AT_UPPER_EDGE: Final = (
    "the person touches the upper edge of the photograph, so that the head is cut off or has no space"
)
PLAINER: Final = "give another --model, or a photograph with a plainer background and space above the head"
HIGHEST_HAIR: Final = 2.5
"""Distances between the eyes above them; few heads of hair are higher, and background often is."""
AGAIN: Final = (
    "take the photograph again: from the front, eyes open, with the whole head, both shoulders, and space around"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a photograph makes no ID photo, and what would help."""

    reason: str
    remedy: str = AGAIN


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Assessment:
    """What a photograph measures, and the cut of its level picture, or why there is none."""

    measures: tuple[Measure, ...] = ()
    refusal: Refusal | None = None
    level: Level | None = None
    lines: HeadLines | None = None
    cut: Cut | None = None
    warnings: tuple[str, ...] = ()


def assess(
    image: Image, *, alpha: Alpha, faces: Sequence[Face], size: IdSize, wanted: Wanted, height_px: int
) -> Assessment:
    """Return what an image (h, w, 3) with an alpha (h, w) measures for a size; `height_px` is that of the ID photo."""
    face, refusal = the_face(faces, alpha=alpha)
    if face is None:
        return Assessment(refusal=refusal)
    measures = measures_of_face(face, image=image, size=size)
    refusal = refusal or beyond(measures)
    if refusal is not None:
        return Assessment(measures=tuple(measures), refusal=refusal)
    level = _levelled(image, alpha=alpha, face=face, size=size)
    face = level.face
    lines = head_lines(level)
    refusal = _no_head(lines, level=level)
    if lines is None or refusal is not None:
        return Assessment(measures=tuple(measures), refusal=refusal)
    cut, missing = place(lines, missing=level.missing, size=size, wanted=wanted)
    measures += measures_of_cut(cut, lines=lines, size=size, wanted=wanted, height_px=height_px)
    refusal = beyond(measures) if missing is None else Refusal(reason=missing)
    return Assessment(
        measures=tuple(measures),
        refusal=refusal,
        level=level,
        lines=lines,
        cut=cut,
        warnings=tuple(_warnings(cut, lines=lines, size=size, face=face, height_px=height_px)),
    )


def the_face(faces: Sequence[Face], *, alpha: Alpha) -> tuple[Face | None, Refusal | None]:
    """Return the largest face, and why it cannot be taken: there is none, or a second one on the person, or no chin."""
    if not faces:
        return None, Refusal(reason="no face is found")
    first = max(faces, key=_height)
    others = [face for face in faces if face is not first and _height(face) >= SECOND_FACE * _height(first)]
    seen = [face for face in others if _is_on(alpha, face=face)]
    if seen:
        return first, Refusal(reason=f"there are {1 + len(seen)} faces", remedy="crop the photograph to one person")
    x, y = first.chin
    if not (0 <= x < alpha.shape[1] and 0 <= y < alpha.shape[0] - 1):
        return first, Refusal(reason="the chin is outside of the photograph")
    return first, None


def _height(face: Face) -> float:
    return face.box[3] - face.box[1]


def _is_on(alpha: Alpha, *, face: Face) -> bool:
    x, y = face.between_eyes
    row, column = min(max(int(y), 0), alpha.shape[0] - 1), min(max(int(x), 0), alpha.shape[1] - 1)
    return bool(alpha[row, column] > SOLID)


def beyond(measures: Sequence[Measure]) -> Refusal | None:
    """Return the first measure that is beyond its limits as a refusal; None where all are within."""
    for one in measures:
        if not one.is_met:
            unit = f" {one.unit}" if one.unit else ""
            reason = f"{one.name}: {one.value:.3g}{unit}, and {one.limits} is allowed"
            return Refusal(reason=reason, remedy=one.remedy or AGAIN)
    return None


def _levelled(image: Image, *, alpha: Alpha, face: Face, size: IdSize) -> Level:
    """Return the level picture of a photograph, which is made smaller first where no ID photo needs so many pixels."""
    ratios = (1.0, 1.0)
    if face.eye_distance > ENOUGH_EYES_PX:
        scale = ENOUGH_EYES_PX / face.eye_distance
        sides = round(image.shape[1] * scale), round(image.shape[0] * scale)
        ratios = sides[0] / image.shape[1], sides[1] / image.shape[0]
        image, alpha = (
            np.asarray(cv2.resize(one, sides, interpolation=cv2.INTER_AREA), np.uint8) for one in (image, alpha)
        )
        face = face.moved(np.array([[ratios[0], 0.0, 0.0], [0.0, ratios[1], 0.0]]))
    level = levelled(image, alpha=alpha, face=face, reach=reach_of(size, eye_distance=face.eye_distance))
    return replace(level, matrix=level.matrix * (*ratios, 1.0))


def _no_head(lines: HeadLines | None, *, level: Level) -> Refusal | None:
    if lines is None:
        return Refusal(reason="the model finds no person around the face", remedy="give another --model")
    row, middle, half = round(lines.hair), round(lines.middle), round(lines.eye_distance)
    columns = slice(max(0, middle - half), middle + half)
    at_edge = level.missing[row : row + 2, columns].any()
    solid = np.flatnonzero((level.alpha[:, columns] > SOLID).any(axis=1))
    seen = (lines.eyes - (solid[0] if at_edge and len(solid) else row)) / lines.eye_distance
    if at_edge and seen > HIGHEST_HAIR:
        return Refusal(reason=f"{HIGH} reaches the upper edge of the photograph", remedy=PLAINER)
    if at_edge:
        return Refusal(reason=AT_UPPER_EDGE)
    if seen < LOWEST_CROWN:
        reason = f"the model finds only {seen:.1f} distances between the eyes of head above them, where a head has 1.5"
        return Refusal(reason=reason, remedy=PLAINER)
    return None


def measures_of_cut(cut: Cut, *, lines: HeadLines, size: IdSize, wanted: Wanted, height_px: int) -> list[Measure]:
    """Return what is measured of a cut, in mm on paper, and how far it is enlarged."""
    least, most = wanted.head
    head = lines.with_hair if size.is_hair_counted else lines.bare
    how = "with the hair" if size.is_hair_counted else "without what hair adds"
    found = [Measure(name=f"head, crown to chin, {how}", value=head * cut.mm, unit="mm", least=least, most=most)]
    if not size.is_hair_counted:
        found.append(Measure(name="head with the hair", value=lines.with_hair * cut.mm, unit="mm"))
    for name, value, limits in placed(cut, lines=lines, size=size):
        low, high = limits or (None, None)
        found.append(Measure(name=name, value=value, unit="mm", least=low, most=high))
    found.append(
        Measure(
            name="enlargement",
            value=height_px / cut.height,
            unit="times",
            most=MOST_ENLARGED,
            remedy="take the photograph from nearer, or give a smaller --dpi",
        )
    )
    return found


def _warnings(cut: Cut, *, lines: HeadLines, size: IdSize, face: Face, height_px: int) -> list[str]:
    found = []
    if height_px / cut.height > SOFT_FROM:
        found.append(f"the photograph is enlarged {height_px / cut.height:.1f} times, which makes it soft")
    if is_hair_high(lines, size=size):
        more = (lines.crown - lines.hair) * cut.mm
        found.append(
            f"hair or headgear reaches {more:.0f} mm above the crown, which is estimated from the eyes; check it"
        )
    if not face.is_chin_seen:
        found.append("the model of faces shows no chin; it is estimated from eyes and mouth; check the result")
    return found
