"""Encoding: what is written is read back the same by OpenCV and by Pillow."""

import io
import os
import subprocess
import sys

import cv2
import numpy as np
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from curation.images.pixels import decode_image, decode_mask, decode_matte, encode_gray, encode_image, encode_mask
from tests.curation.images.test_pixels import picture
from tests.places import REPOSITORY

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


# --- equal arrays, equal bytes: a build that was stopped and goes on encodes again what another process had encoded


def soft_alphas() -> list[np.ndarray]:
    """Draw alphas large enough that the compressor goes through its own buffers, flat ones, and noise."""
    rng = np.random.default_rng(4)
    noise = [rng.integers(0, 256, (300, 401), dtype=np.uint8) for _ in range(3)]
    soft = [cv2.GaussianBlur(one, (0, 0), sigma) for one, sigma in zip(noise, (1, 2, 4), strict=True)]
    return [*soft, noise[0], (soft[1] > 127) * np.uint8(255), np.zeros((200, 300), np.uint8), noise[1][:1, :5]]


def test_the_bytes_do_not_hang_on_what_was_encoded_before() -> None:
    alphas = soft_alphas()
    first = [encode_gray(alpha) for alpha in alphas]
    for order in (range(len(alphas)), reversed(range(len(alphas)))):
        assert all(encode_gray(alphas[index]) == first[index] for index in order)


def test_the_bytes_do_not_hang_on_where_an_array_lies_and_what_lies_around_it() -> None:
    rng = np.random.default_rng(5)
    for alpha in soft_alphas():
        expected = encode_gray(alpha)
        for before in (0, 1, 7, 33, 64):
            memory = rng.integers(0, 256, before + alpha.size + 600, dtype=np.uint8)
            memory[before : before + alpha.size] = alpha.ravel()
            assert encode_gray(memory[before : before + alpha.size].reshape(alpha.shape)) == expected


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only glibc fills memory as it is told")
def test_the_bytes_do_not_hang_on_what_memory_held_before() -> None:
    """glibc fills memory that is handed out: a compressor that reads what nobody wrote gives other bytes."""
    program = (
        "import hashlib\nfrom curation.images.pixels import encode_gray, encode_image, encode_webp\n"
        "from tests.curation.images.test_encoding import soft_alphas\n"
        "from tests.curation.images.test_pixels import picture\n"
        "made = [encode_gray(one) for one in soft_alphas()]\n"
        "made += [encode_image(picture()), encode_image(picture(), quality=90), encode_webp(picture(), quality=80)]\n"
        "print(hashlib.sha256(b''.join(made)).hexdigest())"
    )
    seen = set()
    for pattern in ("0", "85", "255"):
        settings = {"PYTHONMALLOC": "malloc", "MALLOC_PERTURB_": pattern, "PYTHONPATH": str(REPOSITORY)}
        done = subprocess.run(
            [sys.executable, "-c", program], env=os.environ | settings, capture_output=True, check=True
        )
        seen.add(done.stdout)
    assert len(seen) == 1
