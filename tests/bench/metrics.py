"""Counting pixels against torchmetrics, and what one image costs in all its scores."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np

from curation.images.pixels import encode_gray
from curation.labels.masks import mask_of
from models.data.truth import Truth
from models.evaluation.score_image import score_image, to_8_bit
from models.metrics.boundary import boundary_iou
from models.metrics.confusion import confusion, image_miou
from models.metrics.holes import hole_recall, label_holes
from models.metrics.matting import error_maps
from models.metrics.uncertainty import uncertainty
from tests.bench.measuring import IS_SHORT, say, sized
from tests.places import REAL_DATA

SIZE = (800, 600)
PAIRS = sized(12, short=1)
ROW = {
    "id": "a",
    "persons": 1,
    "source": "s",
    "split": None,
    "label_version": 0,
    "group": "g",
    "width": SIZE[1],
    "height": SIZE[0],
}


def bench() -> None:
    """Print CPU times for masks of 600 x 800 pixels, in one thread."""
    import torch
    from torchmetrics.classification import BinaryJaccardIndex
    from torchmetrics.functional.classification import binary_jaccard_index

    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    labels = _labels()
    predictions = [np.roll(label, 9, axis=1) for label in labels]
    tensors = [
        (torch.from_numpy(prediction // 255), torch.from_numpy(label // 255))
        for prediction, label in zip(predictions, labels, strict=True)
    ]
    metric = BinaryJaccardIndex(validate_args=False)
    say(f"\nIoU of a pair of masks, {SIZE[1]} x {SIZE[0]}, CPU time in one thread")
    ours = _milliseconds(lambda i: image_miou(confusion(predictions[i], truth=labels[i])))
    say(f"  ours, person and background   {ours:8.4f} ms")
    for name, action in (
        ("torchmetrics functional", lambda i: float(binary_jaccard_index(*tensors[i]))),
        ("  without its checks", lambda i: float(binary_jaccard_index(*tensors[i], validate_args=False))),
        ("  class, without its checks", lambda i: metric.update(*tensors[i])),
    ):
        theirs = _milliseconds(action)
        say(f"  {name:<29} {theirs:8.4f} ms   {theirs / ours:6.1f} times")
    _bench_scores(labels)


def _bench_scores(labels: list[np.ndarray]) -> None:
    soft = [cv2.GaussianBlur(np.roll(label, 9, axis=1), (0, 0), 4).astype(np.float32) / 255 for label in labels]
    masks, stored = [mask_of(probability) for probability in soft], [to_8_bit(probability) for probability in soft]
    holes, truths = [label_holes(label) for label in labels], [Truth(mask=label) for label in labels]
    say("one image, by score")
    for name, action in (
        ("cut and count", lambda i: confusion(mask_of(soft[i]), truth=labels[i])),
        ("boundary IoU", lambda i: boundary_iou(masks[i], truth=labels[i])),
        ("holes", lambda i: hole_recall(masks[i], holes=label_holes(labels[i]))),
        ("hole recall alone", lambda i: hole_recall(masks[i], holes=holes[i])),
        ("uncertainty", lambda i: uncertainty(stored[i])),
        ("PNG of the prediction", lambda i: encode_gray(stored[i])),
        ("all but matting", lambda i: score_image(soft[i], truth=truths[i], row=ROW, dataset="d")),
        ("matting errors", lambda i: error_maps(soft[i], truth=labels[i]).over()),
    ):
        say(f"  {name:<29} {_milliseconds(action):8.4f} ms")


def _labels() -> list[np.ndarray]:
    folder = REAL_DATA / "data" / "portraits" / "masks"
    if not folder.is_dir():
        return [_ellipse(number) for number in range(PAIRS)]
    found = [cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) for path in sorted(folder.iterdir())[:PAIRS]]
    shaped = [cv2.resize(mask, SIZE[::-1], interpolation=cv2.INTER_AREA) for mask in found]
    return [np.where(mask > 127, np.uint8(255), np.uint8(0)) for mask in shaped]


def _ellipse(number: int) -> np.ndarray:
    mask = np.zeros(SIZE, np.uint8)
    return cv2.ellipse(mask, (300, 500), (120 + 10 * number, 330), 0, 0, 360, 255, -1)


def _milliseconds(action: Callable[[int], Any], *, seconds: float = 0.01 if IS_SHORT else 0.6) -> float:
    """Return the CPU milliseconds of an action for one of the pairs: what else the machine does counts for nothing."""
    for number in range(PAIRS):
        action(number)
    times, start = 0, time.process_time()
    while (taken := time.process_time() - start) < seconds:
        for number in range(PAIRS):
            action(number)
        times += PAIRS
    return 1000 * taken / times
