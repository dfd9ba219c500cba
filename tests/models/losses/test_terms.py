from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F  # noqa: N812  (the name by which everyone knows it)
from segmentation_models_pytorch.losses import BINARY_MODE, MULTICLASS_MODE, DiceLoss, JaccardLoss, LovaszLoss
from torch import Tensor
from torchvision.ops import sigmoid_focal_loss

from curation.errors import ConfigurationProblem
from models.losses.pixels import BOUNDARY_WEIGHT
from models.losses.targets import IGNORED
from models.losses.terms import TERMS, check_terms, loss_terms, with_auxiliary

ALL = dict.fromkeys(TERMS, 1.0)


def drawn(*, classes: int, ignored: bool = False, size: tuple[int, int] = (24, 20)) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(classes)
    logits = 2 * torch.randn(3, classes, *size, generator=generator)
    target = torch.randint(0, max(2, classes), (3, *size), generator=generator)
    if ignored:
        target[:, :5] = IGNORED
    return logits, target


def term(name: str, logits: Tensor, target: Tensor) -> Tensor:
    return loss_terms(logits, target, weights={name: 1.0})[name]


def test_cross_entropy_is_that_of_torch() -> None:
    logits, target = drawn(classes=1)
    assert torch.isclose(
        term("cross_entropy", logits, target), F.binary_cross_entropy_with_logits(logits[:, 0], target.float())
    )
    logits, target = drawn(classes=3, ignored=True)
    assert torch.isclose(term("cross_entropy", logits, target), F.cross_entropy(logits, target, ignore_index=IGNORED))


@pytest.mark.parametrize(("classes", "mode"), [(1, BINARY_MODE), (3, MULTICLASS_MODE)])
@pytest.mark.parametrize("ignored", [False, True])
def test_dice_is_that_of_another_library(classes: int, mode: str, ignored: bool) -> None:
    logits, target = drawn(classes=classes, ignored=ignored)
    # as a Tversky index its fraction is half of ours on both sides, and so is what it adds
    expected = DiceLoss(mode, from_logits=True, smooth=0.5, ignore_index=IGNORED)(logits, target)
    assert torch.isclose(term("dice", logits, target), expected)


def test_iou_by_hand() -> None:
    logits = torch.tensor([[[[60.0, 0.0], [-60.0, -60.0]]], [[[60.0, 60.0], [-60.0, 60.0]]]])
    target = torch.tensor([[[1, 1], [0, 0]], [[1, IGNORED], [0, 0]]])
    # first image: person (1.5 + 1) / (2 + 1), background (2 + 1) / (2.5 + 1); second: (1 + 1) / (2 + 1) for both
    expected = 1 - (2.5 / 3 + 3 / 3.5 + 2 / 3 + 2 / 3) / 4
    assert math.isclose(float(term("iou", logits, target)), expected, rel_tol=1e-6)


def test_iou_of_one_logit_is_that_of_two_classes() -> None:
    logits, target = torch.randn(3, 1, 9, 7), torch.randint(0, 2, (3, 9, 7))
    target[0, :4] = IGNORED
    target[2] = 0
    both = torch.cat([torch.zeros_like(logits), logits], dim=1)
    assert torch.isclose(term("iou", logits, target), term("iou", both, target))


def test_iou_of_one_image_is_that_of_another_library() -> None:
    logits, target = torch.randn(1, 3, 8, 8), torch.randint(0, 3, (1, 8, 8))
    expected = JaccardLoss(MULTICLASS_MODE, from_logits=True, smooth=1.0)(logits, target)
    assert torch.isclose(term("iou", logits, target), expected)


def test_dice_by_hand() -> None:
    """Probabilities 1, 1, 1/2, 0 against person, background, person, background: overlap 1.5, sums 2.5 and 2."""
    logits = torch.tensor([60.0, 60.0, 0.0, -60.0]).view(1, 1, 2, 2)
    target = torch.tensor([1, 0, 1, 0]).view(1, 2, 2)
    assert math.isclose(float(term("dice", logits, target)), 1 - (2 * 1.5 + 1) / (2.5 + 2 + 1), rel_tol=1e-6)
    nothing = torch.zeros(1, 2, 2, dtype=torch.int64)
    assert float(term("dice", torch.full((1, 1, 2, 2), -60.0), nothing)) < 1e-6


@pytest.mark.parametrize(("classes", "mode"), [(1, BINARY_MODE), (3, MULTICLASS_MODE)])
@pytest.mark.parametrize("ignored", [False, True])
def test_lovasz_is_that_of_another_library(classes: int, mode: str, ignored: bool) -> None:
    logits, target = drawn(classes=classes, ignored=ignored)
    expected = LovaszLoss(mode, per_image=True, ignore_index=IGNORED)(logits, target)
    assert torch.isclose(term("lovasz", logits, target), expected)


def test_lovasz_of_certain_predictions_is_one_minus_iou() -> None:
    """Two of four pixels are person; one of them and one of background are found: IoU 1/3, of background 1/3."""
    target = torch.tensor([1, 1, 0, 0]).view(1, 2, 2)
    person = torch.tensor([60.0, -60.0, 60.0, -60.0]).view(1, 1, 2, 2)
    classes = torch.cat([-person, person, torch.full_like(person, -120.0)], dim=1)
    assert math.isclose(float(term("lovasz", classes, target)), 2 / 3, rel_tol=1e-6)


