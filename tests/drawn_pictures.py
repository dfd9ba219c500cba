"""Datasets of pictures that a test draws, each with the bytes, split and group that it is given."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa

from curation.dataset.card import Card, Counts
from curation.dataset.dataset import SCHEMA, Dataset, read_dataset, write_dataset
from curation.images.pixels import Image


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """One sample: its id, the bytes of its file, and where it belongs."""

    id: str
    data: bytes
    split: str | None = None
    group: str | None = None


def picture(seed: int, *, size: int = 96) -> Image:
    """Draw coarse noise: as unlike any other as two photographs."""
    rng = np.random.default_rng(seed)
    return np.asarray(cv2.resize(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8), (size, size)), dtype=np.uint8)


def png(image: Image, *, level: int = 1) -> bytes:
    """Encode without loss; each level of compression gives other bytes of the same pixels."""
    return cv2.imencode(".png", image[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, level])[1].tobytes()


def jpeg(image: Image, *, quality: int) -> bytes:
    """Encode with loss."""
    return cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def write_pictures(folder: Path, *drawn: Drawn, **card: Any) -> Dataset:
    """Write a dataset without labels."""
    (folder / "images").mkdir(parents=True)
    rows = []
    for one in drawn:
        (folder / "images" / f"{one.id}.png").write_bytes(one.data)
        digest = sha256(one.data).hexdigest()
        row = {"id": one.id, "image": f"images/{one.id}.png", "width": 96, "height": 96, "source": "drawn"}
        row |= {"source_id": one.id, "split": one.split, "group": one.group or one.id, "sha256": digest}
        rows.append({**row, "label_version": 0, "license": "CC0"})
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    counts = Counts(considered=len(rows), selected=len(rows), filtered={}, quarantined={})
    write_dataset(
        folder,
        card=Card(
            name=folder.name,
            command="drawn",
            settings={},
            tool_version="1",
            run="r",
            sources=[],
            licenses={"CC0": len(rows)},
            counts=counts,
            **card,
        ),
        table=table,
        quarantine=[],
    )
    return read_dataset(folder)
