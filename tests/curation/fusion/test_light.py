"""Light matching by its laws: the moments of the shown colours move by the strength; nothing else does."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from curation.fusion.light import light_matched, softened
from curation.images.pixels import Alpha, Image

SIZE = (64, 48)


def noise(rng: np.random.Generator, *, mean: float, spread: float) -> Image:
    gray = rng.normal(mean, spread, SIZE).clip(0, 255).astype(np.uint8)
    return np.repeat(gray[:, :, None], 3, axis=2)


def alpha_of_a_box() -> Alpha:
    alpha = np.zeros(SIZE, np.uint8)
    alpha[10:50, 10:40] = 255
    return alpha


def lightness(image: Image, where: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(image, cv2.COLOR_RGB2LAB)[:, :, 0][where].astype(np.float64)


@pytest.mark.parametrize("strength", [0.25, 0.5, 1.0])
def test_the_mean_moves_by_the_strength_towards_the_background(strength: float) -> None:
    rng = np.random.default_rng(0)
    front, back = noise(rng, mean=150, spread=15), noise(rng, mean=90, spread=15)
    alpha = alpha_of_a_box()
    shown = alpha > 0
    moved = light_matched(front, alpha=alpha, background=back, strength=strength)
    start, goal = lightness(front, shown).mean(), lightness(back, np.ones(SIZE, np.bool_)).mean()
    assert lightness(moved, shown).mean() == pytest.approx(start + strength * (goal - start), abs=1.0)


def test_a_flat_background_does_not_flatten_a_face() -> None:
    rng = np.random.default_rng(0)
    front, flat = noise(rng, mean=150, spread=20), np.full((*SIZE, 3), 90, np.uint8)
    shown = alpha_of_a_box() > 0
    moved = light_matched(front, alpha=alpha_of_a_box(), background=flat, strength=1.0)
    assert lightness(moved, shown).std() == pytest.approx(lightness(front, shown).std() / 1.5, rel=0.05)


def test_what_is_not_shown_of_the_foreground_decides_nothing() -> None:
    rng = np.random.default_rng(0)
    front, back = noise(rng, mean=150, spread=15), noise(rng, mean=90, spread=15)
    alpha = alpha_of_a_box()
    other = np.where((alpha > 0)[:, :, None], front, np.uint8(255))
    shown = alpha > 0
    results = [light_matched(one, alpha=alpha, background=back, strength=0.7)[shown] for one in (front, other)]
    assert np.array_equal(*results)


@pytest.mark.parametrize("strength", [0.0, 1.0])
def test_nothing_to_show_or_no_strength_changes_nothing(strength: float) -> None:
    front = noise(np.random.default_rng(0), mean=150, spread=15)
    alpha = alpha_of_a_box() if strength == 0 else np.zeros(SIZE, np.uint8)
    assert np.array_equal(light_matched(front, alpha=alpha, background=front // 2, strength=strength), front)


def test_softening_keeps_the_mean_and_takes_away_detail() -> None:
    image = noise(np.random.default_rng(0), mean=128, spread=30)
    soft = softened(image, sigma_px=0.8)
    assert soft.mean() == pytest.approx(image.mean(), abs=1.0)
    assert soft.std() < image.std()
    assert np.array_equal(softened(image, sigma_px=0), image)
