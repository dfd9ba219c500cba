"""Plain folders `img/`, `mask/`, `alpha/`, `trimap/`, and JSON lists of their files, as the AiFenGe article has them.

The lists `<set>_img.json`, `<set>_mask.json`, `<set>_alpha.json` and `<set>_trimap.json` name the files of one sample
at one place, below the folder of the lists. As in the article the alpha is the mask where there is no soft one, and the
trimap is made of the mask with a 6 x 6 ellipse where there is none: both are left out on the way back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any, Final

import msgspec
import numpy as np

from curation.exchange.form import UNLABELLED, Conversion, Part, Placed
from curation.exchange.placing import nothing_shared, place_image, place_others
from curation.exchange.travelling import AS_THEY_ARE, Rules, Travelling
from curation.images.pixels import Mask, decode_gray, encode_gray, encode_mask
from curation.labels.trimaps import trimap_from_mask
from curation.quarantine import BadRecord
from curation.storage.files import write_bytes
from curation.storage.streamed_file import streamed_file

IMAGES: Final = "img"
PLACES: Final = {"mask": "mask", "alpha": "alpha", "trimap": "trimap"}
"""The folder of each label that has one of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Folders:
    """The form `folders`."""

    rules: Rules = AS_THEY_ARE
    name: str = "folders"
    samples_per_part: int = 64
    folders: tuple[str, ...] = (IMAGES, *PLACES.values())

    def place(self, sample: Travelling, *, folder: Path) -> Placed:
        """Link the image and write its labels, those that the lists need and the others."""
        paths = {"image": place_image(sample, folder=folder, images=IMAGES)}
        labels = dict(sample.labels)
        if sample.mask is not None:
            labels["mask"] = _mask_file(sample, mask=sample.mask)
            labels.setdefault("alpha", labels["mask"])
            if "trimap" not in labels:
                labels["trimap"] = encode_gray(trimap_from_mask(sample.mask))
        for column, place in PLACES.items():
            if column in labels:
                path = f"{place}/{sample.id}.png"
                write_bytes(folder / path, labels[column])
                paths |= {column: path} if column in sample.labels else {}
        return Placed(paths=paths | place_others(sample, folder=folder, but=tuple(PLACES)))

    def writing(self, part: Part, *, folder: Path) -> AbstractContextManager[Callable[[Any], None]]:
        """Samples share no file."""
        return nothing_shared(part)

    def finish(self, conversion: Conversion, *, folder: Path) -> None:
        """Write the lists of each set; of samples without a label there are images alone."""
        for set_ in conversion.sets:
            columns = () if set_ == UNLABELLED else tuple(PLACES)
            for column in ("img", *columns):
                with streamed_file(folder / f"{set_}_{column}.json") as stream:
                    _write_list(stream.write, conversion, set_=set_, column=column)

    def way_back(self, folder: Path, *, sets: Mapping[str, int]) -> str:
        """Return the command that reads it."""
        images, masks = quote(str(folder / IMAGES)), quote(str(folder / PLACES["mask"]))
        return f"curate pairs --images {images} --masks {masks} --out D"


def _mask_file(sample: Travelling, *, mask: Mask) -> bytes:
    """Return the mask's own file where every reader sees 0 and 255 in it: masks of 0 and 1 are masks here, too."""
    own = sample.labels["mask"]
    with suppress(BadRecord):
        if sample.suffixes["mask"] == ".png" and np.array_equal(decode_gray(own, file=sample.id), mask):
            return own
    return encode_mask(mask)


def _write_list(write: Callable[[bytes], object], conversion: Conversion, *, set_: str, column: str) -> None:
    separator = b"[\n"
    for one in conversion.taken:
        if one.set == set_:
            path = one.paths["image"] if column == "img" else f"{PLACES[column]}/{one.id}.png"
            write(separator + msgspec.json.encode(path))
            separator = b",\n"
    write(b"\n]\n" if separator == b",\n" else b"[]\n")
