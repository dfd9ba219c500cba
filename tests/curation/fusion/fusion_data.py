"""Small drawn datasets of persons and of backgrounds, whose rows a test may change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa

from curation.dataset.card import Card, Counts
from curation.dataset.dataset import SCHEMA, Dataset, read_dataset, write_dataset
from curation.dataset.sample import Source

SIZE = (48, 40)
NO_ROWS: Mapping[str, Mapping[str, Any]] = {}


def persons(folder: Path, ids: Sequence[str], *, rows: Mapping[str, Mapping[str, Any]] = NO_ROWS) -> Dataset:
    """Draw persons with masks and alphas, each in a group of its own."""
    found = []
    for number, id_ in enumerate(ids):
        rng = np.random.default_rng([ord(letter) for letter in id_])
        alpha = cv2.ellipse(np.zeros(SIZE, np.uint8), (20, 34), (8 + number % 4, 22), 0, 0, 360, 255, -1)
        alpha = cv2.GaussianBlur(alpha, (0, 0), 1.2)
        image = cv2.resize(rng.integers(0, 256, (6, 5, 3), dtype=np.uint8), SIZE[::-1])
        files = {"image": (f"images/{id_}.png", image), "alpha": (f"alphas/{id_}.png", alpha)}
        files["mask"] = (f"masks/{id_}.png", np.where(alpha > 50, np.uint8(255), np.uint8(0)))
        found.append(_row(folder, id_, files=files) | {"person_area": 0.4, "persons": 1} | dict(rows.get(id_, {})))
    return _dataset(folder, found)


def grounds(
    folder: Path, ids: Sequence[str], *, rows: Mapping[str, Mapping[str, Any]] = NO_ROWS, scale: int = 1
) -> Dataset:
    """Draw backgrounds of 70 x 60 pixels times `scale`, each in a group of its own; none shows a person."""
    found = []
    for id_ in ids:
        rng = np.random.default_rng([ord(letter) for letter in id_])
        image = cv2.resize(rng.integers(0, 256, (5, 7, 3), dtype=np.uint8), (70 * scale, 60 * scale))
        row = _row(folder, id_, files={"image": (f"images/{id_}.png", image)})
        found.append(row | {"person_area": 0.0, "persons": 0} | dict(rows.get(id_, {})))
    return _dataset(folder, found)


def write_png(path: Path, picture: np.ndarray) -> bytes:
    path.parent.mkdir(parents=True, exist_ok=True)
    data = cv2.imencode(path.suffix, picture)[1].tobytes()
    path.write_bytes(data)
    return data


def _row(folder: Path, id_: str, *, files: Mapping[str, tuple[str, np.ndarray]]) -> dict[str, Any]:
    data = {column: write_png(folder / path, picture) for column, (path, picture) in files.items()}
    height, width = files["image"][1].shape[:2]
    return {
        "id": id_,
        **{column: path for column, (path, _) in files.items()},
        "width": width,
        "height": height,
        "source": folder.name,
        "source_id": f"{id_}.src",
        "label_version": 0,
        "group": f"{folder.name}/{id_}",
        "license": f"{folder.name} licence",
        "sha256": sha256(data["image"]).hexdigest(),
    }


def _dataset(folder: Path, rows: Sequence[Mapping[str, Any]]) -> Dataset:
    counts = Counts(considered=len(rows), selected=len(rows), filtered={}, quarantined={})
    source = Source(name=folder.name, path="", fingerprint="", licenses={f"{folder.name} licence": "as drawn"})
    card = Card(
        name=folder.name,
        command="pairs",
        settings={},
        tool_version="1",
        run=f"run of {folder.name}",
        sources=[source],
        licenses={},
        counts=counts,
    )
    folder.mkdir(parents=True, exist_ok=True)
    extra = {name for row in rows for name in row} - set(SCHEMA.names)
    table = pa.Table.from_pylist([dict(row) for row in rows], schema=SCHEMA)
    for name in sorted(extra):
        table = table.append_column(name, pa.array([row.get(name) for row in rows]))
    write_dataset(folder, card=card, table=table, quarantine=[])
    return read_dataset(folder)
