"""Bootstrap intervals over images of the numbers of a model, or of two models and their difference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.metrics.comparison import CONFIDENCE
from models.metrics.summary import ScoreColumns

RESAMPLES: Final = 2000
WEIGHTS_AT_ONCE: Final = 1 << 22
"""So many weights are held at a time: 32 MB, whatever the number of images."""
SPREAD: Final = "std"
MEASURES: Final[Mapping[str, str]] = {
    "miou": "miou",
    SPREAD: "miou",
    "boundary_iou": "boundary_iou",
    "hole_recall": "hole_recall",
}
"""Names of numbers, and the column each is made of: the mean of it, but for `std` its standard deviation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A number and its bootstrap interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One number of the second model, of the first where there is one, and second - first; None where unknown."""

    first: Interval | None
    second: Interval | None
    difference: Interval | None


def measure(
    second: ScoreColumns,
    *,
    first: ScoreColumns | None,
    groups: NDArray[np.int64],
    rng: np.random.Generator,
    confidence: float = CONFIDENCE,
) -> dict[str, Measured]:
    """Return the numbers in MEASURES with percentile intervals; both models are resampled with the same images.

    Columns hold one entry per image, (n,), NaN where there is none. Whole `groups`, (n,) integers, are drawn.
    Source: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13.

    >>> columns = {name: np.array([0.5, 0.5]) for name in ("miou", "boundary_iou", "hole_recall")}
    >>> measure(columns, first=None, groups=np.arange(2), rng=np.random.default_rng(0))["miou"].second
    Interval(value=0.5, low=0.5, high=0.5)
    """
    names = np.unique(groups, return_inverse=True)[1]
    size = int(names.max()) + 1 if names.size else 0
    models = [columns for columns in (first, second) if columns is not None]
    whole = [_statistics(columns, weights=np.ones((1, size)), groups=names) for columns in models]
    drawn: list[list[dict[str, NDArray[np.float64]]]] = [[] for _ in models]
    step = max(1, WEIGHTS_AT_ONCE // max(1, size))
    for start in range(0, RESAMPLES if size else 0, step):
        weights = rng.multinomial(size, np.full(size, 1 / size), size=min(step, RESAMPLES - start)).astype(np.float64)
        for parts, columns in zip(drawn, models, strict=True):
            parts.append(_statistics(columns, weights=weights, groups=names))
    resampled = [
        {name: np.concatenate([part[name] for part in parts]) for name in MEASURES if parts} for parts in drawn
    ]
    tail = 100 * (1 - confidence) / 2

    def interval(values: NDArray[np.float64], *, of: float) -> Interval | None:
        known = values[np.isfinite(values)]
        if not np.isfinite(of) or not known.size:
            return None
        low, high = np.percentile(known, (tail, 100 - tail)).tolist()
        return Interval(value=of, low=low, high=high)

    found = {}
    for name in MEASURES if size else ():
        values = [float(one[name][0]) for one in whole]
        singles = [interval(one[name], of=value) for one, value in zip(resampled, values, strict=True)]
        has_both = len(models) == 2 and None not in singles
        change = interval(resampled[1][name] - resampled[0][name], of=values[1] - values[0]) if has_both else None
        found[name] = Measured(first=singles[0] if len(models) == 2 else None, second=singles[-1], difference=change)
    return found


def _statistics(
    columns: ScoreColumns, *, weights: NDArray[np.float64], groups: NDArray[np.intp]
) -> dict[str, NDArray[np.float64]]:
    """Return each number once for each row of weights (r, groups); NaN where no image that was drawn has a score."""
    found = {}
    for name, column in MEASURES.items():
        values = columns[column]
        known = np.isfinite(values)
        filled = np.where(known, values, 0.0)
        count, total, squares = (
            weights @ np.bincount(groups, weights=part, minlength=weights.shape[1])
            for part in (known.astype(np.float64), filled, filled**2)
        )
        count = np.where(count > 0, count, np.nan)
        mean = total / count
        found[name] = np.sqrt(np.maximum(0, squares / count - mean**2)) if name == SPREAD else mean
    return found
