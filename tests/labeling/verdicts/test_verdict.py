from __future__ import annotations

import numpy as np
import pytest

from labeling.verdicts.evidence import Evidence, evidence_of
from labeling.verdicts.verdict import VERDICTS, Verdict, verdict


def label(*, rows: slice = slice(10, 90), columns: slice = slice(20, 80)) -> np.ndarray:
    mask = np.zeros((100, 100), np.uint8)
    mask[rows, columns] = 255
    return mask


def test_predictions_that_are_sure_of_a_missing_half_contradict_the_label() -> None:
    found = evidence_of(label(), others=[label()], truth=label(rows=slice(10, 50)))
    assert found.contradicted == pytest.approx(0.5, abs=0.05)
    assert found.interior_error == found.contradicted
    assert found.disagreement == 0.0
    assert found.best_other is not None and found.best_other < 0.8


def test_one_unsure_prediction_of_two_takes_the_certainty_away() -> None:
    unsure = np.where(label() > 0, np.uint8(150), np.uint8(100))
    found = evidence_of(label(), others=[unsure], truth=label(rows=slice(10, 50)))
    assert found.contradicted == 0.0 and found.interior_error > 0.4


def test_an_outline_that_is_off_by_a_pixel_contradicts_nothing() -> None:
    found = evidence_of(label(rows=slice(9, 91)), others=[], truth=label())
    assert found.contradicted == found.interior_error == 0.0
    assert found.disagreement is None and found.best_other is None


def test_pixels_that_do_not_count_are_no_evidence() -> None:
    valid = np.ones((100, 100), bool)
    valid[50:90] = False
    found = evidence_of(label(), others=[], truth=label(rows=slice(10, 50)), valid=valid)
    assert found.contradicted == found.interior_error == 0.0


def evidence(
    *, contradicted: float = 0.0, interior: float = 0.0, differ: float | None = None, other: float | None = None
) -> Evidence:
    return Evidence(contradicted=contradicted, interior_error=interior, disagreement=differ, best_other=other)


@pytest.mark.parametrize(
    ("given", "miou", "boundary", "expected"),
    [
        (evidence(contradicted=0.3, interior=0.4), 0.95, 0.9, "label_error"),
        (evidence(interior=0.01), 0.9, 0.2, "boundary_only"),
        (evidence(interior=0.01), 0.9, 0.7, "ok"),
        (evidence(interior=0.2), 0.9, 0.7, "ok"),
        (evidence(interior=0.01), 0.7, 0.1, "boundary_only"),
        (evidence(interior=0.4, differ=0.1, other=0.9), 0.5, 0.1, "model_error"),
        (evidence(interior=0.4, differ=0.5, other=0.4), 0.5, 0.1, "model_error"),
        (evidence(interior=0.4, differ=0.1, other=0.4), 0.5, 0.1, "ambiguous"),
        (evidence(interior=0.4), 0.5, 0.1, "ambiguous"),
        (None, None, None, "model_error"),
    ],
)
def test_the_rule_as_it_is_written_down(
    given: Evidence | None, miou: float | None, boundary: float | None, expected: Verdict
) -> None:
    assert verdict(given, miou=miou, boundary_iou=boundary) == expected
    assert expected in VERDICTS


@pytest.mark.parametrize(
    ("contradicted", "support", "predictions", "expected"),
    [
        (0.3, 0.9, 2, "ambiguous"),  # the outline lies on edges: two that are sure may both miss a person
        (0.3, 0.9, 3, "label_error"),
        (0.3, None, 2, "label_error"),
        (0.0, 0.1, 2, "label_error"),
        (0.0, 0.9, 3, "ambiguous"),
    ],
)
def test_what_two_predictions_are_sure_of_yields_to_what_the_image_says(
    contradicted: float, support: float | None, predictions: int, expected: Verdict
) -> None:
    given = Evidence(
        contradicted=contradicted,
        interior_error=0.4,
        disagreement=0.1,
        best_other=0.6,
        outline_support=support,
        predictions=predictions,
    )
    assert verdict(given, miou=0.5, boundary_iou=0.1) == expected
