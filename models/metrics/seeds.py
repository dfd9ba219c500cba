"""Several trainings that differ in nothing but the seed: their numbers in one, and two such sets compared."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.metrics.comparison import Comparison, compare_paired


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """A number over seeds: its mean, its sample standard deviation (n - 1; None of a single seed), and each value."""

    mean: float
    std: float | None
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedComparison:
    """What changes from one set of trainings to another, on the same images with the same seeds.

    `images` compares the means of each image over the seeds; its interval tells what other images could say, and
    nothing of other seeds. `differences` are the mean differences of each seed, of which `gained` are above 0.
    """

    images: Comparison
    differences: tuple[float, ...]
    gained: int


def spread_of(values: Iterable[float | None]) -> Spread | None:
    """Give the spread of the values that are known, None without any.

    >>> spread_of([1.0, None, 3.0])
    Spread(mean=2.0, std=1.4142135623730951, values=(1.0, 3.0))
    """
    known = [float(value) for value in values if value is not None and np.isfinite(value)]
    if not known:
        return None
    std = float(np.std(known, ddof=1)) if len(known) > 1 else None
    return Spread(mean=float(np.mean(known)), std=std, values=tuple(known))


def compare_over_seeds(
    first: NDArray[np.float64],
    *,
    second: NDArray[np.float64],
    rng: np.random.Generator,
    groups: NDArray[np.int64] | None = None,
) -> SeedComparison:
    """Compare scores (seeds, images), rows and columns in the same order; NaN where there is none.

    An image that lacks the score of one seed is left out, and counted. `groups`, (images,), are drawn whole.

    >>> found = compare_over_seeds(np.zeros((2, 3)), second=np.float64([[1, 1, 1], [-1, -1, -1]]),
    ...                            rng=np.random.default_rng(0))
    >>> found.images.difference, found.differences, found.gained
    (0.0, (1.0, -1.0), 1)
    """
    assert first.shape == second.shape, f"{first.shape} scores against {second.shape}"
    found = compare_paired(first.mean(axis=0), second=second.mean(axis=0), rng=rng, groups=groups)
    each = [row[np.isfinite(row)] for row in second - first]
    differences = tuple(float(row.mean()) for row in each if row.size)
    return SeedComparison(images=found, differences=differences, gained=sum(value > 0 for value in differences))
