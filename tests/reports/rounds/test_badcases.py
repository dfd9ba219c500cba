from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from curation.errors import InputRefused
from curation.images.pixels import encode_gray
from reports.rounds.badcases import (
    FALSE_PERSON,
    GAP_PX,
    LEAST_WIDTH_PX,
    LINE_PX,
    MISSED_PERSON,
    PANEL_PX,
    SCREEN,
    UNCOUNTED,
    Badcase,
    badcase_name,
    badcase_picture,
    write_badcases,
)
from tests.models.drawn import H, Sample, W, drawn_dataset, person, put

TOP = GAP_PX + 2 * LINE_PX


def case(**changes: Any) -> Badcase:
    """Return a white square image whose left half is labelled and whose top half is predicted."""
    image = np.full((100, 100, 3), 255, np.uint8)
    label, prediction = np.zeros((100, 100), np.uint8), np.zeros((100, 100), np.uint8)
    label[:, :50] = 255
    prediction[:50] = 255
    return Badcase(**({"title": "a", "image": image, "label": label, "prediction": prediction} | changes))


def panels(picture: bytes) -> list[np.ndarray]:
    """Take the four pictures out of a sheet of square ones."""
    sheet = cv2.cvtColor(cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    starts = [GAP_PX + number * (PANEL_PX + GAP_PX) for number in range(4)]
    return [sheet[TOP : TOP + PANEL_PX, x : x + PANEL_PX].astype(int) for x in starts]


def quarters(panel: np.ndarray) -> list[tuple[int, ...]]:
    """Return the colours in the middle of top left, top right, bottom left, bottom right."""
    near, far = PANEL_PX // 4, 3 * PANEL_PX // 4
    return [tuple(panel[y, x].tolist()) for y in (near, far) for x in (near, far)]


def is_near(colour: tuple[int, ...], wanted: tuple[int, int, int]) -> bool:
    """Tell whether a colour is the tint of another on white."""
    return np.abs(np.array(colour) - np.array(wanted) * 0.75 - 255 * 0.25).max() < 3


def test_the_four_pictures_are_image_label_prediction_and_errors() -> None:
    image, label, prediction, errors = map(quarters, panels(badcase_picture(case())))
    white, screened = (255, 255, 255), tuple(round(0.2 * 255 + 0.8 * channel) for channel in SCREEN)
    assert image == [white] * 4
    assert label == [white, screened, white, screened]
    assert prediction == [white, white, screened, screened]
    assert errors[0] == errors[3] == white
    assert is_near(errors[1], FALSE_PERSON) and is_near(errors[2], MISSED_PERSON)


def test_a_probability_is_shown_as_it_is_and_cut_for_the_errors() -> None:
    soft = np.full((100, 100), 127, np.uint8)
    soft[:, 50:] = 128
    _, _, prediction, errors = map(quarters, panels(badcase_picture(case(prediction=soft))))
    assert SCREEN[0] < prediction[0][0] < 255
    assert is_near(errors[0], MISSED_PERSON) and is_near(errors[1], FALSE_PERSON)


def test_pixels_that_do_not_count_are_gray_and_no_error() -> None:
    valid = np.zeros((100, 100), bool)
    valid[50:] = True
    errors = quarters(panels(badcase_picture(case(valid=valid)))[3])
    assert errors[:2] == [UNCOUNTED, UNCOUNTED]
    assert is_near(errors[2], MISSED_PERSON)


def test_a_prediction_that_is_not_finite_shows_nobody() -> None:
    _, _, prediction, errors = map(quarters, panels(badcase_picture(case(prediction=None))))
    assert len(set(prediction)) == 1
    assert is_near(errors[0], MISSED_PERSON)


@pytest.mark.parametrize("size", [(1, 1), (3000, 20), (20, 3000), (37, 53)])
def test_every_size_is_drawn_and_the_legend_fits(size: tuple[int, int]) -> None:
    blank = np.zeros(size, np.uint8)
    picture = badcase_picture(case(image=np.zeros((*size, 3), np.uint8), label=blank, prediction=blank))
    sheet = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
    assert sheet.shape[1] >= LEAST_WIDTH_PX
    assert sheet.shape[0] <= PANEL_PX + 4 * LINE_PX


def test_names_sort_by_score_and_fit_the_file_system() -> None:
    assert badcase_name("b", miou=0.1) < badcase_name("a", miou=0.91) < badcase_name("a", miou=None)
    assert badcase_name("a", miou=1.0) == "1.0000_a.png"
    longest = badcase_name("\u00e9" * 125, miou=0.5)
    assert len(longest.encode()) <= 255 and longest.endswith(".png")


def test_badcases_are_drawn_from_stored_predictions(tmp_path: Path) -> None:
    samples = [Sample(id=name, prediction=person(), mask=person()) for name in ("a", "b")]
    dataset = drawn_dataset(tmp_path / "d", samples)
    rows = {row["id"]: row for row in dataset.table.to_pylist()}
    put(tmp_path / "out" / "predictions" / "a.png", encode_gray(np.ones((H, W), np.uint8)))
    scores = [
        {"id": "a", "miou": 0.25, "iou_person": 0.1, "boundary_iou": 0.05, "is_finite": True},
        {"id": "b", "miou": None, "iou_person": None, "boundary_iou": None, "is_finite": False},
    ]
    write_badcases(scores, rows=rows, dataset=dataset.folder, out=tmp_path / "out")
    drawn = sorted(path.name for path in (tmp_path / "out" / "badcases").iterdir())
    assert drawn == ["0.2500_a.png", "none_b.png"]


def test_a_prediction_that_disappeared_is_named(tmp_path: Path) -> None:
    dataset = drawn_dataset(tmp_path / "d", [Sample(id="a", prediction=person(), mask=person())])
    rows = {row["id"]: row for row in dataset.table.to_pylist()}
    score = {"id": "a", "miou": 0.25, "iou_person": 0.1, "boundary_iou": 0.05, "is_finite": True}
    with pytest.raises(InputRefused, match="does not exist") as caught:
        write_badcases([score], rows=rows, dataset=dataset.folder, out=tmp_path / "out")
    assert caught.value.where.endswith("predictions/a.png")
