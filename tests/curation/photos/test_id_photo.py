"""ID photos of a drawn person whose face, crown and chin are known, and what is refused."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest

from curation.images.faces import Face
from curation.images.pixels import Alpha, Image
from curation.photos.id_photo import IdPhoto, IdRules, id_photo
from curation.photos.sizes import ID_SIZES
from curation.quarantine import BadRecord, Code

SCHENGEN = IdRules(size=ID_SIZES["schengen"], pixels=(531, 413), colour=(217, 0, 18))
AMERICAN = IdRules(size=ID_SIZES["us"], pixels=(600, 600), colour=(255, 255, 255))
CROWN, CHIN, EYES, MIDDLE = 200, 540, 370, 400
"""Of the drawn person: a head of 340 pixels, with its crown 1.7 distances between the eyes above them."""
APART = 100
SKIN = (200, 160, 120)


def drawn(*, lean: float = 0.0, hair: int = 0, size: tuple[int, int] = (1000, 800)) -> tuple[Image, Alpha, Face]:
    """Return a person, leaning by degrees, with so many pixels of hair above the crown; alpha, and the face."""
    alpha = np.zeros((1000, 800), np.uint8)
    cv2.ellipse(alpha, (MIDDLE, (CROWN + CHIN) // 2), (125, (CHIN - CROWN) // 2), 0, 0, 360, 255, -1)
    if hair:
        cv2.ellipse(alpha, (MIDDLE, (CROWN + CHIN) // 2), (125, (CHIN - CROWN) // 2 + hair), 0, 180, 360, 255, -1)
    cv2.rectangle(alpha, (MIDDLE - 60, CHIN - 60), (MIDDLE + 60, CHIN + 120), 255, -1)
    cv2.ellipse(alpha, (MIDDLE, 900), (300, 300), 0, 0, 360, 255, -1)
    image = np.full((1000, 800, 3), 90, np.uint8)
    image[alpha > 0] = SKIN
    for x, y in ((MIDDLE - APART // 2, EYES), (MIDDLE + APART // 2, EYES), (MIDDLE, 460)):
        cv2.rectangle(image, (x - 18, y - 4), (x + 18, y + 4), (40, 30, 30), -1)
    face = Face(
        box=(MIDDLE - 110, EYES - 40, MIDDLE + 110, CHIN),
        confidence=0.9,
        eyes=((MIDDLE - APART / 2, EYES), (MIDDLE + APART / 2, EYES)),
        mouth=(MIDDLE, 460),
        chin=(MIDDLE, CHIN),
        is_chin_seen=True,
        turned=0.0,
        nodded=-8.0,
        openness=(0.3, 0.3),
    )
    matrix = np.asarray(cv2.getRotationMatrix2D((MIDDLE, EYES), -lean, 1.0), np.float64)
    flags: dict[str, Any] = {"borderMode": cv2.BORDER_REPLICATE}
    turned, shape = (cv2.warpAffine(one, matrix, size[::-1], **flags) for one in (image, alpha))
    return np.asarray(turned, np.uint8), np.asarray(shape, np.uint8), face.moved(matrix)


def made(image: Image, alpha: Alpha, *faces: Face, rules: IdRules = SCHENGEN) -> IdPhoto:
    photo, _ = id_photo(image, alpha=alpha, faces=faces, rules=rules, file="me.jpg")
    assert isinstance(photo, IdPhoto), photo
    return photo


def refusal(image: Image, alpha: Alpha, *faces: Face, rules: IdRules = SCHENGEN) -> BadRecord:
    photo, _ = id_photo(image, alpha=alpha, faces=faces, rules=rules, file="me.jpg")
    assert isinstance(photo, BadRecord)
    assert photo.file == "me.jpg" and photo.hint
    return photo


def rows_of(photo: IdPhoto, *, colour: tuple[int, int, int]) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return the rows of the middle column of a photo that have a colour: its own measure, from the pixels."""
    column = photo.picture[:, photo.picture.shape[1] // 2].astype(int)
    return np.flatnonzero(np.abs(column - colour).sum(axis=1) < 60)


@pytest.mark.parametrize("lean", [0.0, -12.0, 7.5])
def test_crown_and_chin_are_where_the_office_wants_them_and_the_eyes_are_level(lean: float) -> None:
    photo = made(*drawn(lean=lean))
    assert photo.picture.shape == (531, 413, 3)
    crown = int(rows_of(photo, colour=SKIN)[0])  # from the pixels alone
    height = (CHIN - CROWN) / (EYES - CROWN) * (_row_of_eyes(photo)[0] - crown)
    assert 32 <= height * 45 / 531 <= 36
    assert 22.5 <= (531 - _row_of_eyes(photo)[0]) * 45 / 531 <= 31.5
    left, right = _row_of_eyes(photo, half="left"), _row_of_eyes(photo, half="right")
    assert abs(left[0] - right[0]) < 1.5
    assert (left[1] + right[1]) / 2 == pytest.approx(413 / 2, abs=1.5)
    assert photo.picture[0, 0].tolist() == [217, 0, 18]


def _row_of_eyes(photo: IdPhoto, *, half: str = "both") -> tuple[float, float]:
    """Return the middle (row, column) of what is dark in the upper half of a photo."""
    dark = photo.picture.max(axis=2) < 100  # the background is red
    dark[round(0.6 * len(dark)) :] = False
    middle = dark.shape[1] // 2
    if half != "both":
        dark[:, middle:] &= half == "right"
        dark[:, :middle] &= half == "left"
    rows, columns = np.nonzero(dark)
    return float(rows.mean()), float(columns.mean()) + 0.5


def test_a_point_of_the_photograph_is_found_in_the_photo() -> None:
    image, alpha, face = drawn(lean=9.0)
    photo = made(image, alpha, face)
    inside = face.moved(photo.matrix)
    assert inside.chin[1] == pytest.approx(photo.lines.chin, abs=1) and inside.tilt == pytest.approx(0, abs=0.2)
    eyes = _row_of_eyes(photo)
    assert inside.between_eyes == pytest.approx((eyes[1], eyes[0] + 0.5), abs=1.5)


def test_hair_counts_where_the_office_counts_it() -> None:
    given = drawn(hair=120)
    photo = made(*given, rules=AMERICAN)
    with_hair = (photo.lines.chin - rows_of(photo, colour=SKIN)[0]) * 50.8 / 600
    assert 25 <= with_hair <= 35 and with_hair == pytest.approx(30, abs=1)
    assert "or what the model takes for it, reaches" in refusal(*given).reason
    european = made(*drawn(hair=50))
    assert 32 <= european.lines.bare * 45 / 531 <= 36 < european.lines.with_hair * 45 / 531
    assert rows_of(european, colour=SKIN)[0] > 0, "the hair is not cut off"
    assert any("above the crown" in warning for warning in european.warnings)


def test_usual_hair_is_within_the_limits_whether_it_is_counted_or_not() -> None:
    photo = made(*drawn(hair=25))
    assert 32 <= photo.lines.bare * 45 / 531 < photo.lines.with_hair * 45 / 531 <= 36
    assert photo.warnings == ()


def test_a_head_that_is_asked_for_is_made() -> None:
    photo = made(*drawn(), rules=replace(SCHENGEN, size=ID_SIZES["2-inch"], pixels=(579, 413), head=0.5, space=0.2))
    assert photo.lines.with_hair / 579 == pytest.approx(0.5, abs=0.02)
    assert photo.lines.hair / 579 == pytest.approx(0.2, abs=0.01)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"turned": 14.0}, "turn to the side: 14 degrees, and -10 to 10 is allowed"),
        ({"nodded": 30.0}, "nod"),
        ({"openness": (0.3, 0.1)}, "height of an eye: 0.1 of its width"),
        ({"chin": (400.0, 1003.0)}, "the chin is outside of the photograph"),
    ],
)
def test_a_face_that_no_office_takes_is_refused_with_the_reason(change: dict[str, Any], reason: str) -> None:
    image, alpha, face = drawn()
    problem = refusal(image, alpha, replace(face, **change))
    assert problem.code is Code.UNSUITABLE and problem.reason.startswith(reason)


