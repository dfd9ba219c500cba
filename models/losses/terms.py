"""Losses as named terms, to be weighted and added: cross_entropy, dice, iou, boundary, lovasz, focal, holes.

All are computed in float32, also under mixed precision, and none looks at a pixel that is ignored. Where every pixel is
ignored each is 0, with a gradient of 0. What logits and targets are stands in `targets`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import torch
from torch import Tensor

from curation.errors import ConfigurationProblem
from models.losses.holes import hole_pixels, holes
from models.losses.lovasz import lovasz
from models.losses.pixels import ClassWeights, boundary, boundary_weight, cross_entropy, focal, pixel_weight
from models.losses.regions import dice, iou
from models.losses.targets import IGNORED, is_soft


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One loss: what it is of (logits, target), and how much a target counts where several batches make one step.

    The losses of the batches, each times its share of what they all count, add up to the loss of the batches as one;
    but for `dice`, which is of a batch as one picture. `why_not_soft` says why there is none of alphas.
    """

    loss: Callable[..., Tensor]
    counts: Callable[..., Tensor]
    takes_class_weights: bool = False
    why_not_soft: str | None = None


def loss_terms(
    logits: Tensor,
    target: Tensor,
    *,
    weights: Mapping[str, float],
    class_weights: ClassWeights = None,
    shares: Mapping[str, float] | None = None,
) -> dict[str, Tensor]:
    """Return each term in `weights` by its name, unweighted, and their weighted sum as "total".

    In the total each term also counts by its share in `shares`, 1 where that is None. Raises ConfigurationProblem for a
    name that is no term, and for one that has no form for alphas.
    """
    check_terms(weights, with_alphas=is_soft(target))
    with torch.autocast(logits.device.type, enabled=False):
        values = logits.float()
        terms = {name: _function(name, class_weights=class_weights)(values, target) for name in weights}
        counted = {name: weight * (1 if shares is None else shares[name]) for name, weight in weights.items()}
        total = sum((counted[name] * term for name, term in terms.items()), start=values.sum() * 0)
    return {**terms, "total": total}


def with_auxiliary(
    outputs: Sequence[Tensor], *, terms_of: Callable[[Tensor], dict[str, Tensor]], auxiliary_weight: float
) -> dict[str, Tensor]:
    """Return the terms of the first output; "total" also holds `auxiliary_weight` times the total of every other.

    Where there are others, "auxiliary" is the sum of their totals.
    """
    first, *others = outputs
    terms = terms_of(first)
    if not others:
        return terms
    auxiliary = sum((terms_of(other)["total"] for other in others), start=first.new_zeros(()))
    return {**terms, "auxiliary": auxiliary, "total": terms["total"] + auxiliary_weight * auxiliary}


def shares_of(
    targets: Sequence[Tensor], *, weights: Mapping[str, float], classes: int, class_weights: ClassWeights = None
) -> list[dict[str, float]]:
    """Return for each batch that makes up a step by how much each of its terms counts in the step; they add up to 1.

    A term to which no batch has anything to say counts nothing.
    """
    shares: list[dict[str, float]] = [{} for _ in targets]
    for name in weights:
        count = partial(TERMS[name].counts, classes=classes, class_weights=class_weights)
        counted = [float(count(target)) for target in targets]
        whole = math.fsum(counted)
        for share, own in zip(shares, counted, strict=True):
            share[name] = own / whole if whole else 0.0
    return shares


def check_terms(weights: Mapping[str, float], *, with_alphas: bool = False) -> None:
    """Refuse a name that is no term, a weight below 0, no weight at all, and a term that has no form for alphas.

    Raises ConfigurationProblem.
    """
    known = f"choose of: {', '.join(TERMS)}; for example cross_entropy=1,dice=1"
    if unknown := [name for name in weights if name not in TERMS]:
        raise ConfigurationProblem(f"there is no loss {unknown[0]!r}", remedy=known)
    check_weights(weights, known=known)
    if with_alphas and (hard := [name for name in weights if TERMS[name].why_not_soft]):
        soft = ", ".join(name for name, term in TERMS.items() if term.why_not_soft is None)
        raise ConfigurationProblem(
            f"the loss {hard[0]!r} is not defined for alphas: {TERMS[hard[0]].why_not_soft}",
            remedy=f"choose of: {soft}; or train with --labels mask",
        )


def check_weights(weights: Mapping[str, float], *, known: str) -> None:
    """Refuse a weight below 0, and no weight at all; `known` is the remedy. Raises ConfigurationProblem."""
    if wrong := [name for name, weight in weights.items() if not (math.isfinite(weight) and weight >= 0)]:
        raise ConfigurationProblem(
            f"the loss {wrong[0]!r} has the weight {weights[wrong[0]]}", remedy="give weights of 0 or more"
        )
    if not any(weights.values()):
        raise ConfigurationProblem("no loss has a weight above 0, so nothing would be learnt", remedy=known)


def _function(name: str, *, class_weights: ClassWeights) -> Callable[[Tensor, Tensor], Tensor]:
    term = TERMS[name]
    return partial(term.loss, class_weights=class_weights) if term.takes_class_weights else term.loss


def _pixels(target: Tensor, *, classes: int, class_weights: ClassWeights) -> Tensor:
    return pixel_weight(target, classes=classes, class_weights=class_weights).sum()


def _pixels_and_boundary(target: Tensor, *, classes: int, class_weights: ClassWeights) -> Tensor:
    return boundary_weight(target, classes=classes, class_weights=class_weights).sum()


def _valid_pixels(target: Tensor, **_: object) -> Tensor:
    return (target != IGNORED).sum()


def _images(target: Tensor, **_: object) -> Tensor:
    return torch.tensor(len(target))


def _images_with_pixels(target: Tensor, **_: object) -> Tensor:
    return (target != IGNORED).flatten(1).any(dim=1).sum()


def _images_with_holes(target: Tensor, **_: object) -> Tensor:
    return hole_pixels(target).flatten(1).any(dim=1).sum()


TERMS: Final[dict[str, Term]] = {
    "cross_entropy": Term(loss=cross_entropy, counts=_pixels, takes_class_weights=True),
    "dice": Term(loss=dice, counts=_valid_pixels),
    "iou": Term(loss=iou, counts=_images),
    "boundary": Term(loss=boundary, counts=_pixels_and_boundary, takes_class_weights=True),
    "lovasz": Term(
        loss=lovasz,
        counts=_images_with_pixels,
        why_not_soft="it sums over pixels that are wrong, and where an alpha is between 0 and 1 none is wrong or right",
    ),
    "focal": Term(loss=focal, counts=_pixels, takes_class_weights=True),
    "holes": Term(loss=holes, counts=_images_with_holes),
}
