"""What is read from the text of polygons is what a JSON decoder reads, to the last bit."""

from __future__ import annotations

import json
from itertools import chain

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.coco.polygon_text import read_plain_polygons

ENOUGH = [1, 2.5, 30.25, 4.125, 0, 65535.75]
numbers = st.one_of(
    st.integers(0, 99_999_999), st.decimals(0, 99_999, places=2).map(float), st.floats(0, 1e7), st.floats(-5, 5)
)
polygons = st.lists(numbers, max_size=9)
outlines = st.one_of(
    st.lists(polygons, max_size=3),
    st.lists(st.lists(polygons, max_size=2), max_size=2),
    st.sampled_from([None, "", "[[", "]]", "]], [[", {"size": [1, 2], "counts": [3, 4]}, 5, 12345678, [7], True]),
)
styles = st.sampled_from([{}, {"indent": 1}, {"separators": (",", ":")}])


def is_plain(outline: object) -> bool:
    if not isinstance(outline, list) or not outline or not all(isinstance(polygon, list) for polygon in outline):
        return False
    return all(
        len(polygon) >= 6
        and len(polygon) % 2 == 0
        and all(
            isinstance(n, int | float) and len(json.dumps(n)) <= 8 and json.dumps(n).strip("0123456789.") == ""
            for n in polygon
        )
        for polygon in outline
    )


@given(st.lists(outlines, max_size=12), styles)
def test_plain_outlines_are_read_as_a_decoder_reads_them_and_no_others(
    found: list[object], style: dict[str, int]
) -> None:
    which, flat = read_plain_polygons([json.dumps(outline, **style).encode() for outline in found])
    plain = [outline for outline in found if is_plain(outline)]
    assert [found[row] for row in which.tolist()] == plain
    assert flat.numbers.tolist() == list(chain.from_iterable(chain.from_iterable(plain)))
    assert flat.lengths.tolist() == [len(polygon) for polygon in chain.from_iterable(plain)]
    assert flat.counts.tolist() == [len(outline) for outline in plain]


def test_all_numbers_with_up_to_two_decimals_below_a_thousand_are_exact() -> None:
    texts = [f"{hundredths / 100:.2f}" for hundredths in range(100_000)]
    texts += [f"{tenths / 10:.1f}" for tenths in range(10_000)] + [str(whole) for whole in range(1000)]
    _, flat = read_plain_polygons([f"[[{', '.join(texts)}]]".encode()])
    assert np.array_equal(flat.numbers, [float(text) for text in texts])


@pytest.mark.parametrize(
    "odd",
    [
        b"",
        b"[]",
        b"[[]]",
        b"[[1,2,3,4]]",
        b"[[1,2,3,4,5]]",
        b"[[1,2,3,4,5,-6]]",
        b"[[1,2,3,4,5,6e1]]",
        b"[[" + b"1," * 200_001 + b"1]]",
        b"[1,2,3,4,5,6]",
    ],
)
def test_an_odd_outline_leaves_its_neighbours_as_they_are(odd: bytes) -> None:
    good = json.dumps([ENOUGH, ENOUGH]).encode()
    which, flat = read_plain_polygons([good, odd, good])
    assert which.tolist() == [0, 2]
    assert flat.numbers.tolist() == ENOUGH * 4
    assert flat.counts.tolist() == [2, 2]


def test_no_outlines_give_no_polygons() -> None:
    which, flat = read_plain_polygons([])
    assert [len(part) for part in (which, *flat)] == [0, 0, 0, 0]
