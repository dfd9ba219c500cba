"""A folder of classes, in the layout of ImageNet: DIR/class/*.jpg. An encoder learns from it to tell them apart."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch.utils.data

from curation.errors import InputRefused
from curation.images.folders import is_os_metadata, list_source
from curation.images.pixels import Image, decode_image
from curation.quarantine import BadRecord
from curation.storage.files import read_file
from models.data.augmentation import augmented
from models.data.images import Draw, Example, ImageOptions, generator_of
from models.preprocessing import resized

JUDGING_SHARE: Final = 0.1
"""Of the images of each class: those whose names hash lowest, so that it is the same images every time."""
LEAST_IMAGES: Final = 2
"""Of a class: one learns, one judges."""
AREAS: Final = (0.35, 1.0)
ASPECTS: Final = (3 / 4, 4 / 3)
"""Of the window that `crop` cuts out: its share of the image, and width to height. Source: Szegedy et al. 2015, Going
Deeper with Convolutions, section 6, with a larger least area, as small networks learn too little from small windows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassifiedImage:
    """An image of a folder of classes; `number` is that of its class."""

    key: str
    path: Path
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenClasses:
    """The images of a folder of classes that train and that judge, and the names of the classes by number.

    `fingerprint` changes with the names and sizes of the files.
    """

    training: tuple[ClassifiedImage, ...]
    validation: tuple[ClassifiedImage, ...]
    names: tuple[str, ...]
    fingerprint: str
    left_out: Mapping[str, int]
    warnings: tuple[str, ...] = ()


def choose_classes(folder: Path, *, limit: int | None) -> ChosenClasses:
    """Return the images of a folder of classes; a tenth of each class judges, and at most `limit` images train.

    Raises InputRefused: no folder, a file that cannot be read or is in no class, fewer than two classes, or a class
    with fewer than two images.
    """
    listing = list_source(folder)
    if listing.broken:
        problem = listing.broken[0]
        raise InputRefused(f"{problem.code}: {problem.reason}", where=problem.file, remedy=problem.hint)
    files: dict[str, list[str]] = defaultdict(list)
    left_out: Counter[str] = Counter()
    for file in listing.files:
        name, _, rest = file.name.partition("/")
        if rest:
            files[name].append(file.name)
        else:
            left_out["in_no_class"] += 1
    left_out.update({reason: len(names) for reason, names in listing.left_out.items()})
    names = sorted(path.name for path in folder.iterdir() if path.is_dir() and not is_os_metadata(path.name))
    _refuse_few(names, files=files, folder=folder)
    training, validation = [], []
    for number, name in enumerate(names):
        own = sorted(files[name], key=_digest)
        judging = max(1, round(JUDGING_SHARE * len(own)))
        made = [ClassifiedImage(key=path, path=folder / path, number=number) for path in own]
        validation += made[:judging]
        training += made[judging:]
    if limit is not None and len(training) > limit:
        left_out["limit"] = len(training) - limit
        training = sorted(training, key=lambda image: _digest(image.key))[:limit]
    return ChosenClasses(
        training=tuple(training),
        validation=tuple(validation),
        names=tuple(names),
        fingerprint=listing.fingerprint(),
        left_out=dict(sorted(left_out.items())),
    )


class ClassifiedImages(torch.utils.data.Dataset[Example | BadRecord]):
    """Images of classes by `Draw`, as `LabelledImages` gives samples; the label is the number of the class."""

    def __init__(
        self, training: Sequence[ClassifiedImage], *, validation: Sequence[ClassifiedImage], options: ImageOptions
    ) -> None:
        self.training = training
        self.validation = validation
        self.options = options

    def __getitem__(self, draw: Draw) -> Example | BadRecord:
        """Return the example of a draw; a broken image gives its BadRecord."""
        is_judging = draw.epoch is None
        image = (self.validation if is_judging else self.training)[draw.index]
        try:
            pixels = decode_image(read_file(image.path), file=str(image.path))
        except BadRecord as problem:
            return problem
        label = np.array(image.number, dtype=np.int64)
        if draw.epoch is None:
            return Example(key=image.key, image=resized(pixels, size=self.options.input_size), label=label, truth=label)
        rng = generator_of(image.key, seed=self.options.seed, epoch=draw.epoch)
        return Example(key=image.key, image=self._varied(pixels, rng=rng), label=label)

    def _varied(self, image: Image, *, rng: np.random.Generator) -> Image:
        options = self.options
        if options.policy == "crop":
            image = _window(image, rng=rng)
        small = resized(image, size=options.input_size)
        changed, _ = augmented(small, np.zeros(small.shape[:2], np.uint8), policy=options.policy, rng=rng)
        return changed


def _window(image: Image, *, rng: np.random.Generator) -> Image:
    """Return a window of a drawn share of the area and a drawn shape, somewhere in the image."""
    height, width = image.shape[:2]
    area = rng.uniform(*AREAS) * height * width
    aspect = np.exp(rng.uniform(*np.log(ASPECTS)))
    high = min(height, max(1, round(np.sqrt(area / aspect))))
    wide = min(width, max(1, round(np.sqrt(area * aspect))))
    top, left = int(rng.integers(height - high + 1)), int(rng.integers(width - wide + 1))
    return np.ascontiguousarray(image[top : top + high, left : left + wide])


def _refuse_few(names: Sequence[str], *, files: Mapping[str, Sequence[str]], folder: Path) -> None:
    if len(names) < 2:
        told = f"holds one class alone ({names[0]})" if names else "holds no folder of a class"
        remedy = "name the folder in which each class has a folder of its own, such as DIR/cat/*.jpg and DIR/dog/*.jpg"
        raise InputRefused(f"{told}, and 2 or more are needed", where=folder, remedy=remedy)
    for name in names:
        if (number := len(files.get(name, ()))) < LEAST_IMAGES:
            found = "no image" if number == 0 else "1 image"
            reason = f"the class has {found}, and {LEAST_IMAGES} or more are needed: one learns, one judges"
            raise InputRefused(reason, where=folder / name, remedy="add images, or take the folder away")


def _digest(name: str) -> bytes:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()
