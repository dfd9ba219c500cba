"""Losses of whole regions: dice and iou, as one minus how much of prediction and truth is shared.

What a prediction p and a truth t share in a pixel is `p t` where t is a class label. That is no measure for an alpha:
with t at one half it is best to predict 1. There it is `min(p, t) = (p + t - |p - t|) / 2`, which is the same where t
is 0 or 1, and both losses are 0 exactly where p is t everywhere.
Source: Wang et al. 2023, Dice Semimetric Losses: Optimizing the Dice Score with Soft Labels (DML1), and Jaccard Metric
Losses: Optimizing the Jaccard Index with Soft Labels (JML1).
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from models.losses.targets import IGNORED, class_shares, is_soft, probability

SMOOTHING_PX: Final = 1.0
"""Added to both sides of the fraction: a class that is absent and not predicted has a loss of 0, not 0 / 0."""


def dice(logits: Tensor, target: Tensor) -> Tensor:
    """Return 1 - Dice of logits (n, classes, h, w) as one picture: of person with 1 class, else the mean over classes.

    It is `1 - (2 S + 1) / (P + T + 1)` of the sums of what is shared, predicted and true.
    Source: Milletari et al. 2016, V-Net, section 3, with sums instead of sums of squares.
    """
    predicted, truth = _predicted_and_true(logits, target)
    overlap = _shared(predicted, truth, target=target).sum(dim=(0, 2, 3))
    both = predicted.sum(dim=(0, 2, 3)) + truth.sum(dim=(0, 2, 3))
    return (1 - (2 * overlap + SMOOTHING_PX) / (both + SMOOTHING_PX)).mean()


def iou(logits: Tensor, target: Tensor) -> Tensor:
    """Return 1 - the soft IoU of each class in each image, background too, as the mean: small persons count as large
    do.

    It is what the mIoU of an image measures, of probabilities: `1 - (S + 1) / (P + T - S + 1)`. Source: Rahman and Wang
    2016, Optimizing Intersection-over-Union in Deep Neural Networks for Image Segmentation, section 3.
    """
    predicted, truth = _predicted_and_true(logits, target)
    overlap = _shared(predicted, truth, target=target).sum(dim=(2, 3))
    union = (predicted + truth).sum(dim=(2, 3)) - overlap
    if logits.shape[1] == 1:  # what is neither in the one nor in the other is where both see background
        pixels = (target != IGNORED).unsqueeze(1).sum(dim=(2, 3))
        overlap, union = torch.cat([overlap, pixels - union], dim=1), torch.cat([union, pixels - overlap], dim=1)
    return (1 - (overlap + SMOOTHING_PX) / (union + SMOOTHING_PX)).mean()


def _predicted_and_true(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Return the probability and the share of each class, (n, classes, h, w), both 0 where a pixel is ignored."""
    predicted = probability(logits) * (target != IGNORED).unsqueeze(1)
    return predicted, class_shares(target, classes=logits.shape[1])


def _shared(predicted: Tensor, truth: Tensor, *, target: Tensor) -> Tensor:
    return torch.minimum(predicted, truth) if is_soft(target) else predicted * truth
