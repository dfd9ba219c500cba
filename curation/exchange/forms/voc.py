"""PASCAL VOC: `JPEGImages/`, `SegmentationClass/` with VOC's palette, `Annotations/` and lists in `ImageSets/`.

A person is 15, as in VOC's own classes, background 0, and what is not labelled 255. Samples without a label stand in
no list but `ImageSets/Main/unlabelled.txt`. Source: "The PASCAL Visual Object Classes Challenge 2012 Development Kit",
sections 5 and 7 (Everingham and Winn).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any, Final
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import NDArray

from curation.exchange.form import ALL, UNLABELLED, Conversion, Part, Placed
from curation.exchange.placing import nothing_shared, place_image, place_others
from curation.exchange.travelling import AS_THEY_ARE, Rules, Travelling
from curation.images.pixels import Mask
from curation.images.written_png import png_of
from curation.storage.files import make_folder, write_bytes
from curation.storage.streamed_file import streamed_file

IMAGES: Final = "JPEGImages"
MASKS: Final = "SegmentationClass"
BOXES: Final = "Annotations"
LISTS: Final = "ImageSets/Segmentation"
OTHER_LISTS: Final = "ImageSets/Main"
PERSON: Final = 15
VOID: Final = 255
BITS: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Voc:
    """The form `voc`."""

    rules: Rules = AS_THEY_ARE
    name: str = "voc"
    samples_per_part: int = 64
    folders: tuple[str, ...] = (IMAGES, MASKS, BOXES, LISTS)

    def place(self, sample: Travelling, *, folder: Path) -> Placed:
        """Link the image, and write its mask and the box around it."""
        paths = {"image": place_image(sample, folder=folder, images=IMAGES)}
        if sample.mask is not None:
            classes = np.where(sample.mask > 0, np.uint8(PERSON), np.uint8(0))
            if sample.ignored is not None:
                classes[sample.ignored & (sample.mask == 0)] = VOID
            paths["mask"] = f"{MASKS}/{sample.id}.png"
            write_bytes(folder / paths["mask"], png_of(classes, palette=palette()))
            write_bytes(folder / BOXES / f"{sample.id}.xml", _box_file(sample, mask=sample.mask))
        return Placed(paths=paths | place_others(sample, folder=folder, but=("mask",)))

    def writing(self, part: Part, *, folder: Path) -> AbstractContextManager[Callable[[Any], None]]:
        """Samples share no file."""
        return nothing_shared(part)

    def finish(self, conversion: Conversion, *, folder: Path) -> None:
        """Write the list of each set; `trainval.txt` of a set without splits, as VOC calls all that is labelled."""
        for set_ in conversion.sets:
            place, name = (OTHER_LISTS, set_) if set_ == UNLABELLED else (LISTS, {ALL: "trainval"}.get(set_, set_))
            make_folder(folder / place, below=folder)
            with streamed_file(folder / place / f"{name}.txt") as stream:
                for one in conversion.taken:
                    if one.set == set_:
                        stream.write(f"{one.id}\n".encode())

    def way_back(self, folder: Path, *, sets: Mapping[str, int]) -> str:
        """Return the command that reads it."""
        images, masks = quote(str(folder / IMAGES)), quote(str(folder / MASKS))
        return f"curate pairs --images {images} --masks {masks} --person-value {PERSON} --out D"


def palette() -> NDArray[np.uint8]:
    """Return VOC's 256 colours (256, 3): the bits of a class, three at a time, from the highest bit of a colour down.

    >>> palette()[[0, 15, 255]].tolist()
    [[0, 0, 0], [192, 128, 128], [224, 224, 192]]
    """
    classes = np.arange(256, dtype=np.int64)
    colours = np.zeros((256, 3), np.uint8)
    for bit in range(BITS):
        for channel in range(3):
            colours[:, channel] |= ((classes >> channel & 1) << (BITS - 1 - bit)).astype(np.uint8)
        classes >>= 3
    return colours


def _box_file(sample: Travelling, *, mask: Mask) -> bytes:
    height, width = sample.size
    lines = [
        "<annotation>",
        f"  <folder>{IMAGES}</folder>",
        f"  <filename>{escape(sample.image_name)}</filename>",
        f"  <size><width>{width}</width><height>{height}</height><depth>{sample.channels}</depth></size>",
        "  <segmented>1</segmented>",
        *_person_lines(mask),
        "</annotation>",
    ]
    return "\n".join([*lines, ""]).encode()


def _person_lines(mask: Mask) -> Iterator[str]:
    """Yield the lines of the person; VOC counts pixels from 1, and both corners belong to the box."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return
    corners = {"xmin": columns[0], "ymin": rows[0], "xmax": columns[-1], "ymax": rows[-1]}
    box = "".join(f"<{name}>{int(place) + 1}</{name}>" for name, place in corners.items())
    yield "  <object>"
    yield "    <name>person</name><pose>Unspecified</pose><truncated>0</truncated><difficult>0</difficult>"
    yield f"    <bndbox>{box}</bndbox>"
    yield "  </object>"
