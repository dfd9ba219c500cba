"""Real photographs: changed copies of them are found, and no two others are taken for copies."""

from __future__ import annotations

import pytest

from tests.bench.duplicates import FOLDERS, false_pairs, has_photographs, photographs, recall

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(
        not has_photographs(), reason=f"no {FOLDERS[0]} or no {FOLDERS[1]}; set CURATE_REAL_DATA to the real data"
    ),
]


def test_changed_copies_are_found() -> None:
    found = recall(photographs(100))
    assert len(found) == 12
    assert {name: share for name, share in found.items() if share < 0.95} == {}


def test_other_photographs_are_no_copies() -> None:
    images = photographs()
    found, pairs = false_pairs(images)
    print(f"{len(found)} false pairs of {pairs}: {found}")
    assert pairs > 100_000
    assert len(found) < 0.001 * pairs
