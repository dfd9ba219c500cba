"""A probability of 0.9 is right nine times of ten, whatever the share of wrong labels, and is not told from little."""

from __future__ import annotations

import numpy as np
import pytest

from labeling.verdicts.calibration import calibrated


@pytest.mark.parametrize("share", [0.05, 0.2])
def test_of_labels_that_are_wrong_with_nine_tenths_nine_of_ten_are(share: float) -> None:
    rng = np.random.default_rng(0)
    count = 20_000
    is_wrong = rng.random(count) < share
    doubts = np.where(is_wrong, rng.normal(0.6, 0.15, count), rng.normal(0.1, 0.12, count))
    found = calibrated(doubts, planted=rng.normal(0.6, 0.15, 5_000))  # others than those among the labels
    assert found is not None
    assert found.share == pytest.approx(share, rel=0.1)
    for low, high in ((0, 0.02), (0.02, 0.3), (0.3, 0.7), (0.7, 0.9), (0.9, 1.01)):
        here = (found.probability >= low) & (found.probability < high)
        assert here.sum() > 100
        assert is_wrong[here].mean() == pytest.approx(found.probability[here].mean(), abs=0.15)
    assert is_wrong[found.probability >= 0.9].mean() >= 0.9


def test_more_doubt_is_never_less_probable() -> None:
    rng = np.random.default_rng(1)
    doubts = np.sort(rng.random(200).round(2))
    found = calibrated(doubts, planted=rng.random(60) + 0.3)
    assert found is not None
    assert (np.diff(found.probability) >= 0).all()
    assert (found.probability >= 0).all() and (found.probability <= 1).all()


def test_without_wrong_labels_none_is_probable() -> None:
    rng = np.random.default_rng(2)
    found = calibrated(rng.random(300) * 0.2, planted=0.5 + rng.random(100))
    assert found is not None
    assert found.share == 0 and found.probability.max() == 0


def test_little_tells_nothing() -> None:
    assert calibrated(np.zeros(39), planted=np.ones(100)) is None
    assert calibrated(np.zeros(100), planted=np.ones(39)) is None
