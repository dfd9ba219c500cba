"""Several trainings that differ in nothing but the seed: their numbers in one, and two such sets compared."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.metrics.comparison import CONFIDENCE, DRAWN_AT_ONCE, RESAMPLES, Comparison, compare_paired

TAILS: Final = ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2)
LEAST_SEEDS: Final = 3
"""Two seeds do not show how far seeds differ: Student's t for 95 % is 12.7 for two, and 4.3 for three."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """A number over seeds: its mean, its sample standard deviation (n - 1; None of a single seed), and each value."""

    mean: float
    std: float | None
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedComparison:
    """What changes from one set of trainings to another, on the same images with the same seeds.

    `images` compares the means of each image over the seeds; its interval covers the choice of images, not that
    of seeds. That of `overall` covers both; None with fewer than
    LEAST_SEEDS seeds. `differences` are the mean differences of each seed, of which `gained` are above 0.
    """

    images: Comparison
    overall: Comparison | None
    differences: tuple[float, ...]
    gained: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What share of one difference another is, over seeds and images: 1 where both are the same.

    `value` is None where the whole is no gain. `low`..`high` is the interval over seeds and images; None with fewer
    than LEAST_SEEDS seeds, and where the whole may be no gain: a share of nothing is anything.
    """

    value: float | None
    low: float | None
    high: float | None


def spread_of(values: Iterable[float | None]) -> Spread | None:
    """Return the spread of the values that are known, None without any.

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
    The interval of `overall` is a hierarchical bootstrap: seeds are drawn, then images, which all drawn seeds share, as
    they did. So few seeds differ less among themselves than from others: their distances from the mean are stretched
    first, by sqrt(n / (n - 1)) and by Student's t over the normal quantile.
    Source: Davison and Hinkley, "Bootstrap Methods and their Application", 1997, section 3.8; for what rows and columns
    share, Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 1(2), 2007.

    >>> found = compare_over_seeds(np.zeros((2, 3)), second=np.float64([[1, 1, 1], [-1, -1, -1]]),
    ...                            rng=np.random.default_rng(0))
    >>> found.images.difference, found.differences, found.gained
    (0.0, (1.0, -1.0), 1)
    """
    assert first.shape == second.shape, f"{first.shape} scores against {second.shape}"
    found = compare_paired(first.mean(axis=0), second=second.mean(axis=0), rng=rng, groups=groups)
    each = [row[np.isfinite(row)] for row in second - first]
    differences = tuple(float(row.mean()) for row in each if row.size)
    overall = None
    if len(differences) >= LEAST_SEEDS and found.images:
        is_known = np.isfinite(second - first).all(axis=0)
        drawn = np.arange(is_known.size) if groups is None else groups
        means = _resampled((second - first)[:, is_known], groups=drawn[is_known], rng=rng)
        low, high = np.quantile(means, TAILS).tolist()
        overall = replace(found, low=low, high=high)
    gained = sum(value > 0 for value in differences)
    return SeedComparison(images=found, overall=overall, differences=differences, gained=gained)


def share_over_seeds(
    part: NDArray[np.float64], *, whole: NDArray[np.float64], seed: int, groups: NDArray[np.int64]
) -> Share:
    """Return what share of the mean of differences `whole` that of `part` is, both (seeds, images), NaN where unknown.

    Both are resampled together, as `compare_over_seeds` does, and divided each time.

    >>> gap = np.float64([[0.2, 0.4], [0.2, 0.4], [0.1, 0.5]])
    >>> share_over_seeds(gap / 2, whole=gap, seed=0, groups=np.arange(2))
    Share(value=0.5, low=0.5, high=0.5)
    """
    assert part.shape == whole.shape, f"{part.shape} differences of {whole.shape}"
    is_known = np.isfinite(part + whole).all(axis=0)
    part, whole, groups = part[:, is_known], whole[:, is_known], groups[is_known]
    if not whole.size or whole.mean() <= 0:
        return Share(value=None, low=None, high=None)
    value = float(part.mean() / whole.mean())
    if len(part) < LEAST_SEEDS:
        return Share(value=value, low=None, high=None)
    parts, wholes = (_resampled(one, groups=groups, rng=np.random.default_rng(seed)) for one in (part, whole))
    if np.quantile(wholes, TAILS[0]) <= 0:
        return Share(value=value, low=None, high=None)
    low, high = np.quantile(parts[wholes > 0] / wholes[wholes > 0], TAILS).tolist()
    return Share(value=value, low=low, high=high)


def _resampled(
    differences: NDArray[np.float64], *, groups: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return means of differences (seeds, images), each with other seeds and groups of images."""
    from scipy import stats  # imported here: most commands compare no seeds

    seeds, most = len(differences), TAILS[1]
    wider = stats.t.ppf(most, seeds - 1) / stats.norm.ppf(most) * np.sqrt(seeds / (seeds - 1))
    means = differences.mean(axis=1, keepdims=True)
    stretched = differences + (wider - 1) * (means - means.mean())
    names = np.unique(groups, return_inverse=True)[1]
    sums = np.stack([np.bincount(names, weights=row) for row in stretched], axis=1)
    sizes = np.bincount(names)
    found = np.empty(RESAMPLES)
    step = max(1, DRAWN_AT_ONCE // sizes.size)
    for start in range(0, RESAMPLES, step):
        rows = min(step, RESAMPLES - start)
        of_seeds = rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=rows) / seeds
        of_images = rng.multinomial(sizes.size, np.full(sizes.size, 1 / sizes.size), size=rows)
        found[start : start + rows] = (of_images @ sums * of_seeds).sum(axis=1) / (of_images @ sizes)
    return found
