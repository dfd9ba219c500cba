"""Confusion and IoU of classes against scikit-learn and torchmetrics."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import confusion_matrix, jaccard_score
from torchmetrics.functional import jaccard_index

from models.metrics.class_confusion import (
    class_confusion,
    class_facts,
    class_ious,
    confusion_picture,
    mean_class_iou,
    person_iou_of_classes,
)

CLASSES = 5


@pytest.fixture
def maps() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, CLASSES, (20, 30), dtype=np.uint8)
    prediction = np.where(rng.random(truth.shape) < 0.6, truth, rng.integers(0, CLASSES, truth.shape)).astype(np.uint8)
    return prediction, truth, rng.random(truth.shape) < 0.8


def test_counts_are_those_of_scikit_learn(maps: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    prediction, truth, valid = maps
    expected = confusion_matrix(truth[valid], prediction[valid], labels=range(CLASSES))
    assert (class_confusion(prediction, truth=truth, classes=CLASSES, valid=valid) == expected).all()


def test_ious_are_those_of_scikit_learn_and_torchmetrics(maps: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    prediction, truth, _ = maps
    counts = class_confusion(prediction, truth=truth, classes=CLASSES)
    expected = jaccard_score(truth.ravel(), prediction.ravel(), average=None)
    assert class_ious(counts) == pytest.approx(expected.tolist())
    mean = jaccard_index(torch.tensor(prediction), torch.tensor(truth), task="multiclass", num_classes=CLASSES)
    assert mean_class_iou(counts) == pytest.approx(float(mean), rel=1e-5)
    person = jaccard_score(truth.ravel() > 0, prediction.ravel() > 0)
    assert person_iou_of_classes(counts) == pytest.approx(person)


def test_what_is_in_no_label_and_no_prediction_has_no_iou() -> None:
    nobody = class_confusion(np.zeros((2, 2), np.uint8), truth=np.zeros((2, 2), np.uint8), classes=3)
    assert class_ious(nobody) == [1.0, None, None]
    assert mean_class_iou(nobody) == 1.0
    assert person_iou_of_classes(nobody) is None
    assert mean_class_iou(np.zeros((3, 3), np.int64)) is None


def test_the_picture_names_classes_and_shares() -> None:
    counts = np.array([[3, 1], [0, 4]])
    picture = confusion_picture(counts, names=["background", "<hair>"]).decode()
    assert "&lt;hair&gt;" in picture
    assert "<hair>" not in picture
    assert [share for share in ("0.75", "0.25", "1.00") if f">{share}<" not in picture] == []
    assert class_facts(counts, names=["background", "hair"])["iou"] == {"background": 0.75, "hair": 0.8}
