from __future__ import annotations

import numpy as np
import pytest

from models.metrics.label_quality import label_quality, quality_of
from models.metrics.levels import EXACT_PIXELS, count_levels


def drawn(*, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (30, 40), dtype=np.uint8)


def mask(*, seed: int) -> np.ndarray:
    return np.where(drawn(seed=seed) > 100, np.uint8(255), np.uint8(0))


@pytest.mark.parametrize("valid", [None, drawn(seed=3) > 50])
def test_the_counts_are_those_of_numpy_for_each_class(valid: np.ndarray | None) -> None:
    stored, chosen, truth = drawn(seed=0), mask(seed=1), mask(seed=2)
    found = count_levels(stored, chosen=chosen, truth=truth, valid=valid)
    given = np.where(truth > 0, stored, 255 - stored)
    assert found.everywhere.tolist() == np.bincount(stored.ravel(), minlength=256).tolist()
    assert found.chosen.tolist() == np.bincount(stored[chosen > 0], minlength=256).tolist()
    counted = given.ravel() if valid is None else given[valid]
    assert found.given is not None
    assert found.given.tolist() == np.bincount(counted, minlength=256).tolist()
    assert quality_of(found.given) == label_quality(stored, truth=truth, valid=valid)


def test_without_a_label_nothing_is_counted_by_label() -> None:
    assert count_levels(drawn(seed=0), chosen=mask(seed=1)).given is None


def test_counts_are_exact_where_float32_is_not() -> None:
    stored = np.full((2, EXACT_PIXELS // 2 + 1), 7, np.uint8)
    stored[0, 0] = 8
    found = count_levels(stored, chosen=np.zeros_like(stored))
    assert found.everywhere[7] == EXACT_PIXELS + 1 and found.everywhere[8] == 1
