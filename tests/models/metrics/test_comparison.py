from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from models.metrics import comparison
from models.metrics.comparison import compare_paired


def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def scores(*, images: int) -> tuple[np.ndarray, np.ndarray]:
    drawn = np.random.default_rng(1)
    first = drawn.beta(8, 2, size=images)
    return first, np.clip(first + drawn.normal(0.01, 0.05, size=images), 0, 1)


def test_the_difference_and_the_shares_worked_by_hand() -> None:
    first, second = np.array([0.5, 0.6, 0.7, 0.8]), np.array([0.9, 0.6, 0.6, 0.9])
    found = compare_paired(first, second=second, rng=rng())
    assert found.difference == pytest.approx((0.4 + 0 - 0.1 + 0.1) / 4)
    assert (found.better, found.equal, found.worse) == (0.5, 0.25, 0.25)
    assert (found.images, found.left_out) == (4, 0)


def test_the_interval_is_that_of_scipy() -> None:
    first, second = scores(images=80)
    found = compare_paired(first, second=second, rng=rng())
    expected = stats.bootstrap(
        (second - first,), np.mean, method="percentile", n_resamples=20_000, random_state=np.random.default_rng(2)
    ).confidence_interval
    width = expected.high - expected.low
    assert found.low == pytest.approx(expected.low, abs=0.05 * width)
    assert found.high == pytest.approx(expected.high, abs=0.05 * width)


def test_the_interval_covers_the_truth_nineteen_times_in_twenty() -> None:
    drawn = np.random.default_rng(3)
    hits = 0
    for _ in range(100):
        found = compare_paired(np.zeros(60), second=drawn.normal(0.02, 0.1, size=60), rng=drawn)
        assert found.low is not None and found.high is not None
        hits += found.low <= 0.02 <= found.high
    assert 86 <= hits <= 100  # binomial(100, 0.95): below 86 once in 10,000


def test_the_same_seed_gives_the_same_interval_whatever_is_drawn_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = scores(images=30)
    whole = compare_paired(first, second=second, rng=rng())
    monkeypatch.setattr(comparison, "DRAWN_AT_ONCE", 1)
    assert compare_paired(first, second=second, rng=rng()) == whole


def test_images_of_one_group_tell_no_more_than_one() -> None:
    first, second = scores(images=40)
    groups = np.arange(40)
    once = compare_paired(first, second=second, rng=rng(), groups=groups)
    assert once == compare_paired(first, second=second, rng=rng())
    copied = compare_paired(
        np.repeat(first, 9), second=np.repeat(second, 9), rng=rng(), groups=np.repeat(groups, 9) * 3 + 5
    )
    assert (copied.low, copied.high) == pytest.approx((once.low, once.high))
    fooled = compare_paired(np.repeat(first, 9), second=np.repeat(second, 9), rng=rng())
    assert fooled.high - fooled.low < 0.5 * (copied.high - copied.low)  # type: ignore[operator]


def test_images_without_a_score_of_both_are_left_out_and_counted() -> None:
    first, second = np.array([0.5, np.nan, 0.5, np.nan]), np.array([0.6, 0.9, np.nan, np.nan])
    found = compare_paired(first, second=second, rng=rng(), groups=np.array([1, 1, 2, 3]))
    assert (found.images, found.left_out) == (1, 3)
    assert found.difference == pytest.approx(0.1)


def test_without_any_pair_there_is_nothing_to_say() -> None:
    found = compare_paired(np.array([np.nan]), second=np.array([0.4]), rng=rng())
    assert (found.images, found.left_out, found.difference, found.low) == (0, 1, None, None)


def test_scores_of_other_images_are_refused() -> None:
    with pytest.raises(AssertionError, match="3 scores against 2"):
        compare_paired(np.zeros(3), second=np.zeros(2), rng=rng())
