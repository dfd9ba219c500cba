import json
import warnings

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as native

from curation.quarantine import BadRecord, Code
from curation.sources.coco.check_outline import (
    MAX_OUTLINE_BYTES,
    MAX_POINTS,
    Polygons,
    Runs,
    canonical,
    decode_counts,
    read_segmentation,
)
from curation.sources.coco.rasterise import RunLengths, count_pixels, draw, is_empty, merge, to_array

SIZE = (8, 10)
"""Height, width: not square, so that an exchange shows."""
TRIANGLE = [1, 1, 6, 1, 6, 6]


def rasterise(outlines: list[Polygons | Runs], *, size: tuple[int, int]) -> RunLengths:
    return merge([part for outline in outlines for part in draw(outline, size=size)])


def code_of(segmentation: object, *, size: tuple[int, int] = SIZE) -> Code:
    raw = segmentation if isinstance(segmentation, bytes) else json.dumps(segmentation).encode()
    with pytest.raises(BadRecord) as caught:
        read_segmentation(raw, size=size)
    caught.value.record(stage="test")
    return caught.value.code


@pytest.mark.parametrize("form", [None, [], [[]], [[], []], "", {}, b"", {"size": [8, 10]}, {"counts": None}])
def test_an_empty_outline_is_empty_seg(form: object) -> None:
    assert code_of(form) is Code.EMPTY_SEG


@pytest.mark.parametrize(
    "form",
    [
        [[1, 1]],
        [[1, 1, 6, 1]],
        [[1, 1, 6, 1, 6]],
        [[*TRIANGLE, 3]],
        [TRIANGLE, []],
        [TRIANGLE, [1, 1, 2, 2]],
        [[[1, 1], [6, 1], [6, 6]]],
        [["1", "1", "6", "1", "6", "6"]],
        [[1, 1, None, 1, 6, 6]],
        [[1, 1, True, 1, 6, 6]],
        [None],
        TRIANGLE,
        "polygon",
        12,
        True,
        [{"x": 1}],
        [[0, 0] * (MAX_POINTS + 1)],
        b"[" * 200_000 + b"]" * 200_000,
    ],
    ids=lambda form: str(form)[:30],
)
def test_a_wrong_shape_is_poly_shape(form: object) -> None:
    assert code_of(form) is Code.POLY_SHAPE


@pytest.mark.parametrize(
    "value",
    ["1e999", "-1e999", "1e8", "-1e5", "20.01", "-10.01", "1" + "0" * 400, "100001"],
    ids=lambda value: value[:9],
)
def test_a_coordinate_far_outside_is_poly_range(value: str) -> None:
    assert code_of(f"[[{value}, 1, 6, 1, 6, 6]]".encode()) is Code.POLY_RANGE


def test_a_coordinate_over_the_limit_is_poly_range_in_the_widest_image() -> None:
    assert code_of([[100_001, 1, 6, 1, 6, 6]], size=(2, 60_000)) is Code.POLY_RANGE


def test_the_range_of_y_is_that_of_the_height() -> None:
    assert code_of([[1, 16.5, 6, 1, 6, 6]]) is Code.POLY_RANGE
    assert read_segmentation(b"[[16.5, 1, 6, 1, 6, 6]]", size=SIZE)


def runs(counts: object, size: object = (8, 10)) -> dict[str, object]:
    return {"size": list(size) if isinstance(size, tuple) else size, "counts": counts}


@pytest.mark.parametrize(
    "counts",
    [
        [],
        [79],
        [81],
        [100, -20],
        [40.0, 40.0],
        [40, 40.5],
        ["80"],
        [True, 79],
        [None],
        [2**32 + 80],
        [2**64, 80],
        [[80]],
        80,
        {},
    ],
    ids=str,
)
def test_counts_that_do_not_fill_the_image_are_rle_total(counts: object) -> None:
    assert code_of(runs(counts)) is Code.RLE_TOTAL


def test_a_sum_that_wraps_around_32_bits_is_rle_total() -> None:
    assert code_of(runs([2**31, 2**31, 80])) is Code.RLE_TOTAL


