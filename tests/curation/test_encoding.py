"""Encoding: what is written is read back the same by OpenCV and by Pillow."""

import io

import cv2
import numpy as np
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from curation.pixels import decode_image, decode_mask, decode_matte, encode_gray, encode_image, encode_mask
from tests.curation.test_pixels import picture

GRAYS = arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40)))


@given(array=GRAYS)
def test_gray_arrays_come_back_the_same_from_both_decoders(array: np.ndarray) -> None:
    data = encode_gray(array)
    assert cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED).tolist() == array.tolist()
    with PIL.Image.open(io.BytesIO(data)) as image:
        assert image.mode == "L"
        assert np.asarray(image).tolist() == array.tolist()
    assert encode_gray(array.copy()) == data


@given(array=GRAYS)
def test_masks_come_back_with_their_two_values_and_eight_bits(array: np.ndarray) -> None:
    mask = (array > 127) * np.uint8(255)
    data = encode_mask(mask)
    assert decode_mask(data, file="a").tolist() == mask.tolist()
    with PIL.Image.open(io.BytesIO(data)) as image:
        assert image.mode == "L"


def test_a_slice_of_an_array_is_encoded_as_what_it_shows() -> None:
    array = picture()[::2, ::-1, 1]
    assert decode_matte(encode_gray(array), file="a").tolist() == array.tolist()


@pytest.mark.parametrize("channels", [3, 4])
def test_pictures_come_back_the_same_from_png(channels: int) -> None:
    image = np.dstack([picture(), picture()[..., 0]])[..., :channels]
    data = encode_image(image)
    assert decode_image(data, file="a").tolist() == picture().tolist()
    with PIL.Image.open(io.BytesIO(data)) as read:
        assert np.asarray(read).tolist() == image.tolist()


def test_a_quality_makes_a_jpeg_that_is_close() -> None:
    data = encode_image(picture(), quality=95)
    assert data.startswith(b"\xff\xd8")
    assert np.abs(decode_image(data, file="a").astype(int) - picture()).mean() < 4


@pytest.mark.parametrize("array", [np.zeros((2, 2, 3), np.uint8), np.zeros((2, 2), np.uint16)])
def test_arrays_of_another_kind_are_our_own_mistake(array: np.ndarray) -> None:
    with pytest.raises(AssertionError, match="expected"):
        encode_gray(array)


def test_a_picture_without_channels_is_our_own_mistake() -> None:
    with pytest.raises(AssertionError, match="expected"):
        encode_image(np.zeros((2, 2), np.uint8))
