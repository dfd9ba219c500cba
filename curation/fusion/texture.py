"""How sharp and how noisy a part of a picture is, and how one part is brought to the level of another.

A person from a sharp photograph on an enlarged background, or a smooth one on a grainy wall, looks pasted on.
"""

from __future__ import annotations

from typing import Any, Final

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from curation.images.edges import slope_length
from curation.images.pixels import Alpha, Image, Mask

LEAST_PIXELS: Final = 150
"""Below this a part is too small to be measured."""
LABELLED: Final = 250
"""Where an alpha is larger, the picture is all person."""
REBLUR_PX: Final = 1.0
"""Sigma of the blur by which sharpness is measured."""
DIFFERENCE: Final = 1 / 3
"""Variance of the blur that a slope between pixels two apart brings itself: that of a box of width 2."""
STRONG: Final = 0.9
"""Edges are the pixels whose slope is above this quantile: in the flat rest, noise decides."""
SIGMAS_PX: Final = (0.3, 4.0)
"""The least and the largest blur that is measured: a sharper or a softer edge cannot be told from these."""
THINNED: Final = 3
"""One pixel in so many is looked at; quantiles of all of them are no other, and take longer."""
LEAST_GAP: Final = (0.15, 0.4)
"""Sharpness in pixels and noise in grey levels that differ by less are alike."""
MOST_ADDED: Final = (4.0, 5.0)
"""The largest blur in pixels, and noise in grey levels, by which a part is changed."""
FOCUS: Final = (0.25, 1.0)
"""Blur of a person as a multiple of that of what is behind, drawn from this range: photographers focus on persons."""
OUTLINE: Final = (0.9, 0.5)
"""Blur of an outline as a share of that of the edges within, and in pixels at least."""
NORMAL: Final = 0.7979
"""Mean of the magnitude of normal noise, as a share of its standard deviation."""


class Texture(msgspec.Struct, frozen=True, kw_only=True):
    """How sharp edges are, as the sigma of their blur in pixels, and the standard deviation of noise in grey levels."""

    blur_px: float
    noise: float

    def noise_to(self, other: Texture) -> float:
        """Return the noise that is to be added to have as much as another; independent noise adds in squares."""
        return min(float(np.sqrt(max(0.0, other.noise**2 - self.noise**2))), MOST_ADDED[1])


def texture_of(image: Image, *, where: NDArray[np.bool_] | None = None) -> Texture | None:
    """Measure the part of an image (h, w, 3) that `where` (h, w) shows; None where it is too small or has no edges.

    Sharpness: how much a further blur takes from the slope of the strongest edges; an edge of blur s keeps
    s / sqrt(s^2 + 1) of it. Noise: the mean difference of diagonal neighbours in the flat half.
    Source: Zhuo and Sim 2011, "Defocus map estimation from a single image", section 3.
    """
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    slope, softer = _slope(gray), _slope(cv2.GaussianBlur(gray, (0, 0), REBLUR_PX))
    cross = np.abs(cv2.filter2D(gray, -1, np.array([[1, -1], [-1, 1]], np.float32) / 2))
    found = (slope, softer, cross) if where is None else (slope[where], softer[where], cross[where])
    slopes, softened, crosses = (one.ravel()[::THINNED] for one in found)
    if len(slopes) < LEAST_PIXELS:
        return None
    strong = slopes >= max(float(np.quantile(slopes, STRONG)), 4.0)
    if np.count_nonzero(strong) < LEAST_PIXELS * (1 - STRONG):
        return None
    ratio = float(np.median(slopes[strong] / np.maximum(softened[strong], 1e-3)))
    blur = np.sqrt(max(REBLUR_PX**2 / max(ratio**2 - 1, 1e-3) - DIFFERENCE, 0.0))
    noise = float(np.mean(crosses[slopes <= np.median(slopes)])) / NORMAL
    return Texture(blur_px=float(np.clip(blur, *SIGMAS_PX)), noise=noise)


def edge_of(person: Image, *, mask: Mask) -> float:
    """Return how soft to draw the outline of a mask (h, w), in pixels: as the person's own edges are."""
    own = texture_of(person, where=cv2.erode(mask, np.ones((5, 5), np.uint8)) > LABELLED)
    return OUTLINE[1] if own is None else max(OUTLINE[1], OUTLINE[0] * own.blur_px)


def texture_matched(
    person: Image, *, alpha: Alpha, frame: Image, rng: np.random.Generator
) -> tuple[Image, Alpha, Image]:
    """Return person (h, w, 3), alpha (h, w) and frame (h, w, 3) with sharpness and noise of one level.

    The sharper one is blurred, but a person may stay a little sharper, and an alpha is blurred with its person; then
    the smoother one gets noise. Nothing changes where one of them is too small or has no edges.
    """
    inner = cv2.erode(alpha, np.ones((5, 5), np.uint8)) > LABELLED
    own, other = texture_of(person, where=inner), texture_of(frame)
    if own is None or other is None:
        return person, alpha, frame
    focus = float(rng.uniform(*np.log(FOCUS)))
    if (gap := _between(own.blur_px, FOCUS[0] * other.blur_px)) > 0:
        person, alpha = _blurred(person, sigma_px=gap), _blurred(alpha, sigma_px=gap)
        own = texture_of(person, where=inner) or own
    if (gap := _between(other.blur_px, own.blur_px / np.exp(focus))) > 0:
        frame = _blurred(frame, sigma_px=gap)
        other = texture_of(frame) or other
    person = _grained(person, add=own.noise_to(other), rng=rng)
    return person, alpha, _grained(frame, add=other.noise_to(own), rng=rng)


def _between(blur_px: float, goal_px: float) -> float:
    """Return the sigma of the blur that brings one blur to another; 0 where it is as soft already, or nearly."""
    if goal_px - blur_px < LEAST_GAP[0]:
        return 0.0
    return min(float(np.sqrt(goal_px**2 - blur_px**2)), MOST_ADDED[0])


def _blurred(picture: Any, *, sigma_px: float) -> Any:
    return cv2.GaussianBlur(picture, (0, 0), sigma_px, borderType=cv2.BORDER_REPLICATE)


def _grained(image: Image, *, add: float, rng: np.random.Generator) -> Image:
    """Return an image (h, w, 3) with noise of `add` grey levels, the same in all channels as that of brightness is."""
    if add < LEAST_GAP[1]:
        return image
    grain = rng.standard_normal(image.shape[:2], dtype=np.float32) * np.float32(add)
    return np.asarray(np.clip(np.rint(image + grain[:, :, None]), 0, 255), np.uint8)


def _slope(gray: NDArray[Any]) -> NDArray[np.float32]:
    across, down = cv2.Sobel(gray, cv2.CV_32F, 1, 0, scale=1 / 8), cv2.Sobel(gray, cv2.CV_32F, 0, 1, scale=1 / 8)
    return slope_length(np.asarray(across, np.float32), down=np.asarray(down, np.float32))
