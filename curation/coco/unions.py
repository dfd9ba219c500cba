"""A lower bound on the pixels of a union, from lower bounds on its members and the boxes that hold them."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

MAX_MEMBERS: Final = 32
"""Unions of more members are bounded by their largest member alone: pairs grow with the square."""

Floats = NDArray[np.float64]


def least_union(lower: Floats, *, boxes: Floats, owners: NDArray[np.int64], count: int) -> Floats:
    """Give for each of `count` unions the pixels that it has at least.

    Member i has at least `lower[i]` pixels, all inside `boxes[i]` (left, top, right, bottom), and belongs to the union
    `owners[i]`; owners rise. A union has at least its largest member, and at least the sum of its members less what
    each two of them may share, the common part of their boxes.
    Source: Bonferroni's inequality, as in Galambos (1977), Bonferroni Inequalities, section 1.

    >>> two = np.array([[0.0, 0.0, 10.0, 10.0], [8.0, 0.0, 18.0, 10.0]])
    >>> least_union(np.array([90.0, 90.0]), boxes=two, owners=np.array([0, 0]), count=1).tolist()
    [160.0]
    """
    largest = np.zeros(count)
    np.maximum.at(largest, owners, lower)
    sizes = np.bincount(owners, minlength=count)
    least = np.bincount(owners, weights=lower, minlength=count)
    for step in range(1, min(int(sizes.max(initial=0)), MAX_MEMBERS)):
        is_pair = owners[step:] == owners[:-step]
        first, second = boxes[:-step][is_pair], boxes[step:][is_pair]
        sides = np.minimum(first[:, 2:], second[:, 2:]) - np.maximum(first[:, :2], second[:, :2])
        shared = np.maximum(sides, 0).prod(axis=1)
        least -= np.bincount(owners[step:][is_pair], weights=shared, minlength=count)
    return np.where(sizes <= MAX_MEMBERS, np.maximum(least, largest), largest)
