"""A person whose colours, alpha and backgrounds are known, the source's formula, and what a halo is."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from curation.images.pixels import Alpha, Image


@dataclass(frozen=True, kw_only=True)
class Truth:
    """`photograph` shows the `person` on `old`; on `new` it would look like `wanted`, (h, w, 3) float64."""

    person: Image
    alpha: Alpha
    old: Image
    new: Image

    @property
    def photograph(self) -> Image:
        return np.rint(blended(self.person, alpha=self.alpha, background=self.old)).astype(np.uint8)

    @property
    def wanted(self) -> np.ndarray:
        return blended(self.person, alpha=self.alpha, background=self.new)

    @property
    def soft(self) -> np.ndarray:
        return (self.alpha > 0) & (self.alpha < 255)


def drawn_truth(seed: int, *, size: tuple[int, int] = (200, 150)) -> Truth:
    rng = np.random.default_rng(seed)
    height, width = size
    alpha = np.zeros(size, np.uint8)
    cv2.ellipse(alpha, (width // 2, height * 3 // 5), (width * 3 // 10, height * 7 // 20), 0, 0, 360, 255, -1)
    return Truth(
        person=texture(rng, size=size, low=100, high=250),
        alpha=np.asarray(cv2.GaussianBlur(alpha, (0, 0), height / 70), np.uint8),
        old=texture(rng, size=size, low=0, high=120),
        new=texture(rng, size=size, low=0, high=255),
    )


def texture(rng: np.random.Generator, *, size: tuple[int, int], low: int, high: int) -> Image:
    coarse = rng.integers(low, high, (6, 6, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_LINEAR), np.uint8)


def blended(foreground: Image, *, alpha: Alpha, background: Image) -> np.ndarray:
    """Return the blend without rounding."""
    share = alpha[:, :, None] / 255.0
    return share * foreground + (1 - share) * background


def by_the_source(photograph: Image, *, alpha: Alpha, background: Image) -> np.ndarray:
    """Return the source's blend: float64, the colours as observed, the mask multiplied twice."""
    share = alpha[:, :, None] / 255.0
    return share * (share * photograph) + (1 - share) * background


def soft_error(result: np.ndarray, *, truth: Truth) -> float:
    """Return the mean absolute error in the soft edge, in grey levels."""
    return float(np.abs(result - truth.wanted)[truth.soft].mean())


def halo(result: np.ndarray, *, truth: Truth) -> float:
    """Return how much of the old background shines through in the soft edge: 1 as observed colours do, 0 not at all.

    Where the photograph is laid on anew as it is, the error is `alpha (1 - alpha) (old - person)`; the halo is the
    factor that fits that to the error best (least squares).
    """
    share = truth.alpha[:, :, None] / 255.0
    shining = (share * (1 - share) * (truth.old.astype(np.float64) - truth.person))[truth.soft]
    error = (result - truth.wanted)[truth.soft]
    return float((error * shining).sum() / (shining**2).sum())
