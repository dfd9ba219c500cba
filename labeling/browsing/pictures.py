"""What browsing shows and a dataset does not hold: masks cut from predictions, labels in tar files, images of a store.

They lie in a folder of the user, never in the dataset, and are made again only when what they come from has changed.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

from curation.byte_range import byte_range
from curation.dataset.dataset import Dataset
from curation.images.pixels import decode_gray, encode_mask
from curation.labels.masks import mask_of
from curation.quarantine import BadRecord, QuarantineRecord
from curation.storage.files import link_or_copy, make_folder, read_file, safe_join, write_bytes
from curation.storage.image_places import located
from curation.storage.opened import opened
from labeling.browsing.fiftyone_dataset import Pictures

STAGE: Final = "browse"
SHOWN: Final = ("mask", "alpha")
"""Columns of labels that are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """Of a sample its image, and the pictures made for it: the mask of its prediction, and labels in tar files, by
    their names there.
    """

    image: Path
    predicted: Path | None
    labels: Mapping[str, Path]


def pictures_of(
    dataset: Dataset, *, folder: Path, workers: int, progress: Callable[[int], None]
) -> tuple[Pictures, list[QuarantineRecord]]:
    """Make the pictures of a dataset below `folder`; give where all are, and what is broken.

    A sample whose prediction cannot be read is shown without the mask of it, and so for a label in a tar file.
    """
    home = dataset.folder.resolve()
    out = pictures_folder(home, folder=folder)
    make_folder(out)
    rows = dataset.table.to_pylist()
    broken: list[QuarantineRecord] = []

    def made(name: str | None, *, make: Callable[..., Path]) -> Path | None:
        if name is None:
            return None
        try:
            return make(safe_join(home, name), target=out / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.png")
        except BadRecord as problem:
            broken.append(problem.record(stage=STAGE))
            return None

    def all_of(row: Mapping[str, Any]) -> _Made:
        packed = [name for column in SHOWN if (name := row.get(column)) is not None and byte_range(name) is not None]
        labels = {name: path for name in packed if (path := made(name, make=laid_out)) is not None}
        image = home / str(row["image"])
        with suppress(BadRecord):  # shown as a picture that is missing, which it is
            image = _image_of(row, home=home, out=out)
        return _Made(image=image, predicted=made(row.get("prediction"), make=cut_mask), labels=labels)

    images: list[Path] = []
    predicted: list[Path | None] = []
    labels: dict[str, Path] = {}
    with ThreadPoolExecutor(max(1, workers), thread_name_prefix="browse") as pool:
        for one in pool.map(all_of, rows):
            images.append(one.image)
            predicted.append(one.predicted)
            labels |= one.labels
            progress(len(predicted))
    _sweep(out, keep={path.name for path in (*images, *predicted, *labels.values()) if path is not None})
    return Pictures(images=images, predicted=predicted, labels=labels), broken


def pictures_folder(dataset: Path, *, folder: Path) -> Path:
    """Return the folder below `folder` that holds the pictures made for a dataset."""
    return folder / hashlib.sha256(os.fsencode(dataset.resolve())).hexdigest()[:16]


def laid_out(source: Path, *, target: Path) -> Path:
    """Write a label that lies in a tar file into `target`, unless it comes from that file as it is now.

    Raises BadRecord where it cannot be read, or is no gray picture.
    """
    stamp = _stamp(source.parent)
    if stamp is None or _stamp(target) != stamp:
        data = read_file(source)
        decode_gray(data, file=str(source))
        write_bytes(target, data)
        _mark(target, stamp=stamp)
    return target


def cut_mask(source: Path, *, target: Path) -> Path:
    """Cut a stored probability at one half into `target`, unless it was made from the file as it is now.

    Raises BadRecord when the prediction is missing or broken.
    """
    stamp = _stamp(source)
    if stamp is not None and _stamp(target) == stamp:
        return target
    probability = decode_gray(read_file(source), file=str(source))
    write_bytes(target, encode_mask(mask_of(probability)))
    _mark(target, stamp=stamp)
    return target


def _image_of(row: Mapping[str, Any], *, home: Path, out: Path) -> Path:
    """Return the path of an image: where it lies on this machine, or in `out` where it lies in an object store."""
    name = str(row["image"])
    path, root = located(home / name, below=home)
    if root is not None:
        os.close(opened(path, below=root).descriptor)  # no link on the way is followed
        return path
    key = hashlib.sha256(f"{name} {row['sha256']}".encode()).hexdigest()[:32]
    target = out / f"{key}{PurePosixPath(name).suffix}"
    if not target.exists():
        link_or_copy(path, target)
    return target


def _mark(path: Path, *, stamp: int | None) -> None:
    """Give a picture the time of what it was made from, as `make` does: equal times tell that nothing changed."""
    if stamp is not None:
        os.utime(path, ns=(stamp, stamp))


def _stamp(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None


def _sweep(folder: Path, *, keep: set[str]) -> None:
    for path in folder.iterdir():
        if path.name not in keep:
            path.unlink()
