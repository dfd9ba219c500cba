"""The samples of a training as a torch data set: every draw gives the same picture, whoever loads it and when."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
import torch
import torch.utils.data
from numpy.typing import NDArray

from curation.errors import CurateError
from curation.images.pixels import Alpha, Image, Mask
from curation.labels.masks import mask_of
from curation.quarantine import BadRecord
from models.card import TRIMAP_CLASSES
from models.data.augmentation import OF_ALL_PIXELS, Policy, augmented, flipped_vertically
from models.data.bands import widened
from models.data.cache import KeptPictures, room_to_keep
from models.data.choose_samples import LabelKind, LabelledImage
from models.data.crop import cropped, framed, patched
from models.data.places import moved
from models.data.read_labels import AnyLabel, Label, fitted, read_image, read_label, read_soft_label, read_taught
from models.data.soft_labels import HALF, SoftLabel, alpha_of, is_soft, soft_label
from models.losses.targets import IGNORED

ClassNumber: TypeAlias = NDArray[np.int64]
"""(): the number of the class of an image."""


class Fuse(Protocol):
    """Puts persons on new backgrounds before samples are augmented; worker processes have to be able to import it.

    It draws from the generator alone. Images are already at the size of the network, but for the `crop` policy, which
    needs all of their pixels. It is for networks of one class: a trimap cannot be distinguished from a mask.
    """

    def is_wanted(self, rng: np.random.Generator) -> bool:
        """Draw whether a sample is fused."""

    def cut_out(self, image: Image, label: Mask | Alpha, *, is_alpha: bool) -> tuple[Image, Alpha]:
        """Return colours and alpha of the person of a sample; they are kept, so nothing is drawn here."""

    def lay(self, colours: Image, alpha: Alpha, rng: np.random.Generator) -> tuple[Image, Alpha]:
        """Return the image that stands in place of that of the sample, and the alpha with which it was laid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """What to load: sample `index` of those that train, as it is in `epoch`, or (None) of those that judge."""

    epoch: int | None
    index: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Example:
    """An image and its label at the size of the network; of a judging sample, `truth` is the label in full size, and
    `alpha` the alpha, where it is learnt from or a trimap is to cover it. `taught` is what a teacher says of the image,
    where there is one, and `place` (2, 3) that of its face, zeros without one, where faces are sought."""

    key: str
    image: Image
    label: AnyLabel | ClassNumber
    truth: Label | ClassNumber | None = None
    alpha: Alpha | None = None
    taught: SoftLabel | None = None
    place: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageOptions:
    """What becomes of a sample on its way to the network. `input_size` is (height, width).

    `labels` are what is learnt from, `trimap_kernel` widens the bands of trimaps; `patch_px` is of the policy `patch`.
    `mirrored` says of class maps which class each is in a mirror. `with_teacher` also brings what a teacher says.
    """

    classes: int
    input_size: tuple[int, int]
    policy: Policy
    seed: int
    fuse: Fuse | None = None
    labels: LabelKind = "mask"
    trimap_kernel: str = "none"
    patch_px: int = 400
    vertical_flip: bool = False
    mirrored: tuple[int, ...] = ()
    with_teacher: bool = False

    @property
    def resized_as(self) -> int | None:
        """Return how labels are resized: as masks (1), trimaps (3), or class maps (None)."""
        return None if self.labels == "classes" else self.classes


