"""A small dataset with class maps: a body and a left and a right eye, which differ in colour from the background."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import cv2
import msgspec
import numpy as np

from curation.dataset.dataset import Dataset, read_dataset, write_dataset
from tests.curation.fusion.fusion_data import SIZE, persons, write_png

NAMES = ("background", "skin", "l_eye", "r_eye")
COLOURS = np.array([[20, 60, 30], [220, 160, 130], [30, 30, 200], [200, 30, 30]], np.uint8)


def drawn_classes(seed: int) -> np.ndarray:
    """Draw a class map: on the left of the picture the right eye."""
    classes = cv2.ellipse(np.zeros(SIZE, np.uint8), (20, 26 + seed % 4), (13, 19), 0, 0, 360, 1, -1)
    cv2.circle(classes, (14, 22), 4, 3, -1)
    cv2.circle(classes, (26, 22), 4, 2, -1)
    return classes


def class_dataset(
    folder: Path, ids: Sequence[str], *, split: str | None = None, names: Sequence[str] | None = NAMES
) -> Dataset:
    """Draw persons with class maps; `names` go into the card."""
    maps = {id_: drawn_classes(number) for number, id_ in enumerate(ids)}
    images = {id_: _image(classes, name=f"{folder.name}/{id_}") for id_, classes in maps.items()}
    digests = {id_: sha256(cv2.imencode(".png", image)[1].tobytes()).hexdigest() for id_, image in images.items()}
    rows = {id_: {"split": split, "classes": f"classes/{id_}.png", "sha256": digests[id_]} for id_ in ids}
    dataset = persons(folder, ids, rows=rows)
    for id_, classes in maps.items():
        write_png(folder / "images" / f"{id_}.png", images[id_])
        write_png(folder / "masks" / f"{id_}.png", (classes > 0) * np.uint8(255))
        write_png(folder / "classes" / f"{id_}.png", classes)
    note = {} if names is None else {"classes": {name: value for value, name in enumerate(names)}}
    card = msgspec.structs.replace(dataset.card, notes=note)
    write_dataset(folder, card=card, table=dataset.table, quarantine=[])
    return read_dataset(folder)


def _image(classes: np.ndarray, *, name: str) -> np.ndarray:
    rng = np.random.default_rng([ord(letter) for letter in name])
    return np.clip(COLOURS[classes] + rng.integers(-12, 12, (*SIZE, 3)), 0, 255).astype(np.uint8)
