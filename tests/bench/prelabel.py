"""Labels from teachers on real photographs, against the masks that came with them, and what is kept of backgrounds.

SINet learnt from the training part of EG1800, of which these images are the test part; the other teacher did not.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from curation.dataset.dataset import read_dataset
from curation.labels.masks import mask_of
from models.metrics.confusion import confusion, image_miou
from tests.bench.measuring import run_curate, say
from tests.places import REAL_DATA

TEACHERS: Final = {"two teachers": ("sinet", "selfie_general"), "one teacher, its views": ("selfie_general",)}
SETS: Final = ("eg1800", "portraits")
MUST_MIOU, MUST_SHARE = 0.95, 0.5


def bench(folder: Path) -> None:
    """Print how good the labels are that are kept, how many are, and how good those that are left for people."""
    say("\nLabels from teachers, agreement 0.9 and support 0.2, against the masks of the data; mIoU over images")
    for name in SETS:
        pool = folder / f"pool-{name}"
        run_curate("images", "--root", REAL_DATA / "data" / name / "images", "--out", pool, "--quiet")
        for told, teachers in TEACHERS.items():
            out = folder / f"{name}-{len(teachers)}"
            models = [("--teacher", REAL_DATA / "models" / f"{teacher}.onnx") for teacher in teachers]
            flags = [word for pair in models for word in pair]
            run_curate("prelabel", pool, *flags, "--out", out, "--quiet")
            found = scored(out, masks=REAL_DATA / "data" / name / "masks")
            say(f"  {name}, {told}: {line(found)}")


def scored(dataset: Path, *, masks: Path) -> list[tuple[bool, float]]:
    """Return of each image whether its label was kept, and the mIoU of the teachers' mean with its mask."""
    found = []
    for row in read_dataset(dataset).table.to_pylist():
        if row["prediction"] is None:
            continue
        mean = cv2.imread(str(dataset / row["prediction"]), cv2.IMREAD_GRAYSCALE)
        found.append((row["mask"] is not None, miou_of(row, mean=mean, masks=masks)))
    return found


def miou_of(row: dict[str, Any], *, mean: np.ndarray, masks: Path) -> float:
    """Return the mIoU of a stored mean with the mask of the same name."""
    truth = cv2.imread(str(masks / f"{row['source_id']}.png"), cv2.IMREAD_GRAYSCALE)
    truth = np.where(truth > 127, np.uint8(255), np.uint8(0))
    if truth.shape != mean.shape:
        truth = cv2.resize(truth, mean.shape[::-1], interpolation=cv2.INTER_NEAREST)
    return image_miou(confusion(mask_of(np.asarray(mean, np.uint8)), truth=truth))


def line(found: Sequence[tuple[bool, float]]) -> str:
    """Return the figures of one way to label, and whether they reach what they must."""
    kept, left = ([miou for is_kept, miou in found if is_kept == wanted] for wanted in (True, False))
    share, mean = len(kept) / len(found), float(np.mean(kept)) if kept else 0.0
    reached = "reached" if mean >= MUST_MIOU and share >= MUST_SHARE else "not reached"
    others = f"left for people {np.mean(left):.4f}" if left else "nothing left for people"
    return (
        f"kept {len(kept)} of {len(found)} ({share:.0%}) with {mean:.4f}, worst {min(kept, default=0.0):.4f}; "
        f"{others}; {MUST_MIOU:g} on {MUST_SHARE:.0%} {reached}"
    )
