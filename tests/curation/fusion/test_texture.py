"""Sharpness and noise that are measured against blur and noise that were put in; and what is matched by them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from curation.fusion.texture import LEAST_GAP, MOST_ADDED, Texture, _slope, texture_matched, texture_of
from curation.images.pixels import Image

SIZE = (240, 320)


def pattern(*, blur_px: float = 0.0, noise: float = 0.0, seed: int = 0) -> Image:
    """Draw large patches with straight edges, blurred and noisy as told."""
    rng = np.random.default_rng(seed)
    patches = np.kron(rng.integers(40, 216, (12, 16)), np.ones((20, 20))).astype(np.float32)
    if blur_px:
        patches = cv2.GaussianBlur(patches, (0, 0), blur_px)
    patches = patches + rng.normal(0, noise, SIZE)
    return np.repeat(np.clip(np.rint(patches), 0, 255).astype(np.uint8)[:, :, None], 3, axis=2)


def measured(image: Image) -> Texture:
    found = texture_of(image)
    assert found is not None
    return found


@pytest.mark.parametrize("blur_px", [0.8, 1.2, 1.8, 2.5])
def test_the_blur_of_edges_is_that_which_was_put_in(blur_px: float) -> None:
    assert measured(pattern(blur_px=blur_px)).blur_px == pytest.approx(blur_px, rel=0.25)


@pytest.mark.parametrize("noise", [2.0, 4.0, 8.0])
def test_the_noise_is_that_which_was_put_in(noise: float) -> None:
    """Of the flat half, so that a little less is found than there is."""
    assert measured(pattern(blur_px=1.0, noise=noise)).noise == pytest.approx(noise, rel=0.25)


def test_a_flat_or_a_tiny_part_says_nothing_and_changes_nothing() -> None:
    flat, alpha = np.full((*SIZE, 3), 90, np.uint8), np.zeros(SIZE, np.uint8)
    alpha[60:, 80:240] = 255
    assert texture_of(flat) is None
    assert texture_of(pattern(), where=np.zeros(SIZE, np.bool_)) is None
    results = texture_matched(flat, alpha=alpha, frame=pattern(), rng=np.random.default_rng(0))
    assert all(np.array_equal(*pair) for pair in zip(results, (flat, alpha, pattern()), strict=True))


def test_a_person_on_a_far_softer_background_is_softer_and_a_sharp_background_is_not_sharper_than_she() -> None:
    alpha = np.zeros(SIZE, np.uint8)
    alpha[60:, 80:240] = 255
    for own, other in ((0.5, 3.9), (2.5, 0.6)):
        person, frame = pattern(blur_px=own), pattern(blur_px=other, seed=1)
        new, edge, behind = texture_matched(person, alpha=alpha, frame=frame, rng=np.random.default_rng(0))
        before = measured(person).blur_px / measured(frame).blur_px
        after = measured(new).blur_px / measured(behind).blur_px
        assert abs(np.log(after)) < abs(np.log(before))
        assert np.array_equal(edge > 127, alpha > 127)


def test_noise_is_added_to_the_smoother_one_until_both_are_alike() -> None:
    alpha = np.zeros(SIZE, np.uint8)
    alpha[60:, 80:240] = 255
    person, frame = pattern(blur_px=1.0), pattern(blur_px=1.0, noise=4.0, seed=1)
    new, _, behind = texture_matched(person, alpha=alpha, frame=frame, rng=np.random.default_rng(3))
    assert measured(new).noise == pytest.approx(measured(behind).noise, abs=LEAST_GAP[1] + 0.5)
    assert Texture(blur_px=1, noise=3).noise_to(Texture(blur_px=1, noise=5)) == pytest.approx(4)
    assert Texture(blur_px=1, noise=0).noise_to(Texture(blur_px=1, noise=50)) == MOST_ADDED[1]


def test_what_is_measured_does_not_depend_on_where_the_picture_lies_in_memory() -> None:
    """Arrays between others of random sizes begin at other places each time, and vector units round there otherwise."""
    rng = np.random.default_rng(0)
    image = np.asarray(rng.integers(0, 256, (203, 151, 3)), np.uint8)
    kept, seen = [], set()
    for _ in range(60):
        kept.append(np.empty(int(rng.integers(1, 300_000)), np.uint8))
        found = texture_of(np.array(image))
        assert found is not None
        gray = cv2.cvtColor(np.array(image), cv2.COLOR_RGB2GRAY).astype(np.float32)
        seen.add((found.blur_px, found.noise, _slope(gray).tobytes()))
    assert len(seen) == 1
