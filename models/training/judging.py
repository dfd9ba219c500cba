"""How good a network is on the samples that judge: each at the size of its own label, as `evaluate` measures it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch
from torch import nn

from curation.pixels import Image, Mask
from models.card import ModelCard
from models.data.batches import Batch
from models.data.labels import FOREGROUND, Label
from models.losses import IGNORED, loss_terms
from models.metrics.confusion import confusion, cut, image_miou, person_iou
from models.prediction.outputs import person_scores, probabilities
from models.prediction.protocol import Probability
from models.preprocessing import at_size

SHOWN: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shown:
    """A sample that judges, for people to look at: image (h, w, 3), prediction and label (h, w), 0..255, one size."""

    image: Image
    prediction: Mask
    label: Mask


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What was found of the samples that one process judged: an mIoU and an IoU of person each, and their losses."""

    mious: list[float]
    person_ious: list[float]
    losses: list[float]
    shown: tuple[Shown, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Numbers of a validation: the mean of the images' mIoU with its population standard deviation, the mean IoU of
    person, the mean loss; and a few samples to look at."""

    images: int
    miou_image: float
    std: float
    iou_person: float
    loss: float
    shown: tuple[Shown, ...]


@torch.inference_mode()
def judge(network: nn.Module, *, batches: Iterable[Batch], card: ModelCard, losses: Mapping[str, float]) -> Judged:
    """Judge a network that is in evaluation mode.

    With three classes, what is sure foreground counts as person. Raises BadRecord for a sample that is broken.
    """
    device = next(network.parameters()).device
    found = Judged(mious=[], person_ious=[], losses=[], shown=())
    for batch in batches:
        if batch.broken is not None:
            raise batch.broken
        logits = network(network_input(batch.image, card=card).to(device)).float()
        target = batch.label.long().to(device)
        each = [loss_terms(logits[n : n + 1], target[n : n + 1], weights=losses)["total"] for n in range(len(target))]
        found.losses.extend(float(loss) for loss in each)
        predicted = probabilities(person_scores(logits.cpu().numpy(), card=card), card=card)
        for probability, truth in zip(predicted, batch.truths, strict=True):
            label = truth.numpy()
            mask = cut(at_size(probability, size=(label.shape[0], label.shape[1])))
            counted = confusion(mask, truth=_person(label, card=card), valid=label != IGNORED)
            found.mious.append(image_miou(counted))
            found.person_ious.append(person_iou(counted))
        if len(found.shown) < SHOWN:
            new = [_shown(batch, number=n, probability=predicted[n], card=card) for n in range(len(predicted))]
            found = replace(found, shown=(*found.shown, *new)[:SHOWN])
    return found


def verdict_of(parts: Sequence[Judged]) -> Verdict:
    """Give the verdict of all samples, whichever process judged them."""
    mious = [value for part in parts for value in part.mious]
    return Verdict(
        images=len(mious),
        miou_image=float(np.mean(mious)),
        std=float(np.std(mious)),
        iou_person=float(np.mean([value for part in parts for value in part.person_ious])),
        loss=float(np.mean([value for part in parts for value in part.losses])),
        shown=parts[0].shown,
    )


def network_input(images: torch.Tensor, *, card: ModelCard) -> torch.Tensor:
    """Give (n, h, w, 3) uint8 RGB as what a network takes: (n, 3, h, w) float32, `(pixel - mean) / std`.

    It stays channels last in memory, as the network that trains.
    """
    mean, std = torch.tensor(card.mean), torch.tensor(card.std)
    return ((images.float() - mean) / std).permute(0, 3, 1, 2)


def _person(label: Label, *, card: ModelCard) -> Mask:
    return np.where(label == (1 if card.classes == 1 else FOREGROUND), np.uint8(255), np.uint8(0))


def _shown(batch: Batch, *, number: int, probability: Probability, card: ModelCard) -> Shown:
    return Shown(
        image=batch.image[number].numpy(),
        prediction=np.rint(probability * 255).astype(np.uint8),
        label=_person(batch.label[number].numpy(), card=card),
    )