@pytest.mark.parametrize(
    "size",
    [(10, 8), (0, 80), (-8, -10), (80, 1), (2**31, 2**31), [8], [8, 10, 1], None, "8x10", [8.0, 10.0], ["8", "10"]],
    ids=str,
)
def test_a_size_that_is_not_the_images_is_rle_size(size: object) -> None:
    assert code_of(runs([40, 40], size)) is Code.RLE_SIZE


@pytest.mark.parametrize("counts", ["", "P", "0", " ", "\x7f", "é", "oooooooooo", "o", "`0", "PP0", "0" * 9])
def test_compressed_counts_that_do_not_decode_are_rle_decode(counts: str) -> None:
    assert code_of(runs(counts)) is Code.RLE_DECODE


def test_a_key_twice_in_run_lengths_is_json_value() -> None:
    assert code_of(b'{"size": [8, 10], "counts": [80], "counts": [40, 40]}') is Code.JSON_VALUE


def test_run_lengths_draw_down_the_columns() -> None:
    mask = to_array(rasterise([read_segmentation(json.dumps(runs([3, 2, 75])).encode(), size=SIZE)], size=SIZE))
    expected = np.zeros(SIZE, np.uint8)
    expected[3:5, 0] = 255
    np.testing.assert_array_equal(mask, expected)


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1), st.sampled_from([0.02, 0.5, 0.98]))
def test_compressed_counts_decode_to_what_pycocotools_encoded(h: int, w: int, seed: int, share: float) -> None:
    mask = (np.random.default_rng(seed).random((h, w)) < share).astype(np.uint8)
    text = native.encode(np.asfortranarray(mask))["counts"].decode()
    decoded = decode_counts(text, total=h * w)
    values = np.repeat(np.arange(len(decoded)) % 2, decoded).reshape(w, h).T
    np.testing.assert_array_equal(values, mask)
    outline = read_segmentation(json.dumps(runs(text, (h, w))).encode(), size=(h, w))
    np.testing.assert_array_equal(to_array(rasterise([outline], size=(h, w))) // 255, mask)


def test_twenty_thousand_mutated_counts_are_refused_or_fill_the_image() -> None:
    rng = np.random.default_rng(5)
    h, w = 12, 17
    texts = []
    for _ in range(20):
        mask = (rng.random((h, w)) < 0.3).astype(np.uint8)
        texts.append(bytearray(native.encode(np.asfortranarray(mask))["counts"]))
    accepted = []
    for index in range(20_000):
        text = bytearray(texts[index % len(texts)])
        for _ in range(int(rng.integers(1, 4))):
            text[int(rng.integers(len(text)))] = int(rng.integers(1, 128))
        try:
            decoded = decode_counts(text.decode("ascii"), total=h * w)
        except BadRecord as error:
            assert error.code is Code.RLE_DECODE
        else:
            assert decoded.sum() == h * w
            assert decoded.min() >= 0
            accepted.append(decoded)
    assert accepted
    # what is accepted can be merged, all pairs, and says what its runs say
    for first in accepted[:40]:
        for second in accepted[:40]:
            union = to_array(rasterise([first, second], size=(h, w))) // 255
            drawn = [np.repeat(np.arange(len(item)) % 2, item).reshape(w, h).T for item in (first, second)]
            np.testing.assert_array_equal(union, drawn[0] | drawn[1])


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=30))
def test_canonical_runs_draw_the_same_and_have_no_empty_run_but_the_first(counts: list[int]) -> None:
    before = np.array(counts, np.int64)
    after = canonical(before)
    drawn = [np.repeat(np.arange(len(item)) % 2, item) for item in (before, after)]
    np.testing.assert_array_equal(*drawn)
    assert after[1:].all()


