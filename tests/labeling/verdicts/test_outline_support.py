"""How much of a label's outline lies on edges of its image, on pictures whose edges are known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from curation.images.pixels import Image, Mask
from labeling.verdicts.outline_support import outline_support


def scene(*, top: int = 40) -> tuple[Image, Mask]:
    """Draw a person before a wall: two flat colours, and the mask."""
    mask = np.zeros((200, 160), np.uint8)
    cv2.ellipse(mask, (80, 120), (40, 120 - top), 0, 0, 360, 255, -1)
    image = np.full((200, 160, 3), (60, 90, 120), np.uint8)
    image[mask > 0] = (190, 150, 130)
    return image, mask


def test_a_right_label_is_supported_everywhere_and_by_a_coarse_pixel_too() -> None:
    image, mask = scene()
    assert outline_support(image, mask) == 1.0
    assert outline_support(image, np.roll(mask, 1, axis=1)) == 1.0


def test_a_person_who_fills_the_frame_has_no_outline_that_could_be_wrong() -> None:
    image, _ = scene()
    assert outline_support(image, np.full(image.shape[:2], 255, np.uint8)) == 1.0


@pytest.mark.parametrize("wrong", ["shifted", "grown", "shrunk", "mirrored across", "cut"])
def test_a_wrong_label_has_a_stretch_that_nothing_supports(wrong: str) -> None:
    image, mask = scene()
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (21, 21))
    labels = {
        "shifted": np.roll(mask, 20, axis=1),
        "grown": cv2.dilate(mask, disc),
        "shrunk": cv2.erode(mask, disc),
        "mirrored across": np.roll(mask[:, ::-1], 50, axis=1),
        "cut": np.where(np.arange(200)[:, None] > 130, 0, mask).astype(np.uint8),
    }
    assert outline_support(image, np.asarray(labels[wrong], np.uint8)) < 0.3


def test_where_the_frame_cuts_a_person_off_nothing_is_asked() -> None:
    image, mask = scene()
    assert outline_support(image[:140], mask[:140]) == 1.0


def test_a_hidden_edge_of_a_twentieth_of_the_outline_is_no_wrong_label() -> None:
    image, mask = scene()
    # the wall has the person's colour behind 16 of about 390 pixels of the outline: a dark sleeve before a dark door
    image[112:128, :60] = (190, 150, 130)
    assert outline_support(image, mask) > 0.3


def test_noise_supports_a_wrong_label_less_than_edges_a_right_one() -> None:
    image, mask = scene()
    noisy = np.clip(image + np.random.default_rng(0).normal(0, 4, image.shape), 0, 255).astype(np.uint8)
    assert outline_support(noisy, mask) == 1.0
    assert outline_support(noisy, np.roll(mask, 20, axis=1)) < 0.3


def test_nothing_everything_and_a_speck_have_no_outline_and_a_flat_picture_no_edge() -> None:
    image, mask = scene()
    speck = np.zeros_like(mask)
    speck[5:8, 5:8] = 255
    for label in (np.zeros_like(mask), speck):
        assert outline_support(image, label) == 0.0
    assert outline_support(np.full_like(image, 128), mask) == 0.0
