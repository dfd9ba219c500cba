from __future__ import annotations

import pytest
import torch

from models.networks.padding import padded


@pytest.mark.parametrize(("height", "width"), [(97, 130), (33, 64), (64, 65), (32, 32)])
def test_padding_rounds_up_and_leaves_every_pixel_where_it_was(height: int, width: int) -> None:
    image = torch.randn(2, 3, height, width)
    framed = padded(image, multiple=32)
    assert framed.shape[-2] % 32 == 0 and framed.shape[-2] - height in range(32)
    assert framed.shape[-1] % 32 == 0 and framed.shape[-1] - width in range(32)
    assert torch.equal(framed[..., :height, :width], image)


def test_what_is_added_repeats_the_last_row_and_column() -> None:
    image = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    assert padded(image, multiple=3).tolist() == [[[[1, 2, 2], [3, 4, 4], [3, 4, 4]]]]


def test_an_image_that_fits_is_given_back_as_it_is() -> None:
    image = torch.zeros(1, 3, 64, 96)
    assert padded(image, multiple=32) is image


def test_a_small_image_grows_to_the_least_size() -> None:
    assert padded(torch.zeros(1, 3, 33, 200), multiple=16, least=128).shape == (1, 3, 128, 208)
