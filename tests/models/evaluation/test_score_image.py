from __future__ import annotations

import cv2
import numpy as np
import pytest

from curation.labels.masks import mask_of
from models.data.truth import Truth
from models.evaluation.score_image import score_image, to_8_bit
from tests.models.drawn import H, W, person

ROW = {
    "id": "a",
    "width": W,
    "height": H,
    "persons": 1,
    "source": "drawn",
    "split": "test",
    "label_version": 2,
    "group": "g",
}


def test_a_prediction_is_scored_at_the_size_of_its_label() -> None:
    mask = person()
    half = cv2.resize(mask, (W // 2, H // 2), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    score, stored = score_image(half, truth=Truth(mask=mask), row=ROW, dataset="d")
    assert stored is not None and stored.shape == (H, W)
    # bilinear growth by two puts the edges of an even rectangle back where they were
    assert score.miou == 1.0
    assert (score.width, score.height, score.is_finite) == (W, H, True)
    assert (score.id, score.dataset, score.split, score.label_version, score.group) == ("a", "d", "test", 2, "g")


def test_scores_of_a_shifted_rectangle_worked_by_hand() -> None:
    prediction = person(left=10, right=24).astype(np.float32) / 255  # 30 rows, 14 columns, 12 of them shared
    score, _ = score_image(prediction, truth=Truth(mask=person()), row=ROW, dataset="d")
    assert (score.tp, score.fp, score.fn, score.tn) == (360, 60, 60, 720)
    assert score.iou_person == pytest.approx(360 / 480)
    assert score.iou_background == pytest.approx(720 / 840)
    assert score.miou == pytest.approx((360 / 480 + 720 / 840) / 2)
    assert score.uncertainty == 0.0
    assert score.person_area == pytest.approx(30 * 14 / (H * W))
    assert score.touches_border is True
    assert (score.hole_recall, score.hole_area, score.false_foreground, score.sad) == (None, 0.0, None, None)


def test_the_share_taken_for_person_is_told_where_there_is_nobody() -> None:
    prediction = np.zeros((H, W), np.float32)
    prediction[:4] = 0.9
    score, _ = score_image(prediction, truth=Truth(mask=np.zeros((H, W), np.uint8)), row=ROW, dataset="d")
    assert score.false_foreground == pytest.approx(0.1)
    assert score.iou_person == 0.0
    assert score.miou == pytest.approx(0.45)
    assert (score.touches_border, score.person_area) == (False, 0.0)


def test_a_filled_hole_is_seen() -> None:
    mask = person()
    mask[20:26, 12:18] = 0
    score, _ = score_image(person().astype(np.float32) / 255, truth=Truth(mask=mask), row=ROW, dataset="d")
    assert score.hole_recall == 0.0
    assert score.hole_area == pytest.approx(36 / (H * W))


def test_errors_of_an_alpha_are_those_over_the_frame_and_over_the_band() -> None:
    alpha = person()
    band = np.zeros((H, W), bool)
    band[:, 8] = True
    prediction = person().astype(np.float32) / 255
    prediction[10:, 8] = 0.5
    prediction[0, 0] = 0.25
    score, _ = score_image(prediction, truth=Truth(mask=person(), alpha=alpha, band=band), row=ROW, dataset="d")
    assert score.sad == pytest.approx((30 * 0.5 + 0.25) / 1000)
    assert score.sad_band == pytest.approx(30 * 0.5 / 1000)
    assert score.mse_band == pytest.approx(30 * 0.25 / 40)


def test_errors_of_an_alpha_are_not_counted_where_pixels_are_ignored() -> None:
    valid = np.ones((H, W), bool)
    valid[:20] = False
    band = np.zeros((H, W), bool)
    band[:, 8] = True
    prediction = person().astype(np.float32) / 255
    prediction[10:, 8] = 0.5
    truth = Truth(mask=person(), valid=valid, alpha=person(), band=band)
    score, _ = score_image(prediction, truth=truth, row=ROW, dataset="d")
    assert score.sad == score.sad_band == pytest.approx(20 * 0.5 / 1000)
    assert score.mse_band == pytest.approx(0.25)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_prediction_that_is_not_finite_has_no_scores(value: float) -> None:
    prediction = np.full((H, W), 0.9, np.float32)
    prediction[3, 3] = value
    for given in (prediction, None):
        score, stored = score_image(given, truth=Truth(mask=person()), row=ROW, dataset="d")
        assert stored is None
        assert (score.is_finite, score.miou, score.tp, score.uncertainty) == (False, None, None, None)
        assert score.person_area > 0


def test_what_is_stored_is_cut_as_the_probability_is() -> None:
    half = np.float32(0.5)
    below = np.nextafter(half, np.float32(0))
    values = np.concatenate([[0, below, half, 1], np.random.default_rng(1).random(2000)]).astype(np.float32)[None]
    assert (mask_of(to_8_bit(values)) == mask_of(values)).all()
    assert (to_8_bit(values) == np.rint(values.astype(np.float64) * 255)).all()
