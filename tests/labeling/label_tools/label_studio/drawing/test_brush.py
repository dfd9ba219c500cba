"""Label Studio's brush run lengths, compared with the converter of its own SDK, which is another implementation."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from label_studio_sdk.converter import brush as theirs

from curation.quarantine import BadRecord, Code
from labeling.label_tools.label_studio.drawing.brush import decode_brush, encode_brush
from tests.labeling.label_tools.label_studio.drawing.brush_mutations import person
from tests.places import REPOSITORY

MUTATIONS = 5000
MOST_MB = 300

masks = arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40)), elements=st.sampled_from([0, 255]))


@given(masks)
@settings(max_examples=150, deadline=None)
def test_our_bytes_are_those_of_the_sdk(mask: np.ndarray) -> None:
    assert encode_brush(mask) == theirs.mask2rle(mask)


@given(masks)
@settings(max_examples=100, deadline=None)
def test_the_sdk_reads_what_we_write(mask: np.ndarray) -> None:
    assert np.array_equal(theirs.decode_rle(encode_brush(mask)).reshape(*mask.shape, 4)[..., 3], mask)


@given(masks)
@settings(max_examples=100, deadline=None)
def test_we_read_what_the_sdk_writes(mask: np.ndarray) -> None:
    height, width = mask.shape
    assert np.array_equal(decode_brush(theirs.mask2rle(mask), height=height, width=width), mask)


@pytest.mark.parametrize("shape", [(1, 1), (1, 70_000), (70_000, 1), (400, 300), (1500, 1100)])
def test_runs_of_every_length_survive(shape: tuple[int, int]) -> None:
    for mask in (np.zeros(shape, np.uint8), np.full(shape, 255, np.uint8), person(height=shape[0], width=shape[1])):
        rle = encode_brush(mask)
        assert rle == theirs.mask2rle(mask)
        assert np.array_equal(decode_brush(rle, height=shape[0], width=shape[1]), mask)


@pytest.mark.parametrize("value", [1, 7, 255])
def test_whatever_is_above_zero_becomes_opaque(value: int) -> None:
    mask = np.array([[0, value], [value, 0]], np.uint8)
    assert set(theirs.decode_rle(encode_brush(mask)).tolist()) == {0, 255}
    assert decode_brush(encode_brush(mask), height=2, width=2).tolist() == [[0, 255], [255, 0]]


def literal_bits(values: list[int], *, sizes: tuple[int, ...] = (3, 4, 8, 16)) -> list[int]:
    """Write values one by one, not as runs, as the page does where neighbours differ."""
    text = f"{len(values):032b}{7:05b}" + "".join(f"{size - 1:04b}" for size in sizes)
    for start in range(0, len(values), 16):
        part = values[start : start + 16]
        text += "001" + f"{len(part) - 1:0{sizes[1]}b}" + "".join(f"{value:08b}" for value in part)
    text += "0" * (-len(text) % 8)
    return [int(text[i : i + 8], 2) for i in range(0, len(text), 8)]


@pytest.mark.parametrize("sizes", [(3, 4, 8, 16), (2, 5, 9, 12)])
def test_single_values_and_other_sizes_are_read(sizes: tuple[int, ...]) -> None:
    rng = np.random.default_rng(1)
    rgba = rng.integers(0, 256, (9, 13, 4), dtype=np.uint8)
    rle = literal_bits(rgba.ravel().tolist(), sizes=sizes)
    assert np.array_equal(theirs.decode_rle(rle), rgba.ravel())
    assert np.array_equal(decode_brush(rle, height=9, width=13) > 0, rgba[..., 3] >= 128)


@pytest.mark.parametrize(
    ("rle", "said"),
    [
        ([], "too few"),
        ([0, 0, 0, 4, 57], "too few"),
        (encode_brush(np.zeros((3, 3), np.uint8)), "holds 36 values"),
        ([0, 0, 0, 16, 57, 27, 252], "inside a record"),
        (encode_brush(np.eye(2, dtype=np.uint8))[:-3], "inside a record"),
        ([300], "no bytes"),
        (["a"], "no bytes"),
        ([0, 0, 0, 16, 255, 255, 255, 255], "bits"),
    ],
)
def test_a_malformed_mask_is_refused_with_its_code(rle: list[int], said: str) -> None:
    with pytest.raises(BadRecord, match=said) as caught:
        decode_brush(rle, height=2, width=2)
    assert caught.value.code == Code.BRUSH_RLE


def test_a_mask_whose_end_is_missing_is_refused() -> None:
    rle = encode_brush(np.zeros((3, 3), np.uint8))[:9]  # one run of 36, which ends with the ninth byte
    rle[2:4] = [1, 0]  # claims 256 values
    with pytest.raises(BadRecord, match="220 values too early"):
        decode_brush(rle, height=8, width=8)


def test_a_run_beyond_the_picture_is_refused() -> None:
    rle = encode_brush(np.zeros((8, 8), np.uint8))
    rle[3] = 4  # claims 4 values, holds 256
    rle[2] = 0
    with pytest.raises(BadRecord, match="more than 4 values"):
        decode_brush(rle, height=1, width=1)


def test_thousands_of_broken_masks_take_little_memory_and_end_in_a_mask_or_a_refusal() -> None:
    module = "tests.labeling.label_tools.label_studio.drawing.brush_mutations"
    code = f"from {module} import mutate; print(*mutate({MUTATIONS}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    refused, peak = map(int, done.stdout.split())
    assert refused > MUTATIONS // 4
    assert peak < MOST_MB, f"{peak} MB"
