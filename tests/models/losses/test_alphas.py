"""Losses of alpha networks against numbers worked by hand, OpenCV's filters, and finite differences."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from curation.errors import ConfigurationProblem
from models.losses import alphas as alpha_losses
from models.losses.alphas import (
    TERMS,
    AlphaParts,
    AlphaTarget,
    alpha_target,
    alpha_terms,
    check_alpha_terms,
    trimap_of_alpha,
)


def plane(*rows: list[float]) -> Tensor:
    return torch.tensor(rows).view(1, 1, len(rows), -1)


def target(alpha: Tensor, *, valid: Tensor | None = None, colours: Tensor | None = None) -> AlphaTarget:
    is_valid = torch.ones_like(alpha, dtype=torch.bool) if valid is None else valid
    shown = torch.ones_like(alpha).expand(-1, 3, -1, -1) if colours is None else colours
    return alpha_target(alpha, valid=is_valid, colours=shown)


def random_parts(height: int, width: int, *, dtype: torch.dtype = torch.float32) -> AlphaParts:
    torch.manual_seed(0)
    small = -(-height // 16), -(-width // 16)
    made = [torch.rand(1, 1, height, width), torch.randn(1, 3, height, width), torch.rand(1, 1, *small)]
    alpha, trimap, semantic, detail = (one.to(dtype).requires_grad_() for one in (*made, torch.rand_like(made[0])))
    return AlphaParts(alpha=alpha, trimap=trimap, semantic=semantic, detail=detail)


def test_alpha_prediction_is_the_mean_difference_of_the_pixels_that_count() -> None:
    parts, truth = AlphaParts(alpha=plane([0.5, 0.25, 1.0])), plane([0.0, 0.75, 0.0])
    valid = torch.tensor([True, True, False]).view(1, 1, 1, 3)
    found = alpha_terms(parts, target(truth, valid=valid), weights={"alpha": 2.0})
    assert found["alpha"].item() == pytest.approx((0.5 + 0.5) / 2, abs=1e-5)
    assert found["total"].item() == pytest.approx(1.0, abs=1e-5)


def test_composition_weighs_the_difference_by_the_colours() -> None:
    colours = torch.tensor([0.2, 0.4, 0.9]).view(1, 3, 1, 1)
    found = alpha_losses.composition(AlphaParts(alpha=plane([0.7])), target(plane([0.2]), colours=colours))
    assert found.item() == pytest.approx(0.5 * (0.2 + 0.4 + 0.9) / 3, abs=1e-5)


def test_equal_alphas_lose_nothing_but_the_smoothing() -> None:
    alpha = torch.rand(1, 1, 20, 24)
    for name in ("alpha", "composition", "laplacian"):
        assert TERMS[name](AlphaParts(alpha=alpha), target(alpha)).item() < 2 * alpha_losses.EPSILON


def test_the_laplacian_of_a_constant_difference_is_all_in_the_last_level() -> None:
    alpha = torch.full((1, 1, 32, 32), 0.5)
    found = alpha_losses.laplacian(AlphaParts(alpha=alpha), target(torch.full_like(alpha, 0.25)))
    assert found.item() == pytest.approx(2**4 * 0.25 * (2 * 2) / (32 * 32))  # 2 x 2 pixels are left of 32 x 32


def test_the_laplacian_pyramid_is_that_of_opencv() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.random((2, 33, 40), dtype=np.float32)
    row = np.array([1, 4, 6, 4, 1]) / 16
    expected, rest = 0.0, (first - second).astype(np.float64)
    for level in range(5):
        low = cv2.sepFilter2D(rest, cv2.CV_64F, row, row, borderType=cv2.BORDER_REPLICATE)
        expected += 2**level * np.abs(rest if level == 4 else rest - low).sum() / first.size
        rest = low[::2, ::2]
    given, truth = (torch.from_numpy(one)[None, None] for one in (first, second))
    assert alpha_losses.laplacian(AlphaParts(alpha=given), target(truth)).item() == pytest.approx(expected, rel=1e-4)


def test_the_trimap_loss_is_the_cross_entropy_of_the_right_classes() -> None:
    alpha = plane([0.0] * 9 + [0.5] + [1.0] * 9)
    expected = [0] * 8 + [1] * 3 + [2] * 8  # the band reaches a pixel to both sides of what is soft
    assert target(alpha).trimap[0, 0].tolist() == expected
    found = alpha_losses.trimap(AlphaParts(alpha=alpha, trimap=torch.zeros(1, 3, 1, 19)), target(alpha))
    assert found.item() == pytest.approx(math.log(3))


def test_a_hard_outline_has_a_band_too_and_ignored_pixels_no_class() -> None:
    alpha = torch.zeros(1, 1, 12, 12)
    alpha[..., 6:] = 1
    assert trimap_of_alpha(alpha, reach=2)[0, 5].tolist() == [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]
    valid = torch.ones_like(alpha, dtype=torch.bool)
    valid[..., :3] = False
    assert (target(alpha, valid=valid).trimap[0, :, :3] == 255).all()


def test_the_semantic_loss_compares_with_a_blurred_thumbnail() -> None:
    alpha = torch.zeros(1, 1, 16, 48)
    alpha[..., 16:32] = 1  # a thumbnail of 0, 1, 0, blurred by 1 2 1: 0.25, 0.5, 0.25
    found = alpha_losses.semantic(AlphaParts(alpha=alpha, semantic=plane([0.25, 0.0, 0.5])), target(alpha))
    assert found.item() == pytest.approx((0 + 0.5**2 + 0.25**2) / 3 / 2)


def test_the_detail_loss_looks_at_the_band_alone() -> None:
    alpha = plane([0.0] * 9 + [0.5] + [1.0] * 9)
    detail = torch.full_like(alpha, 0.5)  # off by a half in the outer pixels of the band of three
    found = alpha_losses.detail(AlphaParts(alpha=alpha, detail=detail), target(alpha))
    assert found.item() == pytest.approx((0.5 + 0 + 0.5) / 19)


@pytest.mark.parametrize("name", TERMS)
def test_gradients_are_those_of_finite_differences(name: str) -> None:
    parts = random_parts(18, 17, dtype=torch.float64)
    truth = torch.rand(1, 1, 18, 17, dtype=torch.float64)
    wanted = target(truth, colours=torch.rand(1, 3, 18, 17, dtype=torch.float64))

    def loss(*given: Tensor) -> Tensor:
        return TERMS[name](AlphaParts(*given), wanted)

    assert torch.autograd.gradcheck(loss, tuple(parts), fast_mode=True)


@pytest.mark.parametrize("name", TERMS)
def test_where_nothing_counts_a_loss_is_0_and_teaches_nothing(name: str) -> None:
    parts, truth = random_parts(16, 16), torch.rand(1, 1, 16, 16)
    nothing = target(truth, valid=torch.zeros_like(truth, dtype=torch.bool))
    total = alpha_terms(parts, nothing, weights={name: 1.0})["total"]
    total.backward()
    assert total.item() == 0
    assert all(part.grad is None or not part.grad.any() for part in parts)


def test_an_ignored_pixel_changes_no_loss() -> None:
    parts, truth = random_parts(32, 32), torch.rand(1, 1, 32, 32)
    valid = torch.ones_like(truth, dtype=torch.bool)
    valid[..., 5, 7] = False
    before = alpha_terms(parts, target(truth, valid=valid), weights=dict.fromkeys(TERMS, 1.0))
    with torch.no_grad():
        parts.alpha[..., 5, 7] = 0.9
        parts.detail[..., 5, 7] = 0.1  # type: ignore[index]
    after = alpha_terms(parts, target(truth, valid=valid), weights=dict.fromkeys(TERMS, 1.0))
    assert {name: value.item() for name, value in before.items()} == {
        name: value.item() for name, value in after.items()
    }


def test_names_and_weights_that_cannot_train_are_refused() -> None:
    known = {"alpha": 1.0, "detail": 10.0}
    check_alpha_terms({"alpha": 0.5}, known=known)
    for weights, told in (({"dice": 1.0}, "dice"), ({"alpha": -1.0}, "-1"), ({"alpha": 0.0}, "nothing")):
        with pytest.raises(ConfigurationProblem, match=told):
            check_alpha_terms(weights, known=known)
    with pytest.raises(ConfigurationProblem, match="no branch for the loss 'trimap'"):
        alpha_terms(AlphaParts(alpha=plane([0.5])), target(plane([0.5])), weights={"trimap": 1.0})
