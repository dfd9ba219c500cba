"""Losses as named terms, to be weighted and added: cross_entropy, dice, iou, boundary, lovasz, focal.

All are computed in float32, also under mixed precision, and none looks at a pixel that is ignored. Where every pixel is
ignored each is 0, with a gradient of 0. Logits are (n, classes, h, w): with 1 class the logit of person.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import torch
import torch.nn.functional as F  # noqa: N812  (the name by which everyone knows it)
from torch import Tensor

from curation.errors import ConfigurationProblem

IGNORED: Final = 255
SMOOTHING_PX: Final = 1.0
"""Added to both sides of the fraction: a class that is absent and not predicted has a loss of 0, not 0 / 0."""
FOCAL_GAMMA: Final = 2.0
"""Source: Lin et al. 2017, Focal Loss for Dense Object Detection, section 5.1."""
BOUNDARY_SHARE: Final = 0.02
"""Half the width of the boundary band, as a share of the diagonal; the one of Boundary IoU (Cheng et al. 2021)."""
BOUNDARY_WEIGHT: Final = 5.0
"""What a pixel of the band counts, against 1 elsewhere."""


def loss_terms(logits: Tensor, target: Tensor, *, weights: Mapping[str, float]) -> dict[str, Tensor]:
    """Give each term in `weights` by its name, unweighted, and their weighted sum as "total".

    `target` is (n, h, w) int64 of 0..classes-1 (with 1 class: 1 is person), and 255 where a pixel is ignored.
    Raises ConfigurationProblem for a name that is no term.
    """
    check_terms(weights)
    with torch.autocast(logits.device.type, enabled=False):
        values = logits.float()
        terms = {name: TERMS[name](values, target) for name in weights}
        total = sum((weights[name] * term for name, term in terms.items()), start=values.sum() * 0)
    return {**terms, "total": total}


def with_auxiliary(
    outputs: Sequence[Tensor], target: Tensor, *, weights: Mapping[str, float], auxiliary_weight: float
) -> dict[str, Tensor]:
    """Give the terms of the first output; "total" also holds `auxiliary_weight` times the total of every other.

    Where there are others, "auxiliary" is the sum of their totals.
    """
    first, *others = outputs
    terms = loss_terms(first, target, weights=weights)
    if not others:
        return terms
    auxiliary = sum(
        (loss_terms(other, target, weights=weights)["total"] for other in others), start=first.new_zeros(())
    )
    return {**terms, "auxiliary": auxiliary, "total": terms["total"] + auxiliary_weight * auxiliary}


def check_terms(weights: Mapping[str, float]) -> None:
    """Refuse a name that is no term, a weight below 0, and no weight at all; raises ConfigurationProblem."""
    known = f"choose of: {', '.join(TERMS)}; for example cross_entropy=1,dice=1"
    if unknown := [name for name in weights if name not in TERMS]:
        raise ConfigurationProblem(f"there is no loss {unknown[0]!r}", remedy=known)
    if wrong := [name for name, weight in weights.items() if not (math.isfinite(weight) and weight >= 0)]:
        raise ConfigurationProblem(
            f"the loss {wrong[0]!r} has the weight {weights[wrong[0]]}", remedy="give weights of 0 or more"
        )
    if not any(weights.values()):
        raise ConfigurationProblem("no loss has a weight above 0, so nothing would be learnt", remedy=known)


def cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Give the mean cross-entropy of the pixels."""
    return _mean(_pixel_entropy(logits, target), weight=(target != IGNORED).float())


def boundary(logits: Tensor, target: Tensor) -> Tensor:
    """Give the mean cross-entropy of the pixels, those near a boundary between two classes counting five times."""
    weight = 1 + (BOUNDARY_WEIGHT - 1) * _boundary_band(target, classes=logits.shape[1]).float()
    return _mean(_pixel_entropy(logits, target), weight=weight * (target != IGNORED))


def focal(logits: Tensor, target: Tensor) -> Tensor:
    """Give the mean cross-entropy of the pixels, those that are right counting little: times (1 - p) ** 2.

    Source: Lin et al. 2017, Focal Loss for Dense Object Detection, equation 4.
    """
    entropy = _pixel_entropy(logits, target)
    wrongness = -torch.expm1(-entropy)  # 1 - p of the true class, exact where p is nearly 1
    return _mean(wrongness**FOCAL_GAMMA * entropy, weight=(target != IGNORED).float())


def dice(logits: Tensor, target: Tensor) -> Tensor:
    """Give 1 - Dice of the batch as one picture: of person with 1 class, else the mean over classes.

    Source: Milletari et al. 2016, V-Net, section 3, with sums instead of sums of squares.
    """
    valid = (target != IGNORED).unsqueeze(1)
    probability = _probability(logits) * valid
    truth = _one_hot(target, classes=logits.shape[1])
    overlap = (probability * truth).sum(dim=(0, 2, 3))
    both = probability.sum(dim=(0, 2, 3)) + truth.sum(dim=(0, 2, 3))
    return (1 - (2 * overlap + SMOOTHING_PX) / (both + SMOOTHING_PX)).mean()


