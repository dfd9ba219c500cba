from __future__ import annotations

import numpy as np
import pytest

from models.metrics.summary import Summary, summarise

NAN = float("nan")


def columns(**values: list[float]) -> dict[str, np.ndarray]:
    number = len(values["miou"])
    empty = {name: [1.0] * number for name in ("iou_person", "iou_background", "boundary_iou", "tp", "fp", "fn", "tn")}
    return {name: np.array(value, np.float64) for name, value in (empty | values).items()}


def test_mean_spread_and_percentiles_worked_by_hand() -> None:
    found = summarise(columns(miou=[0.6, 0.8, 1.0, 0.8]))
    assert found.miou_image == pytest.approx(0.8)
    assert found.std == pytest.approx(np.sqrt((0.04 + 0 + 0.04 + 0) / 4))
    assert found.p50 == pytest.approx(0.8)
    assert found.p5 == pytest.approx(0.6 + 0.15 * 0.2)  # linear between the order statistics 0.6 and 0.8
    assert found.p95 == pytest.approx(0.8 + 0.85 * 0.2)


def test_an_image_at_0_8_is_not_hard_and_one_below_is() -> None:
    assert summarise(columns(miou=[0.8, np.nextafter(0.8, 0), 0.9, 0.2])).share_under == 0.5


def test_the_miou_of_the_set_comes_from_summed_counts() -> None:
    # 10 of 20 person pixels and 70 of 80 background pixels, in both images together
    found = summarise(columns(miou=[0.5, 0.5], tp=[8, 2], fp=[3, 1], fn=[1, 5], tn=[60, 10]))
    assert found.miou_dataset == pytest.approx((10 / 20 + 70 / 80) / 2)


def test_a_prediction_that_is_not_finite_has_no_score_but_is_hard_and_counted() -> None:
    found = summarise(columns(miou=[0.9, NAN], tp=[5, NAN], fp=[0, NAN], fn=[0, NAN], tn=[5, NAN]))
    assert (found.images, found.not_finite) == (2, 1)
    assert found.miou_image == 0.9
    assert found.miou_dataset == 1.0
    assert found.share_under == 0.5


def test_images_without_any_person_are_left_out_of_the_mean_of_the_class() -> None:
    found = summarise(
        columns(miou=[0.5, 1.0], iou_person=[0.4, 1.0], boundary_iou=[0.2, 1.0], tp=[2, 0], fp=[1, 0], fn=[2, 0])
    )
    assert (found.iou_person, found.boundary_iou) == (0.4, 0.2)
    assert found.miou_image == 0.75


def test_holes_and_false_foreground_count_where_they_can_be() -> None:
    found = summarise(columns(miou=[0.5] * 4, hole_recall=[0.2, NAN, 0.6, NAN], false_foreground=[NAN, 0.1, NAN, NAN]))
    assert (found.with_holes, found.hole_recall) == (2, pytest.approx(0.4))
    assert (found.without_person, found.false_foreground) == (1, 0.1)


def test_matting_errors_are_named_as_their_columns() -> None:
    found = summarise(columns(miou=[0.5, 0.5], sad=[1, 3], sad_band=[NAN, 5], mse=[NAN, NAN]))
    assert found.matting == {"sad": 2.0, "sad_band": 5.0}


@pytest.mark.parametrize("miou", [[], [NAN]])
def test_without_a_score_there_is_no_number_to_mislead(miou: list[float]) -> None:
    nothing = {name: [NAN] * len(miou) for name in ("tp", "fp", "fn", "tn", "iou_person", "boundary_iou")}
    found = summarise(columns(miou=miou, **nothing))
    assert isinstance(found, Summary)
    assert (found.miou_image, found.miou_dataset, found.std, found.p50) == (None, None, None, None)
    assert found.share_under == (1.0 if miou else None)
