"""Scores of trimaps, counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from models.metrics.trimaps import trimap_scores

TRUTH = np.array([[0, 0, 0, 128, 128, 128, 128, 255, 255, 255]], np.uint8)
ALPHA = np.array([[0, 0, 0, 0, 90, 200, 255, 255, 255, 255]], np.uint8)


def test_iou_of_each_class_recall_of_the_band_and_cover_of_what_is_soft() -> None:
    found = np.array([[0, 0, 0, 0, 128, 255, 128, 255, 255, 128]], np.uint8)
    scores = trimap_scores(found, truth=TRUTH, alpha=ALPHA)
    assert scores.miou == pytest.approx((3 / 4 + 2 / 5 + 2 / 4) / 3)
    assert scores.recall == 2 / 4
    assert scores.covered == 1 / 2
    assert scores.score == pytest.approx((scores.miou * 0.5 * 0.5) ** (1 / 3))


def test_calling_everything_unknown_is_not_liked() -> None:
    nearly = TRUTH.copy()
    nearly[0, 3:5] = 0, 255
    everything = np.full_like(TRUTH, 128)
    assert (
        trimap_scores(everything, truth=TRUTH, alpha=ALPHA).score
        < trimap_scores(nearly, truth=TRUTH, alpha=ALPHA).score
    )


def test_what_is_not_there_does_not_count() -> None:
    empty = np.zeros((2, 3), np.uint8)
    scores = trimap_scores(empty, truth=empty, alpha=empty)
    assert (scores.miou, scores.recall, scores.covered, scores.score) == (1.0, None, None, 1.0)
    valid = np.array([[True] * 3 + [False] * 7])
    assert trimap_scores(255 - TRUTH, truth=TRUTH, valid=valid).miou == 0
