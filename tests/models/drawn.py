"""A drawn dataset whose images say what is predicted for them: the red channel is 255 x the probability of person."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa

from curation.dataset.card import Card, Counts
from curation.dataset.dataset import SCHEMA, Dataset, read_dataset, write_dataset
from curation.images.pixels import decode_image
from curation.quarantine import BadRecord
from models.evaluation.score_table import Score

H, W = 40, 30


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What the engine says of one file."""

    index: int
    probability: np.ndarray | None
    broken: BadRecord | None = None
    disagreement: float | None = None
    background: np.ndarray | None = None


def person(*, left: int = 8, right: int = 22, top: int = 10, size: tuple[int, int] = (H, W)) -> np.ndarray:
    mask = np.zeros(size, np.uint8)
    mask[top:, left:right] = 255
    return mask


def png(array: np.ndarray) -> bytes:
    return cv2.imencode(".png", array)[1].tobytes()


def photo(probability: np.ndarray) -> bytes:
    """Return an image for which `by_red` predicts this, (h, w) uint8, 255 x the probability."""
    green = np.full_like(probability, 90)
    return png(np.dstack([green, green, probability]))


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One sample to draw; `files` are more labels by column, `row` more values of the manifest."""

    id: str
    prediction: np.ndarray
    mask: np.ndarray | None
    files: Mapping[str, np.ndarray] = field(default_factory=dict)
    row: Mapping[str, Any] = field(default_factory=dict)


def drawn_dataset(folder: Path, samples: Sequence[Sample]) -> Dataset:
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for sample in samples:
        data = photo(sample.prediction)
        files = {"image": f"images/{sample.id}.png"}
        put(folder / files["image"], data)
        labels = dict(sample.files) | ({} if sample.mask is None else {"mask": sample.mask})
        for column, array in labels.items():
            files[column] = f"{column}s/{sample.id}.png"
            put(folder / files[column], png(array))
        height, width = sample.prediction.shape
        facts = {"width": width, "height": height, "persons": 1, "source": "drawn", "label_version": 0}
        row = {
            "id": sample.id,
            "source_id": sample.id,
            "group": sample.id,
            "sha256": sha256(data).hexdigest(),
            **facts,
            **files,
        }
        rows.append(row | dict(sample.row))
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    for column, kind in {"ignore": pa.string(), "broken_parts": pa.int64(), "label_source": pa.string()}.items():
        if any(column in row for row in rows):
            table = table.append_column(column, pa.array([row.get(column) for row in rows], kind))
    counts = Counts(considered=len(rows), selected=len(rows), filtered={}, quarantined={})
    card = Card(
        name="d", command="drawn", settings={}, tool_version="1", run="r", sources=[], licenses={}, counts=counts
    )
    write_dataset(folder, card=card, table=table, quarantine=[])
    return read_dataset(folder)


def put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def by_red(
    files: Sequence[Path],
    *,
    precision: str = "fp32",
    change: Callable[[Path, np.ndarray, str], np.ndarray] = lambda _, probability, __: probability,
) -> Iterator[Prediction]:
    """Predict what the red channel says; `change` gives what a file's probability is in a precision."""
    for index, path in enumerate(files):
        try:
            red = decode_image(path.read_bytes(), file=str(path))[:, :, 0]
            yield Prediction(index=index, probability=change(path, red.astype(np.float32) / 255, precision))
        except BadRecord as problem:
            yield Prediction(index=index, probability=None, broken=problem)


def score_row(name: str, **values: object) -> Score:
    facts = {"width": 4, "height": 3, "person_area": 0.5, "hole_area": 0.0, "touches_border": True, "persons": None}
    manifest = {"source": "s", "split": None, "label_version": 0, "group": name}
    return Score(**({"id": name, "dataset": "d", "is_finite": True} | facts | manifest | values))  # type: ignore[arg-type]
