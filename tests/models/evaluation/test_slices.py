from __future__ import annotations

import numpy as np
import pytest

from models.evaluation.score_table import table_of_scores
from models.evaluation.slices import SLICES, slice_meanings, slices_of
from tests.models.drawn import score_row


def parts(name: str, rows: list[dict[str, object]]) -> dict[str, list[int]]:
    table = table_of_scores([score_row(f"{number:02}", **row) for number, row in enumerate(rows)])
    (found,) = slices_of(table, names=[name]).values()  # type: ignore[list-item]
    return {value: np.flatnonzero(where).tolist() for value, where in found.items()}


def test_sizes_are_told_apart_at_their_limits_and_come_in_order() -> None:
    areas = [0.4, 0.0, 0.05, 0.0499, 0.15, 0.399, 1.0, 0.14]
    assert parts("size", [{"person_area": area} for area in areas]) == {
        "nobody": [1],
        "tiny": [3],
        "small": [2, 7],
        "medium": [4, 5],
        "large": [0, 6],
    }
    assert list(parts("size", [{"person_area": 0.9}, {"person_area": 0.01}])) == ["tiny", "large"]


def test_three_persons_and_more_are_one_part_and_unknown_is_said() -> None:
    rows = [{"persons": number} for number in (1, 2, 3, 7, None, 0)]
    assert parts("persons", rows) == {"0": [5], "1": [0], "2": [1], "3+": [2, 3], "unknown": [4]}


def test_border_holes_and_source_are_those_of_the_row() -> None:
    rows = [
        {"touches_border": True, "hole_area": 0.01, "source": "a"},
        {"touches_border": False, "hole_area": 0.0, "source": None},
        {"touches_border": False, "hole_area": 0.0, "source": "a", "person_area": 0.0},
    ]
    assert parts("border", rows) == {"inside": [1], "nobody": [2], "touching": [0]}
    assert parts("holes", rows) == {"with holes": [0], "without": [1, 2]}
    assert parts("source", rows) == {"a": [0, 2], "unknown": [1]}


@pytest.mark.parametrize("name", SLICES)
def test_every_row_is_in_one_part_of_every_slice(name: str) -> None:
    rng = np.random.default_rng(1)
    rows = [
        {
            "person_area": float(rng.choice([0, 0.01, 0.1, 0.3, 0.7])),
            "persons": rng.choice([None, 0, 1, 4]),
            "touches_border": bool(rng.random() < 0.5),
            "hole_area": float(rng.random() < 0.3),
            "source": str(rng.integers(3)),
        }
        for _ in range(40)
    ]
    assert sorted(index for part in parts(name, rows).values() for index in part) == list(range(40))
    assert slice_meanings()[name]  # type: ignore[index]


def test_no_rows_have_no_parts() -> None:
    assert parts("size", []) == {}
