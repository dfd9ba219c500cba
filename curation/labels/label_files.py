"""Label pictures as they enter a dataset: written below it, with a SHA-256 each, so that a change shows later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

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
