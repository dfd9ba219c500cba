from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from models.metrics.uncertainty import binary_entropy, uncertainty


def test_entropy_is_that_of_scipy() -> None:
    p = np.linspace(0, 1, 256)
    expected = [stats.entropy([value, 1 - value], base=2) for value in p]
    assert binary_entropy(p) == pytest.approx(expected, abs=1e-12)


def test_entropy_of_values_worked_by_hand() -> None:
    assert binary_entropy(np.array([0.25]))[0] == pytest.approx(2 - 0.75 * np.log2(3))


def test_the_mean_over_all_pixels_is_that_of_the_entropies() -> None:
    stored = np.random.default_rng(2).integers(0, 256, size=(30, 40), dtype=np.uint8)
    assert uncertainty(stored).everywhere == pytest.approx(binary_entropy(stored / 255).mean())


def test_only_pixels_near_the_predicted_outline_count_at_the_boundary() -> None:
    # 50 x 50: the width is 1, so the columns 24 and 25 lie along the outline between them
    stored = np.zeros((50, 50), np.uint8)
    stored[:, 25:] = 255
    stored[:, 5] = 100
    assert uncertainty(stored).at_boundary == 0.0
    assert uncertainty(stored).everywhere > 0.0
    stored[:, 25] = 153  # 0.6
    expected = (0 + stats.entropy([0.6, 0.4], base=2)) / 2
    assert uncertainty(stored).at_boundary == pytest.approx(expected)


@pytest.mark.parametrize("value", [40, 200])
def test_without_an_outline_all_pixels_stand_for_it(value: int) -> None:
    found = uncertainty(np.full((20, 30), value, np.uint8))
    assert found.at_boundary == found.everywhere == pytest.approx(stats.entropy([value, 255 - value], base=2))


def test_uncertainty_is_the_same_for_person_and_background_swapped() -> None:
    stored = np.random.default_rng(4).integers(0, 256, size=(50, 50), dtype=np.uint8)
    there, back = uncertainty(stored), uncertainty(255 - stored)
    assert there.everywhere == pytest.approx(back.everywhere)
    assert there.at_boundary == pytest.approx(back.at_boundary)
