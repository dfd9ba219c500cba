from __future__ import annotations

import numpy as np
import pytest

from curation.images.pixels import Alpha
from curation.photos.persons import with_persons
from curation.quarantine import BadRecord, Code


def three() -> Alpha:
    """Return three persons with soft edges, of which the middle one is the largest, and a speck at the right."""
    alpha = np.zeros((40, 100), np.uint8)
    for left, right, top in ((5, 20, 15), (35, 60, 5), (75, 90, 20)):
        alpha[top - 1 :, left - 1 : right + 1] = 60
        alpha[top:, left:right] = 255
    alpha[2:4, 95:97] = 255
    return alpha


def test_all_persons_stay_as_they_are_and_so_does_an_image_of_nobody() -> None:
    assert np.array_equal(with_persons(three(), wanted="all"), three())
    nobody = np.full((9, 9), 40, np.uint8)
    assert np.array_equal(with_persons(nobody, wanted=3), nobody)


@pytest.mark.parametrize(("wanted", "columns"), [(1, (4, 21)), (2, (34, 61)), ("largest", (34, 61)), (3, (74, 97))])
def test_one_person_keeps_its_soft_edge_and_what_is_nearest_to_it(wanted: int, columns: tuple[int, int]) -> None:
    kept = with_persons(three(), wanted=wanted)
    found = np.flatnonzero(kept.any(axis=0))
    assert (found[0], found[-1] + 1) == columns
    inside = slice(*columns)
    assert np.array_equal(kept[:, inside], three()[:, inside])


def test_the_persons_together_are_the_whole() -> None:
    parts = [with_persons(three(), wanted=number).astype(int) for number in (1, 2, 3)]
    assert np.array_equal(sum(parts), three())


def test_a_person_who_is_not_there_is_a_reason_to_set_the_photograph_aside() -> None:
    with pytest.raises(BadRecord, match="there are 3 persons apart from each other, and --person 4") as caught:
        with_persons(three(), wanted=4, file="p.jpg")
    assert caught.value.code is Code.UNSUITABLE and caught.value.file == "p.jpg"
