from __future__ import annotations

import numpy as np
import pytest

from models.metrics.seeds import compare_over_seeds, spread_of


def test_a_spread_is_worked_by_hand() -> None:
    found = spread_of([0.8, 0.9, 1.0])
    assert found is not None
    assert found.mean == pytest.approx(0.9)
    assert found.std == pytest.approx(0.1)  # ((0.01 + 0 + 0.01) / 2) ** 0.5


def test_one_seed_has_no_spread_and_none_has_no_mean() -> None:
    single = spread_of([None, 0.5, float("nan")])
    assert single is not None
    assert (single.mean, single.std, single.values) == (0.5, None, (0.5,))
    assert spread_of([None]) is None


def test_what_changes_is_worked_by_hand() -> None:
    first = np.array([[0.5, 0.7, np.nan], [0.7, 0.7, 0.2]])
    second = np.array([[0.6, 0.9, 0.5], [0.6, 0.6, 0.5]])
    found = compare_over_seeds(first, second=second, rng=np.random.default_rng(0))
    # image 1: 0.6 against 0.6, image 2: 0.75 against 0.7; image 3 lacks a score
    assert found.images.difference == pytest.approx(0.025)
    assert (found.images.images, found.images.left_out) == (2, 1)
    assert found.differences == pytest.approx((0.15, (-0.1 - 0.1 + 0.3) / 3))
    assert found.gained == 2


def test_the_interval_is_that_of_the_normal_law_for_many_images() -> None:
    rng = np.random.default_rng(1)
    first = rng.uniform(0.5, 0.9, size=(3, 900))
    second = first + rng.normal(0.01, 0.05, size=(3, 900))
    found = compare_over_seeds(first, second=second, rng=np.random.default_rng(2)).images
    means = (second - first).mean(axis=0)
    half = 1.96 * means.std(ddof=1) / np.sqrt(means.size)
    assert found.low == pytest.approx(means.mean() - half, abs=0.1 * half)
    assert found.high == pytest.approx(means.mean() + half, abs=0.1 * half)


def test_images_of_a_group_are_drawn_together() -> None:
    first = np.zeros((1, 200))
    second = np.repeat(np.random.default_rng(3).normal(size=20), 10)[None]
    alone, together = (
        compare_over_seeds(first, second=second, rng=np.random.default_rng(0), groups=groups).images
        for groups in (None, np.repeat(np.arange(20), 10))
    )
    assert alone.high is not None and alone.low is not None and together.high is not None and together.low is not None
    # ten copies of one image tell as much as one: the interval is wider by the root of ten
    assert (together.high - together.low) / (alone.high - alone.low) == pytest.approx(np.sqrt(10), rel=0.15)
