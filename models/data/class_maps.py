"""Class maps as labels: what their classes are called, which of them a mirror exchanges, and how they are resized."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from curation.dataset.class_names import CLASSES, class_names_of
from curation.dataset.dataset import Dataset
from curation.errors import InputRefused
from curation.images.pixels import Image
from models.preprocessing import at_size

PREDICTED_CLASSES: Final = "predicted_classes"
"""The column of class maps that a model predicted, their folder, and the note that names their values."""
SIDES: Final = (("l_", "r_"), ("left_", "right_"))
"""How the names of two classes begin that a mirror exchanges."""
FLIPPED_SHARE: Final = 0.5

ClassMap = NDArray[np.uint8]


def names_of_classes(datasets: Sequence[Dataset], *, classes: int) -> tuple[str, ...]:
    """Return what `classes` classes are called by the cards of datasets; where no card says, `class 1` and so on.

    Raises InputRefused: a dataset has more classes, or two name a class differently.
    """
    for dataset in datasets:
        note: Mapping[str, Any] = dataset.card.notes.get(CLASSES) or {}
        if len(note) > classes:
            told = f"its class maps have {len(note)} classes ({', '.join(note)})"
            remedy = f"give --classes {len(note)}, or a number that is larger"
            raise InputRefused(f"{told}, and the network {classes}", where=dataset.folder, remedy=remedy)
    found = class_names_of(datasets, remedy="train on datasets whose class maps mean the same")
    usual = {0: "background"}
    return tuple(found.get(n) or usual.get(n, f"class {n}") for n in range(classes))


def mirrored_classes(names: Sequence[str]) -> tuple[int, ...]:
    """Return for each class which one it is in a mirror: what is left becomes right where both have a name.

    >>> mirrored_classes(["background", "l_eye", "r_eye", "l_lip"])
    (0, 2, 1, 3)
    """
    places = {name: number for number, name in enumerate(names)}
    other = {}
    for name in names:
        for one, two in (*SIDES, *((two, one) for one, two in SIDES)):
            if name.startswith(one) and (across := two + name.removeprefix(one)) in places:
                other[name] = across
    return tuple(places[other.get(name, name)] for name in names)


def flipped_classes(
    image: Image, label: ClassMap | NDArray[np.float32], *, mirrored: Sequence[int], rng: np.random.Generator
) -> tuple[Image, ClassMap | NDArray[np.float32]]:
    """Return an image and its class map, half of the time as in a mirror, where left and right are exchanged too.

    A soft label (h, w), of float32, is no class map and only turned.
    """
    if rng.random() >= FLIPPED_SHARE:
        return image, label
    if label.dtype == np.float32:
        return np.ascontiguousarray(image[:, ::-1]), np.ascontiguousarray(label[:, ::-1], np.float32)
    table = np.arange(256, dtype=np.uint8)  # what is ignored stays ignored
    table[: len(mirrored)] = mirrored
    classes = label[:, ::-1].astype(np.uint8, copy=False)
    return np.ascontiguousarray(image[:, ::-1]), np.ascontiguousarray(table[classes])


def resized_classes(label: ClassMap, *, size: tuple[int, int]) -> ClassMap:
    """Return a class map at `size` (height, width): a pixel is of the class that most of it was, 255 ignored among
    them; of equal shares the lower number.
    """
    height, width = size
    is_smaller = height <= label.shape[0] and width <= label.shape[1]
    found = np.zeros(size, np.uint8)
    most = np.full(size, -1.0, np.float32)
    for value in np.unique(label):
        is_class = (label == value).astype(np.float32)
        share = (
            cv2.resize(is_class, (width, height), interpolation=cv2.INTER_AREA)
            if is_smaller
            else at_size(is_class, size=size)
        )
        is_more = share > most + 1e-6  # sums in another order differ by less
        found[is_more], most[is_more] = value, share[is_more]
    return found
