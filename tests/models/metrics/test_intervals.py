from __future__ import annotations

import numpy as np
import pytest

from models.metrics.intervals import MEASURES, measure
from models.metrics.summary import ScoreColumns


def columns(miou: object, *, boundary: object = None, holes: object = None) -> ScoreColumns:
    values = np.asarray(miou, dtype=np.float64)
    others = [values if one is None else np.asarray(one, dtype=np.float64) for one in (boundary, holes)]
    return {"miou": values, "boundary_iou": others[0], "hole_recall": others[1]}


def test_the_numbers_are_the_mean_and_the_population_deviation() -> None:
    found = measure(columns([0.2, 0.6]), first=None, groups=np.arange(2), rng=np.random.default_rng(0))
    assert found["miou"].second is not None
    assert found["miou"].second.value == pytest.approx(0.4)
    assert found["std"].second is not None
    assert found["std"].second.value == pytest.approx(0.2)
    assert found["miou"].first is None
    assert found["miou"].difference is None


def test_the_interval_is_that_of_the_normal_approximation_for_many_images() -> None:
    values = np.random.default_rng(1).normal(0.6, 0.1, 2000)
    found = measure(columns(values), first=None, groups=np.arange(2000), rng=np.random.default_rng(0))["miou"].second
    assert found is not None
    error = values.std() / np.sqrt(values.size)
    assert found.low == pytest.approx(values.mean() - 1.96 * error, abs=0.3 * error)
    assert found.high == pytest.approx(values.mean() + 1.96 * error, abs=0.3 * error)


def test_the_interval_of_the_deviation_agrees_with_scipy() -> None:
    scipy_stats = pytest.importorskip("scipy.stats")
    values = np.random.default_rng(2).beta(5, 2, 60)
    found = measure(columns(values), first=None, groups=np.arange(60), rng=np.random.default_rng(0))["std"].second
    theirs = scipy_stats.bootstrap((values,), np.std, method="percentile", rng=np.random.default_rng(5))
    assert found is not None
    assert (found.low, found.high) == pytest.approx(tuple(theirs.confidence_interval), abs=0.005)


def test_two_models_are_resampled_together_so_that_a_constant_change_is_certain() -> None:
    first = np.random.default_rng(3).uniform(size=30)
    found = measure(columns(first + 0.1), first=columns(first), groups=np.arange(30), rng=np.random.default_rng(0))
    change = found["miou"].difference
    assert change is not None
    assert (change.value, change.low, change.high) == (pytest.approx(0.1), pytest.approx(0.1), pytest.approx(0.1))
    assert found["std"].difference is not None
    assert found["std"].difference.high == pytest.approx(0.0, abs=1e-9)


def test_copies_in_one_group_make_nothing_more_certain() -> None:
    values = np.random.default_rng(4).uniform(size=40)
    once = measure(columns(values), first=None, groups=np.arange(40), rng=np.random.default_rng(0))["miou"].second
    thrice = measure(
        columns(np.repeat(values, 3)), first=None, groups=np.repeat(np.arange(40), 3), rng=np.random.default_rng(0)
    )["miou"].second
    assert once is not None
    assert thrice is not None
    assert (thrice.low, thrice.high) == (pytest.approx(once.low), pytest.approx(once.high))


def test_what_no_image_has_is_unknown() -> None:
    nothing = [np.nan, np.nan]
    found = measure(columns([0.5, 0.5], holes=nothing), first=None, groups=np.arange(2), rng=np.random.default_rng(0))
    assert found["hole_recall"].second is None
    assert found["boundary_iou"].second is not None


def test_no_images_have_no_numbers() -> None:
    assert measure(columns([]), first=None, groups=np.arange(0), rng=np.random.default_rng(0)) == {}
    assert set(MEASURES) == {"miou", "std", "boundary_iou", "hole_recall"}
