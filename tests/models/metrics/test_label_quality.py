from __future__ import annotations

import numpy as np
import pytest

from models.metrics.label_quality import TEMPERATURE, label_quality


def softmin(probability: np.ndarray) -> float:
    """The formula of the paper, over all pixels one by one."""
    weights = np.exp((1 - probability) / TEMPERATURE)
    return float((weights * probability).sum() / weights.sum())


def test_quality_is_the_soft_minimum_of_the_probability_of_the_given_label() -> None:
    rng = np.random.default_rng(0)
    stored = rng.integers(0, 256, (30, 40), dtype=np.uint8)
    truth = rng.choice(np.uint8([0, 255]), (30, 40))
    given = np.where(truth > 0, stored, 255 - stored) / 255
    assert label_quality(stored, truth=truth) == pytest.approx(softmin(given))


def test_a_region_labelled_wrongly_lowers_quality_and_the_larger_the_more() -> None:
    stored = np.zeros((20, 20), np.uint8)
    stored[5:15] = 250
    found = []
    for missing in (0, 1, 4, 8):
        truth = np.where(stored > 0, np.uint8(255), np.uint8(0))
        truth[5 : 5 + missing] = 0
        found.append(label_quality(stored, truth=truth))
    assert found == sorted(found, reverse=True) and found[0] > 0.95 and found[-1] < 0.1


def test_pixels_that_do_not_count_do_not_lower_quality() -> None:
    stored, truth = np.full((4, 4), 255, np.uint8), np.full((4, 4), 255, np.uint8)
    truth[0] = 0
    valid = truth > 0
    assert label_quality(stored, truth=truth, valid=valid) == 1.0
    assert label_quality(stored, truth=truth, valid=np.zeros((4, 4), bool)) == 1.0
