"""ID photos: the head at the height that is asked for, on a colour, in the exact number of pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from curation.fusion.head_shape import SOLID, Head, find_head, without_holes
from curation.images.pixels import Alpha, Image
from curation.matting.composite import composite
from curation.photos.backdrop import Colour, cut_out
from curation.photos.sizes import Pixels
from curation.quarantine import BadRecord, Code

LARGER_HEAD: Final = 0.12
"""Where the photograph ends at the chest, the head may take so much more of the height than was asked for."""
SOFT_FROM: Final = 1.15
"""A photograph enlarged by a larger factor gets a warning. A convention."""
MOST_ENLARGED: Final = 2.0
"""A photograph that has to be enlarged more shows pixels, not a person."""
AGAIN: Final = "take the photograph again, upright, with the whole head and the shoulders in it, and space above"


@dataclass(frozen=True, slots=True, kw_only=True)
class IdRules:
    """What an ID photo looks like: `size` (height, width) in pixels, and the head and the space above it in shares of
    the height."""

    size: Pixels
    head: float
    above: float
    colour: Colour


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class IdPhoto:
    """An ID photo (h, w, 3), the share of its height that the head takes, and what a person should look at."""

    picture: Image
    head: float
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Crop:
    """A part of a photograph in its pixels; it may reach beyond the frame."""

    top: int
    left: int
    height: int
    width: int


def id_photo(image: Image, *, alpha: Alpha, rules: IdRules, file: str = "") -> IdPhoto:
    """Return the ID photo of the largest person in an image (h, w, 3).

    Raises BadRecord: EMPTY_ALPHA for nobody; UNSUITABLE where the head is cut off or too small, or the chest missing.
    """
    head = find_head(alpha)
    if head is None:
        raise BadRecord(Code.EMPTY_ALPHA, "there is no person", file=file, hint=AGAIN)
    if head.crown == 0:
        reason = "the person touches the upper edge of the photograph, so that the head is cut off or without space"
        raise BadRecord(Code.UNSUITABLE, reason, file=file, hint=AGAIN)
    warnings = []
    if not head.is_sure:
        warnings.append("no neck is seen, so the height of the head is estimated from its width; check the result")
    share = _share(head, rules=rules, bottom=_bottom(alpha), file=file)
    if share > rules.head * 1.01:
        warnings.append(f"the photograph ends at the chest, so the head takes {share:.0%} of the height")
    crop = _crop(head, share=share, rules=rules)
    warnings += _refuse_or_warn(crop, alpha=alpha, rules=rules, file=file)
    picture = _rendered(image, alpha=without_holes(alpha, head=head), crop=crop, rules=rules)
    return IdPhoto(picture=picture, head=share, warnings=tuple(warnings))


def _bottom(alpha: Alpha) -> int | None:
    """Return the row at which the photograph cuts the person off; None where the person ends above it."""
    return alpha.shape[0] if (alpha[-1] > SOLID).any() else None


def _share(head: Head, *, rules: IdRules, bottom: int | None, file: str) -> float:
    """Return the share of the height that the head takes: what is asked, or more where the photograph ends too soon."""
    height = head.height / rules.head
    below = height * (1 - rules.above)
    if bottom is None or head.crown + below <= bottom:
        return rules.head
    share = head.height / ((bottom - head.crown) / (1 - rules.above))
    if share > rules.head + LARGER_HEAD:
        reason = f"the photograph ends too close below the chin: the head would take {share:.0%} of the height"
        raise BadRecord(Code.UNSUITABLE, reason, file=file, hint=AGAIN)
    return share


def _crop(head: Head, *, share: float, rules: IdRules) -> _Crop:
    height = head.height / share
    width = height * rules.size[1] / rules.size[0]
    return _Crop(
        top=round(head.crown - rules.above * height),
        left=round(head.middle - width / 2),
        height=max(1, round(height)),
        width=max(1, round(width)),
    )


def _refuse_or_warn(crop: _Crop, *, alpha: Alpha, rules: IdRules, file: str) -> list[str]:
    enlarged = rules.size[0] / crop.height
    if enlarged > MOST_ENLARGED:
        reason = f"the person is too small: the photograph would be enlarged {enlarged:.1f} times"
        raise BadRecord(
            Code.UNSUITABLE, reason, file=file, hint="take the photograph from nearer, or give a smaller --size"
        )
    warnings = []
    if enlarged > SOFT_FROM:
        warnings.append(f"the photograph is enlarged {enlarged:.1f} times, which makes it soft")
    rows = slice(max(0, crop.top), crop.top + crop.height)
    for side, column, is_inside in (
        ("left", 0, crop.left < 0),
        ("right", -1, crop.left + crop.width > alpha.shape[1]),
    ):
        if is_inside and (alpha[rows, column] > SOLID).any():
            warnings.append(f"the person is cut off at the {side} edge of the photograph, which shows")
    if crop.top + crop.height > alpha.shape[0] and _bottom(alpha) is None:
        warnings.append("the person ends above the lower edge")
    return warnings


def _rendered(image: Image, *, alpha: Alpha, crop: _Crop, rules: IdRules) -> Image:
    part, part_alpha = _cut(image, crop=crop), _cut(alpha, crop=crop)
    colours = cut_out(part, alpha=part_alpha)
    height, width = rules.size
    how = cv2.INTER_AREA if height <= crop.height else cv2.INTER_LANCZOS4
    scaled = np.asarray(cv2.resize(colours, (width, height), interpolation=how), np.uint8)
    shares = np.asarray(cv2.resize(part_alpha, (width, height), interpolation=how), np.uint8)
    return composite(scaled, alpha=shares, background=np.full((height, width, 3), rules.colour, np.uint8))


def _cut(picture: NDArray[np.uint8], *, crop: _Crop) -> NDArray[np.uint8]:
    """Return the crop of an image (h, w, 3) or alpha (h, w), 0..255; beyond the frame colours go on, alpha is 0."""
    bottom, right = crop.top + crop.height, crop.left + crop.width
    inside = picture[max(0, crop.top) : max(0, bottom), max(0, crop.left) : max(0, right)]
    edges = (
        max(0, -crop.top),
        max(0, bottom - picture.shape[0]),
        max(0, -crop.left),
        max(0, right - picture.shape[1]),
    )
    how = cv2.BORDER_CONSTANT if picture.ndim == 2 else cv2.BORDER_REPLICATE
    return np.asarray(cv2.copyMakeBorder(np.ascontiguousarray(inside), *edges, how, value=0), np.uint8)
