"""Drawn manifests of many rows, written in a process of their own: its memory would count as that of its children."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import pyarrow as pa

from curation.dataset.card import Card, Counts
from curation.dataset.dataset import SCHEMA
from curation.dataset.manifest_files import write_rows
from tests.models.tiny_onnx import write_tiny_onnx

DRAWN_AT_ONCE: Final = 50_000
SOURCES: Final = ("coco/train2017", "aifenge", "celebamask")
LICENSES: Final = ("CC BY 4.0", "CC BY-NC 2.0", None)


def write_model(path: str) -> str:
    """Write a model of a few numbers."""
    return str(write_tiny_onnx(Path(path)))


def write_drawn(path: str, rows: str) -> int:
    """Write a data set of so many drawn rows, three of a group, without images; give the bytes of its manifest."""
    return write_rows_of(Path(path), rows=drawn_rows(int(rows)), number=int(rows))


def write_unlabelled(path: str, rows: str) -> int:
    """Write such a data set without masks; give the bytes of its manifest."""
    return write_rows_of(Path(path), rows=map(_unlabelled, drawn_rows(int(rows))), number=int(rows))


def _unlabelled(table: pa.Table) -> pa.Table:
    return table.set_column(table.column_names.index("mask"), "mask", pa.nulls(len(table), pa.string()))


def write_with_files(path: str, rows: str) -> int:
    """Write such a data set of which each row has an image of its own; give the bytes of its manifest."""
    folder = Path(path)
    (folder / "images").mkdir(parents=True)
    image = folder / "one.jpg"
    image.write_bytes(np.asarray(cv2.imencode(".jpg", np.zeros((8, 8, 3), np.uint8))[1]).tobytes())
    return write_rows_of(folder, rows=_with_files(image, rows=int(rows)), number=int(rows))


def _with_files(image: Path, *, rows: int) -> Iterator[pa.Table]:
    digest = hashlib.sha256(image.read_bytes()).hexdigest()
    for number, table in enumerate(drawn_rows(rows)):
        linked = image.with_name(f"{number}.jpg")  # a file has 65,000 names at most
        shutil.copy(image, linked)
        for name in table["image"].to_pylist():
            os.link(linked, image.parent / name)
        own = pa.array([digest] * len(table), pa.string())
        yield _unlabelled(table.set_column(table.column_names.index("sha256"), "sha256", own))


def write_rows_of(folder: Path, *, rows: Iterable[pa.Table], number: int, part_rows: int | None = None) -> int:
    """Write a data set of so many rows, sorted by id, in parts of `part_rows`; give the bytes of its manifest."""
    folder.mkdir(exist_ok=True)
    counts = Counts(considered=number, selected=number, filtered={}, quarantined={})
    card = Card(name="d", command="pairs", settings={}, tool_version="", run="", sources=[], licenses={}, counts=counts)
    write_rows(folder, card=card, rows=rows, quarantine=[], part_rows=part_rows)
    return sum(file.stat().st_size for file in folder.rglob("*.parquet"))


def drawn_rows(number: int) -> Iterator[pa.Table]:
    """Yield so many rows, sorted by id."""
    for start in range(0, number, DRAWN_AT_ONCE):
        rng = np.random.default_rng(start)
        at = np.arange(start, min(start + DRAWN_AT_ONCE, number))
        ids = [f"portrait_{one:09d}" for one in at]
        columns = {
            "id": ids,
            "image": [f"images/{id_}.jpg" for id_ in ids],
            "mask": [f"masks/{id_}.png" for id_ in ids],
            "width": rng.integers(480, 4000, len(at)).astype(np.int32),
            "height": rng.integers(480, 4000, len(at)).astype(np.int32),
            "source": [SOURCES[one % len(SOURCES)] for one in at],
            "source_id": [str(one) for one in at],
            "person_area": rng.random(len(at)),
            "persons": rng.integers(1, 4, len(at)).astype(np.int32),
            "label_version": np.zeros(len(at), dtype=np.int32),
            "group": [f"aifenge/{one // 3}" for one in at],
            "license": [LICENSES[one % len(LICENSES)] for one in at],
            "sha256": [hashlib.sha256(str(one).encode()).hexdigest() for one in at],
        }
        arrays = [
            pa.array(columns[field.name], field.type) if field.name in columns else pa.nulls(len(at), field.type)
            for field in SCHEMA
        ]
        yield pa.Table.from_arrays(arrays, schema=SCHEMA)
