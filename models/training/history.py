"""What a training has been through: one row per epoch, as a table, as curves, and as pictures of a few samples."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from curation.images.pixels import Image, encode_image
from curation.storage.files import write_durable
from models.training.optimizer import learning_rate
from models.training.progress import Progress, Row
from models.training.settings import Stage
from models.training.transfer.judge_classes import Accuracy
from models.training.validate import Shown, ValidationScore

HISTORY = "history.csv"
CURVES = "curves.svg"
SAMPLES = "samples.png"
COLUMNS = (
    "stage",
    "epoch",
    "step",
    "learning_rate",
    "loss",
    "val_loss",
    "val_miou",
    "val_std",
    "val_iou_person",
    "is_best",
    "seconds",
)
OPTIONAL_COLUMNS = (
    *("val_sad", "val_mse", "val_trimap_miou", "val_unknown_recall", "val_soft_covered"),
    *("val_accuracy", "val_miou_classes"),
)
"""Further columns, there where a training has such numbers: of alphas and trimaps, of classification and class maps."""
DETAILS = OPTIONAL_COLUMNS[:5]
"""Those of alphas and trimaps."""
OTHER_CURVES = {"val_accuracy": "accuracy of classification", "val_miou_classes": "mean IoU of classes"}
GAP_PX = 4


def epoch_row(
    progress: Progress, *, stage: Stage, steps: int, verdict: ValidationScore | Accuracy, is_best: bool
) -> Row:
    """Return the row of the epoch under way; `steps` are those of the whole stage.

    A stage of classification has an accuracy, and no mIoU. Where class maps are learnt, the mean IoU of classes and
    the counts of pixels by class are there too.
    """
    row: Row = {
        "stage": stage.name,
        "epoch": progress.epoch + 1,
        "step": progress.step,
        "learning_rate": learning_rate(stage, step=progress.stage_step - 1, steps=steps),
        "loss": progress.loss_sum / max(1, progress.loss_count),
        "val_loss": verdict.loss,
        "val_miou": None,
        "val_std": None,
        "val_iou_person": None,
        "is_best": is_best,
        "seconds": progress.seconds,
    }
    if isinstance(verdict, Accuracy):
        return row | {"val_accuracy": verdict.accuracy}
    row |= {"val_miou": verdict.miou_image, "val_std": verdict.std, "val_iou_person": verdict.iou_person}
    row |= verdict.details
    if verdict.counts is None:
        return row
    return row | {"val_miou_classes": verdict.score, "confusion": verdict.counts.tolist()}


def write_history(folder: Path, *, rows: Sequence[Row]) -> None:
    """Write `history.csv`."""
    text = io.StringIO()
    optional = [name for name in OPTIONAL_COLUMNS if any(name in row for row in rows)]
    columns = (*COLUMNS, *optional)
    writer = csv.DictWriter(text, fieldnames=columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: f"{value:.6g}" if isinstance(value, float) else value for name, value in row.items()})
    write_durable(folder / HISTORY, text.getvalue().encode())


def write_curves(folder: Path, *, rows: Sequence[Row]) -> None:
    """Write `curves.svg`."""
    write_durable(folder / CURVES, curves(rows))


def curves(rows: Sequence[Row]) -> bytes:
    """Return losses and validation mIoU over the epochs as SVG; equal rows give equal bytes."""
    import matplotlib
    from matplotlib.figure import Figure

    epochs = np.arange(1, len(rows) + 1)
    with matplotlib.rc_context({"svg.hashsalt": "curate", "font.size": 9}):
        figure = Figure(figsize=(9, 3.2), layout="constrained")
        left, right = figure.subplots(1, 2)
        left.plot(epochs, [row["loss"] for row in rows], label="training")
        left.plot(epochs, [row["val_loss"] for row in rows], label="validation")
        left.set(xlabel="epoch", ylabel="loss")
        left.legend(frameon=False)
        miou, std = (np.array([row[name] for row in rows], np.float64) for name in ("val_miou", "val_std"))
        right.plot(epochs, miou, color="tab:green")
        right.fill_between(
            epochs, miou - std, np.minimum(1, miou + std), alpha=0.15, color="tab:green", label="± std over images"
        )
        shown = [(name, label) for name, label in OTHER_CURVES.items() if any(name in row for row in rows)]
        for name, label in shown:
            right.plot(epochs, np.array([row.get(name) for row in rows], np.float64), label=label)
        right.set(xlabel="epoch", ylabel="validation mIoU")
        right.legend(frameon=False, loc="lower right")
        for axes in (left, right):
            axes.spines[["top", "right"]].set_visible(False)
            for number in _stage_starts(rows):
                axes.axvline(number + 0.5, color="0.7", linewidth=0.8, linestyle="--")
        stream = io.BytesIO()
        figure.savefig(stream, format="svg", metadata={"Date": None})
    return stream.getvalue()


def sample_rows(shown: Sequence[Shown]) -> Image:
    """Return samples as one picture: a row each, with image, prediction and label."""
    rows = []
    for sample in shown:
        gap = np.full((sample.image.shape[0], GAP_PX, 3), 255, np.uint8)
        prediction, label = (np.repeat(part[:, :, None], 3, axis=2) for part in (sample.prediction, sample.label))
        rows.append(np.hstack([sample.image, gap, prediction, gap, label]))
    return np.vstack(rows)


def write_samples(folder: Path, *, shown: Sequence[Shown]) -> None:
    """Write `samples.png`."""
    write_durable(folder / SAMPLES, encode_image(sample_rows(shown)))


def _stage_starts(rows: Sequence[Row]) -> list[int]:
    return [number for number in range(1, len(rows)) if rows[number]["stage"] != rows[number - 1]["stage"]]
