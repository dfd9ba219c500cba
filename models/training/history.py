"""What a training has been through: one row per epoch, as a table, as curves, and as pictures of a few samples."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from curation.files import write_durable
from curation.pixels import Image, encode_image
from models.training.judging import Shown

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
GAP_PX = 4

Row = dict[str, Any]


def write_history(folder: Path, *, rows: Sequence[Row]) -> None:
    """Write `history.csv`."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: f"{value:.6g}" if isinstance(value, float) else value for name, value in row.items()})
    write_durable(folder / HISTORY, text.getvalue().encode())


def write_curves(folder: Path, *, rows: Sequence[Row]) -> None:
    """Write `curves.svg`."""
    write_durable(folder / CURVES, curves(rows))


def curves(rows: Sequence[Row]) -> bytes:
    """Give losses and validation mIoU over the epochs as SVG; equal rows give equal bytes."""
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
        miou = np.array([row["val_miou"] for row in rows])
        std = np.array([row["val_std"] for row in rows])
        right.plot(epochs, miou, color="tab:green")
        right.fill_between(
            epochs, miou - std, np.minimum(1, miou + std), alpha=0.15, color="tab:green", label="± std over images"
        )
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
    """Give samples as one picture: a row each, with image, prediction and label."""
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
