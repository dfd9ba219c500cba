"""The guided filter against its formula, written out window by window."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from curation.matting.guided_filter import guided_filter

EPSILON = 1e-3


def by_the_formula(plane: NDArray[np.float32], *, guide: NDArray[np.uint8], radius: int) -> NDArray[np.float64]:
    """Return the filter by loops over windows: a regression in each, and the mean of all that hold a pixel."""
    height, width = plane.shape
    colours = guide / 255.0
    result = np.zeros((height, width))
    slopes, offsets = np.zeros((height, width, 3)), np.zeros((height, width))
    for y in range(height):
        for x in range(width):
            window = (slice(max(0, y - radius), y + radius + 1), slice(max(0, x - radius), x + radius + 1))
            inside, values = colours[window].reshape(-1, 3), plane[window].ravel().astype(np.float64)
            covariance = np.cov(inside.T, bias=True) + EPSILON * np.eye(3)
            both = ((inside - inside.mean(0)) * (values - values.mean())[:, None]).mean(0)
            slopes[y, x] = np.linalg.solve(covariance, both)
            offsets[y, x] = values.mean() - slopes[y, x] @ inside.mean(0)
    for y in range(height):
        for x in range(width):
            window = (slice(max(0, y - radius), y + radius + 1), slice(max(0, x - radius), x + radius + 1))
            result[y, x] = (slopes[window] @ colours[y, x] + offsets[window]).mean()
    return np.clip(result, 0, 1)


@pytest.mark.parametrize("radius", [1, 3, 30])
def test_with_every_pixel_it_is_the_formula(radius: int) -> None:
    rng = np.random.default_rng(0)
    guide = rng.integers(0, 256, (17, 23, 3), dtype=np.uint8)
    plane = rng.random((17, 23), dtype=np.float32)
    found = guided_filter(plane, guide=guide, radius=radius, epsilon=EPSILON)
    assert np.abs(found - by_the_formula(plane, guide=guide, radius=radius)).max() < 1e-5


def soft_person() -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Return a photograph of a blurred disc, and its alpha."""
    disc = cv2.circle(np.zeros((120, 100), np.float32), (50, 60), 30, 1.0, -1)
    alpha = cv2.GaussianBlur(disc, (0, 0), 2)
    colours = alpha[..., None] * (210, 120, 90) + (1 - alpha[..., None]) * (20, 60, 130)
    return np.rint(colours).astype(np.uint8), np.asarray(alpha, np.float32)


@pytest.mark.parametrize("subsample", [1, 2, 4])
def test_a_coarse_outline_is_drawn_to_the_edge_of_the_photograph(subsample: int) -> None:
    guide, alpha = soft_person()
    coarse = cv2.resize((alpha > 0.5).astype(np.float32), (25, 30), interpolation=cv2.INTER_AREA)
    coarse = np.asarray(cv2.resize(coarse, (100, 120), interpolation=cv2.INTER_NEAREST), np.float32)
    found = guided_filter(coarse, guide=guide, radius=8, epsilon=1e-5, subsample=subsample)
    assert np.abs(found - alpha).mean() < 0.35 * np.abs(coarse - alpha).mean()


def test_a_photograph_without_edges_gives_the_mean_of_the_windows_and_a_constant_stays() -> None:
    flat = np.full((9, 9, 3), 77, np.uint8)
    plane = np.zeros((9, 9), np.float32)
    plane[4, 4] = 1
    found = guided_filter(plane, guide=flat, radius=1, epsilon=EPSILON)
    assert found[4, 4] == pytest.approx(1 / 9) and found[2, 2] == pytest.approx(1 / 81) and found[0, 0] == 0
    whole = guided_filter(np.ones_like(plane), guide=flat, radius=2, epsilon=EPSILON, subsample=2)
    assert np.allclose(whole, 1)


def test_sizes_that_differ_and_numbers_that_mean_nothing_are_refused() -> None:
    plane = np.zeros((4, 4), np.float32)
    with pytest.raises(ValueError, match=r"\(4, 4\).*\(5, 4\)"):
        guided_filter(plane, guide=np.zeros((5, 4, 3), np.uint8), radius=1, epsilon=EPSILON)
    for wrong in ({"radius": 0}, {"epsilon": 0.0}, {"subsample": 0}):
        with pytest.raises(ValueError, match="must be"):
            guided_filter(plane, guide=np.zeros((4, 4, 3), np.uint8), **{"radius": 1, "epsilon": EPSILON, **wrong})
