from __future__ import annotations

import msgspec
import numpy as np
import pytest

from models.card import ModelCard
from models.preprocessing import at_size, normalised, resized, resized_mask

CARD = ModelCard(
    input_size=(4, 6),
    channels="RGB",
    layout="NCHW",
    mean=(123.675, 116.28, 103.53),
    std=(58.395, 57.12, 57.375),
    output="logit",
)


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)


def test_input_is_pixel_less_mean_over_std(image: np.ndarray) -> None:
    wanted = (image.astype(np.float64) - CARD.mean) / CARD.std
    assert normalised(image, card=CARD).shape == (3, 4, 6)
    np.testing.assert_allclose(normalised(image, card=CARD), wanted.transpose(2, 0, 1), rtol=1e-6, atol=1e-6)


def test_channels_of_a_bgr_card_are_turned_with_their_own_mean_and_std(image: np.ndarray) -> None:
    card = msgspec.structs.replace(CARD, channels="BGR", layout="NHWC")
    wanted = (image[:, :, ::-1].astype(np.float64) - CARD.mean) / CARD.std
    found = normalised(image, card=card)
    assert found.shape == (4, 6, 3) and found.flags.c_contiguous
    np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-6)


def test_a_shrunk_image_is_the_mean_of_blocks() -> None:
    image = np.random.default_rng(1).integers(0, 256, (8, 6, 3), dtype=np.uint8)
    blocks = image.reshape(4, 2, 3, 2, 3).astype(np.float64).mean(axis=(1, 3))
    assert np.abs(resized(image, size=(4, 3)).astype(float) - blocks).max() <= 0.5


def test_an_enlarged_image_stays_within_its_values_and_one_of_its_size_stays_itself() -> None:
    image = np.array([[[0, 10, 20], [200, 210, 220]]], dtype=np.uint8)
    large = resized(image, size=(3, 8))
    assert large.shape == (3, 8, 3) and large[..., 0].min() == 0 and large[..., 0].max() == 200
    assert resized(image, size=(1, 2)) is image


def test_a_resized_mask_is_person_where_half_of_it_was() -> None:
    mask = np.array([[255, 255, 0, 255], [0, 0, 0, 0]], dtype=np.uint8)
    assert resized_mask(mask, size=(1, 2)).tolist() == [[255, 0]]


def test_a_probability_keeps_its_range_and_its_mean() -> None:
    probability = np.random.default_rng(2).random((5, 7), dtype=np.float32)
    large = at_size(probability, size=(50, 70))
    assert large.shape == (50, 70) and large.dtype == np.float32
    assert probability.min() <= large.min() and large.max() <= probability.max()
    assert at_size(np.full((3, 3), 0.25, np.float32), size=(9, 4)).tolist() == [[0.25] * 4] * 9
    assert at_size(probability, size=(5, 7)) is probability
