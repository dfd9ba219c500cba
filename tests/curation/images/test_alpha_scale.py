"""What can be no alpha, whatever the threshold: class maps, trimaps, masks, other scales; mattes pass."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from curation.images.alpha_scale import CLASSES_HINT, MASK_HINT, TRIMAP_HINT, check_scale
from curation.images.header import inspect
from curation.images.pixels import decode_alpha, decode_matte
from curation.quarantine import BadRecord, Code
from tests.places import REAL_DATA

REAL = REAL_DATA / "data"
H, W = 240, 200


def person(*, soft: float = 0.0) -> NDArray[np.uint8]:
    mask = np.zeros((H, W), np.uint8)
    cv2.circle(mask, (W // 2, 80), 40, 255, -1)
    cv2.ellipse(mask, (W // 2, H), (80, 110), 0, 0, 360, 255, -1)
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), soft), np.uint8) if soft else mask


def classes(*values: int) -> NDArray[np.uint8]:
    """Draw areas of the values: bands across the person, the first behind it."""
    drawn = np.full((H, W), values[0], np.uint8)
    band = H // max(1, len(values) - 1)
    for index, value in enumerate(values[1:]):
        rows = slice(index * band, (index + 1) * band)
        drawn[rows][person()[rows] > 0] = value
    return drawn


def trimap() -> NDArray[np.uint8]:
    ellipse = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (6, 6))
    drawn = np.full((H, W), 128, np.uint8)
    drawn[cv2.dilate(person(), ellipse) == 0] = 0
    drawn[cv2.erode(person(), ellipse) == 255] = 255
    return drawn


NO_ALPHAS = {
    "classes 0..8": (classes(*range(9)), CLASSES_HINT),
    "classes 0..18": (classes(*range(19)), CLASSES_HINT),
    "sparse classes": (classes(0, 1, 2, 8), CLASSES_HINT),
    "classes from 1": (classes(1, 2, 3), CLASSES_HINT),
    "scaled classes": (classes(0, 30, 60, 90, 120), CLASSES_HINT),
    "scaled to 255": (classes(0, 85, 170, 255), CLASSES_HINT),
    "VOC": (classes(0, 15, 255), CLASSES_HINT),
    "enlarged classes": (np.asarray(cv2.resize(classes(*range(9)), (W * 2, H * 2)), np.uint8), CLASSES_HINT),
    "trimap": (trimap(), TRIMAP_HINT),
    "mask of 128": (classes(0, 128), MASK_HINT),
    "mask of 1": (classes(0, 1), MASK_HINT),
    "5 bits": (np.asarray(person(soft=6) // 8, np.uint8), ""),
    "percent": (np.asarray(person(soft=6) * (100 / 255), np.uint8), ""),
}
rng = np.random.default_rng(0)
ALPHAS = {
    "hard": person(),
    "soft": person(soft=3),
    "anti-aliased": cv2.resize(person(), None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA),
    "16 levels": np.round(person(soft=4) / 17) * 17,
    "254": np.minimum(person(), 254),
    "smoke up to 180": cv2.GaussianBlur(rng.random((H, W)), (0, 0), 9) * 6000 - 2900,
    "a veil": person(soft=1.5) * 0.7,
    "nothing": np.zeros((H, W)),
    "everything": np.full((H, W), 255),
}
"""Of the right kind; whether they show a person is another matter."""


@pytest.mark.parametrize("name", NO_ALPHAS)
def test_what_can_be_no_alpha_is_refused_with_what_to_do(name: str) -> None:
    values, hint = NO_ALPHAS[name]
    with pytest.raises(BadRecord) as refused:
        check_scale(values, stored=values, file="a.png")
    assert refused.value.code is Code.ALPHA_SCALE
    assert refused.value.file == "a.png"
    if hint:
        assert refused.value.hint == hint


@pytest.mark.parametrize("name", ALPHAS)
def test_an_alpha_passes(name: str) -> None:
    values = np.clip(ALPHAS[name], 0, 180 if name.startswith("smoke") else 255).astype(np.uint8)
    check_scale(values, stored=values, file="a.png")


def test_a_class_map_of_16_bits_and_one_in_an_alpha_channel_are_refused() -> None:
    wide = classes(0, 85, 170, 255).astype(np.uint16) * 257
    channel = np.dstack([np.full((H, W, 3), 90, np.uint8), classes(0, 60, 120)])
    for decode, array in ((decode_matte, wide), (decode_alpha, channel)):
        with pytest.raises(BadRecord) as refused:
            decode(cv2.imencode(".png", array)[1].tobytes(), file="a.png")
        assert refused.value.code is Code.ALPHA_SCALE


@pytest.mark.real
@pytest.mark.skipif(not (REAL / "p3m").is_dir(), reason=f"no real mattes in {REAL}")
def test_real_mattes_pass() -> None:
    files = [*(REAL / "p3m/alphas").iterdir(), *(REAL / "aifenge").rglob("*.png")]
    assert len(files) >= 8
    for path in files:
        data = path.read_bytes()
        decode = decode_alpha if inspect(data, file=str(path)).has_alpha else decode_matte
        assert decode(data, file=str(path)).max() == 255
