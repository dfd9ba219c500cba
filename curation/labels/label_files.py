"""Label pictures as they enter a dataset: written below it, with a SHA-256 each, so that a change shows later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from curation.byte_range import byte_range
from curation.storage.checksums import digest_column
from curation.storage.files import sha256_of, write_bytes

FOLDERS: Final[dict[str, str]] = {
    "mask": "masks",
    "alpha": "alphas",
    "trimap": "trimaps",
    "ignore": "ignores",
    "classes": "classes",
    "white": "white",
    "cutout": "cutouts",
}
"""The folder of a dataset that holds the files of each column; images, which come as they are, have their own rules."""


def label_folder(column: str) -> str:
    """Return the folder that holds the files of a column, also of one that other tools added.

    >>> label_folder("mask"), label_folder("prediction")
    ('masks', 'predictions')
    """
    return FOLDERS.get(column, f"{column}s")


def plain_path(path: str, *, column: str, sample_id: str) -> str:
    """Return where a label is as a file of its own: below the folder of its column where it lies in a tar file.

    >>> plain_path("labels/part-00000.tar/512+99.png", column="mask", sample_id="a"), plain_path("masks/b.v1.png",
    ... column="mask", sample_id="b")
    ('masks/a.png', 'masks/b.v1.png')
    """
    place = byte_range(path)
    return path if place is None else f"{label_folder(column)}/{sample_id}{place.suffix}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedLabels:
    """The labels of one sample: `paths` by column, and the SHA-256 of each by the name of its column for that."""

    paths: Mapping[str, str]
    digests: Mapping[str, str]


def place_labels(pictures: Mapping[str, bytes], *, sample_id: str, folder: Path) -> PlacedLabels:
    """Write the PNG files of one sample below the dataset `folder`; `pictures` holds their bytes by column.

    Raises EnvironmentProblem when one cannot be written.
    """
    paths = {column: f"{FOLDERS[column]}/{sample_id}.png" for column in pictures}
    for column, data in pictures.items():
        write_bytes(folder / paths[column], data)
    return PlacedLabels(
        paths=paths, digests={digest_column(column): sha256_of(data) for column, data in pictures.items()}
    )
