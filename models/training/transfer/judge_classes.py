"""How often an encoder that learns to classify names the class of an image."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  (the name by which everyone knows it)

from models.card import ModelCard
from models.data.batches import Batch
from models.training.transfer.classifier import Classifier
from models.training.validate import Shown, network_input


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """Of the images that one process judged: whether each class was named rightly, and the cross-entropy, in nats."""

    is_right: list[bool]
    losses: list[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """The share of the images whose class was named rightly, and their mean cross-entropy, in nats."""

    images: int
    accuracy: float
    loss: float
    shown: tuple[Shown, ...] = ()

    @property
    def score(self) -> float:
        """Return the number by which epochs are compared."""
        return self.accuracy


@torch.inference_mode()
def judge_classes(classifier: Classifier, *, batches: Iterable[Batch], card: ModelCard) -> Answers:
    """Judge a classifier that is in evaluation mode. Raises BadRecord for an image that is broken."""
    device = next(classifier.parameters()).device
    found = Answers(is_right=[], losses=[])
    for batch in batches:
        if batch.broken is not None:
            raise batch.broken
        (logits,) = classifier(network_input(batch.image, card=card).to(device))
        target = batch.label.to(device)
        found.is_right.extend((logits.argmax(dim=1) == target).tolist())
        found.losses.extend(F.cross_entropy(logits.float(), target, reduction="none").tolist())
    return found


def accuracy_of(parts: Sequence[Answers]) -> Accuracy:
    """Return the accuracy on all images, whichever process judged them.

    >>> accuracy_of([Answers(is_right=[True, False], losses=[1.0, 2.0]), Answers(is_right=[True], losses=[3.0])])
    Accuracy(images=3, accuracy=0.6666666666666666, loss=2.0, shown=())
    """
    is_right = [one for part in parts for one in part.is_right]
    losses = [one for part in parts for one in part.losses]
    return Accuracy(images=len(is_right), accuracy=float(np.mean(is_right)), loss=float(np.mean(losses)))
