"""What a student learns from a teacher, against numbers by hand, another formula of torch, and numeric gradients."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F  # noqa: N812  (the name by which everyone knows it)

from models.distillation import Distillation
from models.losses.distillation import distillation, taught_weight
from models.losses.targets import IGNORED

PLAIN = Distillation()


def logits(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64).view(1, 1, 1, -1)


def taught(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64).view(1, 1, -1)


def test_at_temperature_1_it_is_the_divergence_of_two_coins() -> None:
    by_hand = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    assert float(distillation(logits(0.0), taught(0.75), how=PLAIN)) == pytest.approx(by_hand)


def test_a_temperature_divides_both_logits_and_its_square_keeps_the_gradient_of_its_size() -> None:
    how = Distillation(temperature=2.0)
    share = 1 / (1 + math.exp(-math.log(3) / 2))  # 0.75 has the logit log 3
    by_hand = 4 * (share * math.log(share / 0.5) + (1 - share) * math.log((1 - share) / 0.5))
    assert float(distillation(logits(0.0), taught(0.75), how=how)) == pytest.approx(by_hand)


def test_it_is_0_where_the_student_says_what_the_teacher_says() -> None:
    shares = torch.rand(2, 5, 5, dtype=torch.float64) * 0.9 + 0.05
    student = torch.logit(shares).unsqueeze(1).requires_grad_()
    loss = distillation(student, shares, how=Distillation(temperature=3.0))
    loss.backward()
    assert float(loss.detach()) == pytest.approx(0, abs=1e-12)
    assert student.grad is not None and float(student.grad.abs().max()) < 1e-12


def test_it_is_that_of_a_softmax_of_two_classes() -> None:
    generator = torch.Generator().manual_seed(0)
    student = torch.randn(2, 1, 6, 7, dtype=torch.float64, generator=generator)
    shares = torch.rand(2, 6, 7, dtype=torch.float64, generator=generator) * 0.9 + 0.05
    two = torch.cat([torch.zeros_like(student), student], dim=1) / 1.5
    teacher = torch.stack([torch.zeros_like(shares), torch.logit(shares)], dim=1) / 1.5
    expected = F.kl_div(
        F.log_softmax(two, dim=1), F.log_softmax(teacher, dim=1), log_target=True, reduction="none"
    ).sum(dim=1)
    found = distillation(student, shares, how=Distillation(temperature=1.5))
    assert float(found) == pytest.approx(1.5**2 * float(expected.mean()))


def test_what_the_teacher_does_not_say_and_is_not_sure_of_does_not_count() -> None:
    how = Distillation(confidence=0.8)
    shares = taught(0.75, 0.9, 0.1, float(IGNORED))
    assert taught_weight(shares, how=how).tolist() == [[[0, 1, 1, 0]]]
    expected = distillation(logits(1.0, -2.0), taught(0.9, 0.1), how=PLAIN)
    assert float(distillation(logits(5.0, 1.0, -2.0, 3.0), shares, how=how)) == pytest.approx(float(expected))


def test_near_the_outline_of_the_teacher_a_pixel_counts_more() -> None:
    shares = torch.full((1, 100, 100), 0.1)
    shares[:, :, 50:] = 0.9
    weight = taught_weight(shares, how=Distillation(boundary=4.0))
    reach = round(0.02 * math.hypot(100, 100))
    near = slice(50 - reach, 50 + reach)
    assert set(weight[0, :, near].unique().tolist()) == {4.0}
    assert float(weight.sum()) == 100 * 100 + 3 * 100 * 2 * reach


def test_where_nothing_is_taught_nothing_is_learnt() -> None:
    student = torch.randn(1, 1, 4, 4, requires_grad=True)
    loss = distillation(student, torch.full((1, 4, 4), float(IGNORED)), how=PLAIN)
    loss.backward()
    assert float(loss.detach()) == 0 and student.grad is not None and not student.grad.any()


def test_a_teacher_that_is_quite_sure_in_8_bits_has_a_finite_logit() -> None:
    loss = distillation(logits(-20.0, 20.0), taught(1.0, 0.0), how=PLAIN)
    assert math.isfinite(float(loss)) and float(loss) > 10


@pytest.mark.parametrize("how", [PLAIN, Distillation(temperature=2.5, boundary=3.0, confidence=0.6)])
def test_gradients_are_those_of_small_differences(how: Distillation) -> None:
    generator = torch.Generator().manual_seed(1)
    student = torch.randn(2, 1, 9, 8, dtype=torch.float64, generator=generator).requires_grad_()
    shares = torch.rand(2, 9, 8, dtype=torch.float64, generator=generator)
    shares[0, 0] = IGNORED
    assert torch.autograd.gradcheck(lambda values: distillation(values, shares, how=how), (student,))


@pytest.mark.parametrize(
    "wrong",
    [
        {"weight": 0.0},
        {"weight": math.inf},
        {"temperature": 0.0},
        {"boundary": 0.5},
        {"confidence": 0.3},
        {"confidence": 1.0},
    ],
)
def test_numbers_that_teach_nothing_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="distill"):
        Distillation(**wrong)