coordinates = st.floats(-9.5, 19.5, width=32)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.lists(coordinates, min_size=6, max_size=24).filter(lambda p: len(p) % 2 == 0), min_size=1, max_size=3
    ).filter(
        lambda polygons: not all(0 <= number <= 1 for one in polygons for number in one)  # shares of the frame
    )
)
def test_polygons_draw_as_pycocotools_draws_them(polygons: list[list[float]]) -> None:
    raw = json.dumps(polygons).encode()
    size = (20, 20)
    outline = read_segmentation(raw, size=size)
    parts = native.frPyObjects(polygons, *size)
    with warnings.catch_warnings():
        # pycocotools 2.0.11 has not caught up with numpy 2
        warnings.simplefilter("ignore", DeprecationWarning)
        expected = native.decode(native.merge(parts))
    np.testing.assert_array_equal(to_array(rasterise([outline], size=size)) // 255, expected)


def test_ten_thousand_extreme_polygons_are_refused_or_drawn() -> None:
    rng = np.random.default_rng(9)
    kinds = np.array([0.0, 1.0, 9.99, -10.0, 20.0, 1e5, -1e5, 1e7, 1e8, 1e300, 5e-324])
    seen = set()
    for _ in range(10_000):
        polygon = rng.choice(kinds, int(rng.integers(0, 12)), p=[0.2, 0.2, 0.2, 0.1, 0.1, *[0.2 / 6] * 6]).tolist()
        try:
            outline = read_segmentation(msgspec.json.encode([polygon]), size=(10, 10))
        except BadRecord as error:
            seen.add(error.code)
        else:
            seen.add(None)
            assert 0 <= count_pixels(rasterise([outline], size=(10, 10))) <= 100
    assert seen == {Code.EMPTY_SEG, Code.POLY_SHAPE, Code.POLY_RANGE, Code.ZERO_AREA, None}


def test_ten_runs_over_the_same_outlines_give_the_same_bytes() -> None:
    outlines = [
        read_segmentation(json.dumps(form).encode(), size=SIZE)
        for form in ([TRIANGLE], runs([0, 0, 3, 0, 0, 5, 72]), runs([80]), runs([0, 1, 79]))
    ]
    drawn = {to_array(rasterise(outlines, size=SIZE)).tobytes() for _ in range(10)}
    assert len(drawn) == 1


def strokes(count: int, *, width: int) -> bytes:
    """Return one polygon of strokes to the right and back to the left, each one pixel further down."""
    return json.dumps([[value for y in range(count) for value in (width * (y % 2), y)]]).encode()


def test_the_longest_edge_is_a_hundred_times_width_and_height() -> None:
    # n strokes make n - 1 edges of 300 across and 1 down, and one of 300 across and n - 1 up
    size = (100, 300)
    assert 131 * 301 + 300 + 131 == 39_862
    assert isinstance(read_segmentation(strokes(132, width=300), size=size), list)
    assert 133 * 301 + 300 + 133 == 40_466
    assert code_of(strokes(134, width=300), size=size) is Code.POLY_RANGE


@pytest.mark.parametrize("count", [8_000, 16_000])
def test_a_scribble_that_would_take_gigabytes_is_refused_at_once(count: int) -> None:
    raw = strokes(count, width=8_000)
    assert code_of(raw, size=(8_000, 8_000)) is Code.POLY_RANGE


@pytest.mark.parametrize(("start", "code"), [("[[", Code.POLY_SHAPE), ('{"counts": [', Code.RLE_DECODE)])
def test_a_text_that_is_too_long_is_not_decoded(start: str, code: Code) -> None:
    raw = start.encode() + b"1," * (MAX_OUTLINE_BYTES // 2)
    assert code_of(raw) is code


def test_people_in_hundreds_of_pieces_are_drawn() -> None:
    pieces = [[[x, y, x + 1, y, x + 1, y + 1, x, y + 1] for x in range(0, 60, 2) for y in range(0, 40, 2)]]
    outline = read_segmentation(json.dumps(pieces[0]).encode(), size=(40, 60))
    parts = draw(outline, size=(40, 60))
    assert (len(parts), is_empty(parts), count_pixels(merge(parts))) == (600, False, 600)
    assert is_empty(draw([[70.0, 1.0, 71.0, 1.0, 71.0, 2.0]] * 300, size=(40, 60)))
