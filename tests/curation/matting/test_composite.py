"""Blending against exact integer arithmetic, and colours of the soft edge against a person that was drawn."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.images.pixels import Alpha, Image
from curation.matting.composite import composite, person_colours

HEIGHT, WIDTH = 200, 150


def drawn_texture(rng: np.random.Generator, *, cells: int, low: int, high: int) -> Image:
    coarse = rng.integers(low, high, (cells, cells, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR), dtype=np.uint8)


def drawn_alpha() -> Alpha:
    alpha = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.ellipse(alpha, (75, 120), (45, 70), 0, 0, 360, 255, -1)
    return np.asarray(cv2.GaussianBlur(alpha, (0, 0), 3), dtype=np.uint8)


def blended(foreground: Image, *, alpha: Alpha, background: Image) -> np.ndarray:
    """The truth, without rounding."""
    share = alpha[:, :, None] / 255.0
    return share * foreground + (1 - share) * background


def test_every_blend_of_two_levels_is_rounded_exactly() -> None:
    levels = np.arange(256, dtype=np.uint8)
    for alpha_level in (0, 1, 2, 50, 127, 128, 200, 254, 255):
        front = np.repeat(np.repeat(levels[:, None, None], 256, axis=1), 3, axis=2)
        back = np.repeat(np.repeat(levels[None, :, None], 256, axis=0), 3, axis=2)
        result = composite(front, alpha=np.full((256, 256), alpha_level, np.uint8), background=back)
        sums = alpha_level * front.astype(np.int64) + (255 - alpha_level) * back.astype(np.int64)
        assert np.array_equal(result, (2 * sums + 255) // 510)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_a_composite_lies_between_its_two_pictures(seed: int) -> None:
    rng = np.random.default_rng(seed)
    front, back = (rng.integers(0, 256, (9, 7, 3), dtype=np.uint8) for _ in range(2))
    alpha = rng.integers(0, 256, (9, 7), dtype=np.uint8)
    result = composite(front, alpha=alpha, background=back)
    assert (np.minimum(front, back) <= result).all() and (result <= np.maximum(front, back)).all()


@pytest.mark.parametrize("seed", range(3))
def test_a_person_on_a_new_background_carries_little_of_the_old_one_along(seed: int) -> None:
    rng = np.random.default_rng(seed)
    person = drawn_texture(rng, cells=6, low=100, high=250)
    old, new = (drawn_texture(rng, cells=5, low=0, high=120) for _ in range(2))
    alpha = drawn_alpha()
    photograph = np.rint(blended(person, alpha=alpha, background=old)).astype(np.uint8)
    truth = blended(person, alpha=alpha, background=new)

    ours = composite(person_colours(photograph, alpha=alpha), alpha=alpha, background=new)
    share = alpha[:, :, None] / 255.0
    twice_multiplied = share * (share * photograph) + (1 - share) * new

    soft = (alpha > 0) & (alpha < 255)
    error = np.abs(ours - truth)[soft].mean()
    assert error <= np.abs(twice_multiplied - truth)[soft].mean() / 3
    assert error <= np.abs(blended(photograph, alpha=alpha, background=new) - truth)[soft].mean() / 3
    assert np.abs(ours - truth)[~soft].max() < 1


def test_sure_pixels_of_the_person_keep_their_colours() -> None:
    rng = np.random.default_rng(0)
    photograph, alpha = drawn_texture(rng, cells=6, low=0, high=255), drawn_alpha()
    sure = alpha == 255
    assert np.array_equal(person_colours(photograph, alpha=alpha)[sure], photograph[sure])


def test_a_binary_alpha_needs_no_estimate() -> None:
    photograph = drawn_texture(np.random.default_rng(0), cells=6, low=0, high=255)
    hard = np.where(drawn_alpha() > 127, np.uint8(255), np.uint8(0))
    assert np.array_equal(person_colours(photograph, alpha=hard), photograph)
