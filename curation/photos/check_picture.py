"""An ID photo with the lines that it is measured by, and the limits, for a person to look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import cv2
import numpy as np

from curation.images.pixels import Image
from curation.photos.head_lines import HeadLines
from curation.photos.sizes import IdSize

RED: Final = (200, 0, 0)
GREEN: Final = (0, 130, 0)
BLUE: Final = (0, 70, 200)
SHADE: Final = np.array([120, 200, 120], np.float64)
SHADE_SHARE: Final = 0.35
MARGIN: Final = 0.55
"""White beside the photo for the names of the lines, as a share of its width."""
TALL_PX: Final = 900
"""Photos that are less tall are enlarged, so that lines and letters are seen."""


def check_picture(photo: Image, *, lines: HeadLines, size: IdSize) -> Image:
    """Return a photo (h, w, 3) with lines at crown, hair, eyes and chin, and bands where crown and eyes may be.

    The band of the crown is that of the head's limits, counted from the chin.
    """
    scale = max(1, round(TALL_PX / photo.shape[0]))
    height, width = photo.shape[0] * scale, photo.shape[1] * scale
    large = np.asarray(cv2.resize(photo, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
    picture = np.full((height, width + round(MARGIN * width), 3), 255, np.uint8)
    picture[:, :width] = large
    px_per_mm = height / size.height_mm
    chin = lines.chin * scale
    _band(picture, top=chin - size.head[1] * px_per_mm, bottom=chin - size.head[0] * px_per_mm, width=width)
    if size.eyes is not None:
        _band(picture, top=height - size.eyes[1] * px_per_mm, bottom=height - size.eyes[0] * px_per_mm, width=width)
    crown = lines.hair if size.is_hair_counted else lines.crown
    named = [("crown", crown * scale, RED), ("eyes", lines.eyes * scale, BLUE), ("chin", chin, RED)]
    if not size.is_hair_counted:
        named.insert(0, ("hair", lines.hair * scale, GREEN))
    for name, row, colour in _apart(named, least=0.03 * height):
        at = round(row[0])
        cv2.line(picture, (0, at), (width, at), colour, max(1, height // 450))
        cv2.line(picture, (width, at), (round(width * 1.06), round(row[1])), colour, max(1, height // 450))
        value = f"{name} {(height - row[0]) / px_per_mm:.1f} mm"
        place = (round(width * 1.07), round(row[1] + 0.008 * height))
        cv2.putText(
            picture, value, place, cv2.FONT_HERSHEY_SIMPLEX, height / 1300, colour, max(1, height // 600), cv2.LINE_AA
        )
    cv2.line(picture, (round(lines.middle * scale), 0), (round(lines.middle * scale), height), BLUE, 1)
    return picture


def _band(picture: Image, *, top: float, bottom: float, width: int) -> None:
    rows = slice(max(0, round(top)), max(0, round(bottom)))
    mixed = (1 - SHADE_SHARE) * picture[rows, :width] + SHADE_SHARE * SHADE
    picture[rows, :width] = np.asarray(np.rint(mixed), np.uint8)


def _apart(
    named: Sequence[tuple[str, float, tuple[int, int, int]]], *, least: float
) -> list[tuple[str, tuple[float, float], tuple[int, int, int]]]:
    """Return lines with the rows of their names, which are so far apart that they can be read."""
    found: list[tuple[str, tuple[float, float], tuple[int, int, int]]] = []
    for name, row, colour in sorted(named, key=lambda one: one[1]):
        label = max(row, found[-1][1][1] + least) if found else max(row, least)
        found.append((name, (row, label), colour))
    return found


def check_lines(measures: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return measures, as dicts, as lines of a table: what, its value, what is allowed, and whether it is met."""
    rows = [
        (one["name"], f"{one['value']:.2f} {one['unit']}".strip(), one["limits"], _verdict(one)) for one in measures
    ]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, [*widths, 0])).rstrip() for row in rows]


def _verdict(measure: Mapping[str, Any]) -> str:
    if not measure["limits"]:
        return ""
    return "met" if measure["is_met"] else "NOT MET"
