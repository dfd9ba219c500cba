"""Colours of a person brought nearer to the light of a new background, and a blur that hides the seam."""

from __future__ import annotations

from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from curation.images.pixels import Alpha, Image

EXPOSURES: Final = (0.75, 1.3)
"""The least and the largest factor of brightness: a dark coat is no dark light, and faces must stay faces."""
WARMTH: Final = 0.12
"""How much red and blue may change at most beside green, as a share: skin keeps the colour of skin."""
NORM: Final = 6
"""Of the mean that estimates the light: bright pixels count more, since they show its colour."""

KNEE: Final = 0.8
"""Share of the range, in linear light, up to which a change of light is exact; above, white must stay white."""


def light_matched(foreground: Image, *, alpha: Alpha, background: Image, strength: float) -> Image:
    """Return the foreground under a light moved towards the background's by `strength`, 0..1.

    One factor for each channel (see `gains_towards`). Only what alpha shows counts as foreground.
    """
    shown = alpha > 0
    if strength == 0 or not shown.any():
        return foreground
    own = foreground[shown].reshape(-1, 1, 3)
    return with_gains(foreground, gains=gains_towards(own, background=background, strength=strength))


def gains_towards(own: Image, *, background: Image, strength: float) -> NDArray[np.float64]:
    """Return the factor of each channel (3,) by which pixels (h, w, 3) come under the light of a background.

    That of brightness follows the means, those of red and blue beside green the colours of the two lights; all stay
    within the ranges above.
    Source: von Kries 1902 for the factors; Finlayson and Trezzi 2004, "Shades of Gray and Colour Constancy".
    """
    exposure = float(np.clip((_bright(background) / _bright(own)) ** strength, *EXPOSURES))
    warmth = np.clip((_light(background) / _light(own)) ** strength, 1 - WARMTH, 1 + WARMTH)
    return np.asarray(exposure * warmth, np.float64)


def with_gains(image: Image, *, gains: NDArray[np.float64]) -> Image:
    """Return an image (h, w, 3) with each channel multiplied by its factor of `gains` (3,)."""
    table = np.clip(np.rint(np.arange(256)[:, None] * gains), 0, 255).astype(np.uint8)[None]
    return np.asarray(cv2.LUT(image, table), dtype=np.uint8)


def with_curves(image: Image, *, gains: NDArray[np.float64]) -> Image:
    """Return an image (h, w, 3) under light that is multiplied by `gains` (3,), as in linear light.

    Up to KNEE of the range it is exact; from there it goes straight to white, which stays white.
    """
    light = linear_light(np.arange(256, dtype=np.uint8))
    knees = KNEE / np.maximum(1.0, gains)
    curves = [np.interp(light, (0, knee, 1), (0, knee * gain, 1)) for knee, gain in zip(knees, gains, strict=True)]
    return np.asarray(cv2.LUT(image, _in_levels(np.stack(curves, axis=-1))[None]), np.uint8)


def linear_light(levels: NDArray[Any]) -> NDArray[np.float64]:
    """Return sRGB levels, 0..255, as shares of the light of white. Source: IEC 61966-2-1.

    >>> linear_light(np.array([0, 188, 255], np.uint8)).round(2).tolist()
    [0.0, 0.5, 1.0]
    """
    shares = levels / 255.0
    return np.asarray(np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4), np.float64)


def _in_levels(light: NDArray[np.float64]) -> NDArray[np.uint8]:
    shares = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(255 * shares), np.uint8)


def softened(image: Image, *, sigma_px: float) -> Image:
    """Return the image blurred by a Gaussian of `sigma_px` pixels, person and background alike; 0 changes nothing."""
    if sigma_px == 0:
        return image
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma_px), dtype=np.uint8)


def _bright(image: Image) -> float:
    """Return the mean of all channels, 1 at least."""
    mean, _ = cv2.meanStdDev(image)
    return max(1.0, float(np.asarray(mean).mean()))


def _light(image: Image) -> NDArray[np.float64]:
    """Return the colour of the light (3,) beside its green, from the means of a high norm."""
    counts = [cv2.calcHist([image], [channel], None, [256], [0, 256]).ravel() for channel in range(3)]
    powers = (np.arange(256) / 255.0) ** NORM
    means = np.array([max(1e-6, float(count @ powers) / count.sum()) ** (1 / NORM) for count in counts])
    return np.asarray(means / means[1], np.float64)
