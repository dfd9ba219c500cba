"""The pictures that browsing needs beside those of a dataset: masks that are cut from predictions.

They lie in a folder of the user, never in the dataset, and are made again only when what they come from has changed.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from curation.dataset.dataset import Dataset
from curation.images.pixels import decode_gray, encode_mask
from curation.labels.masks import mask_of
from curation.quarantine import BadRecord, QuarantineRecord
from curation.storage.files import make_folder, read_file, safe_join, write_bytes
from labeling.browsing.fiftyone_dataset import Pictures

STAGE: Final = "browse"


def pictures_of(
    dataset: Dataset, *, folder: Path, workers: int, progress: Callable[[int], None]
) -> tuple[Pictures, list[QuarantineRecord]]:
    """Make the pictures of a dataset below `folder`; give where all are, and what is broken.

    A sample whose prediction cannot be read is shown without the mask of it.
    """
    home = dataset.folder.resolve()
    out = pictures_folder(home, folder=folder)
    make_folder(out)
    rows = dataset.table.to_pylist()
    broken: list[QuarantineRecord] = []

    def cut(row: dict[str, str | None]) -> Path | None:
        name = row.get("prediction")
        if name is None:
            return None
        try:
            source = safe_join(home, name)
            return cut_mask(source, target=out / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.png")
        except BadRecord as problem:
            broken.append(problem.record(stage=STAGE))
            return None

    predicted: list[Path | None] = []
    with ThreadPoolExecutor(max(1, workers), thread_name_prefix="browse") as pool:
        for path in pool.map(cut, rows):
            predicted.append(path)
            progress(len(predicted))
    _sweep(out, keep={path.name for path in predicted if path is not None})
    return Pictures(images=[home / row["image"] for row in rows], predicted=predicted), broken


def pictures_folder(dataset: Path, *, folder: Path) -> Path:
    """Return the folder below `folder` that holds the pictures made for a dataset."""
    return folder / hashlib.sha256(os.fsencode(dataset.resolve())).hexdigest()[:16]


def cut_mask(source: Path, *, target: Path) -> Path:
    """Cut a stored probability at one half into `target`, unless it was made from the file as it is now.

    Raises BadRecord when the prediction is missing or broken.
    """
    stamp = _stamp(source)
    if stamp is not None and _stamp(target) == stamp:
        return target
    probability = decode_gray(read_file(source), file=str(source))
    write_bytes(target, encode_mask(mask_of(probability)))
    if stamp is not None:
        os.utime(target, ns=(stamp, stamp))  # as `make` does: equal times tell that nothing changed
    return target


def _stamp(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None


def _sweep(folder: Path, *, keep: set[str]) -> None:
    for path in folder.iterdir():
        if path.name not in keep:
            path.unlink()
