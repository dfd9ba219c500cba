"""ID photos: the head at the height that is asked for, level, on a colour, in the exact number of pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from curation.fusion.head_shape import Head, without_holes
from curation.images.faces import Face
from curation.images.pixels import Alpha, Image
from curation.matting.composite import composite
from curation.photos.assessment import AGAIN, Assessment, assess
from curation.photos.backdrop import Colour, cut_out
from curation.photos.face_light import FaceLight, face_light, relit
from curation.photos.head_lines import HeadLines
from curation.photos.measures import Measure
from curation.photos.placing import Cut, Wanted
from curation.photos.sizes import IdSize, Pixels
from curation.quarantine import BadRecord, Code

AROUND: Final = 0.02
"""Half the range around a height of the head that is asked for, as a share of the photo's height."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IdRules:
    """What an ID photo looks like: its size on paper, and `pixels` (height, width); `head` and `space` (above the hair)
    in shares of the height where they are not those of the size; whether its light is balanced by the face."""

    size: IdSize
    pixels: Pixels
    colour: Colour
    head: float | None = None
    space: float | None = None
    is_light_balanced: bool = False

    @property
    def wanted(self) -> Wanted:
        """The head that is aimed at, and the space above it, in mm."""
        height, head = self.size.height_mm, self.size.head
        if self.head is not None:
            head = (self.head - AROUND) * height, (self.head + AROUND) * height
        return Wanted(head=head, space=self.size.space if self.space is None else self.space * height)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class IdPhoto:
    """An ID photo (h, w, 3), and what a person should look at.

    `lines` are those of the head in the photo, in its pixels; `matrix` (2, 3) leads from the photograph to the photo.
    `light` is how the light was changed, None where it is to be kept.
    """

    picture: Image
    warnings: tuple[str, ...]
    lines: HeadLines
    matrix: NDArray[np.float64]
    light: FaceLight | None = None


def id_photo(
    image: Image, *, alpha: Alpha, faces: Sequence[Face], rules: IdRules, file: str = ""
) -> tuple[IdPhoto | BadRecord, tuple[Measure, ...]]:
    """Return the ID photo of the person in an image (h, w, 3), or why there is none, and what was measured.

    The reason is EMPTY_ALPHA for nobody; UNSUITABLE where a measure is beyond what the size allows.
    """
    if not (alpha > 127).any():
        return BadRecord(Code.EMPTY_ALPHA, "there is no person", file=file, hint=AGAIN), ()
    found = assess(image, alpha=alpha, faces=faces, size=rules.size, wanted=rules.wanted, height_px=rules.pixels[0])
    if found.refusal is not None:
        return BadRecord(Code.UNSUITABLE, found.refusal.reason, file=file, hint=found.refusal.remedy), found.measures
    return _made(found, rules=rules), found.measures


def _made(found: Assessment, *, rules: IdRules) -> IdPhoto:
    level, lines, cut = found.level, found.lines, found.cut
    assert level is not None and lines is not None and cut is not None, "what is not refused has a cut"
    head = Head(crown=round(lines.hair), chin=round(lines.chin), middle=lines.middle, is_sure=True)
    light = face_light(level.image, face=level.face) if rules.is_light_balanced else None
    image = level.image if light is None else relit(level.image, light=light)
    part, alpha = _cut(image, cut=cut), _cut(without_holes(level.alpha, head=head), cut=cut)
    height, width = rules.pixels
    how = cv2.INTER_AREA if height <= cut.height else cv2.INTER_LANCZOS4
    scaled, shares = (
        cv2.resize(one, (width, height), interpolation=how) for one in (cut_out(part, alpha=alpha), alpha)
    )
    behind = np.full((height, width, 3), rules.colour, np.uint8)
    picture = composite(np.asarray(scaled, np.uint8), alpha=np.asarray(shares, np.uint8), background=behind)
    scale = np.array([width / cut.width, height / cut.height])
    matrix = scale[:, None] * (level.matrix - [[0.0, 0.0, cut.left], [0.0, 0.0, cut.top]])
    in_photo = _lines_in_photo(lines, cut=cut, scale=height / cut.height)
    return IdPhoto(picture=picture, warnings=found.warnings, lines=in_photo, matrix=matrix, light=light)


def _cut(picture: NDArray[np.uint8], *, cut: Cut) -> NDArray[np.uint8]:
    return np.ascontiguousarray(picture[cut.top : cut.top + cut.height, cut.left : cut.left + cut.width])


def _lines_in_photo(lines: HeadLines, *, cut: Cut, scale: float) -> HeadLines:
    return HeadLines(
        hair=(lines.hair - cut.top) * scale,
        crown=(lines.crown - cut.top) * scale,
        eyes=(lines.eyes - cut.top) * scale,
        chin=(lines.chin - cut.top) * scale,
        middle=(lines.middle - cut.left) * scale,
        eye_distance=lines.eye_distance * scale,
    )
