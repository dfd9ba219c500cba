"""Two models on the same images: is one better, and could that be chance?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

RESAMPLES: Final = 5000
CONFIDENCE: Final = 0.95
"""Both are conventions."""
DRAWN_AT_ONCE: Final = 1 << 22
"""So many indices are drawn at a time: 32 MB, whatever the number of images."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What changes from the first model to the second.

    `difference` is the mean of second - first over the `images` that both scored, and `low`..`high` its bootstrap
    interval, of 95 % unless another was asked for: where it contains 0, the images show no difference.
    `better`, `worse` and `equal` are shares of these images. `left_out` counts those with a score of one model, or of
    neither.
    """

    images: int
    left_out: int
    difference: float | None
    low: float | None
    high: float | None
    better: float | None
    worse: float | None
    equal: float | None


def compare_paired(
    first: NDArray[np.float64],
    *,
    second: NDArray[np.float64],
    rng: np.random.Generator,
    groups: NDArray[np.int64] | None = None,
    confidence: float = CONFIDENCE,
) -> Comparison:
    """Compare the scores (n,) of two models on the same images, in the same order; NaN where there is none.

    The interval is the percentile bootstrap of the mean difference. With `groups`, (n,) integers, whole groups are
    drawn: images of one group, say one photograph cropped twice, count as one.
    Source: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13.

    >>> found = compare_paired(np.zeros(4), second=np.ones(4), rng=np.random.default_rng(0))
    >>> found.difference, found.low, found.better
    (1.0, 1.0, 1.0)
    """
    assert first.shape == second.shape, f"{first.size} scores against {second.size}"
    is_known = np.isfinite(first) & np.isfinite(second)
    differences = (second - first)[is_known]
    left_out = first.size - differences.size
    if not differences.size:
        return Comparison(
            images=0, left_out=left_out, difference=None, low=None, high=None, better=None, worse=None, equal=None
        )
    known_groups = np.arange(differences.size) if groups is None else groups[is_known]
    low, high = _interval(differences, groups=known_groups, rng=rng, confidence=confidence)
    return Comparison(
        images=differences.size,
        left_out=left_out,
        difference=float(differences.mean()),
        low=low,
        high=high,
        better=float((differences > 0).mean()),
        worse=float((differences < 0).mean()),
        equal=float((differences == 0).mean()),
    )


def _interval(
    differences: NDArray[np.float64], *, groups: NDArray[np.int64], rng: np.random.Generator, confidence: float
) -> tuple[float, float]:
    names = np.unique(groups, return_inverse=True)[1]
    sums, sizes = np.bincount(names, weights=differences), np.bincount(names)
    means = np.empty(RESAMPLES)
    step = max(1, DRAWN_AT_ONCE // sums.size)
    for start in range(0, RESAMPLES, step):
        rows = min(step, RESAMPLES - start)
        drawn = rng.integers(sums.size, size=(rows, sums.size))
        means[start : start + rows] = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    tail = 100 * (1 - confidence) / 2
    low, high = np.percentile(means, (tail, 100 - tail)).tolist()
    return low, high
