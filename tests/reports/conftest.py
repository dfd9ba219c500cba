"""A small drawn dataset, and a folder of hostile text, for tests of pages."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pyarrow as pa
import pytest

from curation.dataset.card import Card, Counts
from curation.dataset.dataset import SCHEMA, Dataset, read_dataset, write_dataset
from curation.quarantine import BadRecord, Code

MakeDataset = Callable[..., Dataset]


@pytest.fixture
def make_dataset() -> MakeDataset:
    """Return a function that writes a dataset of drawn discs, one for each id, and one line of quarantine."""

    def make(folder: Path, *ids: str, text: str = "drawn", columns: dict[str, pa.Array] | None = None) -> Dataset:
        rows: list[dict[str, Any]] = []
        for name in ("images", "masks", "alphas", "trimaps"):
            (folder / name).mkdir(parents=True)
        for number, id_ in enumerate(ids):
            files = draw(folder, number)
            digest = sha256((folder / files["image"]).read_bytes()).hexdigest()
            row = {"id": id_, "width": 90, "height": 120, "source": text, "source_id": text, "license": text}
            row |= {"split": ("train", "val")[number % 2], "person_area": (number + 1) / 40, "persons": 1}
            rows.append({**row, **files, "label_version": 0, "group": id_, "sha256": digest})
        table = pa.Table.from_pylist(rows, schema=SCHEMA)
        for name, values in (columns or {}).items():
            table = table.append_column(name, values)
        problem = BadRecord(Code.NOT_IMAGE, f"no image: {text}", file=text, record_id=text)
        counts = Counts(considered=len(ids) + 3, selected=len(ids), filtered={text: 2}, quarantined={"NOT_IMAGE": 1})
        card = Card(
            name="d", command=text, settings={}, tool_version="1", run="r", sources=[], licenses={}, counts=counts
        )
        write_dataset(folder, card=card, table=table, quarantine=[problem.record(stage="test")])
        return read_dataset(folder)

    return make


def draw(folder: Path, number: int) -> dict[str, str]:
    """Draw one person as a disc on a gradient and give the files by column."""
    y, x = np.mgrid[:120, :90]
    distance = np.hypot(y - 70, x - 45)
    soft = np.clip((20 + number - distance) * 60, 0, 255).astype(np.uint8)
    image = np.stack([x * 2, y * 2, np.full_like(x, 90 + number)], axis=-1).astype(np.uint8)
    image[soft > 50] = (200, 120, 90)
    trimap = np.where(soft == 255, 255, np.where(soft > 0, 128, 0)).astype(np.uint8)
    mask = np.where(soft > 50, np.uint8(255), np.uint8(0))
    files = {"image": f"images/{number}.png", "mask": f"masks/{number}.png"}
    files |= {"alpha": f"alphas/{number}.png", "trimap": f"trimaps/{number}.png"}
    for column, array in (("image", image), ("mask", mask), ("alpha", soft), ("trimap", trimap)):
        stream = BytesIO()
        PIL.Image.fromarray(array).save(stream, format="PNG")
        (folder / files[column]).write_bytes(stream.getvalue())
    return files
