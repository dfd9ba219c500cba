from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from models.metrics.seeds import compare_over_seeds, share_over_seeds, spread_of


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


def test_with_fewer_than_three_seeds_nothing_is_told_of_others() -> None:
    scores = np.random.default_rng(0).uniform(size=(3, 20))
    for number, is_told in ((1, False), (2, False), (3, True)):
        some = scores[:number]
        found = compare_over_seeds(np.zeros_like(some), second=some, rng=np.random.default_rng(0))
        assert (found.overall is not None) == is_told
    nothing = np.full((3, 2), np.nan)
    assert compare_over_seeds(nothing, second=nothing, rng=np.random.default_rng(0)).overall is None


def over_seeds_and_images(differences: np.ndarray) -> tuple[float, float]:
    rng = np.random.default_rng(0)
    found = compare_over_seeds(np.zeros_like(differences), second=differences, rng=rng).overall
    assert found is not None and found.low is not None and found.high is not None
    return found.low, found.high


def test_where_only_images_differ_the_interval_is_that_of_scipy_over_images() -> None:
    of_images = np.random.default_rng(4).normal(0.01, 0.1, size=300)
    low, high = over_seeds_and_images(np.tile(of_images, (3, 1)))
    truth = stats.norm.interval(0.95, of_images.mean(), stats.sem(of_images))
    assert (low, high) == pytest.approx(truth, abs=0.05 * (truth[1] - truth[0]))


@pytest.mark.parametrize("seeds", [3, 5, 12])
def test_where_only_seeds_differ_the_interval_is_about_that_of_student(seeds: int) -> None:
    of_seeds = stats.norm.ppf((np.arange(seeds) + 0.5) / seeds)
    low, high = over_seeds_and_images(np.tile(of_seeds[:, None], (1, 40)))
    truth = stats.t.interval(0.95, seeds - 1, of_seeds.mean(), stats.sem(of_seeds))
    assert (high - low) / (truth[1] - truth[0]) == pytest.approx(1, abs=0.15)


def test_of_known_variances_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    """Seeds, images and what both share, each with a variance of its own; the truth is 0."""
    rng = np.random.default_rng(5)
    for of_seeds, of_images in ((0.02, 0.05), (0.02, 0.3)):
        held = 0
        for _ in range(200):
            drawn = rng.normal(0, of_seeds, (3, 1)) + rng.normal(0, of_images, 60) + rng.normal(0, 0.05, (3, 60))
            low, high = over_seeds_and_images(drawn)
            held += low <= 0 <= high
        assert stats.binomtest(held, 200, 0.95).pvalue > 0.001 or held > 190, (of_seeds, of_images, held)


def test_a_share_of_a_gap_is_worked_by_hand() -> None:
    part = np.array([[0.1, 0.2, np.nan], [0.3, 0.2, 0.9]])
    whole = np.array([[0.4, 0.4, 0.4], [0.4, 0.4, 0.4]])
    found = share_over_seeds(part, whole=whole, seed=0, groups=np.arange(3))
    assert (found.value, found.low, found.high) == (pytest.approx(0.5), None, None)  # 0.8 / 1.6, of two seeds
    assert share_over_seeds(part, whole=-whole, seed=0, groups=np.arange(3)).value is None


def test_the_interval_of_a_share_is_that_of_the_delta_method_for_many_images() -> None:
    rng = np.random.default_rng(4)
    whole = np.tile(rng.normal(0.2, 0.1, size=2000), (3, 1))
    part = 0.7 * whole + np.tile(rng.normal(0, 0.05, size=2000), (3, 1))
    found = share_over_seeds(part, whole=whole, seed=0, groups=np.arange(2000))
    value = part.mean() / whole.mean()
    half = 1.96 * (part - value * whole)[0].std() / np.sqrt(2000) / whole.mean()
    assert found.value == pytest.approx(value)
    assert (found.low, found.high) == pytest.approx((value - half, value + half), abs=0.1 * half)


def test_of_a_gap_that_may_be_none_no_share_is_told() -> None:
    whole = np.random.default_rng(5).normal(0.01, 0.5, size=(3, 40))
    found = share_over_seeds(whole / 2, whole=whole - whole.mean() + 0.01, seed=0, groups=np.arange(40))
    assert found.value is not None and found.low is None and found.high is None
