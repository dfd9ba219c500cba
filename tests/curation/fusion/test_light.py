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


def test_brightness_follows_the_background_by_the_strength_as_a_power_within_its_range() -> None:
    """Worked out by hand: 100 under a light of 144 / 100, by one half, is 120; the range ends at 0.75 and 1.3."""
    front, alpha = np.full((*SIZE, 3), 100, np.uint8), alpha_of_a_box()
    for level, strength, expected in ((144, 0.5, 120), (100, 1.0, 100), (250, 1.0, 130), (10, 1.0, 75)):
        moved = light_matched(front, alpha=alpha, background=np.full((*SIZE, 3), level, np.uint8), strength=strength)
        assert (moved[alpha > 0] == expected).all()


def test_a_grey_person_gets_the_warmth_of_the_light_and_no_more_than_an_eighth_of_it() -> None:
    front, alpha = np.full((*SIZE, 3), 100, np.uint8), alpha_of_a_box()
    for light, red, blue in (((104, 100, 96), 104, 96), ((200, 100, 10), 112, 88)):
        ground = np.broadcast_to(np.array(light, np.uint8), (*SIZE, 3)).copy()
        moved = light_matched(front, alpha=alpha, background=ground, strength=1.0)[alpha > 0][0].astype(float)
        assert moved[0] / moved[1] == pytest.approx(red / 100, abs=0.012)
        assert moved[2] / moved[1] == pytest.approx(blue / 100, abs=0.012)


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