class LabelledImages(torch.utils.data.Dataset[Example | BadRecord | CurateError]):
    """Samples that train and samples that judge, by `Draw`. A broken one gives its BadRecord, and what stops a training
    its error: a worker process could only pass on the text of an exception."""

    def __init__(
        self, training: Sequence[LabelledImage], *, validation: Sequence[LabelledImage], options: ImageOptions
    ) -> None:
        self.training = training
        self.validation = validation
        self.options = options
        places = 0 if options.policy in OF_ALL_PIXELS else len(training)
        room = room_to_keep() if options.fuse is None else room_to_keep() // 2
        label_type = torch.float32 if options.labels == "alpha" else torch.uint8
        height, width = options.input_size
        self.kept_size = (2 * height, 2 * width) if options.policy == "framed" else options.input_size
        self.kept = KeptPictures(places, size=self.kept_size, room=room, label_type=label_type)
        self.kept_persons = KeptPictures(places if options.fuse is not None else 0, size=self.kept_size, room=room)

    def __getitem__(self, draw: Draw) -> Example | BadRecord | CurateError:
        """Return the example of a draw."""
        try:
            if draw.epoch is None:
                return self._judging(self.validation[draw.index])
            return self._training(draw.index, epoch=draw.epoch)
        except (BadRecord, CurateError) as problem:
            return problem

    def _judging(self, sample: LabelledImage) -> Example:
        options = self.options
        image = read_image(sample)
        truth = self._label(sample, size=_size(image))
        learnt = read_soft_label(sample, size=_size(image)) if options.labels == "alpha" else truth
        small, label = fitted(image, learnt, size=options.input_size, classes=options.resized_as)
        alpha = alpha_of(learnt) if is_soft(learnt) else None
        if options.resized_as == TRIMAP_CLASSES and sample.alpha is not None:
            alpha = alpha_of(read_soft_label(sample, size=_size(image)))
        place = None if sample.place is None else sample.face.astype(np.float32)
        return Example(key=sample.key, image=small, label=label, truth=truth, alpha=alpha, place=place)

    def _label(self, sample: LabelledImage, *, size: tuple[int, int]) -> Label:
        label = read_label(sample, classes=self.options.classes, size=size)
        is_trimap = self.options.resized_as == TRIMAP_CLASSES
        return widened(label, kernel=self.options.trimap_kernel) if is_trimap else label

    def _training(self, index: int, *, epoch: int) -> Example:
        options, sample = self.options, self.training[index]
        rng = generator_of(sample.key, seed=options.seed, epoch=epoch)
        image, label = self._read(index) if options.policy in OF_ALL_PIXELS else self._fitted(index)
        size = _size(image)
        taught = read_taught(sample, size=size) if options.with_teacher else None
        if options.fuse is not None and options.fuse.is_wanted(rng) and sample.label is not None:
            colours, alpha = self._cut_out(index, image=image, label=label, fuse=options.fuse)
            image, alpha = options.fuse.lay(colours, alpha, rng)  # what was ignored is not in this picture
            label = soft_label(alpha) if options.labels == "alpha" else mask_of(alpha) & np.uint8(1)
            taught = None if taught is None else np.full(size, IGNORED, np.float32)  # of this picture it said nothing
        around = label if taught is None or sample.label is not None else _person_of(taught)

        def as_image(other: SoftLabel) -> SoftLabel:
            twin = copy.deepcopy(rng)  # draws the same, so that the two stay on each other to the pixel
            _, moved_there = self._varied(image, other, around=around, rng=twin, is_label_alone=True)
            return np.asarray(moved_there, np.float32)

        taught_there = None if taught is None else as_image(taught)
        place = None if sample.place is None else moved(sample.face, size=_size(image), vary=as_image)
        image, label = self._varied(image, label, around=around, rng=rng)
        where = None if place is None else place.astype(np.float32)
        return Example(key=sample.key, image=image, label=label, taught=taught_there, place=where)

    def _varied(
        self, image: Image, label: AnyLabel, *, around: AnyLabel, rng: np.random.Generator, is_label_alone: bool = False
    ) -> tuple[Image, AnyLabel]:
        """Return an image and a label (h, w) of it as the policy draws; a window of `framed` lies around a person.

        With `is_label_alone` the image may keep its colours.
        """
        options = self.options
        given, classes = options.input_size, options.resized_as
        if options.policy == "crop":
            image, label = cropped(image, label, size=given, classes=classes, rng=rng)
        if options.policy == "patch":
            image, label = patched(image, label, size=given, patch_px=options.patch_px, classes=classes, rng=rng)
        if options.policy == "framed":
            image, label = framed(image, label, size=given, classes=classes, rng=rng, around=around)
        image, label = augmented(
            image,
            label,
            policy=options.policy,
            rng=rng,
            mirrored=options.mirrored if classes is None else None,
            is_label_alone=is_label_alone and not options.vertical_flip,  # which is drawn after the colours
        )
        if options.vertical_flip:
            image, label = flipped_vertically(image, label, rng=rng)
        return image, label

    def _cut_out(self, index: int, *, image: Image, label: AnyLabel, fuse: Fuse) -> tuple[Image, Alpha]:
        """Return colours and alpha of the person of a sample, which take longer than everything else together."""
        if (kept := self.kept_persons.get(index)) is not None:
            return kept[0], np.asarray(kept[1], dtype=np.uint8)
        if is_soft(label):
            colours, alpha = fuse.cut_out(image, alpha_of(label), is_alpha=True)
        else:
            colours, alpha = fuse.cut_out(image, np.where(label == 1, np.uint8(255), np.uint8(0)), is_alpha=False)
        self.kept_persons.put(index, image=colours, label=alpha)
        return colours, alpha

    def _fitted(self, index: int) -> tuple[Image, AnyLabel]:
        """Return a sample at `kept_size`: resized before it is augmented, which so costs a fraction."""
        if (kept := self.kept.get(index)) is not None:
            return kept
        image, label = self._read(index)
        image, label = fitted(image, label, size=self.kept_size, classes=self.options.resized_as)
        self.kept.put(index, image=image, label=label)
        return image, label

    def _read(self, index: int) -> tuple[Image, AnyLabel]:
        sample, options = self.training[index], self.options
        image = read_image(sample)
        if options.labels == "alpha":
            return image, read_soft_label(sample, size=_size(image))
        return image, self._label(sample, size=_size(image))


def generator_of(key: str, *, seed: int, epoch: int) -> np.random.Generator:
    """Return the generator of one sample in one epoch: what it draws depends on nothing else."""
    name = int.from_bytes(hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()[:16], "big")
    return np.random.default_rng([seed, epoch, name])


def _person_of(taught: SoftLabel) -> Label:
    """Return 1 where a teacher sees person, (h, w), and 255 where it says nothing."""
    return np.where(taught == IGNORED, np.uint8(IGNORED), (taught >= HALF).astype(np.uint8))


def _size(image: Image) -> tuple[int, int]:
    return image.shape[0], image.shape[1]
