"""Losses of alphas: by hand, against another library, and by what any such loss has to be."""

from __future__ import annotations

import math

import pytest
import torch
from segmentation_models_pytorch.losses import BINARY_MODE, DiceLoss, JaccardLoss
from torch import Tensor
from torch.autograd import gradcheck

from curation.errors import ConfigurationProblem
from models.losses.pixels import BOUNDARY_WEIGHT
from models.losses.targets import IGNORED
from models.losses.terms import TERMS, check_terms, loss_terms

SOFT = [name for name, term in TERMS.items() if term.why_not_soft is None]
HALF = math.log(2)
"""The entropy of an even chance."""


def term(name: str, logits: Tensor, target: Tensor) -> float:
    return float(loss_terms(logits, target, weights={name: 1.0})[name])


def logits_of(*probabilities: float) -> Tensor:
    """Return logits of person (1, 1, 1, w)."""
    return torch.logit(torch.tensor(probabilities, dtype=torch.float64)).float().view(1, 1, 1, -1)


def alphas(*values: float) -> Tensor:
    return torch.tensor(values).view(1, 1, -1)


def drawn(*, shape: tuple[int, ...] = (2, 6, 5), dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(shape[0], 1, *shape[1:], generator=generator, dtype=dtype)
    target = torch.rand(*shape, generator=generator, dtype=dtype)
    target[:, 2:5, 1:4] = target[:, 2:5, 1:4].clamp(min=0.5)
    target[:, 3:4, 2] = 0.3  # a hole, where the picture is large enough
    return logits, target


def test_cross_entropy_by_hand() -> None:
    """At one half an alpha of 1/4 costs ln 2 whatever it is; at 1/4 it costs its own entropy."""
    own = -(0.25 * math.log(0.25) + 0.75 * math.log(0.75))
    assert math.isclose(term("cross_entropy", logits_of(0.5, 0.25), alphas(0.25, 0.25)), (HALF + own) / 2, rel_tol=1e-6)


def test_dice_and_iou_by_hand() -> None:
    """Predictions 1/2 and 1/4 of alphas 1/4 and 3/4 share 1/4 and 1/4 of person, of background 1/2 and 1/4."""
    logits, target = logits_of(0.5, 0.25), alphas(0.25, 0.75)
    assert math.isclose(term("dice", logits, target), 1 - (2 * 0.5 + 1) / (0.75 + 1 + 1), rel_tol=1e-6)
    person, background = 1.5 / (1.25 + 1), 1.75 / (1.5 + 1)
    assert math.isclose(term("iou", logits, target), 1 - (person + background) / 2, rel_tol=1e-6)


def test_focal_and_boundary_by_hand() -> None:
    assert math.isclose(term("focal", logits_of(0.5, 0.5), alphas(0.25, 0.5)), HALF / 4**2 / 2, rel_tol=1e-6)
    target = torch.full((1, 9, 50), 0.2)
    target[:, :, 25:] = 0.7  # a 9 x 50 picture has a diagonal of 50.8 px: a pixel is near within one
    logits = torch.zeros(1, 1, 9, 50)
    logits[:, :, :, 24] = 60.0  # wrong by 0.8 * 60 beside the boundary; all others cost ln 2
    expected = (BOUNDARY_WEIGHT * (48 + HALF) + 48 * HALF) / (2 * BOUNDARY_WEIGHT + 48)
    assert math.isclose(term("boundary", logits, target), expected, rel_tol=1e-6)


@pytest.mark.parametrize(("name", "other", "smooth"), [("dice", DiceLoss, 0.5), ("iou", JaccardLoss, 1.0)])
def test_regions_are_those_of_another_library(name: str, other: type, smooth: float) -> None:
    """Its Dice is a Tversky index, whose fraction is half of ours on both sides; its Jaccard is of person alone."""
    logits, target = drawn(shape=(1, 6, 5))
    loss = other(BINARY_MODE, from_logits=True, smooth=smooth)
    expected = loss(logits, target)
    if name == "iou":
        expected = (expected + loss(-logits, 1 - target)) / 2
    assert math.isclose(term(name, logits, target), float(expected), rel_tol=1e-5)


@pytest.mark.parametrize("name", SOFT)
def test_an_alpha_of_0_and_1_is_a_class_label(name: str) -> None:
    logits, target = drawn()
    labels = (target > 0.5).long()
    labels[:, :2] = IGNORED
    assert math.isclose(term(name, logits, labels), term(name, logits, labels.float()), rel_tol=1e-5)


@pytest.mark.parametrize("name", SOFT)
def test_no_prediction_costs_less_than_the_alpha_itself(name: str) -> None:
    _, target = drawn()
    target = target.clamp(0.02, 0.98)
    best = torch.logit(target).unsqueeze(1)
    least = term(name, best, target)
    if name not in {"cross_entropy", "boundary", "holes"}:
        assert abs(least) < 1e-6
    for seed in range(8):
        step = torch.randn(best.shape, generator=torch.Generator().manual_seed(seed)) * 0.3
        assert term(name, best + step, target) > least


@pytest.mark.parametrize("name", SOFT)
def test_gradients_are_those_of_differences(name: str) -> None:
    logits, target = drawn(shape=(2, 3, 4), dtype=torch.float64)
    target[:, 0] = IGNORED
    logits.requires_grad_()
    assert gradcheck(lambda values: TERMS[name].loss(values, target), (logits,))
    if TERMS[name].takes_class_weights:
        assert gradcheck(lambda values: TERMS[name].loss(values, target, class_weights=(0.5, 3.0)), (logits,))


@pytest.mark.parametrize("name", TERMS)
def test_gradients_of_class_labels_are_those_of_differences(name: str) -> None:
    logits, target = drawn(shape=(2, 3, 4), dtype=torch.float64)
    labels = (target > 0.5).long()
    labels[:, 0] = IGNORED
    logits.requires_grad_()
    assert gradcheck(lambda values: TERMS[name].loss(values, labels), (logits,), atol=1e-4)


@pytest.mark.parametrize("name", SOFT)
def test_ignored_pixels_change_nothing_and_get_no_gradient(name: str) -> None:
    logits, target = drawn()
    target[:, :2] = IGNORED
    other = logits.clone()
    other[:, :, :2] = 7.0
    other.requires_grad_()
    loss = loss_terms(other, target, weights={name: 1.0})[name]
    loss.backward()
    assert math.isclose(float(loss.detach()), term(name, logits, target), rel_tol=1e-6)
    assert other.grad is not None
    assert not other.grad[:, :, :2].any()
    assert other.grad[:, :, 2:].any()


def test_lovasz_is_refused_for_alphas_with_the_reason() -> None:
    logits, target = drawn()
    with pytest.raises(ConfigurationProblem, match="'lovasz' is not defined for alphas: it sums over pixels") as caught:
        loss_terms(logits, target, weights={"lovasz": 1.0})
    assert "--labels mask" in caught.value.remedy
    check_terms({"lovasz": 1.0})


def test_weights_of_classes_are_those_of_torch() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 6, 5, generator=generator)
    target = torch.randint(0, 3, (2, 6, 5), generator=generator)
    target[:, 0] = IGNORED
    weights = (0.5, 2.0, 3.0)
    expected = torch.nn.functional.cross_entropy(
        logits, target, weight=torch.tensor(weights), ignore_index=IGNORED, reduction="mean"
    )
    found = loss_terms(logits, target, weights={"cross_entropy": 1.0}, class_weights=weights)["cross_entropy"]
    assert torch.isclose(found, expected)


def test_weights_of_background_and_person_are_those_of_two_classes() -> None:
    logits, target = drawn()
    labels = (target > 0.5).long()
    both = torch.cat([torch.zeros_like(logits), logits], dim=1)
    for name in ("cross_entropy", "focal", "boundary"):
        one, two = (
            loss_terms(values, labels, weights={name: 1.0}, class_weights=(0.5, 3.0))[name] for values in (logits, both)
        )
        assert torch.isclose(one, two), name


def test_an_alpha_counts_as_both_classes_by_its_shares() -> None:
    """An alpha of 1/4 at one half: (3 * 1/4 + 1 * 3/4) ln 2, over the same weight."""
    weighted = loss_terms(
        logits_of(0.5, 0.75), alphas(0.25, 1.0), weights={"cross_entropy": 1.0}, class_weights=(1.0, 3.0)
    )
    expected = (1.5 * HALF + 3 * -math.log(0.75)) / (1.5 + 3)
    assert math.isclose(float(weighted["cross_entropy"]), expected, rel_tol=1e-6)
