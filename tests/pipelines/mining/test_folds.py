"""Folds of a pool: what belongs together is in one, and the splits of each are what its groups say."""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa
import pytest

from curation.operations.leak_groups import batches_of, leak_groups
from curation.operations.leaks import SPLITS
from pipelines.mining.folds import JUDGING, draw_folds


def pool(rows: int) -> pa.Table:
    """Return rows of which some share a group, some an image with another group, and some have neither."""
    rng = np.random.default_rng(2)
    groups = [None if number % 7 == 0 else f"g{rng.integers(rows // 2)}" for number in range(rows)]
    images = [f"i{rng.integers(3 * rows)}" for _ in range(rows)]
    return pa.table({"id": [f"s{number:04}" for number in range(rows)], "group": groups, "sha256": images})


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(("rows", "count", "seed"), [(400, 5, 0), (400, 3, 7), (6, 2, 1)])
def test_folds_and_their_splits_are_told_by_the_names_of_groups(rows: int, count: int, seed: int) -> None:
    table = pool(rows)
    groups = leak_groups(table)
    expected = [int(digest(f"{seed} {group}"), 16) % count for group in groups]
    folds = draw_folds(batches_of(table), count=count, seed=seed)
    assert folds.fold.tolist() == expected
    for fold in range(count):
        others = sorted({group for group, own in zip(groups, expected, strict=True) if own != fold}, key=digest)
        judges = others[: max(1, len(others) // JUDGING)]
        splits = [
            "test" if own == fold else "val" if group in judges else "train"
            for group, own in zip(groups, expected, strict=True)
        ]
        assert [SPLITS[number] for number in folds.splits(fold)] == splits


def test_a_pool_that_is_read_some_rows_at_a_time_has_the_same_folds() -> None:
    table = pool(50)
    whole = draw_folds(batches_of(table), count=4, seed=0)

    def some(columns: object) -> list[pa.Table]:
        return [table.slice(start, 7) for start in range(0, 50, 7)]

    assert draw_folds(some, count=4, seed=0).fold.tolist() == whole.fold.tolist()
