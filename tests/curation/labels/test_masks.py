"""Alphas to masks, person area, and the refusal of alphas without a person."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from curation.labels.masks import check_alpha, mask_of, person_area
from curation.quarantine import BadRecord, Code

ALPHAS = arrays(np.uint8, st.tuples(st.integers(1, 12), st.integers(1, 12)))


@given(alpha=ALPHAS, threshold=st.integers(0, 254))
def test_a_pixel_is_person_exactly_when_its_alpha_is_above_the_threshold(alpha: np.ndarray, threshold: int) -> None:
    mask = mask_of(alpha, threshold=threshold)
    expected = [[255 if value > threshold else 0 for value in row] for row in alpha.tolist()]
    assert mask.tolist() == expected
    assert mask.dtype == np.uint8


@given(arrays(np.float32, (3, 4), elements=st.floats(0, 1, width=32)), st.sampled_from([0, 49, 127, 254]))
def test_a_probability_gives_the_mask_of_its_8_bits(probability: np.ndarray, threshold: int) -> None:
    scaled = probability.astype(np.float64) * 255
    is_tie = np.abs(scaled - np.floor(scaled) - 0.5) < 1e-4
    stored = np.rint(scaled).astype(np.uint8)
    same = mask_of(probability, threshold=threshold) == mask_of(stored, threshold=threshold)
    assert (same | is_tie).all()


def test_without_specks_what_is_a_tenth_of_the_largest_part_stays() -> None:
    alpha = np.zeros((20, 20), np.uint8)
    alpha[:10, :10] = 200
    alpha[15, :10] = 200
    alpha[18, :9] = 200
    mask = mask_of(alpha, specks=False)
    assert [int(np.count_nonzero(mask[rows])) for rows in (slice(0, 10), 15, 18)] == [100, 10, 0]
    assert np.count_nonzero(mask_of(alpha)) == 119
    assert not mask_of(np.zeros((3, 3), np.uint8), specks=False).any()


@given(alpha=ALPHAS)
def test_area_of_person_and_of_background_make_the_whole_frame(alpha: np.ndarray) -> None:
    mask = mask_of(alpha)
    assert person_area(mask) + person_area(255 - mask) == pytest.approx(1.0)


def test_the_area_of_a_mask_without_pixels_is_zero() -> None:
    assert person_area(np.zeros((0, 5), np.uint8)) == 0.0


@pytest.mark.parametrize(
    ("person_pixels", "code"),
    [(0, Code.EMPTY_ALPHA), (9, Code.EMPTY_ALPHA), (9901, Code.FULL_ALPHA), (10_000, Code.FULL_ALPHA)],
)
def test_an_alpha_without_a_person_or_without_background_is_refused(person_pixels: int, code: Code) -> None:
    alpha = np.zeros(10_000, np.uint8)
    alpha[:person_pixels] = 255
    with pytest.raises(BadRecord) as refused:
        check_alpha(alpha.reshape(100, 100), file="a.png")
    assert (refused.value.code, refused.value.file) == (code, "a.png")


@pytest.mark.parametrize("person_pixels", [10, 5000, 9900])
def test_an_alpha_from_a_thousandth_to_ninety_nine_hundredths_passes(person_pixels: int) -> None:
    alpha = np.zeros(10_000, np.uint8)
    alpha[:person_pixels] = 255
    check_alpha(alpha.reshape(100, 100), file="a.png")


def test_an_inverted_alpha_is_taken_as_it_is() -> None:
    alpha = np.full((20, 20), 255, np.uint8)
    alpha[5:15, 5:15] = 0  # the person of an inverted alpha: a hole
    assert mask_of(alpha).tolist() == alpha.tolist()


def test_faint_alpha_counts_as_no_person() -> None:
    with pytest.raises(BadRecord) as refused:
        check_alpha(np.full((10, 10), 50, np.uint8), file="a.png")
    assert refused.value.code is Code.EMPTY_ALPHA
