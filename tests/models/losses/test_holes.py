"""The loss of holes: hand-worked, and that a training which sees it opens holes."""

from __future__ import annotations

import math

import pytest
import torch
from torch.autograd import gradcheck

from models.losses.holes import hole_pixels, holes
from models.losses.targets import IGNORED
from models.losses.terms import loss_terms, shares_of
from models.metrics.holes import hole_recall, label_holes


def ring(size: int = 9, *, hole: int = 3) -> torch.Tensor:
    """Return a square of person with a hole in its middle, (size, size), that leaves one pixel to the frame."""
    target = torch.zeros(size, size, dtype=torch.int64)
    target[1:-1, 1:-1] = 1
    start = (size - hole) // 2
    target[start : start + hole, start : start + hole] = 0
    return target


def test_by_hand() -> None:
    target = torch.stack([ring(), ring(hole=1), torch.zeros(9, 9, dtype=torch.int64)])
    logits = torch.zeros(3, 1, 9, 9)
    logits[0, 0, 3:6, 3:6] = math.log(3)  # p = 3/4 in the hole of 9 pixels, so -log(1 - p) = log 4
    logits[1, 0, 4, 4] = -math.log(3)  # p = 1/4 in the hole of one pixel: log 4/3
    # the third image has no hole; what lies outside of holes does not matter
    logits[:, :, 0, 0] = 50.0
    assert holes(logits, target).item() == pytest.approx((math.log(4) + math.log(4 / 3)) / 2)


def test_two_classes_say_the_same_as_one_logit() -> None:
    logit = torch.randn(2, 1, 9, 9, generator=torch.Generator().manual_seed(0))
    target = torch.stack([ring(), ring(hole=5)])
    both = torch.cat([torch.zeros_like(logit), logit], dim=1)
    assert holes(both, target).item() == pytest.approx(holes(logit, target).item(), rel=1e-6)


def test_holes_are_those_of_the_metric_and_ignored_pixels_surround() -> None:
    target = ring(9, hole=3)
    target[3, 3:6] = IGNORED
    mask = ((target == 1) | (target == IGNORED)).numpy().astype("uint8") * 255
    assert (hole_pixels(target[None])[0].numpy() > 0).tolist() == (label_holes(mask) > 0).tolist()
    assert hole_pixels(target[None]).sum() == 6


def test_alphas_have_holes_under_one_half() -> None:
    alpha = ring().float()
    alpha[3:6, 3:6] = 0.3
    assert hole_pixels(alpha[None]).sum() == 9
    alpha[3:6, 3:6] = 0.5
    assert hole_pixels(alpha[None]).sum() == 0


def test_the_gradient_is_that_of_finite_differences() -> None:
    logits = torch.randn(2, 1, 7, 7, dtype=torch.float64, requires_grad=True)
    target = torch.stack([ring(7), ring(7, hole=1)])
    assert gradcheck(lambda values: holes(values, target), (logits,))


def test_batches_count_by_their_images_with_holes() -> None:
    without = torch.zeros(3, 9, 9, dtype=torch.int64)
    shares = shares_of([torch.stack([ring(), ring()]), torch.stack([ring()]), without], weights={"holes": 1}, classes=1)
    assert [share["holes"] for share in shares] == pytest.approx([2 / 3, 1 / 3, 0])


def test_it_opens_a_hole_that_cross_entropy_leaves_closed() -> None:
    """Of one logit for the whole square, cross-entropy chooses person; with holes at weight 4, background."""
    target = ring(9, hole=3)[None]

    def learnt(weights: dict[str, float]) -> float | None:
        person = torch.zeros(1, requires_grad=True)
        optimizer = torch.optim.SGD([person], lr=0.5)
        for _ in range(50):
            logits = torch.full((1, 1, 9, 9), -5.0)
            logits[:, :, 1:-1, 1:-1] = person
            loss_terms(logits, target, weights=weights)["total"].backward()
            optimizer.step()
            optimizer.zero_grad()
        mask = (logits[0, 0].detach() > 0).numpy().astype("uint8") * 255
        return hole_recall(mask, holes=label_holes(target[0].numpy().astype("uint8") * 255))

    assert learnt({"cross_entropy": 1.0}) == 0
    assert learnt({"cross_entropy": 1.0, "holes": 4.0}) == 1
