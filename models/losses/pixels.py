"""Losses that are a weighted mean over pixels: cross_entropy, boundary and focal.

With weights of classes, a pixel counts as its class does: `sum(w_c t_c -log p_c) / sum(w_c t_c)` over pixels and
classes c, t being the share of the class in the pixel. For class labels that is the weighted mean of torch.
"""

from __future__ import annotations

import math
from typing import Final

import torch
import torch.nn.functional as F  # noqa: N812  (the name by which everyone knows it)
from torch import Tensor

from models.losses.targets import IGNORED, class_shares, is_soft, person_share

ClassWeights = tuple[float, ...] | None
"""By how much each class counts, with 1 class background and person; None where all count 1."""
FOCAL_GAMMA: Final = 2.0
"""Source: Lin et al. 2017, Focal Loss for Dense Object Detection, section 5.1."""
BOUNDARY_SHARE: Final = 0.02
"""Half the width of the boundary band, as a share of the diagonal; the one of Boundary IoU (Cheng et al. 2021)."""
BOUNDARY_WEIGHT: Final = 5.0
"""What a pixel of the band counts, against 1 elsewhere."""


def cross_entropy(logits: Tensor, target: Tensor, *, class_weights: ClassWeights = None) -> Tensor:
    """Return the mean cross-entropy of the pixels of logits (n, classes, h, w).

    For an alpha a that is `-a log p - (1 - a) log(1 - p)`: least, and not 0, where p is a.
    """
    entropy = pixel_entropy(logits, target, class_weights=class_weights)
    valid = (target != IGNORED).float()
    return _mean(entropy * valid, weight=pixel_weight(target, classes=logits.shape[1], class_weights=class_weights))


def boundary(logits: Tensor, target: Tensor, *, class_weights: ClassWeights = None) -> Tensor:
    """Return the mean cross-entropy of logits (n, classes, h, w); those near a boundary count five times.

    Of alphas the boundary lies where they pass one half.
    """
    entropy = pixel_entropy(logits, target, class_weights=class_weights)
    factor = boundary_factor(target, classes=logits.shape[1]) * (target != IGNORED)
    return _mean(entropy * factor, weight=boundary_weight(target, classes=logits.shape[1], class_weights=class_weights))


def focal(logits: Tensor, target: Tensor, *, class_weights: ClassWeights = None) -> Tensor:
    """Return the mean cross-entropy of the pixels, those that are right counting little: times (1 - p) ** 2.

    For an alpha a the factor is `|a - p| ** 2`, which is the same where a is 0 or 1, and the loss is 0 where p is a.
    Source: Lin et al. 2017, Focal Loss for Dense Object Detection, equation 4; Li et al. 2020, Generalized Focal Loss,
    equation 5 (quality focal loss), for alphas.
    """
    plain = pixel_entropy(logits, target)
    # of classes 1 - p of the true one, exact where p is nearly 1
    person = person_share(target) if is_soft(target) else None
    wrongness = -torch.expm1(-plain) if person is None else (person - torch.sigmoid(logits[:, 0])).abs()
    entropy = plain if class_weights is None else pixel_entropy(logits, target, class_weights=class_weights)
    weight = pixel_weight(target, classes=logits.shape[1], class_weights=class_weights)
    return _mean(wrongness**FOCAL_GAMMA * entropy * (target != IGNORED).float(), weight=weight)


def pixel_weight(target: Tensor, *, classes: int, class_weights: ClassWeights) -> Tensor:
    """Return what each pixel counts in a mean, (n, h, w) float: 0 where it is ignored."""
    if class_weights is None:
        return (target != IGNORED).float()
    shares = class_shares(target, classes=max(classes, 2))
    return (shares * shares.new_tensor(class_weights).view(1, -1, 1, 1)).sum(dim=1)


def boundary_weight(target: Tensor, *, classes: int, class_weights: ClassWeights) -> Tensor:
    """Return what each pixel counts in `boundary`, (n, h, w) float: 0 where it is ignored."""
    weight = pixel_weight(target, classes=classes, class_weights=class_weights)
    return weight * boundary_factor(target, classes=classes)


def boundary_factor(target: Tensor, *, classes: int, weight: float = BOUNDARY_WEIGHT) -> Tensor:
    """Return `weight` where two classes lie within reach, else 1, (n, h, w) float; an ignored pixel makes no boundary.

    `target` is (n, h, w): classes, or shares of person in 0..1, of which one half is the boundary; 255 is ignored.
    """
    height, width = target.shape[-2:]
    reach = max(1, round(BOUNDARY_SHARE * math.hypot(height, width)))
    labels = (target >= 0.5).long().masked_fill(target == IGNORED, IGNORED) if is_soft(target) else target
    near = class_shares(labels, classes=max(classes, 2))
    for kernel, padding in (((2 * reach + 1, 1), (reach, 0)), ((1, 2 * reach + 1), (0, reach))):
        near = F.max_pool2d(near, kernel, stride=1, padding=padding)
    return 1 + (weight - 1) * (near.sum(dim=1) >= 2).float()


def pixel_entropy(logits: Tensor, target: Tensor, *, class_weights: ClassWeights = None) -> Tensor:
    """Return `-sum(w_c t_c log p_c)` of each pixel of logits, (n, h, w); an ignored one does not matter."""
    if logits.shape[1] > 1:
        weight = None if class_weights is None else logits.new_tensor(class_weights)
        return F.cross_entropy(logits, target, weight=weight, ignore_index=IGNORED, reduction="none")
    logit, person = logits[:, 0], person_share(target).to(logits.dtype)
    if class_weights is None:
        return F.binary_cross_entropy_with_logits(logit, person, reduction="none")
    of_background, of_person = class_weights
    return of_person * person * F.softplus(-logit) + of_background * (1 - person) * F.softplus(logit)


def _mean(values: Tensor, *, weight: Tensor) -> Tensor:
    """Return the sum of values that are weighted already over the sum of their weights, and 0 where nothing counts."""
    return values.sum() / weight.sum().clamp(min=1)