def test_no_face_two_faces_and_nobody_are_told_apart() -> None:
    image, alpha, face = drawn()
    assert refusal(image, alpha).reason == "no face is found"
    second = face.moved(np.array([[0.4, 0, 250.0], [0, 0.4, 650.0]]))
    assert refusal(image, alpha, face, second).reason == "there are 2 faces"
    poster = face.moved(np.array([[0.4, 0, 0.0], [0, 0.4, 0.0]]))  # behind the person, and cut away with the rest
    assert made(image, alpha, face, poster)
    assert refusal(image, np.zeros_like(alpha), face).code is Code.EMPTY_ALPHA


def test_a_head_that_leans_too_far_a_blurred_and_a_small_one_are_refused() -> None:
    assert refusal(*drawn(lean=17.0)).reason.startswith("tilt of the head")
    image, alpha, face = drawn()
    blurred = np.asarray(cv2.GaussianBlur(image, (0, 0), 2 * APART / 63), np.uint8)  # 2 mm of a face
    assert refusal(blurred, alpha, face).reason.startswith("blur of the face")
    dark = image.copy()
    cv2.rectangle(dark, (MIDDLE - 100, EYES - 35), (MIDDLE + 100, EYES + 35), (30, 30, 30), -1)
    assert refusal(dark, alpha, face).reason.startswith("brightness around the eyes")
    half = np.array([[0.5, 0, 0], [0, 0.5, 0]])
    small = [np.asarray(cv2.resize(one, (400, 500), interpolation=cv2.INTER_AREA), np.uint8) for one in (image, alpha)]
    large = IdRules(size=ID_SIZES["schengen"], pixels=(1063, 827), colour=(255, 255, 255))
    assert refusal(small[0], small[1], face.moved(half), rules=large).reason.startswith("enlargement")


