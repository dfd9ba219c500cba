"""Faces move with the images that augmentation makes: what they are drawn as and where they are told to be agree."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from curation.images.faces import Face
from curation.images.pixels import Image, encode_gray, encode_image
from models.data.augmentation import POLICIES, Policy
from models.data.choose_samples import LabelledImage
from models.data.images import Draw, Example, ImageOptions, LabelledImages
from models.faces.places import WINDOW_HALF, place_of

SIZE = (96, 128)
POINTS = {"left": (46.0, 40.0), "right": (70.0, 44.0), "mouth": (54.5, 66.0)}
EYE_DISTANCE = 1 / WINDOW_HALF
"""In the window of the face."""


def face(left: tuple[float, float], right: tuple[float, float], mouth: tuple[float, float]) -> Face:
    between = np.add(left, right) / 2
    chin = between + 1.75 * (np.array(mouth) - between)
    return Face(
        box=(0, 0, 1, 1),
        confidence=1.0,
        eyes=(left, right),
        mouth=mouth,
        chin=(float(chin[0]), float(chin[1])),
        is_chin_seen=True,
    )


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> LabelledImage:
    """A grey picture with a dot of a colour of its own for each eye and the mouth, known to lie there."""
    folder = tmp_path_factory.mktemp("dots")
    image = np.full((*SIZE, 3), 90, np.uint8)
    for channel, (x, y) in enumerate(POINTS.values()):
        colour = [255 if other == channel else 0 for other in range(3)]
        cv2.circle(image, (round(16 * (x - 0.5)), round(16 * (y - 0.5))), 16 * 5, colour, -1, shift=4)
    mask = np.zeros(SIZE, np.uint8)
    mask[20:, 30:90] = 255
    (folder / "image.png").write_bytes(encode_image(image))
    (folder / "mask.png").write_bytes(encode_gray(mask))
    place = place_of(face(*POINTS.values()), size=SIZE)
    where = tuple(map(float, place.ravel()))
    return LabelledImage(key="dots/1", folder=folder, image="image.png", label="mask.png", ignore=None, place=where)


def seen_at(point: tuple[float, float], *, frame: tuple[int, int]) -> NDArray[np.float64]:
    """Return a point (x, y) in pixels as (x, y, 1), from -1 to 1 in a frame of (height, width)."""
    return np.array([2 * point[0] / frame[1] - 1, 2 * point[1] / frame[0] - 1, 1])


def drawn(sample: LabelledImage, *, policy: Policy, epoch: int, **changes: Any) -> Example:
    told = {"classes": 1, "patch_px": 150} | changes
    options = ImageOptions(input_size=(160, 192), policy=policy, seed=5, **told)
    example = LabelledImages([sample], validation=[sample], options=options)[Draw(epoch=epoch, index=0)]
    assert isinstance(example, Example)
    return example


def seen_dots(image: Image) -> dict[str, tuple[float, float]]:
    """Return the middles of the dots that are seen whole, by name, from -1 to 1 in the frame."""
    found = {}
    height, width = image.shape[:2]
    for channel, name in enumerate(POINTS):
        others = np.delete(image, channel, axis=2).max(axis=2).astype(int)
        ys, xs = np.nonzero(image[..., channel] - others > 60)
        if xs.size > 40 and xs.min() > 0 and xs.max() < width - 1 and ys.min() > 0 and ys.max() < height - 1:
            found[name] = (2 * (xs.mean() + 0.5) / width - 1, 2 * (ys.mean() + 0.5) / height - 1)
    return found


@pytest.mark.parametrize("policy", POLICIES)
def test_the_dots_of_a_face_stay_where_they_are_in_its_window(sample: LabelledImage, policy: Policy) -> None:
    known = {name: seen_at(point, frame=SIZE) @ sample.face.T for name, point in POINTS.items()}
    apart, mirrored = [], 0
    for epoch in range(30):
        example = drawn(sample, policy=policy, epoch=epoch)
        assert example.place is not None
        dots = seen_dots(example.image)
        if len(dots) < len(POINTS):
            continue
        is_mirrored = dots["left"][0] > dots["right"][0]
        mirrored += is_mirrored
        for name, (x, y) in dots.items():
            told = example.place @ (x, y, 1)
            apart.append(np.abs(told - known[name] * (-1 if is_mirrored else 1, 1)).max() / EYE_DISTANCE)
    assert len(apart) >= 12
    assert (mirrored > 0) == (policy != "none")
    assert max(apart) < 0.06, "in distances between the eyes, which are 12 to 60 pixels here"


@pytest.mark.parametrize("epoch", range(4))
def test_with_class_maps_whose_mirror_changes_classes_the_image_moves_as_ever(
    sample: LabelledImage, epoch: int
) -> None:
    (sample.folder / "classes.png").write_bytes(encode_gray(np.ones(SIZE, np.uint8)))
    mapped = replace(sample, label="classes.png", is_class_map=True)
    maps: dict[str, Any] = {"classes": 3, "labels": "classes", "mirrored": (0, 2, 1)}
    with_face = drawn(mapped, policy="framed", epoch=epoch, **maps)
    without = drawn(replace(mapped, place=None), policy="framed", epoch=epoch, **maps)
    np.testing.assert_array_equal(with_face.image, without.image)
    np.testing.assert_array_equal(with_face.label, without.label)
    assert with_face.place is not None and without.place is None
    if len(dots := seen_dots(with_face.image)) == len(POINTS):
        known = {name: seen_at(point, frame=SIZE) @ sample.face.T for name, point in POINTS.items()}
        side = -1 if dots["left"][0] > dots["right"][0] else 1
        for name, (x, y) in dots.items():
            np.testing.assert_allclose(with_face.place @ (x, y, 1), known[name] * (side, 1), atol=0.06 * EYE_DISTANCE)


def test_upside_down_the_face_is_upside_down(sample: LabelledImage) -> None:
    straight = drawn(sample, policy="none", epoch=0).place
    seen = [drawn(sample, policy="none", epoch=epoch, vertical_flip=True).place for epoch in range(8)]
    assert straight is not None
    flipped = [place for place in seen if place is not None and not np.allclose(place, straight, atol=1e-4)]
    assert 0 < len(flipped) < 8
    for place in flipped:  # what is below the eyes lies above them now, and the face is turned, not mirrored
        np.testing.assert_allclose(place[1] @ (0.2, 0.3, 1), straight[1] @ (0.2, -0.3, 1), atol=1e-4)
        assert np.linalg.det(place[:, :2]) > 0


def test_without_a_face_there_are_zeros_however_the_image_moves(sample: LabelledImage) -> None:
    faceless = drawn(replace(sample, place=()), policy="modern", epoch=0)
    assert faceless.place is not None and not faceless.place.any()


def test_what_judges_has_the_place_as_it_was_found(sample: LabelledImage) -> None:
    options = ImageOptions(classes=1, input_size=(160, 192), policy="modern", seed=5)
    example = LabelledImages([sample], validation=[sample], options=options)[Draw(epoch=None, index=0)]
    assert isinstance(example, Example) and example.place is not None
    np.testing.assert_allclose(example.place, sample.face, rtol=1e-6)
