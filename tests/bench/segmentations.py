"""Scores of images against FiftyOne's own `evaluate_segmentations`: both read the masks and write a number per sample.

Run as a module by `tests.bench browse`, in a process of its own, on the portraits and on masks moved by a few pixels.
"""

from __future__ import annotations

import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from labeling.browsing.database import database
from labeling.browsing.mongod import browse_folder
from models.metrics.boundary import boundary_iou
from models.metrics.confusion import confusion, image_miou
from tests.bench.measuring import say
from tests.places import REAL_DATA

SHIFT_PX = 9


def main(folder: Path) -> None:
    """Print the milliseconds of an image both ways."""
    truths = sorted((REAL_DATA / "data" / "portraits" / "masks").iterdir())
    predictions = [moved(file, out=folder / file.name) for file in truths]
    with database(browse_folder()):
        import fiftyone as fo

        dataset = fo.Dataset()
        dataset.add_samples(
            [
                fo.Sample(
                    filepath=str(truth),
                    truth=fo.Segmentation(mask_path=str(truth)),
                    prediction=fo.Segmentation(mask_path=str(prediction)),
                )
                for truth, prediction in zip(truths, predictions, strict=True)
            ],
            progress=False,
        )
        theirs = seconds(lambda: dataset.evaluate_segmentations("prediction", "truth", eval_key="e", progress=False))
        ours = seconds(lambda: score(dataset, truths=truths, predictions=predictions))
        dataset.delete()
        each = [1000 * taken / len(truths) for taken in (ours, theirs)]
        say(f"  mIoU and Boundary IoU of an image, read and written: {each[0]:.2f} ms;")
        say(f"  evaluate_segmentations (accuracy, precision, recall): {each[1]:.1f} ms, {theirs / ours:.0f} times")
        sys.stdout.flush()
        os._exit(0)  # FiftyOne tells at its exit that the database went before it


def score(dataset: Any, *, truths: list[Path], predictions: list[Path]) -> None:
    """Score all images, in two threads, and write the numbers with `set_values`."""
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda pair: scores_of(*pair), zip(truths, predictions, strict=True)))
    for name, values in zip(("miou", "boundary_iou"), zip(*found), strict=True):
        dataset.set_values(name, list(values))


def scores_of(truth: Path, prediction: Path) -> tuple[float | None, float]:
    """Read two masks, and give mIoU and Boundary IoU."""
    label, mask = (cv2.imread(str(file), cv2.IMREAD_GRAYSCALE) for file in (truth, prediction))
    assert label is not None and mask is not None
    label, mask = (np.where(one > 127, np.uint8(255), np.uint8(0)) for one in (label, mask))
    return image_miou(confusion(mask, truth=label)), boundary_iou(mask, truth=label)


def moved(file: Path, *, out: Path) -> Path:
    """Write a mask that is a few pixels off."""
    mask = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)
    assert mask is not None
    cv2.imwrite(str(out), np.where(np.roll(mask, SHIFT_PX, axis=1) > 127, np.uint8(255), np.uint8(0)))
    return out


def seconds(action: Any) -> float:
    """Return the seconds of an action."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


if __name__ == "__main__":
    main(Path(sys.argv[1]))
