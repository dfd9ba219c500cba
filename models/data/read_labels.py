"""Images and labels of samples, read and brought to the size of a network; a soft label is told by its type."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from curation.images.pixels import Image, decode_gray, decode_image, decode_mask, histogram
from curation.quarantine import BadRecord, Code
from curation.storage.checksums import check_digest
from curation.storage.files import named_file, read_file
from models.data.choose_samples import LabelledImage
from models.data.class_maps import resized_classes
from models.data.soft_labels import SoftLabel, fitted_soft, is_soft, soft_label
from models.losses.targets import BACKGROUND, FOREGROUND, IGNORED, UNKNOWN
from models.preprocessing import resized, resized_mask

Label: TypeAlias = NDArray[np.uint8]
"""(height, width): with 1 class 0 background and 1 person; of trimaps 0 background, 1 unknown, 2 foreground; of class
maps the number of the class. 255 is ignored."""
AnyLabel: TypeAlias = Label | SoftLabel

ALPHAS_LOOKED_AT: Final = 8
"""In each dataset, to see whether any has soft values."""
IGNORE_VALUE: Final = 128
"""Of a pixel in `ignores/<id>.png` that does not count; the others are 0."""
TRIMAP_VALUES: Final = {0: BACKGROUND, 128: UNKNOWN, 255: FOREGROUND}


def read_image(sample: LabelledImage) -> Image:
    """Return the image of a sample, as displayed; raises BadRecord as `decode_image` and `read_file`, and CHECKSUM."""
    return _decoded(sample, sample.image, decode=decode_image)


def read_label(sample: LabelledImage, *, classes: int, size: tuple[int, int]) -> Label:
    """Return the label of a sample, whose image is of `size` (height, width), from its mask, trimap or class map.

    Without a label all is ignored. Raises BadRecord: MASK_VALUES or TRIMAP for values that are no label, SIZE_MISMATCH,
    CHECKSUM for a file that has changed since it was made, and those of the file.
    """
    if sample.label is None:
        return np.full(size, IGNORED, np.uint8)
    if sample.is_class_map:
        label = _read_class_map(sample, classes=classes)
    else:
        label = _read_mask(sample) if classes == 1 else _read_trimap(sample)
    _check_size(label, size=size, sample=sample, name=sample.label)
    if (is_ignored := _ignored(sample, size=size)) is not None:
        label[is_ignored] = IGNORED
    return label


def read_soft_label(sample: LabelledImage, *, size: tuple[int, int]) -> SoftLabel:
    """Return the alpha of a sample, whose image is of `size` (height, width), else its mask as an alpha of 0 and 1.

    Raises BadRecord as `read_label`.
    """
    if sample.alpha is None:
        return read_label(sample, classes=1, size=size).astype(np.float32)  # what is ignored is 255 in both
    alpha = _decoded(sample, sample.alpha, decode=decode_gray)
    _check_size(alpha, size=size, sample=sample, name=sample.alpha)
    label = soft_label(alpha)
    if (is_ignored := _ignored(sample, size=size)) is not None:
        label[is_ignored] = IGNORED
    return label


def read_taught(sample: LabelledImage, *, size: tuple[int, int]) -> SoftLabel:
    """Return what a teacher says of a sample, at `size` (height, width): probabilities in 0..1, and 255 all over where
    it says nothing. Raises BadRecord as `read_label`.
    """
    if sample.taught is None:
        return np.full(size, IGNORED, np.float32)
    stored = decode_gray(read_file(sample.taught), file=str(sample.taught))
    return fitted_soft(soft_label(stored), size=size)


def warnings_of_alphas(samples: Sequence[LabelledImage]) -> list[str]:
    """Say of which datasets no alpha that is looked at has a value between 0 and 255: they teach what masks do."""
    warnings = []
    samples = [sample for sample in samples if sample.label is not None]
    for folder in dict.fromkeys(sample.folder for sample in samples):
        own = [sample for sample in samples if sample.folder == folder]
        some = own[:: -(-len(own) // ALPHAS_LOOKED_AT)]
        if not any(_is_soft_or_broken(sample) for sample in some):
            reason = f"the alphas hold 0 and 255 alone ({len(some)} of {len(own)} looked at)"
            warnings.append(f"{folder}: {reason} and teach no more than masks; `curate matte` makes soft ones")
    return warnings


def fitted(image: Image, label: AnyLabel, *, size: tuple[int, int], classes: int | None) -> tuple[Image, AnyLabel]:
    """Return an image and its label at `size` (height, width).

    An alpha is averaged. `classes` is 1 for masks, 3 for trimaps, and None for class maps, see `resized_classes`. With
    masks and trimaps, a pixel of the result is of the class that at least half of it was, is ignored where at least
    half of it was, and is unknown (trimaps) where it was neither foreground nor background by half.
    """
    if image.shape[:2] == size:
        return image, label
    if is_soft(label):
        return resized(image, size=size), fitted_soft(label, size=size)
    if classes is None:
        return resized(image, size=size), resized_classes(label.astype(np.uint8, copy=False), size=size)
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
    path = named_file(sample.folder, name)
    data = read_file(path)
    picture = decode(data, file=str(path))
    check_digest(data, expected=sample.digests.get(name), file=path)  # last: what is wrong with a file says more
    return picture


def _is_soft_or_broken(sample: LabelledImage) -> bool:
    assert sample.alpha is not None, "those that train on alphas have one"
    try:
        alpha = _decoded(sample, sample.alpha, decode=decode_gray)
    except BadRecord:
        return True  # the training itself will name it
    return bool(((alpha > 0) & (alpha < 255)).any())


def _ignored(sample: LabelledImage, *, size: tuple[int, int]) -> NDArray[np.bool_] | None:
    if sample.ignore is None:
        return None
    ignored = _decoded(sample, sample.ignore, decode=decode_gray)
    _check_size(ignored, size=size, sample=sample, name=sample.ignore)
    file = str(sample.folder / sample.ignore)
    _check_values(ignored, allowed=(0, IGNORE_VALUE), code=Code.MASK_VALUES, file=file)
    is_ignored: NDArray[np.bool_] = ignored == IGNORE_VALUE
    return is_ignored


def _label_of(sample: LabelledImage) -> str:
    assert sample.label is not None, "a sample without a label is not read"
    return sample.label


def _read_mask(sample: LabelledImage) -> Label:
    return _decoded(sample, _label_of(sample), decode=decode_mask) & np.uint8(1)


def _read_class_map(sample: LabelledImage, *, classes: int) -> Label:
    stored = _decoded(sample, _label_of(sample), decode=decode_gray)
    if stored.max() >= classes:
        reason = f"holds values above {classes - 1}, the last of {classes} classes: {histogram(stored)}"
        raise BadRecord(Code.MASK_VALUES, reason, file=sample.folder / _label_of(sample), record_id=sample.key)
    return stored


def _read_trimap(sample: LabelledImage) -> Label:
    stored = _decoded(sample, _label_of(sample), decode=decode_gray)
    file = str(sample.folder / _label_of(sample))
    _check_values(stored, allowed=tuple(TRIMAP_VALUES), code=Code.TRIMAP, file=file)
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