def iou(logits: Tensor, target: Tensor) -> Tensor:
    """Give 1 - the soft IoU of each class in each image, background too, as the mean: small persons count as large do.

    It is what the mIoU of an image measures, of probabilities. Source: Rahman and Wang 2016, Optimizing
    Intersection-over-Union in Deep Neural Networks for Image Segmentation, section 3.
    """
    valid = (target != IGNORED).unsqueeze(1)
    probability = _probability(logits) * valid
    truth = _one_hot(target, classes=logits.shape[1])
    overlap = (probability * truth).sum(dim=(2, 3))
    union = (probability + truth).sum(dim=(2, 3)) - overlap
    if logits.shape[1] == 1:  # what is neither in the one nor in the other is where both see background
        pixels = valid.sum(dim=(2, 3))
        overlap, union = torch.cat([overlap, pixels - union], dim=1), torch.cat([union, pixels - overlap], dim=1)
    return (1 - (overlap + SMOOTHING_PX) / (union + SMOOTHING_PX)).mean()


def lovasz(logits: Tensor, target: Tensor) -> Tensor:
    """Give the Lovász extension of 1 - IoU, per image, as the mean over the images that have a pixel to look at.

    With 1 class the hinge form on the logit of person; else the softmax form, the mean over the classes of the image.
    Source: Berman et al. 2018, The Lovász-Softmax loss, equations 9 to 11 and algorithm 1.
    """
    each = [
        _lovasz_hinge(logit[0][label != IGNORED], label[label != IGNORED])
        if logits.shape[1] == 1
        else _lovasz_softmax(logit[:, label != IGNORED], label[label != IGNORED])
        for logit, label in zip(logits, target)
        if bool((label != IGNORED).any())
    ]
    return torch.stack(each).mean() if each else logits.sum() * 0


TERMS: Final[dict[str, Callable[[Tensor, Tensor], Tensor]]] = {
    "cross_entropy": cross_entropy,
    "dice": dice,
    "iou": iou,
    "boundary": boundary,
    "lovasz": lovasz,
    "focal": focal,
}


def _pixel_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Give -log p of the true class, (n, h, w); what an ignored pixel holds is of no account."""
    if logits.shape[1] == 1:
        return F.binary_cross_entropy_with_logits(logits[:, 0], (target == 1).float(), reduction="none")
    return F.cross_entropy(logits, target, ignore_index=IGNORED, reduction="none")


def _mean(values: Tensor, *, weight: Tensor) -> Tensor:
    """Give the weighted mean, and 0 where nothing has a weight."""
    return (values * weight).sum() / weight.sum().clamp(min=1)


def _probability(logits: Tensor) -> Tensor:
    return torch.sigmoid(logits) if logits.shape[1] == 1 else torch.softmax(logits, dim=1)


def _one_hot(target: Tensor, *, classes: int) -> Tensor:
    """Give the target as (n, classes, h, w) of 0 and 1, all 0 where a pixel is ignored; with 1 class that of person."""
    labels = torch.arange(classes, device=target.device) if classes > 1 else torch.ones(1, device=target.device)
    return (target.unsqueeze(1) == labels.view(1, -1, 1, 1)).float()


def _boundary_band(target: Tensor, *, classes: int) -> Tensor:
    """Tell where two classes lie within reach, (n, h, w); an ignored pixel is no class and makes no boundary."""
    height, width = target.shape[-2:]
    reach = max(1, round(BOUNDARY_SHARE * math.hypot(height, width)))
    near = _one_hot(target, classes=max(classes, 2))
    for kernel, padding in (((2 * reach + 1, 1), (reach, 0)), ((1, 2 * reach + 1), (0, reach))):
        near = F.max_pool2d(near, kernel, stride=1, padding=padding)
    return near.sum(dim=1) >= 2


def _lovasz_hinge(logit: Tensor, label: Tensor) -> Tensor:
    """Give the loss of one image; `logit` and `label` (0 or 1) are (pixels,)."""
    person = label.float()
    errors, order = torch.sort(1 - logit * (2 * person - 1), descending=True)
    return torch.dot(F.relu(errors), _jaccard_steps(person[order]))


def _lovasz_softmax(logits: Tensor, label: Tensor) -> Tensor:
    """Give the loss of one image; `logits` are (classes, pixels), `label` (pixels,)."""
    losses = []
    for number, probability in enumerate(torch.softmax(logits, dim=0)):
        truth = (label == number).float()
        if bool(truth.any()):
            errors, order = torch.sort((truth - probability).abs(), descending=True)
            losses.append(torch.dot(errors, _jaccard_steps(truth[order])))
    return torch.stack(losses).mean()


def _jaccard_steps(truth: Tensor) -> Tensor:
    """Give by how much 1 - IoU grows with each pixel that is wrong, the worst first (algorithm 1 of the source)."""
    total = truth.sum()
    jaccard = 1 - (total - truth.cumsum(0)) / (total + (1 - truth).cumsum(0))
    return torch.diff(jaccard, prepend=jaccard.new_zeros(1))
