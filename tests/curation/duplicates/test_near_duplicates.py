from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from curation.duplicates.find_duplicates import find_duplicates
from curation.duplicates.fingerprint_dataset import Looks, Picture
from curation.duplicates.near_duplicates import SIGNS, NearSearch
from tests.bench.drawn_looks import COPIES, drawn_looks
from tests.bench.duplicates import every_two

NUMBER = 800


@pytest.fixture(scope="module")
def looks() -> NDArray[np.float16]:
    return drawn_looks(NUMBER)


@pytest.fixture(scope="module")
def plain(looks: NDArray[np.float16]) -> list[tuple[int, int, str]]:
    return sorted((one, other, turn) for one, other, _, turn in every_two(looks))


def test_the_cells_leave_out_no_pair_that_comparing_every_two_finds(
    looks: NDArray[np.float16], plain: list[tuple[int, int, str]]
) -> None:
    assert [(one, other, turn) for one, other, _, turn in NearSearch(looks).pairs()] == plain
    assert len(plain) >= 0.9 * COPIES * NUMBER and {turn for *_, turn in plain} == {
        "",
        "mirrored",
        "upside down",
        "half turn",
    }


def test_the_index_finds_most_pairs_and_no_others(
    looks: NDArray[np.float16], plain: list[tuple[int, int, str]]
) -> None:
    pairs = {pair[:2] for pair in plain}
    few, more = ({pair[:2] for pair in NearSearch(looks).pairs(probes=probes)} for probes in (1, 16))
    assert few < more <= pairs and len(more) >= 0.98 * len(pairs)


def test_the_pairs_of_some_pictures_are_those_of_all_that_have_one_of_them(
    looks: NDArray[np.float16], plain: list[tuple[int, int, str]]
) -> None:
    some = np.arange(NUMBER - 40, NUMBER - 20)[::-1].copy()
    found = [pair[:2] for pair in NearSearch(looks).pairs_of(some)]
    assert found == [pair[:2] for pair in plain if set(pair[:2]) & set(some.tolist())] != []


def test_a_picture_of_one_colour_is_no_copy_of_another() -> None:
    looks = drawn_looks(50)
    looks[[3, 7, 11]] = 0
    assert not {3, 7, 11} & {number for pair in NearSearch(looks).pairs() for number in pair[:2]}


def test_very_many_equal_pictures_are_all_pairs() -> None:
    looks = np.repeat(drawn_looks(10)[:1], 60, axis=0)
    looks[30:] *= SIGNS[1].astype(np.float16)
    pairs = list(NearSearch(looks).pairs())
    assert len(pairs) == 60 * 59 // 2 and {pair[3] for pair in pairs} == {"", "mirrored"}


def test_of_very_many_pictures_is_told_how_many_pairs_the_index_finds(looks: NDArray[np.float16]) -> None:
    pictures = [
        Picture(dataset=0, row=row, id=f"{row:04}", image="", split=None, sha256=str(row)) for row in range(NUMBER)
    ]
    seen = Looks(looks=looks, pixels=[str(row) for row in range(NUMBER)], records=[])
    assert find_duplicates(pictures, seen=seen).recall is None
    recall = find_duplicates(pictures, seen=seen, index_above=NUMBER - 1, probes=1).recall
    assert recall is not None and recall.pictures == NUMBER and 0.5 * recall.pairs < recall.found < recall.pairs
    assert find_duplicates(pictures, seen=seen, index_above=NUMBER).recall is None
