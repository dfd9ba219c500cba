"""The windows of the policies `crop`, `patch` and `framed`: a patch, the whole, or what frames the person."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from curation.images.pixels import Image
from models.data.read_labels import AnyLabel, fitted
from models.data.soft_labels import is_soft
from models.losses.targets import IGNORED

SCALES: Final = (0.75, 1.25)
PATCH_SHARE: Final = 0.5
"""How often a patch is taken rather than the whole image."""
SCALED_SHARE: Final = 0.5
"""How often the policy `patch` changes the scale at all; `crop` always does."""
PERSON_SHARES: Final = (0.12, 0.85)
"""Of a window of `framed` that is person. A convention: from a whole person to a face that fills the frame."""
WINDOW_SHARES: Final = (0.35, 1.2)
"""The sides of such a window as a share of those of the image: nothing is enlarged without bound."""
ASPECT_CHANGE: Final = 0.1
"""By how much, in its logarithm, each side of such a window is longer or shorter."""
PLACES: Final = (0.2, 0.8)
"""Where in such a window a pixel of the person comes to lie."""
OUTSIDE: Final = (124, 116, 104)
"""The mean of ImageNet, 0 to a network: what lies outside of an image tells nothing."""


def cropped(
    image: Image, label: AnyLabel, *, size: tuple[int, int], classes: int | None, rng: np.random.Generator
) -> tuple[Image, AnyLabel]:
    """Cut a window out of an image and give it at `size` (height, width).

    The window is as large as the image or (a patch) as `size`, divided by a scale of 0.75 to 1.25. Where it is larger
    than the image, the image lies somewhere in it, and what is outside of the image is ignored.
    """
    scale = rng.uniform(*SCALES)
    extent = size if rng.random() < PATCH_SHARE else (image.shape[0], image.shape[1])
    window = _window(image, label, extent=_divided(extent, scale=scale), rng=rng)
    return fitted(*window, size=size, classes=classes)


def patched(
    image: Image,
    label: AnyLabel,
    *,
    size: tuple[int, int],
    patch_px: int,
    classes: int | None,
    rng: np.random.Generator,
) -> tuple[Image, AnyLabel]:
    """Cut a patch out of an image, or take the whole, each half of the time, and give it at `size` (height, width).

    The longer side of a patch is `patch_px` and its shape that of `size`. Half of the time the image is first 0.75 to
    1.25 times as large. Where the patch is then larger than the image, the image lies somewhere in it, and what is
    outside of the image is ignored.
    """
    scale = rng.uniform(*SCALES) if rng.random() < SCALED_SHARE else 1.0
    patch = _divided(size, scale=max(size) / patch_px)
    extent = patch if rng.random() < PATCH_SHARE else (image.shape[0], image.shape[1])
    window = _window(image, label, extent=_divided(extent, scale=scale), rng=rng)
    return fitted(*window, size=size, classes=classes)


def framed(
    image: Image,
    label: AnyLabel,
    *,
    size: tuple[int, int],
    classes: int | None,
    rng: np.random.Generator,
    around: AnyLabel | None = None,
) -> tuple[Image, AnyLabel]:
    """Return a window at `size` (height, width) of an image (h, w, 3) uint8, in which the person is as large as drawn.

    The share of person is drawn from `PERSON_SHARES`, evenly in its logarithm: small persons and large ones, whole and
    cut by the frame, come equally often, whatever the data set shows. The window lies around a pixel of the person,
    inside of the image where it fits; where it is larger, what is outside of the image is ignored. Where nobody is, it
    is a half to the whole of the image. Where the person is says `around`, another label (h, w), where it is given.
    """
    height, width = label.shape
    shown = label if around is None else around
    person = np.flatnonzero((shown > 0) & (shown != IGNORED))
    if person.size:
        wanted = np.exp(rng.uniform(*np.log(PERSON_SHARES)))
        zoom = float(np.clip(np.sqrt(person.size / label.size / wanted), *WINDOW_SHARES))
        place = divmod(int(rng.choice(person)), width)
    else:
        zoom = rng.uniform(0.5, 1.0)
        place = int(rng.integers(height)), int(rng.integers(width))
    rows, columns = (
        _span_around(at, available=available, zoom=zoom, rng=rng)
        for at, available in zip(place, (height, width), strict=True)
    )
    window = _cut(image, label, rows=rows, columns=columns)
    return fitted(*window, size=size, classes=classes)


def _span_around(at: int, *, available: int, zoom: float, rng: np.random.Generator) -> tuple[int, int]:
    """Return where a window begins and ends that shows the place `at`."""
    length = max(1, round(available * zoom * np.exp(rng.uniform(-ASPECT_CHANGE, ASPECT_CHANGE))))
    room = available - length
    begin = min(max(round(at - length * rng.uniform(*PLACES)), min(0, room)), max(0, room))
    return begin, begin + length


def _divided(extent: tuple[int, int], *, scale: float) -> tuple[int, int]:
    height, width = extent
    return max(1, round(height / scale)), max(1, round(width / scale))


def _window(
    image: Image, label: AnyLabel, *, extent: tuple[int, int], rng: np.random.Generator
) -> tuple[Image, AnyLabel]:
    """Return a window of `extent` (height, width) somewhere in the image, or with the image somewhere in it."""
    height, width = extent
    rows = _span(image.shape[0], length=height, rng=rng)
    columns = _span(image.shape[1], length=width, rng=rng)
    return _cut(image, label, rows=rows, columns=columns)


def _cut(image: Image, label: AnyLabel, *, rows: tuple[int, int], columns: tuple[int, int]) -> tuple[Image, AnyLabel]:
    """Return a window of an image (h, w, 3) uint8 and its label (h, w); what is outside of the image is ignored."""
    (top, bottom), (left, right) = rows, columns
    inside = (slice(max(0, top), bottom), slice(max(0, left), right))
    margins = (max(0, -top), max(0, bottom - image.shape[0]), max(0, -left), max(0, right - image.shape[1]))
    window, window_label = image[inside], label[inside]
    if any(margins):
        window = cv2.copyMakeBorder(window, *margins, cv2.BORDER_CONSTANT, value=OUTSIDE).astype(np.uint8, copy=False)
        padded = cv2.copyMakeBorder(window_label, *margins, cv2.BORDER_CONSTANT, value=(IGNORED,))
        window_label = np.asarray(padded, dtype=np.float32) if is_soft(label) else np.asarray(padded, dtype=np.uint8)
    return window.copy(), window_label.copy()


def _span(available: int, *, length: int, rng: np.random.Generator) -> tuple[int, int]:
    """Return where a window of `length` begins and ends: inside of what is available, or around it."""
    room = available - length
    begin = int(rng.integers(min(0, room), max(0, room) + 1))
    return begin, begin + length
