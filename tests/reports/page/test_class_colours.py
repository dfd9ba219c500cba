"""Colours of classes: the published palette, laid over an image, with names beside them."""

from __future__ import annotations

import cv2
import numpy as np

from reports.page.class_colours import class_rows, class_tile, laid_over, legend, palette

VOC = [
    (0, 0, 0),
    (128, 0, 0),
    (0, 128, 0),
    (128, 128, 0),
    (0, 0, 128),
    (128, 0, 128),
    (0, 128, 128),
    (128, 128, 128),
    (64, 0, 0),
    (192, 0, 0),
    (64, 128, 0),
    (192, 128, 0),
    (64, 0, 128),
    (192, 0, 128),
    (64, 128, 128),
]


def test_the_colours_are_those_of_pascal_voc() -> None:
    assert [tuple(colour) for colour in palette()[: len(VOC)].tolist()] == VOC
    assert len(np.unique(palette(), axis=0)) == 256


def test_background_stays_as_it_is_and_classes_are_mixed_in() -> None:
    image = np.full((1, 2, 3), 100, np.uint8)
    assert laid_over(image, classes=np.uint8([[0, 1]])).tolist() == [[[100, 100, 100], [118, 35, 35]]]


def test_a_picture_has_a_row_for_each_sample_and_a_legend() -> None:
    samples = [(np.zeros((40, 20, 3), np.uint8), np.ones((40, 20), np.uint8), np.zeros((40, 20), np.uint8))] * 2
    names = ["background", "skin", "hair"]
    picture = class_rows(samples, names=names)
    assert picture.shape == (2 * 260, 3 * 128 + 2 * 4 + 130, 3)
    key = legend(names, height=10)
    assert [tuple(key[18 * number + 9, 10]) for number in range(3)] == VOC[:3]


def test_a_tile_has_the_size_of_a_card() -> None:
    tile = class_tile(np.zeros((80, 60, 3), np.uint8), classes=np.full((80, 60), 2, np.uint8), size=(40, 30))
    read = cv2.imdecode(np.frombuffer(tile, np.uint8), cv2.IMREAD_COLOR)
    assert read.shape == (40, 30, 3)
    assert tuple(read[20, 15]) == (0, 83, 0)
