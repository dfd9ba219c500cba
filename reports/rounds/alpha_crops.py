"""Crops of alphas at full size, where the truth is softest: at the hair."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from curation.images.pixels import Alpha, decode_gray, decode_image, encode_gray
from curation.images.thumbnails import thumbnail
from curation.quarantine import BadRecord
from curation.storage.files import named_file, read_file, safe_join
from models.evaluation.score_files import prediction_path
from models.evaluation.summaries import row_keys
from models.preprocessing import resized
from reports.rounds.read_evaluation import BASELINE, Evaluated

SIDE_PX: Final = 224
"""Of a crop, at the size of the photograph: hair that is scaled down looks right whatever its alpha."""
CROPS: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One picture of a crop: what it shows, and its data as an address of type data."""

    name: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AlphaCrop:
    """A part of a photograph where its alpha is softest: image, true alpha, and the alphas of each model.

    `sad` is the error of the model over the whole photograph, in thousands.
    """

    id: str
    sad: float
    tiles: tuple[Tile, ...]


def alpha_crops(evaluated: Evaluated, *, number: int) -> list[AlphaCrop]:
    """Return crops of the photographs with the largest SAD of the model, at most `CROPS`; none without true alphas.

    A photograph whose files are gone or broken is left out.
    """
    sads = evaluated.scores["sad"].to_pylist() if "sad" in evaluated.scores.column_names else []
    order = sorted((row for row, sad in enumerate(sads) if sad is not None), key=lambda row: -sads[row])
    found: list[AlphaCrop] = []
    for row in order:
        if len(found) == min(number, CROPS):
            break
        try:
            tiles = _tiles(evaluated, row=row)
        except BadRecord:
            continue
        if tiles:
            found.append(AlphaCrop(id=str(evaluated.scores["id"][row].as_py()), sad=sads[row], tiles=tiles))
    return found


def softest(alpha: Alpha, *, side: int) -> tuple[slice, slice]:
    """Return the square of `side` pixels, cut off at the frame, that holds the most soft pixels.

    >>> alpha = np.zeros((6, 9), np.uint8); alpha[4, 6] = 90
    >>> rows, columns = softest(alpha, side=3)
    >>> 4 in range(rows.start, rows.stop), 6 in range(columns.start, columns.stop)
    (True, True)
    """
    height, width = alpha.shape
    high, wide = min(side, height), min(side, width)
    soft = ((alpha > 0) & (alpha < 255)).astype(np.float32)
    # anchored at its upper left pixel, the sum at a pixel is that of the window which begins there
    sums = cv2.boxFilter(
        soft, cv2.CV_32F, (wide, high), anchor=(0, 0), normalize=False, borderType=cv2.BORDER_CONSTANT
    )[: height - high + 1, : width - wide + 1]
    top, left = np.unravel_index(int(np.argmax(sums)), sums.shape)
    return slice(int(top), int(top) + high), slice(int(left), int(left) + wide)


def _tiles(evaluated: Evaluated, *, row: int) -> tuple[Tile, ...]:
    dataset, name = row_keys(evaluated.scores.slice(row, 1))[0]
    origin = evaluated.datasets.get(dataset)
    if origin is None:
        return ()
    place = int(origin.table["id"].index(name).as_py())
    sample: Mapping[str, Any] = origin.table.slice(place, 1).to_pylist()[0] if place >= 0 else {}
    if sample.get("alpha") is None:
        return ()
    path, image_path = safe_join(origin.folder, sample["alpha"]), named_file(origin.folder, sample["image"])
    alpha = decode_gray(read_file(path), file=str(path))
    image = decode_image(read_file(image_path), file=str(image_path))
    image = resized(image, size=(alpha.shape[0], alpha.shape[1]))
    where = softest(alpha, side=SIDE_PX)
    tiles = [Tile(name="image", address=_webp(image[where])), Tile(name="true alpha", address=_png(alpha[where]))]
    for model, folder, table in _models(evaluated, dataset=dataset):
        if table["is_finite"][row].as_py():
            stored = prediction_path(folder, sample_id=name)
            tiles.append(Tile(name=model, address=_png(decode_gray(read_file(stored), file=str(stored))[where])))
    return tuple(tiles)


def _models(evaluated: Evaluated, *, dataset: str) -> list[tuple[str, Path, Any]]:
    folder = evaluated.folders[dataset].resolve()
    tables = [(evaluated.other, folder / BASELINE, evaluated.baseline), (evaluated.model, folder, evaluated.scores)]
    return [(name, where, table) for name, where, table in tables if table is not None]


def _png(alpha: Alpha) -> str:
    data = encode_gray(np.ascontiguousarray(alpha))
    return f"data:image/png;base64,{base64.b64encode(data).decode('ascii')}"


def _webp(image: Any) -> str:
    data = thumbnail(np.ascontiguousarray(image), size=image.shape[:2])
    return f"data:image/webp;base64,{base64.b64encode(data).decode('ascii')}"
