"""Light by the face: faces are drawn, in linear light, under a light that is known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from curation.fusion.light import with_curves
from curation.images.faces import Face
from curation.images.pixels import Image
from curation.photos.face_light import face_light, relit

SKINS = {"dark": (0.10, 0.045, 0.026), "light": (0.62, 0.40, 0.31)}
"""Reflectances, in linear light: the skin patches of a colour chart, the darker one darker."""
WHITE = np.array([0.42, 0.345, 0.325])
"""A white of an eye, as pink as those of portraits are."""
EYES = ((150.0, 180.0), (250.0, 180.0))
WARM, COOL = (1.3, 0.95, 0.5), (0.65, 1.0, 1.4)


def drawn(skin: str, *, light: Any = (1.0, 1.0, 1.0), gloss: float = 0.7) -> tuple[Image, Face]:
    """Return a face of a skin under a light (3,), its brightest spots of `gloss`, by the formula of IEC 61966-2-1."""
    picture = np.empty((420, 400, 3))
    picture[:] = SKINS[skin]
    for x, y in ((150, 330), (250, 330)):
        cv2.circle(picture, (x, y), 22, (gloss, gloss, gloss), -1)
    for x, y in EYES:
        cv2.rectangle(picture, (round(x) - 30, 152), (round(x) + 30, 162), (0.02, 0.015, 0.01), -1)
        cv2.ellipse(picture, (round(x), round(y)), (23, 8), 0, 0, 360, tuple(WHITE), -1)
        cv2.circle(picture, (round(x), round(y)), 7, (0.02, 0.015, 0.01), -1)
    return levels(picture * np.asarray(light)), Face(
        box=(90, 140, 310, 400),
        confidence=0.9,
        eyes=EYES,
        mouth=(200, 320),
        chin=(200, 400),
        is_chin_seen=True,
        openness=(0.3, 0.3),
    )


def levels(light: NDArray[np.float64]) -> Image:
    """Return linear light as sRGB levels."""
    shares = np.clip(light, 0, 1)
    encoded = np.where(shares <= 0.0031308, 12.92 * shares, 1.055 * np.maximum(shares, 1e-9) ** (1 / 2.4) - 0.055)
    return np.rint(255 * encoded).astype(np.uint8)


def hue(image: Image) -> NDArray[np.float64]:
    """Return red and blue over green of the cheek, as logarithms of light."""
    red, green, blue = (((image[240, 200] / 255.0) + 0.055) / 1.055) ** 2.4
    return np.log([red / green, blue / green])


@pytest.mark.parametrize("skin", SKINS)
@pytest.mark.parametrize("light", [WARM, COOL])
def test_a_cast_is_taken_back_and_skin_does_not_matter(skin: str, light: tuple[float, float, float]) -> None:
    truth, _ = drawn(skin)
    image, face = drawn(skin, light=light)
    found = face_light(image, face=face)
    assert found.cast == pytest.approx(np.log([light[0] / light[1], light[2] / light[1]]), abs=0.06)
    planted, left = (np.hypot(*(hue(one) - hue(truth))) for one in (image, relit(image, light=found)))
    assert left == pytest.approx(0.25, abs=0.08) and left < 0.55 * planted
    assert found.exposure == 1 and "a cast is taken back" in next(found.lines())


@pytest.mark.parametrize("skin", SKINS)
def test_balanced_light_is_kept_to_the_pixel(skin: str) -> None:
    image, face = drawn(skin)
    found = face_light(image, face=face)
    assert found.gains == (1, 1, 1) and found.clipped < 0.05
    assert relit(image, light=found) is image
    assert list(found.lines()) == ["no cast beyond what portraits usually have; colours are kept"]


@pytest.mark.parametrize("skin", SKINS)
def test_a_dark_face_is_exposed_by_its_brightest_spots_and_not_by_its_skin(skin: str) -> None:
    image, face = drawn(skin, light=(0.28, 0.28, 0.28))
    found = face_light(image, face=face)
    # its spots are at 0.7 * 0.28 of white; level 190 is 0.515 of it, and 2 is the most
    assert found.exposure == 2.0 and any("too dark" in line for line in found.lines())
    truth, _ = drawn(skin, light=(0.56, 0.56, 0.56))
    assert np.abs(relit(image, light=found).astype(int) - truth).max() <= 3
    less = face_light(drawn(skin, light=(0.4, 0.4, 0.4))[0], face=face)
    assert less.exposure == pytest.approx(0.515 / 0.28, rel=0.02)


def test_dark_skin_in_good_light_is_not_made_lighter() -> None:
    image, face = drawn("dark", gloss=0.4)  # seven bits are seen between brows and gloss
    assert face_light(image, face=face).exposure == 1


def test_what_shows_no_whites_keeps_its_colours() -> None:
    image, face = drawn("light", light=WARM)
    shut = face_light(image, face=replace(face, openness=(0.3, 0.1)))
    assert shut.cast is None and shut.gains == (1, 1, 1) and "not seen well enough" in next(shut.lines())
    lids = image.copy()
    lids[160:200] = image[240, 200]
    assert face_light(lids, face=face).cast is None
    outside = face.moved(np.array([[1.0, 0, 900], [0, 1.0, 900]]))
    assert face_light(image, face=outside).cast is None


def test_what_is_overexposed_is_told() -> None:
    image, face = drawn("light", light=(2.4, 2.4, 2.4))
    found = face_light(image, face=face)
    assert found.clipped > 0.5 and any("overexposed" in line for line in found.lines())


def test_black_stays_black_white_stays_white_and_no_level_passes_another() -> None:
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    changed = with_curves(ramp, gains=np.array([1.8, 1.0, 0.5]))[0].astype(int)
    assert changed[0].tolist() == [0, 0, 0] and changed[255].tolist() == [255, 255, 255]
    assert (np.diff(changed, axis=0) >= 0).all() and (changed[:, 1] == np.arange(256)).all()
    # level 100 is 0.1274 of the light of white; 1.8 times that is level 132
    assert changed[100].tolist() == [132, 100, levels(np.array([0.5 * 0.12744]))[0]]