@pytest.mark.parametrize(
    ("rows", "columns", "reason"),
    [
        (slice(202, None), slice(None), "touches the upper edge"),
        (slice(None, 560), slice(None), "shoulders are missing"),
        (slice(None), slice(270, None), "cuts off a shoulder or hair at its left edge"),
        (slice(None), slice(None, 530), "cuts off a shoulder or hair at its right edge"),
    ],
)
def test_what_the_photograph_cuts_off_is_told(rows: slice, columns: slice, reason: str) -> None:
    image, alpha, face = drawn()
    moved = face.moved(np.array([[1.0, 0, -(columns.start or 0)], [0, 1.0, -(rows.start or 0)]]))
    assert reason in refusal(image[rows, columns], alpha[rows, columns], moved, rules=AMERICAN).reason


def test_a_mask_that_lacks_the_top_of_the_head_is_refused() -> None:
    image, alpha, face = drawn()
    alpha[: EYES - 60] = 0
    assert "where a head has 1.5" in refusal(image, alpha, face).reason


def test_background_that_is_taken_for_the_person_is_not_called_a_cut_head() -> None:
    image, alpha, face = drawn()
    alpha[: CROWN + 50, MIDDLE - 60 : MIDDLE + 60] = 255  # 370 pixels above the eyes, 3.7 times what is between them
    problem = refusal(image, alpha, face)
    assert "what the model takes for it, reaches the upper edge" in problem.reason and "--model" in problem.hint


def test_of_a_face_of_some_pixels_only_its_size_is_measured() -> None:
    image, alpha, face = drawn()
    tiny = face.moved(np.array([[0.001, 0, 400.0], [0, 0.001, 400.0]]))
    photo, measures = id_photo(image, alpha=alpha, faces=[tiny], rules=SCHENGEN)
    assert isinstance(photo, BadRecord) and [one.name for one in measures] == [photo.reason.partition(":")[0]]


def test_a_large_photograph_gives_the_photo_of_a_small_one() -> None:
    image, alpha, face = drawn(lean=6.0)
    small = made(image, alpha, face)
    large = [
        np.asarray(cv2.resize(one, None, fx=6, fy=6, interpolation=cv2.INTER_CUBIC), np.uint8) for one in (image, alpha)
    ]
    photo = made(large[0], large[1], face.moved(np.array([[6.0, 0, 0], [0, 6.0, 0]])))
    assert photo.lines.chin == pytest.approx(small.lines.chin, abs=3)
    assert face.moved(np.diag([6.0, 6.0, 1.0])[:2]).moved(photo.matrix).chin[1] == pytest.approx(
        photo.lines.chin, abs=1
    )
    assert math.isclose(photo.lines.middle, 413 / 2, abs_tol=1)
    assert (made(large[0], large[1], face.moved(np.array([[6.0, 0, 0], [0, 6.0, 0]]))).picture == photo.picture).all()
