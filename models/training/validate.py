"""How good a network is on the samples that judge: each at the size of its own label, as `evaluate` measures it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from curation.images.pixels import Alpha, Image, Mask, Probability
from curation.labels.masks import mask_of
from curation.labels.trimaps import UNKNOWN as TRIMAP_UNKNOWN
from curation.labels.trimaps import Trimap
from curation.matting.from_probability import trimap_of_classes
from models.card import ModelCard
from models.data.batches import Batch
from models.data.read_labels import AnyLabel, Label
from models.data.soft_labels import alpha_of, is_soft
from models.losses.alphas import alpha_terms, given_trimap, part_of_batch, target_of_batch
from models.losses.targets import BACKGROUND, FOREGROUND, IGNORED, UNKNOWN
from models.losses.terms import loss_terms
from models.metrics.class_confusion import Counts, class_confusion, mean_class_iou
from models.metrics.confusion import confusion, image_miou, person_iou
from models.metrics.matting import THOUSAND
from models.metrics.trimaps import trimap_scores
from models.networks.alpha.alpha_network import AlphaNetwork
from models.prediction.outputs import Scores, class_map, class_probabilities, person_scores, probabilities
from models.preprocessing import at_size
from models.training.settings import Stage
from models.training.step_loss import alpha_target_of, target_of, teaches_trimap_alone

SHOWN: Final = 4
TRIMAP_OF_LABEL: Final = np.zeros(256, np.uint8)
"""From the class of a pixel to its value in a trimap; an ignored one does not count."""
TRIMAP_OF_LABEL[[UNKNOWN, FOREGROUND]] = TRIMAP_UNKNOWN, 255


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shown:
    """A sample that judges, for people to look at: image (h, w, 3), prediction and label (h, w), 0..255, one size."""

    image: Image
    prediction: Mask
    label: Mask


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedImage:
    """What was found of one sample: mIoU and IoU of person, the loss, what chooses the epoch, and further numbers.

    `score` is the mIoU; of a trimap the mean of its scores, of an alpha 1 less the mean difference.
    """

    miou: float
    person_iou: float
    loss: float
    score: float
    details: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What was found of the samples that one process judged; `counts` are of pixels by class, if these are learnt."""

    images: list[JudgedImage]
    shown: tuple[Shown, ...]
    counts: Counts | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationScore:
    """Numbers of a validation: the mean of the images' mIoU with its population standard deviation, the mean IoU of
    person, the mean loss, and the mean score that chooses the epoch, which is the mean IoU of classes where these are
    learnt; further numbers by column of the history; a few samples to look at; and `counts` as in `Judged`."""

    images: int
    miou_image: float
    std: float
    iou_person: float
    loss: float
    score: float
    details: dict[str, float]
    shown: tuple[Shown, ...]
    counts: Counts | None = None


@torch.inference_mode()
def judge(network: nn.Module, *, batches: Iterable[Batch], card: ModelCard, stage: Stage) -> Judged:
    """Judge a network that is in evaluation mode, with the losses of a stage.

    With three classes, what is sure foreground counts as person. Raises BadRecord for a sample that is broken.
    """
    found = Judged(images=[], shown=())
    for batch in batches:
        if batch.broken is not None:
            raise batch.broken
        if isinstance(network, AlphaNetwork):
            images, predicted = _judged_alphas(network, batch=batch, card=card, stage=stage)
        else:
            images, predicted, counts = _judged_classes(network, batch=batch, card=card, stage=stage)
            found = replace(found, counts=sum_of_counts([found.counts, counts]))
        found.images.extend(images)
        if len(found.shown) < SHOWN:
            new = [_shown(batch, number=n, probability=predicted[n], card=card) for n in range(len(predicted))]
            found = replace(found, shown=(*found.shown, *new)[:SHOWN])
    return found


def verdict_of(parts: Sequence[Judged]) -> ValidationScore:
    """Return the verdict of all samples, whichever process judged them."""
    images = [image for part in parts for image in part.images]
    names = dict.fromkeys(name for image in images for name in image.details)
    counts = sum_of_counts([part.counts for part in parts])
    of_classes = None if counts is None else mean_class_iou(counts)
    return ValidationScore(
        images=len(images),
        miou_image=float(np.mean([image.miou for image in images])),
        std=float(np.std([image.miou for image in images])),
        iou_person=float(np.mean([image.person_iou for image in images])),
        loss=float(np.mean([image.loss for image in images])),
        score=float(np.mean([image.score for image in images])) if of_classes is None else of_classes,
        details={
            name: float(np.mean([image.details[name] for image in images if name in image.details])) for name in names
        },
        shown=parts[0].shown,
        counts=counts,
    )


def sum_of_counts(parts: Sequence[Counts | None]) -> Counts | None:
    """Return the sum of what was counted; None where nothing was."""
    known = [part for part in parts if part is not None]
    return np.sum(known, axis=0, dtype=np.int64) if known else None


def _counted(output: NDArray[np.float32], *, batch: Batch, card: ModelCard) -> Counts | None:
    """Return the pixels of a batch by class, None where the classes are no parts of a person."""
    if not card.class_names:
        return None
    counts = []
    for probability, truth in zip(class_probabilities(output, card=card), batch.truths, strict=True):
        label = truth.numpy()
        prediction = class_map(probability, size=(label.shape[0], label.shape[1]))
        counts.append(class_confusion(prediction, truth=label, classes=card.classes, valid=label != IGNORED))
    return sum_of_counts(counts)


