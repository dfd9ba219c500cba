"""Where an ID photo is cut out of a level photograph: the head within its limits, and nothing of the person missing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from curation.photos.head_lines import HeadLines
from curation.photos.sizes import IdSize, Limits

STEPS: Final = 16
"""Heights of the head, and spaces above it, that are tried between the wanted ones and the limits."""
INSIDE: Final = 0.15
"""So much of the range between the limits of the head is kept free at either end: marked by hand, chins lie 0.4 mm (one
standard deviation) from where the face mesh finds them, of the 4 mm that most offices allow."""
WITH_HAIR: Final = 0.04
"""The same for the head with the hair, where hair is left out: there it is not the office that asks."""
HAIR_MM: Final = 0.5
"""Least space between the hair and the upper edge."""
MOST_SPACE: Final = 0.22
"""Of the height, above the hair, where no office says more."""
MISSING: Final = 0.0005
"""Share of the photo that a person may lack at the frame of the photograph: a row of pixels is not seen."""

HIGH: Final = "hair or headgear, or what the model takes for it,"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """A part of a level photograph in its pixels, (top, left) and its sides; `mm` is the length of a pixel on paper."""

    top: int
    left: int
    height: int
    width: int
    mm: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The head that is aimed at, in mm, and the space above the hair."""

    head: Limits
    space: float


def reach_of(size: IdSize, *, eye_distance: float) -> float:
    """Return how far, in pixels around the eyes, a photograph is looked at: to the lower edge of the smallest cut.

    With high hair a head is 4.2 distances between the eyes long, and 1.8 of these lie above the eyes at least.
    """
    return eye_distance * (4.2 * size.height_mm / size.head[0] - 1.4)


def place(lines: HeadLines, *, missing: NDArray[np.bool_], size: IdSize, wanted: Wanted) -> tuple[Cut, str | None]:
    """Return the cut that is nearest to what is wanted, and None, or the cut that was wanted, and why it cannot be.

    `missing` (h, w) is True where the level photograph lacks a part of the person.
    """
    sums = np.asarray(cv2.integral(np.asarray(missing, np.uint8)), np.int32)
    tried = [cut for _, cut in sorted(_cuts(lines, size=size, wanted=wanted), key=lambda one: one[0])]
    fitting = [cut for cut in tried if not _outside(cut, lines=lines, size=size)]
    for cut in fitting:
        if _lacking(cut, sums=sums) <= MISSING:
            return cut, None
    if fitting:
        return fitting[0], _what_is_missing(fitting[0], missing=missing, lines=lines)
    if is_hair_high(lines, size=size):
        more = (lines.crown - lines.hair) * tried[0].mm
        return tried[0], f"{HIGH} reaches {more:.0f} mm above the crown, and does not fit with the head"
    return tried[0], _outside(tried[0], lines=lines, size=size)


def is_hair_high(lines: HeadLines, *, size: IdSize) -> bool:
    """Tell whether hair or headgear is so high that the head with it cannot be within the limits too."""
    least, most = size.head
    return not size.is_hair_counted and lines.with_hair / lines.bare > (most - WITH_HAIR * (most - least)) / (
        least + INSIDE * (most - least)
    )


def head_range(lines: HeadLines, *, size: IdSize, head: Limits) -> Limits:
    """Return the least and the most length in mm of a pixel with which the head is within its limits.

    The head counts with its hair, or without; where hair is left out, the head with it is within the limits too as long
    as both can be: nobody knows where exactly a crown is under hair.
    """
    least, most = head
    lowest, highest = (lines.with_hair, lines.with_hair) if size.is_hair_counted else (lines.bare, lines.with_hair)
    free = INSIDE * (most - least)
    most_with_hair = most - (INSIDE if size.is_hair_counted else WITH_HAIR) * (most - least)
    if (least + free) / lowest <= most_with_hair / highest:
        return (least + free) / lowest, min((most - free) / lowest, most_with_hair / highest)
    return (least + free) / lowest, (least + most) / 2 / lowest  # a smaller head leaves more room for the hair


def _cuts(lines: HeadLines, *, size: IdSize, wanted: Wanted) -> Iterator[tuple[tuple[float, int, int], Cut]]:
    """Yield cuts with how far each is from what is wanted, and two numbers that decide between equals."""
    least, most = head_range(lines, size=size, head=wanted.head)
    aim = (least * most) ** 0.5
    spaces = np.linspace(HAIR_MM, MOST_SPACE * size.height_mm, STEPS)
    for i, mm in enumerate(np.unique([aim, *np.linspace(least, most, STEPS)]).tolist()):
        for j, space in enumerate(np.unique([wanted.space, *spaces]).tolist()):
            height, width = max(1, round(size.height_mm / mm)), max(1, round(size.width_mm / mm))
            top, left = round(lines.hair - space / mm), round(lines.middle - width / 2)
            cut = Cut(top=top, left=left, height=height, width=width, mm=size.height_mm / height)
            distance = abs(mm - aim) / aim + abs(space - wanted.space) / size.height_mm
            yield (round(distance, 9), i, j), cut


def _outside(cut: Cut, *, lines: HeadLines, size: IdSize) -> str | None:
    """Return what is beyond its limits in a cut, but the head; None where nothing is."""
    for name, value, limits in placed(cut, lines=lines, size=size):
        if limits is not None and not limits[0] <= value <= limits[1]:
            told = f"{value:.1f} mm, and {limits[0]:g} to {limits[1]:g} are allowed"
            return f"with the head at its height, {name} would be {told}"
    return None


def placed(cut: Cut, *, lines: HeadLines, size: IdSize) -> list[tuple[str, float, Limits | None]]:
    """Return the distances in a cut that a size may limit, in mm, by name."""
    bottom = cut.top + cut.height
    crown = lines.hair if size.is_hair_counted else lines.crown
    return [
        ("the space above the crown", (crown - cut.top) * cut.mm, size.above),
        ("the space below the chin", (bottom - lines.chin) * cut.mm, size.below or (2.0, size.height_mm)),
        ("the height of the eyes", (bottom - lines.eyes) * cut.mm, size.eyes),
    ]


def _lacking(cut: Cut, *, sums: NDArray[np.int32]) -> float:
    """Return the share of a cut that is missing; of one that goes beyond what was looked at, 1."""
    bottom, right = cut.top + cut.height, cut.left + cut.width
    if min(cut.top, cut.left) < 0 or bottom >= sums.shape[0] or right >= sums.shape[1]:
        return 1.0
    lacking = (
        int(sums[bottom, right])
        - int(sums[cut.top, right])
        - int(sums[bottom, cut.left])
        + int(sums[cut.top, cut.left])
    )
    return lacking / (cut.height * cut.width)


def _what_is_missing(cut: Cut, *, missing: NDArray[np.bool_], lines: HeadLines) -> str:
    part = missing[max(0, cut.top) : cut.top + cut.height, max(0, cut.left) : cut.left + cut.width]
    row, column = np.argwhere(part).mean(axis=0)
    if max(0, cut.top) + row < lines.eyes:
        return "the photograph cuts off a part of the head"
    third = part.shape[1] // 3
    if part[-1, third:-third].any():
        return "the photograph ends too close below the chin: shoulders are missing"
    side = "left" if column < part.shape[1] / 2 else "right"
    return f"the photograph cuts off a shoulder or hair at its {side} edge"
