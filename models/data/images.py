"""The samples of a training as a torch data set: every draw gives the same picture, whoever loads it and when."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch.utils.data

from curation.pixels import Alpha, Image, Mask
from curation.quarantine import BadRecord
from models.data.augmentation import Policy, augmented
from models.data.choosing import LabelledImage
from models.data.cropping import cropped
from models.data.keeping import KeptPictures, room_to_keep
from models.data.labels import Label, fitted, read_image, read_label


class Fuse(Protocol):
    """Puts persons on new backgrounds before samples are augmented; worker processes have to be able to import it.

    It draws from the generator alone. Images are already at the size of the network, but for the `crop` policy, which
    needs all of their pixels. It is for networks of one class: a trimap cannot be told from a mask.
    """

    def is_wanted(self, rng: np.random.Generator) -> bool:
        """Draw whether a sample is fused."""

    def cut_out(self, image: Image, mask: Mask) -> tuple[Image, Alpha]:
        """Give colours and alpha of the person of a sample; they are kept, so nothing is drawn here."""

    def lay(self, colours: Image, alpha: Alpha, rng: np.random.Generator) -> tuple[Image, Mask]:
        """Give the image and the mask that stand in place of those of the sample."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """What to load: sample `index` of those that train, as it is in `epoch`, or (None) of those that judge."""

    epoch: int | None
    index: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Example:
    """An image and its label at the size of the network; of a judging sample, `truth` is the label in full size."""

    key: str
    image: Image
    label: Label
    truth: Label | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageOptions:
    """What becomes of a sample on its way to the network. `input_size` is (height, width)."""

    classes: int
    input_size: tuple[int, int]
    policy: Policy
    seed: int
    fuse: Fuse | None = None


class LabelledImages(torch.utils.data.Dataset[Example | BadRecord]):
    """Samples that train and samples that judge, by `Draw`. A broken one gives its BadRecord: a worker process could
    only pass on the text of an exception."""

    def __init__(
        self, training: Sequence[LabelledImage], *, validation: Sequence[LabelledImage], options: ImageOptions
    ) -> None:
        self.training = training
        self.validation = validation
        self.options = options
        # the crop policy cuts from all pixels of an image, every time elsewhere
        places = 0 if options.policy == "crop" else len(training)
        room = room_to_keep() if options.fuse is None else room_to_keep() // 2
        self.kept = KeptPictures(places, size=options.input_size, room=room)
        self.kept_persons = KeptPictures(places if options.fuse is not None else 0, size=options.input_size, room=room)

    def __getitem__(self, draw: Draw) -> Example | BadRecord:
        """Give the example of a draw."""
        try:
            if draw.epoch is None:
                return self._judging(self.validation[draw.index])
            return self._training(draw.index, epoch=draw.epoch)
        except BadRecord as problem:
            return problem

    def _judging(self, sample: LabelledImage) -> Example:
        image, truth = _read(sample, classes=self.options.classes)
        small, label = fitted(image, truth, size=self.options.input_size, classes=self.options.classes)
        return Example(key=sample.key, image=small, label=label, truth=truth)

    def _training(self, index: int, *, epoch: int) -> Example:
        options, sample = self.options, self.training[index]
        rng = generator_of(sample.key, seed=options.seed, epoch=epoch)
        if options.policy == "crop":
            image, label = _read(sample, classes=options.classes)
        else:
            image, label = self._fitted(index)
        if options.fuse is not None and options.fuse.is_wanted(rng):
            colours, alpha = self._cut_out(index, image=image, label=label, fuse=options.fuse)
            image, mask = options.fuse.lay(colours, alpha, rng)
            label = np.where(mask > 0, np.uint8(1), np.uint8(0))  # what was ignored is not in this picture
        if options.policy == "crop":
            image, label = cropped(image, label, size=options.input_size, classes=options.classes, rng=rng)
        image, label = augmented(image, label, policy=options.policy, rng=rng)
        return Example(key=sample.key, image=image, label=label)

    def _cut_out(self, index: int, *, image: Image, label: Label, fuse: Fuse) -> tuple[Image, Alpha]:
        """Give colours and alpha of the person of a sample, which take longer than everything else together."""
        if (kept := self.kept_persons.get(index)) is not None:
            return kept
        colours, alpha = fuse.cut_out(image, np.where(label == 1, np.uint8(255), np.uint8(0)))
        self.kept_persons.put(index, image=colours, label=alpha)
        return colours, alpha

    def _fitted(self, index: int) -> tuple[Image, Label]:
        """Give a sample at the size of the network: resized before it is augmented, which so costs a fraction."""
        if (kept := self.kept.get(index)) is not None:
            return kept
        image, label = _read(self.training[index], classes=self.options.classes)
        image, label = fitted(image, label, size=self.options.input_size, classes=self.options.classes)
        self.kept.put(index, image=image, label=label)
        return image, label


def generator_of(key: str, *, seed: int, epoch: int) -> np.random.Generator:
    """Give the generator of one sample in one epoch: what it draws hangs on nothing else."""
    name = int.from_bytes(hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()[:16], "big")
    return np.random.default_rng([seed, epoch, name])


def _read(sample: LabelledImage, *, classes: int) -> tuple[Image, Label]:
    image = read_image(sample)
    return image, read_label(sample, classes=classes, size=(image.shape[0], image.shape[1]))
