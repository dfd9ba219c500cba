from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from torchmetrics.functional.classification import binary_jaccard_index, multiclass_jaccard_index

from curation.labels.masks import mask_of
from models.metrics.confusion import (
    Confusion,
    background_iou,
    confusion,
    image_miou,
    person_iou,
)

TRUTH = np.uint8([[0, 255, 255], [0, 255, 255]])
PREDICTION = np.uint8([[255, 255, 0], [0, 255, 0]])
binary = arrays.arrays(np.bool_, (7, 5))


def as_mask(is_person: np.ndarray) -> np.ndarray:
    return np.where(is_person, np.uint8(255), np.uint8(0))


def test_counts_and_iou_of_a_pair_worked_by_hand() -> None:
    counts = confusion(PREDICTION, truth=TRUTH)
    assert counts == Confusion(tp=2, fp=1, fn=2, tn=1)
    assert counts.valid == 6
    assert person_iou(counts) == 2 / 5
    assert background_iou(counts) == 1 / 4
    assert image_miou(counts) == pytest.approx((2 / 5 + 1 / 4) / 2)


def test_pixels_that_are_not_valid_do_not_count() -> None:
    valid = np.array([[False, True, False], [True, True, True]])
    assert confusion(PREDICTION, truth=TRUTH, valid=valid) == Confusion(tp=2, fp=0, fn=1, tn=1)
    nothing = confusion(PREDICTION, truth=TRUTH, valid=np.zeros((2, 3), bool))
    assert nothing == Confusion(tp=0, fp=0, fn=0, tn=0)


def test_masks_of_0_and_1_count_like_masks_of_0_and_255() -> None:
    assert confusion(PREDICTION // 255, truth=TRUTH) == confusion(PREDICTION, truth=TRUTH)


def test_iou_of_two_empty_masks_is_one() -> None:
    empty = np.zeros((4, 4), np.uint8)
    counts = confusion(empty, truth=empty)
    assert (person_iou(counts), background_iou(counts), image_miou(counts)) == (1.0, 1.0, 1.0)


def test_a_person_found_where_there_is_none_costs_half_of_the_mean_and_more() -> None:
    found = np.uint8([[255, 0, 0, 0]])
    counts = confusion(found, truth=np.zeros_like(found))
    assert person_iou(counts) == 0.0
    assert image_miou(counts) == 3 / 8


@given(prediction=binary, truth=binary, valid=binary)
def test_iou_is_the_share_of_the_pixels_in_both_sets_among_those_in_either(
    prediction: np.ndarray, truth: np.ndarray, valid: np.ndarray
) -> None:
    counts = confusion(as_mask(prediction), truth=as_mask(truth), valid=valid)
    for iou, is_inverted in ((person_iou, False), (background_iou, True)):
        found = set(np.flatnonzero((prediction ^ is_inverted) & valid))
        labelled = set(np.flatnonzero((truth ^ is_inverted) & valid))
        expected = len(found & labelled) / len(found | labelled) if found | labelled else 1.0
        assert iou(counts) == expected


def test_iou_is_that_of_torchmetrics() -> None:
    rng = np.random.default_rng(5)
    for share in (0.02, 0.3, 0.9):
        truth, is_flipped = rng.random((64, 48)) < share, rng.random((64, 48)) < 0.2
        counts = confusion(as_mask(truth ^ is_flipped), truth=as_mask(truth))
        tensors = torch.from_numpy(truth ^ is_flipped).int(), torch.from_numpy(truth).int()
        assert person_iou(counts) == pytest.approx(float(binary_jaccard_index(*tensors)))
        assert image_miou(counts) == pytest.approx(float(multiclass_jaccard_index(*tensors, num_classes=2)))


@given(prediction=binary, truth=binary)
def test_swapping_prediction_and_label_swaps_the_errors(prediction: np.ndarray, truth: np.ndarray) -> None:
    there = confusion(as_mask(prediction), truth=as_mask(truth))
    back = confusion(as_mask(truth), truth=as_mask(prediction))
    assert there == Confusion(tp=back.tp, fp=back.fn, fn=back.fp, tn=back.tn)
    assert image_miou(there) == image_miou(back)


@given(one=binary, other=binary)
def test_counts_of_two_pairs_add_up_to_those_of_the_pairs_side_by_side(one: np.ndarray, other: np.ndarray) -> None:
    truth = np.roll(one, 1, axis=0)
    together = confusion(np.hstack([as_mask(one), as_mask(other)]), truth=np.hstack([as_mask(truth), as_mask(truth)]))
    assert together == confusion(as_mask(one), truth=as_mask(truth)) + confusion(as_mask(other), truth=as_mask(truth))


def test_masks_of_other_sizes_are_refused() -> None:
    with pytest.raises(AssertionError, match=r"\(2, 3\) for a label of \(3, 2\)"):
        confusion(PREDICTION, truth=TRUTH.reshape(3, 2))
    with pytest.raises(AssertionError, match="valid"):
        confusion(PREDICTION, truth=TRUTH, valid=np.ones((1, 6), bool))


@given(st.floats(0, 1, width=32))
def test_a_probability_cut_as_stored_is_cut_as_it_was(probability: float) -> None:
    values = np.full((2, 2), probability, np.float32)
    stored = np.rint(values * 255).astype(np.uint8)
    assert ((stored >= 128) == (mask_of(values) == 255)).all()


def test_the_cut_includes_one_half_and_nothing_below() -> None:
    below = np.nextafter(np.float32(0.5), np.float32(0))
    assert mask_of(np.array([[below, 0.5]], np.float32)).tolist() == [[0, 255]]
