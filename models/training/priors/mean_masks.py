"""The mean mask of the samples that train, which a network with a prior is told before its first step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from curation.quarantine import BadRecord
from models.data.choose_samples import LabelledImage
from models.data.read_labels import read_image, read_label
from models.faces.places import pixels_to_window
from models.losses.targets import BACKGROUND, IGNORED
from models.networks.portrait_fcn import PRIOR_SIZE, PortraitFcn

PRIOR_PX: Final = 100
PRIOR_SAMPLES: Final = 2000


def with_prior(network: nn.Module, *, samples: Sequence[LabelledImage], classes: int) -> None:
    """Tell a network that has a prior where the labels of samples show persons, in the frame, or around faces."""
    if not isinstance(network, PortraitFcn):
        return
    samples = samples[:PRIOR_SAMPLES]
    if not network.with_faces:
        network.set_prior(_mean_mask(samples, classes=classes))
        return
    network.set_frame_prior(_mean_mask(samples, classes=classes))
    network.set_prior(_mean_mask_of_faces(samples, classes=classes))


def _mean_mask(samples: Sequence[LabelledImage], *, classes: int) -> torch.Tensor:
    """Return the share of labels that show person at each place of the frame, (h, w) in 0..1."""
    total = torch.zeros(PRIOR_PX, PRIOR_PX)
    for _, person in _persons(samples, classes=classes):
        planes = torch.from_numpy(person)[None, None]
        total += nn.functional.interpolate(planes, size=(PRIOR_PX, PRIOR_PX), mode="area")[0, 0]
    return (total / max(1, len(samples))).clamp(0, 1)


def _mean_mask_of_faces(samples: Sequence[LabelledImage], *, classes: int) -> torch.Tensor:
    """Return the share of labels that show person at each place of the window of the face, (h, w) in 0..1.

    Where an image ends within the window it tells nothing; where none tells anything, nobody is.
    Source: Shen et al. 2016, section 4.2, equation 2.
    """
    person_there, told_there = np.zeros((2, PRIOR_SIZE, PRIOR_SIZE))
    for sample, person in _persons([sample for sample in samples if sample.place], classes=classes):
        to_window = pixels_to_window(sample.face, size=(person.shape[0], person.shape[1]), side=PRIOR_SIZE)
        planes = np.stack([person, np.ones_like(person)], axis=-1)
        there = np.asarray(cv2.warpAffine(planes, to_window, (PRIOR_SIZE, PRIOR_SIZE)), np.float32)
        person_there += there[..., 0]
        told_there += there[..., 1]
    return torch.from_numpy(np.clip(person_there / np.maximum(told_there, 1e-6), 0, 1))


def _persons(samples: Sequence[LabelledImage], *, classes: int) -> Iterator[tuple[LabelledImage, NDArray[np.float32]]]:
    """Yield the samples that have a label, with 1 where it shows person, (h, w), and 0 elsewhere."""
    for sample in samples:
        if sample.label is None:
            continue
        try:
            image = read_image(sample)
            label = read_label(sample, classes=classes, size=(image.shape[0], image.shape[1]))
        except BadRecord:
            continue  # the training itself will name it
        yield sample, ((label != BACKGROUND) & (label != IGNORED)).astype(np.float32)
