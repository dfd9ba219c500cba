"""Images and labels of samples, read and brought to the size of a network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from curation.checksums import check_digest
from curation.files import read_file, safe_join
from curation.pixels import Image, decode_gray, decode_image, decode_mask, histogram
from curation.quarantine import BadRecord, Code
from models.data.choosing import LabelledImage
from models.losses import IGNORED
from models.preprocessing import resized, resized_mask

Label: TypeAlias = NDArray[np.uint8]
"""(height, width): with 1 class 0 background and 1 person; with 3 classes 0 background, 1 unknown, 2 foreground. 255 is
ignored."""

IGNORE_VALUE: Final = 128
"""Of a pixel in `ignores/<id>.png` that does not count; the others are 0."""
BACKGROUND, UNKNOWN, FOREGROUND = 0, 1, 2
TRIMAP_VALUES: Final = {0: BACKGROUND, 128: UNKNOWN, 255: FOREGROUND}


def read_image(sample: LabelledImage) -> Image:
    """Give the image of a sample, as displayed; raises BadRecord as `decode_image` and `read_file`, and CHECKSUM."""
    return _decoded(sample, sample.image, decode=decode_image)


def read_label(sample: LabelledImage, *, classes: int, size: tuple[int, int]) -> Label:
    """Give the label of a sample, whose image is of `size` (height, width), from its mask or trimap.

    Raises BadRecord: MASK_VALUES or TRIMAP for values that are no label, SIZE_MISMATCH, CHECKSUM for a file that has
    changed since it was made, and those of the file.
    """
    label = _read_mask(sample) if classes == 1 else _read_trimap(sample)
    _check_size(label, size=size, sample=sample, name=sample.label)
    if sample.ignore is not None:
        ignored = _decoded(sample, sample.ignore, decode=decode_gray)
        _check_size(ignored, size=size, sample=sample, name=sample.ignore)
        file = str(sample.folder / sample.ignore)
        _check_values(ignored, allowed=(0, IGNORE_VALUE), code=Code.MASK_VALUES, file=file)
        label[ignored == IGNORE_VALUE] = IGNORED
    return label


def fitted(image: Image, label: Label, *, size: tuple[int, int], classes: int) -> tuple[Image, Label]:
    """Give an image and its label at `size` (height, width).

    A pixel of the result is of the class that at least half of it was, is ignored where at least half of it was, and is
    unknown (3 classes) where it was neither foreground nor background by half.
    """
    if image.shape[:2] == size:
        return image, label
    if classes == 1:
        small = np.where(_mostly(label == 1, size=size), np.uint8(1), np.uint8(0))
    else:
        small = np.where(_mostly(label == BACKGROUND, size=size), np.uint8(BACKGROUND), np.uint8(UNKNOWN))
        small[_mostly(label == FOREGROUND, size=size)] = FOREGROUND
    if (label == IGNORED).any():
        small[_mostly(label == IGNORED, size=size)] = IGNORED
    return resized(image, size=size), small


def _mostly(is_of_class: NDArray[np.bool_], *, size: tuple[int, int]) -> NDArray[np.bool_]:
    return resized_mask(is_of_class.view(np.uint8) * np.uint8(255), size=size) > 0


def _decoded(sample: LabelledImage, name: str, *, decode: Callable[..., NDArray[np.uint8]]) -> NDArray[np.uint8]:
    path = safe_join(sample.folder, name)
    data = read_file(path)
    picture = decode(data, file=str(path))
    check_digest(data, expected=sample.digests.get(name), file=path)  # last: what is wrong with a file says more
    return picture


def _read_mask(sample: LabelledImage) -> Label:
    return _decoded(sample, sample.label, decode=decode_mask) & np.uint8(1)


def _read_trimap(sample: LabelledImage) -> Label:
    stored = _decoded(sample, sample.label, decode=decode_gray)
    _check_values(stored, allowed=tuple(TRIMAP_VALUES), code=Code.TRIMAP, file=str(sample.folder / sample.label))
    label = np.full_like(stored, UNKNOWN)
    label[stored == 0] = BACKGROUND
    label[stored == 255] = FOREGROUND
    return label


def _check_size(stored: NDArray[np.uint8], *, size: tuple[int, int], sample: LabelledImage, name: str) -> None:
    if stored.shape != size:
        reason = f"is {stored.shape[1]} x {stored.shape[0]}, its image {size[1]} x {size[0]} (width x height)"
        raise BadRecord(Code.SIZE_MISMATCH, reason, file=sample.folder / name, record_id=sample.key)


def _check_values(stored: NDArray[np.uint8], *, allowed: tuple[int, ...], code: Code, file: str) -> None:
    is_legal = np.zeros(stored.shape, np.bool_)
    for value in allowed:
        is_legal |= stored == value
    if not is_legal.all():
        legal = ", ".join(map(str, allowed))
        raise BadRecord(code, f"holds values other than {legal}: {histogram(stored)}", file=file)
