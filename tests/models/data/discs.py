"""Small drawn datasets for tests of training: bright discs on a dark ground, each with its mask and trimap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation.dataset.card import Card, Counts
from curation.dataset.dataset import SCHEMA, Dataset, read_dataset, write_dataset


def disc_dataset(
    folder: Path,
    ids: Sequence[str],
    *,
    size: tuple[int, int] = (48, 40),
    rows: Mapping[str, Mapping[str, Any]] | None = None,
) -> Dataset:
    """Write a dataset of discs; `rows` changes the row of an id, and may add columns."""
    found = []
    for name in ("images", "masks", "trimaps"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for id_ in ids:
        files = draw_disc(folder, id_, size=size)
        digest = sha256((folder / files["image"]).read_bytes()).hexdigest()
        row = {"id": id_, "width": size[1], "height": size[0], "source": "drawn", "source_id": id_, **files}
        row |= {"label_version": 0, "group": f"{folder.name}/{id_}", "sha256": digest, "person_area": 0.2}
        found.append(row | dict((rows or {}).get(id_, {})))
    counts = Counts(considered=len(ids), selected=len(ids), filtered={}, quarantined={})
    card = Card(
        name=folder.name,
        command="pairs",
        settings={},
        tool_version="1",
        run="r",
        sources=[],
        licenses={},
        counts=counts,
    )
    added = sorted({name for row in found for name in row} - set(SCHEMA.names))
    kinds = [pa.field(name, pa.array([row.get(name) for row in found]).type) for name in added]
    table = pa.Table.from_pylist(found, schema=pa.schema([*SCHEMA, *kinds]))
    write_dataset(folder, card=card, table=table, quarantine=[])
    return read_dataset(folder)


def draw_disc(folder: Path, id_: str, *, size: tuple[int, int]) -> dict[str, str]:
    """Draw a disc whose place, size and colours depend on the id; give the files by column."""
    rng = np.random.default_rng([ord(character) for character in f"{folder.name}/{id_}"])
    height, width = size
    middle = (int(width * rng.uniform(0.35, 0.65)), int(height * rng.uniform(0.35, 0.65)))
    radius = max(2, int(min(size) * rng.uniform(0.2, 0.35)))
    mask = cv2.circle(np.zeros(size, np.uint8), middle, radius, 255, -1)
    trimap = cv2.circle(mask.copy(), middle, radius, 128, 2)
    image = rng.integers(0, 90, (height, width, 3), dtype=np.uint8)
    image[mask > 0] = rng.integers(160, 256, 3) - image[mask > 0] // 4
    files = {"image": f"images/{id_}.png", "mask": f"masks/{id_}.png", "trimap": f"trimaps/{id_}.png"}
    for column, picture in (("image", image), ("mask", mask), ("trimap", trimap)):
        write_png(folder / files[column], picture)
    return files


def write_png(path: Path, picture: NDArray[np.uint8]) -> None:
    """Write a picture, RGB or gray."""
    path.parent.mkdir(exist_ok=True)
    stored = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR) if picture.ndim == 3 else picture
    path.write_bytes(cv2.imencode(".png", stored)[1].tobytes())