def _judged_classes(
    network: nn.Module, *, batch: Batch, card: ModelCard, stage: Stage
) -> tuple[list[JudgedImage], Scores, Counts | None]:
    device = next(network.parameters()).device
    beside = () if batch.place is None else (batch.place.to(device),)
    logits = network(network_input(batch.image, card=card).to(device), *beside).float()
    target, images = target_of(batch.label).to(device), []
    output = logits.cpu().numpy()
    predicted = probabilities(person_scores(output, card=card), card=card)
    for n, (probability, truth) in enumerate(zip(predicted, batch.truths, strict=True)):
        one = slice(n, n + 1)
        terms = loss_terms(logits[one], target[one], weights=stage.losses, class_weights=stage.class_weights)
        alpha = batch.alphas[n].numpy() if len(batch.alphas) > n else None
        image = _judged_person(probability, label=truth.numpy(), card=card, alpha=alpha, loss=float(terms["total"]))
        if card.is_trimap:
            trimap = _trimap_of(logits[n].cpu(), size=(truth.shape[0], truth.shape[1]))
            label = TRIMAP_OF_LABEL[truth.numpy()]
            image = _with_trimap(image, trimap, truth=label, alpha=alpha, valid=truth.numpy() != IGNORED)
        images.append(image)
    for image in images:
        image.details.pop("mad", None)
    return images, predicted, _counted(output, batch=batch, card=card)


def _judged_alphas(
    network: AlphaNetwork, *, batch: Batch, card: ModelCard, stage: Stage
) -> tuple[list[JudgedImage], Scores]:
    device, is_trimap = next(network.parameters()).device, teaches_trimap_alone(stage)
    given = network_input(batch.image, card=card).to(device)
    target = alpha_target_of(target_of(batch.label).to(device), pictures=batch.image.to(device))
    parts = network.parts(given, only_trimap=is_trimap)
    learnt = parts
    if stage.true_trimap:  # judged is the whole network, the loss is of the part that learns
        learnt = network.parts(given, given_trimap(target))
    images, predicted = [], parts.alpha[:, 0].float().cpu().numpy()
    for n, (probability, truth) in enumerate(zip(predicted, batch.truths, strict=True)):
        terms = alpha_terms(part_of_batch(learnt, n), target_of_batch(target, n), weights=stage.losses)
        alpha = batch.alphas[n].numpy()
        image = _judged_person(probability, label=truth.numpy(), card=card, alpha=alpha, loss=float(terms["total"]))
        image = replace(image, score=1 - image.details["mad"])
        if is_trimap and parts.trimap is not None:
            wanted, small = target.trimap[n].cpu().numpy(), target.alpha[n, 0].cpu().numpy()
            trimap = _trimap_of(parts.trimap[n].cpu(), size=(wanted.shape[0], wanted.shape[1]))
            soft = np.asarray(np.rint(small * 255), np.uint8)
            image = _with_trimap(
                image, trimap, truth=TRIMAP_OF_LABEL[wanted], alpha=soft, valid=np.asarray(wanted != IGNORED)
            )
        images.append(image)
    for image in images:
        image.details.pop("mad")
    return images, predicted


def _judged_person(
    probability: Probability, *, label: Label, card: ModelCard, alpha: Alpha | None, loss: float
) -> JudgedImage:
    """Judge a prediction at the size of the label, and against the alpha of that size where there is one."""
    valid = label != IGNORED
    whole = at_size(probability, size=(label.shape[0], label.shape[1]))
    counted = confusion(mask_of(whole), truth=_person(label, card=card), valid=valid)
    details: dict[str, float] = {}
    if alpha is not None and not card.is_trimap and valid.any():
        off = np.abs(whole - alpha.astype(np.float32) / np.float32(255))[valid].astype(np.float64)
        details = {"val_sad": off.sum() / THOUSAND, "val_mse": float(np.square(off).mean()), "mad": float(off.mean())}
    miou = image_miou(counted)
    return JudgedImage(miou=miou, person_iou=person_iou(counted), loss=loss, score=miou, details=details)


def _trimap_of(logits: torch.Tensor, *, size: tuple[int, int]) -> Trimap:
    """Return the trimap at `size` (height, width) that logits (3, h, w) stand for."""
    shares = torch.softmax(logits.float(), dim=0).numpy()
    return trimap_of_classes(at_size(shares[BACKGROUND], size=size), person=at_size(shares[FOREGROUND], size=size))


def _with_trimap(
    image: JudgedImage, trimap: Trimap, *, truth: Trimap, alpha: Alpha | None, valid: NDArray[np.bool_]
) -> JudgedImage:
    found = trimap_scores(trimap, truth=truth, alpha=alpha, valid=valid)
    numbers = {"val_trimap_miou": found.miou, "val_unknown_recall": found.recall, "val_soft_covered": found.covered}
    known = {name: value for name, value in numbers.items() if value is not None}
    return replace(image, score=found.score, details=image.details | known)


def network_input(images: torch.Tensor, *, card: ModelCard) -> torch.Tensor:
    """Return (n, h, w, 3) uint8 RGB as what a network takes: (n, 3, h, w) float32, `(pixel - mean) / std`.

    It stays channels last in memory, as the network that trains.
    """
    mean, std = torch.tensor(card.mean), torch.tensor(card.std)
    return ((images.float() - mean) / std).permute(0, 3, 1, 2)


def _person(label: AnyLabel, *, card: ModelCard) -> Mask:
    if is_soft(label):
        return alpha_of(label)
    if card.class_names:
        return np.where((label != BACKGROUND) & (label != IGNORED), np.uint8(255), np.uint8(0))
    return np.where(label == (1 if card.classes == 1 else FOREGROUND), np.uint8(255), np.uint8(0))


def _shown(batch: Batch, *, number: int, probability: Probability, card: ModelCard) -> Shown:
    return Shown(
        image=batch.image[number].numpy(),
        prediction=np.rint(probability * 255).astype(np.uint8),
        label=_person(batch.label[number].numpy(), card=card),
    )
