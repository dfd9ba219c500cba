"""Known label errors, planted in real masks: what annotators and conversions get wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

import cv2
import numpy as np

from curation.images.pixels import Mask

PLANTED: Final = ("shifted", "eroded", "wrong_person", "missing_part", "dilated", "swapped", "filled_hole")
"""The kinds of error. `swapped` is the mask of another image, which looks like a wrong person as well."""
ALWAYS_WRONG: Final = PLANTED[:6]
"""Those that make any label wrong: a person without a hole has none to fill."""


class WrongLabel(NamedTuple):
    """A label that was made wrong: its name, the kind of the error, and the mask (h, w) with it, 0 and 255."""

    name: str
    kind: str
    mask: Mask


def plant_errors(
    names: Sequence[str], *, others: Sequence[str], read: Callable[[str], Mask], rng: np.random.Generator
) -> Iterator[WrongLabel]:
    """Yield each of the named labels with an error in it, one kind after the other.

    `read` gives the mask of a name, when it is needed; `others` are those whose masks take the place of another.
    """
    for number, name in enumerate(names):
        kind, other = ALWAYS_WRONG[number % len(ALWAYS_WRONG)], others[int(rng.integers(len(others)))]
        yield WrongLabel(name, kind, planted(read(name), kind=kind, other=read(other), rng=rng))


def planted(mask: Mask, *, kind: str, other: Mask, rng: np.random.Generator) -> Mask:
    """Return a mask (h, w) of 0 and 255 with an error of a kind; `other` is the mask of another image.

    Shifted by 12 to 30 % of the frame; eroded by 10 to 25 % of the person's side; mirrored and moved, as if it was
    somebody else; without 20 to 40 % of the person, cut along a line; dilated by 15 to 35 % of its side; the other
    image's mask; or with holes and gaps filled that are up to 30 to 60 % of its side wide, where there are any.
    """
    height, width = mask.shape
    side = float(np.sqrt(np.count_nonzero(mask)))
    if kind == "shifted":
        angle, far = rng.uniform(0, 2 * np.pi), rng.uniform(0.12, 0.3)
        matrix = np.array([[1, 0, far * width * np.cos(angle)], [0, 1, far * height * np.sin(angle)]])
        return np.asarray(cv2.warpAffine(mask, matrix, (width, height), flags=cv2.INTER_NEAREST), np.uint8)
    if kind == "eroded":
        return np.asarray(cv2.erode(mask, _disc(side * rng.uniform(0.1, 0.25))), np.uint8)
    if kind == "dilated":
        return np.asarray(cv2.dilate(mask, _disc(side * rng.uniform(0.15, 0.35))), np.uint8)
    if kind == "wrong_person":
        return np.roll(mask[:, ::-1], int(rng.uniform(0.2, 0.5) * width), axis=1)
    if kind == "missing_part":
        return _cut(mask, rng=rng)
    if kind == "filled_hole":
        return np.asarray(cv2.morphologyEx(mask, cv2.MORPH_CLOSE, _disc(side * rng.uniform(0.3, 0.6))), np.uint8)
    assert kind == "swapped", kind
    return np.asarray(cv2.resize(other, (width, height), interpolation=cv2.INTER_NEAREST), np.uint8)


def _disc(size: float) -> cv2.typing.MatLike:
    odd = max(3, int(size) | 1)
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (odd, odd))


def _cut(mask: Mask, *, rng: np.random.Generator) -> Mask:
    y, x = np.nonzero(mask)
    if not len(y):
        return mask
    angle = rng.uniform(0, 2 * np.pi)
    along = (x - x.mean()) * np.cos(angle) + (y - y.mean()) * np.sin(angle)
    far = along > np.quantile(along, rng.uniform(0.6, 0.8))
    found = mask.copy()
    found[y[far], x[far]] = 0
    return found
