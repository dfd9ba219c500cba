"""Golden samples: known masks that an annotator draws without knowing, so that each annotator can be scored.

Their tasks look like all others. Where those show a label, these show a sketch: the known mask with a wrong outline.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from curation.dataset.dataset import Dataset
from curation.dataset.made_before import is_incomplete
from curation.errors import ConfigurationProblem
from curation.images.pixels import Mask, decode_mask
from curation.quarantine import BadRecord
from curation.storage.files import read_file
from labeling.findings import Findings
from labeling.label_tools.label_studio.project.tasks import uid_of
from labeling.label_tools.label_studio.pull.read_annotations import mask_iou
from labeling.label_tools.label_studio.push.prefill import Source, Start, least_repair, predicted_mask, started
from labeling.selection.select import Prefill
from models.evaluation.score_table import PREDICTIONS

SKETCHED_IOU: Final = 0.9
"""The most of a known mask that a sketch shows: careful annotators agree better, and so what was mended is told from
what was submitted as it came."""
CELLS: Final = 3
"""So many times an outline bends along the person's side."""
STRENGTHS: Final = np.geomspace(0.05, 1.0, 10)
"""How far a sketch moves the outline, in sides of the person, tried from the least on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Golden:
    """A sample whose mask is known to be right: its row, its dataset and the file of its mask."""

    dataset: Dataset
    row: Mapping[str, Any]
    mask: Path


def choose_golden(dataset: Dataset, *, number: int, besides: Sequence[Mapping[str, Any]], seed: int) -> list[Golden]:
    """Draw samples with a mask that holds in every pixel; `besides` are rows that are pushed anyway: none is drawn.

    Raises ConfigurationProblem when the dataset has too few.
    """
    taken = {uid_of(row) for row in besides}
    pool = [row for row in dataset.table.to_pylist() if _is_certain(row) and uid_of(row) not in taken]
    if len(pool) < number:
        raise ConfigurationProblem(
            f"--golden {number}, but only {len(pool)} samples have a mask, no ignored pixel, and are not pushed anyway",
            where=dataset.folder,
            remedy="name a dataset of trusted masks with --golden-from, or ask for fewer",
        )
    drawn = np.random.default_rng(seed).choice(len(pool), size=number, replace=False)
    rows = [pool[index] for index in sorted(drawn.tolist())]
    return [Golden(dataset=dataset, row=row, mask=(dataset.folder / row["mask"]).resolve()) for row in rows]


def golden_start(golden: Golden, *, findings: Findings, prefill: Prefill) -> Start | None:
    """Return what the task of a known mask begins with: what that of any other sample would, without the known mask.

    A sketch stands for its label, and for a prediction that others have and this image has not, or that is the known
    mask to the pixel. Raises BadRecord where the known mask cannot be read.
    """
    source: Source | Prefill = least_repair(golden.row, findings=findings) if prefill == "auto" else prefill
    if source == "none":
        return None
    truth = decode_mask(read_file(golden.mask), file=str(golden.mask))
    rng = np.random.default_rng(int(golden.row["sha256"][:16], 16))  # a second push of the sample shows the same
    label, prediction = sketch_of(truth, rng=rng), None
    if (findings.folder / PREDICTIONS).is_dir():
        prediction = sketch_of(truth, rng=rng)
        with suppress(BadRecord):
            predicted = predicted_mask(golden.row, findings=findings)
            prediction = prediction if np.array_equal(predicted, truth) else predicted
    if source == "prediction" and prediction is not None:
        return started(prediction, source=source, other=label)
    return started(label, source="label", other=prediction)


def sketch_of(mask: Mask, *, rng: np.random.Generator) -> Mask:
    """Return a mask (h, w) with an outline that is bent, so that its IoU with the mask is `SKETCHED_IOU` at most.

    An empty mask stays empty; so becomes one of a few pixels that no bending leaves.
    """
    height, width = mask.shape
    side = np.sqrt(np.count_nonzero(mask))
    cells = 1 + int(np.clip(CELLS * max(mask.shape) / max(1.0, side), 3, 64))
    bends = [
        cv2.resize(one, (width, height), interpolation=cv2.INTER_CUBIC)
        for one in rng.standard_normal((2, cells, cells), dtype=np.float32)
    ]
    y, x = np.indices(mask.shape, dtype=np.float32)
    for border in (cv2.BORDER_REPLICATE, cv2.BORDER_CONSTANT):  # a mask of the whole frame gives way to its edges
        for far in (STRENGTHS * side).astype(np.float32):
            bent = cv2.remap(mask, x + far * bends[0], y + far * bends[1], cv2.INTER_NEAREST, borderMode=border)
            sketch = np.asarray(bent, np.uint8)
            if sketch.any() and mask_iou(sketch, second=mask) <= SKETCHED_IOU:
                return sketch
    return np.zeros_like(mask)


def _is_certain(row: Mapping[str, Any]) -> bool:
    """Tell whether a mask can judge annotators: where pixels are ignored they may rightly draw what it lacks."""
    return row["mask"] is not None and row.get("ignore") is None and not is_incomplete(row)
