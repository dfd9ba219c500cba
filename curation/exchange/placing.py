"""Images and labels placed as files of their own, for the forms that are folders of files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from curation.exchange.form import Part
from curation.exchange.travelling import LABELS, Travelling
from curation.labels.label_files import label_folder
from curation.storage.files import link_or_copy, make_folder, write_bytes


def place_image(sample: Travelling, *, folder: Path, images: str) -> str:
    """Link (or write) the image to `images/<id>.<ext>` below `folder`; return that path."""
    path = f"{images}/{sample.image_name}"
    if sample.origin is None:
        write_bytes(folder / path, sample.image)
    else:
        link_or_copy(sample.origin, folder / path, data=sample.image)
    return path


def place_others(sample: Travelling, *, folder: Path, but: tuple[str, ...] = ()) -> dict[str, str]:
    """Write the label files that a form has no place for, in folders named as in a data set; return their paths.

    They are copies, so that a tool that changes them changes nothing of the data set.
    """
    paths = {}
    for column in LABELS:
        if column in sample.labels and column not in but:
            place = label_folder(column)
            paths[column] = f"{place}/{sample.id}{sample.suffixes[column]}"
            make_folder(folder / place, below=folder)
            write_bytes(folder / paths[column], sample.labels[column])
    return paths


def names_beside(paths: Mapping[str, str]) -> list[str]:
    """Return the folders of paths, each once, sorted."""
    return sorted({path.partition("/")[0] for path in paths.values()})


@contextmanager
def nothing_shared(_: Part) -> Iterator[Callable[[Any], None]]:
    """Give what takes no records: every sample lies in files of its own."""
    yield lambda _record: None