def test_focal_is_that_of_torchvision_and_of_its_definition() -> None:
    logits, target = drawn(classes=1)
    expected = sigmoid_focal_loss(logits[:, 0], target.float(), alpha=-1, gamma=2, reduction="mean")
    assert torch.isclose(term("focal", logits, target), expected)
    # three classes: p = 1/2 of the right one gives (1/2)^2 ln 2
    even = torch.tensor([0.0, 0.0, -60.0]).view(1, 3, 1, 1)
    one = torch.zeros(1, 1, 1, dtype=torch.int64)
    assert math.isclose(float(term("focal", even, one)), math.log(2) / 4, rel_tol=1e-6)


def test_boundary_pixels_count_more() -> None:
    """A 9 x 50 picture has a diagonal of 50.8 px, so that a pixel is near within one: two columns of fifty."""
    target = torch.zeros(1, 9, 50, dtype=torch.int64)
    target[:, :, 25:] = 1
    logits = torch.zeros(1, 1, 9, 50)
    logits[:, :, :, 24] = 60.0  # wrong by 60, beside the boundary; all others ln 2
    expected = (BOUNDARY_WEIGHT * (60 + math.log(2)) + 48 * math.log(2)) / (2 * BOUNDARY_WEIGHT + 48)
    assert math.isclose(float(term("boundary", logits, target)), expected, rel_tol=1e-6)
    target[:, :, 24:26] = IGNORED  # what is left of both classes is further apart than that
    assert math.isclose(float(term("boundary", logits, target)), math.log(2), rel_tol=1e-6)


@pytest.mark.parametrize("name", TERMS)
@pytest.mark.parametrize("classes", [1, 3])
def test_ignored_pixels_change_nothing_and_get_no_gradient(name: str, classes: int) -> None:
    logits, target = drawn(classes=classes, ignored=True)
    other = logits.clone()
    other[:, :, :5] = 7.0
    other.requires_grad_()
    loss = term(name, other, target)
    loss.backward()
    assert torch.isclose(loss, term(name, logits, target))
    assert other.grad is not None
    assert not other.grad[:, :, :5].any()
    assert other.grad[:, :, 5:].any()


@pytest.mark.parametrize("classes", [1, 3])
def test_a_batch_that_is_ignored_gives_zero_with_a_gradient(classes: int) -> None:
    logits, target = drawn(classes=classes)
    logits.requires_grad_()
    terms = loss_terms(logits, torch.full_like(target, IGNORED), weights=ALL)
    terms["total"].backward()
    assert {float(value.detach()) for value in terms.values()} == {0.0}
    assert logits.grad is not None
    assert not logits.grad.any()


@pytest.mark.parametrize("name", TERMS)
@pytest.mark.parametrize("classes", [1, 3])
def test_following_the_gradient_makes_the_loss_small(name: str, classes: int) -> None:
    _, target = drawn(classes=classes, size=(8, 8))
    logits = torch.zeros(3, classes, 8, 8, requires_grad=True)
    optimizer = torch.optim.Adam([logits], lr=0.5)
    before = term(name, logits, target).item()
    for _ in range(40):
        optimizer.zero_grad()
        term(name, logits, target).backward()
        optimizer.step()
    assert term(name, logits, target).item() < 0.05 * before


@pytest.mark.parametrize("name", TERMS)
def test_an_image_without_person_has_a_finite_loss(name: str) -> None:
    logits, target = drawn(classes=1)
    assert torch.isfinite(term(name, logits, torch.zeros_like(target)))


def test_terms_are_weighted_and_added() -> None:
    logits, target = drawn(classes=1)
    terms = loss_terms(logits, target, weights={"cross_entropy": 1.0, "dice": 0.5})
    assert list(terms) == ["cross_entropy", "dice", "total"]
    assert torch.isclose(terms["total"], terms["cross_entropy"] + 0.5 * terms["dice"])


def test_losses_are_computed_in_float32_under_mixed_precision() -> None:
    logits, target = drawn(classes=3, ignored=True)
    low = logits.bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = loss_terms(low, target, weights=ALL)
    full = loss_terms(low.float(), target, weights=ALL)
    for name, value in mixed.items():
        assert value.dtype == torch.float32
        assert torch.equal(value, full[name]), name


def test_auxiliary_heads_count_with_their_weight() -> None:
    logits, target = drawn(classes=1)
    weights = {"cross_entropy": 1.0}
    one = loss_terms(logits, target, weights=weights)["total"]
    other = loss_terms(logits * 2, target, weights=weights)["total"]

    def terms_of(values: Tensor) -> dict[str, Tensor]:
        return loss_terms(values, target, weights=weights)

    terms = with_auxiliary((logits, logits * 2, logits * 2), terms_of=terms_of, auxiliary_weight=0.4)
    assert torch.isclose(terms["total"], one + 0.4 * 2 * other)
    assert torch.isclose(terms["auxiliary"], 2 * other)
    alone = with_auxiliary((logits,), terms_of=terms_of, auxiliary_weight=0.4)
    assert set(alone) == {"cross_entropy", "total"}


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ({"dise": 1.0}, "no loss 'dise'"),
        ({"dice": -1.0}, "weight -1.0"),
        ({"dice": math.nan}, "weight nan"),
        ({"dice": 0.0}, "nothing would be learnt"),
        ({}, "nothing would be learnt"),
    ],
)
def test_weights_that_make_no_loss_are_refused(weights: dict[str, float], said: str) -> None:
    with pytest.raises(ConfigurationProblem, match=said):
        check_terms(weights)
