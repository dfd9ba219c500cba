"""The loss of an optimizer step: of one batch, or of several whose gradients add up to that of one large batch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  (the name by which everyone knows it)
from torch import Tensor

from curation.errors import InputRefused
from curation.quarantine import BadRecord
from models.data.batches import Batch
from models.losses.alphas import TERMS as ALPHA_TERMS
from models.losses.alphas import AlphaTarget, alpha_shares, alpha_target, alpha_terms, given_trimap
from models.losses.distillation import DISTILLATION, distillation, taught_weight
from models.losses.targets import IGNORED
from models.losses.terms import loss_terms, shares_of, with_auxiliary
from models.training.settings import Stage

Shares = Mapping[str, float] | None
"""By how much each term of a batch counts in its step; None where the batch is the step."""


def batches_of_steps(batches: Iterator[Batch], *, stage: Stage) -> Iterator[list[Batch]]:
    """Yield the batches that make one optimizer step together; at the end of an epoch there may be fewer.

    Raises InputRefused for a sample that is broken.
    """
    while group := list(islice(batches, stage.accumulate)):
        for batch in group:
            if batch.broken is not None:
                raise refused(batch.broken, stage=stage) from batch.broken
        yield group


def refused(problem: BadRecord, *, stage: Stage) -> InputRefused:
    """Return the error that stops a training: which file, what is wrong with it, and how to go on without it."""
    remedy = "leave it out with --where, or make the dataset again; `curate stats D --verify` finds all such samples"
    if stage.kind == "classification":
        remedy = "delete the file, or put a whole image in its place, and give --overwrite"
    told = f"a sample cannot be used: {problem.code}: {problem.reason}"
    return InputRefused(told, where=problem.file, remedy=remedy)


def shares_in_step(batches: Sequence[Batch], *, stage: Stage, classes: int) -> Sequence[Shares]:
    """Return by how much the terms of each batch count in their step.

    A mean over pixels counts by the pixels that are not ignored, and one over images by images: so their sum is the
    mean over the step, whatever is ignored in which batch, and however small the last batch of an epoch is.
    """
    if len(batches) == 1:
        return [None]
    if stage.kind == "classification":
        total = sum(len(batch.keys) for batch in batches)
        return [{"cross_entropy": len(batch.keys) / total} for batch in batches]
    targets = [target_of(batch.label[: len(batch.keys)]) for batch in batches]  # one image alone is there twice
    if stage.teacher is not None:
        return _shares_with_teacher(batches, targets, stage=stage)
    if any(name in ALPHA_TERMS for name in stage.losses):
        return alpha_shares(targets, weights=stage.losses)
    return shares_of(targets, weights=stage.losses, classes=classes, class_weights=stage.class_weights)


def _shares_with_teacher(batches: Sequence[Batch], targets: Sequence[Tensor], *, stage: Stage) -> Sequence[Shares]:
    """Return the shares of the losses of labels, and that of the teacher by the pixels of which it is sure."""
    of_labels = shares_of(targets, weights=stage.losses, classes=1, class_weights=stage.class_weights)
    weights = [
        taught_weight(batch.taught[: len(batch.keys)], how=stage.distillation)
        for batch in batches
        if batch.taught is not None  # a stage with a teacher brings it with every batch
    ]
    counted = [float(weight.sum()) for weight in weights]
    whole = math.fsum(counted)
    return [
        {**share, DISTILLATION: own / whole if whole else 0.0} for share, own in zip(of_labels, counted, strict=True)
    ]


def total_loss(
    outputs: Sequence[Tensor],
    target: Tensor,
    *,
    stage: Stage,
    auxiliary_weight: float,
    shares: Shares,
    taught: Tensor | None = None,
) -> Tensor:
    """Return the loss of a batch: of the logits, and of those of the auxiliary heads behind them.

    With a teacher that of what is `taught`, (n, h, w) in 0..1 or 255, is added to that of labels.
    Of a stage of classification it is the mean cross-entropy, in nats, of logits (n, classes) and numbers (n,).
    """
    if stage.kind == "classification":
        return F.cross_entropy(outputs[0].float(), target) * (1.0 if shares is None else shares["cross_entropy"])

    def terms_of(logits: Tensor) -> dict[str, Tensor]:
        terms = loss_terms(logits, target, weights=stage.losses, class_weights=stage.class_weights, shares=shares)
        if taught is None:
            return terms
        with torch.autocast(logits.device.type, enabled=False):
            term = distillation(logits.float(), taught, how=stage.distillation)
            weight = stage.distill * (1.0 if shares is None else shares[DISTILLATION])
        return {**terms, DISTILLATION: term, "total": terms["total"] + weight * term}

    return with_auxiliary(outputs, terms_of=terms_of, auxiliary_weight=auxiliary_weight)["total"]


def alpha_loss(
    network: Any, images: Tensor, *, label: Tensor, pictures: Tensor, stage: Stage, shares: Shares
) -> Tensor:
    """Return the loss of a batch of an alpha network: `images` as it takes them, `pictures` as `Batch` has them."""
    target = alpha_target_of(label, pictures=pictures.to(label.device))
    given = given_trimap(target) if stage.true_trimap else None
    parts = network(images, given, teaches_trimap_alone(stage))
    return alpha_terms(parts, target, weights=stage.losses, shares=shares)["total"]


def alpha_target_of(label: Tensor, *, pictures: Tensor) -> AlphaTarget:
    """Return what an alpha network should give, of labels (n, h, w) in 0..1 (255: ignored) and images (n, h, w, 3)."""
    valid = label != IGNORED
    alpha = label.masked_fill(~valid, 0).unsqueeze(1)
    return alpha_target(alpha, valid=valid.unsqueeze(1), colours=pictures.permute(0, 3, 1, 2).float() / 255)


def teaches_trimap_alone(stage: Stage) -> bool:
    """Tell whether a stage of an alpha network teaches its trimap part and nothing else."""
    return {name for name, weight in stage.losses.items() if weight} == {"trimap"}


def target_of(label: Tensor) -> Tensor:
    """Return labels of a batch as losses take them: alphas as they are, classes as int64."""
    return label if label.is_floating_point() else label.long()
